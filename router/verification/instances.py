"""Counts of instances: what may be rented, what is held, what boots, and for how long it must stay.

count    ∈ {0} ∪ {min, min + step, …} per pool (real and ≥ min if not integral); Σ over pools ≤ max
paid     = count − reserved_count;  Σ reserved_count ≤ reserved
started  ≥ paid[t] − paid[t−1], paid[−1] = what ran, or 0
paid[t]  ≥ Σ started within the last min_up_h
serving  = count − what still boots (its first start_h hours, pro rata)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from router.schema import Instances
from router.verification.case import Case, Future
from router.verification.checks import RELATIVE, Ledger
from router.verification.rows import InstanceCount, PlanRows

type PoolKey = tuple[str, str | None, int, str | None]
"""Offer, model (None where one count serves all), period, scenario."""

type Earlier = tuple[tuple[str, str | None], float, float]
"""Bought before the horizon: the pool, the hour at which the term ends, instances."""

type Line = tuple[str, str | None, str | None]
"""A pool over time: offer, model, scenario."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool in one period: its row, and the instances that serve there, availability counted in."""

    row: InstanceCount
    future: Future
    usable: float


def pools_of(case: Case, plan: PlanRows, ledger: Ledger) -> dict[PoolKey, Pool]:
    """The rows by pool, period and future. A row for a pool that cannot be is a fault."""
    rows: dict[PoolKey, InstanceCount] = {}
    for i, row in enumerate(plan.instances):
        future = case.future(row.scenario)
        key = (row.offer, row.model, row.period, future.name)
        fault = _misplaced(case, row) or ("is listed twice" if key in rows else None)
        if fault:
            ledger.fault(f"instances[{i}]:", *key, fault)
        else:
            rows[key] = row
    return _with_usable(case, rows)


def _misplaced(case: Case, row: InstanceCount) -> str | None:
    offer = case.offers[row.offer]
    if offer.instances is None:
        return "has no instances to rent"
    if offer.instances.shared_by_models != (row.model is None):
        return "is not how this offer's pools are kept"
    if row.model is not None and row.model not in offer.models:
        return "is a pool for a model not offered"
    return None


def _with_usable(case: Case, rows: dict[PoolKey, InstanceCount]) -> dict[PoolKey, Pool]:
    pools = {}
    for key, row in rows.items():
        offer, model, period, scenario = key
        instances = case.offers[offer].instances
        assert instances is not None  # _misplaced has looked
        booting = 0.0
        if instances.start_h > 0:
            booting = min(
                _booting(case, rows, (offer, model, scenario), period, instances.start_h), row.paid_count
            )
        future = case.future(scenario)
        available = instances.availability * future.availability_of(offer)
        pools[key] = Pool(row, future, (row.count - booting) * available)
    return pools


def _booting(
    case: Case, rows: dict[PoolKey, InstanceCount], line: Line, period: int, start_h: float
) -> float:
    """Instances that boot in a period, by the part of it that they boot for."""
    h = case.period_h
    offer, model, scenario = line
    total = []
    for since in range(max(0, period - math.ceil(start_h / h - 1e-9)), period + 1):
        row = rows.get((offer, model, since, scenario))
        part = min(start_h - (period - since) * h, h) / h
        if row is not None and part > 0:
            total.append(row.started * part)
    return math.fsum(total)


def by_offer(pools: dict[PoolKey, Pool]) -> dict[tuple[str, int, str | None], list[InstanceCount]]:
    """Rows of an offer's pools in one period and future."""
    grouped: dict[tuple[str, int, str | None], list[InstanceCount]] = defaultdict(list)
    for (offer, _, period, scenario), pool in pools.items():
        grouped[offer, period, scenario].append(pool.row)
    return grouped


def lines(pools: dict[PoolKey, Pool]) -> dict[Line, dict[int, InstanceCount]]:
    """Each pool over the periods in which it has instances."""
    grouped: dict[Line, dict[int, InstanceCount]] = defaultdict(dict)
    for (offer, model, period, scenario), pool in pools.items():
        grouped[offer, model, scenario][period] = pool.row
    return grouped


def check_counts(case: Case, pools: dict[PoolKey, Pool], ledger: Ledger) -> None:
    """Counts that can be rented, and no more in all than the offer has."""
    for key, pool in pools.items():
        instances = _instances(case, key[0])
        ledger.require(_sold(pool.row.count, instances), *key, f"count {pool.row.count:.10g} is not sold")
    for (offer, period, scenario), rows in by_offer(pools).items():
        most = _instances(case, offer).max
        if most is not None:
            count = math.fsum(row.count for row in rows)
            ledger.at_most(count, most, offer, "period", period, scenario, "instances in all")


def _instances(case: Case, offer: str) -> Instances:
    instances = case.offers[offer].instances
    if instances is None:
        raise AssertionError(f"a pool of {offer}, which has none, should have been left out")
    return instances


def _sold(count: float, instances: Instances) -> bool:
    """Whether a count is in {0} ∪ {min, min + step, …}, or 0 or at least min where it need not be whole."""
    if count == 0:
        return True
    above = count - instances.min
    if above < -RELATIVE * max(1.0, instances.min):
        return False
    steps = above / instances.step
    return not instances.integral or abs(steps - round(steps)) <= RELATIVE * max(1.0, abs(steps))


def check_reserved(case: Case, pools: dict[PoolKey, Pool], ledger: Ledger) -> None:
    """Instances already held are handed out once, and what is above them is what is paid."""
    for key, pool in pools.items():
        row = pool.row
        ledger.at_least(row.reserved_count, 0.0, *key, "reserved_count")
        ledger.at_most(row.reserved_count, row.count, *key, "reserved_count of the count")
        ledger.equal(row.paid_count, row.count - row.reserved_count, *key, "paid_count")
    for (offer, period, scenario), rows in by_offer(pools).items():
        held = math.fsum(row.reserved_count for row in rows)
        ledger.at_most(held, _instances(case, offer).reserved, offer, "period", period, scenario, "reserved")


def check_horizon_counts(case: Case, pools: dict[PoolKey, Pool], ledger: Ledger) -> None:
    """Instances bought for the horizon: the same number in every period and every future."""
    first: dict[tuple[str, str | None], InstanceCount] = {}
    seen: dict[tuple[str, str | None], int] = defaultdict(int)
    for (offer, model, period, scenario), pool in pools.items():
        instances = _instances(case, offer)
        if instances.resize != "horizon" or instances.term_months is not None:
            continue
        row = first.setdefault((offer, model), pool.row)
        seen[offer, model] += 1
        at = (offer, model, "period", period, scenario)
        ledger.equal(pool.row.count, row.count, *at, "count for the horizon")
        ledger.equal(pool.row.paid_count, row.paid_count, *at, "paid_count for the horizon")
    for pool_name, count in seen.items():
        if first[pool_name].count > 0:
            whole = case.periods * len(case.futures)
            ledger.require(count == whole, *pool_name, f"bought ahead, has {count} of {whole} rows")


def check_purchases(
    case: Case,
    plan: PlanRows,
    pools: dict[PoolKey, Pool],
    earlier: Sequence[Earlier],
    ledger: Ledger,
) -> None:
    """Instances with a term: what runs in a month is what was bought, by this plan or before it, and has not lapsed."""
    bought = active_purchases(case, plan, ledger)
    kept = {
        (offer, model) for offer, model, _, _ in pools if _instances(case, offer).term_months is not None
    } | {(offer, model) for offer, model, _ in bought}
    kept |= {place for place, _, _ in earlier}
    for offer, model in sorted(kept, key=str):
        for future in case.futures:
            for period in range(case.periods):
                pool = pools.get((offer, model, period, future.name))
                paid = pool.row.paid_count if pool is not None else 0.0
                due = bought.get((offer, model, case.month_of[period]), 0.0)
                due += held_over(earlier, (offer, model), period * case.period_h)
                ledger.equal(paid, due, offer, model, "period", period, future.name, "paid_count of a term")


def held_over(earlier: Sequence[Earlier], place: tuple[str, str | None], hour: float) -> float:
    """Instances bought for a term before the horizon that still covers an hour of it."""
    return math.fsum(count for at, end, count in earlier if at == place and hour < end - 1e-9)


def active_purchases(
    case: Case, plan: PlanRows, ledger: Ledger | None = None
) -> dict[tuple[str, str | None, int], float]:
    """Instances under a term by offer, pool and month of the horizon."""
    active: dict[tuple[str, str | None, int], float] = defaultdict(float)
    for i, row in enumerate(plan.purchases):
        instances = case.offers[row.offer].instances
        if instances is None or instances.term_months is None:
            if ledger is not None:
                ledger.fault(f"purchases[{i}]:", row.offer, "has no instances with a term")
            continue
        if ledger is not None:
            whole = not instances.integral or abs(row.count - round(row.count)) <= RELATIVE
            ledger.require(row.count >= 0 and whole, f"purchases[{i}]:", row.offer, "count", row.count)
        for month in range(row.month, min(row.month + instances.term_months, case.months)):
            active[row.offer, row.model, month] += row.count
    return active


def check_starts(
    case: Case,
    pools: dict[PoolKey, Pool],
    running: Mapping[tuple[str, str | None], float],
    ledger: Ledger,
) -> None:
    """Every instance above those that ran before is started; a start stays up for min_up_h."""
    for (offer, model, scenario), rows in lines(pools).items():
        instances = _instances(case, offer)
        at = (offer, model, scenario)
        for period, row in rows.items():
            before = rows[period - 1].paid_count if period - 1 in rows else 0.0
            if period == 0:
                before = running.get((offer, model), 0.0)
            ledger.at_least(row.started, max(0.0, row.paid_count - before), *at, "period", period, "started")
        if instances.min_up_h > 0:
            _check_min_up(case, rows, instances.min_up_h, at, ledger)


def _check_min_up(
    case: Case, rows: dict[int, InstanceCount], min_up_h: float, at: Line, ledger: Ledger
) -> None:
    """paid[t] ≥ Σ started[u] over the u whose instances must still be up: u · h > t · h − min_up_h."""
    must: dict[int, list[float]] = defaultdict(list)
    for since, row in rows.items():
        if row.started > 0:
            for period in range(since, case.periods):
                if (period - since) * case.period_h >= min_up_h * (1 - 1e-12):
                    break
                must[period].append(row.started)
    for period, started in must.items():
        paid = rows[period].paid_count if period in rows else 0.0
        ledger.at_least(paid, math.fsum(started), *at, "period", period, "paid_count for its least time up")
