"""Traced demand: a problem whose workloads name records becomes one that states counts and sizes.

`read_traces` reads the files, puts `requests_by_period`, sizes and burstiness in place of each trace, and says in notes
what a reader should know. What a record leaves open (gaps, time beyond it) is an error unless `gaps` says what it
means.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from router.errors import InputError, Issue
from router.loading.fingerprint import trace_path
from router.schema import Demand, Horizon, Problem, Trace, Workload
from router.schema.clock import period_start
from router.traces.columns import ColumnNames
from router.traces.notes import TracedWorkload, notes_of
from router.traces.read import read_table
from router.traces.record import DemandRecord, Grid, record_of, slots_per_period
from router.traces.table import HOUR_US, US, Floats, Mask, TraceTable
from router.traces.times import local, shown, start_us

LISTED = 5  # periods named in a message; the rest are counted


def read_traces(problem: Problem, traced: list[int]) -> tuple[Problem, tuple[str, ...]]:
    """The problem with the traces of those workloads read, and notes. Raises InputError with all that is wrong."""
    readings = _read_all(problem, traced)
    horizon = _horizon(problem, readings)
    issues: list[Issue] = []
    workloads = list(problem.workloads)
    records: list[tuple[TracedWorkload, DemandRecord]] = []
    for reading in readings:
        try:
            record = _record(reading, horizon)
            workloads[reading.index] = _stated(reading, record, _counts(reading, record, horizon))
        except InputError as error:
            issues += [problem.positions.place(issue) for issue in error.issues]
        else:
            records.append((reading, record))
    if issues:
        raise InputError(issues)
    notes = notes_of(records, horizon)
    if problem.horizon.start is None and horizon.start is not None:
        why = "the period of the trace's first record (horizon.start is not given)"
        notes = (f"assumed: the horizon starts at {horizon.start}, {why}", *notes)
    return problem.model_copy(update={"workloads": tuple(workloads), "horizon": horizon}), notes


def table_of(trace: Trace, problem: Problem, labels: Iterable[str] = ()) -> TraceTable:
    """The rows of a trace's file, with the columns that choose among them and `labels`. Raises InputError."""
    named = ColumnNames(
        timestamp=trace.timestamp_column,
        prompt_tokens=trace.prompt_tokens_column,
        completion_tokens=trace.completion_tokens_column,
        requests=trace.requests_column,
        requests_with_lengths=trace.requests_with_lengths_column,
        tokens_are=trace.tokens_are,
    )
    zone = trace.timezone or problem.horizon.timezone
    columns = sorted({*chosen(trace), *labels})
    return read_table(trace_path(problem, trace), named, zone, columns, trace.file)


def chosen(trace: Trace) -> dict[str, tuple[str, ...]]:
    """Columns and the values that a row must have in them: the filter, and the model."""
    wanted = dict(trace.filter or {})
    if trace.model_column is not None and trace.model is not None:
        wanted[trace.model_column] = (trace.model,)
    return wanted


def rows_of(table: TraceTable, trace: Trace) -> Mask:
    """(N,) the rows that a trace selects."""
    rows = np.ones(len(table), dtype=bool)
    for name, texts in chosen(trace).items():
        rows &= table.labels[name].among(texts)
    return rows


def _read_all(problem: Problem, traced: list[int]) -> list[TracedWorkload]:
    """Each workload with its table and rows; a file that many workloads share is read once, with all their columns."""
    traces = {w: trace for w in traced if (trace := problem.workloads[w].demand.trace) is not None}
    labels: dict[str, set[str]] = defaultdict(set)
    for trace in traces.values():
        labels[trace.file] |= set(chosen(trace))
    issues, readings = [], []
    for w, trace in traces.items():
        try:
            table = table_of(trace, problem, labels[trace.file])
        except InputError as error:
            issues += [issue for issue in error.issues if issue not in issues]
            continue
        readings.append(TracedWorkload(w, problem.workloads[w], trace, table, rows_of(table, trace)))
        if not readings[-1].rows.any():
            wanted = ", ".join(f"{name} = {' or '.join(texts)}" for name, texts in chosen(trace).items())
            issues += map(problem.positions.place, _wrong(readings[-1], f"no row has {wanted}").issues)
    if issues:
        raise InputError(issues)
    return readings


def _horizon(problem: Problem, readings: list[TracedWorkload]) -> Horizon:
    """With its start; where none is given, that of the earliest record's period."""
    horizon = problem.horizon
    firsts = [float(r.table.at_us[r.rows].min()) for r in readings if not r.table.relative]
    if horizon.start is not None or not firsts:
        return horizon
    start = period_start(local(min(firsts), horizon.timezone), horizon.period_h)
    return horizon.model_copy(update={"start": start})


def _wrong(reading: TracedWorkload, rule: str, hint: str | None = None) -> InputError:
    return InputError(Issue(("workloads", reading.index, "demand", "trace"), rule, reading.trace.file, hint))


def _record(reading: TracedWorkload, horizon: Horizon) -> DemandRecord:
    table, period_h = reading.table, horizon.period_h
    step = table.step_h
    if step is not None and slots_per_period(step, period_h) == 0:
        rule = f"has one row every {step:.6g} h, but a period is {period_h:.6g} h"
        raise _wrong(reading, rule, f"set horizon.period_h to {step:.6g} or more, or use a finer record")
    start = 0.0 if table.relative else start_us(horizon)
    return record_of(table, reading.rows, Grid(start, horizon.periods, period_h))


def _counts(reading: TracedWorkload, record: DemandRecord, horizon: Horizon) -> Floats:
    """(T,) requests in each period, with gaps as the trace says. Raises InputError for what the record leaves open."""
    counts, missing = record.by_slot, ~record.recorded
    slot = np.arange(len(counts))
    beyond = missing & ((slot < record.first) | (slot > record.last))
    gaps = reading.trace.gaps
    outside = record.first >= len(counts) or record.last < 0
    if outside or (record.inside == 0 and gaps != "zero"):
        at_us = reading.table.at_us[reading.rows]
        span = f"{_moment(reading, horizon, at_us.min())} to {_moment(reading, horizon, at_us.max())}"
        rule = f"all {record.rows:,} rows lie outside the horizon; they go from {span}"
        hint = "set horizon.start, or make a forecast with router import trace --forecast"
        raise _wrong(reading, rule, hint)
    if gaps != "zero" and beyond.any():
        rule = f"the record does not reach {_periods(beyond, record, horizon)}"
        hint = "shorten the horizon, forecast with router import trace --forecast, or say gaps: zero"
        raise _wrong(reading, rule, hint)
    if gaps == "error" or (gaps is None and not reading.table.single):
        lacking = missing if gaps == "error" else ~record.covered
        if lacking.any():
            rule = f"the record has no row for {_periods(lacking, record, horizon)}"
            raise _wrong(reading, rule, "say what that means with gaps: zero, or gaps: previous")
    if gaps == "previous" and missing.any():
        known = np.maximum.accumulate(np.where(record.recorded, slot, -1))
        if (known < 0).any() and record.previous is None:
            unknown = _periods(known < 0, record, horizon)
            rule = f"nothing is recorded before {unknown}, so no previous value exists"
            raise _wrong(reading, rule, "say gaps: zero, or start the horizon later")
        counts = np.where(known >= 0, counts[np.maximum(known, 0)], record.previous or 0.0)
    return record.by_period(counts)


def _stated(reading: TracedWorkload, record: DemandRecord, counts: Floats) -> Workload:
    """The workload with counts, sizes and burstiness written out; what it states itself stands."""
    workload = reading.workload
    update: dict[str, object] = {"demand": Demand(requests_by_period=tuple(counts.tolist()))}
    for name, mean in zip(("prompt_tokens", "completion_tokens"), record.size, strict=True):
        if getattr(workload, name) is None:
            if mean is None:
                rule = f"no row says how many {name.replace('_', ' ')} a request has"
                raise _wrong(reading, rule, f"name the column with {name}_column, or state {name}")
            update[name] = mean
    for name in ("arrival_cv", "service_cv"):
        value = getattr(record, name)
        if name not in workload.model_fields_set and value is not None:
            update[name] = value
    return workload.model_copy(update=update)


def _periods(slots: Mask, record: DemandRecord, horizon: Horizon) -> str:
    """`3 of 336 periods: 17 (2026-12-01 17:00:00+00:00), …`."""
    periods = record.periods_of(slots)
    words = [_period(t, horizon) for t in periods[:LISTED]]
    more = f" and {len(periods) - LISTED} more" if len(periods) > LISTED else ""
    return f"{len(periods)} of {horizon.periods} periods: {', '.join(words)}{more}"


def _period(t: int, horizon: Horizon) -> str:
    if horizon.start is None:
        return f"{t} (hour {t * horizon.period_h:.6g})"
    return f"{t} ({shown(start_us(horizon) + t * horizon.period_h * HOUR_US, horizon.timezone)})"


def _moment(reading: TracedWorkload, horizon: Horizon, at_us: float) -> str:
    return f"second {at_us / US:.10g}" if reading.table.relative else shown(at_us, horizon.timezone)
