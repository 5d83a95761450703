"""Rows that a basis makes of whole numbers, and the tree over what spans: no whole point is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, SolveOptions, Stop, solve
from solvers.highs_relaxation import HighsRelaxation
from solvers.rounding.rows import in_units
from solvers.rounding.tableau import tableau_rows
from solvers.spanning import SpanningTree


def hours(seed: int, steps: int = 4) -> LinearProgram:
    """min N + Σ n_t + 3 f_t: 1.3 N + n_t + f_t ≥ need_t, and what is left of one hour may be used in the next."""
    rng = default_rng(seed)
    n = 1 + 3 * steps  # N, then n_t, f_t, left_t
    cost = np.concatenate(
        [[0.9 * steps], rng.uniform(0.8, 1.2, steps), np.full(steps, 3.0), np.full(steps, 0.01)]
    )
    matrix = np.zeros((steps, n))
    for t in range(steps):
        matrix[t, [0, 1 + t, 1 + steps + t, 1 + 2 * steps + t]] = 1.3, rng.choice([1.0, 0.8]), 1.0, -1.0
        if t:
            matrix[t, 2 * steps + t] = 1.0
    whole = np.zeros(n, dtype=np.bool_)
    whole[: 1 + steps] = True
    return LinearProgram(
        cost=cost,
        matrix=sparse.csr_array(matrix),
        row_lower=rng.uniform(0.5, 6.0, steps),
        row_upper=np.full(steps, np.inf),
        col_lower=np.zeros(n),
        col_upper=np.concatenate([np.full(1 + steps, 9.0), np.full(2 * steps, 4.0)]),
        integer=whole,
    )


def test_a_row_by_hand() -> None:
    """min n: 6 n ≥ 4. n is basic at 2/3; n − s/6 = 2/3 makes n ≥ 1, and the relaxation is whole with it."""
    program = LinearProgram(
        cost=np.ones(1),
        matrix=sparse.csr_array(np.array([[6.0]])),
        row_lower=np.array([4.0]),
        row_upper=np.array([np.inf]),
        col_lower=np.zeros(1),
        col_upper=np.array([9.0]),
        integer=np.array([True]),
    )
    relaxation = HighsRelaxation(program)
    point = relaxation.solve(program.col_lower, program.col_upper).point
    assert point is not None
    rows = tableau_rows(program, relaxation, point, program.col_lower, program.col_upper)
    matrix, upper = in_units(rows, 1)
    assert (matrix.toarray().tolist(), upper.tolist()) == ([[approx(-1.0)]], [approx(-1.0)])
    again = relaxation.solve_with(program.col_lower, program.col_upper, matrix, upper)
    assert again.point == approx([1.0])
    assert relaxation.solve(program.col_lower, program.col_upper).point == approx([2 / 3])


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_no_rows_of_a_program_without_coefficients(rows: int) -> None:
    """min n, n ≥ 0.5, and rows of nothing: HiGHS solves it without a basis, and the process died when asked for one."""
    program = LinearProgram(
        cost=np.ones(1),
        matrix=sparse.csr_array((rows, 1)),
        row_lower=np.full(rows, -np.inf),
        row_upper=np.full(rows, 12.0),
        col_lower=np.array([0.5]),
        col_upper=np.array([9.0]),
        integer=np.array([True]),
    )
    relaxation = HighsRelaxation(program)
    point = relaxation.solve(program.col_lower, program.col_upper).point
    assert point is not None and point.tolist() == [0.5]
    assert tableau_rows(program, relaxation, point, program.col_lower, program.col_upper) == []


@pytest.mark.parametrize("seed", range(20))
def test_rows_leave_no_whole_point_out_and_lift_the_relaxation(seed: int) -> None:
    """The farthest that a whole point comes to each row, by a search."""
    program = hours(seed)
    relaxation = HighsRelaxation(program)
    ends = program.col_lower[relaxation.columns], program.col_upper[relaxation.columns]
    point = relaxation.solve(*ends).point
    assert point is not None
    rows = tableau_rows(program, relaxation, point, program.col_lower, program.col_upper)
    if not rows:
        assert np.abs(point[program.integer] - np.round(point[program.integer])).max() < 6e-3
        return
    matrix, upper = in_units(rows, program.n_columns)
    for row, most in zip(matrix.toarray(), upper, strict=True):
        found = solve(replace(program, cost=-row))
        assert found.stop is Stop.OPTIMAL and found.objective is not None
        assert -found.objective <= most + 1e-6
    lifted = relaxation.solve_with(*ends, matrix, upper).point
    assert lifted is not None
    assert program.objective(lifted) > program.objective(point) + 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_leaves_leave_nothing_out_and_none_is_bounded_too_high(seed: int) -> None:
    """Every value of N is in one leaf, whose bound is no more than the best that there is."""
    program = hours(seed, steps=6)
    best = solve(program)
    assert best.objective is not None
    leaves = SpanningTree(program, np.array([0]), SolveOptions().begun()).leaves(best.objective)
    assert leaves
    for value in range(10):
        assert sum(leaf.lower[0] <= value <= leaf.upper[0] for leaf in leaves) == 1
        exact = solve(program.fix([0], [value])).objective
        leaf = next(leaf for leaf in leaves if leaf.lower[0] <= value <= leaf.upper[0])
        assert exact is None or leaf.bound <= exact + 1e-7
    relaxed = solve(program.relax()).objective
    assert relaxed is not None
    assert relaxed < min(leaf.bound for leaf in leaves) <= best.objective + 1e-7
