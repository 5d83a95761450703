"""Columns for each instance of pools that boot lose no plan and make none cheaper: they only close the relaxation."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from campaign import times
from campaigns import corners
from problem_factory import Data, load
from pytest import approx

import router
from problems.core.each_instance import by_instance, pools_that_boot, with_instances
from problems.core.encode import Encoded, encode
from router.normalise import normalise
from solvers import LinearProgram, Stop, solve

HOUR = 3600.0


def problem(periods: int, demand: list[float], **instances: object) -> Data:
    """`demand` in instances that it keeps busy, by period; a token costs so much that tokens are a way out."""
    return {
        "schema": "router/1",
        "horizon": {"periods": periods, "period_h": 1.0},
        "models": {"m": {}},
        "workloads": [
            {
                "name": "w",
                "models": ["m"],
                "prompt_tokens": 100,
                "completion_tokens": 0,
                "demand": {"requests_by_period": [each * HOUR for each in demand]},
            }
        ],
        "offers": [
            {
                "name": "own",
                "models": {"m": {"requests_per_s": 1}},
                "instances": {"usd_per_h": 1, "max": 3, "start_h": 0.5, **instances},
            },
            {"name": "tokens", "models": {"m": {"prompt_usd_per_m": 10}}},
        ],
    }


def encoded_of(data: Data) -> Encoded:
    return encode(normalise(load(data), None))


def test_an_instance_off_for_an_hour_boots_again() -> None:
    """Six hours of 0.6 instances; an hour of an instance is 1 USD, of its work 3.60 USD by the token; 0.5 h of boot.

    All hours on: 6 USD, and 0.1 · 3.60 in the first, in which half an hour is lost: 6.36. Off in a later hour: 2.16 in
    place of 1, and more in the next. By the token: 12.96. Counts alone start 0.6 of an instance, or less: below 6.
    """
    made = encoded_of(problem(6, [0.6] * 6))
    wide = by_instance(made)
    assert wide is not None
    relaxed, closed = solve(made.program.relax()).objective, solve(wide.relax()).objective
    assert relaxed is not None
    assert closed is not None
    assert relaxed < closed - 0.1
    plan = router.solve(load(problem(6, [0.6] * 6)))
    assert plan.cost_usd == approx(6.36)
    assert plan.stop == "optimal"


@pytest.mark.parametrize("instances", [{"start_h": 0.0, "start_usd": 1}, {"max": 9}, {"resize": "horizon"}])
def test_other_pools_are_left_as_they_are(instances: Data) -> None:
    """That do not boot, have many instances, or one count for the horizon."""
    assert by_instance(encoded_of(problem(6, [4.6] * 6, **instances))) is None


def drawn(rng: Random) -> Data:
    periods = rng.choice((6, 7, 9))
    made = problem(
        periods,
        [rng.choice((0.0, 0.3, 0.5, 0.76, 1.0, 1.4, 2.2)) for _ in range(periods)],
        start_h=rng.choice((0.25, 0.5, 0.9, 1.0, 1.5, 2.25)),
        min_up_h=rng.choice((0, 0, 2, 3)),
        max=rng.choice((1, 2, 3, 4)),
        usd_per_h=rng.choice((0.5, 1, 2)),
        start_usd=rng.choice((0, 0, 0.7)),
    )
    made["workloads"][0]["deferrable_h"] = rng.choice((0, 1, 2))
    made["offers"][1]["models"]["m"]["prompt_usd_per_m"] = rng.choice((3, 6, 10, 30))
    return made


def with_running(made: Encoded, before: int) -> tuple[LinearProgram, LinearProgram] | None:
    """The program, and the one with columns for each instance, where so many run when the horizon begins."""
    pools = pools_that_boot(made)
    if not pools or pools[0].most < before:
        return None
    names = list(made.program.row_names() if made.program.row_names else ())
    lower = made.program.row_lower.copy()
    lower[names.index("starts(own,m,0)")] = -before
    program = replace(made.program, row_lower=lower)
    return program, with_instances(program, [replace(pools[0], before=before)])


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
def test_no_plan_is_lost_and_none_made_cheaper(solver: str) -> None:
    """Both programs have the same optimum, at the problem's prices and at any others: what may be done is the same."""
    seen = 0
    for seed in range(times(9)):
        made, before = encoded_of(drawn(Random(seed))), seed % 3
        both = with_running(made, before)
        if both is None:
            continue
        seen += 1
        program, wide = both
        for turn in range(3):
            cost = np.random.default_rng(seed + turn).random(program.n_columns) if turn else program.cost
            plain = solve(program.with_cost(cost), solver)
            own = solve(wide.with_cost(np.append(cost, np.zeros(wide.n_columns - len(cost)))), solver)
            assert plain.stop is own.stop is Stop.OPTIMAL
            assert own.objective == approx(plain.objective, rel=2e-5, abs=1e-6), seed
    assert seen >= 4


@pytest.mark.usefixtures("short_proofs")
def test_counts_of_which_the_sum_is_whole() -> None:
    """Three starts of half an instance and 54 of work are 55.5, so that 56 are rented: 112 USD, and 57.60 by contract.

    24 periods of 4 h, an instance 2 USD in each; 144 M tokens, of which the contract's minimum takes 57.6 M at 1 USD
    and an instance 1.6 M in a period. Without the sum HiGHS has 168.60 (55.5) after 36,000 nodes.
    """
    plan = router.solve(load(corners.drawn(410_000_001_004_801)))
    assert plan.cost_usd == approx(169.6)
    assert plan.gap < 1e-5
