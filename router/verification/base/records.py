"""A trace file, row by row: times, requests and tokens as the file states them."""

from __future__ import annotations

import csv
import gzip
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from router.schema import Trace
from router.schema.trace_columns import USUAL

HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unreadable(Exception):
    """A record that says nothing definite; the text is what is wrong with it."""


class TraceRow(NamedTuple):
    """A request, or a period of them. at: µs since 1970, or since the start of the horizon."""

    at: int
    requests: float
    prompt: float | None
    completion: float | None
    covered: float
    arrival_cv: float | None
    fields: tuple[str, ...]


@dataclass(slots=True)
class File:
    """A trace file as read for one choice of columns."""

    rows: list[TraceRow] = field(default_factory=list)
    single: bool = True
    relative: bool = False
    step_h: float | None = None
    slots: set[int] = field(default_factory=set)
    by_text: dict[int, dict[str, list[TraceRow]]] = field(default_factory=dict)

    def of_text(self, column: int, text: str) -> list[TraceRow]:
        """Rows that have a text in a wanted column, in their order."""
        if column not in self.by_text:
            found: dict[str, list[TraceRow]] = {}
            for row in self.rows:
                found.setdefault(row.fields[column], []).append(row)
            self.by_text[column] = found
        return self.by_text[column].get(text, [])


def read_file(path: Path, trace: Trace, zone: ZoneInfo, wanted: Sequence[str]) -> File:
    """All rows, with the texts of the wanted columns."""
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if zipped
        else path.open(encoding="utf-8-sig", newline="")
    ) as text:
        reader = csv.reader(text)
        header = [name.strip() for name in next(reader)]
        layout = _layout(header, trace, wanted)
        file = File(single=layout.requests is None)
        kinds, text_before, moment = set[bool](), "", (0, False)
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise Unreadable(f"{len(fields)} fields under {len(header)} names")
            if fields[layout.timestamp] != text_before or not kinds:  # rows of one time stand together
                text_before = fields[layout.timestamp]
                moment = _moment(text_before, zone)
                kinds.add(moment[1])
            file.rows.append(_row(fields, moment[0], layout))
    if len(kinds) != 1:
        raise Unreadable("no rows" if not kinds else "dates and seconds from the start are mixed")
    file.relative = kinds.pop()
    stamps = sorted({row.at for row in file.rows})
    if not file.single and len(stamps) > 1:
        file.step_h = statistics.median(b - a for a, b in pairwise(stamps)) / HOUR_US
    return file


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of columns; None where there is none."""

    timestamp: int
    requests: int | None
    prompt: int | None
    completion: int | None
    covered: int | None
    arrival_cv: int | None
    means: bool
    wanted: tuple[int, ...]


def _layout(header: list[str], trace: Trace, wanted: Sequence[str]) -> Layout:
    at = {kind: _column(header, kind, getattr(trace, f"{kind}_column", None)) for kind in USUAL}
    if at["timestamp"] is None:
        raise Unreadable("no column of times")
    counted = at["requests"] is not None
    names = [header[p].lower() for p in (at["prompt_tokens"], at["completion_tokens"]) if p is not None]
    means = bool(names) and all("".join(filter(str.isalnum, name)).endswith("mean") for name in names)
    if trace.tokens_are is not None:
        means = trace.tokens_are == "means"
    return Layout(
        at["timestamp"],
        at["requests"],
        at["prompt_tokens"],
        at["completion_tokens"],
        at["requests_with_lengths"] if counted and not means else None,
        at["arrival_cv"] if counted else None,
        counted and means,
        tuple(_column(header, "", name) or 0 for name in wanted),
    )


def _column(header: list[str], kind: str, name: str | None) -> int | None:
    if name is not None:
        if name not in header:
            raise Unreadable(f"no column {name}")
        return header.index(name)
    simple = ["".join(filter(str.isalnum, title.lower())) for title in header]
    for usual in USUAL[kind]:
        wanted = "".join(filter(str.isalnum, usual.lower()))
        if wanted in simple:
            return simple.index(wanted)
    return None


def _row(fields: list[str], at: int, layout: Layout) -> TraceRow:
    prompt, completion = _number(fields, layout.prompt), _number(fields, layout.completion)
    covered = 0.0 if prompt is None and completion is None else 1.0
    texts = tuple(fields[p].strip() for p in layout.wanted)
    if layout.requests is None:
        return TraceRow(at, 1.0, prompt, completion, covered, None, texts)
    requests = _number(fields, layout.requests)
    if requests is None:
        raise Unreadable("a count of requests is empty")
    covered *= requests
    if layout.covered is not None and covered > 0:
        covered = _number(fields, layout.covered) or 0.0
    if layout.means:
        prompt = None if prompt is None else prompt * requests
        completion = None if completion is None else completion * requests
    return TraceRow(at, requests, prompt, completion, covered, _number(fields, layout.arrival_cv), texts)


def _number(fields: list[str], position: int | None) -> float | None:
    if position is None:
        return None
    text = fields[position]
    if not text or text.isspace():
        return None
    value = float(text)
    if not 0 <= value < math.inf:
        raise Unreadable(f"{text} is not a count")
    return value


def _moment(text: str, zone: ZoneInfo) -> tuple[int, bool]:
    """µs, and whether they count from the start of the horizon."""
    if "-" in text[1:] and ":" in text:  # a date and time, the usual case
        return _since_1970(text, zone), False
    try:
        value = float(text)
    except ValueError:
        return _since_1970(text, zone), False
    size = abs(value)
    if not math.isfinite(value):
        raise Unreadable(f"{text} is not a time")
    if size < 1e8:
        return round(value * 1e6), True
    return round(value * (1e6 if size < 1e11 else 1e3 if size < 1e14 else 1.0)), False


def _since_1970(text: str, zone: ZoneInfo) -> int:
    moment = datetime.fromisoformat(text.strip())
    since = (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)) - EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
