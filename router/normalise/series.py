"""Figures of an offer from a CSV file: each row holds until the next one."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

from problems.core.arrays import Floats
from problems.core.stretches import AT_ONCE
from router.errors import InputError, Issue, Path, nearest
from router.loading.catalogue import input_issue
from router.loading.fingerprint import series_path
from router.schema import Problem, Series
from router.schema.clock import Clock
from router.traces.columns import shown
from router.traces.read import EPOCH_MS, EPOCH_S, open_text

OLDEST_H = 24.0  # a row older than this leaves a gap


@dataclass(frozen=True, eq=False, repr=False)
class SeriesRows:
    """What a series says, in order of time."""

    series: Series
    at: Path
    at_h: Floats  # (n,) hours from the start of the horizon
    values: Mapping[str, Floats]  # (n,) by field

    def check(self, problem: Problem, spans: Sequence[tuple[float, float]], clock: Clock) -> None:
        """Raises InputError for the first hours of the spans in which no row holds, unless `gaps: previous`."""
        if self.series.gaps == "previous":
            return
        for begin, end in spans:
            before = self.at_h[self.at_h <= begin + AT_ONCE]
            inside = self.at_h[(self.at_h > begin + AT_ONCE) & (self.at_h < end - AT_ONCE)]
            held_until = [
                float(before[-1]) + OLDEST_H if len(before) else begin,
                *(inside + OLDEST_H).tolist(),
            ]
            for low, high in zip(held_until, [*inside.tolist(), end], strict=True):
                if high > low + AT_ONCE:
                    self._missing(problem, max(low, begin), high, clock)

    def _missing(self, problem: Problem, from_h: float, to_h: float, clock: Clock) -> None:
        low, high = (clock.local(hour).isoformat(" ", "minutes") for hour in (from_h, to_h))
        rule = f"{self.series.file} has no row that holds from {low} to {high}"
        hint = "a row holds for 24 h at most; with gaps: previous it holds until the next one"
        raise InputError(input_issue(problem, (*self.at, "gaps"), None, rule, hint))


def series_rows(problem: Problem, of: tuple[int, int], clock: Clock, to_h: float) -> SeriesRows:
    """The rows of a rule's series up to an hour; `of`: offer and rule. Raises InputError with file and line."""
    o, r = of
    series = problem.sellers[o].schedule[r].series
    assert series is not None  # the caller has looked
    path = series_path(problem, series)
    rows: dict[float, tuple[int, tuple[float, ...]]] = {}
    for line, moment, values in _read(path, series, clock):
        at = clock.hour(moment)
        if at in rows and rows[at][1] != values:
            rule = f"says of {moment.isoformat(' ')} what line {rows[at][0]} does not"
            raise _wrong(series.file, line, rule, "a filter chooses the rows: {column: value}")
        if at < to_h:
            rows[at] = (line, values)
    order = sorted(rows)
    table = np.array([rows[at][1] for at in order], dtype=float).reshape(len(order), len(series.columns))
    by_field = {field: table[:, i] for i, field in enumerate(series.columns)}
    at_series: Path = (*problem.seller_path(o), "schedule", r, "series")
    return SeriesRows(series, at_series, np.array(order, dtype=float), by_field)


def _read(
    path: FilePath, series: Series, clock: Clock
) -> Iterator[tuple[int, dt.datetime, tuple[float, ...]]]:
    """Line, moment and figures of the rows that the filter lets through."""
    try:
        with open_text(path) as text:
            reader = csv.reader(text)
            header = [name.strip() for name in next(reader, [])]
            named = {"timestamp_column": series.timestamp_column}
            named |= {f"{field}_column": column for field, column in series.columns.items()}
            for field, column in (
                *named.items(),
                *((f"filter.{name}", name) for name in series.filter or {}),
            ):
                if column not in header:
                    raise _wrong(
                        series.file, 1, f"has no column {column!r} ({field})", nearest(column, shown(header))
                    )
            time_at, figures = header.index(series.timestamp_column), list(series.columns.items())
            chosen = [(header.index(name), values) for name, values in (series.filter or {}).items()]
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    rule = f"has {len(row)} fields where the header has {len(header)}"
                    raise _wrong(series.file, reader.line_num, rule)
                if all(row[i].strip() in values for i, values in chosen):
                    moment = _moment(row[time_at].strip(), series.file, reader.line_num)
                    yield (
                        reader.line_num,
                        moment,
                        tuple(
                            _figure(row[header.index(column)], field, series.file, reader.line_num)
                            for field, column in figures
                        ),
                    )
    except (OSError, EOFError, UnicodeDecodeError, gzip.BadGzipFile, csv.Error) as error:
        raise _wrong(series.file, None, f"cannot be read: {error}") from None


def _moment(text: str, file: str, line: int) -> dt.datetime:
    try:
        value = float(text)
    except ValueError:
        try:
            return dt.datetime.fromisoformat(text)
        except ValueError:
            raise _wrong(file, line, f"{text!r} is not a date and time") from None
    if not EPOCH_S <= value < 1e3 * EPOCH_MS:
        raise _wrong(file, line, f"{text} is not a time: an epoch in s or ms, or ISO 8601")
    return dt.datetime.fromtimestamp(value / (1e3 if value >= EPOCH_MS else 1.0), dt.UTC)


def _figure(text: str, field: str, file: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise _wrong(file, line, f"{text!r} is not a figure of {field}")
    if field == "availability" and value > 1:
        raise _wrong(file, line, f"an availability of {text} is more than 1, it is a share")
    return value


def _wrong(file: str, line: int | None, rule: str, hint: str | None = None) -> InputError:
    return InputError(Issue((), rule, hint=hint, file=file, line=line))
