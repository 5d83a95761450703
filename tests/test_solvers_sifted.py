"""A large relaxation begun with few columns: the same optimum, whatever they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.synthetic import market
from campaign import times
from pytest import approx

from router.planning.solve import encode_problem
from solvers import LinearProgram, highs_sifted, is_feasible
from solvers.first_prices import first_prices, least_prices
from solvers.highs_relaxation import HighsRelaxation
from solvers.highs_sifted import few_columns, sift


def bounds(program: LinearProgram) -> tuple[np.ndarray, np.ndarray]:
    low, high = program.whole_bounds
    return low[program.integer], high[program.integer]


def test_an_optimum_is_the_same_whatever_few_columns_it_begins_with() -> None:
    """Of markets of 20 workloads and 12 offers; where few have no point at all it begins anew."""
    for seed in range(times(5)):
        program = encode_problem(market(20, 12, 3, seed=seed, volume=100)).program
        alone = HighsRelaxation(program).solve(*bounds(program))
        assert alone.point is not None
        for flows in (1, 2, 5):
            begun = HighsRelaxation(program)
            sift(begun, first_prices(program).promising(flows) | program.integer)
            answer = begun.solve(*bounds(program))
            assert answer.point is not None
            assert program.objective(answer.point) == approx(program.objective(alone.point), rel=1e-9)
            assert is_feasible(replace(program, integer=np.zeros(program.n_columns, bool)), answer.point)


def test_what_does_not_end_soon_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highs_sifted, "MOST_STEPS", 1)
    program = encode_problem(market(20, 12, 3, seed=1, volume=100)).program
    begun, alone = HighsRelaxation(program), HighsRelaxation(program).solve(*bounds(program))
    sift(begun, first_prices(program).promising(2) | program.integer)
    answer = begun.solve(*bounds(program))
    assert answer.point is not None
    assert alone.point is not None
    assert program.objective(answer.point) == approx(program.objective(alone.point), rel=1e-9)


def test_small_programs_begin_with_all_columns() -> None:
    assert few_columns(encode_problem(market(20, 12, 3)).program) is None


def test_idle_supply_has_the_price_that_would_be_paid_for_it() -> None:
    """A cell at 5 USD by the token, or on a machine at 12 of which it keeps 2 busy: it would pay 2.5 for each.

    The machine could be 6 each (12 / 2 for all of it): any price from 2.5 to 12 is of an optimal basis.
    """
    program = LinearProgram(
        cost=np.array([5.0, 0.0, 12.0]),
        matrix=np.array([[1.0, 1.0, 0.0], [0.0, 2.0, -1.0]]),
        row_lower=np.array([1.0, -np.inf]),
        row_upper=np.array([1.0, 0.0]),
        col_lower=np.zeros(3),
        col_upper=np.array([1.0, 1.0, 8.0]),
        integer=np.array([False, False, True]),
    )
    point = np.array([1.0, 0.0, 0.0])
    assert least_prices(program, point, np.array([5.0, -12.0])) == approx([5.0, -2.5])
    assert least_prices(program, point, np.array([5.0, -2.5])) == approx([5.0, -2.5])
