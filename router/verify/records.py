"""A trace file, row by row: times, requests and tokens as the file states them."""

from __future__ import annotations

import csv
import gzip
import math
import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from router.schema import Trace
from router.schema.trace_columns import USUAL

HOUR_US = 3_600_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unreadable(Exception):
    """A record that says nothing definite; the text is what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A request, or a period of them. at: µs since 1970, or since the start of the horizon."""

    at: int
    relative: bool
    requests: float
    prompt: float | None
    completion: float | None
    covered: float
    arrival_cv: float | None
    fields: dict[str, str]


@dataclass(slots=True)
class File:
    """A trace file as read for one choice of columns."""

    rows: list[Row] = field(default_factory=list)
    single: bool = True
    step_h: float | None = None
    slots: set[int] = field(default_factory=set)


def read_file(path: Path, trace: Trace, zone: ZoneInfo) -> File:
    file = File()
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if zipped
        else path.open(encoding="utf-8-sig", newline="")
    ) as text:
        reader = csv.reader(text)
        header = [name.strip() for name in next(reader)]
        at = {kind: _column(header, kind, getattr(trace, f"{kind}_column", None)) for kind in USUAL}
        if at["timestamp"] is None:
            raise Unreadable("no column of times")
        file.single = at["requests"] is None
        for fields in reader:
            if fields:
                file.rows.append(_row(header, fields, at, trace, zone))
    if len({row.relative for row in file.rows}) > 1:
        raise Unreadable("dates and seconds from the start are mixed")
    if not file.rows:
        raise Unreadable("no rows")
    stamps = sorted({row.at for row in file.rows})
    if not file.single and len(stamps) > 1:
        file.step_h = statistics.median(b - a for a, b in pairwise(stamps)) / HOUR_US
    return file


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


def _row(
    header: list[str], fields: list[str], at: dict[str, int | None], trace: Trace, zone: ZoneInfo
) -> Row:
    if len(fields) != len(header):
        raise Unreadable(f"{len(fields)} fields under {len(header)} names")

    def number(kind: str) -> float | None:
        position = at[kind]
        if position is None or not fields[position].strip():
            return None
        value = float(fields[position])
        if not (math.isfinite(value) and value >= 0):
            raise Unreadable(f"{kind} is {fields[position]}")
        return value

    requests, prompt, completion = 1.0, number("prompt_tokens"), number("completion_tokens")
    covered, arrival_cv = 0.0 if prompt is None and completion is None else 1.0, None
    if at["requests"] is not None:
        counted = number("requests")
        if counted is None:
            raise Unreadable("a count of requests is empty")
        requests, covered, arrival_cv = counted, covered * counted, number("arrival_cv")
        if _means(header, at, trace):
            prompt = None if prompt is None else prompt * requests
            completion = None if completion is None else completion * requests
        elif at["requests_with_lengths"] is not None and covered > 0:
            covered = number("requests_with_lengths") or 0.0
    moment, relative = _moment(fields[at["timestamp"] or 0].strip(), zone)
    named = {name: text.strip() for name, text in zip(header, fields, strict=True)}
    return Row(moment, relative, requests, prompt, completion, covered, arrival_cv, named)


def _means(header: list[str], at: dict[str, int | None], trace: Trace) -> bool:
    if trace.tokens_are is not None:
        return trace.tokens_are == "means"
    names = [header[p].lower() for p in (at["prompt_tokens"], at["completion_tokens"]) if p is not None]
    return bool(names) and all("".join(filter(str.isalnum, name)).endswith("mean") for name in names)


def _moment(text: str, zone: ZoneInfo) -> tuple[int, bool]:
    """µs, and whether they count from the start of the horizon."""
    try:
        value = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
        return (aware - EPOCH) // timedelta(microseconds=1), False
    size = abs(value)
    if not math.isfinite(value):
        raise Unreadable(f"{text} is no time")
    if size < 1e8:
        return round(value * 1e6), True
    return round(value * (1e6 if size < 1e11 else 1e3 if size < 1e14 else 1.0)), False
