"""Certificates find what is wrong, and dual bounds hold for any duals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from solver_cases import INF, diet, instances, program

from solvers import Duals, Solution, Stop, certify, dual_bound, solve


def failed(case: object, found: Solution) -> set[str]:
    return {residual.name for residual in certify(case, found).residuals if not residual.ok}  # type: ignore[arg-type]


def test_a_good_answer_passes_every_check() -> None:
    found = certify(diet(), solve(diet()))
    assert found.ok
    assert [residual.name for residual in found.residuals] == [
        "bounds",
        "rows",
        "integrality",
        "objective",
        "bound",
        "duals",
    ]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"point": np.array([-0.1, 12.0])}, "bounds"),
        ({"point": np.array([0.0, 3.9])}, "rows"),
        ({"point": np.array([np.nan, 4.0])}, "rows"),
        ({"objective": 8.1}, "objective"),
        ({"bound": 8.1}, "bound"),
        ({"bound": INF}, "bound"),
        ({"duals": Duals(np.array([1.0, 0.0, 0.0]), np.array([2.0, 1.0]))}, "duals"),
    ],
)
def test_a_wrong_answer_fails_by_name(change: dict[str, object], check: str) -> None:
    assert check in failed(diet(), replace(solve(diet()), **change))  # type: ignore[arg-type]


def test_a_fraction_of_an_instance_fails() -> None:
    assert failed(instances(), replace(solve(instances()), point=np.array([4.0, 0.1]))) >= {"integrality"}


def test_where_and_how_much() -> None:
    """Row 1 asks 0 + 3·1 ≥ 6: 3 short, of parts that sum to 3."""
    found = certify(diet(), Solution(Stop.TIME_LIMIT, np.array([3.0, 1.0]) * [0, 1], 2.0))
    rows = next(residual for residual in found.residuals if residual.name == "rows")
    assert (rows.at, rows.absolute) == (0, 3.0)
    assert rows.worst == approx(3.0)


def test_no_point_no_promise() -> None:
    assert certify(diet(), Solution(Stop.INFEASIBLE)).residuals == ()


def test_dual_bound_of_the_optimal_duals_is_the_optimum() -> None:
    assert dual_bound(diet(), np.array([2.0, 0, 0])) == approx(8)


def test_dual_bound_of_poor_duals_is_lower() -> None:
    """y1 = 1: reduced costs 2 and 1, so the bound is 4·1."""
    assert dual_bound(diet(), np.array([1.0, 0, 0])) == approx(4)
    assert dual_bound(diet(), np.zeros(3)) == 0


def test_dual_bound_ignores_duals_of_limits_that_do_not_exist() -> None:
    assert dual_bound(diet(), np.array([2.0, -5, 0])) == approx(8)


def test_wrong_sign_on_an_unbounded_column_proves_nothing() -> None:
    assert dual_bound(diet(), np.array([2.5, 0, 0])) == -INF
    bounded = replace(diet(), col_upper=np.array([3, 10]))
    # reduced costs 0.5 and −0.5: 4 · 2.5 − 0.5 · 10
    assert dual_bound(bounded, np.array([2.5, 0, 0])) == approx(5)


def test_rounding_on_an_unbounded_column_is_forgiven_up_to_the_tolerance() -> None:
    almost = np.array([2.0 + 1e-12, 0, 0])
    assert dual_bound(diet(), almost) == approx(8)
    assert dual_bound(diet(), almost, tolerance=0) == -INF


def test_dual_bound_holds_the_offset() -> None:
    case = program([1], [[1]], [3], [INF], offset=10)
    assert dual_bound(case, np.array([1.0])) == approx(13)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_no_duals_prove_more_than_the_optimum(y: list[float]) -> None:
    case = replace(diet(), col_upper=np.array([10, 10]))
    assert dual_bound(case, np.array(y)) <= 8 + 1e-9
