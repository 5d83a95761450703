"""Take-or-pay bills: what each span owes under the contracts in force.

    committed   min ≤ committed ≤ max (no max: = min), in tokens or in USD a month, in multiples of the step, or a level
    C           committed · months that the span counts for (see `base.spans`), summed over the terms in force
    bill        tokens: rate · max(used, C)            USD: max(used_usd, C)           at contract rates
                tiers:  tiers(max(used, C)), thresholds prorated as C is; in order of time, where prices change
                discounts:  max(used_usd less its discount, C)
                overage price p: rate · C + p · max(0, used − C)   USD: C + p · max(0, used − C / rate)
                rollover: use is paid from the oldest rest first, then from C; what goes beyond as overage
    so far      the bill at the end of the span's hours, less the bill as it stood when the horizon began
    none        `overage: none`: used ≤ C

Fees a request are use of a commitment in USD, whether or not tiers price its tokens; a commitment in tokens leaves them
to be paid beside it. An offer carries nothing in a period without a contract. All-units bands may be bought up into:
the bill is the least over volumes of at least max(used, C).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from router.plan.document import Plan
from router.schema import Commitment
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.flows import Flow
from router.verification.base.spans import (
    Statement,
    TermHours,
    by_billing_month,
    of_offer,
    signed_term,
    since_h,
    spans_of,
    stacked_terms,
    whole_month,
)
from router.verification.base.tariffs import (
    HourUse,
    amount_owed,
    bills_dollars,
    committed_of,
    discounted_usd,
    in_tokens,
    least_of,
    mean_of,
    overage_in_time,
    overage_worth,
    period_factor,
    period_rate,
    plain_tokens,
    rate_before,
    spent,
    stood_tokens,
    stood_usd,
    taken_off,
    tiered_in_time,
    tokens_bought,
    used_before,
)
from router.verification.base.work import rate_of

type BillKey = tuple[str, int, str | None]
"""Offer, number of the span among those of its contract (the billing month, where it has no other), scenario."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What an offer with a commitment owes for one span of one future, undiscounted.

    committed   a month; `part`: months that it is due for      least_usd    owed without any use
    beyond      own units used above what is committed or left
    begin_h, end_h    hours of the whole span; counted: used in it, before the horizon too, without discounts
    left, left_after  what the spans before it left, and what it leaves, oldest first
    weight      present value of its first period's dollar       rolled_usd   use paid from what earlier spans left
    rate        of contract rates, as its level leaves them
    before_usd  use before the horizon, stood_usd: the bill as it stood then
    worth_usd   what use in the horizon is billed at: less the discount of a level or bands, more above a commitment
    counted_usd what counts of what is billed elsewhere
    """

    signed: bool
    committed: float
    part: float
    first: int
    end: int
    weight: float
    used_tokens: float
    used_usd: float
    usd: float
    own: float
    least_usd: float
    beyond: float = 0.0
    rolled_usd: float = 0.0
    unused_usd: float = 0.0
    spans: int = 1
    short: int = 0
    begin_h: float = 0.0
    end_h: float = 0.0
    counted: float = 0.0
    left: tuple[float, ...] = ()
    left_after: tuple[float, ...] = ()
    rate: float = 1.0
    before_usd: float = 0.0
    stood_usd: float = 0.0
    counted_usd: float = 0.0
    worth_usd: float = 0.0

    @property
    def due(self) -> float:
        """Own units due."""
        return self.committed * self.part

    @property
    def utilisation(self) -> float | None:
        """Used over due, in the commitment's own unit."""
        return self.own / self.due if self.due > 0 else None


@dataclass(frozen=True, slots=True)
class Slot:
    """A span to be billed: what is due in it (None: nothing is signed) and where it stood when the horizon began."""

    key: float
    lot: int
    first: int
    end: int
    part: float
    before: float = 0.0
    end_h: float = 0.0
    due: float | None = None
    due_before: float = 0.0
    rate: float = 1.0


class Use(NamedTuple):
    """What a span carries: tokens, USD for them at contract rates, USD for requests that the contract bills.

    hours    with tiers or a price of overage: by period, in order
    """

    tokens: float
    usd: float
    fees: float
    hours: tuple[HourUse, ...] = ()


type UseKey = tuple[str, int, str | None]
"""Offer, period, scenario."""


def terms_of(case: Case, plan: Plan, offer: str) -> list[tuple[TermHours, float, float]]:
    """(term, committed a month, part of contract rates) in force; one already signed is, even if a plan forgets it."""
    commitment = case.commitments[offer]
    terms = []
    before = signed_term(case, commitment) if commitment.signed else None
    if before is not None:
        off = commitment.levels[0].discount if commitment.levels else 0.0
        stated = (
            committed_of(row, commitment)
            for row in plan.contracts
            if row.seller == offer and row.signed_by != "plan" and not commitment.in_force
        )
        before = of_offer(case, offer, before)
        terms.append((before, next(stated, None) or least_of(commitment), 1.0 - off))
    for stacked, usd in stacked_terms(case, commitment, ended=True):
        terms.append((of_offer(case, offer, stacked), usd, 1.0))
    for row in plan.contracts:
        if row.seller == offer and row.signed_by == "plan":
            term = of_offer(case, offer, TermHours(row.from_h, row.until_h, row.from_h))
            terms.append((term, committed_of(row, commitment) or 0.0, 1.0 - (row.discount or 0.0)))
    return terms


def slots_of(case: Case, plan: Plan, offer: str) -> list[Slot]:
    """The spans of an offer's contracts, in order."""
    commitment = case.commitments[offer]
    slots: dict[tuple[int, float], Slot] = {}
    if by_billing_month(commitment):
        for month in range(case.months):
            first, part = case.month_of.index(month), case.month_h[month] / MONTH_H
            slots[0, float(month)] = Slot(float(month), 0, first, first + case.month_of.count(month), part)
    for number, (term, committed, rate) in enumerate(terms_of(case, plan, offer)):
        lot = 0 if by_billing_month(commitment) or commitment.stackable else number
        for span in spans_of(case, commitment, term):
            key = round(span.key, 6)
            new = Slot(key, lot, span.first, span.end, span.part, span.before, span.end_h, rate=rate)
            slot = slots.setdefault((lot, key), new)
            if not by_billing_month(commitment):
                first, end, part = min(slot.first, span.first), max(slot.end, span.end), span.part
                before = slot.before
                if term.months_h is not None:  # all of the month that the horizon has
                    first, end, before, months = whole_month(case, term, span)
                    part = max(part, months)
                slot = replace(slot, first=first, end=end, part=max(slot.part, part), before=before)
            due, before = committed * span.ramped * span.part, committed * span.ramped * span.before
            slots[lot, key] = replace(slot, due=(slot.due or 0.0) + due, due_before=slot.due_before + before)
    return sorted(slots.values(), key=lambda slot: (slot.first, slot.lot))


def covered(case: Case, plan: Plan) -> set[tuple[str, int]]:
    """Offers and periods in which a contract is in force."""
    return {
        (name, t)
        for name in case.commitments
        for slot in slots_of(case, plan, name)
        if slot.due is not None
        for t in range(slot.first, slot.end)
    }


def use_of(flow: Flow, commitment: Commitment) -> Use:
    """What a commitment counts of a flow."""
    units = flow.charged * flow.future.price_of(flow.offer.name)
    fees = units * flow.fee_usd if bills_dollars(commitment) else 0.0
    return Use(flow.charged * flow.unit.tokens, units * flow.token_usd, fees)


def bills_of(
    case: Case, plan: Plan, flows: Sequence[Flow], before: Mapping[UseKey, list[Use]] | None = None
) -> dict[BillKey, Bill]:
    """Every span's bill of every offer with a commitment, in every future; `before`: other use than flows."""
    used: dict[UseKey, list[Use]] = defaultdict(list, before or {})
    for flow in flows:
        commitment = flow.offer.commitment
        if commitment is not None and flow.entry is not None:
            used[flow.offer.name, flow.row.period, flow.future.name].append(use_of(flow, commitment))
    for row in plan.coverage or ():
        used[row.agreement, row.period, case.future(row.scenario).name].append(Use(0.0, row.covered_usd, 0.0))
    for offer, period, future, usd in taken_off(case, plan):  # not held against the offer's own
        tokens = tokens_bought(case, offer, period, usd / future.price_of(offer))
        used[offer, period, future.name].append(Use(-tokens, -usd, 0.0))
    bills, statements = {}, dict[BillKey, Statement]()
    counted = {other for agreement in case.agreements.values() for other in agreement.counts}
    for name in case.commitments:
        slots = slots_of(case, plan, name)
        for future in case.futures:
            left: dict[int, list[float]] = {}
            for number, slot in enumerate(slots):
                parts = [each for t in range(slot.first, slot.end) for each in used[name, t, future.name]]
                use = Use(
                    math.fsum(part.tokens for part in parts),
                    math.fsum(part.usd for part in parts),
                    math.fsum(part.fees for part in parts),
                )
                commitment = case.commitments[name]
                if commitment.tiers or commitment.overage_usd_per_m is not None:
                    by_hour = ((t, used[name, t, future.name]) for t in range(slot.first, slot.end))
                    use = use._replace(
                        hours=tuple(
                            HourUse(
                                period_factor(case, name, t),
                                period_rate(case, name, t),
                                math.fsum(each.tokens for each in own),
                                math.fsum(each.usd for each in own) * slot.rate,
                            )
                            for t, own in by_hour
                        )
                    )
                bills[name, number, future.name] = _bill(case, name, future, slot, use, left)
                if name in counted and not commitment.stackable:
                    by_period = [used[name, t, future.name] for t in range(slot.first, slot.end)]
                    statements[name, number, future.name] = Statement(
                        case,
                        name,
                        slot.first,
                        [math.fsum(part.usd + part.fees for part in own) * slot.rate for own in by_period],
                        before=used_before(commitment, slot.first) * slot.rate,
                        due_before=slot.due_before,
                        due=slot.due or 0.0,
                    )
    counting = [name for name, agreement in case.agreements.items() if agreement.counts]
    for name in counting * len(counting):  # what counts elsewhere is billed first
        _count(case, plan, flows, bills, name, statements)
    return bills


def _count(
    case: Case,
    plan: Plan,
    flows: Sequence[Flow],
    bills: dict[BillKey, Bill],
    name: str,
    statements: Mapping[BillKey, Statement],
) -> None:
    """What an agreement bills at least, less what counts of the bills of others in its spans."""
    shares = case.agreements[name].counts
    for key, bill in [(key, bill) for key, bill in bills.items() if key[0] == name]:
        periods, future = range(bill.first, bill.end), case.future(key[2])
        counted = [
            shares[at[0]] * _grown(each, statements.get(at), periods)
            for at, each in bills.items()
            if at[0] in shares and at[2] == key[2]
        ]
        counted += [
            shares[offer] * usd
            for offer, t, usd in spent(case, plan, flows, future)
            if offer in shares and t in periods
        ]
        stands = case.commitments[name].so_far
        counted.append(0.0 if stands is None or bill.first > 0 else stands.counted_usd or 0.0)
        total, used = math.fsum(counted), bill.used_usd + bill.before_usd
        due = max(0.0, bill.due - total)
        usd, unused = max(used, due) - bill.stood_usd, max(0.0, due - used)
        bills[key] = replace(bill, usd=usd, unused_usd=unused, counted_usd=total)


def _grown(bill: Bill, statement: Statement | None, periods: range) -> float:
    """What a bill grows to in some periods: all of it where its span lies in them."""
    inside = bill.first in periods and bill.end <= periods.stop
    if inside or statement is None:
        return bill.usd if bill.first in periods else 0.0
    return statement.within(periods.start, periods.stop)


def _bill(case: Case, name: str, future: Future, slot: Slot, use: Use, left: dict[int, list[float]]) -> Bill:
    """`left`: by term, what its spans so far have left for later ones; brought up to date here."""
    commitment, offer, price = case.commitments[name], case.sellers[name], future.price_of(name)
    due, before = slot.due or 0.0, used_before(commitment, slot.first)
    counted = in_tokens(commitment) or bool(commitment.tiers)

    mean = mean_of(case, name, slot.first, slot.end, slot.before)
    then = rate_before(case, offer, mean)
    known = (
        before if counted else before / max(then * price, 1e-300) * 1e6
    )  # tokens; `then`: a factor with tiers
    first = HourUse(rate_before(case, offer, 1.0, factor=True), then, known, before * slot.rate)
    hours = (first, *use.hours)

    def worth(hours: Sequence[HourUse], mean: float, money: float, fees: float) -> float:
        """USD of use, at the rates of its contract."""
        if commitment.tiers:
            return tiered_in_time(commitment, hours, 0.0, mean, slot.part) * price + fees
        if commitment.discount_tiers:
            return discounted_usd(commitment, money + fees, slot.part)
        return (money + fees) * slot.rate

    old_tokens, old_usd = (before, before * rate_of(offer) * price / 1e6) if counted else (0.0, before)
    tokens = use.tokens
    at_end = worth(hours, mean, use.usd + old_usd, use.fees)
    own, own_usd = (tokens + old_tokens if in_tokens(commitment) else at_end), at_end
    credit, rolled, kept, after = 0.0, 0.0, list[float](), list[float]()
    if commitment.rollover_spans:
        kept = left.setdefault(slot.lot, _brought_in(commitment, slot))[-commitment.rollover_spans :]
        credit = math.fsum(kept)
        taken = min(own, credit)
        after = _after(kept, due, own)
        left[slot.lot] = after
        rolled = taken
    unit = mean * price / 1e6 if in_tokens(commitment) and not commitment.tiers else 1.0
    share = max(0.0, own - credit) / own if own > 0 else 0.0
    owed_tokens, owed_worth = (tokens + old_tokens) * share, own_usd * share
    stood, at_start = 0.0, worth(hours[:1], then, old_usd, 0.0)
    worth_in_horizon = at_end - at_start
    if commitment.rollover_spans:  # what a rest pays is not billed again
        opened = old_tokens if in_tokens(commitment) else at_start
        worth_in_horizon = (max(0.0, own - credit) - max(0.0, opened - credit)) * unit
    if commitment.overage_usd_per_m is not None:
        owed = overage_in_time(commitment, hours, due, credit, mean, price)
        until = [overage_worth(commitment, each, due + credit, price) for each in (hours, hours[:1])]
        worth_in_horizon = until[0] - until[1]
        if before or slot.before:
            carried = math.fsum(_brought_in(commitment, slot))
            stood = overage_in_time(commitment, hours[:1], slot.due_before, carried, then, price)
    elif plain_tokens(commitment):
        stood = stood_tokens(case, offer, future, before, slot.due_before, mean)
        owed = use.usd + mean * price / 1e6 * (due + max(0.0, own - credit - due) - tokens)
    else:
        stood = stood_usd(offer, future, before, slot.due_before, slot.before, slot.rate, then)
        owed = amount_owed(offer, due, owed_tokens, owed_worth, slot.part, price, mean)
        if commitment.tiers and in_tokens(commitment):
            owed = tiered_in_time(commitment, hours, due, mean, slot.part) * price
    least = amount_owed(offer, due, 0.0, 0.0, slot.part, price, mean)
    if slot.before:
        least -= amount_owed(offer, slot.due_before, 0.0, 0.0, slot.before, price, then)
    least_tiers = bool(commitment.tiers) and in_tokens(commitment)
    worth_usd = at_end - at_start
    return Bill(
        signed=slot.due is not None,
        committed=due / slot.part,
        part=slot.part,
        first=slot.first,
        end=slot.end,
        weight=case.period_weight[slot.first],
        used_tokens=tokens,
        used_usd=worth_usd,
        usd=owed - stood,
        own=tokens if in_tokens(commitment) else worth_usd,
        least_usd=least,
        beyond=max(
            0.0,
            own - max(credit + due, old_tokens if in_tokens(commitment) else at_start),
        ),
        rolled_usd=rolled * unit,
        unused_usd=max(0.0, owed - at_end) if least_tiers else max(0.0, due - max(0.0, own - rolled)) * unit,
        short=int(own < due * (1 - 1e-9)),
        begin_h=(since_h(case, commitment) or 0.0) if slot.before else slot.key,
        end_h=slot.end_h,
        counted=tokens + old_tokens if counted else use.usd + use.fees + old_usd,
        left=tuple(kept),
        left_after=tuple(after[-commitment.rollover_spans :]) if commitment.rollover_spans else (),
        rate=slot.rate,
        before_usd=at_end - worth_usd,
        stood_usd=stood,
        worth_usd=worth_in_horizon,
    )


def _brought_in(commitment: Commitment, slot: Slot) -> list[float]:
    """What spans before the horizon left unused, oldest first."""
    stands = commitment.so_far
    return [] if stands is None or slot.first > 0 else [*(stands.unused_usd or stands.unused_tokens)]


def _after(kept: Sequence[float], due: float, used: float) -> list[float]:
    """What is left of earlier rests and of what was due, oldest first, after the oldest was used first."""
    rest, need = [], used
    for each in (*kept, due):
        taken = min(each, need)
        need -= taken
        rest.append(each - taken)
    return rest
