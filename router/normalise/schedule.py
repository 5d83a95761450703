"""Rules about time → figures by stretch: what is set, the factor on prices and the opening of every offer.

    J stretches between the edges of all rules; within one nothing changes
    set, series   replace what is stated        prices   multiply what they leave        available   opens and closes

Of several rules that hold, the last counts: by field, factor and opening each for itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from problems.core.arrays import Bools, Floats, distinct
from problems.core.stretches import AT_ONCE
from router.errors import InputError, Path
from router.loading.catalogue import input_issue
from router.normalise.series import SeriesRows, series_rows
from router.schema import EnergyRule, Problem, ScheduleRule, Times
from router.schema.clock import Clock

Span = tuple[float, float]
Field = tuple[str, ...]
"""Where a figure stands in an offer: ("models", model, price), ("instances", name) or ("quota", cap); of one half of
replicas ("instances", "roles", role, name)."""

WEEK_H = 8 * 24.0  # longer than a week, whatever the clocks do


@dataclass(frozen=True, eq=False, repr=False)
class Timetable:
    """What rules say of every offer between two hours."""

    edge_h: Floats  # (J + 1,)
    set_: Mapping[tuple[int, Field], Floats]  # (J,) by offer and field; nan: as stated
    factor: Floats  # (O, J) on prices of use
    dated_set: Mapping[tuple[int, Field], Floats]  # the same without rules that recur and series
    dated_factor: Floats
    open: Bools  # (O, J)
    energy_usd: Floats  # (J,) per kWh

    def figures(
        self, keys: Sequence[tuple[int, Field]], stated: Floats, *, per: float = 1.0, dated: bool = False
    ) -> Floats:
        """(n, J) figures (n,) of offers and fields as rules have them, without the factor on prices.

        `per`: of the file's unit in that of the figures; `dated`: by rules that neither recur nor are series.
        """
        by_stretch = np.repeat(np.asarray(stated, dtype=float)[:, None], len(self.edge_h) - 1, axis=1)
        values = self.dated_set if dated else self.set_
        for row, key in enumerate(keys):
            value = values.get(key)
            if value is not None:
                by_stretch[row] = np.where(np.isnan(value), by_stretch[row], value / per)
        return by_stretch


def timetable(
    problem: Problem, clock: Clock, from_h: float, to_h: float, only: int | None = None
) -> Timetable:
    """The rules of all offers (or of one), and of energy, between two hours from the start of the horizon.

    Raises InputError where a rule has times and the horizon no start, and for what is wrong in a series.
    """
    _need_a_start(problem)
    offers, energy = problem.sellers, problem.policy.energy_schedule
    if only is not None:
        none = {"schedule": ()}
        offers = tuple(
            offer if o == only else offer.model_copy(update=none) for o, offer in enumerate(offers)
        )
    spans = [[_spans(problem, rule, clock, from_h, to_h) for rule in offer.schedule] for offer in offers]
    energy_spans = [_spans(problem, rule, clock, from_h, to_h) for rule in energy]
    rows = {
        (o, r): series_rows(problem, (o, r), _local(problem, rule, clock), to_h)
        for o, offer in enumerate(offers)
        for r, rule in enumerate(offer.schedule)
        if rule.series is not None
    }
    for (o, r), read in rows.items() if only is None else ():
        read.check(problem, spans[o][r], clock)
    ends = [at for all_spans in (*spans, energy_spans) for own in all_spans for span in own for at in span]
    ends += [at for read in rows.values() for at in read.at_h.tolist() if from_h < at < to_h]
    edge_h = _edges(ends, from_h, to_h)
    n = len(edge_h) - 1
    factor, dated_factor = np.ones((len(offers), n)), np.ones((len(offers), n))
    is_open = np.ones((len(offers), n), dtype=bool)
    values: dict[tuple[int, Field], Floats] = {}
    dated: dict[tuple[int, Field], Floats] = {}
    for o, offer in enumerate(offers):
        for r, rule in enumerate(offer.schedule):
            holds = _held(spans[o][r], edge_h)
            if rule.available is not None:
                is_open[o, holds] = rule.available
            for field, value in _settings(rule, list(offer.models), rows.get((o, r)), edge_h):
                _put(values, (o, field), holds & ~np.isnan(value), value)
                if not rule.recurring and rule.series is None:
                    _put(dated, (o, field), holds, value)
            if rule.prices is not None:
                factor[o, holds] = rule.prices
                if not rule.recurring:
                    dated_factor[o, holds] = rule.prices
    return Timetable(
        edge_h, values, factor, dated, dated_factor, is_open, _energy(problem, energy, energy_spans, edge_h)
    )


def life(problem: Problem, rules: Sequence[ScheduleRule], clock: Clock) -> Span:
    """Hours at which an offer first opens and last closes, over all time; infinite where it always was, or stays."""
    rules = [rule for rule in rules if rule.available is not None]
    if all(rule.available for rule in rules):
        return -math.inf, math.inf
    dates = sorted(
        _local(problem, rule, clock).hour(moment)
        for rule in rules
        for moment in (rule.from_, rule.until)
        if moment is not None
    )
    ends = dates or [0.0]
    parts = [(ends[0] - WEEK_H, ends[0]), *pairwise(ends), (ends[-1], ends[-1] + WEEK_H)]
    opens = [_opened(problem, rules, clock, begin, end) for begin, end in parts if end > begin]
    known = [span for span in opens if span is not None]
    if not known:
        return math.inf, -math.inf
    first = -math.inf if opens[0] is not None else known[0][0]
    return first, math.inf if opens[-1] is not None else known[-1][1]


def _opened(
    problem: Problem, rules: Sequence[ScheduleRule], clock: Clock, begin: float, end: float
) -> Span | None:
    """First and last moment at which an offer is open between two dates; what recurs does so within a week."""
    found: list[float] = []
    for from_h, to_h in {(begin, min(end, begin + WEEK_H)), (max(begin, end - WEEK_H), end)}:
        spans = [_spans(problem, rule, clock, from_h, to_h) for rule in rules]
        edge_h = _edges([at for own in spans for span in own for at in span], from_h, to_h)
        is_open = np.ones(len(edge_h) - 1, dtype=bool)
        for rule, own in zip(rules, spans, strict=True):
            is_open[_held(own, edge_h)] = bool(rule.available)
        found += [*edge_h[:-1][is_open], *edge_h[1:][is_open]]
    return (min(found), max(found)) if found else None


def _need_a_start(problem: Problem) -> None:
    """Rules with times need to know when the horizon starts."""
    if problem.horizon.start is not None:
        return
    paths: list[Path] = [
        (*problem.seller_path(o), "schedule", r)
        for o, offer in enumerate(problem.sellers)
        for r, rule in enumerate(offer.schedule)
        if rule.dated or rule.series is not None
    ]
    paths += [
        ("policy", "energy_schedule", r)
        for r, rule in enumerate(problem.policy.energy_schedule)
        if rule.dated
    ]
    rule = "has times, and horizon.start is not given"
    issues = [input_issue(problem, at, None, rule, 'horizon: {start: "2027-01-01"}') for at in paths]
    if issues:
        raise InputError(issues)


def _local(problem: Problem, rule: Times, clock: Clock) -> Clock:
    """The clock in the zone of a rule."""
    return Clock(clock.first, ZoneInfo(rule.timezone or problem.horizon.timezone))


def rules_in_force(problem: Problem, offer: int) -> list[list[Span]]:
    """Hours of the horizon in which each rule of an offer decides something: where no later rule says the same."""
    clock, rules, to_h = problem.horizon.clock, problem.offers[offer].schedule, problem.horizon.hours
    spans = [_spans(problem, rule, clock, 0.0, to_h) for rule in rules]
    edge_h = _edges([at for own in spans for span in own for at in span], 0.0, to_h)
    decides = [np.zeros(len(edge_h) - 1, dtype=bool) for _ in rules]
    said: dict[Field, Bools] = {}
    for r, rule in reversed(list(enumerate(rules))):
        holds = _held(spans[r], edge_h)
        for subject in _subjects(rule):
            later = said.get(subject, np.zeros_like(holds))
            decides[r] |= holds & ~later
            said[subject] = later | holds
    return [[*_joined(edge_h, where)] for where in decides]


def _subjects(rule: ScheduleRule) -> Iterator[Field]:
    """What a rule says something about."""
    if rule.prices is not None:
        yield ("prices",)
    if rule.available is not None:
        yield ("available",)
    if rule.series is not None:
        yield ("series",)
    yield from (field for field, _ in rule.set_.figures) if rule.set_ is not None else ()


def _joined(edge_h: Floats, where: Bools) -> Iterator[Span]:
    """Runs of stretches."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]])))
    for first, end in zip(change[::2].tolist(), change[1::2].tolist(), strict=True):
        yield float(edge_h[first]), float(edge_h[end])


def _spans(problem: Problem, rule: Times, clock: Clock, from_h: float, to_h: float) -> list[Span]:
    """Hours in which a rule holds."""
    local = _local(problem, rule, clock)
    begin = from_h if rule.from_ is None else max(from_h, local.hour(rule.from_))
    end = to_h if rule.until is None else min(to_h, local.hour(rule.until))
    if end - begin <= AT_ONCE:
        return []
    if not rule.recurring:
        return [(begin, end)]
    opens, length = (rule.daily.start_hour, rule.daily.length_h) if rule.daily is not None else (0.0, 24.0)
    first = (local.day(begin) - local.day(0.0)).days - 1
    last = (local.day(end) - local.day(0.0)).days
    spans = []
    for day in range(first, last + 1):
        name = _weekday(local, day)
        if rule.days and name not in rule.days:
            continue
        low, high = max(local.hour_of(day, opens), begin), min(local.hour_of(day, opens + length), end)
        if high - low > AT_ONCE:
            spans.append((low, high))
    return spans


def _weekday(clock: Clock, day: int) -> str:
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return names[(clock.day(0.0).weekday() + day) % 7]


def _edges(ends: Iterable[float], from_h: float, to_h: float) -> Floats:
    """All ends in order, each once."""
    known = distinct(np.clip(np.array([from_h, *ends, to_h]), from_h, to_h))
    apart: Floats = known[np.concatenate([[True], np.diff(known) > AT_ONCE])]
    return apart


def _held(spans: Iterable[Span], edge_h: Floats) -> Bools:
    """(J,) stretches inside some span."""
    held = np.zeros(len(edge_h) - 1, dtype=bool)
    for begin, end in spans:
        first, last = np.searchsorted(edge_h, [begin - AT_ONCE, end - AT_ONCE])
        held[first:last] = True
    return held


def _put(
    values: dict[tuple[int, Field], Floats], key: tuple[int, Field], where: Bools, value: Floats
) -> None:
    known = values.setdefault(key, np.full(len(value), np.nan))
    known[where] = value[where]


def _settings(
    rule: ScheduleRule, models: list[str], rows: SeriesRows | None, edge_h: Floats
) -> Iterator[tuple[Field, Floats]]:
    """(J,) what a rule sets, by field; nan: nothing."""
    n = len(edge_h) - 1
    for field, value in rule.set_.figures if rule.set_ is not None else ():
        yield field, np.full(n, value)
    if rule.series is None or rows is None:
        return
    at = np.searchsorted(rows.at_h, edge_h[:-1] + AT_ONCE, side="right") - 1
    for name, column in rows.values.items():
        known = np.where(at >= 0, column[np.maximum(at, 0)], np.nan) if len(column) else np.full(n, np.nan)
        if name == "usd_per_h" and rule.series.role is not None:
            yield ("instances", "roles", rule.series.role, name), known
        elif name in ("usd_per_h", "availability"):
            yield ("instances", name), known
        else:
            for model in models if rule.series.model is None else [rule.series.model]:
                yield ("models", model, name), known


def _energy(
    problem: Problem, rules: Sequence[EnergyRule], spans: Sequence[list[Span]], edge_h: Floats
) -> Floats:
    """(J,) USD per kWh."""
    usd, factor = np.full(len(edge_h) - 1, problem.policy.energy_usd_per_kwh), np.ones(len(edge_h) - 1)
    for rule, own in zip(rules, spans, strict=True):
        holds = _held(own, edge_h)
        if rule.usd_per_kwh is not None:
            usd[holds] = rule.usd_per_kwh
        if rule.prices is not None:
            factor[holds] = rule.prices
    return usd * factor
