"""A relaxation without what its rows shut: the same optimum, and multipliers of all rows that prove it."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from pytest import approx
from scipy import sparse
from test_solvers_held import hours

from solvers import LinearProgram, Stop
from solvers.highs_relaxation import HighsRelaxation
from solvers.piecewise.held import within
from solvers.proof.open_columns import OpenColumns, held_by_rows
from solvers.proof.safe import refuting, safe_bound


def shut_pool(count: float = 0.0) -> LinearProgram:
    """Work of 1 by an instance (count, 1 USD; 2 x ≤ 3 count) or by the token (5 USD)."""
    rows = [[-3.0, 2.0, 0.0], [0.0, 1.0, 1.0]]
    return LinearProgram(
        cost=np.array([1.0, 0.0, 5.0]),
        matrix=sparse.csr_array(np.array(rows)),
        row_lower=np.array([-np.inf, 1.0]),
        row_upper=np.array([0.0, 1.0]),
        col_lower=np.zeros(3),
        col_upper=np.array([count, 1.0, 1.0]),
        integer=np.array([True, False, False]),
    )


def test_by_hand() -> None:
    """No instance: x is shut, z = 1 at 5 USD. A unit of work is worth 5 to x too: 2 y ≤ −5 keeps it where it is."""
    program = shut_pool()
    small = OpenColumns(program, HighsRelaxation)
    assert small.columns.tolist() == [2] and small.rows.tolist() == [1]
    answer = small.solve(np.zeros(1), np.zeros(1))
    assert answer.point is not None and answer.multipliers is not None
    assert answer.point.tolist() == [0.0, 0.0, 1.0]
    assert answer.multipliers.tolist() == approx([-2.5, 5.0])
    assert safe_bound(program, answer.multipliers) == approx(5.0)
    assert len(OpenColumns(shut_pool(2.0), HighsRelaxation).columns) == 3


def test_one_row_after_another() -> None:
    """x ≤ 0 · count shuts x, y ≤ x then shuts y: what y takes off the reduced cost of x its own row makes good."""
    rows = [[-1.0, 1.0, 0.0, 0.0], [0.0, -1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]]
    program = LinearProgram(
        cost=np.array([1.0, 0.5, 0.0, 5.0]),
        matrix=sparse.csr_array(np.array(rows)),
        row_lower=np.array([-np.inf, -np.inf, 1.0]),
        row_upper=np.array([0.0, 0.0, np.inf]),
        col_lower=np.zeros(4),
        col_upper=np.array([0.0, 1.0, 1.0, 1.0]),
        integer=np.array([True, False, False, False]),
    )
    small = OpenColumns(program, HighsRelaxation)
    assert small.columns.tolist() == [3] and len(small.held) == 2
    answer = small.solve(np.zeros(1), np.zeros(1))
    assert answer.multipliers is not None
    assert answer.multipliers.tolist() == approx([-4.5, -5.0, 5.0])
    assert safe_bound(program, answer.multipliers) == approx(5.0)


@pytest.mark.parametrize("seed", range(12))
def test_as_the_whole_relaxation(seed: int) -> None:
    """With half of the counts shut: in every box the optimum of all columns, proven by multipliers of all rows, or
    refuted; from where an earlier solve ended too.
    """
    rng = Random(seed)
    program, _ = hours(rng)
    whole = np.flatnonzero(program.integer)
    shut = np.array([j for j in whole.tolist() if rng.random() < 0.5], dtype=np.int64)
    value = np.array([float(rng.choice((0, 0, 0, 1))) for _ in shut])
    program = within(program, shut, value, value)
    if seed % 3 == 0:  # no tokens: not every box has a point
        dear = np.flatnonzero((program.cost > 0) & ~program.integer)
        program = within(program, dear[::2], np.zeros(len(dear[::2])), np.zeros(len(dear[::2])))
    lower, upper, _ = held_by_rows(program)
    plain, small = HighsRelaxation(program), OpenColumns(program, HighsRelaxation)
    assert len(small.columns) < program.n_columns and len(small.rows) < program.n_rows
    back = None
    for _ in range(12):
        least = np.array(
            [float(rng.randint(int(program.col_lower[j]), int(program.col_upper[j]))) for j in whole]
        )
        low = np.where(np.array([rng.random() < 0.3 for _ in whole]), least, program.col_lower[whole])
        high = np.maximum(
            low, np.where(np.array([rng.random() < 0.5 for _ in whole]), least, program.col_upper[whole])
        )
        ends = within(program, whole, low, high)
        if back is not None and rng.random() < 0.5:
            back()
        expected, answer = plain.solve(low, high), small.solve(low, high)
        assert answer.stop is expected.stop
        if answer.stop is Stop.INFEASIBLE:
            ray = answer.multipliers if answer.multipliers is not None else small.refute(low, high)
            assert ray is not None and refuting(ends, ray, 1e3)[1] >= 1e3
            continue
        back = small.way_back()
        assert answer.point is not None and expected.point is not None and answer.multipliers is not None
        usd = program.objective(expected.point)
        assert program.objective(answer.point) == approx(usd, rel=1e-7)
        assert (answer.point >= lower - 1e-9).all() and (answer.point <= upper + 1e-9).all()
        assert safe_bound(ends, answer.multipliers) == approx(usd, rel=1e-7)
