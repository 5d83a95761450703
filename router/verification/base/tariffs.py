"""What a contract charges: bounds of its commitment, and the bill of a use against what is due."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from router.plan.document import Plan
from router.plan.rows import ContractRow, Settlement
from router.schema import Agreement, Commitment, Offer, Tier
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.flows import Flow
from router.verification.base.spans import length_h
from router.verification.base.work import rate_of


def in_tokens(commitment: Commitment) -> bool:
    """Whether the commitment is a volume; one that states neither is a volume of 0."""
    dollars = (commitment.per_month("min_usd"), commitment.per_month("max_usd"))
    return not commitment.discount_tiers and all(usd is None for usd in dollars)


def bills_dollars(commitment: Commitment) -> bool:
    """Whether all use is billed under it, in USD: one in USD, or a minimum of no tokens at the offer's prices."""
    if not in_tokens(commitment):
        return True
    volume = commitment.per_month("min_tokens") or commitment.per_month("max_tokens") is not None
    return not (volume or commitment.tiers or commitment.overage_usd_per_m is not None)


def committed_of(row: ContractRow | Settlement, commitment: Commitment) -> float | None:
    """What a row commits to a month, in the commitment's own unit; None where it does not say."""
    return row.committed_tokens_per_month if in_tokens(commitment) else row.committed_usd_per_month


def other_unit_of(row: ContractRow | Settlement, commitment: Commitment) -> float | None:
    """What it states in the unit that the commitment is not in; None where it is right."""
    return row.committed_usd_per_month if in_tokens(commitment) else row.committed_tokens_per_month


def least_of(commitment: Commitment) -> float:
    """The least that may be committed, own units a month."""
    return commitment.per_month("min_tokens" if in_tokens(commitment) else "min_usd") or 0.0


def most_of(commitment: Commitment) -> float | None:
    """The most that may be committed, own units a month; None: not stated."""
    return commitment.per_month("max_tokens" if in_tokens(commitment) else "max_usd")


def amount_owed(
    offer: Offer,
    due: float,
    tokens: float,
    usd: float,
    part: float,
    price: float,
    rate: float | None = None,
) -> float:
    """The bill for `tokens` that are worth `usd` at contract rates, with `due` committed.

    rate   USD per M tokens that a shortfall has: the mean of a span, where prices change in time
    """
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
    short = max(0.0, due - tokens) * (rate_of(offer) if rate is None else rate) * price / 1e6
    return usd + short


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


def discounted_usd(commitment: Commitment, usd: float, part: float) -> float:
    """What the use of so many months costs less its discount."""
    bands = sorted(commitment.discount_tiers, key=lambda band: band.from_usd)
    begins = [band.from_usd * part * MONTH_H / length_h(commitment) for band in bands]
    if commitment.tier_kind == "all_units":
        reached = [k for k, begin in enumerate(begins) if usd >= begin * (1 - 1e-9)]
        return usd * (1.0 - bands[reached[-1] if reached else 0].discount)
    ends = [*begins[1:], math.inf]
    return math.fsum(
        max(0.0, min(usd, end) - begin) * (1.0 - band.discount)
        for band, begin, end in zip(bands, begins, ends, strict=True)
    )


def billed_part(case: Case, agreement: Agreement, offer: str, future: Future, period: int) -> float:
    """What an agreement bills for a dollar of an offer's use: less its discount, or what units cost over list."""
    instances = case.instances.get(offer)
    usd_per_h = agreement.unit_usd_per_h(instances)
    if usd_per_h is None or instances is None:
        return 1.0 - agreement.discount_of(offer)
    rent = case.rent(offer, period) * future.price_of(offer)
    return usd_per_h * case.period_h / rent if rent > 0 else 1.0


def spent(case: Case, plan: Plan, flows: Sequence[Flow], future: Future) -> Iterator[tuple[str, int, float]]:
    """(offer, period, USD) of use at the offers' own prices, what agreements cover taken off."""
    for flow in flows:
        if flow.entry is not None and flow.future.name == future.name:
            usd = (flow.fee_usd + flow.token_usd) * flow.charged * future.price_of(flow.offer.name)
            yield flow.offer.name, flow.row.period, usd
    for row in plan.instances:
        rented = case.instances.get(row.offer)
        if rented is not None and rented.term_hours is None and case.future(row.scenario).name == future.name:
            usd = case.rent(row.offer, row.period) * future.price_of(row.offer) * row.paid_count
            yield row.offer, row.period, usd
    for covered in plan.coverage or ():
        if case.future(covered.scenario).name == future.name:
            yield covered.offer, covered.period, -covered.list_usd
