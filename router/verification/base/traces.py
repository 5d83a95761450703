"""Traced demand, read again row by row: what the recorded requests, sizes and burstiness of a workload are.

    period     floor((timestamp − start) / period_h); without a start, the horizon starts with the last whole period
               since local midnight that begins not after the first record
    size       Σ tokens / Σ requests that the tokens cover, inside the horizon
    gaps       a slot without a row is an error, no demand, or what the slot before has, as the trace says; where it
               says nothing, a slot without any row in the file is an error in a record of periods

Everything that a plan is judged against is stated in the problem that `with_records` returns.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from router.errors import InputError
from router.loading.fingerprint import trace_path
from router.schema import Demand, Problem, Trace, Workload
from router.verification.base.ledger import Ledger
from router.verification.base.records import EPOCH, HOUR_US, File, TraceRow, Unreadable, read_file


def with_records(problem: Problem, ledger: Ledger) -> Problem:
    """The problem with counts in place of traces. A record that cannot be used is a fault, and counts as no demand."""
    files: dict[tuple[object, ...], File] = {}
    chosen: dict[int, tuple[File, list[TraceRow]]] = {}
    wanted = wanted_columns(problem)
    for w, workload in enumerate(problem.workloads):
        trace = workload.demand.trace
        if trace is None:
            continue
        zone = trace.timezone or problem.horizon.timezone
        key = (trace_path(problem, trace), trace.model_copy(update=_NOT_COLUMNS).model_dump_json(), zone)
        try:
            if key not in files:
                files[key] = read_file(trace_path(problem, trace), trace, ZoneInfo(zone), wanted[key[0]])
            chosen[w] = (files[key], chosen_rows(files[key], trace, wanted[key[0]]))
        except (Unreadable, OSError, EOFError, UnicodeError, csv.Error, ValueError, OverflowError) as error:
            ledger.fault(f"demand.trace of {workload.name}: {error}")
    if not chosen:
        return problem
    problem = _started(problem, [row for file, rows in chosen.values() if not file.relative for row in rows])
    loads = list(problem.workloads)
    for w, (file, rows) in chosen.items():
        try:
            loads[w] = _stated(problem, loads[w], file, rows)
            ledger.looked_at += 1
        except (Unreadable, InputError) as error:
            ledger.fault(f"demand.trace of {loads[w].name}: {error}")
    return problem.model_copy(update={"workloads": tuple(loads)})


_NOT_COLUMNS = {"filter": None, "model": None, "model_column": None, "gaps": None, "file": "-"}


def wanted_columns(problem: Problem) -> dict[Path, list[str]]:
    """Columns of each file by which rows are chosen."""
    names: dict[Path, set[str]] = defaultdict(set)
    for workload in problem.workloads:
        trace = workload.demand.trace
        if trace is not None:
            names[trace_path(problem, trace)] |= {*(trace.filter or {}), trace.model_column or ""} - {""}
    return {path: sorted(columns) for path, columns in names.items()}


def chosen_rows(file: File, trace: Trace, wanted: list[str]) -> list[TraceRow]:
    """Those that the filter and the model let through."""
    rows = file.rows
    for name, values in (trace.filter or {}).items():
        at = wanted.index(name)
        if rows is file.rows and len(values) == 1:
            rows = file.of_text(at, values[0])
        else:
            rows = [row for row in rows if row.fields[at] in values]
    if trace.model_column is not None:
        at = wanted.index(trace.model_column)
        rows = [row for row in rows if row.fields[at] == trace.model]
    return rows


def _started(problem: Problem, rows: list[TraceRow]) -> Problem:
    """With a start of the horizon, which the earliest record gives where the problem does not."""
    horizon = problem.horizon
    if horizon.start is not None or not rows:
        return problem
    zone = ZoneInfo(horizon.timezone)
    first = (EPOCH + timedelta(microseconds=min(row.at for row in rows))).astimezone(zone)
    midnight = datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)
    period = timedelta(hours=horizon.period_h)
    start = midnight
    while start + period <= first:
        start += period
    return problem.model_copy(
        update={"horizon": horizon.model_copy(update={"start": start.astimezone(zone)})}
    )


def _stated(problem: Problem, workload: Workload, file: File, rows: list[TraceRow]) -> Workload:
    """The workload as its record states it."""
    trace = workload.demand.trace
    if trace is None or not rows:
        raise Unreadable("no row is chosen")
    horizon = problem.horizon
    per_period = _slots_per_period(file.step_h, horizon.period_h)
    slots = horizon.periods * per_period
    placed = list(placed_rows(problem, file, rows, horizon.period_h / per_period))
    inside = [(row, slot) for row, slot in placed if 0 <= slot < slots]
    counts: dict[int, float] = defaultdict(float)
    for row, slot in placed:
        counts[slot] += row.requests
    every = _every(problem, file, horizon.period_h / per_period)
    first, last = min(every), max(every)
    gaps = trace.gaps or ("silence" if file.single else "file")
    if last < 0 or first >= slots or (not inside and gaps != "zero"):
        raise Unreadable("all rows lie outside the horizon")
    periods = [0.0] * horizon.periods
    for slot in range(slots):
        periods[slot // per_period] += _slot(slot, counts, gaps, every, (first, last))
    update: dict[str, object] = {"demand": Demand(requests_by_period=tuple(periods))}
    for name in ("prompt", "completion"):
        if getattr(workload, f"{name}_tokens") is None:
            update[f"{name}_tokens"] = _mean(name, [row for row, _ in inside], rows)
    for name, value in (("arrival_cv", _arrival_cv(file, inside)), ("service_cv", _service_cv(file, inside))):
        if name not in workload.model_fields_set and value is not None:
            update |= {name: value}
    return workload.model_copy(update=update)


def _slots_per_period(step_h: float | None, period_h: float) -> int:
    """Rows of the record that make a period, where that is a whole number; else gaps are looked for by period."""
    if step_h is None:
        return 1
    count = max(1, round(period_h / step_h))
    if abs(period_h / count - step_h) <= 0.02 * step_h:
        return count
    if step_h > period_h:
        raise Unreadable(f"a row covers {step_h:.6g} h, more than a period")
    return 1


def placed_rows(
    problem: Problem, file: File, rows: Iterable[TraceRow], slot_h: float
) -> Iterator[tuple[TraceRow, int]]:
    """Rows with their slots, counted from the start of the horizon."""
    start, zone = problem.horizon.start, ZoneInfo(problem.horizon.timezone)
    begin = 0
    if start is not None and not file.relative:
        begin = ((start if start.tzinfo else start.replace(tzinfo=zone)) - EPOCH) // timedelta(microseconds=1)
    early_h = 1e-9 * slot_h
    if not file.single:
        early_h = 1.5 if slot_h >= 0.9 * 24.0 else 0.01 * slot_h
    for row in rows:
        after = row.at - begin
        yield row, math.floor((after + early_h * HOUR_US) / (slot_h * HOUR_US))


def _every(problem: Problem, file: File, slot_h: float) -> set[int]:
    """Slots in which the file has any row."""
    if not file.slots:
        file.slots = {slot for _, slot in placed_rows(problem, file, file.rows, slot_h)}
    return file.slots


def _slot(slot: int, counts: dict[int, float], gaps: str, every: set[int], ends: tuple[int, int]) -> float:
    """Requests in a slot, with what a missing record means."""
    if slot in counts or gaps == "zero":
        return counts.get(slot, 0.0)
    if not ends[0] <= slot <= ends[1]:
        raise Unreadable(f"the record does not reach slot {slot}")
    if gaps == "error" or (gaps == "file" and slot not in every):
        raise Unreadable(f"nothing is recorded for slot {slot}")
    if gaps in ("silence", "file"):
        return 0.0
    earlier = [each for each in counts if each < slot]
    if not earlier:
        raise Unreadable(f"nothing is recorded before slot {slot}")
    return counts[max(earlier)]


def _mean(kind: str, inside: list[TraceRow], rows: list[TraceRow]) -> float:
    """Tokens of a request, inside the horizon; over the whole record where nothing is recorded there."""
    for some in (inside, rows):
        stated = [row for row in some if getattr(row, kind) is not None]
        covered = math.fsum(row.covered for row in stated)
        if covered > 0:
            return math.fsum(getattr(row, kind) for row in stated) / covered
    raise Unreadable(f"no {kind} tokens are recorded")


def _service_cv(file: File, inside: list[tuple[TraceRow, int]]) -> float | None:
    """Standard deviation over mean of a request's tokens."""
    totals = [
        row.prompt + row.completion
        for row, _ in inside
        if row.prompt is not None and row.completion is not None
    ]
    if not file.single or len(totals) < 2 or sum(totals) <= 0:
        return None
    return statistics.pstdev(totals) / statistics.fmean(totals)


def _arrival_cv(file: File, inside: list[tuple[TraceRow, int]]) -> float | None:
    """Of single requests: of gaps over their period's mean gap, in periods of at least ten gaps."""
    if not file.single:
        stated = [(row.arrival_cv, row.requests) for row, _ in inside if row.arrival_cv is not None]
        weight = math.fsum(requests for _, requests in stated)
        return math.fsum(cv * requests for cv, requests in stated) / weight if weight > 0 else None
    arrivals: dict[int, list[int]] = defaultdict(list)
    for row, period in inside:
        arrivals[period].append(row.at)
    spread = []
    for times in arrivals.values():
        times.sort()
        gaps = [b - a for a, b in pairwise(times)]
        if len(gaps) >= 10 and sum(gaps) > 0:
            mean = sum(gaps) / len(gaps)
            spread += [(gap / mean - 1.0) ** 2 for gap in gaps]
    return math.sqrt(math.fsum(spread) / len(spread)) if spread else None
