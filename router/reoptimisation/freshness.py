"""Whether demand is known well enough to act on: what is missing or stale is an error, never a reason to scale down."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from router.errors import InputError, Issue, Path, StaleDemand
from router.loading.catalogue import input_issue, trace_path, traces
from router.plan.start import DAY_H, SLACK_H, list_shift_h, started, stated_time
from router.schema import Horizon, Problem, Trace
from router.schema.clock import period_start
from router.traces import recorded
from router.traces.demand import table_of
from router.traces.table import US
from router.traces.times import shown, start_us

NOW = "now"


def check_fresh(problem: Problem, max_age_s: float | None = None) -> None:
    """Raise StaleDemand where a record ends before the horizon does, or its file is older than `max_age_s`.

    `gaps: zero` says that silence inside a record is no demand; silence after its end says nothing.
    """
    issues = []
    for at, trace in traces(problem):
        path = trace_path(problem, trace)
        try:
            age = time.time() - path.stat().st_mtime
        except OSError as error:
            raise StaleDemand(
                input_issue(problem, (*at, "file"), trace.file, f"cannot be read: {error.strerror}")
            ) from error
        if max_age_s is not None and age > max_age_s:
            rule = f"is {timedelta(seconds=round(age))} old; --max-age allows {timedelta(seconds=round(max_age_s))}"
            issues.append(input_issue(problem, (*at, "file"), trace.file, rule, "record demand again"))
        elif trace.gaps == "zero" and at[0] == "workloads":
            issues += _ends_early(problem, at, trace)
    if issues:
        raise StaleDemand(issues)


def _ends_early(problem: Problem, at: Path, trace: Trace) -> list[Issue]:
    """The record's last row must lie in the last period or after it."""
    table = table_of(trace, problem)
    horizon = recorded(problem).problem.horizon
    first_us = 0.0 if table.relative else start_us(horizon)
    last_us = first_us + (horizon.hours - horizon.period_h) * 3600 * US
    ends_us = float(table.at_us.max())
    if ends_us >= last_us - 1:
        return []
    words = f"second {ends_us / US:.10g}" if table.relative else shown(ends_us, horizon.timezone)
    rule = f"ends at {words}, before the last period of the horizon begins: what follows is unknown, not zero"
    hint = "shorten the horizon, or forecast with router import trace --forecast"
    return [input_issue(problem, at, trace.file, rule, hint)]


def starting(problem: Problem, when: str | None, *, repeat_daily: bool = False) -> Problem:
    """The problem with another start: a local time, or `now`, the period of the clock.

    Demand that does not follow the clock is refused, but for lists of it with `repeat_daily`. Raises InputError.
    """
    horizon = problem.horizon
    start = horizon.start if when is None else _moment(when, horizon)
    if start is None:
        return problem
    shift_h, lists = list_shift_h(horizon, start), _lists(problem)
    issues = [] if abs(shift_h) <= SLACK_H else _counting_seconds(problem, start)
    if repeat_daily:
        issues += _no_days(problem, lists, start, shift_h)
    elif abs(shift_h) > SLACK_H:
        hint = "use a trace with dates, or --repeat-daily where every day is like the list's"
        issues += [input_issue(problem, at, None, _begins(horizon, start), hint) for at in lists]
    if issues:
        raise InputError(issues)
    return started(problem, start, repeat_daily=repeat_daily and bool(lists))


def _moment(when: str, horizon: Horizon) -> datetime:
    if when == NOW:
        return period_start(datetime.now(ZoneInfo(horizon.timezone)), horizon.period_h)
    try:
        return datetime.fromisoformat(when)
    except ValueError as error:
        hint = "2026-12-01T00:00, or now"
        raise InputError(Issue(("--start",), "is not a date and time", value=when, hint=hint)) from error


def _lists(problem: Problem) -> list[Path]:
    """Where demand is a list of periods."""
    return [
        ("workloads", w, "demand", "requests_by_period")
        for w, load in enumerate(problem.workloads)
        if load.demand.requests_by_period is not None
    ]


def _begins(horizon: Horizon, start: datetime) -> str:
    begins = "00:00 of a day" if horizon.start is None else f"the file's start, {stated_time(horizon.start)}"
    return f"begins at {begins}, and --start is {stated_time(start)}"


def _counting_seconds(problem: Problem, start: datetime) -> list[Issue]:
    """Records without dates begin at the file's start, not at another."""
    rule, hint = (
        f"counts seconds: it {_begins(problem.horizon, start)}",
        "give its rows dates in place of seconds",
    )
    return [
        input_issue(problem, (*at, "file"), trace.file, rule, hint)
        for at, trace in traces(problem)
        if table_of(trace, problem).relative
    ]


def _no_days(problem: Problem, lists: list[Path], start: datetime, shift_h: float) -> list[Issue]:
    """Lists that make no days: too short, or of periods that do not fall on the same times each day."""
    horizon = problem.horizon
    if lists and horizon.hours < DAY_H - SLACK_H:
        rule = f"has {horizon.hours:g} h, and --repeat-daily needs a list of a day or more"
        return [input_issue(problem, lists[0], None, rule)]
    counts = (DAY_H / horizon.period_h, shift_h / horizon.period_h)
    if lists and any(abs(count - round(count)) > SLACK_H for count in counts):
        rule = f"--repeat-daily needs whole periods in a day, and --start ({stated_time(start)}) where one begins"
        return [input_issue(problem, ("horizon", "period_h"), horizon.period_h, rule)]
    return []
