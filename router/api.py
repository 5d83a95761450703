"""The pipeline: load → normalise → encode → solve → fix the integers → decode → verify.

plan = solve("problem.yaml")            one plan of least cost, verified
table = compare("problem.yaml")         every offer alone, side by side
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from problems.core.encode import Encoded, encode
from router.errors import InputError, Issue
from router.loading.catalogue import load_problem
from router.normalise import normalise
from router.plan.document import Plan
from router.planning.insurance import with_insurance
from router.planning.optimise import optimise
from router.planning.publish import publish
from router.scenarios import drawn
from router.schema import Generated, Problem
from router.verification import Verification, verify
from solvers import SolveOptions

if TYPE_CHECKING:
    from router.comparison import Comparison

__all__ = ["compare", "encode_problem", "load", "scenario_of", "solve", "verify_plan", "with_offers"]

DEFAULT_SOLVER = "highs"
LISTED = 12  # scenarios named in a message


def load(problem: Problem | str | Path) -> Problem:
    """The problem itself, or the one in a file. Raises InputError."""
    return problem if isinstance(problem, Problem) else load_problem(problem)


def solve(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
) -> Plan:
    """The plan of least cost that keeps every promise, re-checked by `verify`.

    Raises InputError, Infeasible, NoPlanInTime, SolverFailed, and CertificateFailed where the plan fails its check.
    """
    loaded, chosen = load(problem), options or SolveOptions()
    plan = planned(loaded, solver, chosen, scenario)
    return with_insurance(plan, loaded, lambda one: planned(one, solver, chosen, scenario))


def planned(problem: Problem, solver: str, options: SolveOptions, scenario: str | None = None) -> Plan:
    """The plan alone; raises as `solve` does."""
    encoded = encode_problem(problem, scenario)
    return publish(problem, encoded, optimise(encoded, solver, options))


def compare(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
) -> Comparison:
    """Every offer alone, side by side; see `router.comparison`."""
    from router.comparison import compare as side_by_side  # built on this module

    return side_by_side(problem, solver=solver, options=options, scenario=scenario)


def encode_problem(
    problem: Problem, scenario: str | None = None, *, boundary: float | None = None
) -> Encoded:
    """The linear program of a problem, for solving or for export; raises InputError."""
    instance = normalise(problem, scenario_of(problem, scenario))
    return encode(instance) if boundary is None else encode(instance, boundary=boundary)


def scenario_of(problem: Problem, scenario: str | None) -> str | None:
    """The one scenario to plan for; several need a choice (`router size` plans for all at once)."""
    if isinstance(problem.scenarios, Generated):
        names = list(drawn(problem).names)
    else:
        names = [future.name for future in problem.scenarios]
    if scenario is None and len(names) > 1:
        rule = f"one of several scenarios must be chosen: {_listed(names)}"
        raise InputError(
            Issue(("scenarios",), rule, hint="--scenario NAME; router size plans for all of them at once")
        )
    if scenario is not None and scenario not in names:
        rule = f"unknown scenario; the file has {_listed(names) or 'none'}"
        raise InputError(Issue(("scenarios",), rule, value=scenario))
    return scenario if scenario is not None else (names[0] if names else None)


def _listed(names: list[str]) -> str:
    """All of them, or the first of very many."""
    if len(names) <= LISTED:
        return ", ".join(names)
    return f"{', '.join(names[:LISTED])} and {len(names) - LISTED} more"


def verify_plan(problem: Problem | str | Path, plan: Plan) -> Verification:
    """Re-check a plan against its problem."""
    return verify(load(problem), plan.to_dict())


def with_offers(problem: Problem, names: set[str]) -> Problem:
    """The problem with some of its offers only, and what else refers to the others left out."""
    offers = tuple(offer for offer in problem.offers if offer.name in names)
    groups = tuple(
        group.model_copy(update={"offers": tuple(name for name in group.offers if name in names)})
        for group in problem.groups
        if names & set(group.offers)
    )
    return problem.model_copy(update={"offers": offers, "groups": groups})
