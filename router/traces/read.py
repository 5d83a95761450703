"""A trace file as arrays: streamed in blocks, fast where all is well, and exact about the line where it is not."""

from __future__ import annotations

import gzip
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path as FilePath
from typing import TextIO
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from router.errors import InputError, Issue
from router.schema.base import FIRST_YEAR, LAST_YEAR
from router.schema.numbers import LARGEST
from router.schema.regular import check_regular
from router.traces.columns import ColumnNames, ColumnPositions, columns_of, is_mooncake, position_of
from router.traces.forms import Block, any_source, csv_source
from router.traces.prefixes import cached_tokens
from router.traces.table import US, Floats, Labels, TraceTable
from router.traces.times import read_us, utc_us

UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6}  # of plain numbers, in a second
MS_FROM = 1e5  # whole numbers up to here are a day in seconds, or minutes in milliseconds
FAILED = re.compile(r"fail|err|timeout|cancel|abort|reject|[45]\d\d\b|false$", re.IGNORECASE)
MAX_ROWS = 10_000_000  # of a file: some 3.5 GB at their peak (docs/limits.md)
SHORTEST_ROW, CHUNK = 2, 1 << 20  # bytes
SHOWN = 10  # wrong rows listed before reading stops
YEARS = f"must be in the years {FIRST_YEAR} to {LAST_YEAR}"
LAST_US = datetime(LAST_YEAR, 12, 31, tzinfo=UTC).timestamp() * US
EPOCH_S, EPOCH_MS, EPOCH_US = 1e8, 1e11, 1e14  # from here on a plain number is an epoch, in s, ms, µs


@dataclass(frozen=True, slots=True)
class LogForm:
    """What a log may be beside a CSV file with commas; unit: of times that are plain numbers, s, ms or us."""

    unit: str | None = None


def read_table(
    path: FilePath,
    named: ColumnNames,
    zone: str,
    labels: Sequence[str] = (),
    shown: str | None = None,
    log: LogForm | None = None,
) -> TraceTable:
    """The rows of a CSV or CSV.gz file, or of a log in any form; `zone` is that of timestamps without offset.

    Raises InputError with file and line for everything that is not as it should be.
    """
    file = shown or str(path)
    check_regular(path, file)
    try:
        state = path.stat()
        _check_rows(path, state.st_size, file)
        return _read(path, state.st_mtime_ns, state.st_size, named, zone, tuple(labels), file, log)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise InputError(Issue((), f"cannot be read: {error}", file=file)) from None
    except UnicodeDecodeError:
        raise InputError(Issue((), "is not UTF-8 text", file=file)) from None


@lru_cache(maxsize=4)  # a hundred workloads of one file read it once
def _read(
    path: FilePath,
    mtime_ns: int,
    size: int,
    named: ColumnNames,
    zone: str,
    labels: tuple[str, ...],
    file: str,
    log: LogForm | None,
) -> TraceTable:
    with open_text(path) as text:
        header, blocks = csv_source(text, file) if log is None else any_source(text, file)
        columns = columns_of(header, named, file, log is not None)
        builder = _Builder(
            file,
            columns,
            ZoneInfo(zone),
            {name: position_of(columns.header, name, file) for name in labels},
            unit=log.unit if log else None,
        )
        read = list(blocks) if is_mooncake(columns) and builder.unit is None else blocks
        if isinstance(read, list) and _in_thousands(read, columns):
            name = columns.header[columns.timestamp]
            sentence = f"{name} is taken as milliseconds because the columns are Mooncake's"
            if log is None:
                hint = "router import trace FILE reads it; where they are seconds, call the columns otherwise"
                rule = "looks like milliseconds: the columns are Mooncake's"
                raise InputError(Issue((name,), rule, hint=hint, file=file))
            builder.unit, builder.remarks = "ms", [sentence]
        for rows, lines in read:
            builder.add(rows, lines)
    return builder.table()


def _in_thousands(blocks: Sequence[Block], columns: ColumnPositions) -> bool:
    """Whether times are whole numbers that rise by thousands, or the prompts have hashes as Mooncake's do."""
    try:
        times = [float(row[columns.timestamp]) for rows, _ in blocks for row in rows if row]
    except (ValueError, IndexError):
        return False
    whole = bool(times) and all(time.is_integer() for time in times)
    most = max(times, default=0.0)
    thousands = most >= 1000 and all(time % 1000 == 0 for time in times)
    return whole and min(times) < EPOCH_S and ("hash_ids" in columns.header or thousands or most >= MS_FROM)


def _failed(status: str) -> bool:
    """Whether a status is one of a request that got no answer: `failure`, `error`, 429, 503."""
    return FAILED.match(status.strip()) is not None


def _check_rows(path: FilePath, size: int, file: str) -> None:
    """Counts the lines of a file that could have too many, a second for each hundred million: no row is parsed yet.

    Raises InputError.
    """
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    if not zipped and size <= MAX_ROWS * SHORTEST_ROW:
        return
    lines = 0
    with gzip.open(path, "rb") if zipped else path.open("rb") as content:
        while chunk := content.read(CHUNK):
            lines += chunk.count(b"\n")
            if lines > MAX_ROWS + 1:  # and the header
                rule = f"has more than {MAX_ROWS:,} rows, the most that is read"
                hint = "split it by time, or count its requests by period"
                raise InputError(Issue((), rule, file=file, line=MAX_ROWS + 2, hint=hint))


def open_text(path: FilePath) -> TextIO:
    """A plain or gzipped text, byte order mark and any line ends taken off; known by content, not by name."""
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    if zipped:
        return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


@dataclass
class _Builder:
    file: str
    columns: ColumnPositions
    zone: ZoneInfo
    labels: dict[str, int]
    relative: bool | None = None
    ambiguous: int = 0
    parts: list[tuple[Floats, ...]] = field(default_factory=list)
    codes: dict[str, list[npt.NDArray[np.int32]]] = field(default_factory=dict)
    values: dict[str, dict[str, int]] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    unit: str | None = None
    remarks: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)

    def add(self, rows: list[list[str]], lines: list[int]) -> None:
        """Parse a block; a row that is wrong ends the reading, with all wrong rows of its block."""
        width = len(self.columns.header)
        lines = [line for line, row in zip(lines, rows, strict=True) if row]  # empty lines are no rows
        rows = [row for row in rows if row]
        for line, row in zip(lines, rows, strict=True):
            if len(row) != width:
                rule = f"has {len(row)} fields where the header has {width}"
                self.issues.append(Issue((), rule, file=self.file, line=line))
        self._stop()
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        at = self._times(columns[self.columns.timestamp], lines)
        requests = self._numbers(self.columns.requests, columns, lines, needed=True)
        prompt = self._numbers(self.columns.prompt_tokens, columns, lines)
        completion = self._numbers(self.columns.completion_tokens, columns, lines)
        covered = self._numbers(self.columns.requests_with_lengths, columns, lines)
        arrival_cv = self._numbers(self.columns.arrival_cv, columns, lines)
        cached = self._numbers(self.columns.cached_tokens, columns, lines)
        for i in np.flatnonzero(cached > prompt)[:SHOWN]:
            rule = f"is more than the {prompt[i]:g} prompt tokens that it is part of"
            self._wrong(
                self.columns.header[self.columns.cached_tokens or 0], f"{cached[i]:g}", lines[i], rule
            )
        self._stop()
        if self.columns.requests is None:
            requests = np.ones(len(rows))
        status = None if self.columns.status is None else columns[self.columns.status]
        failed = np.array([_failed(text) for text in status], float) if status else np.zeros(len(rows))
        if self.columns.hash_ids is not None:
            self.hashes += columns[self.columns.hash_ids]
        at_line = np.array(lines, dtype=float)
        self.parts.append((at, requests, prompt, completion, covered, arrival_cv, at_line, cached, failed))
        for name, position in self.labels.items():
            known = self.values.setdefault(name, {})
            codes = [known.setdefault(text.strip(), len(known)) for text in columns[position]]
            self.codes.setdefault(name, []).append(np.array(codes, dtype=np.int32))

    def table(self) -> TraceTable:
        if not self.parts:
            raise InputError(Issue((), "has a header and no rows", file=self.file))
        at, requests, prompt, completion, covered, arrival_cv, lines, cached, failed = (
            np.concatenate(column) for column in zip(*self.parts, strict=True)
        )
        if self.hashes and self.columns.cached_tokens is None and self.columns.requests is None:
            cached, block = cached_tokens(self.hashes, at, prompt, [int(line) for line in lines], self.file)
            self.remarks.append(
                f"cached share from hash_ids, blocks of {block} tokens, as of a cache that forgets nothing: the most"
            )
        recorded = ~(np.isnan(prompt) & np.isnan(completion))
        with_lengths = np.where(
            recorded, requests if self.columns.requests_with_lengths is None else covered, 0.0
        )
        if self.columns.means:
            prompt, completion, cached = prompt * requests, completion * requests, cached * requests
        return TraceTable(
            file=self.file,
            columns=self.columns,
            relative=bool(self.relative),
            at_us=at,
            requests=requests,
            prompt=prompt,
            completion=completion,
            with_lengths=np.nan_to_num(with_lengths),
            arrival_cv=arrival_cv,
            lines=lines,
            cached=cached,
            failed=failed,
            labels={
                name: Labels(np.concatenate(self.codes[name]), tuple(self.values[name]))
                for name in self.labels
            },
            ambiguous=self.ambiguous,
            remarks=tuple(self.remarks),
        )

    def _numbers(
        self, position: int | None, columns: list[tuple[str, ...]], lines: list[int], *, needed: bool = False
    ) -> Floats:
        """A column of counts; empty cells are NaN unless needed."""
        if position is None:
            return np.full(len(lines), np.nan)
        texts = columns[position]
        try:
            numbers = np.array(list(map(float, texts)), dtype=np.float64)
            if ((numbers >= 0) & (numbers <= LARGEST)).all():
                return numbers
        except ValueError:
            pass
        name = self.columns.header[position]
        return np.array(
            [self._number(text, name, line, needed) for text, line in zip(texts, lines, strict=True)]
        )

    def _number(self, text: str, name: str, line: int, needed: bool) -> float:
        rule = "must be a number"
        if not text.strip():
            if not needed:
                return math.nan
            rule = "must not be empty; leave the row out, and say with gaps what that means"
        else:
            try:
                number = float(text)
                if 0 <= number <= LARGEST:
                    return number
                if math.isfinite(number):
                    rule = "must be at least 0" if number < 0 else f"must be at most {LARGEST:g}"
                else:
                    rule = "must be a finite number"
            except ValueError:
                pass
        self._wrong(name, text, line, rule)
        return math.nan

    def _times(self, texts: tuple[str, ...], lines: list[int]) -> Floats:
        """µs of a block's timestamps."""
        try:
            return self._plain_numbers(np.array(list(map(float, texts)), dtype=np.float64), texts, lines)
        except ValueError:
            pass
        local = None if self.relative else read_us(texts)
        if local is not None:
            self.relative = False
            at_us, ambiguous = utc_us(local, self.zone)
            self.ambiguous += ambiguous
            return at_us
        return np.rint(np.array(list(map(self._time, texts, lines))) * US)

    def _plain_numbers(self, numbers: Floats, texts: tuple[str, ...], lines: list[int]) -> Floats:
        if self.unit is not None:
            numbers = numbers / UNITS[self.unit]
        size = np.abs(numbers)
        relative = size < EPOCH_S
        if self.relative is None:
            self.relative = bool(relative[0])
        for i in np.flatnonzero((relative != self.relative) | ~np.isfinite(numbers))[:SHOWN]:
            self._wrong_time(texts[i], lines[i])
        self._stop()
        scale = np.select([size < EPOCH_MS, size < EPOCH_US], [US, 1e3], 1.0) if self.unit is None else US
        at_us: Floats = np.rint(numbers * scale)
        for i in np.flatnonzero(np.abs(at_us) > LAST_US)[:SHOWN]:
            self._wrong(self.columns.header[self.columns.timestamp], texts[i], lines[i], YEARS)
        return at_us

    def _time(self, text: str, line: int) -> float:
        """Seconds of one timestamp in a block that has dates, or something else, in it."""
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            try:
                number = float(text)
            except ValueError:
                self._wrong_time(text, line)
                return math.nan
            return float(self._plain_numbers(np.array([number]), (text,), [line])[0]) / US
        if self.relative is None:
            self.relative = False
        if self.relative:
            self._wrong_time(text, line)
            return math.nan
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            self._wrong(self.columns.header[self.columns.timestamp], text, line, YEARS)
            return math.nan
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
            # shown twice, or skipped by the clocks
            if moment.utcoffset() != moment.replace(fold=1).utcoffset():
                self.ambiguous += 1
        try:
            return moment.timestamp()
        except (OverflowError, ValueError):
            self._wrong_time(text, line)
            return math.nan

    def _wrong_time(self, text: str, line: int) -> None:
        if self.relative is None:
            rule = "must be a time like 2026-12-01T06:00:00, an epoch, or seconds from the start"
        else:
            kind = "seconds from the start" if self.relative else "a date and time"
            rule = f"must be {kind}, as in the rows before"
        self._wrong(self.columns.header[self.columns.timestamp], text, line, rule)

    def _wrong(self, name: str, text: str, line: int, rule: str) -> None:
        if len(self.issues) < SHOWN:
            self.issues.append(Issue((name,), rule, text, file=self.file, line=line))

    def _stop(self) -> None:
        if self.issues:
            raise InputError(sorted(self.issues[:SHOWN], key=lambda issue: issue.line or 0))
