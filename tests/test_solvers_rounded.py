"""Large counts: a relaxation rounded a part at a time."""

from __future__ import annotations

import numpy as np
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, SolveOptions, Stop, is_feasible, solve
from solvers.rounded import solve_rounded


def fleets(demand: list[float], usd: list[float], rate: list[float], most: float = np.inf) -> LinearProgram:
    """Demands, each to be served in parts by fleets of instances; no more than `most` instances in all."""
    d, f = len(demand), len(usd)
    serve = sparse.kron(sparse.eye_array(d), np.ones((1, f)))
    load = sparse.hstack([sparse.eye_array(f) * work for work in demand])
    rows = [
        [serve, sparse.csr_array((d, f))],
        [load, sparse.diags_array([-each for each in rate])],
        [sparse.csr_array((1, d * f)), np.ones((1, f))],
    ]
    return LinearProgram(
        cost=np.concatenate([np.zeros(d * f), usd]),
        matrix=sparse.block_array(rows, format="csr"),
        row_lower=np.concatenate([np.ones(d), np.full(f + 1, -np.inf)]),
        row_upper=np.concatenate([np.ones(d), np.zeros(f), [most]]),
        col_lower=np.zeros(d * f + f),
        col_upper=np.concatenate([np.ones(d * f), np.full(f, 1e4)]),
        integer=np.arange(d * f + f) >= d * f,
    )


def test_large_counts_are_rounded_near_to_their_bound() -> None:
    """1,006 of work on instances of 10: 100.6 in the relaxation, 101 in a plan; at 2 USD that is 202 of 201.2."""
    program = fleets([400.0, 606.0], [2.0, 7.0], [10.0, 10.0])
    answer = solve_rounded(program, SolveOptions(gap=0.01))
    assert answer is not None
    assert (answer.stop, answer.objective, answer.bound) == (Stop.OPTIMAL, approx(202.0), approx(201.2))


def test_rows_that_hold_for_whole_numbers_alone_lift_the_bound() -> None:
    """The same asked for exactly: with the residual row of both the bound is 202 too."""
    answer = solve_rounded(fleets([400.0, 606.0], [2.0, 7.0], [10.0, 10.0]), SolveOptions(gap=1e-9))
    assert answer is not None
    assert (answer.objective, answer.bound) == (approx(202.0), approx(202.0))


def test_a_limit_on_all_instances_is_kept() -> None:
    """1,338 of work on 80 instances at most: the cheapest carry 800, so that sizes mix, and what is
    rounded up in one fleet goes down in another."""
    program = fleets([1005.0, 333.0], [2.0, 3.0, 5.0], [10.0, 13.0, 20.0], most=80.0)
    answer, best = solve_rounded(program, SolveOptions(gap=0.0)), solve(program, "highs", SolveOptions())
    assert answer is not None
    assert answer.point is not None
    assert best.objective is not None
    assert is_feasible(program, answer.point, tolerance=1e-9)
    assert answer.bound <= best.objective + 1e-6
    assert best.objective - 1e-6 <= answer.objective <= 1.05 * best.objective


def test_small_counts_are_left_to_a_search() -> None:
    """Half an instance of 10 USD in the relaxation: rounding up doubles the cost."""
    assert solve_rounded(fleets([5.0], [10.0], [10.0]), SolveOptions()) is None
