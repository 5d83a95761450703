"""What a plan says about the records it was made from: once per file, anomalies with the workloads they concern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from router.schema import Horizon, Trace, Workload
from router.traces.record import Record
from router.traces.table import US, Mask, Table
from router.traces.times import shown

LISTED = 3


@dataclass(frozen=True)
class Reading:
    """A traced workload, the table of its file, and which rows are its own."""

    index: int
    workload: Workload
    trace: Trace
    table: Table
    mine: Mask


type Made = tuple[Reading, Record]


def notes_of(made: Sequence[Made], horizon: Horizon) -> tuple[str, ...]:
    """One note on each file, and one on each thing that its reader should know."""
    files: dict[str, list[Made]] = {}
    for one in made:
        files.setdefault(one[0].trace.file, []).append(one)
    return tuple(note for file, group in files.items() for note in _file_notes(file, group, horizon))


def _file_notes(file: str, group: list[Made], horizon: Horizon) -> Iterable[str]:
    table = group[0][0].table
    inside = sum(found.inside for _, found in group)
    kind = "requests" if table.single else "rows"
    columns = table.columns.describe()
    yield f"trace {file}: {inside:,} {kind} inside the horizon, {_span(table, horizon)}; columns {columns}"

    def concerned(what: Callable[[Record], bool]) -> list[Made]:
        return [(reading, found) for reading, found in group if what(found)]

    outside = concerned(lambda found: found.before + found.after > 0)
    if outside:
        before, after = (sum(getattr(found, side) for _, found in outside) for side in ("before", "after"))
        words = f"{before:,.6g} requests before the horizon and {after:,.6g} after it are left out"
        yield f"trace {file}: {words}{_of(outside)}"
    lengthless = concerned(lambda found: found.lengthless > 1e-12)
    sized = [
        (r, f)
        for r, f in lengthless
        if r.workload.prompt_tokens is None or r.workload.completion_tokens is None
    ]
    if sized:
        total = sum(found.by_slot.sum() for _, found in sized)
        part = sum(found.lengthless * found.by_slot.sum() for _, found in sized) / total
        yield (
            f"trace {file}: {part:.3g} of the requests have no recorded lengths; "
            f"they are taken to be as long as the others{_of(sized)}"
        )
    holes = concerned(lambda found: bool((~found.recorded).any()))
    if holes:
        yield f"trace {file}: {_holes(holes)}"
    if table.ambiguous:
        yield (
            f"trace {file}: {table.ambiguous:,} rows have a local time that the clocks showed twice or not at all; "
            "they are taken for the first of the two"
        )


def _holes(holes: list[Made]) -> str:
    periods = sum(
        int((~found.recorded).reshape(-1, found.per_period).any(axis=1).sum()) for _, found in holes
    )
    reading, found = holes[0]
    if reading.trace.gaps == "previous":
        meaning = "taken to be as the period before (gaps: previous)"
    elif reading.trace.gaps == "zero":
        meaning = "taken to be without demand (gaps: zero)"
    else:
        meaning = "taken to be without demand"
    listed = ""
    if len(holes) == 1:
        which = np.flatnonzero(~found.recorded) // found.per_period
        listed = (
            ": " + ", ".join(str(t) for t in np.unique(which)[:LISTED]) + (", …" if periods > LISTED else "")
        )
    noun = "period has" if periods == 1 else "periods have"
    return f"{periods:,} {noun} no record, {meaning}{listed}{_of(holes)}"


def _of(concerned: list[Made]) -> str:
    """` (workloads a, b, c and 9 more)`."""
    names = [reading.workload.name for reading, _ in concerned]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f" (workload{'s' if len(names) > 1 else ''} {', '.join(names[:LISTED])}{more})"


def _span(table: Table, horizon: Horizon) -> str:
    first, last = float(table.at_us.min()), float(table.at_us.max())
    if table.relative:
        return f"recorded from second {first / US:.10g} to {last / US:.10g}"
    return f"recorded from {shown(first, horizon.timezone)} to {shown(last, horizon.timezone)}"
