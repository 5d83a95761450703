"""Files are read back by HiGHS's own readers and give the same program."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from solver_cases import INF, diet, instances, program

from solvers import LinearProgram, Stop, solve
from solvers.export import names, to_lp, to_mps

WRITERS = {"lp": to_lp, "mps": to_mps}


def everything() -> LinearProgram:
    """Free, negative, fixed, unused and integer columns; every kind of row; awkward names; an offset."""
    return program(
        [1 / 3, -1.25, 0, 2, 0],
        [
            [1, 1, 0, 1e-7 / 3, 0],
            [2.5, 0, 0, 1, 0],
            [0, 1, 1, 0, 0],
            [0, 0, 0, 1, 0],
            [1, 0, 0, 0, 0],
            [0, 0, 0, 0, 0],
        ],
        [-10, 1, -INF, 3, -INF, -1],
        [10, 4.75, 7, 3, INF, 1],
        lower=[-INF, -3.5, -INF, -2, 5],
        upper=[INF, 9.5, -1, INF, 5],
        integer=[False, True, True, False, False],
        offset=-7.125,
        name="a plan",
        column_names=lambda: ["free", "x y", "x_y", "e5", "route[w=1,ü]"],
        row_names=lambda: ["obj", "subject", "r", "r", "1", "z"],
    )


def read(path: Path) -> Any:
    h = highspy.Highs()
    h.setOptionValue("output_flag", False)
    assert h.readModel(str(path)) == highspy.HighsStatus.kOk
    h.run()
    return h


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("make", [everything, diet, instances])
def test_same_optimum_after_reading_back(
    ending: str, make: Callable[[], LinearProgram], tmp_path: Path
) -> None:
    case, path = make(), tmp_path / f"case.{ending}"
    WRITERS[ending](case, path)
    h = read(path)
    assert h.getModelStatus() == highspy.HighsModelStatus.kOptimal
    assert h.getObjectiveValue() == approx(solve(case).objective)


@pytest.mark.parametrize("ending", WRITERS)
def test_same_columns_after_reading_back(ending: str, tmp_path: Path) -> None:
    """Exactly, to the last bit, and in the same order."""
    case, path = everything(), tmp_path / f"case.{ending}"
    WRITERS[ending](case, path)
    lp = read(path).getLp()
    assert list(lp.col_cost_) == case.cost.tolist()
    assert list(lp.col_lower_) == case.col_lower.tolist()
    assert list(lp.col_upper_) == case.col_upper.tolist()
    assert [kind == highspy.HighsVarType.kInteger for kind in lp.integrality_] == case.integer.tolist()
    assert list(lp.col_names_) == names(case)[0]
    assert lp.offset_ == case.offset


def test_mps_keeps_the_rows_in_order(tmp_path: Path) -> None:
    """But for rows without limits, which no reader keeps."""
    case, path = everything(), tmp_path / "case.mps"
    to_mps(case, path)
    lp = read(path).getLp()
    kept = np.isfinite(case.row_lower) | np.isfinite(case.row_upper)
    assert list(lp.row_lower_) == case.row_lower[kept].tolist()
    assert list(lp.row_upper_) == case.row_upper[kept].tolist()


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize(
    ("case", "stop"),
    [
        (program([], [], [], [], offset=3), Stop.OPTIMAL),
        (program([], [], [-1], [1]), Stop.OPTIMAL),
        (program([], [], [1], [1]), Stop.INFEASIBLE),
        (program([1, -1], [], [], [], upper=[1, 2]), Stop.OPTIMAL),
    ],
)
def test_empty_programs(ending: str, case: LinearProgram, stop: Stop, tmp_path: Path) -> None:
    path = tmp_path / f"case.{ending}"
    WRITERS[ending](case, path)
    h = read(path)
    assert (h.getModelStatus() == highspy.HighsModelStatus.kOptimal) == (stop is Stop.OPTIMAL)
    if stop is Stop.OPTIMAL:
        assert h.getObjectiveValue() == solve(case).objective


def test_names_are_safe_unique_and_in_order() -> None:
    columns, rows = names(everything())
    assert columns == ["c_free", "x_y", "x_y_2", "c_e5", "route_w_1___"]
    assert rows == ["obj_2", "r_subject", "r", "r_2", "r_1", "z"]
    assert names(diet()) == (["c0", "c1"], ["r0", "r1", "r2"])


@pytest.mark.parametrize("ending", WRITERS)
def test_same_program_same_bytes(ending: str, tmp_path: Path) -> None:
    first, path = io.StringIO(), tmp_path / "case"
    WRITERS[ending](everything(), first)
    WRITERS[ending](everything(), path)
    assert path.read_bytes() == first.getvalue().encode("ascii")


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6))
def test_any_names_are_unique_and_ascii(given_names: list[str]) -> None:
    case = program(np.ones(len(given_names)), [], [], [], column_names=lambda: given_names)
    columns, _ = names(case)
    assert len(set(columns)) == len(given_names)
    assert all(name.isascii() and name[0].isalpha() for name in columns)
