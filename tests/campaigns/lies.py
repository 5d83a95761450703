"""Solvers that lie, and what comes of it: `python tests/campaigns/lies.py --problems 2000 --seed 1`.

Random small problems, each solved by an honest solver and by four that lie about integer programs: the dearest point as
the optimum, a bound that is too high, no plan where there is one, a point that breaks the rows. Every lie is found
out, or the plan does not claim that it is proven.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures, arguments, seeds
from problem_factory import load
from strategies import EVERYTHING, random_problem

import router
from router.errors import Infeasible, RouterError
from router.planning import two_steps
from router.schema import Problem
from solvers import LinearProgram, Solution, Stop

FEATURES = EVERYTHING - {"scenarios", "slo"}
HONEST = two_steps.solve_program


def worse(program: LinearProgram, answer: Solution) -> Solution:
    """The dearest point as the optimum."""
    dear = HONEST(program.with_cost(-program.cost), "highs")
    if dear.point is None:
        return answer
    value = program.objective(dear.point)
    return replace(answer, stop=Stop.OPTIMAL, point=dear.point, objective=value, bound=value)


def high(_program: LinearProgram, answer: Solution) -> Solution:
    """A bound that is above the cost, of a search that was stopped."""
    value = answer.objective
    return answer if value is None else replace(answer, stop=Stop.TIME_LIMIT, bound=value * 1.5 + 1.0)


def none(_program: LinearProgram, answer: Solution) -> Solution:
    return replace(answer, stop=Stop.INFEASIBLE, point=None, objective=None, bound=-np.inf)


def broken(program: LinearProgram, answer: Solution) -> Solution:
    """The cheapest corner of the columns' bounds, whatever the rows say."""
    corner = np.where(program.cost >= 0, program.col_lower, np.minimum(program.col_upper, 1e6))
    value = program.objective(corner)
    return replace(answer, stop=Stop.OPTIMAL, point=corner, objective=value, bound=value)


LIES = {"worse": worse, "high": high, "none": none, "broken": broken}


@contextmanager
def lying(lie: str) -> Iterator[None]:
    """Of integer programs; the linear programs that follow are answered as they are."""

    def answer(program: LinearProgram, *rest: object) -> Solution:
        solution = HONEST(program, *rest)  # type: ignore[arg-type]
        return LIES[lie](program, solution) if program.is_mip else solution

    with mock.patch.object(two_steps, "solve_program", answer):
        yield


def told(figures: Figures, lie: str, seed: int, problem: Problem, best: float) -> None:
    """Solve a problem of known optimum by a solver that lies."""
    with lying(lie):
        try:
            plan = router.solve(problem)
        except RouterError as error:
            if isinstance(error, Infeasible):
                figures.faults.append(f"seed {seed}, {lie}: called infeasible, and there is a plan")
            figures.ends[f"{lie}: {type(error).__name__}"] += 1
            return
    slack = 1e-5 * max(best, 1e-3)
    kind = "nobody's" if plan.proof is None else plan.proof.kind  # a plan of no use may be in no relaxation
    if kind == "own" and plan.bound_usd > best + slack:
        figures.faults.append(f"seed {seed}, {lie}: bound {plan.bound_usd!r} of its own, above {best!r}")
    if kind == "own" and plan.objective_usd > best + slack and plan.gap <= 1e-6:
        figures.faults.append(
            f"seed {seed}, {lie}: {plan.objective_usd!r} called proven, {best!r} is possible"
        )
    figures.ends[f"{lie}: {kind}"] += 1


def campaign(count: int, first: int) -> Figures:
    """The honest one, and each liar."""
    figures = Figures()
    for seed in seeds(count, first):
        problem = load(random_problem(Random(seed), FEATURES))
        try:
            plan = router.solve(problem)
        except RouterError as error:
            figures.ends[f"no problem to lie about: {type(error).__name__}"] += 1
            continue
        figures.ends[f"honest: {'nobody' if plan.proof is None else plan.proof.kind}"] += 1
        for lie in LIES:
            told(figures, lie, seed, problem, plan.objective_usd)
    return figures


def honest_share(figures: Figures) -> float:
    """Part of the honest answers that claim `own` or `two_searches`."""
    honest = {name: n for name, n in figures.ends.items() if name.startswith("honest")}
    return (honest.get("honest: own", 0) + honest.get("honest: two_searches", 0)) / max(
        sum(honest.values()), 1
    )


if __name__ == "__main__":
    asked = arguments(__doc__, 2000)
    found = campaign(asked.problems, asked.seed)
    if honest_share(found) < 0.95:
        found.faults.append("fewer than 95 % of the honest answers are claimed")
    sys.exit(found.printed(honest=honest_share(found)))
