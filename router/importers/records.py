"""Rows of CSV files as records that know their line, and times as people's systems write them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from pathlib import Path as FilePath

from router.errors import InputError, Issue
from router.importers.performance.run import RESULT, RawRecord, json_records, read_text

__all__ = [
    "RawRecord",
    "count",
    "csv_records",
    "inner",
    "is_table",
    "json_records",
    "moment",
    "needed",
    "read_text",
]

EARLIEST, LATEST = 3.15e8, 7.258e9  # a time out of these is some other number
NOTHING = ("NULL", "null", "\\N")  # how databases write an empty cell
MILLISECONDS_FROM = 1e11  # an epoch above this (year 5138 in seconds) is in milliseconds


def needed(record: RawRecord, name: str) -> float:
    """A count that must be there, 0 allowed: a column that is missing is not one of zeros."""
    if record.get(name) in (None, ""):
        raise record.error((name,), "is missing", record.get(name))
    return count(record, name)


def count(record: RawRecord, *path: str) -> float:
    """How many of something; absent is 0. What is below 0, or not a finite number, cannot be: raises InputError."""
    value = record.get(*path)
    number = record.number(*path)
    if (number is None and value not in (None, "")) or (number is not None and number < 0):
        raise record.error(path, "cannot be: it counts something", value)
    return number or 0.0


def inner(record: RawRecord, value: object, place: str) -> RawRecord:
    """An object in a list of a record, as a record of its own. Raises InputError where it is none."""
    at = f"{record.file}.{place}" if RESULT in record.file else f"{record.file}{RESULT}{place}"
    inside = RawRecord(value if isinstance(value, dict) else {}, at, record.line)
    if not isinstance(value, dict):
        raise inside.error((), "must be a JSON object", value)
    return inside


def is_table(path: FilePath) -> bool:
    """Whether a file is a table by its name: .csv, .tsv, gzipped or not."""
    return path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))


def csv_records(path: FilePath) -> list[RawRecord]:
    """The rows of a CSV file with a heading, parted by commas, semicolons or tabs. Raises InputError."""
    text = read_text(path)
    if text.startswith("sep="):  # a line that Excel writes first
        text = text.partition("\n")[2]
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max("\t;,", key=first.count))
    found = []
    try:
        if not reader.fieldnames:
            raise InputError(Issue((), "is empty", file=str(path)))
        for row in reader:
            if None in row or None in row.values():
                rule = f"has not the {len(reader.fieldnames)} columns of the heading"
                raise InputError(Issue((), rule, file=str(path), line=reader.line_num))
            values = {name: "" if value in NOTHING else value for name, value in row.items()}
            found.append(RawRecord(values, str(path), reader.line_num))
    except csv.Error as error:
        raise InputError(
            Issue((), f"is not valid CSV: {error}", file=str(path), line=reader.line_num)
        ) from None
    return found


def moment(record: RawRecord, *path: str) -> float:
    """A time as seconds since 1970: ISO 8601 (UTC without an offset), a date, or an epoch in s or ms."""
    value = record.get(*path)
    if value is None or value == "" or isinstance(value, bool):
        raise record.error(path, "is missing", value)
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        number = _from_text(record, path, str(value))
    seconds = number / 1000 if abs(number) > MILLISECONDS_FROM else number
    if not EARLIEST <= seconds <= LATEST:
        raise record.error(path, "must be a time between 1980 and 2200", value)
    return seconds


def _from_text(record: RawRecord, path: tuple[str, ...], text: str) -> float:
    try:
        parsed = dt.datetime.fromisoformat(text.strip().removesuffix(" UTC"))
    except ValueError:
        raise record.error(path, "must be a time like 2026-12-01T06:00:00Z", text) from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)).timestamp()
