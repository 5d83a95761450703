"""A problem file without some of the promises that the families of `problems` state: their fields at the default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel

from problems.core.encode import PROMISES
from router.schema import Problem


def for_one_offer(problem: Problem) -> Problem:
    """Without what no single offer could keep: how work is spread over providers."""
    return without(problem, (promise.field for promise in PROMISES if not promise.alone))


def as_settled(problem: Problem) -> Problem:
    """Without what binds a plan and no bill of what has happened."""
    return without(problem, (promise.field for promise in PROMISES if not promise.settled))


def without(problem: Problem, fields: Iterable[str]) -> Problem:
    """The problem with some fields at their defaults; `workloads[].routing.min_providers` is that of each workload."""
    for field in fields:
        problem = _at_default(problem, field.split("."))
    return problem


def _at_default[M: BaseModel](model: M, path: Sequence[str]) -> M:
    name = path[0].removesuffix("[]")
    field, value = type(model).model_fields[name], getattr(model, name)
    if len(path) == 1:
        value = field.get_default(call_default_factory=True)
    elif isinstance(value, Mapping):
        value = {key: _at_default(each, path[1:]) for key, each in value.items()}
    elif isinstance(value, tuple):
        value = tuple(_at_default(each, path[1:]) for each in value)
    elif value is not None:
        value = _at_default(value, path[1:])
    return model.model_copy(update={name: value})
