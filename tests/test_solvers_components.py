"""Programs that fall apart: every part is solved by itself, like parts once, and the gap asked for is of the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from campaign import times
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, Solution, SolveOptions, Stop, is_feasible, solve
from solvers import components as taken_apart
from solvers.components import (
    different_columns,
    labels,
    mostly_alike,
    parts,
    solve_linear_parts,
    solve_parts,
)
from solvers.highs_relaxation import HighsRelaxation
from solvers.proof import prove
from solvers.proof.safe import safe_bound

EXACT = SolveOptions(gap=0.0, time_limit_s=None)


def fleet(usd: float = 3.0) -> LinearProgram:
    """Load 2.5 on machines of 1 at `usd` each, or by the token at twice that a unit: 3 · usd in two ways."""
    return LinearProgram(
        cost=np.array([usd, 2.0 * usd]),
        matrix=np.array([[1.0, 1.0]]),
        row_lower=np.array([2.5]),
        row_upper=np.array([np.inf]),
        col_lower=np.zeros(2),
        col_upper=np.array([9.0, 9.0]),
        integer=np.array([True, False]),
    )


def beside(programs: list[LinearProgram], **changes: object) -> LinearProgram:
    """Programs in one, that share nothing."""
    cost, low, high, row_low, row_high, whole = (
        np.concatenate([getattr(each, name) for each in programs])
        for name in ("cost", "col_lower", "col_upper", "row_lower", "row_upper", "integer")
    )
    matrix = sparse.block_diag([each.matrix for each in programs], format="csr")
    return replace(LinearProgram(cost, matrix, row_low, row_high, low, high, whole), **changes)


def by_parts(program: LinearProgram, options: SolveOptions = EXACT) -> tuple[Solution, list[LinearProgram]]:
    """The answer, and what was solved for it."""
    solved: list[LinearProgram] = []

    def one(part: LinearProgram, columns: np.ndarray, share: SolveOptions) -> Solution:
        solved.append(part)
        return solve(part, "highs", share)

    return solve_parts(program, parts(program), one, options), solved


def test_equal_fleets_are_solved_once() -> None:
    """2 machines and half a unit by the token, 2 · 3 + 0.5 · 6 = 9; three machines cost as much."""
    answer, solved = by_parts(beside([fleet()] * 27, offset=10.0))
    assert answer.objective == approx(10 + 27 * 9)
    assert answer.bound == approx(answer.objective)
    assert answer.stop is Stop.OPTIMAL
    assert len(solved) == 1


def shuffled(program: LinearProgram, seed: int) -> LinearProgram:
    """The same with its columns and rows in another order."""
    rng = np.random.default_rng(seed)
    columns, rows = rng.permutation(program.n_columns), rng.permutation(program.n_rows)
    return program.take(columns, rows).program


def wide_fleet(seed: int) -> LinearProgram:
    """Two loads on the same three kinds of machine, two of which are alike, each load also by the token."""
    rng = np.random.default_rng(seed)
    usd, rate = rng.integers(2, 9, 2).astype(float), rng.integers(1, 5, 2).astype(float)
    own = np.array([rate[0], rate[0], rate[1]])
    matrix = np.zeros((2 + 6, 3 + 8))  # counts; flows of the first load on each, by the token; of the second
    for load in range(2):
        at = 3 + 4 * load
        matrix[load, at : at + 4] = 1.0
        for kind in range(3):
            matrix[2 + 3 * load + kind, kind], matrix[2 + 3 * load + kind, at + kind] = own[kind], -1.0
    load = rng.integers(3, 12, 2).astype(float)
    return LinearProgram(
        cost=np.array([usd[0], usd[0], usd[1], *[0.0, 0.0, 0.0, 2.5] * 2]),
        matrix=matrix,
        row_lower=np.array([*load, *[0.0] * 6]),
        row_upper=np.full(8, np.inf),
        col_lower=np.zeros(11),
        col_upper=np.array([9.0] * 3 + [20.0] * 8),
        integer=np.arange(11) < 3,
    )


@pytest.mark.parametrize("seed", range(20))
def test_equal_fleets_listed_in_any_order_are_solved_once(seed: int) -> None:
    """Each costs what it costs alone, and the point keeps every row of the whole."""
    alone = solve(wide_fleet(seed), "highs", EXACT)
    program = shuffled(beside([shuffled(wide_fleet(seed), k) for k in range(7)]), seed)
    answer, solved = by_parts(program)
    assert len(solved) == 1
    assert alone.objective is not None and answer.point is not None
    assert answer.objective == approx(7 * alone.objective)
    assert is_feasible(program, answer.point, tolerance=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_equal_fleets_listed_in_any_order_are_proved_once(seed: int) -> None:
    """Bound and point of the whole are seven times those of one, and each part's leaves are of its own rows."""
    one, whole = wide_fleet(seed), beside([shuffled(wide_fleet(seed), k) for k in range(7)])
    program = shuffled(whole, seed)
    alone, proof = prove(one, HighsRelaxation), prove(program, HighsRelaxation)
    assert proof.complete and proof.bound == approx(7 * alone.bound)
    assert proof.point is not None and is_feasible(program, proof.point, tolerance=1e-6)
    for part in proof.parts:
        own = program.take(part.columns, part.rows).program
        assert part.whole.tolist() == part.columns[own.integer].tolist()
        for leaf in part.leaves:
            lower, upper = own.col_lower.copy(), own.col_upper.copy()
            lower[own.integer], upper[own.integer] = leaf.lower, leaf.upper
            assert safe_bound(own, leaf.multipliers, lower, upper) == approx(leaf.bound)


def test_fleets_of_the_same_numbers_that_hang_together_otherwise_are_not_alike() -> None:
    """The dear machine serves the large load in one, the small in the other: 5 · 3 + 2 · 1 and 5 · 1 + 2 · 3."""

    def pair(large: float, small: float) -> LinearProgram:
        coupled = beside([fleet(large), fleet(small)])
        matrix = sparse.vstack([coupled.matrix, np.ones((1, 4))], format="csr")
        low, high = np.array([5.0, 2.0, 0.0]), np.array([np.inf, np.inf, 99.0])
        cost = np.array([large, 9.0, small, 9.0])
        return replace(coupled, cost=cost, matrix=matrix, row_lower=low, row_upper=high)

    answer, solved = by_parts(beside([pair(3.0, 1.0), pair(1.0, 3.0)]))
    assert len(solved) == 2
    assert answer.objective == approx(5 * 3 + 2 * 1 + 5 * 1 + 2 * 3)


@pytest.mark.parametrize(("equal", "others", "said"), [(4, 3, False), (4, 2, True), (1, 0, False)])
def test_half_of_the_parts_equal_an_earlier_one(equal: int, others: int, said: bool) -> None:
    """Of six, the second to fourth are the first again: three are left to solve."""
    program = shuffled(beside([fleet()] * equal + [fleet(5.0 + k) for k in range(others)]), 1)
    assert mostly_alike(program, parts(program)) is said


@pytest.mark.parametrize(("equal", "others", "columns"), [(4, 3, 8), (4, 0, 2), (1, 0, 2)])
def test_of_like_parts_one_is_counted(equal: int, others: int, columns: int) -> None:
    """Two columns a fleet: one of the equal, and each of the others."""
    program = shuffled(beside([fleet()] * equal + [fleet(5.0 + k) for k in range(others)]), 1)
    assert different_columns(program) == columns


def test_fleets_that_differ_are_problems_of_their_own() -> None:
    program = beside([fleet(3.0 + k) for k in range(27)])
    answer, solved = by_parts(program)
    assert [part.n_columns for part in solved] == [2] * 27
    assert answer.objective == approx(sum(3.0 * (3.0 + k) for k in range(27)))


def test_very_many_small_ones_are_solved_in_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taken_apart, "MANY", 10)
    monkeypatch.setattr(taken_apart, "SMALLEST", 6)
    groups = parts(beside([fleet(3.0 + k) for k in range(27)]))
    assert [len(group) for group in groups] == [6] * 9


def test_columns_in_no_row_lie_at_their_cheaper_bound() -> None:
    """A price of −2 takes 4.9 to 4 whole ones; one without a price stays at its least."""
    lone = LinearProgram(
        cost=np.array([-2.0, 5.0, 0.0]),
        matrix=sparse.csr_array((0, 3)),
        row_lower=np.empty(0),
        row_upper=np.empty(0),
        col_lower=np.array([0.0, 1.5, 2.0]),
        col_upper=np.array([4.9, 8.0, np.inf]),
        integer=np.array([True, True, False]),
    )
    answer, solved = by_parts(beside([fleet(), lone]))
    assert answer.point is not None
    assert answer.point[2:] == approx([4.0, 2.0, 2.0])
    assert len(solved) == 1


@pytest.mark.parametrize(
    ("changes", "stop"),
    [
        ({"col_upper": np.array([9.0, 9.0, 0.5]), "col_lower": np.array([0.0, 0.0, 0.4])}, Stop.INFEASIBLE),
        ({"cost": np.array([3.0, 6.0, -1.0]), "col_upper": np.array([9.0, 9.0, np.inf])}, Stop.UNBOUNDED),
    ],
)
def test_a_column_alone_may_leave_no_point_or_no_least(changes: dict[str, np.ndarray], stop: Stop) -> None:
    lone = LinearProgram(
        cost=np.ones(1),
        matrix=sparse.csr_array((0, 1)),
        row_lower=np.empty(0),
        row_upper=np.empty(0),
        col_lower=np.zeros(1),
        col_upper=np.ones(1),
        integer=np.ones(1, dtype=bool),
    )
    answer, _ = by_parts(beside([fleet(), lone], **changes))
    assert (answer.stop, answer.point) == (stop, None)


def test_a_row_of_nothing_may_forbid_all() -> None:
    nothing = np.array([[1.0, 1.0], [0.0, 0.0]])
    limits = {"row_lower": np.array([2.5, 1.0]), "row_upper": np.array([np.inf, np.inf])}
    assert by_parts(replace(fleet(), matrix=nothing, **limits))[0].stop is Stop.INFEASIBLE


def test_the_gap_is_of_the_whole() -> None:
    """Each of two parts is asked for 1 % of its own 9 USD and half of the offset's 1,000."""
    asked: list[float] = []

    def one(part: LinearProgram, columns: np.ndarray, share: SolveOptions) -> Solution:
        asked.append(part.offset)
        return solve(part, "highs", share)

    program = beside([fleet(), fleet(4.0)], offset=1000.0)
    answer = solve_parts(program, parts(program), one, replace(EXACT, gap=0.01))
    assert asked == [500.0, 500.0]
    assert answer.objective is not None
    assert answer.objective == approx(1000 + 9 + 12)
    assert answer.bound <= answer.objective


def test_the_time_that_easy_parts_leave_is_for_the_hard_ones() -> None:
    """Parts with the fewest whole columns come first, whatever their order; what has none is a linear program."""
    flat = replace(fleet(), integer=np.zeros(2, dtype=bool))
    solved: list[int] = []

    def one(part: LinearProgram, columns: np.ndarray, share: SolveOptions) -> Solution:
        solved.append(int(part.integer.sum()))
        return solve(part, "highs", share)

    hard = replace(fleet(5.0), integer=np.ones(2, dtype=bool))
    program = beside([hard, fleet(4.0), flat])
    answer = solve_parts(program, parts(program), one, EXACT)
    assert solved == [0, 1, 2]
    assert answer.point is not None
    assert answer.objective == approx(15 + 12 + 7.5)
    assert answer.objective == approx(program.objective(answer.point))


def again(second: Solution, first: Solution | None = None) -> Solution:
    """Two fleets of 9 and 12 USD; the search of the dearer one is ended by its share, and `second` comes of another."""
    searched = 0
    short = Solution(Stop.TIME_LIMIT, np.array([3.0, 0.0]), 12.0, 10.0) if first is None else first

    def one(part: LinearProgram, columns: np.ndarray, share: SolveOptions) -> Solution:
        nonlocal searched
        if part.cost[0] == 3.0:
            return solve(part, "highs", share)
        searched += 1
        return short if searched == 1 else second

    program = beside([fleet(4.0), fleet()])
    answer = solve_parts(program, parts(program), one, replace(EXACT, time_limit_s=1000.0))
    assert searched == 2
    return answer


@pytest.mark.parametrize(
    ("second", "usd", "bound", "stop"),
    [
        (Solution(Stop.OPTIMAL, np.array([2.0, 0.5]), 12.0, 12.0), 21.0, 21.0, Stop.OPTIMAL),
        (Solution(Stop.TIME_LIMIT, np.array([0.0, 2.5]), 20.0, 11.0), 21.0, 20.0, Stop.TIME_LIMIT),
        (Solution(Stop.TIME_LIMIT, np.array([2.0, 0.5]), 12.0, 9.5), 21.0, 19.0, Stop.TIME_LIMIT),
        (Solution(Stop.OPTIMAL, np.array([0.0, 2.5]), 20.0, 20.0), 21.0, 19.0, Stop.TIME_LIMIT),
        (Solution(Stop.INFEASIBLE, bound=np.inf), 21.0, 19.0, Stop.TIME_LIMIT),
        (Solution(Stop.INTERRUPTED), 21.0, 19.0, Stop.INTERRUPTED),
    ],
    ids=["ends", "better-bound", "worse-bound", "false-optimum", "false-infeasible", "interrupted"],
)
def test_a_part_that_its_share_ended_is_searched_again(
    second: Solution, usd: float, bound: float, stop: Stop
) -> None:
    """9 and 12 USD, of which 9 and 10 are proven at first; nothing that contradicts the known point is believed."""
    answer = again(second)
    assert answer.objective == approx(usd)
    assert answer.bound == approx(bound)
    assert answer.stop is stop


def test_a_part_of_which_nothing_was_known_is_searched_again() -> None:
    found = Solution(Stop.OPTIMAL, np.array([2.0, 0.5]), 12.0, 12.0)
    assert again(found, Solution(Stop.TIME_LIMIT)).objective == approx(21.0)
    assert again(Solution(Stop.INFEASIBLE), Solution(Stop.TIME_LIMIT)).stop is Stop.INFEASIBLE


def test_parts_have_the_optimum_of_the_whole() -> None:
    rng = np.random.default_rng(7)
    for _ in range(times(20)):
        programs = []
        for _ in range(int(rng.integers(2, 6))):
            n = int(rng.integers(2, 5))
            programs.append(
                LinearProgram(
                    cost=rng.integers(1, 20, n).astype(float),
                    matrix=rng.integers(0, 4, (2, n)).astype(float),
                    row_lower=rng.integers(0, 5, 2).astype(float),
                    row_upper=np.full(2, np.inf),
                    col_lower=np.zeros(n),
                    col_upper=np.full(n, 6.0),
                    integer=rng.random(n) < 0.6,
                )
            )
        program = beside(programs)
        whole, (answer, _) = solve(program, "highs", EXACT), by_parts(program)
        assert (answer.stop is Stop.OPTIMAL) == (whole.stop is Stop.OPTIMAL)
        if whole.objective is not None:
            assert answer.objective == approx(whole.objective)


def test_a_linear_program_has_the_same_prices_part_by_part() -> None:
    """Three fleets of two machines each: half a unit of load goes by the token, at twice a machine a unit."""
    whole = beside([fleet(3.0), fleet(4.0), fleet(5.0)])
    fixed = whole.fix(whole.integer, [2.0, 2.0, 2.0])
    apart = solve_linear_parts(fixed, parts(whole), lambda part, left: solve(part, "highs", left), EXACT)
    assert apart.objective == approx((2 + 0.5 * 2) * (3.0 + 4.0 + 5.0))
    assert apart.duals is not None
    assert apart.duals.row == approx([6.0, 8.0, 10.0])
    assert apart.duals.column == approx([-3.0, 0.0, -4.0, 0.0, -5.0, 0.0])
    assert apart.bound == apart.objective


def test_a_linear_program_says_which_part_has_no_point() -> None:
    """A machine less, and no more than 1 by the token: half a unit of load goes nowhere."""
    whole = beside([fleet(), replace(fleet(), col_upper=np.array([9.0, 1.0]))])
    fixed = whole.fix(whole.integer, [2.0, 1.0])
    apart = solve_linear_parts(fixed, parts(whole), lambda part, left: solve(part, "highs", left), EXACT)
    assert apart.stop is Stop.INFEASIBLE
    assert apart.point is None


def by_library(matrix: sparse.csr_array) -> list[int]:
    """The first column of each column's part, by rows and columns as nodes of a graph."""
    rows, columns = matrix.shape
    entries = matrix.tocoo()
    size = rows + columns
    graph = sparse.coo_array((np.ones(entries.nnz), (entries.row + columns, entries.col)), shape=(size, size))
    label = sparse.csgraph.connected_components(graph, directed=False)[1][:columns]
    return [int(np.flatnonzero(label == own)[0]) for own in label]


def test_parts_are_those_of_a_graph() -> None:
    """Random matrices, many of whose rows are empty and columns alone, and chains of columns in any order."""
    rng = np.random.default_rng(1)
    for _ in range(times(60)):
        rows, columns = rng.integers(1, 60, 2).tolist()
        matrix = sparse.random_array(
            (rows, columns), density=float(rng.uniform(0, 0.1)), rng=rng, format="csr"
        )
        assert labels(matrix).tolist() == by_library(matrix)
        ones = np.ones(columns - 1)
        chain = sparse.diags_array([ones, ones], offsets=[0, 1], shape=(columns - 1, columns)).tocsr()
        assert not labels(chain[:, rng.permutation(columns)].tocsr()).any()
