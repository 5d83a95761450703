"""Take-or-pay bills: what each billing month owes under the contracts in force.

    committed   min ≤ committed ≤ max (no max: = min), in tokens or in USD a month, in multiples of the step
    C           committed · month's hours / 730, in a month in which the contract is in force
    bill        tokens: rate · max(used, C)            USD: max(used_usd, C)           at contract rates
                tiers:  tiers(max(used, C)), thresholds prorated by hours / 730
                overage price p: rate · C + p · max(0, used − C)   USD: C + p · max(0, used − C / rate)
    none        `overage: none`: used ≤ C

Fees a request are use of a commitment in USD, whether or not tiers price its tokens; a commitment in tokens leaves them
to be paid beside it. An offer carries nothing in a month without a contract. All-units bands may be bought up into: the
bill is the least over volumes of at least max(used, C).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from router.plan.document import Plan
from router.plan.rows import ContractRow, Settlement
from router.schema import Commitment, Offer, Tier
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.cells import LocalTime
from router.verification.base.flows import Flow
from router.verification.base.work import rate_of, request_usd, tokens_usd

type BillKey = tuple[str, int, str | None]
"""Offer, month, scenario."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What an offer with a commitment owes for one month of one future, undiscounted."""

    signed: bool
    committed: float
    used_tokens: float
    used_usd: float
    usd: float
    utilisation: float | None


def in_tokens(commitment: Commitment) -> bool:
    """Whether the commitment is a volume; one that states neither is a volume of 0."""
    return commitment.min_usd_per_month is None and commitment.max_usd_per_month is None


def bills_dollars(commitment: Commitment) -> bool:
    """Whether all use is billed under it, in USD: one in USD, or a minimum of no tokens at the offer's prices."""
    if not in_tokens(commitment):
        return True
    volume = commitment.min_tokens_per_month or commitment.max_tokens_per_month is not None
    return not (volume or commitment.tiers or commitment.overage_usd_per_m is not None)


def committed_of(row: ContractRow | Settlement, commitment: Commitment) -> float | None:
    """What a row commits to a month, in the commitment's own unit; None where it does not say."""
    return row.committed_tokens_per_month if in_tokens(commitment) else row.committed_usd_per_month


def least_of(commitment: Commitment) -> float:
    least = commitment.min_tokens_per_month if in_tokens(commitment) else commitment.min_usd_per_month
    return least or 0.0


def in_force(case: Case, plan: Plan) -> dict[tuple[str, int], float]:
    """Committed a month by offer and month. A contract already signed is due even if the plan forgets it."""
    before: dict[tuple[str, int], float] = {}
    for name, commitment in case.commitments.items():
        if commitment.signed:
            for month in range(min(signed_end(case, commitment), case.months)):
                before[name, month] = least_of(commitment)
    planned: dict[tuple[str, int], float] = defaultdict(float)
    for row in plan.contracts:
        if row.offer in case.commitments:
            for month in range(max(row.start_month, 0), min(row.end_month, case.months)):
                planned[row.offer, month] += committed_of(row, case.commitments[row.offer]) or 0.0
    return {**before, **planned}


def signed_end(case: Case, commitment: Commitment) -> int:
    """First month no longer covered by a contract already signed: the first to start at or after its end."""
    hours = signed_until_h(case, commitment)
    return case.months if hours is None else max(0, math.ceil(hours / MONTH_H - 1e-9))


def signed_until_h(case: Case, commitment: Commitment) -> float | None:
    """Hour, from the start of the horizon, at which a contract already signed ends; None where none is stated."""
    until = commitment.signed_until
    if until is None:
        return None
    clock = LocalTime(case.problem.horizon)
    if until.tzinfo is None:
        until = until.replace(tzinfo=clock.zone)
    return (until - clock.start) / timedelta(hours=1)


def bills_of(case: Case, plan: Plan, flows: Iterable[Flow]) -> dict[BillKey, Bill]:
    """Every month's bill of every offer with a commitment, in every future."""
    used: dict[BillKey, list[tuple[float, float, float]]] = defaultdict(list)
    for flow in flows:
        commitment = flow.offer.commitment
        if commitment is not None and flow.entry is not None:
            units = flow.units * flow.future.price_of(flow.offer.name)
            fees = units * request_usd(flow.unit, flow.entry) if bills_dollars(commitment) else 0.0
            key = (flow.offer.name, case.month_of[flow.row.period], flow.future.name)
            used[key].append((flow.tokens, units * tokens_usd(flow.unit, flow.entry), fees))
    force = in_force(case, plan)
    bills = {}
    for name in case.commitments:
        for month in range(case.months):
            for future in case.futures:
                parts = used.get((name, month, future.name), [])
                tokens, usd, fees = (math.fsum(part[i] for part in parts) for i in range(3))
                committed = force.get((name, month))
                bills[name, month, future.name] = _bill(
                    case, name, future, month, committed, tokens, usd, fees
                )
    return bills


def _bill(
    case: Case,
    offer: str,
    future: Future,
    month: int,
    committed: float | None,
    tokens: float,
    usd: float,
    fees: float,
) -> Bill:
    commitment = case.commitments[offer]
    part = case.month_h[month] / MONTH_H
    price = future.price_of(offer)
    due = (committed or 0.0) * part
    if commitment.tiers:
        usd = tiered_usd(commitment, tokens, part) * price
    usd += fees
    owed = amount_owed(case.offers[offer], due, tokens, usd, part, price)
    own = tokens if in_tokens(commitment) else usd
    return Bill(committed is not None, committed or 0.0, tokens, usd, owed, own / due if due > 0 else None)


def amount_owed(offer: Offer, due: float, tokens: float, usd: float, part: float, price: float) -> float:
    """The bill for `tokens` that are worth `usd` at contract rates, with `due` committed."""
    commitment = offer.commitment
    assert commitment is not None  # the caller has looked
    beyond = commitment.overage_usd_per_m
    if not in_tokens(commitment):
        if beyond is None:
            return max(usd, due)
        rate = rate_of(offer) * price
        volume = due / rate * 1e6 if rate > 0 else 0.0
        return due + beyond * price * max(0.0, tokens - volume) / 1e6
    if commitment.tiers:
        return tiered_usd(commitment, max(tokens, due), part) * price
    if beyond is not None:
        shortfall_rate = rate_of(offer) * price if due > 0 else 0.0
        return shortfall_rate * due / 1e6 + beyond * price * max(0.0, tokens - due) / 1e6
    return usd if tokens >= due else rate_of(offer) * price * due / 1e6


def tiered_usd(commitment: Commitment, tokens: float, part: float) -> float:
    """Price of a month's tokens by bands whose thresholds are prorated by `part`."""
    tiers = sorted(commitment.tiers, key=lambda tier: tier.from_tokens_per_month)
    return (_incremental if commitment.tier_kind == "incremental" else _all_units)(tiers, tokens, part)


def _incremental(tiers: Sequence[Tier], tokens: float, part: float) -> float:
    ends = [tier.from_tokens_per_month * part for tier in tiers[1:]] + [math.inf]
    return math.fsum(
        max(0.0, min(tokens, end) - tier.from_tokens_per_month * part) * tier.usd_per_m / 1e6
        for tier, end in zip(tiers, ends, strict=True)
    )


def _all_units(tiers: Sequence[Tier], tokens: float, part: float) -> float:
    if tokens <= 0:
        return 0.0
    return min(
        max(tokens, tier.from_tokens_per_month * part) * tier.usd_per_m / 1e6
        for tier, following in zip(tiers, [*tiers[1:], None], strict=True)
        if following is None or tokens < following.from_tokens_per_month * part * (1 - 1e-9)
    )


def beyond_usd(case: Case, offer: Offer, row: ContractRow, future: Future) -> float:
    """What a term owes after the horizon, undiscounted: its minimum for the hours from there to its end.

    A contract without a term ends with the horizon, and so does one signed before that states no later end.
    """
    commitment = offer.commitment
    if commitment is None:
        return 0.0
    if row.signed_by == "before" and commitment.signed:
        beyond_h = max(0.0, (signed_until_h(case, commitment) or 0.0) - case.horizon_h)
    elif commitment.term_months is None:
        return 0.0
    else:
        beyond_h = case.beyond_h(min(row.end_month, case.months + commitment.term_months))
    monthly = amount_owed(
        offer, committed_of(row, commitment) or 0.0, 0.0, 0.0, 1.0, future.price_of(offer.name)
    )
    return monthly * beyond_h / MONTH_H
