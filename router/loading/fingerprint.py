"""Hash of what a problem says, for run keys and plans.

Independent of the order of workloads, offers, groups, scenarios and keys, of comments, of how numbers
are written, of which file an offer stands in, and of defaults written out. Traces count by content.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zoneinfo
from pathlib import Path as FilePath

from pydantic import BaseModel

from router.schema import Problem, Trace

_NOT_CONTENT = frozenset(("include", "use_offers"))  # merged already
_UNORDERED = frozenset(
    (
        "workloads",
        "offers",
        "groups",
        "scenarios",
        "points",
        "models",
        "regions",
        "allow_offers",
        "deny_offers",
        "pins",
    )
)

_Json = str | float | bool | None | list["_Json"] | dict[str, "_Json"]


def problem_sha256(problem: Problem) -> str:
    """SHA-256, in hex, of the problem's canonical JSON. Raises OSError where a trace cannot be read."""
    content = _canonical(problem, "", problem)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def trace_path(problem: Problem, trace: Trace) -> FilePath:
    """Where a trace's file is: relative to the problem file, else to the current directory."""
    return FilePath(problem.positions.file or "").parent / trace.file


def _canonical(value: object, field: str, problem: Problem) -> _Json:
    if isinstance(value, BaseModel):
        fields = (name for name in type(value).model_fields if name not in _NOT_CONTENT)
        entry = {name: _canonical(getattr(value, name), name, problem) for name in fields}
        if isinstance(value, Trace):
            entry["file"] = _content(trace_path(problem, value), value.file)
        return entry
    if isinstance(value, dict):
        return {key: _canonical(one, "", problem) for key, one in value.items()}
    if isinstance(value, list | tuple):
        items = [_canonical(one, "", problem) for one in value]
        return sorted(items, key=_text) if field in _UNORDERED else items
    if isinstance(value, dt.datetime):
        zone = zoneinfo.ZoneInfo(problem.horizon.timezone)
        local = value if value.tzinfo else value.replace(tzinfo=zone)
        return local.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"no canonical form of {type(value).__name__}")


def _text(value: _Json) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _content(path: FilePath, name: str) -> str:
    """Hash of a file's bytes; its name where it is not there."""
    if not path.is_file():
        return name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
