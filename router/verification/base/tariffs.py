"""What a contract charges: bounds of its commitment, and the bill of a use against what is due.

mean    USD per M tokens by hours, over a span with what of it lies before the horizon; with tiers, whose rates have no
        one price, the factor of the rules on them
stood   tokens at contract rates: the use before at the mean of the whole span, as in the bill at its end, and what
        else was due by then at the mean of the hours until then
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from router.plan.document import Plan
from router.plan.rows import ContractRow, Settlement
from router.schema import Agreement, Commitment, Offer, Tier
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.flows import Flow
from router.verification.base.spans import (
    TermHours,
    length_h,
    of_offer,
    owed_after,
    signed_end_h,
    signed_term,
    since_h,
)
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


class HourUse(NamedTuple):
    """What a period uses of a contract, or all hours before the horizon.

    factor   of the rules on prices          rate    the one price of tokens, USD per M; 0 where they have none
    usd      at contract rates, less the discount of a level
    """

    factor: float
    rate: float
    tokens: float
    usd: float


def amount_owed(
    offer: Offer,
    due: float,
    tokens: float,
    usd: float,
    part: float,
    price: float,
    rate: float | None = None,
) -> float:
    """The bill for `tokens` that are worth `usd` at contract rates, with `due` committed; nothing has another price.

    rate   USD per M tokens that a shortfall has: the mean of a span, where prices change in time; with tiers the factor
    """
    commitment = offer.commitment
    assert commitment is not None  # the caller has looked
    if not in_tokens(commitment):
        return max(usd, due)
    if commitment.tiers:
        return tiered_usd(commitment, max(tokens, due), part) * price * (1.0 if rate is None else rate)
    short = max(0.0, due - tokens) * (rate_of(offer) if rate is None else rate) * price / 1e6
    return usd + short


def overage_in_time(
    commitment: Commitment, hours: Sequence[HourUse], due: float, left: float, mean: float, price: float
) -> float:
    """The bill where use above what is due, and left by earlier spans, has a price of its own: hour by hour.

    mean   USD per M tokens of what is due and not used
    """
    within, above = _overage(commitment, hours, due + left, price)
    if not in_tokens(commitment):
        return above + due
    used = math.fsum(hour.tokens for hour in hours)
    return within + above + mean * (due - min(used, due + left)) * price / 1e6


def overage_worth(commitment: Commitment, hours: Sequence[HourUse], most: float, price: float) -> float:
    """What the use alone is billed at; `most`: own units that are due, or left by earlier spans."""
    return math.fsum(_overage(commitment, hours, most, price))


def _overage(
    commitment: Commitment, hours: Sequence[HourUse], most: float, price: float
) -> tuple[float, float]:
    """USD of use within a commitment and above it, hour by hour."""
    tokens, over, at = in_tokens(commitment), commitment.overage_usd_per_m or 0.0, 0.0
    within, beyond = 0.0, 0.0
    for hour in hours:
        own = hour.tokens if tokens else hour.usd
        above = max(0.0, at + own - most) - max(0.0, at - most)
        within += (own - above) * (hour.rate * price / 1e6 if tokens else 1.0)
        if above > 0:  # of dollars: so many dollars' worth of tokens
            bought = above if tokens else above / hour.usd * hour.tokens
            beyond += bought * over * hour.factor * price / 1e6
        at += own
    return within, beyond


def tiered_usd(commitment: Commitment, tokens: float, part: float) -> float:
    """Price of a month's tokens by bands whose thresholds are prorated by `part`."""
    tiers = sorted(commitment.tiers, key=lambda tier: tier.from_tokens_per_month)
    return (_incremental if commitment.tier_kind == "incremental" else _all_units)(tiers, tokens, part)


def tiered_in_time(
    commitment: Commitment,
    hours: Sequence[HourUse],
    due: float,
    mean: float,
    part: float,
) -> float:
    """The same where prices change, in order of time: what comes first fills the first band.

    What is due beyond them, or bought to reach a band, has the mean factor of the span.
    """
    tiers = sorted(commitment.tiers, key=lambda tier: tier.from_tokens_per_month)
    total = math.fsum(hour.tokens for hour in hours)
    short = max(0.0, due - total)
    if commitment.tier_kind == "incremental":
        at, usd = 0.0, 0.0
        for factor, tokens in (*((hour.factor, hour.tokens) for hour in hours), (mean, short)):
            usd += factor * (_incremental(tiers, at + tokens, part) - _incremental(tiers, at, part))
            at += tokens
        return usd
    weighed = math.fsum(hour.factor * hour.tokens for hour in hours)
    return min(
        (
            (weighed + mean * (volume - total)) * usd_per_m / 1e6
            for volume, usd_per_m in _all_units_volumes(tiers, total + short, part)
        ),
        default=0.0,
    )


def _incremental(tiers: Sequence[Tier], tokens: float, part: float) -> float:
    ends = [tier.from_tokens_per_month * part for tier in tiers[1:]] + [math.inf]
    return math.fsum(
        max(0.0, min(tokens, end) - tier.from_tokens_per_month * part) * tier.usd_per_m / 1e6
        for tier, end in zip(tiers, ends, strict=True)
    )


def _all_units(tiers: Sequence[Tier], tokens: float, part: float) -> float:
    billed = _all_units_volumes(tiers, tokens, part)
    return min((volume * usd_per_m / 1e6 for volume, usd_per_m in billed), default=0.0)


def _all_units_volumes(tiers: Sequence[Tier], tokens: float, part: float) -> list[tuple[float, float]]:
    """(volume, USD per M) of every band that so many tokens reach, or may be bought up to."""
    if tokens <= 0:
        return []
    return [
        (max(tokens, tier.from_tokens_per_month * part), tier.usd_per_m)
        for tier, following in zip(tiers, [*tiers[1:], None], strict=True)
        if following is None or tokens < following.from_tokens_per_month * part * (1 - 1e-9)
    ]


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
    """(offer, period, USD) of use at the offers' own prices, less what agreements cover and allowances in USD pay.

    Not of what a commitment of the offer bills: of one in tokens it is what requests cost.
    """
    for flow in flows:
        if flow.entry is not None and flow.future.name == future.name:
            usd, commitment = flow.fee_usd, flow.offer.commitment
            if commitment is None:
                usd += flow.token_usd
            elif bills_dollars(commitment):
                continue
            yield flow.offer.name, flow.row.period, usd * flow.charged * future.price_of(flow.offer.name)
    for row in plan.instances:
        rented = case.instances.get(row.offer)
        if rented is not None and rented.term_hours is None and case.future(row.scenario).name == future.name:
            usd = case.rent(row.offer, row.period) * future.price_of(row.offer) * row.paid_count
            yield case.halves.get(row.offer, row.offer), row.period, usd
    for covered in plan.coverage or ():
        apart = covered.kind == "tokens" and covered.offer in case.commitments
        if not apart and case.future(covered.scenario).name == future.name:
            yield covered.offer, covered.period, -covered.list_usd
    for free in plan.credits or ():
        apart = free.kind == "tokens" and free.offer in case.commitments
        if free.credit is None and not apart and case.future(free.scenario).name == future.name:
            yield free.offer, free.period, -free.paid_usd


def taken_off(case: Case, plan: Plan) -> Iterator[tuple[str, int, Future, float]]:
    """(offer, period, future, USD at list) of tokens and requests that an agreement covers, or an allowance in USD
    pays, of offers with a commitment."""
    for row in plan.coverage or ():
        if row.kind == "tokens" and row.offer in case.commitments:
            yield row.offer, row.period, case.future(row.scenario), row.list_usd
    for free in plan.credits or ():
        if free.credit is None and free.kind == "tokens" and free.offer in case.commitments:
            yield free.offer, free.period, case.future(free.scenario), free.paid_usd


def tokens_bought(case: Case, offer: str, period: int, usd: float) -> float:
    """What so many USD of use, before a scenario's prices, are in tokens at their one price; 0 where they have none."""
    commitment = case.commitments.get(offer)
    if commitment is None:
        return 0.0
    one_price = commitment.overage_usd_per_m is not None or not bills_dollars(commitment)
    rate = period_rate(case, offer, period) if one_price and not commitment.tiers else 0.0
    return usd / rate * 1e6 if rate > 0 else 0.0


def mean_rate(case: Case, offer: str, start: float, end: float, *, factor: bool = False) -> float:
    """USD per M tokens: the mean by hours of the one price of an offer, as far as something of it is due.

    With tiers, or as asked for, the mean factor of the rules on prices.
    """
    commitment = case.commitments.get(offer)
    factor = factor or (commitment is not None and bool(commitment.tiers))
    opens, closes = case.times.life(offer)
    low, high = max(start, opens), min(end, closes)
    known = [
        (hours, each.factor if factor else rate_of(each.offer))
        for hours, each in case.times.stretches(offer, *((low, high) if low < high else (start, end)))
    ]
    if len(known) == 1:
        return known[0][1]
    return math.fsum(h * figure for h, figure in known) / math.fsum(h for h, _ in known)


def period_factor(case: Case, offer: str, period: int) -> float:
    """The mean factor of the rules on prices in a period, while the offer is open."""
    return case.times.mean(offer, *case.span(period), lambda each: each.factor)


def period_rate(case: Case, offer: str, period: int) -> float:
    """The same of the one price of tokens, USD per M."""
    return case.times.mean(offer, *case.span(period), lambda each: rate_of(each.offer))


def mean_of(case: Case, offer: str, first: int, end: int, before: float) -> float:
    """The mean rate of a span of periods; `before`: what of it lies before the horizon counts too."""
    begun = since_h(case, case.commitments[offer]) or 0.0
    return mean_rate(case, offer, begun if before else first * case.period_h, end * case.period_h)


def rate_before(case: Case, offer: Offer, mean: float, *, factor: bool = False) -> float:
    """The mean rate from the start of the span that runs to that of the horizon; `mean`: where there is none."""
    commitment = offer.commitment
    begun = 0.0 if commitment is None else since_h(case, commitment) or 0.0
    return mean_rate(case, offer.name, begun, 0.0, factor=factor) if begun < 0 else mean


def plain_tokens(commitment: Commitment) -> bool:
    """Whether it is in tokens at contract rates: its use is paid at the rates of its hours, all else at their mean."""
    plain = not commitment.tiers and commitment.overage_usd_per_m is None
    return plain and in_tokens(commitment) and not bills_dollars(commitment)


def used_before(commitment: Commitment, first: int) -> float:
    """Own units (tokens with tiers) that a span which begins with a period used before the horizon."""
    stands = commitment.so_far
    return 0.0 if stands is None or first > 0 else stands.used_usd or stands.used_tokens or 0.0


def stood_usd(
    offer: Offer,
    future: Future,
    used: float,
    due: float,
    part: float,
    rate: float = 1.0,
    then: float = 1.0,
) -> float:
    """The bill of a span as it stood when the horizon began: `used` and `due` by then, in own units; no overage price.

    rate    what a level leaves of contract rates          then    the mean factor on tiers until then
    """
    commitment, price = offer.commitment, future.price_of(offer.name)
    if commitment is None or commitment.so_far is None or not (used or part):
        return 0.0
    due = max(0.0, due - (commitment.so_far.counted_usd or 0.0))
    if commitment.rollover_spans:
        unused = commitment.so_far.unused_usd or commitment.so_far.unused_tokens
        used = max(0.0, used - math.fsum(unused))
    if commitment.tiers:
        worth = tiered_usd(commitment, used, part) * price * then
        return amount_owed(offer, due, used, worth, part, price, then)
    if commitment.discount_tiers:
        return max(due, discounted_usd(commitment, used, part))
    if in_tokens(commitment):
        return amount_owed(offer, due, used, used * rate_of(offer) * price / 1e6, part, price)
    return amount_owed(offer, due, 0.0, used * rate, part, price)


def stood_tokens(case: Case, offer: Offer, future: Future, used: float, due: float, mean: float) -> float:
    """What a span's use before the horizon is billed at in its bill at the end, and what else stood when it began."""
    commitment = offer.commitment
    assert commitment is not None  # the caller has looked
    stands = commitment.so_far
    if stands is None or not (used or due):
        return 0.0
    then = rate_before(case, offer, mean)
    beyond = max(0.0, used - math.fsum(stands.unused_usd or stands.unused_tokens) - due)
    return (mean * used + then * (due + beyond - used)) * future.price_of(offer.name) / 1e6


def beyond_usd(case: Case, offer: Offer, row: ContractRow, future: Future) -> float:
    """What a term owes after the horizon, undiscounted: its minimum for the hours from there to its end.

    A contract without a term ends with the horizon, and so does one signed before that states no later end.
    """
    commitment = offer.commitment
    if commitment is None:
        return 0.0
    if row.signed_by == "before" and not commitment.in_force:
        months = _owed_by_earlier(case, offer.name, commitment)
    elif commitment.term_hours is None and row.signed_by == "plan":
        return 0.0
    else:
        term = of_offer(case, offer.name, TermHours(row.from_h, row.until_h, row.from_h))
        months = owed_after(case, commitment, term)
    committed = committed_of(row, commitment) or 0.0
    return owed_beyond(case, offer, committed, months, row.until_h, future.price_of(offer.name))


def owed_beyond(
    case: Case, offer: Offer, committed: float, months: float, until_h: float, price: float
) -> float:
    """What a commitment a month owes for some months after the horizon, until an hour."""
    if months <= 0:
        return 0.0
    mean = mean_rate(case, offer.name, case.horizon_h, max(until_h, case.horizon_h + 1e-6))
    return amount_owed(offer, committed, 0.0, 0.0, 1.0, price, mean) * months


def _owed_by_earlier(case: Case, offer: str, commitment: Commitment) -> float:
    """Months that a contract already signed owes after the horizon: to its end, not to that of its last month."""
    term = signed_term(case, commitment) if commitment.signed else None
    end_h = signed_end_h(case, commitment)
    if term is None or end_h is None:
        return 0.0
    return owed_after(case, commitment, of_offer(case, offer, replace(term, until_h=end_h)))
