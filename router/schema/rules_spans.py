"""Rules on how commitments settle: spans filled by periods, terms that begin and end with them, where one stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from router.errors import Issue, Path
from router.schema.commitments import PER_SPAN, Commitment
from router.schema.offers import Instances

if TYPE_CHECKING:  # Problem runs the rules itself
    from router.schema.problem import Problem

_MONTHLY = tuple(f"{name}_per_month" for name in PER_SPAN)
_LONG = (None, "month", "quarter", "year", "term")


def is_monthly(commitment: Commitment) -> bool:
    """Whether something of it is stated, or settled, by the month."""
    stated = any(getattr(commitment, name) is not None for name in _MONTHLY) or bool(commitment.tiers)
    return stated or commitment.settled in (None, "month")


def amounts_by_span(problem: Problem) -> Iterator[Issue]:
    """An amount is stated once: per month, which is settled by the month, or per span."""
    for at, commitment in _each(problem):
        for name in PER_SPAN:
            monthly = f"{name}_per_month"
            value = getattr(commitment, monthly)
            if value is None:
                continue
            if commitment.settled not in (None, "month"):
                rule = f"is settled by the month, not by the {commitment.settled}"
                yield Issue((*at, monthly), rule, value, f"state {name}, per {commitment.settled}")
            elif getattr(commitment, name) is not None:
                yield Issue((*at, monthly), f"must not stand beside {name}", value, "keep one")


def spans_filled(problem: Problem) -> Iterator[Issue]:
    """Periods are not longer than a span, or whole numbers of spans; hours and days are filled by whole periods."""
    period_h = problem.horizon.period_h
    for at, commitment in _each(problem):
        settled, span_h = commitment.settled, commitment.span_h
        if settled == "term" and commitment.term_hours is None:
            rule = "needs term_months or term_h: else nothing says how long the span is"
            yield Issue((*at, "settled"), rule, settled)
        elif settled in ("hour", "day"):
            if not commitment.by_period and not (_whole(span_h / period_h) or _whole(period_h / span_h)):
                rule = f"needs periods that divide {span_h:g} h or are a multiple of it, not {period_h:.6g} h"
                yield Issue((*at, "settled"), rule, settled)
        elif (
            settled not in (None, "month")
            and period_h > span_h * (1 + 1e-9)
            and not _whole(period_h / span_h)
        ):
            rule = f"needs periods of at most {span_h:g} h or a multiple of it, not {period_h:.6g} h"
            yield Issue((*at, "settled"), rule, settled)
        if settled not in _LONG:
            for name in ("tiers", "discount_tiers"):
                if getattr(commitment, name):
                    rule = f"are settled by the month or longer, not by the {settled}"
                    yield Issue((*at, name), rule, None, "set settled: month")


def terms_in_periods(problem: Problem) -> Iterator[Issue]:
    """A term is stated once; it and its possible starts are whole numbers of periods."""
    period_h = problem.horizon.period_h
    terms: list[tuple[Path, Commitment | Instances]] = list(_each(problem))
    terms += [
        (("offers", index, "instances"), offer.instances)
        for index, offer in enumerate(problem.offers)
        if offer.instances is not None
    ]
    for at, term in terms:
        if term.term_h is not None and term.term_months is not None:
            yield Issue((*at, "term_h"), "must not stand beside term_months", term.term_h, "keep one")
        for name in ("term_h", "start_every_h"):
            hours = getattr(term, name)
            if hours is not None and not _whole(hours / period_h):
                rule = f"must be a whole number of periods of {period_h:.6g} h"
                yield Issue((*at, name), rule, hours)
        if term.start_every_h is not None:
            if term.term_hours is None:
                rule = "needs term_months or term_h: without a term nothing starts anew"
                yield Issue((*at, "start_every_h"), rule, term.start_every_h)
            if isinstance(term, Commitment) and term.start is not None:
                yield Issue(
                    (*at, "start_every_h"), "must not stand beside start", term.start_every_h, "keep one"
                )


def parts_go_together(problem: Problem) -> Iterator[Issue]:
    """Levels and ramps stand in place of amounts; what rolls over and what is stacked has one reading."""
    for at, commitment in _each(problem):
        amounts = [n for n in (*PER_SPAN, *_MONTHLY) if getattr(commitment, n) is not None]
        there = {name for name in ("levels", "ramp", "tiers", "discount_tiers") if getattr(commitment, name)}
        there |= {"rollover_spans"} if commitment.rollover_spans else set()
        there |= {"overage_usd_per_m"} if commitment.overage_usd_per_m is not None else set()
        there |= {"stackable"} if commitment.stackable else set()
        there |= {"min_tokens"} if any("min_tokens" in n or "max_tokens" in n for n in amounts) else set()
        for name, others in _APART.items():
            if name in there:
                for other in sorted(others & there):
                    yield Issue((*at, name), f"does not go with {other}", None, "keep one of the two")
                if name in ("levels", "ramp") and amounts:
                    rule = f"stands in place of {', '.join(amounts)}"
                    yield Issue((*at, name), rule, None, "keep one")
        if commitment.stackable and commitment.settled not in (None, "hour", "month"):
            yield Issue((*at, "stackable"), "is settled by the hour or the month", None, "set settled: hour")
        if commitment.stackable and commitment.term_hours is None:
            yield Issue((*at, "stackable"), "needs term_months or term_h", True)
        yield from _in_force(problem, at, commitment, tokens="min_tokens" in there)
        if commitment.signed and len(commitment.levels) > 1:
            yield Issue((*at, "levels"), "of a signed contract must be the one that was signed", None)
        yield from _ramp(at, commitment)
        yield from _bands(at, commitment)


_APART = {
    "levels": {"ramp", "stackable", "tiers", "discount_tiers"},
    "ramp": {"stackable"},
    "rollover_spans": {"stackable", "tiers", "discount_tiers"},
    "discount_tiers": {"tiers", "min_tokens", "overage_usd_per_m"},
}


def _in_force(problem: Problem, at: Path, commitment: Commitment, *, tokens: bool) -> Iterator[Issue]:
    if not commitment.in_force:
        return
    field = (*at, "in_force")
    if not commitment.stackable:
        yield Issue(
            field, "is of terms that add up", None, "set stackable: true, or signed: true for one term"
        )
    stated, other = ("tokens", "usd") if tokens else ("usd", "tokens")
    for index, term in enumerate(commitment.in_force):
        if getattr(term, other) is not None:
            yield Issue((*field, index, other), "is not in the commitment's own unit", getattr(term, other))
        elif getattr(term, stated) is None:
            yield Issue((*field, index, stated), "is required: what the term commits to per span", None)
    if problem.horizon.start is None:
        yield Issue(field, "needs horizon.start, to know until when", None)


def _ramp(at: Path, commitment: Commitment) -> Iterator[Issue]:
    before = 0
    for index, step in enumerate(commitment.ramp):
        field = (*at, "ramp", index)
        if (step.min_usd is None) == (step.min_tokens is None):
            yield Issue(field, "must state min_usd or min_tokens", None)
        if index == 0 and step.from_month != 1:
            yield Issue((*field, "from_month"), "the first step must begin with month 1", step.from_month)
        elif index and step.from_month <= before:
            rule = f"steps must increase; the one before begins with month {before}"
            yield Issue((*field, "from_month"), rule, step.from_month)
        before = step.from_month


def _bands(at: Path, commitment: Commitment) -> Iterator[Issue]:
    before: float | None = None
    for index, band in enumerate(commitment.discount_tiers):
        field = (*at, "discount_tiers", index, "from_usd")
        if before is None and band.from_usd != 0:
            yield Issue(field, "the first tier must begin at 0", band.from_usd)
        elif before is not None and band.from_usd <= before:
            rule = f"tiers must increase; the one before begins at {before:.15g}"
            yield Issue(field, rule, band.from_usd)
        before = band.from_usd


def so_far_placed(problem: Problem) -> Iterator[Issue]:
    """`so_far` is of a signed contract, in its own unit, and of the span that runs when the horizon begins."""
    for at, commitment in _each(problem):
        so_far, field = commitment.so_far, (*at, "so_far")
        if so_far is None:
            continue
        if not commitment.signed and not commitment.in_force:
            yield Issue(field, "needs signed: true", None)
            continue
        if problem.horizon.start is None:
            yield Issue(field, "needs horizon.start, to know when that is", None)
            continue
        since_h = problem.horizon.clock.hour(so_far.since)
        if since_h > 1e-9:
            yield Issue((*field, "since"), "must not be after horizon.start", so_far.since)
        elif since_h <= -commitment.span_h - 1e-9 - (1.0 if commitment.settled == "day" else 0.0):
            rule = f"is more than a span of {commitment.span_h:g} h before horizon.start"
            yield Issue((*field, "since"), rule, so_far.since, "state the span that runs then")
        if len(so_far.unused_usd) + len(so_far.unused_tokens) > commitment.rollover_spans:
            rule = f"has more entries than rollover_spans, {commitment.rollover_spans}"
            yield Issue((*field, "unused_usd" if so_far.unused_usd else "unused_tokens"), rule)
        for name in (
            ("used_usd", "unused_usd") if commitment.counts_tokens else ("used_tokens", "unused_tokens")
        ):
            if getattr(so_far, name):
                yield Issue((*field, name), "is not in the commitment's own unit", getattr(so_far, name))


def _whole(number: float) -> bool:
    return number > 0.5 and abs(number - round(number)) <= 1e-9 * number


def _each(problem: Problem) -> Iterator[tuple[Path, Commitment]]:
    for index, offer in enumerate(problem.offers):
        if offer.commitment is not None:
            yield ("offers", index, "commitment"), offer.commitment
    for index, agreement in enumerate(problem.commitments):
        yield ("commitments", index), agreement.terms


RULES: tuple[Callable[[Problem], Iterator[Issue]], ...] = (
    amounts_by_span,
    spans_filled,
    terms_in_periods,
    parts_go_together,
    so_far_placed,
)
