"""A raw trace as workloads: by column, by class of size, hour by hour, carried forward if asked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path as FilePath

import numpy as np

from router.errors import InputError, Issue
from router.importers.account import COMPLETION, PROMPT, Account
from router.schema.clock import period_start
from router.traces.account import answered, named_plainly, opened
from router.traces.classes import Size, explained, found_classes, grid_classes
from router.traces.columns import ColumnNames
from router.traces.forecast import Method, forecast, last_day_error
from router.traces.read import LogForm, read_table
from router.traces.record import DemandRecord, Grid, record_of, slots, slots_of, slots_per_period
from router.traces.table import US, Floats, Mask, TraceTable
from router.traces.times import local


@dataclass(frozen=True)
class Choices:
    """What a user may choose.

    by            columns whose values are workloads of their own
    classes       most classes of size; None: as few as explain the variance (one, in a record of periods)
    edges         stated edges of prompt and completion tokens, in place of found classes
    horizon       periods to state; None: those recorded, or a week of forecast
    gaps          what hours without any row mean: error, zero or previous
    unit          of times that are plain numbers: s, ms or us; None: as they look
    """

    period_h: float = 1.0
    timezone: str = "UTC"
    named: ColumnNames = field(default_factory=ColumnNames)
    by: tuple[str, ...] = ()
    classes: int | None = None
    edges: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    forecast: Method = "none"
    horizon: int | None = None
    gaps: str = "error"
    unit: str | None = None


@dataclass(frozen=True)
class ExtractedWorkload:
    """One workload: requests by period, mean size with the 95th percentile beside it, burstiness.

    covered       requests whose prompt tokens, and whose completion tokens, are recorded
    cached_share  part of the prompt tokens that a cache had; None: not recorded
    """

    name: str
    counts: Floats
    size: tuple[float, float]
    p95: tuple[float, float] | None
    arrival_cv: float | None
    service_cv: float | None
    labels: tuple[str, ...] = ()
    sized: bool = True
    covered: tuple[float, float] = (0.0, 0.0)
    cached_share: float | None = None

    def amounts(self) -> dict[str, float]:
        """What it states, for the account."""
        requests = float(self.counts.sum())
        prompt, completion = (requests * tokens for tokens in self.size)
        return {"requests": requests, PROMPT: prompt, COMPLETION: completion}


@dataclass(frozen=True)
class TraceExtract:
    """All workloads, the horizon that they are stated for, and the account of what was read. start None: no date."""

    workloads: tuple[ExtractedWorkload, ...]
    periods: int
    period_h: float
    start: datetime | None
    timezone: str
    account: Account


def extract(path: FilePath, choices: Choices) -> TraceExtract:
    """Workloads of a trace file. Raises InputError."""
    table = read_table(path, choices.named, choices.timezone, choices.by, log=LogForm(choices.unit))
    account = opened(table)
    table = named_plainly(answered(table, account), choices.by, account)
    grid = _grid(table, choices)
    sizes = _sizes(table, choices)
    account.remark("note", _summary(table, sizes), "", {}, asked=True)
    slot = slots_of(table, grid)
    whole = record_of(table, np.ones(len(table), dtype=bool), grid, slot)
    _no_gaps(whole, grid, choices)
    workloads: list[ExtractedWorkload] = []
    file_name = re.sub(r"(\.(csv|tsv|jsonl?))?(\.gz)?$", "", path.name)
    record = partial(record_of, table, grid=grid, whole=slot)
    for labels, rows in _groups(table, choices.by):
        workloads += _workloads(table, rows, labels or (file_name,), record, sizes, choices)
    workloads = _fill_sizes(workloads, whole, account)
    if whole.lengthless > 1e-12 and len(sizes) == 1:
        why = f"{whole.lengthless:.3g} of the requests have no recorded lengths; taken as long as the others"
        account.remark("note", why, "", {})
    _fill_account(account, table, workloads, choices)
    start = None if table.relative else local(grid.start_us, choices.timezone)
    return _ahead(workloads, grid, choices, start, account)


def _fill_account(
    account: Account, table: TraceTable, workloads: Sequence[ExtractedWorkload], choices: Choices
) -> None:
    """What is written beyond what was read: periods filled as before, requests taken to be as long as others."""
    if choices.gaps == "previous":
        filled = sum(float(load.counts.sum()) for load in workloads) - float(table.requests.sum())
        account.remark(
            "added", "periods without a row, as the one before", "", {"requests": filled}, asked=True
        )
    lengthless = [
        sum((float(load.counts.sum()) - load.covered[kind]) * load.size[kind] for load in workloads)
        for kind in (0, 1)
    ]
    if any(tokens > 1e-9 for tokens in lengthless):
        amounts = dict(zip((PROMPT, COMPLETION), lengthless, strict=True))
        account.remark(
            "added", "lengths that are not recorded, as those of the others", "", amounts, asked=True
        )


def _grid(table: TraceTable, choices: Choices) -> Grid:
    """From the period of the first row to that of the last."""
    start, period_h = 0.0, choices.period_h
    if not table.relative:
        first = period_start(local(float(table.at_us.min()), choices.timezone), period_h)
        start = float(np.rint(first.timestamp() * US))
    step = table.step_h
    if step is not None and slots_per_period(step, period_h) == 0:
        rule = f"has one row every {step:.6g} h, longer than a period"
        raise InputError(Issue((), rule, period_h, f"set --period {step:.6g} or more", file=table.file))
    last = slots(np.array([table.at_us.max()]), Grid(start, 1, period_h), period_h, single=table.single)
    if table.relative and table.at_us.min() < 0:
        raise InputError(Issue((), "seconds from the start must be at least 0", file=table.file))
    return Grid(start, int(last[0]) + 1, period_h)


def _no_gaps(whole: DemandRecord, grid: Grid, choices: Choices) -> None:
    """In a record of periods, a hole in the whole file is an error, and not read as silence."""
    holes = whole.periods_of(~whole.recorded)
    if whole.single or choices.gaps != "error" or not holes:
        return
    listed = ", ".join(map(str, holes[:5])) + (", …" if len(holes) > 5 else "")
    rule = f"has no row for {len(holes)} of {grid.periods} periods: {listed}"
    raise InputError(Issue((), rule, hint="say what that means with --gaps zero or --gaps previous"))


def _groups(table: TraceTable, by: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Mask]]:
    """Combinations of values that occur, in order of appearance."""
    labels = [table.labels[name] for name in by]
    for values in itertools.product(*(range(len(label.values)) for label in labels)):
        rows = np.ones(len(table), dtype=bool)
        for label, value in zip(labels, values, strict=True):
            rows &= label.codes == value
        if rows.any():
            yield tuple(label.values[v] or "none" for label, v in zip(labels, values, strict=True)), rows


def _sizes(table: TraceTable, choices: Choices) -> list[Size]:
    if choices.edges is not None:
        return grid_classes(*choices.edges)
    lengths = _lengths(table)
    if choices.classes == 1 or (choices.classes is None and not table.single) or not len(lengths[-1]):
        return [Size()]
    return found_classes(*lengths, choices.classes)


def _lengths(table: TraceTable) -> tuple[Floats, Floats, Floats]:
    """Mean tokens of rows with lengths, and the requests that they stand for."""
    known = ~np.isnan(table.prompt) & ~np.isnan(table.completion) & (table.with_lengths > 0)
    weight = table.with_lengths[known]
    return table.prompt[known] / weight, table.completion[known] / weight, weight


def _summary(table: TraceTable, sizes: Sequence[Size]) -> str:
    kind = "requests" if table.single else "rows, one a period"
    words = f"{len(table):,} {kind}; columns {table.columns.describe()}"
    if len(sizes) > 1:
        share = explained(*_lengths(table), sizes)
        words += f"; {len(sizes)} classes of size explain {share:.0%} of their variance"
    return words


def _workloads(
    table: TraceTable,
    rows: Mask,
    labels: tuple[str, ...],
    record_of_rows: Callable[[Mask], DemandRecord],
    sizes: Sequence[Size],
    choices: Choices,
) -> Iterator[ExtractedWorkload]:
    """The classes of one group of rows that have requests; requests without lengths are spread over them evenly."""
    whole, name = record_of_rows(rows), "/".join(labels)
    if len(sizes) == 1 or whole.size == (None, None):
        yield _workload(name, labels, table.only(rows), whole, _filled(whole, choices))
        return
    with np.errstate(invalid="ignore", divide="ignore"):
        prompt, completion = table.prompt / table.with_lengths, table.completion / table.with_lengths
    classes = [(size, rows & size.holds(prompt, completion)) for size in sizes]
    classes = [(size, inside) for size, inside in classes if inside.any()]
    sized = sum(float(table.requests[inside].sum()) for _, inside in classes)
    for size, inside in classes:
        record = record_of_rows(inside)
        counts = _filled(record, choices) * (float(table.requests[rows].sum()) / sized)
        yield _workload(f"{name}/{size.label}", labels, table.only(inside), record, counts)


def _filled(record: DemandRecord, choices: Choices) -> Floats:
    """(T,) requests, with holes of the whole file as before where that is what gaps mean."""
    counts = record.by_slot
    if choices.gaps == "previous":
        counts = counts[np.maximum.accumulate(np.where(record.covered, np.arange(len(counts)), 0))]
    return record.by_period(counts)


def _workload(
    name: str, labels: tuple[str, ...], rows: TraceTable, record: DemandRecord, counts: Floats
) -> ExtractedWorkload:
    prompt, completion = record.size
    sized = prompt is not None and completion is not None
    covered = [
        float(rows.with_lengths[~np.isnan(tokens)].sum()) if mean is not None else 0.0
        for tokens, mean in ((rows.prompt, prompt), (rows.completion, completion))
    ]
    return ExtractedWorkload(
        name=name,
        counts=counts,
        size=(prompt or 0.0, completion or 0.0),
        p95=_p95(rows) if sized and rows.single else None,
        arrival_cv=record.arrival_cv,
        service_cv=record.service_cv,
        labels=labels,
        sized=sized,
        covered=(covered[0], covered[1]) if sized else (0.0, 0.0),
        cached_share=record.cached_share,
    )


def _p95(rows: TraceTable) -> tuple[float, float]:
    prompt, completion, _ = _lengths(rows)
    return float(np.quantile(prompt, 0.95)), float(np.quantile(completion, 0.95))


def _fill_sizes(
    workloads: list[ExtractedWorkload], whole: DemandRecord, account: Account
) -> list[ExtractedWorkload]:
    """Workloads without any recorded length get the mean of all, with a remark."""
    bare = [load.name for load in workloads if not load.sized]
    if not bare:
        return workloads
    prompt, completion = whole.size
    if prompt is None or completion is None:
        hint = "name the columns with --prompt-column and --completion-column"
        raise InputError(Issue((), "no row says how many tokens a request has", hint=hint))
    more = f" and {len(bare) - 5} more" if len(bare) > 5 else ""
    why = f"no lengths are recorded for {', '.join(bare[:5])}{more}; taken as long as the mean of the others"
    account.remark("note", why, "", {})
    return [load if load.sized else replace(load, size=(prompt, completion)) for load in workloads]


def _ahead(
    workloads: list[ExtractedWorkload],
    grid: Grid,
    choices: Choices,
    start: datetime | None,
    account: Account,
) -> TraceExtract:
    """The recorded periods, or those after them."""
    recorded, period_h, method = grid.periods, choices.period_h, choices.forecast
    if method == "none":
        periods = choices.horizon or recorded
        if periods > recorded:
            rule = f"is more than the {recorded} periods recorded"
            raise InputError(Issue(("--horizon",), rule, periods, "choose a --forecast"))
        start = _later(start, period_h * (recorded - periods))
        early = [replace(load, counts=load.counts[: recorded - periods]) for load in workloads]
        for load in early if periods < recorded else ():
            account.remark("left out", "before the periods asked for", "", load.amounts(), asked=True)
        workloads = [replace(load, counts=load.counts[-periods:]) for load in workloads]
    else:
        periods = choices.horizon or max(1, round(168 / period_h))
        start = _later(start, period_h * recorded)
        total = np.sum([load.counts for load in workloads], axis=0)
        for load in workloads:
            account.remark("left out", "the record, for a forecast after it", "", load.amounts(), asked=True)
        workloads = [
            replace(load, counts=forecast(load.counts, periods, period_h, method, start))
            for load in workloads
        ]
        for load in workloads:
            account.remark("added", "forecast", "", load.amounts(), asked=True)
        error = last_day_error(total, period_h, method)
        off = "" if error is None else f"; forecast so, the last recorded day is off by {error:.0%} in total"
        account.remark("note", f"{method} after {recorded} recorded periods{off}", "", {}, asked=True)
        hour = recorded * period_h % 24
        if start is None and min(hour, 24 - hour) > 1e-6:
            why = f"hour 0 of the forecast is hour {hour:g} of a day of the record"
            account.remark("note", why, "", {}, hint="horizon.start should say so", asked=True)
    for load in workloads:
        account.writes(load.amounts())
    return TraceExtract(tuple(workloads), periods, period_h, start, choices.timezone, account)


def _later(start: datetime | None, hours: float) -> datetime | None:
    """By elapsed time, whatever the clocks do."""
    if start is None:
        return None
    return datetime.fromtimestamp(start.timestamp() + timedelta(hours=hours).total_seconds(), start.tzinfo)
