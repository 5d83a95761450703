"""Solution + Columns → the plan's rows, in people's units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import fsum

import numpy as np

from problems.core.admissible import REASONS
from problems.core.arrays import NONE, Bools, Floats
from problems.core.columns import Columns
from problems.core.costs import CHURN
from problems.core.counts import runs
from problems.core.encode import Encoded
from problems.core.view import View, available, first_period
from problems.pricing import purchase_parts
from router.normalise.roles import role_of
from router.plan.rows import (
    ContractRow,
    CostLine,
    CoverageRow,
    CreditRow,
    HostRow,
    InstanceRow,
    Purchase,
    Refused,
    RouteRow,
    ScenarioCost,
    Settlement,
    SpillOrder,
    UnservedRow,
    usd_of,
)
from router.planning.contract_rows import (
    contract_rows,
    coverage_rows,
    credit_rows,
    settlement_rows,
    signed_starts,
)
from router.planning.flows.after_loss import shares_after_loss
from router.planning.minutes.spill_rows import spill_orders, spilled_and_taken
from router.planning.packing import host_rows
from router.planning.settlement import Settled, cost_lines, settle
from router.planning.waits.tighten import booting
from solvers import SolveOptions

DUST_USD = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Decoded:
    """The rows of a plan and its money."""

    settled: Settled
    cost_usd: float
    objective_usd: float
    cost_lines: tuple[CostLine, ...]
    routes: tuple[RouteRow, ...]
    instances: tuple[InstanceRow, ...]
    purchases: tuple[Purchase, ...]
    contracts: tuple[ContractRow, ...]
    settlements: tuple[Settlement, ...]
    present_usd: tuple[
        float, ...
    ]  # value of each settlement's bill, every span of it discounted to the start
    coverage: tuple[CoverageRow, ...] | None
    hosts: tuple[HostRow, ...] | None
    spill_order: tuple[SpillOrder, ...] | None
    credits: tuple[CreditRow, ...] | None
    unserved: tuple[UnservedRow, ...]
    scenarios: tuple[ScenarioCost, ...]
    by_scenario: Floats  # (S,) USD

    @property
    def churn_usd(self) -> float:
        """Of what changes against the running plan."""
        return usd_of(self.cost_lines, CHURN.name)


def cost_rows(encoded: Encoded, point: Floats) -> tuple[tuple[CostLine, ...], Floats]:
    """Expected USD of a settled point by offer and kind, and its cost in each scenario (S,)."""
    inst = encoded.instance
    lines, by_scenario = cost_lines(encoded.costs, inst.scenarios.probability, point, len(inst.offers.names))
    for half, whole in enumerate(inst.offers.decodes_for.tolist()):  # money of both halves is the offer's
        for kind in [kind for o, kind in lines if o == half and whole != NONE]:
            lines[whole, kind] = lines.get((whole, kind), 0.0) + lines.pop((half, kind))
    rows = tuple(
        CostLine(None if o == NONE else inst.offers.names[o], kind, usd)
        for (o, kind), usd in sorted(lines.items(), key=lambda item: (item[0][0] == NONE, item[0]))
        if kind != CHURN.name or abs(usd) > DUST_USD  # a difference of two sums
    )
    return rows, by_scenario


def decode(
    encoded: Encoded, raw: Floats, *, named: bool | None = None, stating: SolveOptions | None = None
) -> Decoded:
    """Read a point of the program as a plan.

    named      rows say their scenario (default: where there are several)
    stating    limits within which it is chosen where work goes in a loss; None: nothing is said of that
    """
    inst = encoded.instance
    settled = settle(encoded, raw)
    point = settled.point
    named = len(inst.scenarios) > 1 if named is None else named
    pairs = list(zip(encoded.views, encoded.columns, strict=True))
    rows, by_scenario = cost_rows(encoded, point)
    spare = {} if stating is None else shares_after_loss(encoded, point, stating)
    cost, listed = fsum(line.usd for line in rows), signed_starts(encoded, point)
    settlements = [
        each
        for view, cols in pairs
        for each in settlement_rows(view, cols, point, listed, _scenario(view, named))
    ]
    return Decoded(
        settled=settled,
        cost_usd=cost,
        objective_usd=inst.policy.risk.mix(cost, by_scenario, inst.scenarios.probability),
        cost_lines=rows,
        routes=tuple(row for view, cols in pairs for row in _routes(view, cols, point, named, spare)),
        instances=tuple(row for view, cols in pairs for row in _instances(view, cols, point, named)),
        purchases=_purchases(encoded, point),
        contracts=contract_rows(encoded, point),
        settlements=tuple(row for row, _ in settlements),
        present_usd=tuple(usd for _, usd in settlements),
        coverage=tuple(
            row for view, cols in pairs for row in coverage_rows(view, cols, point, _scenario(view, named))
        )
        or None,
        hosts=tuple(
            row for view, cols in pairs for row in host_rows(view, cols, point, _scenario(view, named))
        )
        or None,
        spill_order=tuple(
            row for view, cols in pairs for row in spill_orders(view, cols, point, _scenario(view, named))
        )
        or None,
        credits=tuple(
            row for view, cols in pairs for row in credit_rows(view, cols, point, _scenario(view, named))
        )
        or None,
        unserved=tuple(row for view, cols in pairs for row in _unserved(view, cols, point, named)),
        scenarios=tuple(
            ScenarioCost(name, float(p), float(usd))
            for name, p, usd in zip(
                inst.scenarios.names, inst.scenarios.probability, by_scenario, strict=True
            )
        )
        if inst.scenarios.listed
        else (),
        by_scenario=by_scenario,
    )


@dataclass(frozen=True, eq=False, repr=False)
class OfferRows:
    """The rows of a plan that are about some offers."""

    bills: tuple[tuple[Settlement, float], ...]  # with the present value of each
    routes: tuple[RouteRow, ...]
    instances: tuple[InstanceRow, ...]
    hosts: tuple[HostRow, ...]
    coverage: tuple[CoverageRow, ...]


def decode_about(encoded: Encoded, settled: Settled, offers: Bools) -> OfferRows:
    """Of a point read as a plan what is about some offers (O,), halves of replicas with the whole of them."""
    point, named = settled.point, len(encoded.instance.scenarios) > 1
    listed, pairs = signed_starts(encoded, point), list(zip(encoded.views, encoded.columns, strict=True))
    rows = [
        (
            settlement_rows(view, cols, point, listed, _scenario(view, named), offers),
            _routes(view, cols, point, named, {}, offers),
            _instances(view, cols, point, named, offers),
            host_rows(view, cols, point, _scenario(view, named)),
            coverage_rows(view, cols, point, _scenario(view, named)),
        )
        for view, cols in pairs
    ]
    return OfferRows(*(tuple(row for each in kind for row in each) for kind in zip(*rows, strict=True)))


def _scenario(view: View, named: bool) -> str | None:
    return view.inst.scenarios.names[view.scenario] if named else None


def _occurrence(view: View, cell: int) -> int | None:
    """Only work that may run in another period than it arrives in has one."""
    return int(view.cells.occurrence[cell]) if view.inst.workloads.moves[view.cells.workload[cell]] else None


def _routes(
    view: View,
    cols: Columns,
    point: Floats,
    named: bool,
    spare: Mapping[tuple[int, int], Mapping[str, float]],
    offers: Bools | None = None,
) -> Iterator[RouteRow]:
    inst, flows, loads = view.inst, view.flows, view.inst.workloads
    scenario = _scenario(view, named)
    share = point[cols.flow]
    free = share - point[cols.charged]
    refused, taken = spilled_and_taken(view, cols, point)
    carries = (share > 0) | (refused > 0)
    carries[[f for s, f in spare if s == view.scenario]] = True
    if offers is not None:
        carries &= offers[view.routes.offer[flows.route]]
    for i in np.flatnonzero(carries):
        cell, r = flows.cell[i], flows.route[i]
        w = view.cells.workload[cell]
        work = float(share[i] * flows.work[i])
        after = spare.get((view.scenario, int(i)))
        yield RouteRow(
            workload=loads.file_names[w],
            offer=inst.offers.names[view.routes.offer[r]],
            model=inst.models.names[view.routes.model[r]],
            period=int(flows.period[i]),
            occurrence=_occurrence(view, int(cell)),
            scenario=scenario,
            share=float((share[i] + refused[i] - taken[i]) * loads.part[w]),
            requests=work if loads.sized[w] else None,
            prompt_tokens=float(work * loads.prompt_tokens[w]),
            completion_tokens=float(work * loads.completion_tokens[w]),
            free_share=float(free[i] * loads.part[w]) if free[i] > 0 else None,
            origin=loads.origins[w],
            recipe=loads.recipes[w],
            step=None if loads.recipes[w] is None else int(loads.steps[w]),
            carried_share=float(share[i] * loads.part[w]) if refused[i] > 0 else None,
            spilled_share=float(refused[i] * loads.part[w]) if refused[i] > 0 else None,
            taken_share=float(taken[i] * loads.part[w]) if taken[i] > 0 else None,
            after_loss={name: part * float(loads.part[w]) for name, part in after.items()} if after else None,
        )


def _instances(
    view: View, cols: Columns, point: Floats, named: bool, offers: Bools | None = None
) -> Iterator[InstanceRow]:
    inst, fleets, time = view.inst, view.inst.fleets, view.inst.time
    scenario = _scenario(view, named)
    pool, half = view.routes.pool[view.flows.route], view.routes.decoding[view.flows.route]
    load = np.zeros((2, fleets.pools, time.periods))
    for side, of in ((0, pool), (1, np.where(half >= 0, half, pool))):
        on = of >= 0
        busy = view.flow_load[on, side] * point[cols.flow[on]]
        np.add.at(load[side], (of[on], view.flows.period[on]), busy)
    if offers is not None and not offers[fleets.offer[fleets.pool_fleet]].any():
        return
    usable, run, left = available(view), runs(inst), fleets.reserved.copy()
    for q, (_, model) in enumerate(inst.pool_names):
        fleet = fleets.pool_fleet[q]
        count, paid = point[cols.counts.count[q]], point[cols.counts.paid[q]]
        if fleets.pooled[fleet]:  # what is reserved is taken first, whatever stands idle
            paid = np.maximum(count - left[fleet], 0.0)
            left[fleet] -= count - paid
        started = np.maximum(np.diff(paid, prepend=inst.paid_before[q]), 0.0)
        boots = booting(started, float(fleets.start_h[fleet]), time.period_h, run[q])
        capacity = usable[fleet] * (count - boots)
        mine = offers is None or bool(offers[fleets.offer[fleet]])
        for t in np.flatnonzero(count > 0) if mine else ():
            busy = float(load[:, q, t].max())
            yield InstanceRow(
                offer=inst.offers.file_names[fleets.offer[fleet]],
                model=model,
                period=int(t),
                scenario=scenario,
                count=float(count[t]),
                reserved_count=float(count[t] - paid[t]),
                paid_count=float(paid[t]),
                started=float(started[t]),
                utilisation=busy / capacity[t] if capacity[t] > 0 else 0.0,
                role=role_of(inst.offers, int(fleets.offer[fleet])),
            )


def _purchases(encoded: Encoded, point: Floats) -> tuple[Purchase, ...]:
    inst, bought = encoded.instance, encoded.first.bought
    fleets, rows = inst.fleets, []
    for q, k in zip(*np.nonzero(bought >= 0), strict=True):
        count = float(point[bought[q, k]])
        if count > 0:
            fleet, from_h = int(fleets.pool_fleet[q]), float(fleets.buy_h[k])
            price = float(inst.scenarios.probability @ inst.scenarios.price[:, fleets.offer[fleet]])
            inside, after = purchase_parts(inst, fleet, int(k))
            offer = int(fleets.offer[fleet])
            first = min(int(np.searchsorted(inst.time.start_h, from_h - 1e-9)), inst.time.periods - 1)
            kept = float(fleets.bought_usd_per_h[fleet, first]) if inst.offers.ruled[offer] else None
            rows.append(
                Purchase(
                    offer=inst.offers.file_names[offer],
                    model=None if fleets.pooled[fleet] else inst.pool_names[q][1],
                    from_h=from_h,
                    until_h=float(fleets.bought_until_h(fleet)[k]),
                    count=count,
                    billed_usd=count * price * inside,
                    beyond_horizon_usd=count * price * after,
                    role=role_of(inst.offers, offer),
                    usd_per_h=kept,
                )
            )
    return tuple(rows)


def _unserved(view: View, cols: Columns, point: Floats, named: bool) -> Iterator[UnservedRow]:
    loads, cells = view.inst.workloads, view.cells
    scenario, period = _scenario(view, named), first_period(view)
    for cell in np.flatnonzero(cols.unserved >= 0):
        share = float(point[cols.unserved[cell]])
        if share <= 0:
            continue
        w = cells.workload[cell]
        work = share * float(cells.work[cell])
        yield UnservedRow(
            workload=loads.file_names[w],
            period=int(period[cell]),
            occurrence=_occurrence(view, int(cell)),
            scenario=scenario,
            share=share * float(loads.part[w]),
            requests=work if loads.sized[w] else None,
            prompt_tokens=float(work * loads.prompt_tokens[w]),
            completion_tokens=float(work * loads.completion_tokens[w]),
            usd=float(work * loads.tokens[w] * loads.unserved_usd_per_token[w]),
            origin=loads.origins[w],
        )


def refused_rows(encoded: Encoded) -> tuple[Refused, ...]:
    """Every refused candidate with all its reasons."""
    inst, refusals = encoded.instance, encoded.refusals
    codes = np.array(REASONS, dtype=object)
    return tuple(
        Refused(
            inst.workloads.file_names[w],
            inst.offers.names[o],
            inst.models.names[m],
            tuple(codes[mask]),
            inst.workloads.origins[w],
            inst.workloads.recipes[w],
            None if inst.workloads.recipes[w] is None else int(inst.workloads.steps[w]),
        )
        for w, o, m, mask in zip(
            refusals.workload, refusals.offer, refusals.model, refusals.reasons, strict=True
        )
    )
