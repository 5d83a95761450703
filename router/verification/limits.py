"""Limits over several routes or pools: quotas, groups of instances, power, and money.

quota    Σ requests, tokens or burndown units in a period ≤ so many a minute · 60 · h    over all models
groups   min_units ≤ Σ units · count ≤ max_units                                         in every period
power    Σ power_kw · (paid + reserved) ≤ max_power_kw                                   in every period
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from router.schema import Group
from router.verification.case import Case
from router.verification.checks import Ledger
from router.verification.flows import Flow
from router.verification.instances import Pool, PoolKey, by_offer


def check_quotas(case: Case, flows: Iterable[Flow], ledger: Ledger) -> None:
    """The provider's caps, averaged over a period."""
    used: dict[tuple[str, str, int, str | None], list[float]] = defaultdict(list)
    caps: dict[tuple[str, str], float] = {}
    for flow in flows:
        quota, entry = flow.offer.quota, flow.entry
        if entry is None:
            continue
        amounts = (
            ("requests_per_minute", quota.requests_per_minute, flow.unit.requests or 0.0),
            ("tokens_per_minute", quota.tokens_per_minute, flow.unit.tokens),
            ("units_per_minute", quota.units_per_minute, flow.unit.burndown(entry)),
        )
        for name, cap, each in amounts:
            if cap is not None:
                caps[flow.offer.name, name] = cap
                used[flow.offer.name, name, flow.row.period, flow.future.name].append(flow.units * each)
    for (offer, name, period, scenario), parts in used.items():
        minute = math.fsum(parts) / (60.0 * case.period_h)
        ledger.at_most(minute, caps[offer, name], offer, name, "period", period, scenario)


def check_groups(case: Case, pools: dict[PoolKey, Pool], ledger: Ledger) -> None:
    """Units of each group in every period and future, those without any instance included."""
    counts = {key: math.fsum(row.count for row in rows) for key, rows in by_offer(pools).items()}
    for group in case.problem.groups:
        for future in case.futures:
            for period in range(case.periods):
                units = _units(case, group, counts, period, future.name)
                at = (group.name, "period", period, future.name, "units")
                ledger.at_least(units, group.min_units, *at)
                if group.max_units is not None:
                    ledger.at_most(units, group.max_units, *at)


def _units(
    case: Case,
    group: Group,
    counts: dict[tuple[str, int, str | None], float],
    period: int,
    scenario: str | None,
) -> float:
    parts = []
    for name in group.offers:
        instances = case.offers[name].instances
        if instances is not None:
            parts.append(instances.units * counts.get((name, period, scenario), 0.0))
    return math.fsum(parts)


def check_power(case: Case, pools: dict[PoolKey, Pool], ledger: Ledger) -> None:
    """Power drawn by everything paid for, reserved instances included, used or not."""
    most = case.problem.policy.max_power_kw
    if most is None:
        return
    paid = {key: math.fsum(row.paid_count for row in rows) for key, rows in by_offer(pools).items()}
    for future in case.futures:
        for period in range(case.periods):
            drawn = []
            for name, offer in case.offers.items():
                if offer.instances is not None:
                    count = paid.get((name, period, future.name), 0.0) + offer.instances.reserved
                    drawn.append(offer.instances.power_kw * count)
            ledger.at_most(math.fsum(drawn), most, "period", period, future.name, "kW")
