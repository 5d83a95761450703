"""What is tiny is not nothing: programs in units of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from problem_factory import SOLVERS
from scipy import sparse

import solvers
from solvers import LinearProgram, Stop
from solvers.core.units import own_units

TINY = 1e-10  # of an instance, for all of the work


def rented(usable: float) -> LinearProgram:
    """Work costs 1 USD elsewhere, a third of that on its part of an instance; load ≤ usable · count."""
    return LinearProgram(
        cost=np.array([0.0, 1.0, 0.333e10]),
        matrix=sparse.csr_array([[1.0, 1.0, 0.0], [TINY, 0.0, -usable]]),
        row_lower=np.array([1.0, -np.inf]),
        row_upper=np.array([1.0, 0.0]),
        col_lower=np.zeros(3),
        col_upper=np.array([2.0, 2.0, 4 * TINY]),
        integer=np.zeros(3, dtype=bool),
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_tiny_load_needs_its_part_of_an_instance(solver: str) -> None:
    answer = solvers.solve(rented(1.0), solver)
    assert answer.point == pytest.approx([1.0, 0.0, TINY], rel=1e-6, abs=0.0)
    assert answer.objective == pytest.approx(0.333)
    assert answer.bound == pytest.approx(0.333)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_tiny_load_goes_nowhere_where_nothing_serves(solver: str) -> None:
    answer = solvers.solve(rented(0.0), solver)
    assert answer.stop is Stop.OPTIMAL
    assert answer.point is not None
    assert answer.point[1] == pytest.approx(1.0, rel=1e-9)


def test_prices_are_of_the_program_as_it_was() -> None:
    """An instance more is worth all of the work's price, in USD per instance."""
    program = rented(1.0)
    duals = solvers.solve(program).duals
    assert duals is not None
    assert duals.row == pytest.approx([0.333, -0.333e10])
    assert program.matrix.T @ duals.row + duals.column == pytest.approx(program.cost)


def test_a_limit_far_beyond_what_is_tiny_is_not_reached() -> None:
    """In units of 1e-25 a limit of 2 would be one of 2e25, which no program may have."""
    program = LinearProgram(
        cost=np.ones(1),
        matrix=sparse.csr_array([[1.0]]),
        row_lower=np.array([2.0]),
        row_upper=np.array([np.inf]),
        col_lower=np.zeros(1),
        col_upper=np.array([1e-25]),
        integer=np.zeros(1, dtype=bool),
    )
    assert solvers.solve(program).stop is Stop.INFEASIBLE


def test_what_is_not_tiny_stays_as_it_is() -> None:
    assert own_units(replace(rented(1.0), col_upper=np.ones(3))) is None
