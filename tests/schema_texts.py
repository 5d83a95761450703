"""A small valid problem as data, and what is wrong with a changed one."""

from __future__ import annotations

import copy

import pytest

from router.errors import InputError, Issue
from router.schema import Problem

MINIMAL: dict[str, object] = {
    "schema": "router/1",
    "models": {"m": {}, "n": {}},
    "workloads": [
        {
            "name": "w",
            "models": ["m"],
            "demand": {"requests_per_day": 100},
            "prompt_tokens": 300,
            "completion_tokens": 50,
        }
    ],
    "offers": [
        {"name": "api", "models": {"m": {"prompt_usd_per_m": 1, "completion_usd_per_m": 1}}},
        {"name": "gpu", "models": {"m": {"tokens_per_s": 5000}}, "instances": {"usd_per_h": 2}},
    ],
}


def changed(changes: dict[str, object]) -> dict[str, object]:
    """MINIMAL with values put at dotted paths: {"offers.0.fee_usd_per_month": -1}; DROP removes one."""
    data = copy.deepcopy(MINIMAL)
    for path, value in changes.items():
        *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        here = data
        for part in parts:
            here = here.setdefault(part, {}) if isinstance(here, dict) else here[part]
        if value is DROP:
            del here[last]
        else:
            here[last] = value
    return data


DROP = object()


def problem(changes: dict[str, object] | None = None) -> Problem:
    """The changed problem, which must be right."""
    return Problem.model_validate(changed(changes or {}))


def broken(changes: dict[str, object]) -> list[Issue]:
    """The issues of a changed problem whose fields are right one by one, but break a rule together."""
    with pytest.raises(InputError) as caught:
        problem(changes)
    return list(caught.value.issues)


def only_issue(changes: dict[str, object]) -> Issue:
    """The one issue of a changed problem."""
    issues = broken(changes)
    assert len(issues) == 1, issues
    return issues[0]
