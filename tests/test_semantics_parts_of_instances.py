"""Instances rented in parts whose users wait: whole servers serve, and as much is rented as these take."""

from __future__ import annotations

import math
from itertools import count

import pytest
from problem_factory import load

import router
from router.schema import Problem
from router.verification import verify
from router.verification.base.queueing import PoolUse, queues
from solvers import SolveOptions

WAIT_S = 0.45  # 600 ms, less 150 without load
SECONDS = 0.1  # of an instance for each request: 200 tokens at 2,000 a second


def in_parts(concurrency: int, start_h: float, periods: int, **instances: object) -> Problem:
    """60,000 requests an hour take 1 2/3 instances without rest; an API beside them is dear."""
    ttft = {"ttft_p99_ms": 150, "tpot_p99_ms": 10}
    own = {"usd_per_h": 1, "start_h": start_h, "max": 90, "integral": False, **instances}
    rate = {"tokens_per_s": 2000, "concurrency": concurrency, **ttft}
    api = {"prompt_usd_per_m": 30, "completion_usd_per_m": 90, "ttft_p99_ms": 300}
    return load(
        {
            "schema": "router/1",
            "horizon": {"periods": periods, "period_h": 1},
            "models": {"m": {}},
            "workloads": [
                {
                    "name": "w",
                    "models": ["m"],
                    "demand": {"requests_by_period": [60_000] * periods},
                    "prompt_tokens": 100,
                    "completion_tokens": 100,
                    "slo": {"ttft_p99_ms": 600},
                }
            ],
            "offers": [
                {"name": "gpu", "models": {"m": rate}, "instances": own},
                {"name": "api", "models": {"m": api}},
            ],
        }
    )


def least_servers(concurrency: int) -> int:
    """By trying: one after the other, until the wait is kept."""
    use = PoolUse(60_000 / 3600, (SECONDS, 0.0), concurrency, 1.0, 0.0, False, {"p99": WAIT_S})
    for servers in count(1):
        (queue,) = queues([use], servers / concurrency, 1.0)
        if queue.busy < servers and queue.waits_s(queue.budget)["p99"] <= WAIT_S:
            return servers
    raise AssertionError


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
@pytest.mark.parametrize(
    ("concurrency", "start_h", "periods"), [(4, 0, 1), (16, 0, 2), (4, 0.25, 2), (1, 0.25, 2)]
)
def test_as_much_is_rented_as_whole_servers_take(
    concurrency: int, start_h: float, periods: int, solver: str
) -> None:
    """n servers are n / c instances; those that boot for a quarter of their first hour are 4 / 3 of that, in that hour.

    Whole instances were rented: 3 for 2.25, a third more than need be, and no plan was said to cost less.
    """
    problem = in_parts(concurrency, start_h, periods)
    plan = router.solve(problem, solver=solver, options=SolveOptions(gap=1e-6))
    least = least_servers(concurrency) / concurrency
    assert plan.objective_usd == pytest.approx(least / (1 - start_h) + (periods - 1) * least, rel=1e-6)
    assert verify(problem, plan).ok
    if solver == "highs":
        assert plan.proof is not None
        assert plan.proof.kind == "own"
        assert plan.gap <= 1e-6


@pytest.mark.parametrize(
    "instances", [{"max": 2.25}, {"min": 2.25}, {"min": 2.4}, {"reserved": 1}, {"resize": "horizon"}]
)
def test_limits_of_what_is_rented_in_parts(instances: dict[str, object]) -> None:
    """9 servers of 4 to an instance: 2.25 are enough, and may be all there is, or the least that is sold."""
    assert least_servers(4) == 9
    problem = in_parts(4, 0, 1, **instances)
    plan = router.solve(problem, options=SolveOptions(gap=1e-6))
    assert plan.objective_usd == pytest.approx(max(2.25, float(str(instances.get("min", 0.0)))), rel=1e-6)
    assert verify(problem, plan).ok
    assert math.isclose(sum(row.count for row in plan.instances), plan.objective_usd, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("instances", "limit"),
    [
        ({"power_kw": 700}, {"policy": {"max_power_kw": 700 * 2.25}}),
        ({"units": 700}, {"groups": [{"name": "all", "offers": ["gpu"], "max_units": 700 * 2.25}]}),
    ],
)
def test_limits_that_whole_servers_reach_exactly(
    instances: dict[str, object], limit: dict[str, object]
) -> None:
    """2.25 instances are all that a limit allows, and enough: no plan was found, where the row left no room for the
    little that is rented beyond whole servers."""
    data = in_parts(4, 0, 1, **instances).model_dump(mode="json", by_alias=True, exclude_unset=True)
    problem = load({**data, **limit})
    plan = router.solve(problem, options=SolveOptions(gap=1e-6))
    assert plan.objective_usd == pytest.approx(2.25, rel=1e-6)
    assert verify(problem, plan).ok
    assert plan.proof is not None
    assert plan.proof.kind == "own"
