"""When a plan begins. Its own start takes the place of the file's: period 0 of its rows is the period that began then.

A demand that is a list of periods belongs to the file's start. Moved to another it is repeated by the day, where that
was asked for: each period takes the amount of the same clock time, of the list's last day once the list has ended, of
its first day before it began.
"""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from typing import TypedDict
from zoneinfo import ZoneInfo

from router.plan.document import Plan
from router.schema import Horizon, Problem
from router.schema.clock import Clock, aware

DAY_H = 24.0
SLACK_H = 1e-6
DAY = timedelta(days=1)


class Start(TypedDict):
    """What a plan states of when it begins."""

    start: str | None
    repeat_daily: bool | None


def start_of(problem: Problem) -> Start:
    """For the plan of a problem."""
    start = problem.horizon.start
    return {
        "start": None if start is None else stated_time(start),
        "repeat_daily": problem.repeats_daily or None,
    }


def stated_time(start: datetime) -> str:
    """ISO 8601; the present hour of a zone as local time, with its offset only where the clock shows it twice."""
    local, zone = start.replace(tzinfo=None, fold=0), start.tzinfo
    if isinstance(zone, ZoneInfo) and aware(local, zone).utcoffset() == start.utcoffset():
        return local.isoformat()
    return start.isoformat()


def as_planned(problem: Problem, plan: Plan) -> Problem:
    """The problem of a file as the plan was made from it: at the plan's start, whatever the file's is."""
    if plan.start is None:
        return problem
    return started(problem, datetime.fromisoformat(plan.start), repeat_daily=plan.repeat_daily is True)


def started(problem: Problem, start: datetime, *, repeat_daily: bool = False) -> Problem:
    """The problem at another start, local where it has no offset; `repeat_daily`: lists of demand go by the clock."""
    horizon = problem.horizon
    moved = problem.model_copy(update={"horizon": horizon.model_copy(update={"start": start})})
    if not repeat_daily:
        return moved
    source = _sources(horizon, start)
    workloads = []
    for load in problem.workloads:
        amounts = load.demand.requests_by_period
        if amounts is not None:
            by_period = tuple(amounts[t] for t in source)
            demand = load.demand.model_copy(update={"requests_by_period": by_period})
            load = load.model_copy(update={"demand": demand})
        workloads.append(load)
    return moved.model_copy(update={"workloads": tuple(workloads)}).repeating_daily()


def list_shift_h(horizon: Horizon, start: datetime) -> float:
    """Hours from the start that lists of demand belong to, to another; a day's 00:00 where the file states none."""
    return _list_clock(horizon, start).hour(start)


def _list_clock(horizon: Horizon, start: datetime) -> Clock:
    first = horizon.start
    if first is None:
        first = datetime.combine(Clock.of(start, horizon.timezone).day(0.0), time.min)
    return Clock.of(first, horizon.timezone)


def _sources(horizon: Horizon, start: datetime) -> list[int]:
    """The list's period that each period from another start on takes its amount from."""
    listed, clock = _list_clock(horizon, start), Clock.of(start, horizon.timezone)
    source = []
    for t in range(horizon.periods):
        wall = clock.local(t * horizon.period_h).replace(tzinfo=None)
        for _ in range(2):  # once more where a day between is an hour longer or shorter
            hour = listed.hour(wall)
            if hour >= horizon.hours - SLACK_H:
                wall -= (math.floor((hour - horizon.hours + SLACK_H) / DAY_H) + 1) * DAY
            elif hour < -SLACK_H:
                wall += math.ceil((-hour - SLACK_H) / DAY_H) * DAY
        period = math.floor((listed.hour(wall) + SLACK_H) / horizon.period_h)
        source.append(min(max(period, 0), horizon.periods - 1))
    return source
