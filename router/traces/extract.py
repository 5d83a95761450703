"""A raw trace as workloads: by column, by class of size, hour by hour, carried forward if asked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path as FilePath

import numpy as np

from router.errors import InputError, Issue
from router.schema.clock import period_start
from router.traces.classes import Size, explained, found_classes, grid_classes
from router.traces.columns import Named
from router.traces.forecast import Method, forecast, last_day_error
from router.traces.read import read_table
from router.traces.record import Grid, Record, record, slots, slots_of, slots_per_period
from router.traces.table import US, Floats, Mask, Table
from router.traces.times import local


@dataclass(frozen=True)
class Choices:
    """What a user may choose.

    by            columns whose values are workloads of their own
    classes       most classes of size; None: as few as explain the variance (one, in a record of periods)
    edges         stated edges of prompt and completion tokens, in place of found classes
    horizon       periods to state; None: those recorded, or a week of forecast
    gaps          what hours without any row mean: error, zero or previous
    """

    period_h: float = 1.0
    timezone: str = "UTC"
    named: Named = field(default_factory=Named)
    by: tuple[str, ...] = ()
    classes: int | None = None
    edges: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    forecast: Method = "none"
    horizon: int | None = None
    gaps: str = "error"


@dataclass(frozen=True)
class Found:
    """One workload: requests by period, mean size with the 95th percentile beside it, burstiness."""

    name: str
    counts: Floats
    size: tuple[float, float]
    p95: tuple[float, float] | None
    arrival_cv: float | None
    service_cv: float | None
    labels: tuple[str, ...] = ()
    sized: bool = True


@dataclass(frozen=True)
class Extract:
    """All workloads, the horizon that they are stated for, and what to say about them. start None: no date is known."""

    workloads: tuple[Found, ...]
    periods: int
    period_h: float
    start: datetime | None
    timezone: str
    notes: tuple[str, ...]


def extract(path: FilePath, choices: Choices) -> Extract:
    """Workloads of a trace file. Raises InputError."""
    table = read_table(path, choices.named, choices.timezone, choices.by)
    grid = _grid(table, choices)
    sizes = _sizes(table, choices)
    notes = [_said(table, sizes)]
    whole = slots_of(table, grid)
    everyone = record(table, np.ones(len(table), dtype=bool), grid, whole)
    _no_gaps(everyone, grid, choices)
    found: list[Found] = []
    for labels, mine in _groups(table, choices.by):
        group = _Group(table, mine, labels or (_stem(path),), grid, whole)
        found += _workloads(group, sizes, choices)
    found, more = _fill_sizes(found, everyone)
    if everyone.lengthless > 1e-12 and len(sizes) == 1:
        notes.append(
            f"{everyone.lengthless:.3g} of the requests have no recorded lengths; taken as long as the others"
        )
    ahead, said = _ahead(
        found, grid, choices, None if table.relative else local(grid.start_us, choices.timezone)
    )
    return replace(ahead, notes=(*notes, *more, *said))


def _grid(table: Table, choices: Choices) -> Grid:
    """From the period of the first row to that of the last."""
    start = 0.0
    if not table.relative:
        first = float(table.at_us.min())
        start_at = period_start(local(first, choices.timezone), choices.period_h)
        start = float(np.rint(start_at.timestamp() * US))
    step = table.step_h
    if step is not None and slots_per_period(step, choices.period_h) == 0:
        rule = f"has one row every {step:.6g} h, longer than a period"
        raise InputError(
            Issue((), rule, choices.period_h, f"set --period {step:.6g} or more", file=table.file)
        )
    one = Grid(start, 1, choices.period_h)
    last = slots(np.array([table.at_us.max()]), one, choices.period_h, single=table.single)
    if table.relative and table.at_us.min() < 0:
        raise InputError(Issue((), "seconds from the start must be at least 0", file=table.file))
    return Grid(start, int(last[0]) + 1, choices.period_h)


def _no_gaps(everyone: Record, grid: Grid, choices: Choices) -> None:
    """In a record of periods, a hole in the whole file is told, not read as silence."""
    holes = np.unique(np.flatnonzero(~everyone.recorded) // everyone.per_period)
    if everyone.single or choices.gaps != "error" or not len(holes):
        return
    listed = ", ".join(str(t) for t in holes[:5]) + (", …" if len(holes) > 5 else "")
    rule = f"has no row for {len(holes)} of {grid.periods} periods: {listed}"
    raise InputError(Issue((), rule, hint="say what that means with --gaps zero or --gaps previous"))


def _groups(table: Table, by: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Mask]]:
    """Combinations of values that occur, in order of appearance."""
    labels = [table.labels[name] for name in by]
    for values in itertools.product(*(range(len(one.values)) for one in labels)):
        mine = np.ones(len(table), dtype=bool)
        for one, value in zip(labels, values, strict=True):
            mine &= one.codes == value
        if mine.any():
            yield tuple(one.values[v] or "none" for one, v in zip(labels, values, strict=True)), mine


def _sizes(table: Table, choices: Choices) -> list[Size]:
    prompt, completion, weight = _lengths(table)
    if choices.edges is not None:
        return grid_classes(*choices.edges)
    if choices.classes == 1 or (choices.classes is None and not table.single) or not len(weight):
        return [Size()]
    return found_classes(prompt, completion, weight, choices.classes)


def _lengths(table: Table) -> tuple[Floats, Floats, Floats]:
    """Mean tokens of rows with lengths, and the requests that they stand for."""
    known = ~np.isnan(table.prompt) & ~np.isnan(table.completion) & (table.with_lengths > 0)
    weight = table.with_lengths[known]
    return table.prompt[known] / weight, table.completion[known] / weight, weight


def _said(table: Table, sizes: Sequence[Size]) -> str:
    kind = "requests" if table.single else "rows, one a period"
    said = f"{len(table):,} {kind}; columns {table.columns.describe()}"
    if len(sizes) > 1:
        share = explained(*_lengths(table), sizes)
        said += f"; {len(sizes)} classes of size explain {share:.0%} of their variance"
    return said


@dataclass(frozen=True)
class _Group:
    """The rows of one combination of values."""

    table: Table
    mine: Mask
    labels: tuple[str, ...]
    grid: Grid
    slots: Floats

    @property
    def name(self) -> str:
        return "/".join(self.labels)


def _workloads(group: _Group, sizes: Sequence[Size], choices: Choices) -> Iterator[Found]:
    """The classes of one group that have requests; requests without lengths are spread over them evenly."""
    table, mine = group.table, group.mine
    whole = record(table, mine, group.grid, group.slots)
    if len(sizes) == 1 or whole.size == (None, None):
        yield _found(group, group.name, mine, whole, _filled(whole, choices))
        return
    with np.errstate(invalid="ignore", divide="ignore"):
        prompt, completion = table.prompt / table.with_lengths, table.completion / table.with_lengths
    classes = [(size, mine & size.holds(prompt, completion)) for size in sizes]
    classes = [(size, inside) for size, inside in classes if inside.any()]
    stated = sum(float(table.requests[inside].sum()) for _, inside in classes)
    for size, inside in classes:
        part = record(table, inside, group.grid, group.slots)
        scaled = _filled(part, choices) * (float(table.requests[mine].sum()) / stated)
        yield _found(group, f"{group.name}/{size.label}", inside, part, scaled)


def _filled(found: Record, choices: Choices) -> Floats:
    """(T,) requests, with holes of the whole file as before where that is what gaps mean."""
    counts = found.by_slot
    if choices.gaps == "previous":
        known = np.maximum.accumulate(np.where(found.covered, np.arange(len(counts)), 0))
        counts = counts[known]
    made: Floats = counts.reshape(-1, found.per_period).sum(axis=1)
    return made


def _found(group: _Group, name: str, mine: Mask, found: Record, counts: Floats) -> Found:
    prompt, completion = found.size
    sized = prompt is not None and completion is not None
    return Found(
        name=name,
        counts=counts,
        size=(prompt or 0.0, completion or 0.0),
        p95=_p95(group.table.only(mine)) if sized and group.table.single else None,
        arrival_cv=found.arrival_cv,
        service_cv=found.service_cv,
        labels=group.labels,
        sized=sized,
    )


def _p95(rows: Table) -> tuple[float, float]:
    prompt, completion, _ = _lengths(rows)
    return float(np.quantile(prompt, 0.95)), float(np.quantile(completion, 0.95))


def _fill_sizes(found: list[Found], everyone: Record) -> tuple[list[Found], list[str]]:
    """Workloads without any recorded length get the mean of all; that is said."""
    bare = [one.name for one in found if not one.sized]
    if not bare:
        return found, []
    prompt, completion = everyone.size
    if prompt is None or completion is None:
        hint = "name the columns with --prompt-column and --completion-column"
        raise InputError(Issue((), "no row says how many tokens a request has", hint=hint))
    more = f" and {len(bare) - 5} more" if len(bare) > 5 else ""
    said = f"no lengths are recorded for {', '.join(bare[:5])}{more}; taken as long as the mean of the others"
    return [one if one.sized else replace(one, size=(prompt, completion)) for one in found], [said]


def _ahead(
    found: list[Found], grid: Grid, choices: Choices, start: datetime | None
) -> tuple[Extract, tuple[str, ...]]:
    """The recorded periods, or those after them."""
    recorded, period = grid.periods, timedelta(hours=choices.period_h)
    made, said = found, tuple[str, ...]()
    if choices.forecast == "none":
        periods = choices.horizon or recorded
        if periods > recorded:
            rule = f"is more than the {recorded} periods recorded"
            raise InputError(Issue(("--horizon",), rule, periods, "choose a --forecast"))
        made = [replace(one, counts=one.counts[-periods:]) for one in found]
        start = None if start is None else _later(start, period * (recorded - periods))
    else:
        periods = choices.horizon or max(1, round(168 / choices.period_h))
        start = None if start is None else _later(start, period * recorded)
        made = [replace(one, counts=_carried(one.counts, periods, choices, start)) for one in found]
        total = np.sum([one.counts for one in found], axis=0)
        error = last_day_error(total, choices.period_h, choices.forecast)
        off = "" if error is None else f"; forecast so, the last recorded day is off by {error:.0%} in total"
        said = (f"{choices.forecast} after {recorded} recorded periods{off}",)
        hour = recorded * choices.period_h % 24
        if start is None and min(hour, 24 - hour) > 1e-6:
            said = (
                *said,
                f"hour 0 of the forecast is hour {hour:g} of a day of the record; horizon.start should say so",
            )
    return Extract(tuple(made), periods, choices.period_h, start, choices.timezone, ()), said


def _carried(counts: Floats, periods: int, choices: Choices, end: datetime | None) -> Floats:
    return forecast(counts, periods, choices.period_h, choices.forecast, end)


def _later(start: datetime, by: timedelta) -> datetime:
    """By elapsed time, whatever the clocks do."""
    return datetime.fromtimestamp(start.timestamp() + by.total_seconds(), start.tzinfo)


def _stem(path: FilePath) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")
