"""Hash of what a problem says, for run keys and plans.

    version 2   what differs from its default: a field that a later release adds changes no hash while it is not used
    version 1   all fields that release 0.1.0 knew, defaults written out: its plans and stores carry this one

Both are independent of the order of workloads, offers, groups, scenarios and keys, of comments, of how numbers are
written, of which file an offer stands in, and of defaults written out. Traces count by content.

A default is part of what a file means: one that changes, or a required field that gets one, is a new version of the
schema. `release_0_1_0.json` lists the fields and defaults of version 1; it is never changed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
import weakref
import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path as FilePath
from typing import TypedDict

from pydantic import BaseModel

from router.schema import Problem, Series, Trace, Workload

_NOT_CONTENT = frozenset(("include", "use_offers"))  # merged already
_UNORDERED = frozenset(
    (
        "workloads",
        "recipes",
        "offers",
        "commitments",
        "groups",
        "quotas",
        "network",
        "hosts",
        "scenarios",
        "points",
        "models",
        "regions",
        "allow_offers",
        "deny_offers",
        "pins",
        "days",
    )
)
_MEASURED = frozenset(
    ("arrival_cv", "service_cv")
)  # taken from a trace, if there is one, unless they are written

_Json = str | float | bool | None | list["_Json"] | dict[str, "_Json"]


class _Field(TypedDict, total=False):
    """A field of release 0.1.0: its default if it has one, and the record that its value is or holds."""

    default: _Json
    record: str
    list_of: str
    mapping_of: str
    unordered: bool


class _NotKnown(Exception):
    """The problem is not one that release 0.1.0 could have read."""


def problem_sha256(problem: Problem) -> str:
    """SHA-256, in hex, of what the problem says (version 2). Raises OSError where a trace cannot be read.

    Of the very problem that was asked for last it is not worked out again, unless files belong to it.
    """
    with _one_at_a_time:
        known = _last.get("known")
        if known is not None and known[0]() is problem:
            return known[1]
        _files.clear()
        sha256 = _sha256(_stated(problem, problem))
        if not _files:
            _last["known"] = (weakref.ref(problem), sha256)
        return sha256


def hashed_beside(problem: Problem) -> None:
    """Begin to work the hash out beside what follows; who asks for it meanwhile waits."""

    def hashed() -> None:
        with suppress(OSError):  # a trace that cannot be read: said where the hash is asked for
            problem_sha256(problem)

    threading.Thread(target=hashed, daemon=True).start()


_one_at_a_time = threading.Lock()
_last: dict[str, tuple[weakref.ref[Problem], str]] = {}
_files: dict[FilePath, str | None] = {}  # read for the last hash, and the hash of each; None: it is not there


def problem_sha256_v1(problem: Problem) -> str | None:
    """The hash as release 0.1.0 made it; None for a problem that it could not have read. Raises OSError."""
    with _one_at_a_time:
        _files.clear()
        return _sha256_v1(_stated(problem, problem))


def _sha256_v1(stated: dict[str, _Json]) -> str | None:
    try:
        return _sha256(_written_out(stated, "Problem"))
    except _NotKnown:
        return None


def matches(problem: Problem, sha256: str | None) -> bool:
    """Whether a hash, of either version, is that of the problem. Raises OSError."""
    if sha256 is None:
        return False
    return sha256 == problem_sha256(problem) or sha256 == problem_sha256_v1(problem)


def trace_path(problem: Problem, trace: Trace) -> FilePath:
    """Where a trace's file is: relative to the problem file, else to the current directory."""
    return FilePath(problem.positions.file or "").parent / trace.file


def series_path(problem: Problem, series: Series) -> FilePath:
    """The same of a series, of an offer in an included file too."""
    return FilePath(problem.positions.file or "").parent / series.file


def _stated(record: BaseModel, problem: Problem | None) -> dict[str, _Json]:
    """The fields of a record that do not have their default."""
    defaults = _defaults(type(record))
    kept = _MEASURED if isinstance(record, Workload) and record.demand.trace is not None else frozenset()
    stated = {}
    for name in record.model_fields_set:
        if name in _NOT_CONTENT:
            continue
        # lists of the whole problem are put in order by `_sha256`
        value = _canonical(getattr(record, name), "" if record is problem else name, problem)
        if name not in defaults or name in kept or not _same(value, defaults[name]):
            stated[name] = value
    if isinstance(record, Trace) and problem is not None:
        stated["file"] = _content(trace_path(problem, record), record.file)
    if isinstance(record, Series) and problem is not None:
        stated["file"] = _content(series_path(problem, record), record.file)
    return stated


@cache
def _defaults(kind: type[BaseModel]) -> Mapping[str, _Json]:
    """Defaults of a kind of record, of the fields that have one; none of them is of a file."""
    fields = {name: field for name, field in kind.model_fields.items() if not field.is_required()}
    return {name: _canonical(field.default, name, None) for name, field in fields.items()}


def _canonical(value: object, field: str, problem: Problem | None) -> _Json:
    if value is None or isinstance(value, float | str | bool):  # most values by far
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, BaseModel):
        return _stated(value, problem)
    if isinstance(value, dict):
        return {key: _canonical(item, "", problem) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_canonical(item, "", problem) for item in value]
        return sorted(items, key=_text) if field in _UNORDERED and len(items) > 1 else items
    if isinstance(value, dt.datetime):
        assert problem is not None  # no default is a moment
        zone = zoneinfo.ZoneInfo(problem.horizon.timezone)
        local = value if value.tzinfo else value.replace(tzinfo=zone)
        return local.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(f"no canonical form of {type(value).__name__}")


def _written_out(stated: dict[str, _Json], record: str) -> dict[str, _Json]:
    """All fields of a record as release 0.1.0 knew it, defaults included. Raises _NotKnown."""
    fields = _release_0_1_0()[record]
    required = {name for name, field in fields.items() if "default" not in field}
    if not required <= stated.keys() <= fields.keys():
        raise _NotKnown
    return {
        name: _inner(stated[name] if name in stated else field["default"], field)
        for name, field in fields.items()
    }


def _inner(value: _Json, field: _Field) -> _Json:
    if isinstance(value, list) and "list_of" in field:
        value = [_inner(item, {"record": field["list_of"]}) for item in value]
    elif isinstance(value, dict) and "mapping_of" in field:
        return {key: _inner(item, {"record": field["mapping_of"]}) for key, item in value.items()}
    elif isinstance(value, dict) and "record" in field:
        return _written_out(value, field["record"])
    return sorted(value, key=_text) if isinstance(value, list) and "unordered" in field else value


@cache
def _release_0_1_0() -> Mapping[str, Mapping[str, _Field]]:
    """Fields by record."""
    text = FilePath(__file__).with_name("release_0_1_0.json").read_text(encoding="utf-8")
    records: Mapping[str, Mapping[str, _Field]] = json.loads(text)
    return records


def _sha256(content: dict[str, _Json]) -> str:
    """Of a record that is the whole problem, as JSON without a space."""
    parts = (f"{_encoded(name)}:{_listed(value, name)}" for name, value in sorted(content.items()))
    return hashlib.sha256(f"{{{','.join(parts)}}}".encode("utf-8", "surrogatepass")).hexdigest()


def _listed(value: _Json, field: str) -> str:
    """Compact JSON; what has no order, in that of its text. A space after each comma and colon would change none."""
    if isinstance(value, list) and field in _UNORDERED:
        return f"[{','.join(sorted(map(_encoded, value)))}]"
    return _encoded(value)


def _same(value: _Json, default: _Json) -> bool:
    """Python takes true for 1.0; JSON does not."""
    return value == default and _text(value) == _text(default)


def _text(value: _Json) -> str:
    return f'"{value}"' if type(value) is str and value.isalnum() and value.isascii() else _encoded(value)


_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def _content(path: FilePath, name: str) -> str:
    """Hash of a file's bytes; its name where it is not there."""
    if path not in _files:
        _files[path] = None
        if path.is_file():
            with path.open("rb") as file:
                _files[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return _files[path] or name
