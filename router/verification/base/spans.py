"""Spans over which use is held against a commitment, laid out from the start of each term.

    hour, day    the clock's, where the horizon has a start          month, quarter, year    730, 2190, 8760 h
    part         hours of the span's periods / 730; a whole day of 23 h counts as one of 24
    before       of it, what lies before the horizon (`so_far`)

A period belongs to the span in which it starts; one longer than a span is as many spans, all alike, settled as one. A
contract stated by the month alone has the billing months of the horizon for spans, whenever its term begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from router.schema import Commitment
from router.verification.base.case import MONTH_H, Case
from router.verification.base.local_time import LocalTime

NEAR_H = 1e-9
LENGTH_H = {"hour": 1.0, "day": 24.0, "month": MONTH_H, "quarter": 2190.0, "year": 8760.0}


@dataclass(frozen=True, slots=True)
class TermHours:
    """Hours of the horizon: in force from, until; where it began, and since when its span runs (before hour 0).

    months_h   where the months begin that terms which add up share; None: its spans are its own
    """

    from_h: float
    until_h: float
    began_h: float
    since_h: float | None = None
    life: tuple[float, float] = (-math.inf, math.inf)
    months_h: float | None = None

    def due_h(self, case: Case, periods: Iterable[int]) -> float:
        """Hours of some periods in which its offer has opened, and not closed for good."""
        spans = [case.span(t) for t in periods]
        return math.fsum(max(0.0, min(end, self.life[1]) - max(start, self.life[0])) for start, end in spans)


def of_offer(case: Case, offer: str, term: TermHours) -> TermHours:
    """The term as it is on an offer: it ends where that closes for good, and shares months with others."""
    life, commitment = case.times.life(offer), case.commitments[offer]
    months_h = None
    if commitment.stackable and commitment.settled in (None, "month") and not commitment.by_period:
        months_h = since_h(case, commitment) or 0.0
    return replace(term, until_h=min(term.until_h, life[1]), life=life, months_h=months_h)


@dataclass(frozen=True, slots=True)
class Span:
    """Periods `first` … `end` − 1 of a term, settled as one.

    key      hour at which the whole span begins: those of terms that add up are one where it is the same
    end_h    hour at which it ends
    part     months that the commitment is due for; `before` of them before the horizon
    ramped   part of the most of the ramp
    """

    key: float
    first: int
    end: int
    part: float
    before: float
    ramped: float
    end_h: float


def length_h(commitment: Commitment) -> float:
    """Hours of a span."""
    if commitment.settled == "term":
        return term_h(commitment) or MONTH_H
    return LENGTH_H[commitment.settled or "month"]


def term_h(commitment: Commitment) -> float | None:
    """Hours of a term; None: the whole horizon."""
    return commitment.term_h if commitment.term_months is None else commitment.term_months * MONTH_H


def by_billing_month(commitment: Commitment) -> bool:
    """Whether amounts a month are all that it states of how it settles."""
    stated = (commitment.min_usd, commitment.max_usd, commitment.step_usd, commitment.min_tokens)
    more = commitment.levels or commitment.ramp or commitment.discount_tiers
    special = commitment.settled or commitment.so_far or commitment.rollover_spans or commitment.stackable
    return not (more or special) and all(each is None for each in (*stated, commitment.max_tokens))


def bill_name(commitment: Commitment, number: int) -> str:
    """What rows call a bill of a contract: "month 0", "span 0"."""
    return f"{'month' if by_billing_month(commitment) else 'span'} {number}"


def signed_end_h(case: Case, commitment: Commitment) -> float | None:
    """Hour at which a contract already signed ends; None where it is said neither by a date nor by its term."""
    until, clock = commitment.signed_until, LocalTime(case.problem.horizon)
    if until is not None:
        return hours_to(clock, until)
    length = term_h(commitment)
    if by_billing_month(commitment) or length is None:
        return None
    return (since_h(case, commitment) or 0.0) + length


def since_h(case: Case, commitment: Commitment) -> float | None:
    """Hour at which the span began that runs at the start of the horizon, where that is stated."""
    stands = commitment.so_far
    return None if stands is None else hours_to(LocalTime(case.problem.horizon), stands.since)


def hours_to(clock: LocalTime, moment: datetime) -> float:
    """Hours from the start of the horizon."""
    moment = moment.replace(tzinfo=clock.zone) if moment.tzinfo is None else moment
    return (moment.astimezone(UTC) - clock.start) / timedelta(hours=1)


def signed_term(case: Case, commitment: Commitment) -> TermHours | None:
    """The term of a contract already signed, if some of it is left."""
    end_h, since = signed_end_h(case, commitment), since_h(case, commitment)
    if by_billing_month(commitment):  # a month that it covers in part is settled whole
        until = math.inf if end_h is None else max(0, math.ceil(end_h / MONTH_H - 1e-9)) * MONTH_H
        return TermHours(0.0, until, 0.0) if until > 0 else None
    length = term_h(commitment)
    dated = commitment.signed_until is not None and end_h is not None and length is not None
    began = (end_h or 0.0) - (length or 0.0) if dated else since or 0.0
    until = math.inf if end_h is None else end_h
    return TermHours(0.0, until, began, since) if until > 0 else None


def stacked_terms(
    case: Case, commitment: Commitment, *, ended: bool = False
) -> list[tuple[TermHours, float]]:
    """Terms that add up and are signed already, as far as some of them is left, and own units a month of each.

    ended   also those that are over, in the month that runs when the horizon begins
    """
    clock, length = LocalTime(case.problem.horizon), term_h(commitment)
    terms = []
    for each in commitment.in_force:
        end_h = hours_to(clock, each.until)
        since = since_h(case, commitment) if commitment.settled in (None, "month") else None
        since = None if commitment.by_period else since
        if end_h > NEAR_H or (ended and since is not None and since + NEAR_H < end_h):
            term = TermHours(0.0, end_h, end_h - (end_h if length is None else length), since)
            terms.append((term, each.amount * MONTH_H / length_h(commitment)))
    return terms


def spans_of(case: Case, commitment: Commitment, term: TermHours) -> list[Span]:
    """The spans of a term inside the horizon, in order."""
    if by_billing_month(commitment):
        return _months(case, term)
    if term.until_h <= NEAR_H and term.months_h is not None:  # over; it counts in the month that runs
        begin_h, end_h = _edges(case, commitment, term, 0.0, None)
        part = (term.until_h - max(begin_h, term.began_h, term.life[0])) / MONTH_H
        return [Span(begin_h, 0, 1, part, part, 1.0, end_h)] if part > 0 else []
    periods = [
        t for t in range(case.periods) if term.from_h - NEAR_H <= t * case.period_h < term.until_h - NEAR_H
    ]
    spans: list[Span] = []
    edges: list[tuple[float, float]] = []
    of: list[list[int]] = []
    for t in periods:
        edge = _edges(case, commitment, term, t * case.period_h, edges[-1] if edges else None)
        if not edges or edge[0] > edges[-1][0] + NEAR_H:
            edges.append(edge)
            of.append([])
        of[-1].append(t)
    in_full = case.problem.policy.end_of_horizon == "charge_in_full"
    for (start_h, end_h), own in zip(edges, of, strict=True):
        hours, before = term.due_h(case, own), 0.0
        if own[0] == 0 and start_h < 0 and term.since_h is not None:
            began_h = -math.inf if term.months_h is None else term.began_h
            before = max(0.0, -max(term.since_h, term.life[0], began_h))
        if in_full and end_h > case.horizon_h:
            hours = max(0.0, min(end_h, term.until_h) - max(start_h, term.from_h, term.life[0]))
        month_h = MONTH_H
        clocked = commitment.settled in ("hour", "day") and not commitment.by_period
        if clocked and case.period_h <= length_h(commitment):
            month_h = MONTH_H * (end_h - start_h) / length_h(commitment)
        ramped = part_of_ramp(commitment, max(0.0, start_h - term.began_h))
        if hours + before <= 0:
            continue
        spans.append(
            Span(start_h, own[0], own[-1] + 1, (hours + before) / month_h, before / month_h, ramped, end_h)
        )
    return spans


def whole_month(case: Case, term: TermHours, span: Span) -> tuple[int, int, float, float]:
    """First period, end, months before the horizon and in all, of a month that terms share, as far as it has it."""
    hours = [t * case.period_h for t in range(case.periods)]
    inside = [t for t, hour in enumerate(hours) if span.key - NEAR_H <= hour < span.end_h - NEAR_H]
    before = max(0.0, -max(span.key, term.life[0])) / MONTH_H
    return inside[0], inside[-1] + 1, before, before + term.due_h(case, inside) / MONTH_H


def _months(case: Case, term: TermHours) -> list[Span]:
    covered: dict[int, list[int]] = {}
    for t, month in enumerate(case.month_of):
        if term.from_h - NEAR_H <= t * case.period_h < term.until_h - NEAR_H:
            covered.setdefault(month, []).append(t)
    spans = []
    for month, own in covered.items():
        part, end_h = term.due_h(case, own) / MONTH_H, (own[-1] + 1) * case.period_h
        if part > 0:
            spans.append(Span(float(month), own[0], own[-1] + 1, part, 0.0, 1.0, end_h))
    return spans


def _edges(
    case: Case, commitment: Commitment, term: TermHours, hour: float, last: tuple[float, float] | None
) -> tuple[float, float]:
    """Start and end of the span that an hour belongs to; `last`: that of the hour before, for days."""
    length = length_h(commitment)
    longer = case.period_h > length * (1 + NEAR_H)
    if commitment.by_period or (commitment.settled in ("hour", "day") and longer):
        return hour, hour + case.period_h
    if last is not None and hour < last[1] - NEAR_H:
        return last
    if commitment.settled == "term":
        return term.began_h if term.since_h is None else term.since_h, term.until_h
    if commitment.settled in ("hour", "day"):
        clock = LocalTime(case.problem.horizon)
        if commitment.settled == "day":
            day = clock.days(hour + NEAR_H)
            return clock.hour_of(day, 0), clock.hour_of(day + 1, 0)
        local = clock.start.astimezone(clock.zone)
        shift = local.minute / 60.0 + local.second / 3600.0
        start = math.floor(hour + shift + NEAR_H) - shift
        return start, start + 1.0
    origin = _origin(term)
    number = math.floor((hour - origin) / length + NEAR_H)
    return origin + number * length, origin + (number + 1) * length


def _origin(term: TermHours) -> float:
    """Where its spans are counted from."""
    if term.months_h is not None:
        return term.months_h
    return term.began_h if term.since_h is None else term.since_h


def part_of_ramp(commitment: Commitment, into_term_h: float) -> float:
    """What a span that begins so far into the term commits to, as a part of the ramp's most; 1 without a ramp."""
    if not commitment.ramp:
        return 1.0
    month, now, most = math.floor(into_term_h / MONTH_H + 1e-9) + 1, 0.0, 0.0
    for step in commitment.ramp:
        amount = step.min_tokens if step.min_usd is None else step.min_usd
        most = max(most, amount or 0.0)
        if step.from_month <= month:
            now = amount or 0.0
    return now / most if most > 0 else 0.0


def owed_after(case: Case, commitment: Commitment, term: TermHours) -> float:
    """Months of the commitment that a term owes after the horizon; with `charge_in_full` after the span that is cut."""
    hour, opens = case.horizon_h, term.life[0]
    if not math.isfinite(term.until_h) or term.until_h <= max(hour, opens):
        return 0.0
    if by_billing_month(commitment):
        return (term.until_h - max(hour, opens)) / MONTH_H
    origin, length = _origin(term), length_h(commitment)
    number = math.floor((hour - origin) / length + NEAR_H)
    if case.problem.policy.end_of_horizon == "charge_in_full" and hour > origin + number * length + NEAR_H:
        number += 1
        hour = min(origin + number * length, term.until_h)
    if not commitment.ramp:
        return max(0.0, term.until_h - max(hour, opens)) / MONTH_H
    parts = []
    while hour < term.until_h - NEAR_H:
        end_h = min(origin + (number + 1) * length, term.until_h)
        ramped = part_of_ramp(commitment, max(0.0, origin + number * length - term.began_h))
        parts.append(max(0.0, end_h - max(hour, opens)) * ramped / MONTH_H)
        hour, number = end_h, number + 1
    return math.fsum(parts)


def starts_h(case: Case, commitment: Commitment) -> list[float]:
    """Hours at which a term may begin."""
    length, every = term_h(commitment), commitment.start_every_h
    if every is None:
        late = commitment.start == "any" or (
            commitment.start is None and length is not None and length < case.horizon_h - NEAR_H
        )
        if length is None or not late:
            return [0.0]
        every = MONTH_H if commitment.term_months is not None else case.period_h
    return multiples(case, every)


def multiples(case: Case, every_h: float) -> list[float]:
    """Hours of the horizon at which something that is sold at multiples of so many hours may begin."""
    every_h = max(every_h, case.period_h) if case.period_h > MONTH_H * (1 + NEAR_H) else every_h
    last = (case.periods - 1) * case.period_h
    hours: list[float] = []
    while len(hours) * every_h <= last + NEAR_H * every_h:
        hours.append(len(hours) * every_h)
    return hours


def begins_at(hours: Iterable[float], hour: float) -> bool:
    """Whether an hour is among some, up to rounding."""
    return any(abs(each - hour) <= 1e-6 for each in hours)


class Statement:
    """The bill of a span so far, at the start of each of its periods and at its end; in USD, without bands or rests.

    The greater of the use until then and of what is due by the hours until then, less where it stood when the horizon
    began. By so much as it grows in a span of an agreement it counts there.
    """

    def __init__(
        self,
        case: Case,
        seller: str,
        first: int,
        used: Sequence[float],
        *,
        before: float,
        due_before: float,
        due: float,
    ) -> None:
        self.first = first
        self.hours = [case.times.due(seller, *case.span(first + i)) for i in range(len(used))]
        self.used, self.before, self.due_before, self.due = list(used), before, due_before, due

    def until(self, period: int) -> float:
        """USD at the start of a period, more than when the horizon began."""
        n = min(max(period - self.first, 0), len(self.used))
        hours = math.fsum(self.hours)
        part = math.fsum(self.hours[:n]) / hours if hours > 0 else 0.0
        due = self.due_before + (self.due - self.due_before) * part
        return max(self.before + math.fsum(self.used[:n]), due) - max(self.before, self.due_before)

    def within(self, first: int, end: int) -> float:
        """By how much it grows in some periods."""
        return self.until(end) - self.until(first)
