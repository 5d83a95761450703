"""A plan's claim put to the test by another road: another solver, another seed, no presolve, and only what is cheaper.

    the plan's program, with Σ cost ≤ bound_usd · (1 − 1e-5): a point is a cheaper plan, and refutes the bound

Confirmed where the other solver says that there is no such point; refuted only by a plan that passes its check; else
it is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import sparse

from problems.core.encode import Encoded, encode
from router.errors import InputError, Issue, RouterError
from router.normalise import normalise
from router.plan.document import Plan
from router.plan.start import as_planned
from router.planning.doubts.second_look import promises_broken
from router.planning.fixed import Fixed
from router.planning.optimise import optimise
from router.planning.publish import publish
from router.planning.solve import scenario_of
from router.planning.two_steps import Incumbent, finished, run
from router.schema import Problem
from solvers import LinearProgram, Solution, SolveOptions, Stop, available, get

NEAR = (
    1e-5  # relative: a plan cheaper by no more than this refutes nothing; solvers' tolerances are worth that
)
OTHERS = ("pulp:COIN_CMD", "scipy", "highs")
LEAST_S = 5e-6  # for each column and each number of a program: before that no solver looks at its clock


@dataclass(frozen=True)
class SecondOpinion:
    """What became of the claim that no plan costs less than `bound_usd`.

    own        the plan's multipliers prove it, worked out again by `verify`
    solver     asked, with seed and without presolve, for a plan of at most `cut_off_usd`
    cheaper    a verified plan below the bound, of one future; cheaper_usd: its objective
    """

    outcome: Literal["confirmed", "not known", "refuted"]
    bound_usd: float
    objective_usd: float
    own: bool
    solver: str
    seed: int
    cut_off_usd: float
    stop: str
    cheaper_usd: float | None = None
    cheaper: Plan | None = None


def another_solver(plan: Plan) -> str:
    """The first installed one that did not make the plan."""
    installed = {line.name for line in available() if line.installed}
    return next(name for name in OTHERS if name in installed and name != plan.solver.name)


def second_opinion(problem: Problem, plan: Plan, solver: str, options: SolveOptions) -> SecondOpinion:
    """Search for a plan below the bound of another one, which has passed its check.

    Raises InputError for a plan that was made from a running one, whose program is not in the file; SolverFailed.
    """
    problem = as_planned(problem, plan)
    options = replace(options, native={**get(solver).WITHOUT_PRESOLVE, **options.native}).begun()
    encoded = _encoded(problem, plan)
    value = plan.objective_usd
    cut_off = plan.bound_usd - NEAR * max(abs(value), abs(plan.bound_usd))
    asked = SecondOpinion(
        outcome="not known",
        bound_usd=plan.bound_usd,
        objective_usd=value,
        own=plan.proof is not None and plan.proof.kind == "own",
        solver=solver,
        seed=options.seed,
        cut_off_usd=cut_off,
        stop=Stop.INFEASIBLE.value,
    )
    if cut_off <= 0:  # no price is negative
        return replace(asked, outcome="confirmed")
    if options.short_of(LEAST_S * (encoded.program.n_columns + encoded.program.matrix.nnz)):
        return replace(asked, stop=Stop.TIME_LIMIT.value)
    answer = run(cut_off_at(encoded.program, cut_off), solver, options)
    asked = replace(asked, stop=answer.stop.value)
    if answer.stop in (Stop.INFEASIBLE, Stop.INFEASIBLE_OR_UNBOUNDED):
        return replace(asked, outcome="confirmed")
    if answer.point is None:
        return asked
    best = _plan_of(encoded, answer, solver, options)
    if best is None or best.decoded.objective_usd > cut_off:
        return replace(asked, outcome="confirmed") if best is not None and best.bound > cut_off else asked
    found = replace(asked, outcome="refuted", cheaper_usd=best.decoded.objective_usd)
    return found if len(encoded.views) > 1 else replace(found, cheaper=publish(problem, best))


def cut_off_at(program: LinearProgram, usd: float) -> LinearProgram:
    """The same with one row more: it costs no more than that. Scaled so that its largest coefficient is near 1."""
    scale = float(np.abs(program.cost).max(initial=0.0)) or 1.0
    row = sparse.csr_array(program.cost[None, :] / scale)
    return replace(
        program,
        matrix=sparse.vstack([program.matrix, row], format="csr"),
        row_lower=np.append(program.row_lower, -np.inf),
        row_upper=np.append(program.row_upper, (usd - program.offset) / scale),
        row_names=None,
        blocks=None,
    )


def _encoded(problem: Problem, plan: Plan) -> Encoded:
    if plan.running is not None:
        rule = "was made from a running plan, which its problem file does not have"
        raise InputError(Issue(("running",), rule, hint="router verify works its own bound out again"))
    if plan.sizing is not None:
        return encode(normalise(problem))
    named = plan.scenarios[0].name if len(plan.scenarios) == 1 else None
    return encode(normalise(problem, scenario_of(problem, named)))


def _plan_of(encoded: Encoded, answer: Solution, solver: str, options: SolveOptions) -> Incumbent | None:
    """A point as a plan that can be checked; where it breaks a promise of waiting or minutes, the solver's best."""
    try:
        best = finished(encoded, replace(answer, bound=-np.inf), (solver, options), Fixed(), 0.0)
        if promises_broken(best):
            best = optimise(encoded, solver, options)
    except RouterError:
        return None
    return best
