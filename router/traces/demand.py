"""Traced demand: a problem whose workloads name records becomes one that states counts and sizes.

`read_traces` reads the files, puts `requests_by_period`, sizes and burstiness in place of each trace, and says in notes
what a reader should know. What a record does not tell (gaps, time beyond it) is an error unless `gaps` says what it
means.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from router.errors import InputError, Issue
from router.loading.fingerprint import trace_path
from router.schema import Demand, Horizon, Problem, Trace, Workload
from router.schema.clock import period_start
from router.schema.source import SourceMap
from router.traces.columns import Named
from router.traces.notes import Reading, notes_of
from router.traces.read import read_table
from router.traces.record import Grid, Record, record, slots_per_period
from router.traces.table import HOUR_US, US, Mask, Table
from router.traces.times import local, shown, start_us

LISTED = 5  # periods named in a message; the rest are counted


def read_traces(problem: Problem, traced: list[int]) -> tuple[Problem, tuple[str, ...]]:
    """The problem with the traces of those workloads read, and notes. Raises InputError with all that is wrong."""
    readings = _read_all(problem, traced)
    horizon = _horizon(problem, readings)
    issues: list[Issue] = []
    loads = list(problem.workloads)
    made: list[tuple[Reading, Record]] = []
    for reading in readings:
        grid = Grid(0.0 if reading.table.relative else start_us(horizon), horizon.periods, horizon.period_h)
        said = _step_issue(reading, horizon.period_h)
        if said is None:
            found = record(reading.table, reading.mine, grid)
            counts, said = _counts(reading, found, grid, horizon)
            if said is None:
                made.append((reading, found))
                loads[reading.index], said = _stated(reading, found, counts)
        if said is not None:
            issues.append(problem.positions.place(said))
    if issues:
        raise InputError(issues)
    resolved = problem.model_copy(update={"workloads": tuple(loads), "horizon": horizon})
    if problem.horizon.start is None and horizon.start is not None:
        return resolved, (_start_note(horizon), *notes_of(made, horizon))
    return resolved, notes_of(made, horizon)


def named_of(trace: Trace) -> Named:
    """The columns that a trace names."""
    return Named(
        timestamp=trace.timestamp_column,
        prompt_tokens=trace.prompt_tokens_column,
        completion_tokens=trace.completion_tokens_column,
        requests=trace.requests_column,
        requests_with_lengths=trace.requests_with_lengths_column,
        tokens_are=trace.tokens_are,
    )


def chosen(trace: Trace) -> dict[str, tuple[str, ...]]:
    """Columns and the values that a row must have in them: the filter, and the model."""
    wanted = dict(trace.filter or {})
    if trace.model_column is not None and trace.model is not None:
        wanted[trace.model_column] = (trace.model,)
    return wanted


def _read_all(problem: Problem, traced: list[int]) -> list[Reading]:
    """Each workload with its table and rows; a file that many workloads share is read once."""
    groups: dict[tuple[object, ...], set[str]] = defaultdict(set)
    keys = {}
    for w in traced:
        trace = _trace(problem.workloads[w])
        zone = trace.timezone or problem.horizon.timezone
        keys[w] = (trace_path(problem, trace), named_of(trace), zone)
        groups[keys[w]] |= set(chosen(trace))
    issues, readings = [], []
    for w in traced:
        trace, (path, named, zone) = _trace(problem.workloads[w]), keys[w]
        try:
            table = read_table(path, named, zone, sorted(groups[keys[w]]), trace.file)
            mine = rows_of(table, trace)
        except InputError as error:
            issues += [issue for issue in error.issues if issue not in issues]
            continue
        reading = Reading(w, problem.workloads[w], trace, table, mine)
        if mine.any():
            readings.append(reading)
        else:
            wanted = ", ".join(f"{name} = {' or '.join(texts)}" for name, texts in chosen(trace).items())
            issues.append(_issue(reading, f"no row has {wanted}", problem.positions))
    if issues:
        raise InputError(issues)
    return readings


def rows_of(table: Table, trace: Trace) -> Mask:
    """The rows that a trace selects."""
    mine = np.ones(len(table), dtype=bool)
    for name, texts in chosen(trace).items():
        mine &= table.labels[name].among(texts)
    return mine


def _horizon(problem: Problem, readings: list[Reading]) -> Horizon:
    """With its start; where none is given, that of the earliest record's period."""
    horizon = problem.horizon
    firsts = [float(r.table.at_us[r.mine].min()) for r in readings if not r.table.relative]
    if horizon.start is not None or not firsts:
        return horizon
    start = period_start(local(min(firsts), horizon.timezone), horizon.period_h)
    return horizon.model_copy(update={"start": start})


def _start_note(horizon: Horizon) -> str:
    return (
        f"assumed: the horizon starts at {horizon.start}, the period of the trace's first record "
        "(horizon.start is not given)"
    )


def _trace(workload: Workload) -> Trace:
    trace = workload.demand.trace
    if trace is None:
        raise ValueError(f"{workload.name} has no trace")
    return trace


def _issue(reading: Reading, rule: str, positions: SourceMap | None = None, hint: str | None = None) -> Issue:
    issue = Issue(("workloads", reading.index, "demand", "trace"), rule, reading.trace.file, hint)
    return issue if positions is None else positions.place(issue)


def _step_issue(reading: Reading, period_h: float) -> Issue | None:
    step = reading.table.step_h
    if step is None or slots_per_period(step, period_h) != 0:
        return None
    rule = f"has one row every {step:.6g} h, but a period is {period_h:.6g} h"
    return _issue(reading, rule, hint=f"set horizon.period_h to {step:.6g} or more, or use a finer record")


def _counts(reading: Reading, found: Record, grid: Grid, horizon: Horizon) -> tuple[np.ndarray, Issue | None]:
    """(T,) requests in each period with gaps as the trace says, or what is wrong."""
    counts, missing, gap = found.by_slot.copy(), ~found.recorded, ~found.covered
    slot = np.arange(len(counts))
    beyond = (slot < found.first) | (slot > found.last)
    said: Issue | None = None
    gaps = reading.trace.gaps
    outside = found.first >= len(counts) or found.last < 0
    if outside or (found.inside == 0 and gaps != "zero"):
        at_us = reading.table.at_us[reading.mine]
        span = f"{_moment(reading, horizon, at_us.min())} to {_moment(reading, horizon, at_us.max())}"
        rule = f"all {found.rows:,} rows lie outside the horizon; they go from {span}"
        hint = "set horizon.start, or make a forecast with router import trace --forecast"
        said = _issue(reading, rule, hint=hint)
    elif gaps != "zero" and (missing & beyond).any():
        rule = f"the record does not reach {_named(missing & beyond, found, horizon)}"
        hint = "shorten the horizon, forecast with router import trace --forecast, or say gaps: zero"
        said = _issue(reading, rule, hint=hint)
    elif gaps == "error" or (gaps is None and not reading.table.single):
        lacking = missing if gaps == "error" else gap
        if lacking.any():
            rule = f"the record has no row for {_named(lacking, found, horizon)}"
            said = _issue(reading, rule, hint="say what that means with gaps: zero, or gaps: previous")
    elif gaps == "previous" and missing.any():
        known = np.maximum.accumulate(np.where(found.recorded, slot, -1))
        if (known < 0).any() and found.previous is None:
            rule = f"nothing is recorded before {_named(known < 0, found, horizon)}, so there is no previous value"
            said = _issue(reading, rule, hint="say gaps: zero, or start the horizon later")
        else:
            counts = np.where(known >= 0, counts[np.maximum(known, 0)], found.previous or 0.0)
    return counts.reshape(-1, found.per_period).sum(axis=1), said


def _stated(reading: Reading, found: Record, counts: np.ndarray) -> tuple[Workload, Issue | None]:
    """The workload with counts, sizes and burstiness written out; what it states itself stands."""
    load = reading.workload
    update: dict[str, object] = {"demand": Demand(requests_by_period=tuple(float(count) for count in counts))}
    for name, mean in zip(("prompt_tokens", "completion_tokens"), found.size, strict=True):
        if getattr(load, name) is None:
            if mean is None:
                rule = f"no row says how many {name.replace('_', ' ')} a request has"
                return load, _issue(
                    reading, rule, hint=f"name the column with {name}_column, or state {name}"
                )
            update[name] = mean
    for name in ("arrival_cv", "service_cv"):
        value = getattr(found, name)
        if name not in load.model_fields_set and value is not None:
            update[name] = value
    return load.model_copy(update=update), None


def _named(which: Mask, found: Record, horizon: Horizon) -> str:
    """`3 of 336 periods: 17 (2026-12-01 17:00:00+00:00), …`."""
    periods = np.unique(np.flatnonzero(which) // found.per_period)
    words = [_period(int(t), horizon) for t in periods[:LISTED]]
    more = f" and {len(periods) - LISTED} more" if len(periods) > LISTED else ""
    return f"{len(periods)} of {horizon.periods} periods: {', '.join(words)}{more}"


def _period(t: int, horizon: Horizon) -> str:
    if horizon.start is None:
        return f"{t} (hour {t * horizon.period_h:.6g})"
    return f"{t} ({shown(start_us(horizon) + t * horizon.period_h * HOUR_US, horizon.timezone)})"


def _moment(reading: Reading, horizon: Horizon, at_us: float) -> str:
    return f"second {at_us / US:.10g}" if reading.table.relative else shown(at_us, horizon.timezone)
