"""What an exporter hands back, and the YAML it is written in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from router.errors import InputError, Issue
from router.loading.fingerprint import matches
from router.plan.document import Plan
from router.plan.start import as_planned
from router.schema import Problem


@dataclass(frozen=True, slots=True)
class Exported:
    """The text of a file, and remarks for whoever applies it."""

    text: str
    remarks: tuple[str, ...] = ()


def to_yaml(*documents: dict[str, Any]) -> str:
    """Documents in the order given, keys as they stand; numbers and text come back as they went in."""
    return yaml.safe_dump_all(
        documents,
        sort_keys=False,
        allow_unicode=True,
        width=120,
        default_flow_style=False,
        explicit_start=len(documents) > 1,
    )


def head(plan: Plan, what: str) -> str:
    """The comment on top: which plan this is, so that what runs can be told from what should."""
    name = "".join(c if c.isprintable() else " " for c in plan.name)
    return f"# {what} of the plan {name}, problem {plan.problem_sha256[:12]}\n"


def belongs(plan: Plan, problem: Problem) -> Problem:
    """The problem as the plan was made from it: its prices, quotas and dates are the plan's. Raises InputError."""
    problem = as_planned(problem, plan)
    if not matches(problem, plan.problem_sha256):
        rule = "is not the problem that the plan was made from, or has changed since"
        raise InputError(Issue(("--problem",), rule, problem.name, "plan again, or name the file as it was"))
    return problem


def of_scenario[Row](plan: Plan, rows: Sequence[Row], scenario: str | None) -> list[Row]:
    """The rows of one future; a plan for several needs a choice. Raises InputError."""
    named = [cost.name for cost in plan.scenarios]
    if scenario is not None and scenario not in named:
        rule = f"is not a scenario of the plan; it has {', '.join(named) or 'none'}"
        raise InputError(Issue(("--scenario",), rule, scenario))
    several = {getattr(row, "scenario", None) for row in rows} - {None}
    if not several:
        return list(rows)
    if scenario is None:
        rule = f"the plan holds several futures: {', '.join(named)}"
        raise InputError(Issue(("--scenario",), rule, hint="--scenario NAME picks the one to run"))
    return [row for row in rows if getattr(row, "scenario", None) == scenario]
