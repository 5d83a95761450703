"""Allowances and credits: what is free is carried, no more of it than a billing month has, no more paid than there is.

month    730 h from the start of the horizon, or from where `so_far` says; a period belongs to the one it starts in
left     a month's hours, those before the horizon too, / 730 of the allowance, less what was taken before
credit   pays use of its offers inside its dates, of a period partly inside by its hours, and its amount in all
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from router.schema import Credit, Free, Horizon
from router.verification.agreements import UseKey
from router.verification.base.audit import Audit
from router.verification.base.case import MONTH_H, Case
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.local_time import LocalTime
from router.verification.base.spans import hours_to
from router.verification.base.tariffs import tokens_bought
from router.verification.payable import PayableUse

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
        ledger.at_most(share, flow.row.served_share, *at, "free_share")
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


def check_credits(audit: Audit, ledger: Ledger) -> None:
    """Credits, and allowances in USD, pay use of their offers in their time, and no more than they have."""
    case, payable = audit.case, PayableUse(audit)
    by_use: dict[UseKey, dict[str, float]] = defaultdict(dict)
    by_name = {credit.name: credit for credit in case.problem.credits}
    paid: dict[tuple[str | None, str, int, str | None], list[float]] = defaultdict(list)
    seen: set[tuple[str | None, UseKey]] = set()
    for i, row in enumerate(audit.rows.credits or ()):
        future, at = case.future(row.scenario).name, (f"credits[{i}]:", row.credit or "free", row.offer)
        key: UseKey = (row.offer, row.kind, row.period, future)
        ledger.require((row.credit, key) not in seen, *at, "is listed twice")
        seen.add((row.credit, key))
        ledger.at_least(row.paid_usd, 0.0, *at, "paid_usd")
        free_tokens = row.credit is None and row.kind == "tokens"
        usd = row.paid_usd / case.future(row.scenario).price_of(row.offer) if free_tokens else 0.0
        ledger.equal(row.tokens or 0.0, tokens_bought(case, row.offer, row.period, usd), *at, "tokens")
        if row.credit is None:
            free = case.offers[row.offer].free
            if free is None or free.usd_per_month is None:
                ledger.fault(*at, "pays for an offer without an allowance in USD")
                continue
            paid[None, row.offer, month_of(case, free, row.period), future].append(row.paid_usd)
            continue
        credit = by_name[row.credit]
        ledger.require(row.offer in credit.offers, *at, "is none of its offers")
        most = inside(case, credit, row.period) * payable.most(key)
        by_use[key][row.credit] = row.paid_usd
        ledger.at_most(row.paid_usd, most, *at, "period", row.period, "paid_usd")
        paid[row.credit, "", 0, future].append(row.paid_usd)
    for key, each in by_use.items():
        ledger.at_most(math.fsum(each.values()), payable.most(key), *key, "paid by credits")
    _check_spans(audit, ledger, payable, by_use)
    for (name, offer, month, scenario), amounts in paid.items():
        if name is not None:
            ledger.at_most(math.fsum(amounts), by_name[name].usd, name, scenario, "pays", slack=1e-6)
            continue
        free = case.offers[offer].free
        left = {} if free is None else dict(left_of(case, free, "usd"))
        ledger.at_most(math.fsum(amounts), left.get(month, 0.0), offer, "month", month, scenario, slack=1e-6)


def _check_spans(
    audit: Audit, ledger: Ledger, payable: PayableUse, by_use: dict[UseKey, dict[str, float]]
) -> None:
    """Of what is billed by the span no more is paid than that comes to, by each credit in its part of the time."""
    several: list[UseKey] = []
    for (name, number, scenario), bill, keys in payable.spans():
        alone = [key for key in keys if len(payable.of_spans[key]) == 1]
        several += [key for key in keys if len(payable.of_spans[key]) > 1]
        at = (name, "span", number, scenario)
        total = [max(0.0, math.fsum(by_use[key].values()) - payable.known[key]) for key in alone]
        ledger.at_most(math.fsum(total), bill.worth_usd, *at, "paid by credits", slack=1e-6)
        for credit in audit.case.problem.credits:
            part = {key: inside(audit.case, credit, key[2]) for key in alone}
            own = [
                max(0.0, by_use[key].get(credit.name, 0.0) - part[key] * payable.known[key]) for key in alone
            ]
            most = max(part.values(), default=0.0) * bill.worth_usd
            ledger.at_most(math.fsum(own), most, *at, "paid by", credit.name, slack=1e-6)
    if several:
        total_usd = math.fsum(usd for key in several for usd in by_use[key].values())
        parts = {
            (credit.name, key[2]): inside(audit.case, credit, key[2])
            for credit in audit.case.problem.credits
            for key in several
        }
        short = payable.short(by_use, parts)
        ledger.at_most(short, 0.0, "paid by credits of several bills", slack=1e-6 + RELATIVE * total_usd)


def inside(case: Case, credit: Credit, period: int) -> float:
    """The part of a period inside the dates of a credit."""
    clock, (start, end) = LocalTime(case.problem.horizon), case.span(period)
    opens = start if credit.from_ is None else hours_to(clock, credit.from_)
    closes = end if credit.until is None else hours_to(clock, credit.until)
    return max(0.0, min(end, closes) - max(start, opens)) / (end - start)


def month_of(case: Case, free: Free, period: int) -> int:
    """The month in which a period starts."""
    return math.floor((period * case.period_h + before_h(case.problem.horizon, free)) / MONTH_H + 1e-9)


def left_of(case: Case, free: Free, kind: str) -> Iterator[tuple[int, float]]:
    """(month, tokens or requests that may be free in it); nothing where the allowance does not count them."""
    amount = {
        "tokens": free.tokens_per_month,
        "requests": free.requests_per_month,
        "usd": free.usd_per_month,
    }[kind]
    if amount is None:
        return
    hours: dict[int, float] = defaultdict(float)
    for period in range(case.periods):
        hours[month_of(case, free, period)] += case.period_h
    for month, inside in hours.items():
        taken, before = 0.0, 0.0
        if free.so_far is not None and month == 0:
            stands = free.so_far
            taken = {"tokens": stands.used_tokens, "requests": stands.used_requests, "usd": stands.used_usd}[
                kind
            ]
            before = before_h(case.problem.horizon, free)
        yield month, max(0.0, amount * (inside + before) / MONTH_H - taken)


def before_h(horizon: Horizon, free: Free) -> float:
    """Hours of the month that runs when the horizon begins, before that."""
    if free.so_far is None or horizon.start is None:
        return 0.0
    return max(0.0, -hours_to(LocalTime(horizon), free.so_far.since))
