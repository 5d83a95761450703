"""Fields of a problem by path: `workloads.chat.slo.ttft_p95_ms`; what a list holds is found by its name, or its place.

A name with a dot stands in quotes: `offers.acme.models."gpt-4.1".prompt_usd_per_m`. The form that errors about a file
use, `workloads[0].slo.ttft_p95_ms`, is taken too. `workloads.NAME.demand` and `offers.NAME.prices` may be scaled.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from router.schema.problem import Problem, Scenario

type FieldPath = tuple[str, ...]

_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|\[(\d+)\]|([^."\[\]]+)')
_QUOTED = re.compile(r'[."\[\]=]')


def shown(path: FieldPath) -> str:
    """As people write it; a name with a dot stands in quotes."""
    return ".".join(_shown_part(part) for part in path)


def _shown_part(part: str) -> str:
    if not _QUOTED.search(part):
        return part
    escaped = part.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parsed(text: str) -> FieldPath:
    """The parts of a path that a person wrote; `[0]` stays a place in a list. Raises ValueError."""
    parts, at = [], 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or (match.end() < len(text) and text[match.end()] not in ".["):
            raise ValueError(f"is not a path from character {at + 1} on")
        quoted, place, plain = match.groups()
        parts.append(
            re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else f"[{place}]" if place else plain
        )
        at = match.end()
        if at < len(text) and text[at] == ".":
            at += 1
            if at == len(text):
                raise ValueError("ends with a dot")
    if not parts:
        raise ValueError("is empty")
    return tuple(parts)


def split_setting(text: str) -> tuple[str, str]:
    """`PATH=VALUE` at the first equals sign outside quotes; the value is empty where there is none."""
    match = re.match(r'((?:"(?:[^"\\]|\\.)*"|[^="])*)=(.*)', text, re.DOTALL)
    return (text, "") if match is None else (match[1].strip(), match[2].strip())


def named(problem: Problem, path: FieldPath) -> FieldPath:
    """The path with names in place of places in lists. Raises KeyError."""
    here: Any = problem
    parts: list[str] = []
    for part in path:
        key = part
        if part.startswith("[") and isinstance(here, Sequence):
            place = int(part[1:-1])
            if place >= len(here):
                raise KeyError(f"{parts[-1]} has only {len(here)} of them")
            key = getattr(here[place], "name", part)
        here = _child(here, key)
        parts.append(key)
    return tuple(parts)


def value_at(document: Any, path: FieldPath) -> Any:
    """What stands there. Raises KeyError, which says what there is, where there is no such field or name."""
    for part in path:
        document = _child(document, part)
    return document


def default_at(problem: Problem, path: FieldPath) -> Any:
    """What a field is where it is left out. Raises KeyError."""
    parent = value_at(problem, path[:-1])
    name = attributes(type(parent))[path[-1]]
    return type(parent).model_fields[name].get_default(call_default_factory=False)


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """Attributes of a model by the names of their fields in a file: `set` is `set_`, for `set` is a word of Python."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def _child(here: Any, key: str) -> Any:
    if isinstance(here, BaseModel):
        names = attributes(type(here))
        if key in names:
            return getattr(here, names[key])
        raise KeyError(_unknown(key, list(names)))
    if isinstance(here, Mapping):
        if key in here:
            return here[key]
        raise KeyError(_unknown(key, list(here)))
    if isinstance(here, Sequence) and not isinstance(here, str):
        for k, item in enumerate(here):
            if getattr(item, "name", None) == key or key == f"[{k}]":
                return item
        raise KeyError(_unknown(key, [getattr(item, "name", f"[{k}]") for k, item in enumerate(here)]))
    raise KeyError(f'"{key}" stands in a field that holds nothing further')


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    if near:
        return f'has nothing called "{key}"; did you mean "{near[0]}"?'
    listed = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
    return f'has nothing called "{key}", but {listed or "nothing at all"}'


def with_value[T](document: T, path: FieldPath, value: object) -> T:
    """A copy in which one field is another; fields keep their types, and rules are not looked at again.

    Raises KeyError where there is no such field or name.
    """
    changed: T = _changed(document, path, value)
    return changed


def _changed(here: Any, path: FieldPath, value: object) -> Any:
    if not path:
        return value
    key, rest = path[0], path[1:]
    child = _child(here, key)
    if isinstance(here, BaseModel):
        return here.model_copy(update={attributes(type(here))[key]: _changed(child, rest, value)})
    if isinstance(here, Mapping):
        return {**here, key: _changed(child, rest, value)}
    return tuple(_changed(item, rest, value) if item is child else item for item in here)


SCALED = {("workloads", "demand"): "demand", ("offers", "prices"): "prices"}
"""Fields that a factor scales, by list and last part: the multiplier of a scenario that does it."""


def scales(path: FieldPath) -> bool:
    """Whether a factor scales it whatever form it has: the demand of a workload, all prices of an offer."""
    return len(path) == 3 and (path[0], path[2]) in SCALED


def with_factor(problem: Problem, path: FieldPath, factor: float) -> Problem:
    """The problem in which the demand of a workload, or all prices of an offer, are so many times as high.

    Raises KeyError where there is no such name, ValueError where futures are drawn.
    """
    value_at(problem, path[:2])
    if not isinstance(problem.scenarios, tuple):
        raise ValueError("cannot be scaled where futures are drawn (scenarios.generate): list them")
    kind, name = SCALED[path[0], path[2]], path[1]
    futures = problem.scenarios or (Scenario(name="certain", probability=1.0),)
    changed = []
    for future in futures:
        multipliers = getattr(future, kind)
        times = multipliers.get(name, multipliers.get("*", 1.0)) * factor
        changed.append(future.model_copy(update={kind: {**multipliers, name: times}}))
    return problem.model_copy(update={"scenarios": tuple(changed)})
