"""One scenario's view of the instance: what every row family reads, so that none of them knows of scenarios."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from problems.core import stretches
from problems.core.admissible import IN_TIME, Routes, amounts
from problems.core.arrays import ArrayTable, Bools, Floats, Ints
from problems.core.costs import ENTRY_PRICES, TOKENS, CostKind
from problems.core.instance import Cells, Instance
from problems.core.once import once
from problems.core.rows import positions
from solvers.core.record import Record


class Flows(ArrayTable):
    """Where a cell may run: one row per (slot, admissible route). The order is that of the flow columns."""

    cell: Ints
    route: Ints
    period: Ints
    start: Floats  # part of the period that may be used, from
    end: Floats  # and to
    work: Floats  # units of work of the cell

    def __len__(self) -> int:
        return len(self.cell)


class View(Record):
    """The instance under one scenario's demand, prices and availability."""

    inst: Instance
    routes: Routes
    cells: Cells  # only those with work
    flows: Flows
    price: Floats  # (O,) multiplier of all prices of the offer
    usable: Floats  # (F, T) usable share of an instance: availability · max_utilisation, by open hours
    usable_at: Floats  # (F, J) the same by stretch
    steady: Floats  # (F, T) the least of it in any hour that is open, by the part of the period that is: for waits
    scenario: int
    boundary: float  # relative tolerance of whole instances at a unit boundary (see problems.throughput)

    @cached_property
    def flow_load(self) -> Floats:
        """(N, 2) instances that a whole cell would keep busy on a route in one period."""
        return self.routes.load_s[self.flows.route] * (self.flows.work / self.inst.time.seconds)[:, None]

    @cached_property
    def pool_loads(self) -> tuple[Ints, Ints, Floats]:
        """Flows, pools that they load, and the instances there that a whole cell would keep busy.

        A row for each flow to a pool, by its slower side; two where prefill and decode have a pool each.
        """
        pool, half = self.routes.pool[self.flows.route], self.routes.decoding[self.flows.route]
        one, two = np.flatnonzero((pool >= 0) & (half < 0)), np.flatnonzero(half >= 0)
        flow = np.concatenate([one, two, two])
        load = np.concatenate([self.flow_load[one].max(axis=1), *self.flow_load[two].T])
        return flow, np.concatenate([pool[one], pool[two], half[two]]), load

    @cached_property
    def flow_tokens(self) -> Floats:
        """(N,) tokens of a whole cell."""
        return self.routes.tokens[self.flows.route] * self.flows.work

    @cached_property
    def answered(self) -> Ints:
        """(C,) the cell whose work each answers: its own, of steps of a recipe that of the workload."""
        return self._cells_of(self.inst.workloads.whole)

    @cached_property
    def led(self) -> Ints:
        """(C,) the cell of the first step of each one's recipe, its own where it is of none."""
        return self._cells_of(self.inst.workloads.lead)

    def _cells_of(self, row: Ints) -> Ints:
        cells = self.cells
        there = row[cells.workload]
        if (there == cells.workload).all():
            return np.arange(len(cells))
        return positions((there, cells.occurrence), (cells.workload, cells.occurrence))

    @cached_property
    def partial(self) -> Bools:
        """(N,) flows that may use only a part of their period."""
        return (self.flows.start > 0) | (self.flows.end < 1)

    @cached_property
    def flow_hours(self) -> tuple[Floats, Floats]:
        """(N,) hours from which and until which a flow may run in its period."""
        begin, h = self.inst.time.start_h[self.flows.period], self.inst.time.period_h
        return begin + self.flows.start * h, begin + self.flows.end * h

    @cached_property
    def flow_open(self) -> Floats:
        """(N,) the part of its time in which the offer of a flow is open."""
        offers = self.inst.offers
        if offers.open.all():
            return np.ones(len(self.flows))
        return self.inst.time.mean(offers.open, self.routes.offer[self.flows.route], *self.flow_hours)

    @cached_property
    def flow_limit(self) -> Floats:
        """(N,) the most of its cell that a flow may carry: no more than its offer is open for.

        Work that may run later is not limited by that where the offer opens again in its time.
        """
        limit, flows, inst = self.flow_open.copy(), self.flows, self.inst
        part = np.flatnonzero((limit > 0) & (limit < 1))
        several = np.bincount(self.cells.slot_cell, minlength=len(self.cells))[flows.cell[part]] > 1
        part = part[several]
        if not len(part):
            return limit
        _, key = np.unique(flows.cell * len(self.routes) + flows.route, return_inverse=True)
        last = np.full(int(key.max()) + 1, -1, dtype=np.int64)
        np.maximum.at(last, key[limit > 0], flows.period[limit > 0])
        until = np.searchsorted(inst.time.edge_h, self.flow_hours[1][part] - stretches.AT_ONCE, side="left")
        at_end = inst.offers.open[self.routes.offer[flows.route[part]], until - 1]
        limit[part[at_end | (last[key[part]] > flows.period[part])]] = 1.0
        return limit

    @cached_property
    def flow_usd(self) -> Floats:
        """(N,) of all use of the whole cell, as in `Routes.usd`, at the prices of its hours; no multiplier."""
        usd = self.routes.usd[self.flows.route] * self.flows.work
        ruled = np.flatnonzero(self.inst.offers.ruled[self.routes.offer[self.flows.route]])
        if len(ruled):
            contracts, of = self.inst.contracts, self.flow_contract[ruled]
            apart = (
                np.array([tiers is not None for tiers in contracts.tiers], dtype=bool) | contracts.in_tokens
            )
            elsewhere = np.append(apart, False)[of]  # tiers or a contract in tokens price them
            tokens = np.where(elsewhere, 0.0, self.use_usd(TOKENS, ruled, replaced=True))
            usd[ruled] = tokens + self.use_usd(TOKENS, ruled, replaced=False)
        return usd

    @cached_property
    def flow_token_usd(self) -> Floats:
        """(N,) of the tokens of the whole cell, whatever else prices them, likewise."""
        return self.use_usd(TOKENS, replaced=True)

    def use_usd(self, kind: CostKind, at: Ints | None = None, *, replaced: bool = False) -> Floats:
        """(n,) USD of some flows, or of all, at prices of a kind: means over their open hours, no multiplier."""
        flows, inst = self.flows, self.inst
        at = np.arange(len(flows)) if at is None else at
        from_h, to_h = (hours[at] for hours in self.flow_hours)
        entry, workload = self.routes.entry[flows.route[at]], self.cells.workload[flows.cell[at]]
        is_open, total = np.maximum(self.flow_open[at], 1e-300), np.zeros(len(at))
        counted, entries = amounts(inst), inst.entries
        is_long = inst.workloads.prompt_tokens[workload] > entries.long_above[entry]
        priced = [entries.usd_at, entries.long_usd_at] if is_long.any() else [entries.usd_at]
        for i, price in enumerate(ENTRY_PRICES):
            if price.kind is kind and price.replaced == replaced:
                each = [self._open_usd(prices[:, i], entry, from_h, to_h) for prices in priced]
                usd = each[0] if len(each) == 1 else np.where(is_long, each[1], each[0])
                total += counted[price.amount][workload] * usd / is_open
        return np.asarray(total * flows.work[at])

    def _open_usd(self, usd: Floats, entry: Ints, from_h: Floats, to_h: Floats) -> Floats:
        """(n,) means of prices (E, J) by hours, as if they were nothing while the offer is closed."""
        inst = self.inst
        is_open = inst.offers.open[inst.entries.offer] & np.isfinite(usd)
        return inst.time.mean(np.where(is_open, usd, 0.0), entry, from_h, to_h)

    @cached_property
    def flow_contract(self) -> Ints:
        """(N,) the contract of each flow's offer, −1: none."""
        return self.inst.offers.contract[self.routes.offer][self.flows.route]

    @cached_property
    def flows_of_contract(self) -> tuple[Ints, ...]:
        """(B,) the flows that each contract may carry."""
        at = np.flatnonzero(self.flow_contract >= 0)
        order = at[np.argsort(self.flow_contract[at], kind="stable")]
        edges = np.searchsorted(self.flow_contract[order], np.arange(len(self.inst.contracts.offer) + 1))
        return tuple(order[a:b] for a, b in pairwise(edges))

    def own_use(self, b: int, *, tokens: bool) -> Floats:
        """(n,) tokens, or dollars at contract rates, of a whole cell on each of the flows of contract `b`."""
        at = self.flows_of_contract[b]
        if tokens:
            return self.flow_tokens[at]
        return np.asarray(self.flow_usd[at] * self.price[self.inst.contracts.offer[b]])

    def label_cell(self, cell: int) -> str:
        workload = self.inst.workloads.names[self.cells.workload[cell]]
        return f"{workload},{self.cells.occurrence[cell]}"


def view_of(inst: Instance, routes: Routes, s: int, boundary: float) -> View:
    """The view of scenario `s`."""
    cells = cells_of(inst, s)
    usable_at, usable, steady = _usable(inst, inst.scenarios.availability[s].tobytes())
    return View(
        inst=inst,
        routes=routes,
        cells=cells,
        flows=_flows(cells, routes, inst),
        price=inst.scenarios.price[s],
        usable=usable,
        usable_at=usable_at,
        steady=steady,
        scenario=s,
        boundary=boundary,
    )


@once
def _usable(inst: Instance, availability: bytes) -> tuple[Floats, Floats, Floats]:
    """`View.usable_at`, `usable` and `steady` at an availability (O,) that most scenarios have in common."""
    utilisation = np.where(np.isfinite(inst.fleets.max_utilisation), inst.fleets.max_utilisation, 1.0)
    usable_at = _available_at(inst, np.frombuffer(availability)) * utilisation[:, None]
    return usable_at, inst.time.by_period(usable_at), _steady(inst, usable_at)


def cells_of(inst: Instance, s: int) -> Cells:
    """The work of scenario `s`."""
    return _scaled(inst.cells, multiplier_of(inst, s))


def still_work(inst: Instance, cells: Cells, period: int) -> Floats:
    """(W,) units of work that arrive and must run in a period."""
    at = (cells.occurrence == period) & ~inst.workloads.moves[cells.workload]
    return np.bincount(cells.workload[at], cells.work[at], minlength=len(inst.workloads.names))


def _available_at(inst: Instance, availability: Floats) -> Floats:
    """(F, J) the part of its count that serves: none while the offer is closed, all of it at most."""
    fleets = inst.fleets
    factor = availability[fleets.offer][:, None]
    return np.where(inst.offers.open[fleets.offer], np.minimum(fleets.availability * factor, 1.0), 0.0)


def _steady(inst: Instance, usable_at: Floats) -> Floats:
    """(F, T) what carries a rate that is even over the open hours of a period in each of them."""
    time, is_open = inst.time, inst.offers.open[inst.fleets.offer]
    lowest = stretches.least(
        time.edge_h, np.where(is_open, usable_at, np.inf), time.start_h, time.start_h + time.period_h
    )
    return np.asarray(np.where(np.isfinite(lowest), lowest, 0.0) * time.by_period(is_open))


def available(view: View) -> Floats:
    """(F, T) the part of its count that serves, on average over each period."""
    availability = view.inst.scenarios.availability[view.scenario]
    return view.inst.time.by_period(_available_at(view.inst, availability))


def multiplier_of(inst: Instance, s: int) -> Floats:
    """(C,) how much of each cell's stated work the scenario brings; a path is read where the cell may first run."""
    cells, scenarios = inst.cells, inst.scenarios
    multiplier = scenarios.demand[s][cells.workload]
    if scenarios.path is None or not len(cells):
        return np.asarray(multiplier)
    first = cells.slot_period[np.searchsorted(cells.slot_cell, np.arange(len(cells)))]
    return np.asarray(multiplier * scenarios.path[s, cells.workload, first])


def _scaled(cells: Cells, multiplier: Floats) -> Cells:
    """Cells under a demand multiplier (C,), without those that bring no work."""
    work = cells.work * multiplier
    keep = work > 0
    if keep.all():
        return replace(cells, work=work)
    number = np.cumsum(keep) - 1
    slots = keep[cells.slot_cell]
    return Cells(
        workload=cells.workload[keep],
        occurrence=cells.occurrence[keep],
        work=work[keep],
        slot_cell=number[cells.slot_cell[slots]],
        slot_period=cells.slot_period[slots],
        slot_from=cells.slot_from[slots],
        slot_to=cells.slot_to[slots],
        slot_left_h=cells.slot_left_h[slots],
    )


def _flows(cells: Cells, routes: Routes, inst: Instance) -> Flows:
    """Every slot with every admissible route of its cell's workload that answers in time."""
    first = np.searchsorted(routes.workload, np.arange(len(inst.workloads.names) + 1))
    w = cells.workload[cells.slot_cell]
    many = first[w + 1] - first[w]
    slot = np.repeat(np.arange(len(w)), many)
    offset = np.arange(len(slot)) - np.repeat(np.cumsum(many) - many, many)
    route = first[w[slot]] + offset
    in_time = inst.offers.turnaround_h[routes.offer[route]] <= cells.slot_left_h[slot] * IN_TIME
    slot, route = slot[in_time], route[in_time]
    cell = cells.slot_cell[slot]
    return Flows(
        cell=cell,
        route=route,
        period=cells.slot_period[slot],
        start=cells.slot_from[slot],
        end=cells.slot_to[slot],
        work=cells.work[cell],
    )


def first_period(view: View) -> Ints:
    """(C,) the first period in which each cell may run."""
    first = np.searchsorted(view.cells.slot_cell, np.arange(len(view.cells)))
    return view.cells.slot_period[first] if len(view.cells) else first


def intervals(view: View, flow: Ints) -> list[tuple[float, float]]:
    """Every [x, y] between ends of window pieces that cover part of a period."""
    part = flow[view.partial[flow]]
    starts, ends = (sorted(set(side[part].tolist())) for side in (view.flows.start, view.flows.end))
    return [(x, y) for x in starts for y in ends if x < y and (x > 0 or y < 1)]
