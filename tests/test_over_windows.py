"""Rows over some periods on end, of pools that boot and whose work waits, lose no plan and make none cheaper."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from campaign import times
from hypothesis import given
from hypothesis import strategies as st
from problem_factory import Data, load
from pytest import approx
from scipy.optimize import linprog
from test_each_instance import encoded_of, problem

import router
from problems.core.each_instance import by_instance, on_columns, pools_that_boot, with_instances
from problems.core.encode import Encoded
from problems.core.over_windows import served, with_windows
from router.planning.structure.booting import better, by_longer_windows
from solvers import LinearProgram, Solution, SolveOptions, Stop, is_feasible, solve
from solvers.strengthened import strengthened


def waiting(rng: Random) -> Data:
    """One workload or two whose work waits for one period or two, a pool with or without a grid."""
    periods = rng.choice((6, 7, 8))
    made = problem(
        periods,
        [rng.choice((0.0, 0.3, 0.5, 0.76, 1.0, 1.4)) for _ in range(periods)],
        start_h=rng.choice((0.25, 0.5, 0.9, 1.0, 1.5, 2.25)),
        min_up_h=rng.choice((0, 2, 3)),
        usd_per_h=rng.choice((0.5, 1, 2)),
        start_usd=rng.choice((0, 0, 0.7)),
        **rng.choice(
            (
                {"max": 1},
                {"max": 2},
                {"max": 3},
                {"max": 4, "step": 2, "min": 2},
                {"max": 3, "step": 2, "min": 1},
            )
        ),
    )
    first = made["workloads"][0]
    first["deferrable_h"] = rng.choice((1, 2))
    if rng.random() < 0.5:
        again = [rng.choice((0.0, 0.1, 0.4)) * 3600 for _ in range(periods)]
        made["workloads"].append(
            {**first, "name": "v", "deferrable_h": 0, "demand": {"requests_by_period": again}}
        )
    made["offers"][1]["models"]["m"]["prompt_usd_per_m"] = rng.choice((3, 6, 10))
    return made


def with_all_rows(program: LinearProgram, made: Encoded, before: int) -> LinearProgram | None:
    """The program with instances, windows and every row that may be added."""
    pools = [replace(pool, before=before) for pool in pools_that_boot(made)]
    if not pools or pools[0].most < before or before not in pools[0].levels:
        return None
    wide = with_instances(program, pools)
    windows = with_windows(wide, pools, on_columns(program, pools))
    return None if windows is None else windows[1].rows.added_to(windows[0])


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
def test_no_plan_is_lost_and_none_made_cheaper(solver: str) -> None:
    """All programs have the same optimum, at the problem's prices and at any others: what may be done is the same."""
    seen = 0
    for seed in range(times(8)):
        made, before = encoded_of(waiting(Random(seed))), seed % 3
        lower = made.program.row_lower.copy()
        lower[list(made.program.row_names()).index("starts(own,m,0)")] = -before
        program = replace(made.program, row_lower=lower)
        wide = with_all_rows(program, made, before)
        if wide is None:
            continue
        seen += 1
        for turn in range(3):
            cost = np.random.default_rng(seed + turn).random(program.n_columns) if turn else program.cost
            plain = solve(program.with_cost(cost), solver)
            own = solve(wide.with_cost(np.append(cost, np.zeros(wide.n_columns - len(cost)))), solver)
            assert plain.stop is own.stop is Stop.OPTIMAL
            assert own.objective == approx(plain.objective, rel=2e-5, abs=1e-6), seed
    assert seen >= 4


def test_work_is_put_off_until_a_boot_is_worth_it() -> None:
    """Twelve hours of 0.5 instances that may run in the next hour too; an instance is 1 USD an hour, boots half of one.

    Off in the first of three hours, it serves 0.5 in the second and 1.0 in the third: all that arrives. 8 USD, and no
    pause is longer: of two hours' work on end the first would be lost, 1.80 USD by the token. A relaxation, with
    columns for each instance too, has less than an instance in every hour: 6.50 USD. Rows over three hours close it.
    """
    data = problem(12, [0.5] * 12, max=1)
    data["workloads"][0]["deferrable_h"] = 2
    made = encoded_of(data)
    pools = pools_that_boot(made)
    wide = with_instances(made.program, pools)
    windows = with_windows(wide, pools, on_columns(made.program, pools))
    assert windows is not None
    plain, closed = solve(wide.relax()), strengthened(windows[0], SolveOptions(), windows[1])
    assert plain.objective == approx(6.5, abs=1e-3)
    assert closed is not None
    assert closed.bound == approx(8.0)
    assert router.solve(load(data)).cost_usd == approx(8.0)


def test_pools_whose_work_does_not_wait_have_no_windows() -> None:
    made = encoded_of(problem(6, [0.6] * 6))
    pools = pools_that_boot(made)
    assert with_windows(with_instances(made.program, pools), pools, on_columns(made.program, pools)) is None


def test_windows_are_as_long_as_their_columns_may_be_many() -> None:
    """Of two instances at most there are 27 counts of three periods, 81 of four: here 12 periods may have 12 · 27."""
    data = problem(12, [0.7] * 12, max=2)
    data["workloads"][0]["deferrable_h"] = 3
    made = encoded_of(data)
    pools = pools_that_boot(made)
    wide, on = with_instances(made.program, pools), on_columns(made.program, pools)
    added = []
    for most in (20, 12 * 27, 12 * 81):
        windows = with_windows(wide, pools, on, most)
        added.append(0 if windows is None else windows[0].n_columns - wide.n_columns)
    assert added == [0, 3 + 9 + 10 * 27, 3 + 9 + 27 + 9 * 81]


@given(
    work=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from((0.0, 0.3, 1.0, 2.5))),
        min_size=1,
        max_size=5,
    ),
    capacity=st.lists(st.sampled_from((0.0, 0.5, 1.0, 2.0)), min_size=6, max_size=6),
)
def test_who_is_due_first_is_served_first(work: list[tuple[int, int, float]], capacity: list[float]) -> None:
    """As much as a linear program serves: Σ_u x[i,u] ≤ amount[i], Σ_i x[i,u] ≤ capacity[u], u in first … last."""
    pieces = [(first, first + longer, amount) for first, longer, amount in work]
    pairs = [(i, u) for i, (first, last, _) in enumerate(pieces) for u in range(first, last + 1)]
    limits = np.zeros((len(pieces) + 6, len(pairs)))
    for k, (i, u) in enumerate(pairs):
        limits[i, k] = limits[len(pieces) + u, k] = 1.0
    most = linprog(-np.ones(len(pairs)), limits, [*(amount for *_, amount in pieces), *capacity]).fun
    assert served(pieces, capacity) == approx(-most, abs=1e-7)


def test_a_second_search_that_finds_no_point_takes_nothing_from_the_first() -> None:
    """One says that there is no point where the other has one: that proves nothing, and is no optimum."""
    first = Solution(Stop.EXHAUSTED, np.zeros(1), 10.0, 8.0)
    found = better(first, Solution(Stop.INFEASIBLE, bound=np.inf), 1e-6)
    assert (found.stop, found.objective, found.bound) == (Stop.EXHAUSTED, 10.0, 8.0)


def test_two_windows_bound_every_plan_and_make_one() -> None:
    """Hours of waiting work, boots of all lengths: the bound is no more than the optimum, the plan is one.

    Where rows over longer windows add less than a hundredth to a relaxation, a tree is left to search.
    """

    def run(part: LinearProgram, solver: str, own: SolveOptions, start: object = None) -> Solution:
        return solve(part, solver, own)

    met = 0
    for seed in range(times(12)):
        made = encoded_of(waiting(Random(seed)))
        wide, best = by_instance(made), solve(made.program)
        if wide is None or best.objective is None:
            continue
        found = by_longer_windows(made, wide, 0.0, SolveOptions(), run)
        if found is None:
            continue
        assert found.bound <= best.objective * (1 + 1e-6), seed
        assert by_longer_windows(made, wide, best.objective, SolveOptions(), run) is None, seed
        if found.point is None or found.objective is None:
            continue
        met += 1
        assert found.objective >= best.objective * (1 - 1e-6) - 1e-9, seed
        point = found.point[: made.program.n_columns]
        assert is_feasible(made.program, point, tolerance=1e-6), seed
        assert made.program.objective(point) == approx(found.objective), seed
    assert met >= 4


@pytest.mark.parametrize("seed", range(12))
def test_windows_are_as_wide_as_their_columns_may_be(seed: int) -> None:
    """With room for all columns there are these; with a column less there are fewer, of narrower windows, or none."""
    made = encoded_of(waiting(Random(seed)))
    wide, pools = by_instance(made), pools_that_boot(made)
    if wide is None:
        return
    most, on = 10**6, on_columns(made.program, pools)
    while (windows := with_windows(wide, pools, on, most)) is not None:
        columns = windows[0].n_columns - wide.n_columns
        assert columns <= most and len(windows[2]) == columns
        again = with_windows(wide, pools, on, columns)
        assert again is not None and again[0].n_columns == windows[0].n_columns
        most = columns - 1


def test_a_boot_longer_than_the_horizon_takes_no_time_to_see_through() -> None:
    """Windows as long as its boot would have all that 48 periods can hold: those that fit are found by halves."""
    data = problem(48, [0.4, 1.2, 0.0, 0.7] * 12, start_h=60.0, min_up_h=2, max=4)
    data["workloads"][0]["deferrable_h"] = 2
    made = encoded_of(data)
    pools = pools_that_boot(made)
    wide = with_instances(made.program, pools)
    windows = with_windows(wide, pools, on_columns(made.program, pools))
    assert windows is not None and 0 < windows[0].n_columns - wide.n_columns <= 3_000
