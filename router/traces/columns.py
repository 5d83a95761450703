"""Which column of a trace is which: named by the user, else found by the names that logs and datasets use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from router.errors import InputError, Issue, nearest
from router.schema.trace_columns import USUAL

NAME = re.compile(r"[^\W\d][\w.\-/%]{0,39}(?: [\w().\-/%]{1,20}){0,2}")
"""What names of columns look like, and a line of another file does not."""


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The columns a user names; None: find it."""

    timestamp: str | None = None
    prompt_tokens: str | None = None
    completion_tokens: str | None = None
    requests: str | None = None
    requests_with_lengths: str | None = None
    tokens_are: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnPositions:
    """Positions of the columns in a row; None where there is none.

    requests None: one row a request. means: a period's tokens are means per request, not totals. Cached tokens, hashes
    of prefixes and the status of a request are looked for in logs alone.
    """

    header: tuple[str, ...]
    timestamp: int
    prompt_tokens: int | None
    completion_tokens: int | None
    requests: int | None
    requests_with_lengths: int | None
    arrival_cv: int | None
    means: bool
    cached_tokens: int | None = None
    hash_ids: int | None = None
    status: int | None = None

    def describe(self) -> str:
        """For notes: `TIMESTAMP, ContextTokens, GeneratedTokens`."""
        used = (
            self.timestamp,
            self.requests,
            self.requests_with_lengths,
            self.prompt_tokens,
            self.completion_tokens,
            self.cached_tokens,
            self.hash_ids,
            self.status,
        )
        return ", ".join(self.header[i] for i in used if i is not None)


def columns_of(header: Sequence[str], named: ColumnNames, file: str, log: bool = False) -> ColumnPositions:
    """Positions of all columns; `log`: also of those that only an importer reads.

    Raises InputError for one that is named and not there, or no time at all.
    """
    header = tuple(name.strip() for name in header)
    repeated = sorted({name for name in shown(header) if header.count(name) > 1})
    if repeated:
        raise InputError(Issue((), f"column {repeated[0]} stands in the header twice", file=file, line=1))

    def find(kind: str) -> int | None:
        name = getattr(named, kind, None)
        return _usual(header, kind) if name is None else position_of(header, name, file)

    timestamp = find("timestamp")
    if timestamp is None:
        hint = "the first line names the columns, separated by commas"
        if shown(header):
            hint = f"name it with timestamp_column; the file has {', '.join(header)}"
        raise InputError(Issue((), "no column looks like a time", file=file, line=1, hint=hint))
    prompt, completion = find("prompt_tokens"), find("completion_tokens")
    requests = find("requests")
    means = named.tokens_are == "means"
    if named.tokens_are is None and requests is not None:
        endings = [_plain(header[i]).endswith("mean") for i in (prompt, completion) if i is not None]
        means = bool(endings) and all(endings)
    return ColumnPositions(
        header=header,
        timestamp=timestamp,
        prompt_tokens=prompt,
        completion_tokens=completion,
        requests=requests,
        requests_with_lengths=find("requests_with_lengths") if requests is not None and not means else None,
        arrival_cv=find("arrival_cv") if requests is not None else None,
        means=means,
        **{kind: find(kind) for kind in (("cached_tokens", "hash_ids", "status") if log else ())},
    )


def shown(header: Sequence[str]) -> Sequence[str]:
    """The names of columns, for a message; none where the line is not one of names: the file may be anything."""
    return header if len(header) > 1 and all(NAME.fullmatch(name) for name in header if name) else ()


def is_mooncake(columns: ColumnPositions) -> bool:
    """Whether these are the columns of Mooncake's traces, whose times are milliseconds from the start."""
    names = {name.lower() for name in columns.header}
    return {"timestamp", "input_length", "output_length"} <= names and "chat_id" not in names


def position_of(header: Sequence[str], name: str, file: str) -> int:
    """The column of a name that the user gives. Raises InputError."""
    if name in header:
        return list(header).index(name)
    raise InputError(Issue((), "no such column", name, nearest(name, shown(header)), file=file, line=1))


def _usual(header: Sequence[str], kind: str) -> int | None:
    plain = [_plain(name) for name in header]
    for name in USUAL[kind]:
        if _plain(name) in plain:
            return plain.index(_plain(name))
    return None


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
