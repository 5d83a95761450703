"""Counts of instances: what may be rented, what is reserved, and for how long a start must stay.

count    ∈ {0} ∪ {min, min + step, …} per pool (real and ≥ min if not integral); Σ over pools ≤ max
paid     = count − reserved_count;  Σ reserved_count ≤ reserved
started  = max(0, paid[t] − paid[t−1]), paid[−1] = what ran, or 0
paid[t]  ≥ Σ started within the last min_up_h
adapters Σ over workloads that send anything to the pool ≤ adapter_slots · count
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.plan.rows import InstanceRow, Purchase
from router.schema import Instances
from router.verification.base.audit import Audit
from router.verification.base.case import MONTH_H, Case
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.parts import stated_name
from router.verification.base.pools import EarlierPurchase, Line, PoolKey, by_offer, in_force, lines
from router.verification.base.spans import begins_at, multiples

PRESENT = 1e-9
"""Share below which a route is rounding, and needs no adapters."""


def check_counts(audit: Audit, ledger: Ledger) -> None:
    """Counts that can be rented, and no more in all than the offer has."""
    for key, pool in audit.pools.items():
        sold = _sold(audit.case, pool.row)
        ledger.require(sold, *key, f"count {pool.row.count:.10g} is not sold")
    for (offer, period, scenario), rows in by_offer(audit.pools).items():
        count = math.fsum(row.count for row in rows)
        most, instances = _most(audit.case, offer, period), audit.case.instances[offer]
        if math.isfinite(most):
            ledger.at_most(count, most, offer, "period", period, scenario, "instances in all")
        hourly = instances.term_hours is None and instances.resize == "period"
        if hourly and audit.case.closed(offer, period):
            ledger.at_most(count, 0.0, offer, "period", period, scenario, "instances while it is closed")


def check_adapters(audit: Audit, ledger: Ledger) -> None:
    """The adapters of all workloads with any work in a pool fit in the slots of its instances."""
    case = audit.case
    held: dict[PoolKey, dict[str, int]] = defaultdict(dict)
    for flow in audit.flows:
        if flow.offer.instances is None or flow.row.served_share <= PRESENT or flow.units <= 0:
            continue
        name, at = flow.offer.name, (flow.row.period, flow.future.name)
        model = case.pool_model(name, flow.row.model)
        for offer in (name, case.decoding.get(name, name)):
            held[offer, model, *at][stated_name(flow.workload)] = flow.workload.adapters
    for key, adapters in held.items():
        slots = case.instances[key[0]].adapter_slots
        if slots is not None:
            pool = audit.pools.get(key)
            count = pool.row.count if pool is not None else 0.0
            ledger.at_most(sum(adapters.values()) / slots, count, *key, "instances' worth of adapters")


def _most(case: Case, offer: str, period: int) -> float:
    """The maximum of a period; of one number for the horizon that of all."""
    ahead = case.bought_ahead(offer) is not None
    periods = range(case.periods) if ahead and case.offers[offer].schedule else (period,)
    return min(case.counted(offer, t, lambda each: each.max) for t in periods)


def _sold(case: Case, row: InstanceRow) -> bool:
    """Whether a count is in {0} ∪ {min, min + step, …}, or 0 or at least min where it need not be whole."""
    if row.count == 0:
        return True
    instances, (least, step) = case.instances[row.offer], case.grid(row.offer, row.model)
    above = row.count - least
    if above < -RELATIVE * max(1.0, least):
        return False
    steps = above / step
    return not instances.integral or abs(steps - round(steps)) <= RELATIVE * max(1.0, abs(steps))


def check_reserved(audit: Audit, ledger: Ledger) -> None:
    """Reserved instances are handed out once, and what is above them is what is paid."""
    for key, pool in audit.pools.items():
        row = pool.row
        ledger.at_least(row.reserved_count, 0.0, *key, "reserved_count")
        ledger.at_most(row.reserved_count, row.count, *key, "reserved_count of the count")
        ledger.equal(row.paid_count, row.count - row.reserved_count, *key, "paid_count")
    for (offer, period, scenario), rows in by_offer(audit.pools).items():
        reserved = math.fsum(row.reserved_count for row in rows)
        most = audit.case.counted(offer, period, lambda each: each.reserved)
        ledger.at_most(reserved, most, offer, "period", period, scenario, "reserved")


def check_horizon_counts(audit: Audit, ledger: Ledger) -> None:
    """Instances bought for the horizon: the same number in every period and every future."""
    first: dict[tuple[str, str | None], InstanceRow] = {}
    row_count: dict[tuple[str, str | None], int] = defaultdict(int)
    for (offer, model, period, scenario), pool in audit.pools.items():
        if audit.case.bought_ahead(offer) is None:
            continue
        row = first.setdefault((offer, model), pool.row)
        row_count[offer, model] += 1
        at = (offer, model, "period", period, scenario)
        ledger.equal(pool.row.count, row.count, *at, "count for the horizon")
        ledger.equal(pool.row.paid_count, row.paid_count, *at, "paid_count for the horizon")
    for pool_name, count in row_count.items():
        if first[pool_name].count > 0:
            whole = audit.case.periods * len(audit.case.futures)
            ledger.require(count == whole, *pool_name, f"bought ahead, has {count} of {whole} rows")


def check_purchases(audit: Audit, ledger: Ledger) -> None:
    """Instances with a term: what runs in a period was bought, by this plan or before it, and has not lapsed."""
    case, bought = audit.case, _active_purchases(audit, ledger)
    earlier = () if audit.earlier is None else audit.earlier.purchases
    places = {key[:2] for key in audit.pools if audit.case.instances[key[0]].term_hours is not None}
    places |= {key[:2] for key in bought} | {row.place for row in earlier}
    places = {place for place in places if not case.off_grid(place[0])}
    for name in case.instances:
        if case.off_grid(name):
            _check_for_all_models(audit, name, earlier, ledger)
    for offer, model in sorted(places, key=str):
        for future in case.futures:
            for period in range(case.periods):
                pool = audit.pools.get((offer, model, period, future.name))
                paid = pool.row.paid_count if pool is not None else 0.0
                due = bought.get((offer, model, period), 0.0)
                hour = period * case.period_h + 1e-9
                due += math.fsum(
                    row.count for row in earlier if row.place == (offer, model) and hour < row.end_h
                )
                if case.times.due(offer, *case.span(period)) <= 0:
                    due = 0.0
                ledger.equal(paid, due, offer, model, "period", period, future.name, "paid_count of a term")


def _check_for_all_models(
    audit: Audit, offer: str, earlier: tuple[EarlierPurchase, ...], ledger: Ledger
) -> None:
    """What is bought for an offer is for no model of it, covers what is paid for, and is no more than there is."""
    case = audit.case
    for row in audit.rows.purchases:
        ledger.require(
            row.offer != offer or row.model is None, offer, row.model, "is bought for a model alone"
        )
    bought, before = (in_force(case, rows, earlier, offer) for rows in (audit.rows.purchases, ()))
    paid = {key: math.fsum(row.paid_count for row in rows) for key, rows in by_offer(audit.pools).items()}
    for period in range(case.periods):
        most = case.counted(offer, period, lambda each: each.max)
        most -= case.counted(offer, period, lambda each: each.reserved)
        if math.isfinite(most):
            at_most = max(most, before[period])
            ledger.at_most(bought[period], at_most, offer, "period", period, "bought in all")
        for future in case.futures:
            at = (offer, period, future.name)
            ledger.at_most(paid.get(at, 0.0), bought[period], *at, "paid_count in all of what is bought")


def _active_purchases(audit: Audit, ledger: Ledger) -> dict[tuple[str, str | None, int], float]:
    """Instances under a term by offer, pool and period."""
    case, active = audit.case, defaultdict[tuple[str, str | None, int], float](float)
    for i, row in enumerate(audit.rows.purchases):
        instances, at = case.instances.get(row.offer), (f"purchases[{i}]:", row.offer)
        term_h = None if instances is None else instances.term_hours
        if instances is None or term_h is None:
            ledger.fault(*at, "has no instances with a term")
            continue
        whole = not instances.integral or abs(row.count - round(row.count)) <= RELATIVE
        ledger.require(row.count >= 0 and whole, *at, "count", row.count)
        every_h = instances.start_every_h or (case.period_h if instances.term_months is None else MONTH_H)
        sold = begins_at(multiples(case, every_h), row.from_h)
        ledger.require(sold, *at, f"from_h {row.from_h:.10g} starts no term")
        end_h = case.bought_until_h(row.offer, row.from_h, term_h)
        opens_h = case.times.life(row.offer)[0]
        ledger.require(opens_h <= row.from_h + 1e-9 < end_h, *at, "is bought while the offer is not sold")
        if row.until_h is not None:  # version 1 does not state it
            ledger.equal(row.until_h, end_h, *at, "until_h")
        if row.usd_per_h is not None:
            ledger.equal(row.usd_per_h, case.term_usd_per_h(row.offer, row.from_h), *at, "usd_per_h")
        _check_owed(case, row, instances, end_h, ledger, at)
        for period in range(case.periods):
            if row.from_h - 1e-9 <= period * case.period_h < end_h - 1e-9:
                active[row.offer, row.model, period] += row.count
    return active


def _check_owed(
    case: Case, row: Purchase, instances: Instances, end_h: float, ledger: Ledger, at: tuple[object, ...]
) -> None:
    """What a purchase costs in the horizon and owes after it, at mean prices, undiscounted."""
    price = math.fsum(future.probability * future.price_of(row.offer) for future in case.futures)
    first, end = (math.ceil(hour / case.period_h - 1e-9) for hour in (row.from_h, end_h))
    hours = case.term_hours_due(row.offer, first, end, weighed=False)
    term_h, beyond_h = max(end_h - row.from_h, 1e-9), max(0.0, end_h - case.horizon_h)
    in_full = case.problem.policy.end_of_horizon == "charge_in_full"
    later = 0.0 if in_full else instances.upfront_usd * beyond_h / term_h
    hourly = case.term_usd_per_h(row.offer, row.from_h)
    inside = hourly * hours + instances.upfront_usd - later
    if row.billed_usd is not None:
        ledger.money(row.billed_usd, row.count * price * inside, *at, "billed_usd")
    if row.beyond_horizon_usd is not None:
        owed = row.count * price * (hourly * beyond_h + later)
        ledger.money(row.beyond_horizon_usd, owed, *at, "beyond_horizon_usd")


def check_starts(audit: Audit, ledger: Ledger) -> None:
    """Started are those above what ran before, and they alone; a start stays up for min_up_h."""
    before_all = {} if audit.earlier is None else audit.earlier.before
    for (offer, model, scenario), rows in lines(audit.pools).items():
        instances = audit.case.instances[offer]
        at = (offer, model, scenario)
        for period, row in rows.items():
            before = rows[period - 1].paid_count if period - 1 in rows else 0.0
            if period == 0:
                before = before_all.get((offer, model), 0.0)
            ledger.equal(row.started, max(0.0, row.paid_count - before), *at, "period", period, "started")
        if instances.min_up_h > 0:
            _check_min_up(audit.case, rows, instances.min_up_h, at, ledger)


def _check_min_up(
    case: Case, rows: dict[int, InstanceRow], min_up_h: float, at: Line, ledger: Ledger
) -> None:
    """paid[t] ≥ Σ started[u] over the u whose instances must still be up: u · h > t · h − min_up_h."""
    must: dict[int, list[float]] = defaultdict(list)
    for since, row in rows.items():
        if row.started > 0:
            for period in range(since, case.periods):
                if (period - since) * case.period_h >= min_up_h * (1 - 1e-12) or case.closed(at[0], period):
                    break
                must[period].append(row.started)
    for period, started in must.items():
        paid = rows[period].paid_count if period in rows else 0.0
        ledger.at_least(paid, math.fsum(started), *at, "period", period, "paid_count for its least time up")
