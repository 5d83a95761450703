"""One scenario's view of the instance: what every row family reads, so that none of them knows of scenarios."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from problems.core.admissible import IN_TIME, Routes
from problems.core.arrays import ArrayTable, Bools, Floats, Ints
from problems.core.instance import Cells, Instance
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
    usable: Floats  # (F,) usable share of an instance: availability · max_utilisation
    scenario: int
    boundary: float  # relative tolerance of whole instances at a unit boundary (see problems.throughput)

    @cached_property
    def flow_load(self) -> Floats:
        """(N, 2) instances that a whole cell would keep busy on a route in one period."""
        return self.routes.load_s[self.flows.route] * (self.flows.work / self.inst.time.seconds)[:, None]

    @cached_property
    def flow_tokens(self) -> Floats:
        """(N,) tokens of a whole cell."""
        return self.routes.tokens[self.flows.route] * self.flows.work

    @cached_property
    def partial(self) -> Bools:
        """(N,) flows that may use only a part of their period."""
        return (self.flows.start > 0) | (self.flows.end < 1)

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
        usd = self.routes.usd[self.flows.route[at]] * self.flows.work[at]
        return np.asarray(usd * self.price[self.inst.contracts.offer[b]])

    def label_cell(self, cell: int) -> str:
        workload = self.inst.workloads.names[self.cells.workload[cell]]
        return f"{workload},{self.cells.occurrence[cell]}"


def view_of(inst: Instance, routes: Routes, s: int, boundary: float) -> View:
    """The view of scenario `s`."""
    cells = _scaled(inst.cells, multiplier_of(inst, s))
    fleets = inst.fleets
    usable = fleets.availability * inst.scenarios.availability[s][fleets.offer]
    utilisation = np.where(np.isfinite(fleets.max_utilisation), fleets.max_utilisation, 1.0)
    return View(
        inst=inst,
        routes=routes,
        cells=cells,
        flows=_flows(cells, routes, inst),
        price=inst.scenarios.price[s],
        usable=np.minimum(usable, 1.0) * utilisation,
        scenario=s,
        boundary=boundary,
    )


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
