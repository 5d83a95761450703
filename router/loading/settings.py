"""A problem with some of its fields changed, checked anew: what `--set`, `with_` and `whatif` do.

A value is what the file would hold: `600`, `35e9`, `[eu, us]`; None leaves the field out. `x1.2` is a factor, of a
number or of `workloads.NAME.demand` and `offers.NAME.prices`, whatever form they have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from router.errors import InputError, Issue
from router.loading.yaml_source import parse
from router.schema import Problem
from router.schema.issues import issues_of
from router.schema.paths import FieldPath, named, parsed, scales, split_setting, value_at, with_factor

_FACTOR = re.compile(r"x\s*([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)$")


def settings_of(option: str, texts: Iterable[str]) -> dict[str, object]:
    """Values by path, as YAML has them; null and nothing leave a field out. Raises InputError."""
    settings: dict[str, object] = {}
    for text in texts:
        path, value = split_setting(text)
        if not path or "=" not in text:
            raise InputError(Issue((option,), "must be PATH=VALUE", text))
        if path in settings:
            raise InputError(Issue((option,), "is given twice", path, "keep one"))
        document, _ = parse(f"value: {value}", option, fields=())
        settings[path] = document["value"]
    return settings


def changed(problem: Problem, settings: Mapping[str, object]) -> Problem:
    """The problem with fields at other values, by path. Raises InputError with the path of each mistake."""
    document = _as_written(problem)
    factors: list[tuple[str, FieldPath, float]] = []
    for text, value in settings.items():
        try:
            parts = parsed(text)
            if scales(parts) and _FACTOR.match(str(value)):
                factors.append((text, (*named(problem, parts[:2]), parts[2]), _factor_of(value)))
            else:
                path = named(problem, parts)
                _put(document, problem, path, _times(problem, path, value))
        except (KeyError, ValueError) as error:
            raise InputError(Issue((text,), str(error.args[0]), value)) from error
    try:
        new = Problem.model_validate(document).at_positions(problem.positions)
    except ValidationError as error:
        raise InputError([problem.positions.place(issue) for issue in issues_of(error)]) from error
    except InputError as error:
        raise InputError([problem.positions.place(issue) for issue in error.issues]) from error
    new = new.repeating_daily() if problem.repeats_daily else new
    for text, path, factor in factors:
        try:
            new = with_factor(new, path, factor)
        except ValueError as error:
            raise InputError(Issue((text,), str(error), factor)) from error
    return new


def _as_written(problem: Problem) -> dict[str, Any]:
    """The fields that a file states: not the 0 that reading puts for a price beside roles, or where hosts are paid."""
    document = problem.model_dump(by_alias=True, exclude_unset=True)
    hosted = {name for host in problem.hosts for name in host.offers}
    for offer in document.get("offers", ()):
        instances = offer.get("instances") or {}
        roles = instances.get("roles") or {}
        halves = roles.values() if offer["name"] in hosted else ()
        for part in (instances, *halves) if roles or offer["name"] in hosted else ():
            if part.get("usd_per_h") == 0:
                del part["usd_per_h"]
    return document


def _factor_of(value: object) -> float:
    match = _FACTOR.match(str(value))
    if match is None:
        raise ValueError('takes a factor here, such as "x1.2"')
    return float(match[1])


def _times(problem: Problem, path: FieldPath, value: object) -> object:
    """The value, or the factor times what stands there."""
    match = _FACTOR.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    now = value_at(problem, path)
    if isinstance(now, bool) or not isinstance(now, int | float):
        raise ValueError("holds no number that a factor could scale")
    return now * float(match[1])


def _put(document: Any, here: Any, path: FieldPath, value: object) -> None:
    """The value put where the path leads, through whatever the file leaves out. `here` is the model beside it."""
    key, rest = path[0], path[1:]
    child = value_at(here, (key,)) if here is not None else None
    at: Any = key
    if isinstance(document, list | tuple):
        at = next(k for k, item in enumerate(here) if item is child)
    if not rest:
        if value is None and isinstance(document, dict):
            document.pop(at, None)
        else:
            document[at] = value
        return
    if isinstance(document, dict) and document.get(at) is None:
        document[at] = {}
    if isinstance(document[at], tuple):
        document[at] = list(document[at])
    _put(document[at], child, rest, value)
