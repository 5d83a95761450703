"""The canonical form: what it accepts, what it refuses and by which name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from solver_cases import INF, diet, instances, program

from solvers import Blocks, LinearProgram, OptionRejected, ProgramError, SolveOptions
from solvers.core.terms import matrix_of

NAN = np.nan


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cost", [1, NAN], r"cost\[1\] is NaN"),
        ("cost", [1, INF], r"cost\[1\] = inf is not a finite number"),
        ("cost", [1, -1e20], r"cost\[1\] = -1e\+20 is not a finite number"),
        ("cost", [[1, 2]], r"cost: expected one dimension"),
        ("cost", [1, 2, 3], r"matrix: has 2 columns, cost has 3"),
        ("matrix", [[1, NAN], [0, 1]], r"matrix\[0, 1\] is NaN"),
        ("matrix", [[1, 1], [INF, 1]], r"matrix\[1, 0\] is inf"),
        ("matrix", [1, 2], r"matrix: expected two dimensions"),
        ("row_lower", [0, NAN], r"row_lower\[1\] is NaN"),
        ("row_upper", [0], r"row_upper: expected shape \(2,\), got \(1,\)"),
        ("row_lower", [0, 10], r"row_lower\[1\] = 10.0 is above row_upper\[1\] = 9.0"),
        ("row_lower", [0, INF], r"row_lower\[1\] = inf leaves no value allowed"),
        ("row_upper", [-INF, 9], r"row_upper\[0\] = -inf leaves no value allowed"),
        ("col_lower", [0, 0, 0], r"col_lower: expected shape \(2,\), got \(3,\)"),
        ("col_lower", [6, 0], r"col_lower\[0\] = 6.0 is above col_upper\[0\] = 5.0"),
        ("col_upper", [NAN, 1], r"col_upper\[0\] is NaN"),
        ("integer", [True], r"integer: expected \(2,\) bool, got \(1,\) bool"),
        ("integer", [0, 1], r"integer: expected \(2,\) bool, got \(2,\) int64"),
        ("offset", NAN, r"offset: nan is not a finite number"),
        ("blocks", ([0], [0, 1]), r"blocks: expected labels of shapes \(2,\) and \(2,\)"),
    ],
)
def test_refused_by_name_and_index(field: str, value: object, message: str) -> None:
    fields: dict[str, object] = {
        "cost": [1, 2],
        "matrix": [[1, 1], [0, 1]],
        "row_lower": [0, 0],
        "row_upper": [9, 9],
        "col_lower": [0, 0],
        "col_upper": [5, 5],
        "integer": [False, True],
    }
    with pytest.raises(ProgramError, match=message):
        LinearProgram(**(fields | {field: value}))  # type: ignore[arg-type]


def test_arrays_are_read_only_and_the_callers_stay_writeable() -> None:
    cost = np.array([1.0, 2.0])
    made = program(cost, [[1, 1]], [1], [INF])
    with pytest.raises(ValueError, match="read-only"):
        made.cost[0] = 5
    cost[0] = 5


def test_duplicates_are_summed_and_zeros_dropped_in_a_copy() -> None:
    given = sparse.csr_array((np.array([1.0, 2.0, 0.0]), np.array([0, 0, 1]), np.array([0, 3])), shape=(1, 2))
    made = program([1, 1], [[0, 0]], [0], [1])
    made = LinearProgram(
        made.cost, given, made.row_lower, made.row_upper, made.col_lower, made.col_upper, made.integer
    )
    assert made.matrix.toarray().tolist() == [[3.0, 0.0]]
    assert made.n_nonzeros == 1
    assert given.nnz == 3


def test_limits_of_1e20_and_more_are_none() -> None:
    made = program([1], [[1]], [-1e20], [1e25], upper=[1e30])
    assert (made.row_lower[0], made.row_upper[0], made.col_upper[0]) == (-INF, INF, INF)


def test_fix_and_relax() -> None:
    case = instances()
    assert case.is_mip
    by_index = case.fix([1], [3])
    assert by_index.integer.tolist() == [True, False]
    assert (by_index.col_lower.tolist(), by_index.col_upper.tolist()) == ([0, 3], [INF, 3])
    by_mask = case.fix(case.integer, [4, 0])
    assert not by_mask.is_mip
    assert case.fix([], []).integer.tolist() == [True, True]
    assert not case.relax().is_mip
    assert diet().relax() is not None
    assert case.is_mip and case.col_upper.tolist() == [INF, INF]


def test_other_bounds_are_checked_again() -> None:
    case = replace(diet(), col_upper=np.array([1, 2]))
    assert case.col_upper.tolist() == [1, 2]
    with pytest.raises(ProgramError, match="col_lower"):
        replace(case, col_lower=np.array([2, 0]))


def test_objective_does_not_depend_on_the_order_of_columns() -> None:
    case = program([1e16, 1, -1e16], [], [], [], offset=0.25)
    assert case.objective(np.ones(3)) == 1.25
    assert case.objective(np.array([0.0, 1.0, 0.0])) == 1.25
    assert case.objective(np.zeros(3)) == 0.25


def test_block_labels() -> None:
    case = program([1, 2], [[1, 1]], [0], [1], blocks=([-1, 0], [0]))
    assert isinstance(case.blocks, Blocks)
    assert case.blocks.columns.tolist() == [-1, 0]


def test_names_are_made_on_demand() -> None:
    def never() -> list[str]:
        raise AssertionError("asked for names")

    program([1, 2], [[1, 1]], [0], [1], column_names=never, row_names=never)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("gap", -0.1),
        ("gap", NAN),
        ("time_limit_s", 0),
        ("threads", 0),
        ("seed", -1),
        ("primal_tolerance", 0),
        ("dual_tolerance", INF),
    ],
)
def test_options_that_make_no_sense(option: str, value: float) -> None:
    with pytest.raises(OptionRejected, match=option):
        SolveOptions(**{option: value})  # type: ignore[arg-type]


def test_a_wider_program_by_hand() -> None:
    """min x : 2 ≤ x ≤ 3, and behind it y of 0 … 4, whole, with x + y ≤ 5 below: cost and the row of x stay."""
    one = np.ones(1)
    narrow = LinearProgram(one, sparse.csr_array([[1.0]]), 2 * one, 3 * one, 0 * one, 9 * one, one > 1)
    wide = narrow.wider(sparse.csr_array([[1.0, 1.0]]), (-np.inf * one, 5 * one), 0 * one, 4 * one, one > 0)
    assert wide.matrix.toarray().tolist() == [[1, 0], [1, 1]]
    assert wide.cost.tolist() == [1, 0]
    assert (wide.row_lower.tolist(), wide.row_upper.tolist()) == ([2, -np.inf], [3, 5])
    assert (wide.col_upper.tolist(), wide.integer.tolist()) == ([9, 4], [False, True])


def test_rows_read_term_by_term_are_the_matrix_again() -> None:
    """Terms of the same column are added up, and a row may have none: 2·x₁ + 1·x₁ = 3·x₁."""
    first = diet()
    rows = [terms for terms, _, _ in first.each_row()]
    assert (matrix_of(rows, first.n_columns) != first.matrix).nnz == 0
    assert matrix_of([[(1, 2.0), (1, 1.0)], []], 3).toarray().tolist() == [[0.0, 3.0, 0.0], [0.0, 0.0, 0.0]]
