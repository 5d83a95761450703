"""The demand of the past as counts by workload and period: what is replayed, and what a forecast may be made from.

The record is cut in two: `warm_up` periods that are history only, then the periods replayed, numbered from 0. Request
sizes are those of the whole record, in planning and in what happens alike: the backtest is about how much comes.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from problems.core.arrays import Floats
from router.errors import InputError, Issue
from router.loading.catalogue import input_issue
from router.normalise.demand import is_sized, time_of, work_units
from router.normalise.network import by_origin, origin_of
from router.normalise.recipes import part_name
from router.schema import (
    Demand,
    Generated,
    Horizon,
    MinuteRecords,
    MinutesOf,
    Problem,
    Reoptimise,
    Routing,
    Trace,
)
from router.schema.clock import Clock, period_start
from router.traces import recorded
from router.traces.demand import table_of
from router.traces.record import EARLY
from router.traces.table import HOUR_US, US
from router.traces.times import local

_WHOLE = {"shares": Routing().shares, "max_share_per_provider": 1.0}
"""Limits on a workload's origins together, at their defaults."""


@dataclass(frozen=True)
class DemandHistory:
    """Requests of every period, `warm_up` of them before the replay begins."""

    problem: Problem  # with counts and sizes in place of traces; its horizon is that of the whole record
    requests: Floats  # (W, warm-up + replayed)
    warm_up: int
    notes: tuple[str, ...]
    records: MinuteRecords | None = None  # the workloads of `problem` with their traces, where they have any

    @property
    def periods(self) -> int:
        """Periods replayed."""
        return int(self.requests.shape[1]) - self.warm_up

    @property
    def period_h(self) -> float:
        return self.problem.horizon.period_h

    @property
    def actual(self) -> Floats:
        """(W, N) requests of the periods replayed."""
        return self.requests[:, self.warm_up :]

    def seen(self, now: int) -> Floats:
        """(W, …) what is known at the start of a period replayed: everything before it, and nothing else."""
        return self.requests[:, : self.warm_up + now]

    def moment(self, period: int) -> datetime:
        """Start of a period replayed, in local time."""
        return self.problem.horizon.clock.local((self.warm_up + period) * self.period_h)

    def part(
        self,
        first: int,
        requests: Floats,
        reoptimise: Reoptimise | None = None,
        *,
        happened: bool = False,
    ) -> Problem:
        """The problem of some periods replayed, from `first` on, with (W, n) requests.

        What `happened` comes in the minutes that are recorded; what is expected in minutes that are drawn.
        """
        start = self.moment(first).astimezone(UTC)  # also where the record has no date: parts then line up
        horizon = self.problem.horizon.model_copy(update={"periods": requests.shape[1], "start": start})
        loads = tuple(
            load.model_copy(update={"demand": Demand(requests_by_period=tuple(map(float, row)))})
            for load, row in zip(self.problem.workloads, requests, strict=True)
        )
        part = self.problem.model_copy(
            update={"horizon": horizon, "workloads": loads, "reoptimise": reoptimise}
        )
        if not happened or self.records is None:
            return part
        return part.in_minutes_of(MinutesOf(self.records, self.warm_up + first))


def record_of(problem: Problem, warm_up: int) -> DemandHistory:
    """Read the demand of a problem over its horizon. Raises InputError for what is not replayed."""
    _refuse(problem, warm_up)
    read = recorded(problem)
    apart = by_origin_alone(read.problem)
    time = time_of(apart)
    requests = np.array([work_units(load, time) for load in apart.workloads])
    if not 0 <= warm_up < requests.shape[1]:
        rule = f"leaves nothing to replay of {requests.shape[1]} periods"
        raise InputError(Issue(("--warm-up",), rule, value=warm_up))
    return DemandHistory(apart, requests, warm_up, read.notes, _records(problem, apart, read.problem.horizon))


def _records(problem: Problem, apart: Problem, horizon: Horizon) -> MinuteRecords | None:
    """The workloads of each origin with the traces of theirs, over the horizon of these."""
    traces = [load.demand.trace for load in problem.workloads for _ in load.origin or (None,)]
    if not any(traces):
        return None
    loads = tuple(
        load if trace is None else load.model_copy(update={"demand": Demand(trace=trace)})
        for load, trace in zip(apart.workloads, traces, strict=True)
    )
    records = apart.model_copy(update={"workloads": loads, "horizon": horizon})
    return MinuteRecords(records.at_positions(problem.positions))


def by_origin_alone(problem: Problem) -> Problem:
    """Each origin as a workload of its own, `chat from eu`: what comes from there may be lost there alone."""
    if not any(load.origin for load in problem.workloads):
        return problem
    loads = by_origin(problem)[0].workloads
    names: dict[str, tuple[str, ...]] = {}
    for load in loads:
        names[load.name] = (*names.get(load.name, ()), part_name(load.name, origin_of(load), None, None))
    named = tuple(
        load.model_copy(
            update={
                "name": part_name(load.name, origin_of(load), None, None),
                "origin": dict.fromkeys(load.origin or (), 1.0) or None,
            }
        )
        for load in loads
    )
    quotas = tuple(
        quota.model_copy(
            update={"workloads": tuple(part for name in quota.workloads for part in names[name])}
        )
        for quota in problem.quotas
    )
    change = problem.reoptimise
    if change is not None:
        pins = tuple(
            pin.model_copy(update={"workload": part})
            for pin in change.pins
            for part in (names[pin.workload] if pin.workload is not None else (None,))
        )
        change = change.model_copy(update={"pins": pins})
    return problem.model_copy(update={"workloads": named, "quotas": quotas, "reoptimise": change})


def with_trace(problem: Problem, path: str) -> Problem:
    """The problem with another record in place of its own, over the whole periods that the record covers.

    Raises InputError where it is not clear whose demand it holds.
    """
    traced = [load.demand.trace is not None for load in problem.workloads]
    if not any(traced) and len(traced) > 1:
        rule = "no workload has a trace, so it is not clear whose demand the file holds"
        raise InputError(Issue(("--trace",), rule, path, "give one of them demand: {trace: {file: …}}"))
    loads = []
    for load, has_trace in zip(problem.workloads, traced, strict=True):
        if has_trace or not any(traced):
            trace = load.demand.trace or Trace(file=path)
            named = trace.model_copy(update={"file": os.path.abspath(path)})
            load = load.model_copy(update={"demand": Demand(trace=named)})
        loads.append(load)
    replaced = problem.model_copy(update={"workloads": tuple(loads)}).at_positions(problem.positions)
    return replaced.model_copy(update={"horizon": _covered(replaced)}).at_positions(problem.positions)


def _covered(problem: Problem) -> Horizon:
    """The horizon from the first to the last whole period that all traces cover."""
    horizon = problem.horizon
    first, last, relative = -math.inf, math.inf, True
    for load in problem.workloads:
        trace = load.demand.trace
        if trace is not None:
            table = table_of(trace, problem)
            first = max(first, float(table.at_us.min()))
            last = min(
                last, float(table.at_us.max()) + (0.0 if table.single else (table.step_h or 0.0) * HOUR_US)
            )
            relative = relative and table.relative
    period_us = horizon.period_h * HOUR_US
    start = None
    if not relative:
        start = period_start(local(first, horizon.timezone), horizon.period_h)
        if first - start.timestamp() * US > EARLY * period_us:  # the period of the first record is not whole
            start = Clock.of(start, horizon.timezone).local(horizon.period_h)
        first = start.timestamp() * US
    periods = math.floor((last - first) / period_us + EARLY)
    if periods < 1:
        raise InputError(Issue(("--trace",), f"covers no whole period of {horizon.period_h:.6g} h"))
    return horizon.model_copy(update={"periods": periods, "start": start})


def _refuse(problem: Problem, warm_up: int) -> None:
    issues: list[Issue] = []
    for offer in problem.sellers if warm_up else ():
        if offer.commitment is not None and offer.commitment.so_far is not None:
            rule = f'so_far of "{offer.name}" is of the start of the horizon, and the replay begins later'
            hint = "leave it out, or begin with it: --warm-up 0, with --forecast perfect"
            issues.append(Issue(("--warm-up",), rule, value=warm_up, hint=hint))
    for o, each in enumerate(problem.offers) if warm_up else ():
        if each.free is not None and each.free.so_far is not None:
            rule = "is of the start of the horizon, and the replay begins later"
            hint = "leave it out, or begin with it: --warm-up 0, with --forecast perfect"
            issues.append(input_issue(problem, ("offers", o, "free", "so_far"), None, rule, hint))
    for w, load in enumerate(problem.workloads):
        for field in ("window", "deferrable_h"):
            if getattr(load, field) is not None:
                rule = "work that may be put off is not replayed: a backtest settles each period as it ends"
                issues.append(input_issue(problem, ("workloads", w, field), None, rule))
        if load.origin and (
            load.routing != load.routing.model_copy(update=_WHOLE) or load.needs.min_mean_quality
        ):
            rule = "does not go with shares or a mean quality of the whole workload here: each origin is replayed apart"
            issues.append(input_issue(problem, ("workloads", w, "origin"), None, rule))
        if load.demand.trace is None and not is_sized(load):
            rule = "demand in tokens of no stated request size is not replayed"
            hint = "state prompt_tokens and completion_tokens"
            issues.append(input_issue(problem, ("workloads", w, "demand"), None, rule, hint))
    if isinstance(problem.scenarios, Generated) or problem.scenarios:
        rule = "a backtest replays the one future that came"
        issues.append(input_issue(problem, ("scenarios",), None, rule, "leave scenarios out"))
    if issues:
        raise InputError(issues)
