"""Windows of steps: a plan that is one, and a bound that is no more than the optimum."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, Solution, SolveOptions, Stop, is_feasible, solve
from solvers.held_in_time import solve_by_windows, solve_held_in_time

STEPS = 6
type Floats = NDArray[np.float64]


def drawn(seed: int) -> tuple[LinearProgram, NDArray[np.int64]]:
    """Work of each step, done in it or in the next; up to two machines of 3 a step, a fee that is held at 1, and help.

    Columns: done at once, done a step later, help (by step, each of 1 at most), machines (by step), fee.
    """
    rng = np.random.default_rng(seed)
    work, t = rng.integers(1, 5, STEPS).astype(float), STEPS
    rows = np.zeros((2 * t, 4 * t + 1))
    for i in range(t):
        rows[i, [i, 2 * t + i]] = 1.0
        rows[t + i, i], rows[t + i, 3 * t + i] = work[i], -3.0
        if i + 1 < t:
            rows[i, t + i] = 1.0
            rows[t + i + 1, t + i] = work[i]
    usd = np.concatenate([np.zeros(2 * t), 3 * work, rng.integers(4, 9, t), [7.0]])
    n = len(usd)
    program = LinearProgram(
        cost=usd,
        matrix=sparse.csr_array(rows),
        row_lower=np.concatenate([np.ones(t), np.full(t, -np.inf)]),
        row_upper=np.concatenate([np.ones(t), np.zeros(t)]),
        col_lower=np.append(np.zeros(n - 1), 1.0),
        col_upper=np.concatenate([np.ones(3 * t), np.full(t, 2.0), [1.0]]),
        integer=np.arange(n) >= 3 * t,
        offset=5.0,
    )
    return program, np.append(np.tile(np.arange(t), 4), -1)


def least(program: LinearProgram) -> float:
    """With every count of machines, and the rest as a linear program."""
    some = np.arange(3 * STEPS, 4 * STEPS)
    found = (
        solve(program.fix(some, np.array(counts, dtype=float)).relax(), "highs", SolveOptions())
        for counts in product(range(3), repeat=STEPS)
    )
    return min(each.objective for each in found if each.objective is not None)


def unproven(part: LinearProgram, own: SolveOptions, start: Floats | None) -> Solution:
    """A solver that ends windows, and of the whole finds a point without a proof: the dearest that help alone makes."""
    if part.is_mip and part.n_columns == 4 * STEPS + 1:
        t = STEPS
        point = np.concatenate([np.zeros(2 * t), np.ones(t), np.zeros(t), [1.0]])
        return Solution(Stop.TIME_LIMIT, point, part.objective(point), -np.inf)
    return solve(part, "highs", own)


@pytest.mark.parametrize("seed", range(4))
def test_windows_better_the_point_and_the_bound(seed: int) -> None:
    """By enumeration of 729 counts; the relaxation's bound is the least that may be said."""
    program, step = drawn(seed)
    best, relaxed = least(program), solve(program.relax(), "highs", SolveOptions()).bound

    found = solve_held_in_time(program, step, unproven, SolveOptions())

    assert found.point is not None
    assert found.objective is not None
    assert is_feasible(program, found.point, tolerance=1e-6)
    assert found.objective == approx(program.objective(found.point))
    assert relaxed - 1e-6 <= found.bound <= best + 1e-6 <= found.objective + 2e-6
    help_alone = unproven(program, SolveOptions(), None).objective
    assert help_alone is not None
    assert found.objective <= help_alone


def test_what_a_tree_ends_is_left_as_it_is() -> None:
    program, step = drawn(0)
    found = solve_held_in_time(program, step, lambda part, own, _: solve(part, "highs", own), SolveOptions())
    assert found.stop is Stop.OPTIMAL
    assert found.objective == approx(least(program))


def test_no_relaxation_no_plan() -> None:
    program, step = drawn(0)
    none = program.fix(np.arange(4 * STEPS), np.zeros(4 * STEPS))
    found = solve_held_in_time(none, step, lambda part, own, _: solve(part, "highs", own), SolveOptions())
    assert found.stop is Stop.INFEASIBLE


@pytest.mark.parametrize("seed", range(4))
def test_two_windows_put_together_are_a_plan(seed: int) -> None:
    """By enumeration of 729 counts, as above; a month of two steps has a column of its own that allows its machines.

    It stands in rows of its steps alone, so that it is in the window of the first of them: of 3 steps with 4 columns
    each, the first window has 2 months more, the second 1. The fee of all steps is apart.
    """
    program, step = drawn(seed)
    best, columns = least(program), program.n_columns
    machines = np.arange(3 * STEPS, 4 * STEPS)
    row = np.repeat(np.arange(STEPS // 2), 2)
    allowed = sparse.coo_array((np.ones(STEPS), (row, machines)), shape=(STEPS // 2, columns + STEPS // 2))
    months = sparse.coo_array(
        (np.full(STEPS // 2, -4.0), (np.arange(STEPS // 2), columns + np.arange(STEPS // 2))),
        shape=allowed.shape,
    )
    none, some = np.zeros(STEPS // 2), np.ones(STEPS // 2)
    wide = program.wider((allowed + months).tocsr(), (none - np.inf, none), none, some, some > 0)
    seen = list[int]()

    def run(part: LinearProgram, own: SolveOptions, start: Floats | None) -> Solution:
        seen.append(part.n_columns)
        return solve(part, "highs", own)

    found = solve_by_windows(wide, np.append(step, np.full(STEPS // 2, -1)), machines, run, SolveOptions())

    assert found.point is not None
    assert found.objective is not None
    assert is_feasible(wide, found.point, tolerance=1e-6)
    assert found.objective == approx(wide.objective(found.point))
    relaxed = solve(wide.relax(), "highs", SolveOptions()).bound
    assert relaxed - 1e-6 <= found.bound <= best + 1e-6 <= found.objective + 2e-6
    assert seen[1:4] == [1, 12 + 1, 12 + 2]


def test_no_relaxation_no_windows() -> None:
    program, step = drawn(0)
    none = program.fix(np.arange(4 * STEPS), np.zeros(4 * STEPS))
    found = solve_by_windows(
        none, step, np.arange(3), lambda part, own, _: solve(part, "highs", own), SolveOptions()
    )
    assert found.stop is Stop.INFEASIBLE
