"""Lots that wait, as one flow for each way and step: the same optimum, and the way back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx
from scipy import sparse

from solvers import LinearProgram, is_feasible, solve
from solvers.lots import Lots, Pooled, pooled


def waiting(
    work: list[list[float]], waits: list[int], usd: list[list[float]], unit: float = 2.0, own: bool = False
) -> tuple[LinearProgram, Lots]:
    """Lots by kind, one for each step, that may wait so many steps; ways by kind and step at a price per unit of work.

    Each way is a fleet of instances by step that carry `unit` of work and cost 1; the last is bought by the work alone.
    With `own`, nothing runs on none, in a row of its own.
    """
    steps, ways = len(work[0]), len(usd)
    flows = [
        (k, a, w, t)
        for k, lots in enumerate(work)
        for a in range(steps)
        if lots[a] > 0
        for t in range(a, min(a + waits[k], steps - 1) + 1)
        for w in range(ways)
    ]
    lots = [(k, a) for k, each in enumerate(work) for a in range(steps) if each[a] > 0]
    fleets = [(w, t) for w in range(ways - 1) for t in range(steps)]
    n = len(flows) + len(fleets)
    rows: list[dict[int, float]] = [{} for _ in lots]
    for j, (k, a, _, _) in enumerate(flows):
        rows[lots.index((k, a))][j] = 1.0
    for i, (w, t) in enumerate(fleets):
        loads = {j: work[k][a] for j, (k, a, way, at) in enumerate(flows) if (way, at) == (w, t)}
        rows.append(loads | {len(flows) + i: -unit})
        if own:
            rows += [{j: 1.0, len(flows) + i: -1.0} for j in loads]
    matrix = sparse.lil_array((len(rows), n))
    for i, row in enumerate(rows):
        for j, value in row.items():
            matrix[i, j] = value
    served = np.arange(len(rows)) < len(lots)
    program = LinearProgram(
        cost=np.array([work[k][a] * usd[w][t] for k, a, w, t in flows] + [1.0] * len(fleets)),
        matrix=matrix.tocsr(),
        row_lower=np.where(served, 1.0, -np.inf),
        row_upper=np.where(served, 1.0, 0.0),
        col_lower=np.zeros(n),
        col_upper=np.array([1.0] * len(flows) + [np.inf] * len(fleets)),
        integer=np.arange(n) >= len(flows),
    )
    kind, first = np.array(lots).T
    last = np.minimum(first + np.array(waits)[kind], steps - 1)
    at = np.array([lots.index((k, a)) for k, a, _, _ in flows])
    way, step = np.array([(w, t) for _, _, w, t in flows]).T
    amount = np.array([work[k][a] for k, a in lots])
    return program, Lots(
        np.arange(len(lots)), kind, amount, first, last, np.arange(len(flows)), at, way, step
    )


def made(program: LinearProgram, lots: Lots) -> Pooled:
    """Of what is alike."""
    found = pooled(program, lots)
    assert found is not None
    return found


def same(program: LinearProgram, pool: Pooled) -> None:
    """Both have one optimum, whole or relaxed; points and prices of one are points and prices of the other."""
    for whole, small in (
        (program, pool.program),
        (program.relax(), made(program, pool.lots).program.relax()),
    ):
        one, other = solve(whole), solve(small)
        assert one.point is not None
        assert other.point is not None
        assert other.objective is not None
        assert other.objective == approx(one.objective, rel=1e-7, abs=1e-7)
        apart = pool.apart(other.point)
        assert apart is not None
        if whole.is_mip:
            assert is_feasible(whole, apart, tolerance=1e-6)
        assert whole.objective(apart) == approx(other.objective, rel=1e-7, abs=1e-7)
        together = pool.together(one.point)
        assert is_feasible(small, together, tolerance=1e-6)
        assert small.objective(together) == approx(one.objective, rel=1e-7, abs=1e-7)


def test_work_waits_for_the_cheap_step() -> None:
    """Lots of 3 and 1, each may wait a step; by the work alone at 5, 1, 9 USD: all of it runs at step 1, 4 USD.

    By lots 2 + 2 flows; without one for each of three steps, and what waits after two of them.
    """
    program, lots = waiting([[3.0, 1.0, 0.0]], [1], [[5.0, 1.0, 9.0]])
    pool = made(program, lots)
    assert (program.n_columns, pool.program.n_columns) == (4, 5)
    same(program, pool)
    point = solve(pool.program).point
    assert point is not None
    assert pool.apart(point) == approx([0.0, 1.0, 1.0, 0.0])


def test_prices_are_of_the_cheapest_step() -> None:
    """Lots of 2, 2 and 2, each may wait two steps; an instance carries 3 and is held at steps 0 and 2, none at step 1.

    2 run at step 0 and 3 at step 2 at no price, the sixth at 4 USD by the work alone; two instances are 2 USD.
    """
    program, lots = waiting([[2.0, 2.0, 2.0]], [2], [[0.0] * 3, [4.0] * 3], unit=3.0)
    held = program.fix(program.integer, [1.0, 0.0, 1.0])
    pool = made(held, lots)
    answer = solve(pool.program)
    assert answer.objective == approx(2.0 + 4.0)
    assert answer.duals is not None
    price = pool.prices_apart(answer.duals.row)
    assert price[lots.row] == approx(solve(held).duals.row[lots.row])  # type: ignore[union-attr]


def test_a_kind_without_work_leaves_the_others_where_they_are() -> None:
    """Kinds 0 and 2 have lots; all costs nothing but instances. Two thirds of a lot ran on an instance of none."""
    program, lots = waiting([[1.0, 0.0, 0.0], [0.0] * 3, [0.0, 1e-3, 1e-3]], [0, 0, 1], [[0.0] * 3] * 2)
    same(program, made(program, lots))


@given(st.data())
@settings(max_examples=150)
def test_both_programs_have_one_optimum(data: st.DataObject) -> None:
    """Whatever comes, waits and costs, with rows of one flow alone and without."""
    steps, kinds, ways = (data.draw(st.integers(1, most)) for most in (5, 3, 3))
    amounts = st.sampled_from((0.0, 0.001, 0.5, 1.0, 2.0, 3.7))
    prices = st.sampled_from((0.0, 0.1, 0.5, 1.0, 3.0))
    work = [[data.draw(amounts) for _ in range(steps)] for _ in range(kinds)]
    work[0][0] += 1.0
    waits = [data.draw(st.integers(0, 4)) for _ in range(kinds)]
    usd = [[data.draw(prices) for _ in range(steps)] for _ in range(ways)]
    program, lots = waiting(work, waits, usd, own=data.draw(st.booleans()))
    pool = pooled(program, lots)
    if pool is not None:
        one, other = solve(program), solve(pool.program)
        assert other.objective == approx(one.objective, rel=1e-6, abs=1e-6)
        assert other.point is not None
        apart = pool.apart(other.point)
        assert apart is not None
        assert is_feasible(program, apart, tolerance=1e-6)
        assert program.objective(apart) == approx(other.objective, rel=1e-6, abs=1e-6)
        assert one.point is not None
        together = pool.together(one.point)
        assert is_feasible(pool.program, together, tolerance=1e-6)
        assert pool.program.objective(together) == approx(one.objective, rel=1e-6, abs=1e-6)


def test_relaxed_prices_prove_the_same_bound() -> None:
    """A linear program's duals, taken apart, are duals of the whole."""
    program, lots = waiting(
        [[2.0, 5.0, 1.0, 4.0], [1.0, 1.0, 3.0, 0.0]], [2, 1], [[0.2, 0.1, 0.4, 0.3], [2.0] * 4]
    )
    pool = made(program, lots)
    answer = solve(pool.program.relax())
    assert answer.duals is not None
    row = pool.prices_apart(answer.duals.row)
    assert (program.cost - program.matrix.T @ row >= -1e-9).all()
    assert row[lots.row].sum() == approx(answer.objective)


def test_lots_that_differ_in_more_than_their_work_stay_by_themselves() -> None:
    """One price, one limit or one row of a lot of its own: its kind stays, the other one is pooled."""
    program, lots = waiting([[2.0, 5.0, 1.0], [1.0, 1.0, 3.0]], [2, 2], [[1.0, 2.0, 3.0]])
    assert made(program, lots).lots.kind.tolist() == [0, 0, 0, 1, 1, 1]
    cost = program.cost.copy()
    cost[1] *= 2
    dearer = replace(program, cost=cost)
    assert set(made(dearer, lots).lots.kind.tolist()) == {1}
    upper = program.col_upper.copy()
    upper[0] = 0.5
    assert set(made(replace(program, col_upper=upper), lots).lots.kind.tolist()) == {1}
    row = sparse.csr_array(([1.0], ([0], [0])), shape=(1, program.n_columns))
    limited = replace(
        program,
        matrix=sparse.vstack([program.matrix, row], format="csr"),
        row_lower=np.append(program.row_lower, -np.inf),
        row_upper=np.append(program.row_upper, 0.5),
    )
    assert set(made(limited, lots).lots.kind.tolist()) <= {0, 1}
    left = pooled(limited, lots)
    assert left is not None
    one, other = solve(limited), solve(left.program)
    assert other.objective == approx(one.objective)


def test_what_is_dropped_at_a_price_is_left_as_it_is() -> None:
    """A column more in the row that serves a lot: its kind is not pooled."""
    program, lots = waiting([[2.0, 5.0, 1.0]], [2], [[1.0, 2.0, 3.0]])
    more = sparse.csr_array(([1.0], ([0], [0])), shape=(program.n_rows, 1))
    dropped = LinearProgram(
        cost=np.append(program.cost, 0.5),
        matrix=sparse.hstack([program.matrix, more], format="csr"),
        row_lower=program.row_lower,
        row_upper=program.row_upper,
        col_lower=np.append(program.col_lower, 0.0),
        col_upper=np.append(program.col_upper, 1.0),
        integer=np.append(program.integer, False),
    )
    assert pooled(dropped, lots) is None


def test_a_tiny_lot_beside_a_large_one_runs_within_its_time() -> None:
    """1e-12 of the large one's work: it goes where most runs that it may wait for."""
    program, lots = waiting([[1e12, 1.0, 1e12]], [1], [[1.0, 2.0, 1.0]])
    pool = made(program, lots)
    answer = solve(pool.program)
    assert answer.point is not None
    apart = pool.apart(answer.point)
    assert apart is not None
    assert np.bincount(lots.lot, apart) == approx([1.0, 1.0, 1.0])
