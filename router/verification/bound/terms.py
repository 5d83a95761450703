"""Terms that may be signed, and the spans over which use is held against them.

signed(offer,label)       0/1: a term begins, with a month or an hour; 1 where signed before
committed(offer,label)    own units a month: tokens, or USD at contract rates
"""

from __future__ import annotations

from dataclasses import dataclass, field

from router.schema import Commitment
from router.verification.base.case import MONTH_H, Case
from router.verification.base.spans import (
    Span,
    TermHours,
    by_billing_month,
    length_h,
    of_offer,
    signed_term,
    spans_of,
    stacked_terms,
    starts_h,
    term_h,
    whole_month,
)
from router.verification.base.tariffs import least_of, most_of


@dataclass(frozen=True, slots=True)
class PossibleTerm:
    """A term: when it starts and its level in words, whether it is due whatever a plan does, what it may commit."""

    label: str
    term: TermHours
    due: bool
    least: float
    most: float
    rate: float = 1.0


@dataclass(slots=True)
class SpanToBill:
    """Periods settled as one; `due`: months that each term commits to in it, by label."""

    lot: str
    first: int
    end: int
    part: float
    before: float
    due: list[tuple[str, float]] = field(default_factory=list)
    due_before: dict[str, float] = field(default_factory=dict)


def terms_of(case: Case, offer: str) -> list[PossibleTerm]:
    """Every term that is running or may start, in order, while its offer has opened and not closed for good."""
    commitment = case.commitments[offer]
    before = signed_term(case, commitment) if commitment.signed else None
    length = term_h(commitment)
    terms: list[tuple[TermHours, bool, float | None]] = [] if before is None else [(before, True, None)]
    terms += [(term, True, usd) for term, usd in stacked_terms(case, commitment, ended=True)]
    free_h = 0.0 if before is None or commitment.stackable else before.until_h
    if length is not None or not commitment.signed:
        hours = [hour for hour in starts_h(case, commitment) if hour >= free_h - 1e-9]
        new = [TermHours(hour, hour + (length or case.horizon_h), hour) for hour in hours]
        terms += [(term, False, None) for term in new]
    cut = [(of_offer(case, offer, term), due, usd) for term, due, usd in terms]
    terms = [
        (term, due, usd)
        for term, due, usd in cut
        if (term.from_h < term.until_h or term.until_h <= 0) and term.until_h > term.life[0]
    ]
    least, most = least_of(commitment), most_of(commitment)
    amounts = [
        (level.usd * MONTH_H / length_h(commitment), 1.0 - level.discount) for level in commitment.levels
    ]
    possible: list[PossibleTerm] = []
    for term, due, own in terms:
        when = start_label(term.from_h)
        alike = [other for other, *_ in terms if other.from_h == term.from_h]
        place = len([other for other in possible if other.term.from_h == term.from_h])
        if not amounts:
            low = least if own is None else own
            top = low if due or most is None else most
            label = when if len(alike) == 1 else f"{when},level {place}"
            possible.append(PossibleTerm(label, term, due, low, top))
        for i, (usd, rate) in enumerate(amounts):
            label = when if len(amounts) * len(alike) == 1 else f"{when},level {place + i}"
            possible.append(PossibleTerm(label, term, due, usd, usd, rate))
    return possible


def start_label(hour: float) -> str:
    """The billing month that an hour begins, else the hour."""
    months = hour / MONTH_H
    return f"month {round(months)}" if abs(months - round(months)) <= 1e-9 else f"hour {hour:.10g}"


def spans_to_bill(case: Case, commitment: Commitment, terms: list[PossibleTerm]) -> list[SpanToBill]:
    """The spans of all terms, term by term unless they share them; `lot` is then empty."""
    laid = {term.label: spans_of(case, commitment, term.term) for term in terms}
    shared = _shared(commitment, laid)
    slots: dict[tuple[str, float], SpanToBill] = {}
    if by_billing_month(commitment):
        for month in range(case.months):
            first, part = case.month_of.index(month), case.month_h[month] / MONTH_H
            slots["", float(month)] = SpanToBill("", first, first + case.month_of.count(month), part, 0.0)
    for term, (label, spans) in zip(terms, laid.items(), strict=True):
        for span in spans:
            key = ("" if shared else label, round(span.key, 6))
            slot = slots.setdefault(key, SpanToBill(key[0], span.first, span.end, span.part, span.before))
            if not by_billing_month(commitment):
                slot.first, slot.end = min(slot.first, span.first), max(slot.end, span.end)
                slot.part, slot.before = max((slot.part, slot.before), (span.part, span.before))
            if term.term.months_h is not None:
                slot.first, slot.end, slot.before, months = whole_month(case, term.term, span)
                slot.part = max(slot.part, months)
            slot.due.append((label, span.ramped * span.part))
            slot.due_before[label] = span.ramped * span.before
    order = {label: i for i, label in enumerate(laid)}
    return sorted(slots.values(), key=lambda slot: (order.get(slot.lot, -1), slot.first))


def _shared(commitment: Commitment, laid: dict[str, list[Span]]) -> bool:
    """Whether terms that cover the same time have the same spans, and the same rates."""
    if commitment.levels or (commitment.rollover_spans and len(laid) > 1):
        return False
    if by_billing_month(commitment) or commitment.stackable or commitment.settled in ("hour", "day"):
        return True
    owner: dict[int, tuple[int, int, float]] = {}
    for spans in laid.values():
        for span in spans:
            for t in range(span.first, span.end):
                if owner.setdefault(t, (span.first, span.end, span.part)) != (
                    span.first,
                    span.end,
                    span.part,
                ):
                    return False
    return True


def running(case: Case, terms: list[PossibleTerm], period: int) -> list[PossibleTerm]:
    """The terms that cover a period."""
    hour = period * case.period_h
    return [each for each in terms if each.term.from_h - 1e-9 <= hour < each.term.until_h - 1e-9]
