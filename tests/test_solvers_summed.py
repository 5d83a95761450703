"""Few counts beside many flows: sums of counts are whole columns too, and limits on shares give rows of their own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from benchmarks.kinds import kinds_problem
from pytest import approx
from scipy import sparse

from router import api
from router.planning.structure import in_parts
from router.planning.structure.in_parts import few_counts
from solvers import LinearProgram, Solution, SolveOptions, Stop, is_feasible, solve
from solvers.proof import WorkLimits
from solvers.rounding import with_sums
from solvers.sums import ShareRows, solve_summed, solving
from solvers.sums.solving import dominated, equal_counts


def searched(program: LinearProgram, options: SolveOptions) -> Solution:
    return solve(program, "highs", options)


def pools(
    work: list[float], usd: list[float], by_token: list[float], share: float | None = None
) -> LinearProgram:
    """Works, each in parts on pools of instances of 1 or by the token; `share`: no pool may carry more of a work.

    Columns: flows by work (pools, then by the token), then counts.
    """
    w, p = len(work), len(usd)
    n = w * (p + 1)
    serve = sparse.hstack([sparse.kron(sparse.eye_array(w), np.ones((1, p + 1))), sparse.csr_array((w, p))])
    to_pool = sparse.hstack([sparse.eye_array(p), sparse.csr_array((p, 1))])
    load = sparse.hstack([*(to_pool * each for each in work), -sparse.eye_array(p)])
    rows = [serve, load]
    lower, upper = [np.ones(w), np.full(p, -np.inf)], [np.ones(w), np.zeros(p)]
    if share is not None:
        of_one = share - sparse.eye_array(p, p + 1).toarray()
        rows.append(sparse.hstack([sparse.kron(sparse.eye_array(w), of_one), sparse.csr_array((w * p, p))]))
        lower, upper = [*lower, np.zeros(w * p)], [*upper, np.full(w * p, np.inf)]
    token = np.kron(np.ones(w), np.append(np.zeros(p), 1.0)) * np.repeat(by_token, p + 1)
    return LinearProgram(
        cost=np.concatenate([token, usd]),
        matrix=sparse.vstack(rows, format="csr"),
        row_lower=np.concatenate(lower),
        row_upper=np.concatenate(upper),
        col_lower=np.zeros(n + p),
        col_upper=np.concatenate([np.ones(n), np.full(p, 20.0)]),
        integer=np.arange(n + p) >= n,
    )


def drawn(seed: int) -> LinearProgram:
    rng = np.random.default_rng(seed)
    work = rng.uniform(0.1, 1.5, 6)
    usd = rng.choice([2.0, 3.0], 4)
    share = None if seed % 2 else 0.6
    return pools(work.tolist(), usd.tolist(), (work * rng.uniform(2.0, 4.0, 6)).tolist(), share)


def test_three_instances_in_two_pools() -> None:
    """0.7 + 0.6 + 0.9 = 2.2 of work on two pools at 2 USD, by the token for 3 USD a unit of work.

    Three instances cost 6; two carry all but 0.2, which is 0.6 by the token: 4.6. One: 2 + 3.6 = 5.6.
    """
    program = pools([0.7, 0.6, 0.9], [2.0, 2.0], [2.1, 1.8, 2.7])
    answer = solve_summed(program, searched, SolveOptions(gap=1e-9))
    assert answer is not None
    assert answer.point is not None
    assert (answer.stop, answer.objective, answer.bound) == (Stop.OPTIMAL, approx(4.6), approx(4.6))
    assert answer.point[program.integer].sum() == approx(2.0)
    assert is_feasible(program, answer.point, tolerance=1e-6)


@pytest.mark.parametrize("backend", ["highs", "pulp:COIN_CMD"])
@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_that_of_a_solver(seed: int, backend: str) -> None:
    """Whether our own tree ends or a solver's search has to."""
    program = drawn(seed)
    best = solve(program, backend, SolveOptions(gap=0.0))
    assert best.objective is not None
    found = solve_summed(program, searched, SolveOptions(gap=1e-9))
    assert found is not None
    assert found.objective == approx(best.objective, rel=1e-6)
    assert best.objective * (1 - 1e-6) <= found.bound + 1e-9 <= best.objective * (1 + 1e-6) + 1e-9


def test_where_the_tree_ends_early_a_solver_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "WorkLimits", partial(WorkLimits, nodes=1))
    for seed in range(6):
        program = drawn(seed)
        best = solve(program, "highs", SolveOptions(gap=0.0))
        found = solve_summed(program, searched, SolveOptions(gap=1e-9))
        assert found is not None
        assert found.objective == approx(best.objective, rel=1e-6)


@pytest.mark.parametrize("seed", range(0, 12, 2))
def test_no_share_row_cuts_off_a_whole_point(seed: int) -> None:
    """Rows that the relaxation breaks hold at the best point of every choice of counts."""
    program = drawn(seed)
    relaxed = solve(program.relax(), "highs", SolveOptions())
    assert relaxed.point is not None
    broken = ShareRows(program).violated(relaxed.point)
    counts = np.flatnonzero(program.integer)
    for value in product((0.0, 1.0, 2.0), repeat=len(counts)):
        for cost in (program.cost, -program.cost):
            held = replace(program, cost=cost).fix(counts, value)
            answer = solve(held, "highs", SolveOptions())
            if answer.point is not None:
                assert (broken.matrix @ answer.point <= broken.upper + 1e-6).all()


def test_what_one_may_not_carry_opens_another() -> None:
    """One work of 0.1 of which a pool may carry 60 %, dear by the token: the relaxation rents a tenth of an instance,
    with share rows a whole one of each of both pools."""
    program = pools([0.1], [2.0, 2.0], [100.0], share=0.6)
    point = solve(program.relax(), "highs", SolveOptions()).point
    assert point is not None
    rows = ShareRows(program)
    for _ in range(5):
        broken = rows.violated(point)
        program = replace(
            program,
            matrix=sparse.vstack([program.matrix, broken.matrix], format="csr"),
            row_lower=np.concatenate([program.row_lower, np.full(len(broken), -np.inf)]),
            row_upper=np.concatenate([program.row_upper, broken.upper]),
        )
        point = solve(program.relax(), "highs", SolveOptions()).point
        assert point is not None
    assert program.objective(point) == approx(4.0, abs=1e-3)


def test_a_dearer_way_by_the_token_is_left_out() -> None:
    """Column 2 does what column 0 does for more; column 1 takes of a limit too and costs more; column 3 costs less."""
    program = LinearProgram(
        cost=np.array([1.0, 1.5, 2.0, 0.5]),
        matrix=sparse.csr_array(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])),
        row_lower=np.array([1.0, -np.inf]),
        row_upper=np.array([1.0, 0.3]),
        col_lower=np.zeros(4),
        col_upper=np.ones(4),
        integer=np.zeros(4, dtype=bool),
    )
    assert dominated(program).tolist() == [False, True, True, False]


def test_a_sum_is_whole_and_costs_nothing() -> None:
    program = pools([0.7, 0.6], [2.0, 3.0, 2.0], [5.0, 5.0])
    (group,) = equal_counts(program)
    assert group.tolist() == [8, 10]
    whole = with_sums(program, [group])
    assert (whole.n_columns, whole.n_rows) == (program.n_columns + 1, program.n_rows + 1)
    assert whole.col_upper[-1] == 40.0
    best = solve(whole, "highs", SolveOptions())
    assert best.point is not None
    assert best.point[-1] == approx(best.point[8] + best.point[10])


def test_2_000_workloads_of_200_kinds_cost_the_same_by_either_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """14,905.45 USD, what each of the 2,000 by itself comes to (tests/benchmarks/test_bench_kinds.py)."""
    problem = kinds_problem(2_000, 200)
    seen = []
    monkeypatch.setattr(in_parts, "SMALL", 0)
    monkeypatch.setattr(in_parts, "MANY_FLOWS", 0)
    monkeypatch.setattr(in_parts, "few_counts", lambda *of: seen.append(few_counts(*of)) or seen[-1])
    plan = api.solve(problem, options=SolveOptions(gap=1e-6))
    assert plan.ok
    assert any(seen)
    assert plan.cost_usd == approx(14_905.45, abs=0.02)
