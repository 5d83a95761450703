"""A tree of linear programs ends where a solver's own does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from campaign import times
from scipy import sparse

from solvers import LinearProgram, SolveOptions, Stop, is_feasible, solve
from solvers.two_stage.small_tree import WHOLE_COLUMNS, least


def random_program(seed: int) -> LinearProgram:
    """Up to six whole columns and four real ones in up to eight rows, some of them equations; often infeasible."""
    rng = np.random.default_rng(seed)
    whole, real, rows = rng.integers(1, 7), rng.integers(0, 5), rng.integers(1, 9)
    n = int(whole + real)
    matrix = np.where(rng.random((rows, n)) < 0.6, rng.integers(-5, 9, (rows, n)), 0).astype(float)
    lower = np.where(rng.random(rows) < 0.7, rng.integers(1, 20, rows), -np.inf).astype(float)
    upper = np.where(rng.random(rows) < 0.3, np.maximum(lower, 0.0) + rng.integers(0, 9, rows), np.inf)
    return LinearProgram(
        cost=rng.integers(-2, 12, n).astype(float),
        matrix=sparse.csr_array(matrix),
        row_lower=lower,
        row_upper=upper,
        col_lower=np.zeros(n),
        col_upper=np.where(rng.random(n) < 0.8, rng.integers(1, 9, n) + 0.5, 30.0),
        integer=np.arange(n) < whole,
        offset=float(rng.integers(0, 5)),
    )


@pytest.mark.parametrize("seed", range(times(60)))
def test_it_ends_where_a_solver_does(seed: int) -> None:
    program = random_program(seed)
    other, found = solve(program, "highs", SolveOptions(gap=0.0)), least(program)
    if other.stop is not Stop.OPTIMAL:
        assert found is None
        return
    assert found is not None
    assert found.objective == pytest.approx(other.objective, rel=1e-7, abs=1e-7)
    assert found.bound == pytest.approx(found.objective, rel=1e-9, abs=1e-9)
    assert found.point is not None
    assert (np.round(found.point[program.integer]) == found.point[program.integer]).all()
    assert is_feasible(program, found.point)


def test_three_tenths_of_a_machine_take_one() -> None:
    """1.3 machines of work at 5 USD a machine, or 4.5 USD per machine's worth on demand: one machine and 0.3 on demand
    are 6.35 USD, two machines 10, none 5.85, which is the least.
    """
    program = LinearProgram(
        cost=np.array([5.0, 4.5]),
        matrix=sparse.csr_array(np.array([[1.0, 1.0]])),
        row_lower=np.array([1.3]),
        row_upper=np.array([np.inf]),
        col_lower=np.zeros(2),
        col_upper=np.full(2, 10.0),
        integer=np.array([True, False]),
    )
    found = least(program)
    assert found is not None
    assert found.objective == pytest.approx(5.85)
    other = least(program.with_cost(np.array([4.0, 4.5])))
    assert other is not None
    assert other.objective == pytest.approx(4.0 + 0.3 * 4.5)


def test_what_is_not_small_is_left_to_a_solver() -> None:
    program = random_program(1)
    assert least(replace(program, integer=np.zeros(program.n_columns, dtype=bool))) is None
    n = WHOLE_COLUMNS + 1
    many = LinearProgram(
        cost=np.ones(n),
        matrix=sparse.csr_array(np.ones((1, n))),
        row_lower=np.ones(1),
        row_upper=np.full(1, np.inf),
        col_lower=np.zeros(n),
        col_upper=np.ones(n),
        integer=np.ones(n, dtype=bool),
    )
    assert least(many) is None


def test_what_has_no_point_has_no_optimum() -> None:
    """1.3 machines of work, a tenth of it on demand at most, and one machine: no plan; the whole column is the last."""
    program = LinearProgram(
        cost=np.array([4.5, 5.0]),
        matrix=sparse.csr_array(np.array([[1.0, 1.0]])),
        row_lower=np.array([1.3]),
        row_upper=np.array([np.inf]),
        col_lower=np.zeros(2),
        col_upper=np.array([0.1, 1.0]),
        integer=np.array([False, True]),
    )
    assert least(program) is None
