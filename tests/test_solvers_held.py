"""A tree over what spans pieces: its leaves leave no point out, and none of their bounds lies above the best there."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, SolveOptions, is_feasible, solve
from solvers.components import content
from solvers.piecewise.boxed import BoxedRounds
from solvers.piecewise.copies import with_copies
from solvers.piecewise.held import HeldLeaf, HeldTree, within
from solvers.piecewise.holding import PLAN_NODES, solve_holding
from solvers.piecewise.priced import PricedPieces
from solvers.piecewise.rounds import PriceRounds
from solvers.strengthened import strengthened

OPTIONS = SolveOptions(gap=1e-7)
HOURS, POOLS, LATER = 4, 2, 2


def hours(rng: Random) -> tuple[LinearProgram, np.ndarray]:
    """Work of each hour, some of which may run in the next one, on hourly instances, on those of all hours, or by the
    token. Columns by hour: counts, flows of each pool (own work, work of the hour before), by the token.
    """
    cost, upper, integer, part = list[float](), list[float](), list[bool](), list[int]()

    def column(usd: float, most: float, whole: bool, hour: int) -> int:
        cost.append(usd), upper.append(most), integer.append(whole), part.append(hour)
        return len(cost) - 1

    rows, low, high = list[dict[int, float]](), list[float](), list[float]()
    ahead = [column(rng.uniform(1.0, 3.0) * HOURS * 0.6, 3.0, True, -1) for _ in range(POOLS)]
    demand: list[dict[int, float]] = [{} for _ in range(2 * HOURS)]
    for t in range(HOURS):
        for k in range(2 * POOLS):
            count = ahead[k] if k < POOLS else column(rng.uniform(1.0, 3.0), 4.0, True, t)
            capacity = {count: -rng.uniform(0.8, 1.5)}
            for lot in (2 * t, 2 * t + 1, 2 * t - 1):
                if lot >= 0:
                    flow = column(0.0, 1.0, False, t)
                    capacity[flow] = rng.uniform(0.3, 1.6)
                    demand[lot][flow] = 1.0
            rows.append(capacity), low.append(-np.inf), high.append(0.0)
        for lot in (2 * t, 2 * t + 1):
            demand[lot][column(rng.uniform(2.0, 5.0), 1.0, False, t)] = 1.0
    for row in demand:
        rows.append(row), low.append(1.0), high.append(1.0)
    index = [i for i, row in enumerate(rows) for _ in row]
    matrix = sparse.csr_array(
        ([v for row in rows for v in row.values()], (index, [j for row in rows for j in row])),
        shape=(len(rows), len(cost)),
    )
    program = LinearProgram(
        cost=np.array(cost),
        matrix=matrix,
        row_lower=np.array(low),
        row_upper=np.array(high),
        col_lower=np.zeros(len(cost)),
        col_upper=np.array(upper),
        integer=np.array(integer),
    )
    return program, np.array(part)


def run(program: LinearProgram, options: SolveOptions):  # type: ignore[no-untyped-def]
    return solve(program, options=options)


def tree_of(program: LinearProgram, part: np.ndarray) -> HeldTree:
    answer = strengthened(program, OPTIONS)
    assert answer is not None
    return HeldTree(program, part, answer, run, OPTIONS)


@pytest.mark.parametrize("seed", range(10))
def test_leaves_leave_nothing_out_and_bound_what_is_in_them(seed: int) -> None:
    program, part = hours(Random(seed))
    best = solve(program, options=OPTIONS)
    assert best.objective is not None
    tree = tree_of(program, part)
    told = list[HeldLeaf]()
    leaves = tree.leaves(best.objective, best.objective * (1 - 1e-6), told.append)
    spans = tree.spans
    assert program.integer[spans].all() and (part[spans] < 0).all()
    for counts in np.ndindex(*(int(program.col_upper[j]) + 1 for j in spans)):
        assert (
            sum(bool((leaf.lower <= counts).all() and (counts <= leaf.upper).all()) for leaf in leaves) == 1
        )
    for leaf in leaves:
        inside = solve(within(program, spans, leaf.lower, leaf.upper), options=OPTIONS)
        assert inside.objective is not None and leaf.bound <= inside.objective * (1 + 1e-6)
    least = min(leaf.bound for leaf in leaves)
    assert tree.answer.bound * (1 - 1e-9) <= least <= best.objective * (1 + 1e-6)
    assert least >= 0.9 * best.objective
    assert all(leaf.held for leaf in told)


def test_the_best_plan_is_in_a_leaf_that_is_told() -> None:
    """Of which whoever searches makes a plan."""
    program, part = hours(Random(3))
    best = solve(program, options=OPTIONS)
    assert best.point is not None and best.objective is not None
    told = list[HeldLeaf]()
    tree = tree_of(program, part)
    tree.leaves(best.objective * 1.5, best.objective * (1 + 1e-6), told.append)
    found = [solve(leaf.program, options=OPTIONS).objective for leaf in told]
    assert min(usd for usd in found if usd is not None) == approx(best.objective, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_prices_in_a_box_end_no_lower_than_those_by_the_mean_point(seed: int) -> None:
    """With what spans held at 0: what is priced is the work that may run in two hours."""
    program, part = hours(Random(seed))
    spans = np.flatnonzero(program.integer & (part < 0))
    held = within(program, spans, np.zeros(len(spans)), np.zeros(len(spans)))
    best, answer = solve(held, options=OPTIONS), strengthened(held, OPTIONS)
    assert best.objective is not None and answer is not None
    bounds = []
    for kind in (BoxedRounds, PriceRounds):
        pieces = PricedPieces(with_copies(held, part, answer))
        rounds = kind(pieces, pieces.copies.prices[pieces.reaching], run, OPTIONS)
        while not rounds.ended:
            rounds.round(best.objective)
        bounds.append(rounds.bound)
    assert bounds[0] >= bounds[1] - 1e-4 * abs(bounds[1])
    assert bounds[0] <= best.objective * (1 + 1e-6)


def test_a_case_that_has_no_point_is_refuted() -> None:
    """All work has to run on what spans, of which one instance is too little: only ranges from two on have a point."""
    matrix = sparse.csr_array([[-1.0, 1.6]])
    program = LinearProgram(
        cost=np.array([1.0, 0.0]),
        matrix=matrix,
        row_lower=np.array([-np.inf]),
        row_upper=np.array([0.0]),
        col_lower=np.array([0.0, 1.0]),
        col_upper=np.array([3.0, 1.0]),
        integer=np.array([True, False]),
    )
    tree = tree_of(program, np.array([-1, 0]))
    leaves = tree.leaves(2.0, 2.0 * (1 - 1e-9))
    assert min(leaf.bound for leaf in leaves) == approx(2.0)


@pytest.mark.parametrize("seed", range(6))
def test_what_spans_first_and_then_the_pieces_leads_to_a_plan_near_the_best(seed: int) -> None:
    """And to a bound; whoever watches is told of plans alone."""
    program, part = hours(Random(seed))
    best = solve(program, options=OPTIONS)
    told = list[float]()
    found = solve_holding(program, part, run, replace(OPTIONS, watch=lambda usd, _: told.append(usd)))
    assert best.objective is not None
    assert found is not None and found.point is not None and found.objective is not None
    assert is_feasible(program, found.point)
    assert found.objective == approx(program.objective(found.point), rel=1e-9)
    assert best.objective * (1 - 1e-6) <= found.objective <= 1.02 * best.objective
    assert found.bound <= best.objective * (1 + 1e-6)
    assert told == sorted(told, reverse=True) and told[-1] == approx(found.objective)


@pytest.mark.parametrize("seed", range(6))
def test_searches_that_nodes_limit_and_none_twice(seed: int) -> None:
    """The solver's nodes end every program over all pieces; one that was solved is not solved again: of these six,
    where windows of all four hours were solved in each of three passes, none is."""
    program, part = hours(Random(seed))
    asked = list[tuple[bytes, object]]()

    def counting(case: LinearProgram, options: SolveOptions):  # type: ignore[no-untyped-def]
        if case.integer.sum() == program.integer.sum():
            asked.append((content(case), options.native.get("mip_max_nodes")))
        return run(case, options)

    found = solve_holding(program, part, counting, OPTIONS, by_nodes=True)
    plain = solve_holding(program, part, run, OPTIONS)
    assert found is not None and plain is not None
    assert found.objective == plain.objective
    assert {nodes for _, nodes in asked} == {PLAN_NODES}
    assert len(set(asked)) == len(asked)
