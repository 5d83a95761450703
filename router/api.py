"""The pipeline: load → normalise → encode → solve → fix the integers → decode → verify.

plan = solve("problem.yaml")            one plan of least cost, verified
table = compare("problem.yaml")         every offer alone, side by side
verify("problem.yaml", plan).ok         checked again, by code that shares nothing with what made it

A problem is a `Problem`, or the path of its file. Money is in USD over the horizon, times in hours from its start.
"""

from __future__ import annotations

from pathlib import Path

from router.comparison import compare
from router.loading.catalogue import load
from router.plan.document import Plan
from router.planning.solve import DEFAULT_SOLVER, Search, planned
from router.schema import Problem
from router.verification import Verification
from router.verification import verify as check
from solvers import SolveOptions

__all__ = ["compare", "load", "solve", "verify"]


def solve(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
) -> Plan:
    """The plan of least cost that keeps every promise, re-checked by `verify`.

    `options.gap` is relative, `options.time_limit_s` in seconds; `scenario` names the future to plan for, where the
    problem lists several.

    Raises InputError, Infeasible, NoPlanInTime, SolverFailed, and CertificateFailed where the plan fails its check.
    """
    search = Search(solver, options or SolveOptions(), scenario).begun()
    return planned(load(problem), search)


def verify(problem: Problem | str | Path, plan: Plan) -> Verification:
    """Re-check every promise of a plan and its cost, from the problem and the plan alone. Raises InputError.

    `.ok`, and `.checks` with the name, the verdict and the largest relative miss of each.
    """
    return check(load(problem), plan)
