"""Prices before any search: they bound the cost from below, and say which columns are worth looking at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from campaign import times
from pytest import approx

from solvers import LinearProgram, SolveOptions, solve
from solvers.first_prices import first_prices


def two_cells() -> LinearProgram:
    """Two cells, each by the token (9 and 2 USD) or on machines at 4 USD, of which it keeps 1 and ¾ busy.

    A machine's unit of load costs 4 USD: the first cell 4 there, the second 3, which is more than by the token. The
    bound is 4 + 2; the least cost of whole machines too.
    """
    return LinearProgram(
        cost=np.array([9.0, 0.0, 2.0, 0.0, 4.0]),
        matrix=np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 0.75, -1]]),
        row_lower=np.array([1.0, 1.0, -np.inf]),
        row_upper=np.array([1.0, 1.0, 0.0]),
        col_lower=np.zeros(5),
        col_upper=np.array([1.0, 1.0, 1.0, 1.0, 8.0]),
        integer=np.array([False, False, False, False, True]),
    )


def test_prices_by_hand() -> None:
    prices = first_prices(two_cells())
    assert prices.bound == approx(6.0, rel=1e-8)
    assert prices.multipliers == approx([4.0, 2.0, -4.0], rel=1e-8)
    assert prices.reduced == approx([9.0, 4.0, 2.0, 3.0, 0.0], abs=1e-7)
    assert prices.asking.tolist() == [0, 0, 1, 1, -1]


def test_the_cheapest_of_each_cell_and_all_that_supplies() -> None:
    assert first_prices(two_cells()).promising(1).tolist() == [False, True, True, False, True]


def test_limits_written_the_other_way_round_are_the_same() -> None:
    program = two_cells()
    matrix = program.matrix.toarray() * np.array([1, 1, -1])[:, None]
    turned = replace(
        program, matrix=matrix, row_lower=np.array([1, 1, 0]), row_upper=np.array([1, 1, np.inf])
    )
    assert first_prices(turned).bound == approx(6.0, rel=1e-8)


def random_program(rng: np.random.Generator) -> LinearProgram:
    """Some cells, each on some of the pools or by the token; a pool may be one of two periods' both."""
    cells, pools, periods = int(rng.integers(1, 6)), int(rng.integers(1, 4)), 2
    flows = cells * (pools * periods + 1)
    matrix = np.zeros((cells + pools * periods, flows + pools))
    cost = np.concatenate([np.zeros(flows), rng.uniform(1, 9, pools)])
    for c in range(cells):
        first = c * (pools * periods + 1)
        matrix[c, first : first + pools * periods + 1] = 1.0
        cost[first] = rng.uniform(1, 9)
        for q in range(pools * periods):
            matrix[cells + q, first + 1 + q] = rng.uniform(0.2, 2.0)
    for q in range(pools * periods):
        matrix[cells + q, flows + q // periods] = -rng.uniform(0.5, 1.0)
    m = len(matrix)
    return LinearProgram(
        cost=cost,
        matrix=matrix,
        row_lower=np.where(np.arange(m) < cells, 1.0, -np.inf),
        row_upper=np.where(np.arange(m) < cells, 1.0, 0.0),
        col_lower=np.zeros(flows + pools),
        col_upper=np.concatenate([np.ones(flows), rng.integers(1, 5, pools)]),
        integer=np.arange(flows + pools) >= flows,
    )


def test_no_point_costs_less() -> None:
    rng = np.random.default_rng(3)
    for _ in range(times(40)):
        program = random_program(rng)
        relaxed = solve(program.relax(), "highs", SolveOptions())
        assert relaxed.objective is not None
        assert relaxed.duals is not None
        least = relaxed.objective + 1e-9
        assert 0.0 < first_prices(program).bound <= least
        assert first_prices(program, relaxed.duals.row).bound <= least
        assert first_prices(program, rng.normal(0, 5, program.n_rows)).bound <= least
