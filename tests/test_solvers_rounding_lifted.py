"""A relaxation lifted by rows of its own basis: no whole point is lost, and its bound is what its rows prove."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytest import approx
from test_solvers_rounded import fleets
from test_solvers_rounding_tableau import hours

from solvers import SolveOptions, is_feasible, solve
from solvers.highs_relaxation import HighsRelaxation
from solvers.rounded import solve_rounded
from solvers.rounding.lifted import BasisRows, lifted

OPTIONS = SolveOptions()


def test_two_fleets_by_hand() -> None:
    """5 of work on instances of 3 (1 USD) and of 1 (0.4 USD): 5/3 in the relaxation.

    Rounded in thirds, 3 a + b ≥ 5 makes a + b / 2 ≥ 2. Whole (a, b): (2, 0) costs 2.0, (1, 2) 1.8, (0, 5) 2.0.
    """
    program = fleets([5.0], [1.0, 0.4], [3.0, 1.0])
    plain, once, twice = (lifted(program, OPTIONS, rounds) for rounds in (0, 1, 2))
    assert plain is not None and once is not None and twice is not None
    assert (plain.bound, len(plain.prices)) == (approx(5 / 3), 0)
    assert plain.bound < once.bound <= twice.bound + 1e-9 <= 1.8 + 1e-6
    for solver in ("highs", "pulp:COIN_CMD"):
        assert solve(program, solver).objective == approx(1.8)


@pytest.mark.parametrize("seed", range(12))
def test_no_row_of_any_round_leaves_a_whole_point_out(seed: int) -> None:
    """The farthest that a whole point comes to each row, by a search; some are made of rows before them."""
    program = hours(seed)
    relaxation = HighsRelaxation(program)
    ends = program.col_lower[relaxation.columns], program.col_upper[relaxation.columns]
    rows, bounds = BasisRows(program, relaxation), list[float]()
    for _ in range(3):
        point = relaxation.solve(*ends).point
        assert point is not None
        bounds.append(program.objective(point))
        broken = rows.violated(point)
        for row, most in zip(broken.matrix.toarray(), broken.upper, strict=True):
            found = solve(replace(program, cost=-row))
            assert found.objective is not None
            assert -found.objective <= most + 1e-6
        relaxation.add_rows(broken.matrix, broken.upper)
    assert bounds == sorted(bounds)
    answer, best = lifted(program, OPTIONS), solve(program).objective
    assert answer is not None and best is not None
    assert bounds[0] <= answer.bound <= best + 1e-6
    assert len(answer.roundings) == len(answer.prices)
    for k, row in enumerate(answer.roundings):
        assert (row.rows < program.n_rows + k).all()  # of roundings before it alone


@pytest.mark.parametrize("seed", range(12))
def test_plans_rounded_from_it_are_plans_and_its_bound_is_one(seed: int) -> None:
    """Three demands, four fleets of other sizes and prices, with and without a limit on all instances."""
    rng = np.random.default_rng(seed)
    d, f = 3, 4
    program = fleets(
        rng.uniform(50, 400, d).tolist(),
        rng.uniform(1, 4, f).tolist(),
        rng.uniform(5, 20, f).tolist(),
        most=float(rng.choice([np.inf, 120.0])),
    )
    answer, best = solve_rounded(program, SolveOptions(gap=1e-6), by_basis=True), solve(program)
    assert answer is not None and answer.point is not None and best.objective is not None
    assert is_feasible(program, answer.point, tolerance=1e-7)
    assert answer.bound <= best.objective * (1 + 1e-4) + 1e-6
    assert answer.objective >= best.objective * (1 - 1e-4) - 1e-6
    plain = solve_rounded(program, SolveOptions(gap=1e-6), rounds=0)
    assert plain is not None and plain.bound <= answer.bound + 1e-9
