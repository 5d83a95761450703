"""A solver that lies: worse points as optimal, bounds too high, no plan where there is one, points that are none.

Every lie is found out, or the plan does not claim to be proven.
For more: `CAMPAIGN=100 pytest tests/test_lying_solver.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from campaign import times
from problem_factory import load
from strategies import EVERYTHING, random_problem

import router
from router.errors import Infeasible, InputError, RouterError
from router.planning import two_steps
from solvers import LinearProgram, Solution, Stop

COUNT = times(15)
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
    """A bound that is the cost of a stopped search."""
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
def lying(lie: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of integer programs; the linear programs that follow are answered as they are."""

    def answer(program: LinearProgram, *rest: object) -> Solution:
        solution = HONEST(program, *rest)  # type: ignore[arg-type]
        return LIES[lie](program, solution) if program.is_mip else solution

    with monkeypatch.context() as patch:
        patch.setattr(two_steps, "solve_program", answer)
        yield


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_out_or_nothing_is_claimed(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: Counter[str] = Counter()
    for seed in range(COUNT):
        problem = load(random_problem(Random(seed), FEATURES))
        try:
            best = router.solve(problem).objective_usd
        except (Infeasible, InputError):
            continue
        with lying(lie, monkeypatch):
            try:
                plan = router.solve(problem)
            except RouterError as error:
                assert not isinstance(error, Infeasible), f"seed {seed}: there is a plan"
                ends[type(error).__name__] += 1
                continue
        slack = 1e-5 * max(best, 1e-3)
        kind = (
            "nobody's" if plan.proof is None else plan.proof.kind
        )  # a plan of no use may be in no relaxation
        if kind == "own":
            assert plan.bound_usd <= best + slack, f"seed {seed}"
            assert plan.objective_usd <= best + slack or plan.gap > 1e-6, f"seed {seed}: {plan.gap}"
        ends[kind] += 1
    assert ends["own"] >= 0.5 * sum(ends.values()), ends


def test_the_honest_are_believed() -> None:
    """95 of 100 claim a proof of their own."""
    kinds: Counter[str] = Counter()
    for seed in range(1000, 1000 + 2 * COUNT):
        try:
            plan = router.solve(load(random_problem(Random(seed), EVERYTHING - {"scenarios"})))
        except (Infeasible, InputError):
            continue
        kinds["none" if plan.proof is None else plan.proof.kind] += 1
    assert kinds["own"] >= 0.95 * sum(kinds.values()), kinds
