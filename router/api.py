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

    problem     a `Problem`, or the path of its file (YAML, or JSON by its name)
    solver      a name of `router solvers`, like "highs" or "pulp:COIN_CMD"
    options     `gap` relative, ≥ 0; `time_limit_s` in seconds for all of it, None without limit; `threads`; `seed`;
                `relax` gives a bound and no plan to follow; None: 1e-6 within 60 s, on one thread
    scenario    the future to plan for, needed where the problem has several

    Gives a `Plan`: `cost_usd`, `bound_usd` (no plan is cheaper) and `gap` (relative) over the horizon, `stop` (why the
    search ended), and a row for each route, instance count, contract and line of cost. With a gap it is a plan too.

    Raises InputError (what is wrong with the file, the solver's name or an option), Infeasible (nothing keeps all
    promises), NoPlanInTime, SolverFailed, and CertificateFailed where the plan fails its check.
    """
    search = Search(solver, options or SolveOptions(), scenario).begun()
    return planned(load(problem), search)


def verify(problem: Problem | str | Path, plan: Plan) -> Verification:
    """Re-check every promise of a plan and its cost, from the problem and the plan alone, without any solver's word.

    problem     a `Problem`, or the path of its file
    plan        of this problem: `solve` or `size` gave it, or `Plan.from_dict` read it from JSON

    Gives a `Verification`: `ok`; `cost_usd`, by arithmetic of its own, over the horizon; and `checks`, one for each
    promise, with its `name`, `ok` and the largest relative miss, `worst`. A broken promise is a verdict, no exception.

    Raises InputError where the problem file is wrong, or the plan is of a form that no verdict can be given on.
    """
    return check(load(problem), plan)
