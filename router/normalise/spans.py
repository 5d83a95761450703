"""Commitments → spans: the bills of each contract, and which terms are in force in them.

Spans follow each other from the start of the term; hours and days are the clock's. A period belongs to the span in
which it starts; periods longer than a span are whole numbers of spans, all alike, and settled as one. A span counts by
the hours of its periods, in months of 730 h.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, NONE, Floats, Ints, distinct
from problems.core.contracts import Spans
from problems.core.instance import Time
from router.normalise.columns import whole
from router.schema import Commitment
from router.schema.clock import Clock

NEAR = 1e-9


class ContractTerm(NamedTuple):
    """A term that runs, or may start: hours of the horizon.

    begin_h   when it began, also before the horizon: its spans and its ramp count from there
    since_h   start of the span that runs at hour 0, where that is stated
    amount    what it commits to per span, in own units, where that is its own
    months_h  where the months are counted from that terms which add up share
    """

    from_h: float
    until_h: float
    owed_until_h: float
    begin_h: float
    signed: bool
    since_h: float | None = None
    amount: float | None = None
    opens_h: float = -np.inf
    closes_h: float = np.inf
    months_h: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether it ended before the horizon began, in the month that runs then and that terms share."""
        return self.signed and self.months_h < self.until_h <= NEAR

    def due_h(self, time: Time, periods: Ints) -> float:
        """Hours of some periods in which its offer has opened, and not closed for good."""
        begin = time.start_h[periods]
        inside = np.minimum(begin + time.period_h, self.closes_h) - np.maximum(begin, self.opens_h)
        return float(np.clip(inside, 0.0, time.period_h).sum())


class TermSpan(NamedTuple):
    """The part of a span that a term covers in the horizon: its periods, and the months that it counts for.

    key       which span it is, of those that other terms of the contract may share
    share     months, the part before the horizon included, which `before` is
    from_h    hours of the horizon at which the whole span begins (as far as it is known) and ends: until_h
    ramped    part of the most of its ramp that is committed in it
    """

    key: int
    first: int
    end: int
    share: float
    before: float
    ramped: float
    from_h: float
    until_h: float


def spans_of(
    rows: Sequence[Commitment],
    starts: Sequence[tuple[int, ContractTerm]],
    time: Time,
    clock: Clock,
    *,
    in_full: bool,
) -> Spans:
    """The spans of all contracts; `starts` are the terms of each, by the number of its contract."""
    table = _Table(time)
    for b, terms in enumerate(rows):
        mine = [a for a, (of, _) in enumerate(starts) if of == b]
        laid = {a: list(laid_out(terms, starts[a][1], time, clock, in_full=in_full)) for a in mine}
        if terms.by_billing_month:
            table.months(b, laid)
            continue
        used = 0.0
        if terms.so_far is not None:
            used = terms.so_far.used_usd or terms.so_far.used_tokens or 0.0
        months = starts[mine[0]][1] if mine and terms.shares_months else None
        table.add(b, laid, shared=_shared(terms, laid), used_before=used, months=months)
    return table.spans()


def _shared(terms: Commitment, laid: dict[int, list[TermSpan]]) -> bool:
    """Whether all terms of a contract have the same spans, as far as they cover the same time, and the same rates."""
    if terms.levels or (terms.rollover_spans and len(laid) > 1):  # what is left lapses with its term
        return False
    if terms.stackable:
        return True
    owner: dict[int, TermSpan] = {}
    of_key: dict[int, TermSpan] = {}  # a day that two terms cover in parts is billed to each
    for spans in laid.values():
        for span in spans:
            other = of_key.setdefault(span.key, span)
            if (other.first, other.end) != (span.first, span.end):
                return False
            for t in range(span.first, span.end):
                other = owner.setdefault(t, span)
                if (other.first, other.end, other.share) != (span.first, span.end, span.share):
                    return False
    return True


def laid_out(
    terms: Commitment, term: ContractTerm, time: Time, clock: Clock, *, in_full: bool
) -> Iterator[TermSpan]:
    """The spans of a term inside the horizon, in order; billing months as far as it covers them."""
    if terms.shares_months and term.ended:
        hours = term.until_h - max(term.months_h, term.begin_h, term.opens_h)
        if hours > 0:
            share, until_h = hours / HOURS_PER_MONTH, term.months_h + terms.span_h
            yield TermSpan(0, 0, 1, share, share, 1.0, term.months_h, until_h)
        return
    inside = np.flatnonzero((time.start_h >= term.from_h - NEAR) & (time.start_h < term.until_h - NEAR))
    if not len(inside):
        return
    if terms.by_billing_month:
        for k in distinct(time.month[inside]).tolist():
            at = inside[time.month[inside] == k]
            share = term.due_h(time, at) / HOURS_PER_MONTH
            if share > 0:
                ends = int(at[0]), int(at[-1]) + 1
                yield TermSpan(k, *ends, share, 0.0, 1.0, ends[0] * time.period_h, ends[1] * time.period_h)
        return
    by_clock = terms.settled in ("hour", "day")
    edges = _edges(terms, term, time, clock)
    number = np.searchsorted(edges, time.start_h[inside] + NEAR, side="right") - 1
    firsts = np.flatnonzero(np.diff(number, prepend=-1))
    for i, j in zip(firsts, [*firsts[1:], len(inside)], strict=True):
        n = int(number[i])
        from_h, until_h = float(edges[n]), float(edges[n + 1])
        hours = term.due_h(time, inside[i:j])
        since_h = term.since_h if i == 0 and from_h < 0 else None
        began_h = term.begin_h if terms.shares_months else -np.inf
        before = 0.0 if since_h is None else max(-max(since_h, term.opens_h, began_h), 0.0)
        if in_full and until_h > time.horizon_h:
            hours = max(min(until_h, term.until_h) - max(from_h, term.from_h, term.opens_h), 0.0)
        month = HOURS_PER_MONTH
        if by_clock and not terms.by_period and time.period_h <= terms.span_h:  # a day of 23 h is a day
            month *= (until_h - from_h) / terms.span_h
        if hours + before <= 0:
            continue
        first = int(inside[i])
        key, ramped = (
            n if by_clock or terms.shares_months else first,
            terms.ramped(max(from_h - term.begin_h, 0.0)),
        )
        end, shares = int(inside[j - 1]) + 1, ((hours + before) / month, before / month)
        yield TermSpan(key, first, end, *shares, ramped, from_h if since_h is None else since_h, until_h)


def _edges(terms: Commitment, term: ContractTerm, time: Time, clock: Clock) -> Floats:
    """Hours at which spans begin, from the one that runs at the term's start to one after its end, or the horizon's."""
    last = min(term.until_h, time.horizon_h)
    longer = time.period_h > terms.span_h * (1 + NEAR)
    if terms.by_period or (terms.settled in ("hour", "day") and longer):
        return np.append(time.start_h, time.horizon_h)
    if terms.settled == "hour":
        local = clock.local(0.0)
        first = -(local.minute / 60.0 + local.second / 3600.0)
        return np.asarray(first + np.arange(np.ceil(last - first + NEAR) + 2))
    if terms.settled == "day":
        return np.array([clock.hour_of(day, 0.0) for day in range(int(last / 23.0) + 3)])
    origin = _origin(terms, term)
    if terms.settled == "term":
        return np.array([origin, term.until_h])
    return np.asarray(origin + np.arange(np.ceil((last - origin) / terms.span_h + NEAR) + 1) * terms.span_h)


def _origin(terms: Commitment, term: ContractTerm) -> float:
    """Where the spans of a term are counted from; those of terms that add up from one hour for all."""
    if terms.shares_months:
        return term.months_h
    return term.begin_h if term.since_h is None else term.since_h


def beyond_months(terms: Commitment, term: ContractTerm, time: Time, *, in_full: bool) -> float:
    """Months of a term's commitment (of the most of its ramp) that are owed after the horizon.

    `in_full`: of the span that the horizon's end cuts, the whole is due in the horizon.
    """
    end_h, from_h, opens_h = term.owed_until_h, time.horizon_h, term.opens_h
    if not np.isfinite(end_h) or end_h <= max(from_h, opens_h):
        return 0.0
    if terms.by_billing_month:
        return (end_h - max(from_h, opens_h)) / HOURS_PER_MONTH
    origin, span_h = _origin(terms, term), terms.span_h
    number = np.floor((from_h - origin) / span_h + NEAR)
    if in_full and from_h > origin + number * span_h + NEAR:
        number += 1
        from_h = min(origin + number * span_h, end_h)
    if not terms.ramp:
        return max(end_h - max(from_h, opens_h), 0.0) / HOURS_PER_MONTH
    owed = 0.0
    while from_h < end_h - NEAR:
        until_h = min(origin + (number + 1) * span_h, end_h)
        owed += max(until_h - max(from_h, opens_h), 0.0) * terms.ramped(
            max(origin + number * span_h - term.begin_h, 0.0)
        )
        from_h, number = until_h, number + 1
    return owed / HOURS_PER_MONTH


class _Table:
    """Collects the spans of contracts; a row: contract, lot, first period, end, share, share before, used before."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.rows: list[tuple[int, int, int, int, float, float, float, float, float]] = []
        self.lots: list[tuple[int, int, Ints]] = []
        self.force: list[tuple[int, int, float, float]] = []

    def add(
        self,
        b: int,
        laid: dict[int, list[TermSpan]],
        *,
        shared: bool,
        used_before: float,
        months: ContractTerm | None,
    ) -> None:
        """The spans of a contract's terms: one lot where they are shared, else one for each term.

        months   some term, where they add up in months, which count as far as the horizon has them
        """
        for start, terms in [(NONE, laid)] if shared else [(a, {a: spans}) for a, spans in laid.items()]:
            alike: dict[int, list[tuple[int, TermSpan]]] = {}
            for a, spans in terms.items():
                for span in spans:
                    alike.setdefault(span.key, []).append((a, span))
            span_of = np.full(self.time.periods, NONE, dtype=np.int64)
            for key in sorted(alike):
                parts = [span for _, span in alike[key]]
                first, end = min(span.first for span in parts), max(span.end for span in parts)
                used = used_before if first == 0 else 0.0
                share, before = max((span.share, span.before) for span in parts)
                if months is not None:
                    ends = np.array([parts[0].from_h, parts[0].until_h]) - NEAR
                    first, end = np.searchsorted(self.time.start_h, ends).tolist()
                    before = max(-max(parts[0].from_h, months.opens_h), 0.0) / HOURS_PER_MONTH
                    due_h = months.due_h(self.time, np.arange(first, end))
                    share = max(share, before + due_h / HOURS_PER_MONTH)
                n = len(self.rows)
                span_of[first:end] = n
                hours = min(span.from_h for span in parts), max(span.until_h for span in parts)
                self.rows.append((b, len(self.lots), first, end, share, before, used, *hours))
                self.force += [
                    (a, n, span.share * span.ramped, span.before * span.ramped) for a, span in alike[key]
                ]
            self.lots.append((b, start, span_of))

    def months(self, b: int, laid: dict[int, list[TermSpan]]) -> None:
        """The billing months of the horizon, whole, whatever terms cover of them."""
        time, n = self.time, len(self.rows)
        for k, hours in enumerate(time.month_hours.tolist()):
            at = np.flatnonzero(time.month == k)
            share = hours / HOURS_PER_MONTH
            ends = int(at[0]), int(at[-1]) + 1
            hours = ends[0] * time.period_h, ends[1] * time.period_h
            self.rows.append((b, len(self.lots), *ends, share, 0.0, 0.0, *hours))
        self.force += [(a, n + span.key, span.share, 0.0) for a, spans in laid.items() for span in spans]
        self.lots.append((b, NONE, n + time.month))

    def spans(self) -> Spans:
        """All of them as arrays."""
        rows, lots, force, period_h = self.rows, self.lots, self.force, self.time.period_h
        none = np.empty((0, self.time.periods), dtype=np.int64)
        return Spans(
            contract=whole(row[0] for row in rows),
            lot=whole(row[1] for row in rows),
            from_h=np.array([row[2] * period_h for row in rows], dtype=float),
            until_h=np.array([row[3] * period_h for row in rows], dtype=float),
            period=whole(row[2] for row in rows),
            share=np.array([row[4] for row in rows], dtype=float),
            share_before=np.array([row[5] for row in rows], dtype=float),
            used_before=np.array([row[6] for row in rows], dtype=float),
            begins_h=np.array([row[7] for row in rows], dtype=float),
            ends_h=np.array([row[8] for row in rows], dtype=float),
            lot_contract=whole(lot[0] for lot in lots),
            lot_start=whole(lot[1] for lot in lots),
            lot_span=np.stack([lot[2] for lot in lots]) if lots else none,
            force_start=whole(each[0] for each in force),
            force_span=whole(each[1] for each in force),
            force_share=np.array([each[2] for each in force], dtype=float),
            force_before=np.array([each[3] for each in force], dtype=float),
        )
