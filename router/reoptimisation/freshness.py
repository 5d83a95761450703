"""Whether demand is known well enough to act on: what is missing or stale is an error, never a reason to scale down."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from router.errors import InputError, Issue, StaleDemand
from router.loading.catalogue import input_issue, trace_path, traces
from router.schema import Problem, Trace
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


def _ends_early(problem: Problem, at: tuple[str | int, ...], trace: Trace) -> list[Issue]:
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


def starting(problem: Problem, when: str | None) -> Problem:
    """The problem with another start: a local time, or `now`, the period of the clock. Raises InputError."""
    if when is None:
        return problem
    horizon = problem.horizon
    if when == NOW:
        start = period_start(datetime.now(ZoneInfo(horizon.timezone)), horizon.period_h)
    else:
        try:
            start = datetime.fromisoformat(when)
        except ValueError as error:
            hint = "2026-12-01T00:00, or now"
            raise InputError(Issue(("--start",), "is not a date and time", value=when, hint=hint)) from error
    return problem.model_copy(update={"horizon": horizon.model_copy(update={"start": start})})
