"""Bursts and evenness of arrivals in a mix, beside requests that take no time on one side of a pool."""

from __future__ import annotations

import numpy as np
import pytest
from campaign import times
from problem_factory import load
from pytest import approx

import router
from problems.physics.bursts import beyond_shape
from problems.physics.regions import Margin, Scale, User, pieces_of, shape
from problems.physics.waiting import Mix
from router.verification.base.queueing import PoolUse
from router.verification.bound.queues.mixes import bursts

INF = float("inf")


def excess(s: np.ndarray, c: np.ndarray, cs2: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """u, and w − u, by the formula of Allen and Cunneen: w = m · (Ca² + Cs²) / 2."""
    m, square = float(p @ s), float(p @ (s**2 * (1.0 + cs2)))
    w = m * (float(p @ c) + square / m**2) / 2.0  # Ca² − 1 and E[S²] / m²: Cs² + 1
    u = float((p * s) @ (s * (c + 1.0 + cs2)) / 2.0 / m)
    return u, w - u


def test_nothing_that_a_mix_may_have_is_beyond_the_range() -> None:
    """Random users, some of whom take no time: w − u of hundreds of mixes of each, for planner and verifier."""
    rng = np.random.default_rng(3)
    for _ in range(times(30)):
        n = int(rng.integers(2, 5))
        s = np.where(rng.random(n) < 0.4, 0.0, 10 ** rng.uniform(-2, 1, n))
        s[0] = max(s[0], 0.1)
        cv, cs = rng.choice((0.0, 0.5, 1.0, 3.0), n), rng.choice((0.0, 1.0, 2.0), n)
        u = s * (cv**2 + cs**2) / 2.0
        some = u[s > 0]
        low, high = np.sort(rng.uniform(some.min(), some.max(), 2))
        if rng.random() < 0.4:
            low, high = some.min(), some.max()
        least, most = beyond_shape(s, cv**2 - 1.0, u, low, high)
        uses = [
            PoolUse(0.0, (float(a), 0.0), 1.0, float(b), float(d), False, {})
            for a, b, d in zip(s, cv, cs, strict=True)
        ]
        assert bursts(uses, 0, low, high) == approx((least, most), rel=1e-9, abs=1e-9)
        for _ in range(400):
            p = rng.dirichlet(np.full(n, rng.choice((0.1, 1.0))))
            if p @ s <= 1e-9:
                continue
            at, beyond = excess(s, cv**2 - 1.0, cs**2, p)
            if low <= at <= high:
                assert least - 1e-9 <= beyond <= most + 1e-9


@pytest.mark.parametrize(("own", "others", "of_most"), [(0.5, 1.0, 0.75), (1.0, 3.0, 2.0), (2.0, 1.0, 0.0)])
def test_one_user_beside_requests_that_take_no_time(own: float, others: float, of_most: float) -> None:
    """m = 4 s, and 4 / 2 · ((z² − 2 z) · C + (z − z²) · Z), by hand.

    C = −0.75, Z = 0: 0.75 · (2 z − z²), most at z = 1: 0.75. C = 0, Z = 8: 8 · (z − z²), at a half: 2. C = 3, Z = 0:
    never above 0, and at z = 1 least, −3.
    """
    c, u = np.array([own**2 - 1.0, others**2 - 1.0]), np.array([2.0 * own**2, 0.0])
    _, most = beyond_shape(np.array([4.0, 0.0]), c, u, u[0], u[0])
    assert most == approx(2.0 * of_most)


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
@pytest.mark.parametrize("resize", ["period", "horizon"])
def test_even_arrivals_beside_prompts_alone_are_planned_to_the_end(solver: str, resize: str) -> None:
    """1,000 requests an hour of 200 tokens at 55.6 a second take one instance for completions: what n carry by formula.

    The others have prompts alone, and may be dropped for nothing: they bring completions that take no time, which let
    the bound have no waits at all, and the plan those of arrivals that do not come evenly (28 % apart). Beside them an
    instance carries less, so none runs there.
    """
    problem = load(
        {
            "schema": "router/1",
            "horizon": {"periods": 1, "period_h": 1.0},
            "models": {"n": {}},
            "workloads": [
                {
                    "name": "chat",
                    "models": ["n"],
                    "prompt_tokens": 800,
                    "completion_tokens": 200,
                    "demand": {"requests_by_period": [1000]},
                    "arrival_cv": 0.5,
                    "slo": {"ttft_mean_ms": 500},
                },
                {
                    "name": "prompts",
                    "models": ["n"],
                    "demand": {"tokens_per_hour": 2_300_000, "completion_share": 0.0},
                    "unserved_usd_per_m_tokens": 0,
                    "service_cv": 2,
                },
            ],
            "offers": [
                {
                    "name": "pool",
                    "provider": "a",
                    "models": {
                        "n": {
                            "prompt_tokens_per_s": 5000 / 9,
                            "completion_tokens_per_s": 500 / 9,
                            "disaggregated": True,
                            "ttft_mean_ms": 100,
                            "ttft_p99_ms": 200,
                            "tpot_p99_ms": 10,
                        }
                    },
                    "instances": {"usd_per_h": 0.5, "max": 3, "resize": resize},
                },
                {
                    "name": "tokens",
                    "provider": "b",
                    "models": {
                        "n": {
                            "prompt_usd_per_m": 3.0,
                            "completion_usd_per_m": 3.0,
                            "ttft_mean_ms": 100,
                            "ttft_p99_ms": 300,
                            "tpot_p99_ms": 10,
                        }
                    },
                },
            ],
        }
    )
    rate, counts = 1000 / 3600, np.arange(4.0)
    budget = np.array([0.2, np.inf, np.inf, np.inf, np.inf])  # 500 − 100 ms, half for each engine
    sides = [(1.44, 0.125), (3.6, 0.125)]  # seconds, and (0.5² + 0) / 2
    parts = [Mix(s, v, 1.0, budget).caps(counts) / (rate * s) for s, v in sides]
    part = np.minimum(np.minimum(*parts), 1.0)
    optimum = float((0.5 * counts + 3.0 * (1.0 - part)).min())
    plan = router.solve(problem, solver=solver)
    assert plan.objective_usd == approx(optimum, rel=1e-5)
    assert plan.bound_usd == approx(optimum, rel=1e-5)
    assert router.verify(problem, plan).ok


def test_a_region_carries_what_users_carry_alone_though_others_would_make_them_wait() -> None:
    """A hundredth of the load in single tokens that come in bursts would be most of the requests, and Ca² theirs.

    Requests of 5.77 s alone, arriving evenly: three instances carry what the formula says, 2.11, and not what is left
    where a few of the others come along.
    """
    alone = User((801 / 138.9, 0.0), 1.0, 0.5, 0.0, (INF, INF, 1.3, INF, INF), apart=False)
    tokens = User((1 / 138.9, 0.0), 1.0, 4.0, 0.0, (INF,) * 5, apart=False)
    pieces = pieces_of((alone, tokens), 0, (), Scale(3, servers=False), 3, Margin(), inner=True)
    u = shape(alone, 0)
    most = [
        float((piece.caps[:, 3] / (1.0 + np.array(piece.slopes) * (u - piece.low))).min())
        for piece in pieces
        if 0 in piece.users and piece.low * (1 - 1e-9) <= u <= piece.high * (1 + 1e-9)
    ]
    formula = Mix(801 / 138.9, 0.125, 1.0, np.array([INF, INF, 1.3, INF, INF])).caps(np.array([3.0]))
    assert max(most) == approx(float(formula[0]), rel=1e-9)
    assert max(most) == approx(2.11, abs=0.01)


def test_of_three_users_the_range_is_near_what_mixes_of_one_u_have() -> None:
    """1.8 s and 7.2 s in bursts (Ca² = 4) and single tokens: at u = 2.698, w − u is −2.04 … −2.00 of mixes drawn.

    With the mean and the shares of requests each as they like it was −6.48 … −0.63: nobody waited.
    """
    s, c, u = np.array([1.8, 7.2072, 0.0072]), np.array([3.0, 3.0, 0.0]), np.array([3.6, 14.4144, 0.0036])
    least, most = beyond_shape(s, c, u, 2.698, 2.698)
    assert -2.2 < least < -2.04
    assert -2.0 < most < -1.85
