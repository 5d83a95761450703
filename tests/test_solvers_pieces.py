"""Rows that whole numbers imply, and programs solved by pieces: nothing whole is cut off, and every bound holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from campaign import times
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, Solution, SolveOptions, Stop, solve
from solvers.capacity_rows import CapacityRows
from solvers.piecewise.copies import with_copies
from solvers.piecewise.pool import PointPool
from solvers.piecewise.pooled import PooledRounds
from solvers.piecewise.priced import PricedPieces
from solvers.piecewise.proven import proven_pieces
from solvers.piecewise.rounds import PriceRounds
from solvers.piecewise.solving import solve_pieces
from solvers.proof.safe import safe_bound
from solvers.strengthened import strengthened

EXACT = SolveOptions(gap=0.0, time_limit_s=None)


def capacity_row() -> LinearProgram:
    """5 x₁ + 4 x₂ + 3 x₃ ≤ 6 y, at 4 USD a unit; what is not served costs 10."""
    return LinearProgram(
        cost=np.array([-10.0, -10.0, -10.0, 4.0]),
        matrix=np.array([[5.0, 4.0, 3.0, -6.0]]),
        row_lower=np.array([-np.inf]),
        row_upper=np.array([0.0]),
        col_lower=np.zeros(4),
        col_upper=np.array([1.0, 1.0, 1.0, 5.0]),
        integer=np.array([False, False, False, True]),
        offset=30.0,
    )


def test_a_row_by_hand() -> None:
    """At x = (1, 1, ½), y = 1.75 the best S holds x₁ and x₂, which are above ¾: a(S) = 9, μ = 2, r = 3.

    3 · (2 − y) ≤ 5 (1 − x₁) + 4 (1 − x₂) has 0.75 on the left there, and 0 on the right. In units of y the row is
    (5 x₁ + 4 x₂ − 3 y) / 6 ≤ (9 − 6) / 6.
    """
    broken = CapacityRows(capacity_row()).violated(np.array([1.0, 1.0, 0.5, 1.75]))
    assert broken.matrix.toarray() == approx(np.array([[5, 4, 0, -3]]) / 6)
    assert broken.upper == approx([0.5])


def test_nothing_runs_on_none() -> None:
    broken = CapacityRows(capacity_row()).violated(np.array([0.0, 1.0, 0.0, 2 / 3]))
    assert broken.matrix.toarray() == approx(np.array([[0, 1, 0, -1]]))
    assert broken.upper == approx([0.0])


def test_every_whole_point_keeps_to_the_rows() -> None:
    """Against all whole counts and all x on a grid of quarters that the capacity holds."""
    quarters = [np.arange(5) / 4] * 3
    whole = np.stack(np.meshgrid(*quarters, np.arange(6), indexing="ij"), axis=-1).reshape(-1, 4)
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(times(40)):
        load, unit = rng.integers(1, 9, 3).astype(float), float(rng.integers(2, 9))
        rows = CapacityRows(replace(capacity_row(), matrix=np.array([[*load, -unit]])))
        fits = whole[:, :3] @ load <= unit * whole[:, 3] + 1e-12
        for _ in range(6):
            x = np.round(rng.random(3) * 2) / 2 if rng.random() < 0.5 else rng.random(3)
            broken = rows.violated(np.array([*x, float(load @ x / unit)]))
            seen += len(broken)
            assert (broken.matrix @ whole[fits].T <= broken.upper[:, None] + 1e-9).all()
    assert seen > 40


def market(seed: int, hours: int = 4, loads: int = 3) -> tuple[LinearProgram, np.ndarray]:
    """Hours with pools of whole instances, an API with a quota over all hours, and two contracts that open routes.

    Columns: two contracts, then by hour: per load its flow on the API, the pool and each contract; the count.
    """
    rng = np.random.default_rng(seed)
    n = 2 + hours * (4 * loads + 1)
    cost, integer, part = np.zeros(n), np.zeros(n, dtype=bool), np.full(n, -1)
    upper = np.ones(n)
    cost[:2], integer[:2] = rng.integers(3, 12, 2), True
    rows: list[tuple[dict[int, float], float, float]] = []
    quota: dict[int, float] = {}
    linked: dict[tuple[int, int], dict[int, float]] = {}
    for t in range(hours):
        first = 2 + t * (4 * loads + 1)
        count = first + 4 * loads
        part[first : count + 1] = t
        cost[count], integer[count], upper[count] = rng.integers(2, 7), True, 4
        capacity = {count: -float(rng.integers(4, 9))}
        for i in range(loads):
            api, pool, *contract = range(first + 4 * i, first + 4 * i + 4)
            work = float(rng.integers(1, 7))
            cost[api], cost[contract] = 3 * work, rng.integers(0, 2, 2) * work
            rows.append((dict.fromkeys((api, pool, *contract), 1.0), 1.0, 1.0))
            capacity[pool] = work
            quota[api] = work
            for k in (0, 1):
                linked.setdefault((i, k), {k: -1.0})[contract[k]] = 1.0 / hours
        rows.append((capacity, -np.inf, 0.0))
    rows.append((quota, -np.inf, 0.4 * sum(quota.values())))
    rows += [(terms, -np.inf, 0.0) for terms in linked.values()]
    matrix = sparse.lil_array((len(rows), n))
    for r, (terms, _, _) in enumerate(rows):
        for column, value in terms.items():
            matrix[r, column] = value
    low, high = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    return LinearProgram(cost, matrix.tocsr(), low, high, np.zeros(n), upper, integer), part


def test_a_market_is_bounded_and_planned_by_its_pieces() -> None:
    gaps, kept = [], []
    for seed in range(times(10)):
        case, part = market(seed)
        best = solve(case, options=EXACT).objective
        found = solve_pieces(case, part, lambda piece, options: solve(piece, options=options), EXACT)
        assert best is not None and found is not None
        assert found.point is not None and found.objective is not None
        assert found.bound <= best + 1e-6 and found.objective >= best - 1e-6
        assert (case.matrix @ found.point <= case.row_upper + 1e-6).all()
        relaxed = strengthened(case, EXACT)
        assert relaxed is not None and found.bound >= relaxed.bound - 1e-6
        assert found.stop in (Stop.OPTIMAL, Stop.EXHAUSTED)
        gaps.append(found.objective / best - 1)
        kept.append(
            (best - found.bound) / (best - (solve(case.relax(), options=EXACT).objective or 0.0) + 1e-9)
        )
    assert np.median(gaps) < 0.05  # a plan at the first go
    assert np.median(kept) < 0.5  # of what lies between the relaxation and the best, more than half is closed


@pytest.mark.parametrize("seed", range(8))
def test_copies_change_no_optimum(seed: int) -> None:
    """The program with copies is the program: equal optimum, and its priced rows bound it under any prices."""
    case, part = market(seed, hours=3, loads=2)
    relaxed = strengthened(case, EXACT)
    assert relaxed is not None
    copies = with_copies(case, part, relaxed)
    whole, alone = solve(copies.program, options=EXACT), solve(case, options=EXACT)
    assert whole.objective == approx(alone.objective)
    assert safe_bound(copies.program, copies.prices) <= (alone.objective or 0.0) + 1e-9
    entries = copies.program.matrix.tocoo()
    for row in np.flatnonzero(~copies.reaches):
        assert len(set(copies.part[entries.col[entries.row == row]])) == 1


def test_a_clock_that_has_run_out_still_gives_plan_and_bound() -> None:
    case, part = market(3)
    late = SolveOptions(time_limit_s=1e-9).begun()
    found = solve_pieces(case, part, lambda piece, options: solve(piece, options=EXACT), late)
    best = solve(case, options=EXACT).objective
    assert found is not None and found.objective is not None and best is not None
    assert found.bound <= best + 1e-6 <= found.objective + 2e-6


@pytest.mark.parametrize("seed", [0, 8, 11])  # of which the relaxation with strong rows is no proof
def test_rounds_that_the_clock_ends_say_so(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Price rounds leave time for a plan and its proof: where that ends them, the limit did, and not their own end."""
    case, part = market(seed)
    monkeypatch.setattr("solvers.piecewise.solving.AGAIN", 1e9)  # so much of the time is a plan's
    found = solve_pieces(case, part, solved, SolveOptions(gap=1e-9, time_limit_s=60.0))
    assert found is not None and found.objective is not None
    assert found.bound < found.objective * (1 - 1e-9)
    assert found.stop is Stop.TIME_LIMIT


def solved(piece: LinearProgram, options: SolveOptions) -> Solution:
    return solve(piece, options=options)


@pytest.mark.parametrize(("seed", "rounded_usd"), [(12, 19.0), (18, 36.0), (95, 20.0), (118, 29.0)])
def test_contracts_are_signed_by_what_pieces_save(seed: int, rounded_usd: float) -> None:
    """What the relaxation signs, rounded to the nearest, is 6 to 33 % dearer than the best of all four choices."""
    case, part = market(seed, hours=3, loads=4)
    relaxed = strengthened(case, EXACT)
    assert relaxed is not None
    usd = {}
    for signed in product((0.0, 1.0), repeat=2):
        answer = solve(case.fix([0, 1], signed), options=EXACT).objective
        usd[signed] = np.inf if answer is None else answer
    assert usd[tuple(np.round(relaxed.point[:2]) + 0.0)] == approx(rounded_usd)
    found = solve_pieces(case, part, solved, EXACT)
    assert found is not None
    assert found.objective == approx(min(usd.values()))
    assert found.bound == approx(found.objective)


def test_very_many_pieces_have_prices_without_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solvers.piecewise.pool.MOST_PIECES", 3)
    case, part = market(0)
    best, found = solve(case, options=EXACT).objective, solve_pieces(case, part, solved, EXACT)
    assert best is not None and found is not None and found.objective is not None
    assert found.bound <= best + 1e-6 <= found.objective + 2e-6


def test_a_pool_by_hand() -> None:
    """Two hours whose work costs 4 by the token, and nothing by a contract of 3 USD that both may use.

    Seen: hour 0 by the token and by the contract, hour 1 by the token alone. Together 8 USD without the contract, and
    3 + 0 + 4 = 7 with it. In a box of 1 USD around no price a copy that is not signed costs 1: 1 + 4 = 5.
    """
    case = LinearProgram(
        cost=np.array([3.0, 4.0, 0.0, 4.0, 0.0]),
        matrix=np.array([[0.0, 1, 1, 0, 0], [0, 0, 0, 1, 1], [-1, 0, 0.5, 0, 0.5]]),
        row_lower=np.array([1.0, 1.0, -np.inf]),
        row_upper=np.array([1.0, 1.0, 0.0]),
        col_lower=np.zeros(5),
        col_upper=np.ones(5),
        integer=np.array([True, False, False, False, False]),
    )
    pieces = PricedPieces(with_copies(case, np.array([-1, 0, 0, 1, 1])))
    pool, none = PointPool(pieces, solved, EXACT), np.zeros(len(pieces.reaching))
    by_token, by_contract = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 1.0])
    for points in ({0: by_token, 1: by_token}, {0: by_contract}, {0: by_contract}):
        pool.add(points)
    choice = pool.choice()
    assert choice is not None and choice.usd == approx(7.0)
    assert choice.spanning == approx([1.0])
    assert choice.points[0] == approx(by_contract) and choice.points[1] == approx(by_token)
    promised = [pool.prices(none, np.full(len(none), size)) for size in (1.0, 10.0)]
    assert [None if each is None else each[1] for each in promised] == approx([5.0, 7.0])
    held = pool.prices(none, none + 10.0, np.zeros(5))
    assert held is not None and held[1] == approx(8.0)


def test_prices_of_a_pool_bound_every_plan_and_end_near_the_best() -> None:
    """No round's bound is above the optimum, and they end as near to it as fractions of what pieces do can come."""
    for seed in range(times(3)):
        case, part = market(seed, hours=6)
        best, relaxed = solve(case, options=EXACT).objective, strengthened(case, EXACT)
        assert best is not None and relaxed is not None
        pieces = PricedPieces(with_copies(case, part, relaxed))
        pool = PointPool(pieces, solved, EXACT)
        rounds = PooledRounds(pool, pieces.copies.prices[pieces.reaching], solved, EXACT)
        while not rounds.ended:
            rounds.round(best)
            assert rounds.bound <= best + 1e-6
        found = pool.prices(rounds.prices, np.full(len(rounds.prices), 1e3))
        assert found is None or found[1] >= rounds.bound - 1e-6 * abs(best)


def test_rounds_prove_more_and_their_pieces_prove_it_again() -> None:
    """No round's bound is above the optimum; the last is at least the first; trees made anew add up to it."""
    lifted = 0
    for seed in range(times(6)):
        case, part = market(seed, hours=8)
        best = solve(case, options=EXACT).objective
        relaxed = strengthened(case, EXACT)
        assert best is not None and relaxed is not None
        pieces = PricedPieces(with_copies(case, part, relaxed))
        rounds = PriceRounds(
            pieces,
            pieces.copies.prices[pieces.reaching],
            lambda piece, options: solve(piece, options=options),
            EXACT,
        )
        rounds.round(best)
        first = rounds.bound
        while not rounds.ended:
            rounds.round(best)
            assert first <= rounds.bound <= best + 1e-6
        lifted += rounds.bound > first + 1e-3 * best
        parts = proven_pieces(pieces, rounds.prices, lambda: False)
        again = pieces.constant(rounds.prices) + sum(
            min(leaf.bound for leaf in each.leaves) for each in parts
        )
        assert again == approx(rounds.bound, rel=1e-4)
    assert lifted >= 1  # most are proven by the first
