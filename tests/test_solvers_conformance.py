"""One suite that every backend passes. Points are compared only where the optimum is unique."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytest import approx
from solver_cases import INF, diet, hard_knapsack, instances, large_lp, market_split, program

from solvers import Feature, OptionRejected, ProgramError, SolveOptions, Stop, certify, get, solve


def test_every_ending_is_mapped(backend: str) -> None:
    """Every member of the solver's enumerations; one that states numbers has a test of its own."""
    endings = get(backend).STOP
    for kind in {type(ending) for ending in endings}:
        members = set(kind.__members__.values()) if hasattr(kind, "__members__") else set(endings)
        assert members <= set(endings)
    assert {Stop.OPTIMAL, Stop.INFEASIBLE, Stop.UNBOUNDED, Stop.TIME_LIMIT} <= set(endings.values())


def test_optimal_lp_with_its_point(backend: str) -> None:
    found = solve(diet(), backend)
    assert found.stop is Stop.OPTIMAL
    assert found.objective == approx(8)
    assert found.bound == approx(8)
    assert found.point == approx([0, 4])
    assert certify(diet(), found).ok


def test_duals_of_an_lp(backend: str) -> None:
    """diet(): the first row is active with dual 2, so x's reduced cost is 3 − 2·1 = 1."""
    found = solve(diet(), backend)
    if Feature.DUALS not in get(backend).FEATURES:
        assert found.duals is None
        return
    assert found.duals is not None
    assert found.duals.row == approx([2, 0, 0])
    assert found.duals.column == approx([1, 0])


@pytest.mark.parametrize(
    ("case", "row_dual"),
    [
        # min x, x ≥ 3 as a row: one more costs one more
        (program([1], [[1]], [3], [INF]), 1.0),
        # min −2x, x ≤ 3: one more saves two
        (program([-2], [[1]], [-INF], [3]), -2.0),
        # min x, 2 ≤ x ≤ 3: the lower side is active
        (program([1], [[1]], [2], [3]), 1.0),
        # min −x, 2 ≤ x ≤ 3: the upper side is active
        (program([-1], [[1]], [2], [3]), -1.0),
        # min −x, 2x = 3: half a unit saved per unit of the limit
        (program([-1], [[2]], [3], [3]), -0.5),
        # min x + y, −x ≤ −3 is x ≥ 3 written the other way: raising −3 saves one
        (program([1, 1], [[-1, 0]], [-INF], [-3]), -1.0),
    ],
)
def test_sign_of_a_row_dual(backend: str, case: object, row_dual: float) -> None:
    found = solve(case, backend)  # type: ignore[arg-type]
    assert found.stop is Stop.OPTIMAL
    if Feature.DUALS in get(backend).FEATURES:
        assert found.duals is not None
        assert found.duals.row == approx([row_dual])


def test_a_row_dual_is_the_slope_of_the_optimum(backend: str) -> None:
    case = diet()
    raised = solve(replace(case, row_lower=np.array([4.5, 6, -INF])), backend)
    found = solve(case, backend)
    assert raised.objective is not None and found.objective is not None
    if found.duals is not None:
        assert raised.objective - found.objective == approx(0.5 * found.duals.row[0])


def test_rounding_up_the_relaxation_is_not_optimal(backend: str) -> None:
    found = solve(instances(), backend)
    assert found.stop is Stop.OPTIMAL
    assert found.objective == approx(14.0)
    assert found.point == approx([4, 0])
    assert found.bound == approx(14.0, rel=1e-5)
    assert found.duals is None
    assert certify(instances(), found).ok


def test_relaxed_on_request(backend: str) -> None:
    found = solve(instances(), backend, SolveOptions(relax=True))
    assert found.objective == approx(1.2 * 10_000 / 900)


def test_fixed_integers_leave_an_lp(backend: str) -> None:
    case = instances()
    found = solve(case.fix(case.integer, [3, 3]), backend)
    assert found.stop is Stop.OPTIMAL
    assert found.point == approx([3, 3])
    assert found.objective == approx(14.1)


def test_equality(backend: str) -> None:
    """min x + 2y, x + y = 5, x ≤ 3: x = 3, y = 2."""
    found = solve(program([1, 2], [[1, 1]], [5], [5], upper=[3, INF]), backend)
    assert found.point == approx([3, 2])
    assert found.objective == approx(7)


@pytest.mark.parametrize(("sign", "best"), [(1, 2.0), (-1, -6.0)])
def test_ranged_row(backend: str, sign: float, best: float) -> None:
    """2 ≤ x + y ≤ 6: the cheapest and the dearest sum."""
    found = solve(program([sign, sign], [[1, 1]], [2], [6]), backend)
    assert found.objective == approx(best)


def test_ranged_row_of_integers(backend: str) -> None:
    """3.5 ≤ 2x ≤ 6.5, x whole: 2x = 4 at least, 6 at most."""
    low = solve(program([1], [[2]], [3.5], [6.5], integer=[True]), backend)
    high = solve(program([-1], [[2]], [3.5], [6.5], integer=[True]), backend)
    assert low.point == approx([2])
    assert high.point == approx([3])


def test_free_and_negative_columns(backend: str) -> None:
    """min x + y + z, x free with x ≥ −7 as a row, −5 ≤ y ≤ −2, z ≤ −1 (lower −4): −7 − 5 − 4."""
    case = program(
        [1, 1, 1],
        [[1, 0, 0], [1, 1, 1]],
        [-7, -INF],
        [INF, 100],
        lower=[-INF, -5, -4],
        upper=[INF, -2, -1],
    )
    found = solve(case, backend)
    assert found.point == approx([-7, -5, -4])
    assert found.objective == approx(-16)


def test_negative_integers(backend: str) -> None:
    """min x, x ≥ −2.5, whole: −2. And max x ≤ −0.5, whole: −1."""
    low = solve(program([1, 0], [[1, 1]], [-10], [10], lower=[-2.5, 0], integer=[True, False]), backend)
    high = solve(
        program([-1, 0], [[1, 1]], [-10], [10], lower=[-9, 0], upper=[-0.5, 1], integer=[True, False]),
        backend,
    )
    assert low.objective == approx(-2)
    assert high.objective == approx(1)


def test_columns_that_occur_nowhere(backend: str) -> None:
    """They take the allowed value nearest to zero or any other, but they are in the point."""
    case = program(
        [1, 0, 0], [[1, 0, 0]], [2], [INF], lower=[0, 3, -8.5], upper=[INF, 5, -1.5], integer=[0, 0, 1]
    )
    found = solve(case, backend)
    assert found.objective == approx(2)
    assert certify(case, found).ok


def test_a_row_without_coefficients(backend: str) -> None:
    holds = solve(program([1], [[0], [1]], [-1, 2], [0, INF]), backend)
    broken = solve(program([1], [[0], [1]], [1, 2], [2, INF]), backend)
    assert holds.objective == approx(2)
    assert broken.stop is Stop.INFEASIBLE


def test_offset(backend: str) -> None:
    case = program([3, 2], [[1, 1]], [4], [INF], offset=100.0)
    found = solve(case, backend)
    assert found.objective == approx(108)
    assert found.bound == approx(108)
    whole = program([3, 2], [[1, 1]], [3.5], [INF], offset=-100.0, integer=[True, True])
    found = solve(whole, backend)
    assert found.objective == approx(-92)
    assert found.bound == approx(-92, rel=1e-5)


def test_infeasible_lp(backend: str) -> None:
    found = solve(program([1, 1], [[1, 1], [1, 1]], [4, -INF], [INF, 3]), backend)
    assert found.stop is Stop.INFEASIBLE
    assert found.point is None
    assert found.objective is None
    assert found.duals is None
    assert found.bound == -INF


def test_infeasible_integers_in_a_feasible_lp(backend: str) -> None:
    """2x + 2y = 3 has solutions, but none in whole numbers."""
    case = program([1, 1], [[2, 2]], [3], [3], upper=[9, 9], integer=[True, True])
    assert solve(case.relax(), backend).stop is Stop.OPTIMAL
    found = solve(case, backend)
    assert found.stop is Stop.INFEASIBLE
    assert found.point is None


@pytest.mark.parametrize("whole", [False, True])
def test_unbounded(backend: str, whole: bool) -> None:
    case = program([-1, 1], [[1, -2]], [-INF], [5], integer=[whole, False])
    # x can grow with y at a profit of 1 per unit: x = 5 + 2y
    found = solve(case, backend)
    assert found.stop is Stop.UNBOUNDED
    assert found.bound == -INF


@pytest.mark.parametrize("whole", [False, True])
def test_infeasible_and_dual_infeasible_is_infeasible(backend: str, whole: bool) -> None:
    """The cost falls for ever in y, but no x fits: infeasible, not "or unbounded"."""
    case = program([1, -1], [[1, 0], [1, 0], [0, 1]], [2, -INF, 1], [INF, 1, INF], integer=[whole, False])
    assert solve(case, backend).stop is Stop.INFEASIBLE


def test_out_of_time_without_a_point(backend: str) -> None:
    found = solve(market_split(), backend, SolveOptions(time_limit_s=0.3))
    assert found.stop is Stop.TIME_LIMIT
    assert found.point is None
    assert found.objective is None
    assert found.gap == INF


def test_out_of_time_with_a_point(backend: str) -> None:
    case = hard_knapsack()
    found = solve(case, backend, SolveOptions(time_limit_s=1.0, gap=0.0))
    assert found.stop is Stop.TIME_LIMIT
    assert found.point is not None and found.objective is not None
    assert certify(case, found).ok
    if Feature.BOUND in get(backend).FEATURES:
        assert -INF < found.bound <= found.objective
        assert 0 < found.gap < 1


def test_an_lp_out_of_time_has_no_infeasible_point(backend: str) -> None:
    """Solvers hand back the simplex's last vertex, which is no solution. CBC may finish all the same."""
    case = large_lp()
    found = solve(case, backend, SolveOptions(time_limit_s=0.05))
    assert found.stop is Stop.TIME_LIMIT or (backend == "pulp:COIN_CMD" and found.stop is Stop.OPTIMAL)
    assert certify(case, found).ok
    assert found.duals is None or found.stop is Stop.OPTIMAL


def test_a_gap_that_is_wide_enough_is_optimal(backend: str) -> None:
    found = solve(hard_knapsack(), backend, SolveOptions(gap=0.5))
    assert found.stop is Stop.OPTIMAL
    assert found.gap <= 0.5 + 1e-9


def test_starting_point(backend: str) -> None:
    """Whether it is used or not, the answer is the same, and a point of the wrong kind is refused."""
    assert solve(instances(), backend, start=[0, 12]).objective == approx(14.0)
    with pytest.raises(ProgramError, match="start: expected shape"):
        solve(instances(), backend, start=[1.0])
    with pytest.raises(ProgramError, match=r"start\[1\] = nan"):
        solve(instances(), backend, start=[1.0, np.nan])


def test_refused_option(backend: str) -> None:
    with pytest.raises(OptionRejected, match="mip_rel_gapp"):
        solve(diet(), backend, SolveOptions(native={"mip_rel_gapp": 0.1}))


def test_refused_option_where_no_solver_is_needed(backend: str) -> None:
    with pytest.raises(OptionRejected, match="mip_rel_gapp"):
        solve(program([], [], [], []), backend, SolveOptions(native={"mip_rel_gapp": 0.1}))


def test_threads_and_seed(backend: str) -> None:
    features = get(backend).FEATURES
    for options, feature in (
        (SolveOptions(threads=2), Feature.THREADS),
        (SolveOptions(seed=7), Feature.SEED),
        (SolveOptions(threads=1, seed=0), None),
    ):
        if feature is None or feature in features:
            assert solve(instances(), backend, options).objective == approx(14.0)
        else:
            with pytest.raises(OptionRejected):
                solve(instances(), backend, options)


def test_tolerances_of_an_lp(backend: str) -> None:
    options = SolveOptions(primal_tolerance=1e-9, dual_tolerance=1e-9)
    assert solve(diet(), backend, options).objective == approx(8)
    assert solve(instances(), backend, options).objective == approx(14.0)


def test_no_time_limit(backend: str) -> None:
    assert solve(diet(), backend, SolveOptions(time_limit_s=None)).objective == approx(8)


def test_same_point_twice(backend: str) -> None:
    """Many optimal points; one thread and one seed choose the same."""
    rng = np.random.default_rng(4)
    case = program(
        np.ones(30),
        rng.integers(0, 2, size=(12, 30)),
        np.full(12, 3.0),
        np.full(12, INF),
        upper=np.full(30, 4.0),
        integer=np.arange(30) % 2 == 0,
    )
    first, second = solve(case, backend), solve(case, backend)
    assert first.point is not None and second.point is not None
    assert first.point.tobytes() == second.point.tobytes()
    assert first.objective == second.objective


def test_no_columns(backend: str) -> None:
    found = solve(program([], [], [], [], offset=7.0), backend)
    assert (found.stop, found.objective, found.bound) == (Stop.OPTIMAL, 7.0, 7.0)
    assert found.point is not None and found.point.shape == (0,)
    assert solve(program([], [], [-1], [1]), backend).stop is Stop.OPTIMAL
    assert solve(program([], [], [1], [2]), backend).stop is Stop.INFEASIBLE


def test_no_rows(backend: str) -> None:
    """min x − y + 0z: each column at its cheap end, the free choice nearest to zero."""
    case = program([1, -1, 0], [], [], [], lower=[-2.5, 0, 1.5], upper=[9, 4.5, 9], integer=[1, 0, 1])
    found = solve(case, backend)
    assert found.stop is Stop.OPTIMAL
    assert found.point == approx([-2, 4.5, 2])
    assert solve(program([-1], [], [], []), backend).stop is Stop.UNBOUNDED
    nothing = program([1], [], [], [], lower=[0.2], upper=[0.8], integer=[True])
    assert solve(nothing, backend).stop is Stop.INFEASIBLE


def test_stats_count_what_was_handed_over(backend: str) -> None:
    stats = solve(diet(), backend).stats
    assert (stats.rows, stats.columns, stats.nonzeros) == (3, 2, 5)
    assert stats.solver == backend
    assert stats.raw
    assert stats.solve_s >= 0 and stats.hand_over_s >= 0


def test_log_stays_off_stdout(backend: str, capfd: pytest.CaptureFixture[str]) -> None:
    """stdout belongs to the answer; a backend that can log elsewhere does so on stderr."""
    solve(diet(), backend)
    silent = capfd.readouterr()
    assert (silent.out, silent.err) == ("", "")
    try:
        solve(diet(), backend, SolveOptions(log=True))
    except OptionRejected as refused:
        assert "log" in str(refused)
        return
    logged = capfd.readouterr()
    assert logged.out == ""
    assert logged.err
