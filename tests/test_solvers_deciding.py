"""A tree over few decisions ends with the optimum of the whole."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, Solution, SolveOptions, Stop, solve
from solvers.deciding import solve_deciding


def drawn(seed: int) -> LinearProgram:
    """Three decisions of 0 … 2, six counts of 0 … 3, rows that need some of both; all numbers whole."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 6, (5, 9)) - rng.integers(0, 2, (5, 9))
    return LinearProgram(
        cost=rng.integers(1, 20, 9).astype(float),
        matrix=sparse.csr_array(matrix.astype(float)),
        row_lower=rng.integers(0, 25, 5).astype(float),
        row_upper=np.full(5, np.inf),
        col_lower=np.zeros(9),
        col_upper=np.array([2.0] * 3 + [3.0] * 6),
        integer=np.ones(9, dtype=np.bool_),
    )


def least(program: LinearProgram) -> float:
    """By looking at every point."""
    points = np.array(list(product(*(range(int(most) + 1) for most in program.col_upper))))
    kept = (points @ program.matrix.toarray().T >= program.row_lower).all(axis=1)
    return float((points[kept] @ program.cost).min(initial=np.inf))


@pytest.mark.parametrize("seed", range(6))
def test_the_optimum_is_that_of_all_points(seed: int) -> None:
    program = drawn(seed)
    found = solve_deciding(program, np.arange(3), lambda part, own: solve(part, "highs", own), SolveOptions())
    assert found is not None
    best = least(program)
    if np.isinf(best):
        assert found.stop is Stop.INFEASIBLE
        return
    assert found.stop is Stop.OPTIMAL
    assert found.objective == approx(best)
    assert found.bound == approx(best)


def test_a_leaf_that_its_time_ends_keeps_its_bound() -> None:
    """The rest is not solved at all: the bound is that of relaxations, and no point is claimed."""
    program = drawn(1)

    found = solve_deciding(
        program, np.arange(3), lambda *_: Solution(Stop.TIME_LIMIT, bound=-np.inf), SolveOptions()
    )
    assert found is not None
    assert found.point is None
    assert found.stop is Stop.TIME_LIMIT
    assert found.bound <= least(program) + 1e-6


def test_a_tree_ends_with_a_case_that_does_not_end_after_one_that_did() -> None:
    """The first ends, the second does not in a quarter of the time: it is the last."""
    program, shares = drawn(3), list[float]()

    def cut_short(part: LinearProgram, options: SolveOptions) -> Solution:
        shares.append(round(options.left_s / 1000.0, 2))
        answer = solve(part, "highs", SolveOptions())
        if len(shares) == 1:  # dearer than the others, so that these are looked at
            return Solution(Stop.OPTIMAL, answer.point, 1e3, bound=1e3)
        return Solution(Stop.TIME_LIMIT, answer.point, answer.objective, bound=-np.inf)

    found = solve_deciding(program, np.arange(3), cut_short, SolveOptions(time_limit_s=1000.0))
    assert found is not None
    assert shares == [0.5, 0.25]
    assert found.stop is Stop.EXHAUSTED
    assert found.bound <= least(program) + 1e-6


def test_where_no_time_is_left_nothing_is_called_infeasible() -> None:
    """Not even the relaxation was asked: there is no bound, and no word of what there is."""
    late = SolveOptions(time_limit_s=1e-9).begun()
    found = solve_deciding(drawn(1), np.arange(3), lambda part, own: solve(part, "highs", own), late)
    assert found is None or (found.stop is Stop.TIME_LIMIT and found.point is None)
