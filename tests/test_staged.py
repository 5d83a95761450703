"""Programs by states of their steps, and what is ruled out before, lose no plan and make none cheaper."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest
from campaign import times
from campaigns import corners
from hypothesis import given
from hypothesis import strategies as st
from problem_factory import Data, load
from pytest import approx
from scipy import sparse
from test_each_instance import encoded_of, problem

import router
from problems.core.encode import Encoded
from problems.core.steps import steps_of
from router.planning.structure.states import bound_of_states, state_pools
from solvers import LinearProgram, SolveOptions, Stop, solve
from solvers.narrowed import decided, narrowed, undecided
from solvers.staged import with_states


def drawn(rng: Random) -> Data:
    """Work that may wait, pools that boot, cost a start, stay for some periods or are bought for two; a contract."""
    periods = rng.choice((5, 6))
    terms = rng.random() < 0.4
    made = problem(
        periods,
        [rng.choice((0.0, 0.3, 0.5, 1.0, 1.4)) for _ in range(periods)],
        start_h=rng.choice((0, 0.5, 1.0, 1.5)),
        usd_per_h=rng.choice((0.5, 1, 2)),
        max=rng.choice((1, 2, 3)),
        **({} if terms else {"min_up_h": rng.choice((0, 2, 3)), "start_usd": rng.choice((0.1, 0.7))}),
    )
    own, tokens = made["offers"]
    if terms:  # an hour is a month
        made["horizon"]["period_h"] = 730.0
        own["instances"] |= {"term_months": 2, "upfront_usd": 1, "start_h": rng.choice((0, 365, 730))}
        own["models"]["m"] = {"requests_per_s": 1 / 730}
    elif rng.random() < 0.5:
        own["instances"] |= {"max": 3, "min": 1, "step": 2}
    made["workloads"][0]["deferrable_h"] = rng.choice((0, 1, 2)) * made["horizon"]["period_h"]
    tokens["models"]["m"]["prompt_usd_per_m"] = rng.choice((3, 6, 10))
    if rng.random() < 0.5:
        own["commitment"] = {
            "tiers": [
                {"from_tokens_per_month": 0, "usd_per_m": 2},
                {"from_tokens_per_month": 3e7, "usd_per_m": 1},
            ],
            "min_tokens_per_month": rng.choice((0.0, 5e7)),
        }
    return made


def by_states(made: Encoded, program: LinearProgram, memory: int) -> LinearProgram | None:
    pools = [replace(pool, memory=memory) for pool in state_pools(made)]
    return with_states(program, steps_of(made), pools, 100_000) if pools else None


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
def test_no_plan_is_lost_and_none_made_cheaper(solver: str) -> None:
    """Both programs have the same optimum, at the problem's prices and at any others: what may be done is the same."""
    seen = 0
    for seed in range(times(12)):
        made = encoded_of(drawn(Random(seed)))
        program = made.program
        wide = by_states(made, program, seed % 3)
        if wide is None:
            continue
        seen += 1
        for turn in range(2):
            cost = np.random.default_rng(seed).random(program.n_columns) if turn else program.cost
            plain = solve(program.with_cost(cost), solver)
            own = solve(wide.with_cost(np.append(cost, np.zeros(wide.n_columns - len(cost)))), solver)
            assert plain.stop is own.stop is Stop.OPTIMAL
            assert own.objective == approx(plain.objective, rel=2e-5, abs=1e-6), seed
    assert seen >= 8


def test_a_bound_of_states_is_below_the_optimum_and_above_the_relaxation() -> None:
    closed = []
    for seed in range(times(12)):
        made = encoded_of(drawn(Random(100 + seed)))
        best, relaxed = solve(made.program).objective, solve(made.program.relax()).objective
        assert best is not None
        assert relaxed is not None
        bound = bound_of_states(made, best, SolveOptions())
        if bound is not None and best > relaxed + 0.01:
            assert bound <= best + 1e-5 * abs(best), seed
            closed.append((bound - relaxed) / (best - relaxed))
    assert len(closed) >= 4
    assert min(closed) > -1e-3
    assert np.median(closed) > 0.5


def test_a_purchase_for_two_months_boots_for_the_first() -> None:
    """Six months of 0.9 instances, which wait a month; an instance 2 USD a month, bought for two; boots one of them.

    5.4 are to be carried, and nothing is in the first month: three purchases, for six months, carry 5 at most. A fourth
    in the first month, and the second carries 1.8 of 2: 4 · 4 = 16 USD; a token is dear. A relaxation buys 5.4 months,
    and starts a part of an instance.
    """
    data = problem(6, [0.9] * 6, max=2, start_h=730.0, usd_per_h=2 / 730, term_months=2)
    data["horizon"]["period_h"] = 730.0
    data["workloads"][0]["deferrable_h"] = 1460.0
    data["offers"][0]["models"]["m"] = {"requests_per_s": 1 / 730}
    data["offers"][1]["models"]["m"]["prompt_usd_per_m"] = 1000
    made = encoded_of(data)
    relaxed = solve(made.program.relax()).objective
    bound = bound_of_states(made, 16.0, SolveOptions())
    assert relaxed is not None
    assert bound is not None
    assert relaxed < 13.0
    assert 13.5 < bound <= 16.0
    assert router.solve(load(data)).cost_usd == approx(16.0)


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(-3, 3), min_size=3, max_size=3), st.integers(-4, 6), st.integers(0, 5)
        ),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.integers(-5, 5), min_size=3, max_size=3),
    st.integers(1, 3),
)
def test_what_rows_leave_holds_every_whole_point_and_what_is_decided_the_best(
    rows: list[tuple[list[int], int, int]], cost: list[int], most: int
) -> None:
    """All points of three whole columns, the first two of them decisions, looked at one by one."""
    a = np.array([each for each, *_ in rows], dtype=np.float64)
    lower = np.array([low for _, low, _ in rows], dtype=np.float64)
    program = LinearProgram(
        cost=np.array(cost, dtype=np.float64),
        matrix=sparse.csr_array(a),
        row_lower=lower,
        row_upper=lower + [more for *_, more in rows],
        col_lower=np.zeros(3),
        col_upper=np.array([1.0, 1.0, most]),
        integer=np.ones(3, dtype=np.bool_),
    )
    every = (np.array(each, dtype=np.float64) for each in product((0, 1), (0, 1), range(most + 1)))
    points = [x for x in every if (a @ x >= program.row_lower).all() and (a @ x <= program.row_upper).all()]
    tight = narrowed(program)
    assert tight is not None or not points
    for x in points:
        assert tight is not None
        assert (x >= tight.col_lower).all()
        assert (x <= tight.col_upper).all()
    if not points:
        return
    best = min(float(program.cost @ x) for x in points)
    within = decided(program, np.arange(2), best + 0.5, SolveOptions())
    small, at, rest = undecided(program, within, np.empty(0, dtype=np.int64))
    assert len(at) == small.n_columns
    if not len(at):
        assert rest == approx(best)
        return
    left = solve(small).objective
    assert left is not None
    assert left - small.offset + rest == approx(best)


def test_whole_instances_of_pools_that_do_not_boot_are_summed_too() -> None:
    """48 halves of months of 1.15 instances, 55.2 in all, at 328.50 USD each: 56 are rented, 18,396 USD.

    By another offer or the token 0.2 instances cost 584 USD at least. HiGHS has 18,133 (55.2) after 58,000 nodes, where
    the sum of counts is no column.
    """
    plan = router.solve(load(corners.drawn(480_000_001_004_815)), options=SolveOptions(time_limit_s=300))
    assert plan.cost_usd == approx(18_396.0)
    assert plan.gap < 1e-5


def test_terms_of_two_periods_that_boot_for_one_are_bounded_by_states() -> None:
    """The optimum is 148,724 USD, by a table of all purchases and of the work that waits (in fifths of a period's).

    The relaxation says 104,456, or 142,031 once the contract is known to be signed; HiGHS 146,209 after 58 s.
    """
    made = encoded_of(corners.drawn(480_000_001_001_330))
    bound = bound_of_states(made, 149_000.0, SolveOptions())
    assert bound is not None
    assert 147_500 < bound <= 148_724
