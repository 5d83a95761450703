"""Agreements: what they bill is used, once, at their discounts, and of no more than is committed.

use        USD at the offer's own prices by period: Σ tokens · price + requests · price; h · usd_per_h · Σ paid
           (rented by the hour or for the horizon, not for a term)
covered    billed / (1 − discount), or / (units · usd_per_unit_h / usd_per_h), = what it would cost; Σ ≤ use
committed  Σ billed in a span ≤ what is committed in it: the check of `overage`
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.verification.base.audit import Audit
from router.verification.base.bills import covered
from router.verification.base.ledger import Ledger
from router.verification.base.tariffs import billed_part, tokens_bought

type UseKey = tuple[str, str, int, str | None]
"""Offer, kind, period, future."""


def check_coverage(audit: Audit, ledger: Ledger) -> None:
    """Every row of `coverage` is of an offer of its agreement, and together they cover no more than is used."""
    case, force = audit.case, covered(audit.case, audit.rows)
    rows: dict[UseKey, list[float]] = defaultdict(list)
    seen: set[tuple[str, UseKey]] = set()
    for i, row in enumerate(audit.rows.coverage or ()):
        agreement, at = case.agreements[row.agreement], (f"coverage[{i}]:", row.agreement, row.offer)
        if row.offer not in agreement.offers:
            ledger.fault(*at, "is none of its offers")
            continue
        future = case.future(row.scenario)
        key: UseKey = (row.offer, row.kind, row.period, future.name)
        if agreement.in_units:
            ledger.require(row.kind == "instances", *at, "is in units, and covers instances alone")
        ledger.require((row.agreement, key) not in seen, *at, "is listed twice")
        seen.add((row.agreement, key))
        ledger.require(row.covered_usd >= 0, *at, "covers less than nothing")
        part = billed_part(case, agreement, row.offer, future, row.period)
        ledger.money(row.covered_usd, row.list_usd * part, *at, "covered_usd")
        tokens = tokens_bought(case, row.offer, row.period, row.list_usd / future.price_of(row.offer))
        ledger.equal(row.tokens or 0.0, tokens if row.kind == "tokens" else 0.0, *at, "tokens")
        ledger.require(
            (row.agreement, row.period) in force, *at, "is billed without a contract in period", row.period
        )
        rows[key].append(row.list_usd)
    for given in audit.rows.credits or ():
        if given.credit is None:  # an allowance pays what is left, no bill of an agreement
            key = given.offer, given.kind, given.period, case.future(given.scenario).name
            rows[key].append(given.paid_usd)
    used = used_usd(audit)
    for key, amounts in rows.items():
        ledger.at_most(math.fsum(amounts), math.fsum(used.get(key, ())), *key, "covered")
    _check_settled(audit, ledger)


def _check_settled(audit: Audit, ledger: Ledger) -> None:
    """Settlements of agreements state what the rows of their hours cover."""
    case = audit.case
    by_amount = any(
        each.discount_tiers or each.rollover_spans or any(offer in case.commitments for offer in each.offers)
        for each in case.agreements.values()
    )
    ours: dict[str | None, dict[tuple[str, int], float]] = {}
    covered_in: dict[tuple[str, str | None, int], float] = defaultdict(float)
    for row in audit.rows.coverage or ():
        covered_in[row.agreement, case.future(row.scenario).name, row.period] += row.list_usd
    for settled in audit.rows.settlements:
        if settled.agreement is not None:
            name, future = settled.agreement, case.future(settled.scenario).name
            first, end = (round(hour / case.period_h) for hour in (settled.from_h, settled.until_h))
            stated = math.fsum(covered_in.get((name, future, t), 0.0) for t in range(first, end))
            ledger.money(settled.covered_usd or 0.0, stated, name, "covered_usd from", settled.from_h, "h")
            if settled.vendor_order_usd is not None and by_amount:
                ledger.fault(name, "states a vendor_order_usd, which hangs on whole spans")
            elif settled.vendor_order_usd is not None:
                if future not in ours:
                    ours[future] = by_discount(audit, future)
                first_covered = math.fsum(ours[future].get((name, t), 0.0) for t in range(first, end))
                usd = settled.billed_usd + stated - first_covered
                ledger.money(
                    settled.vendor_order_usd, usd, name, "vendor_order_usd from", settled.from_h, "h"
                )


def by_discount(audit: Audit, future: str | None) -> dict[tuple[str, int], float]:
    """(agreement, period): USD at list that it would cover, if the highest discount came first."""
    case, left = audit.case, {key: math.fsum(usd) for key, usd in used_usd(audit).items() if key[3] == future}
    for paid in audit.rows.credits or ():
        if paid.credit is None and case.future(paid.scenario).name == future:  # an allowance comes first
            left[paid.offer, paid.kind, paid.period, future] -= paid.paid_usd
    rest: dict[tuple[str, int], float] = {}
    span_of: dict[tuple[str, int], int] = {}
    rate_of: dict[tuple[str, int], float] = {}
    pairs: list[tuple[float, tuple[int, int, int, bool], str, UseKey]] = []
    offers = [offer.name for offer in case.problem.offers]
    for place, (name, agreement) in enumerate(case.agreements.items()):
        for (seller, number, scenario), bill in audit.bills.items():
            if seller == name and scenario == future and bill.signed:
                rest[name, number] = bill.due if agreement.overage == "list" else math.inf
                span_of |= {(name, t): number for t in range(bill.first, bill.end)}
                rate_of[name, number] = bill.rate
        for key in left:
            counted = not agreement.in_units or key[1] == "instances"
            if counted and key[0] in agreement.offers and (name, key[2]) in span_of:
                part = billed_part(case, agreement, key[0], case.future(future), key[2])
                part *= rate_of[name, span_of[name, key[2]]]
                pairs.append((part, (place, key[2], offers.index(key[0]), key[1] == "instances"), name, key))
    covered: dict[tuple[str, int], float] = defaultdict(float)
    for part, _, name, key in sorted(pairs, key=lambda pair: (round(pair[0], 12), pair[1])):
        span = span_of[name, key[2]]
        usd = max(0.0, min(left[key], rest[name, span] / part))
        left[key] -= usd
        rest[name, span] -= usd * part
        covered[name, key[2]] += usd
    return covered


def used_usd(audit: Audit) -> dict[UseKey, list[float]]:
    """What each offer bills at its own prices, by kind, period and future."""
    case, used = audit.case, defaultdict[UseKey, list[float]](list)
    for flow in audit.flows:
        if flow.entry is not None:
            usd = (flow.fee_usd + flow.token_usd) * flow.charged * flow.future.price_of(flow.offer.name)
            used[flow.offer.name, "tokens", flow.row.period, flow.future.name].append(usd)
    for pool in audit.pools.values():
        row, future, rented = pool.row, pool.future, case.instances[pool.row.offer]
        if rented.term_hours is None:
            usd = case.rent(row.offer, row.period) * future.price_of(row.offer) * row.paid_count
            seller = case.halves.get(row.offer, row.offer)
            used[seller, "instances", row.period, future.name].append(usd)
    return used
