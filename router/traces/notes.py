"""What a plan says about the records it was made from: once per file, anomalies with the workloads they concern."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from router.schema import Horizon, Trace, Workload
from router.traces.record import DemandRecord
from router.traces.table import US, Mask, TraceTable
from router.traces.times import shown

LISTED = 3


@dataclass(frozen=True)
class TracedWorkload:
    """A traced workload, the table of its file, and which rows are its own."""

    index: int
    workload: Workload
    trace: Trace
    table: TraceTable
    rows: Mask

    @property
    def sized(self) -> bool:
        """The workload states its sizes, whatever is recorded."""
        return None not in (self.workload.prompt_tokens, self.workload.completion_tokens)


type Records = Sequence[tuple[TracedWorkload, DemandRecord]]


def notes_of(records: Records, horizon: Horizon) -> tuple[str, ...]:
    """One note on each file, and one on each thing that its reader should know."""
    files: dict[str, list[tuple[TracedWorkload, DemandRecord]]] = {}
    for reading, record in records:
        files.setdefault(reading.trace.file, []).append((reading, record))
    return tuple(
        f"trace {file}: {note}" for file, group in files.items() for note in _file_notes(group, horizon)
    )


def _file_notes(group: Records, horizon: Horizon) -> Iterable[str]:
    table = group[0][0].table
    inside = sum(record.inside for _, record in group)
    kind = "requests" if table.single else "rows"
    columns = table.columns.describe()
    yield f"{inside:,} {kind} inside the horizon, {_span(table, horizon)}; columns {columns}"

    def concerned(what: Callable[[DemandRecord], bool]) -> Records:
        return [(reading, record) for reading, record in group if what(record)]

    outside = concerned(lambda record: record.before + record.after > 0)
    if outside:
        before, after = (sum(getattr(record, side) for _, record in outside) for side in ("before", "after"))
        words = f"{before:,.6g} requests before the horizon and {after:,.6g} after it are left out"
        yield f"{words}{_of(outside)}"
    lengthless = concerned(lambda record: record.lengthless > 1e-12)
    guessed = [(reading, record) for reading, record in lengthless if not reading.sized]
    if guessed:
        total = sum(record.by_slot.sum() for _, record in guessed)
        part = sum(record.lengthless * record.by_slot.sum() for _, record in guessed) / total
        yield (
            f"{part:.3g} of the requests have no recorded lengths; "
            f"they are taken to be as long as the others{_of(guessed)}"
        )
    holes = concerned(lambda record: bool((~record.recorded).any()))
    if holes:
        yield _holes(holes)
    if table.ambiguous:
        yield (
            f"{table.ambiguous:,} rows have a local time that the clocks showed twice or not at all; "
            "they are taken for the first of the two"
        )


def _holes(holes: Records) -> str:
    meaning = {
        "previous": "taken to be as the period before (gaps: previous)",
        "zero": "taken to be without demand (gaps: zero)",
    }.get(holes[0][0].trace.gaps or "", "taken to be without demand")
    periods = [record.periods_of(~record.recorded) for _, record in holes]
    count, first = sum(map(len, periods)), periods[0][:LISTED]
    listed = ""
    if len(holes) == 1:
        listed = ": " + ", ".join(map(str, first)) + (", …" if count > LISTED else "")
    noun = "period has" if count == 1 else "periods have"
    return f"{count:,} {noun} no record, {meaning}{listed}{_of(holes)}"


def _of(concerned: Records) -> str:
    """` (workloads a, b, c and 9 more)`."""
    names = [reading.workload.name for reading, _ in concerned]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f" (workload{'s' if len(names) > 1 else ''} {', '.join(names[:LISTED])}{more})"


def _span(table: TraceTable, horizon: Horizon) -> str:
    first, last = float(table.at_us.min()), float(table.at_us.max())
    if table.relative:
        return f"recorded from second {first / US:.10g} to {last / US:.10g}"
    return f"recorded from {shown(first, horizon.timezone)} to {shown(last, horizon.timezone)}"
