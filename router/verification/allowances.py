"""Allowances: what is free is carried, and no more of it than a billing month has.

month    730 h from the start of the horizon, or from where `so_far` says; a period belongs to the one it starts in
left     a month's hours, those before the horizon too, / 730 of the allowance, less what was taken before
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC
from zoneinfo import ZoneInfo

from router.schema import Free, Horizon
from router.verification.base.audit import Audit
from router.verification.base.case import MONTH_H, Case
from router.verification.base.ledger import Ledger

KINDS = ("tokens", "requests")


def check_allowances(audit: Audit, ledger: Ledger) -> None:
    """A free share is part of a route of an offer with an allowance; together they are within every allowance."""
    used: dict[tuple[str, str, int, str | None], list[float]] = defaultdict(list)
    for i, flow in enumerate(audit.flows):
        share = flow.row.free_share
        if share is None:
            continue
        at = (f"routes[{i}]:", flow.row.workload, flow.offer.name)
        if flow.offer.free is None:
            ledger.fault(*at, "states a free share of an offer without an allowance")
            continue
        ledger.at_least(share, 0.0, *at, "free_share")
        ledger.at_most(share, flow.row.share, *at, "free_share")
        month = month_of(audit.case, flow.offer.free, flow.row.period)
        for kind in KINDS:
            each = flow.unit.tokens if kind == "tokens" else flow.unit.requests or 0.0
            used[flow.offer.name, kind, month, flow.future.name].append(share * flow.cell.units * each)
    for (name, kind, month, scenario), amounts in used.items():
        free = audit.case.offers[name].free
        most = None if free is None else dict(left_of(audit.case, free, kind)).get(month)
        if most is not None:
            scale = most or 1.0
            ledger.at_most(math.fsum(amounts) / scale, most / scale, name, kind, "month", month, scenario)


def month_of(case: Case, free: Free, period: int) -> int:
    """The month in which a period starts."""
    return math.floor((period * case.period_h + before_h(case.problem.horizon, free)) / MONTH_H + 1e-9)


def left_of(case: Case, free: Free, kind: str) -> Iterator[tuple[int, float]]:
    """(month, tokens or requests that may be free in it); nothing where the allowance does not count them."""
    amount = free.tokens_per_month if kind == "tokens" else free.requests_per_month
    if amount is None:
        return
    hours: dict[int, float] = defaultdict(float)
    for period in range(case.periods):
        hours[month_of(case, free, period)] += case.period_h
    for month, inside in hours.items():
        taken, before = 0.0, 0.0
        if free.so_far is not None and month == 0:
            taken = free.so_far.used_tokens if kind == "tokens" else free.so_far.used_requests
            before = before_h(case.problem.horizon, free)
        yield month, max(0.0, amount * (inside + before) / MONTH_H - taken)


def before_h(horizon: Horizon, free: Free) -> float:
    """Hours of the month that runs when the horizon begins, before that."""
    if free.so_far is None or horizon.start is None:
        return 0.0
    zone = ZoneInfo(horizon.timezone)
    since, start = (
        (at if at.tzinfo is not None else at.replace(tzinfo=zone)).astimezone(UTC)
        for at in (free.so_far.since, horizon.start)
    )
    return max(0.0, (start - since).total_seconds() / 3600.0)
