"""The forms in which logs of requests come: CSV with commas, tabs or semicolons, and JSON lines.

Rows come in blocks, each row a list of texts in the order of the header, beside the lines on which they begin. A value
of a JSON object that is a list or an object is its JSON text.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TextIO

from router.errors import InputError, Issue

BLOCK = 20_000  # rows parsed at once

type Block = tuple[list[list[str]], list[int]]


class TraceSource(NamedTuple):
    """The header of a file, and its rows."""

    header: list[str]
    blocks: Iterator[Block]


def csv_source(text: TextIO, file: str, delimiter: str = ",") -> TraceSource:
    """A table with a header. Raises InputError."""
    reader = csv.reader(text, delimiter=delimiter)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise _not_csv(error, file, reader.line_num) from None
    if not any(header):
        raise InputError(Issue((), "is empty", file=file))

    def blocks() -> Iterator[Block]:
        while True:
            before = reader.line_num
            try:
                rows = list(islice(reader, BLOCK))
            except csv.Error as error:
                raise _not_csv(error, file, reader.line_num) from None
            if not rows:
                return
            yield rows, _lines(before, rows, reader.line_num)

    return TraceSource(header, blocks())


def any_source(text: TextIO, file: str) -> TraceSource:
    """By its first line: JSON lines, or a table with tabs, semicolons or commas. Raises InputError."""
    first = text.readline()
    text.seek(0)
    if first.lstrip().startswith("{"):
        return _json_source(text, file)
    delimiter = max(",\t;", key=first.count)
    return csv_source(text, file, delimiter)


def _json_source(text: TextIO, file: str) -> TraceSource:
    objects = _objects(text, file)
    first = list(islice(objects, BLOCK))
    header = list(dict.fromkeys(key for _, values in first for key in values))

    def blocks() -> Iterator[Block]:
        block = first
        while block:
            yield [[_text(values.get(key)) for key in header] for _, values in block], [at for at, _ in block]
            block = list(islice(objects, BLOCK))

    return TraceSource(header, blocks())


def _objects(text: TextIO, file: str) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(Issue((), f"is not JSON lines: {error}", file=file, line=number)) from None
        if not isinstance(value, dict):
            raise InputError(Issue((), "must be a JSON object", line.strip(), file=file, line=number))
        yield number, value


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _not_csv(error: csv.Error, file: str, line: int) -> InputError:
    return InputError(Issue((), f"is not CSV: {error}", file=file, line=line))


def _lines(before: int, rows: list[list[str]], last: int) -> list[int]:
    """The line on which each row starts; fields with line ends in them are rare, and looked for only then."""
    if last == before + len(rows):
        return list(range(before + 1, last + 1))
    lines, line = [], before + 1
    for row in rows:
        lines.append(line)
        line += 1 + sum(text.count("\n") for text in row)
    return lines
