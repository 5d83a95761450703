"""Pools of instances, period by period: what serves in each, and the load that is routed to it.

serving  = count − what still boots (its first start_h hours, pro rata), part of the time by availability and opening
load     = seconds of an instance per unit of work · units / (3600 · h), in instance-periods
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from router.plan.document import Plan
from router.plan.rows import InstanceRow, Purchase
from router.verification.base.case import Case, Future
from router.verification.base.flows import Flow
from router.verification.base.latency import Seconds, seconds
from router.verification.base.ledger import Ledger

type PoolKey = tuple[str, str | None, int, str | None]
"""Offer, model (None where one count serves all), period, scenario."""


@dataclass(frozen=True)
class EarlierPurchase:
    """Instances bought before the horizon: the pool, the hour at which the term ends; None: at the offer's price."""

    place: tuple[str, str | None]
    end_h: float
    count: float
    usd_per_h: float | None

    def rent(self, stated: float) -> float:
        """USD an hour of one: as kept for its term, else as its offer states."""
        return stated if self.usd_per_h is None else self.usd_per_h


type Line = tuple[str, str | None, str | None]
"""A pool over time: offer, model, scenario."""

type Piece = tuple[float, float, float, float]
"""From and to, in hours; load on the prompt side and on the completion side, in instance-periods."""

type Loads = dict[PoolKey, list[Piece]]


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool in one period: its row, the instances that serve there, and the part of time that they are up."""

    row: InstanceRow
    future: Future
    serving: float
    available: float
    steady: float
    """The least of it while its offer is open, by the part of the period that it is: what waits are judged by."""

    @property
    def usable(self) -> float:
        return self.serving * self.available


def pools_of(case: Case, plan: Plan, ledger: Ledger) -> dict[PoolKey, Pool]:
    """The rows by pool, period and future. A row for a pool that cannot be is a fault."""
    rows: dict[PoolKey, InstanceRow] = {}
    for i, row in enumerate(plan.instances):
        future = case.future(row.scenario)
        key = (row.offer, row.model, row.period, future.name)
        fault = _misplaced(case, row) or ("is listed twice" if key in rows else None)
        if fault:
            ledger.fault(f"instances[{i}]:", *key, fault)
        else:
            rows[key] = row
    return _with_usable(case, rows)


def in_force(
    case: Case, purchases: Iterable[Purchase], earlier: Iterable[EarlierPurchase], offer: str
) -> list[float]:
    """Instances of an offer under a term, by period, whichever model they were bought for."""
    counts = [0.0] * case.periods
    mine = (row for row in purchases if row.offer == offer)
    terms = [(row.from_h, case.term_end_h(offer, row.from_h), row.count) for row in mine]
    terms += [(-math.inf, row.end_h, row.count) for row in earlier if row.place[0] == offer]
    for from_h, end_h, count in terms:
        for period in range(case.periods):
            hour = period * case.period_h
            if from_h - 1e-9 <= hour < end_h - 1e-9 and case.times.due(offer, *case.span(period)) > 0:
                counts[period] += count
    return counts


def _misplaced(case: Case, row: InstanceRow) -> str | None:
    offer = case.offers[row.offer]
    if offer.instances is None:
        return "has no instances to rent"
    if offer.instances.shared_by_models != (row.model is None):
        return "counts the instances of one model, or of all, where the offer does the other"
    if row.model is not None and row.model not in offer.models:
        return "is a pool for a model not offered"
    return None


def _with_usable(case: Case, rows: dict[PoolKey, InstanceRow]) -> dict[PoolKey, Pool]:
    pools = {}
    for key, row in rows.items():
        offer, model, period, scenario = key
        instances = case.instances[offer]
        booting = 0.0
        if instances.start_h > 0:
            booting = min(
                _booting(case, rows, (offer, model, scenario), period, instances.start_h), row.paid_count
            )
        future = case.future(scenario)
        available = case.available(offer, future, *case.span(period))
        steady = case.steady(offer, future, period)
        pools[key] = Pool(row, future, row.count - booting if available > 0 else 0.0, available, steady)
    return pools


def _booting(case: Case, rows: dict[PoolKey, InstanceRow], line: Line, period: int, start_h: float) -> float:
    """Instances that boot in a period, by the part of it that they boot for."""
    h = case.period_h
    offer, model, scenario = line
    total = []
    for since in range(max(0, period - math.ceil(start_h / h - 1e-9)), period + 1):
        row = rows.get((offer, model, since, scenario))
        part = min(start_h - (period - since) * h, h) / h
        if any(case.closed(offer, t) for t in range(since, period + 1)):
            continue  # closing ends what boots
        if row is not None and part > 0:
            total.append(row.started * part)
    return math.fsum(total)


def by_offer(pools: dict[PoolKey, Pool]) -> dict[tuple[str, int, str | None], list[InstanceRow]]:
    """Rows of an offer's pools in one period and future."""
    grouped: dict[tuple[str, int, str | None], list[InstanceRow]] = defaultdict(list)
    for (offer, _, period, scenario), pool in pools.items():
        grouped[offer, period, scenario].append(pool.row)
    return grouped


def lines(pools: dict[PoolKey, Pool]) -> dict[Line, dict[int, InstanceRow]]:
    """Each pool over the periods in which it has instances."""
    grouped: dict[Line, dict[int, InstanceRow]] = defaultdict(dict)
    for (offer, model, period, scenario), pool in pools.items():
        grouped[offer, model, scenario][period] = pool.row
    return grouped


def loads_of(case: Case, flows: Iterable[Flow], ledger: Ledger) -> Loads:
    """Pieces of load by pool, period and future. A route whose rate is unknown is a fault."""
    loads: Loads = defaultdict(list)
    by_candidate: dict[tuple[str, str, str], Seconds | None] = {}
    factor = case.problem.policy.p99_over_mean
    for flow in flows:
        row = flow.row
        if flow.offer.instances is None or flow.entry is None or flow.units == 0:
            continue
        candidate = (row.workload, row.offer, row.model)
        if candidate not in by_candidate:
            by_candidate[candidate] = seconds(
                flow.workload, flow.unit, flow.entry, factor, case.rtt_ms(row.workload, row.offer)
            )
        each = by_candidate[candidate]
        if each is None:
            ledger.fault(*candidate, "has no known throughput")
            continue
        hours = flow.cell.runs.get(row.period) or (
            row.period * case.period_h,
            (row.period + 1) * case.period_h,
        )
        part = flow.units / (3600.0 * case.period_h)
        at = (case.pool_model(row.offer, row.model), row.period, flow.future.name)
        prompt, completion = each[0] * part, each[1] * part
        if row.offer in case.decoding:
            loads[row.offer, *at].append((*hours, prompt, prompt))
            loads[case.decoding[row.offer], *at].append((*hours, completion, completion))
        else:
            loads[row.offer, *at].append((*hours, prompt, completion))
    return loads
