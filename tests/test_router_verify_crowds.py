"""Rows of pools of many levels or users: they let through whatever keeps its promises, and not much more."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from problem_factory import load

import router
from router.planning import proving
from router.planning.proofs.scaled import ScaledRelaxation
from router.schema import Policy
from router.verification import audit_of, verify
from router.verification.base.ledger import RELATIVE
from router.verification.base.queueing import PoolUse, queues
from router.verification.bound import relaxation_of
from router.verification.bound.queues import waiting
from router.verification.bound.queues.crowds import Crowd, add_crowd, next_size
from router.verification.bound.relaxation import RelaxedProblem
from solvers import SolveOptions, solve


def some_uses(rng: Random) -> dict[str, PoolUse]:
    """Users of one pool: short and long requests, bursts and even arrivals, several promises and concurrencies."""
    uses = {}
    for i in range(rng.randint(1, 6)):
        seconds = rng.choice((0.05, 0.2, 0.6, 3.0)) * rng.uniform(0.8, 1.2)
        budget = {name: rng.choice((0.05, 0.5, 2.0)) for name in ("mean", "p90", "p99") if rng.random() < 0.5}
        cv = rng.choice((1.0, 1.0, 0.0, 0.4, 2.0, 9.0))
        uses[f"u{i}"] = PoolUse(
            0.0, (seconds, 0.0), rng.choice((1.0, 4.0, 16.0)), cv, rng.random(), False, budget
        )
    return uses


def most_of_a_mix(uses: list[PoolUse], count: float) -> float:
    """Requests per second, all in all, that keep every promise; `rate` of a use is its share of them."""
    low, high = 0.0, count / math.fsum(use.rate * use.seconds[0] for use in uses)
    for _ in range(60):
        rate = 0.5 * (low + high)
        (queue,) = queues([replace(use, rate=use.rate * rate) for use in uses], count, 1.0)
        fits = queue.busy <= queue.servers and all(
            wait <= queue.budget[name] for name, wait in queue.waits_s(queue.budget).items()
        )
        low, high = (rate, high) if fits else (low, rate)
    return low


@pytest.mark.parametrize("seed", range(150))
def test_no_mix_that_keeps_its_promises_is_cut_off(seed: int) -> None:
    """Σ a_i(N) · load_i ≤ count for every count up to N and every mix, at the largest load that it may have."""
    rng = Random(seed)
    uses, n = some_uses(rng), rng.choice((1, 2, 5, 12, 40, 130))
    weights = Crowd(uses, 0, Policy()).weights(uses, [n])
    for _ in range(12 if weights else 0):
        there = rng.sample(sorted(uses), rng.randint(1, len(uses)))
        shares = [rng.random() ** 3 + 1e-6 for _ in there]
        mix = [
            replace(uses[name], rate=share / math.fsum(shares))
            for name, share in zip(there, shares, strict=True)
        ]
        count = rng.randint(1, n)
        rate = most_of_a_mix(mix, count)
        weighed = math.fsum(
            weights[0][name] * use.rate * rate * use.seconds[0] for name, use in zip(there, mix, strict=True)
        )
        assert weighed <= count * (1.0 + 1.1 * RELATIVE)


def test_a_user_alone_takes_what_the_formula_says() -> None:
    """Requests of 1 s, of one size, p99 of the wait at most 1 s: what 1 / a lets be busy is that."""
    use = PoolUse(1.0, (1.0, 0.0), 1.0, 1.0, 0.0, False, {"p99": 1.0})
    crowd = Crowd({"u": use}, 0, Policy())
    for n in (20, 60, 200):
        busy = most_of_a_mix([use], n)
        (weights,) = crowd.weights(["u"], [n])
        assert n / busy * (1 - 3e-6) <= weights["u"] <= n / busy * (1 + 2e-6)


def test_counts_looked_at_are_no_less_and_rise_in_steps() -> None:
    assert [next_size(n) for n in (0.5, 1, 7, 10)] == [1, 1, 7, 10]
    assert all(n <= next_size(n) <= 1.2 * n + 1 for n in range(1, 500))
    assert all(next_size(n) <= next_size(n + 1) for n in range(1, 500))


def test_bands_say_of_each_count_what_their_own_row_says() -> None:
    """Two users of 1 and 2 instances, a(10) = 1.2 and 1.1, a(20) = 1.1 and 1.05: of a count of 10 all is used in a
    sum that is weighed by a(10); of 11 to 20, by a(20)."""
    ends = [10, 20]
    weights = [{"one": 1.2, "two": 1.1}, {"one": 1.1, "two": 1.05}]
    for count in range(21):
        model = RelaxedProblem()
        model.variable("count(p,0)", count, lower=count, whole=True)
        for name in ("one", "two"):
            model.variable(name, 1e3, usd=-1.0 if name == "one" else -1.9)
        add_crowd(
            model,
            "p,0",
            [("one", "one", 1.0), ("two", "two", 2.0)],
            [("count(p,0)", 1.0)],
            list(zip(ends, weights, strict=True)),
        )
        scaled = ScaledRelaxation.of(model)
        found = solve(scaled.program, "highs", SolveOptions())
        assert found.point is not None
        x = dict(zip(scaled.names, found.point * scaled.column_scale, strict=True))
        own = weights[0] if count <= 10 else weights[1]
        assert own["one"] * x["one"] + own["two"] * 2 * x["two"] <= count + 1e-6
        if count <= 10:  # and nothing less: each alone may fill it
            assert found.objective == pytest.approx(-count * max(1 / 1.2, 0.95 / 1.1), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("seed", range(20, 45))
def test_of_what_boots_as_much_serves_as_its_servers_carry(seed: int) -> None:
    """Servers are whole, what serves need not be: rows carry what these servers do, whatever the plan has; where it is
    the plan's own and of one user, no more than that and what a promise lets go of."""
    rng = Random(seed)
    c, planned = rng.choice((1.0, 4.0)), rng.uniform(1.0, 90.0)
    use = PoolUse(1.0, (rng.choice((0.2, 1.0)), 0.0), c, 1.0, rng.random(), False, {"p99": 1.0})
    other = replace(use, seconds=(3.0 * use.seconds[0], 0.0), budget={"p90": 0.5})
    few = rng.random() < 0.5
    for serving in (planned, rng.uniform(1.0, 100.0), math.ceil(planned), float(rng.randint(1, 100))):
        for part in (1.0, rng.random()):
            users = {"use": replace(use, rate=part), "other": replace(other, rate=1.0 - part)}
            users = {name: own for name, own in users.items() if own.rate > 0.0}
            crowd = Crowd(users, 0, Policy())
            assert crowd.server == 1.0 / c
            ends = crowd.ends(100.0, planned, crowd.server, few=few)
            weights = list(zip(ends, crowd.weights(users, ends), strict=False))
            model = RelaxedProblem()
            model.variable("count", serving, lower=serving)
            model.variable("rate", 1e6, usd=-1.0)
            loads = [(name, "rate", own.rate * own.seconds[0]) for name, own in users.items()]
            add_crowd(model, "p,0", loads, [("count", 1.0)], weights, crowd.server)
            scaled = ScaledRelaxation.of(model)
            found = solve(scaled.program, "highs", SolveOptions(gap=1e-9))
            assert found.objective is not None
            most = most_of_a_mix(list(users.values()), serving)
            assert most <= -found.objective * (1.0 + 1e-8)
            if part == 1.0 and serving == planned:
                assert -found.objective <= most * (1.0 + 1e-5) + 1e-9


@pytest.mark.parametrize("hours", [{"integral": False}, {"start_h": 0.25}])
def test_who_does_not_mind_waiting_takes_part_of_a_server(hours: dict[str, object]) -> None:
    """100,000 requests of 200 tokens at 400 tokens/s fill 13.889 instances, 55.6 servers of a quarter each. The chat
    that minds goes elsewhere for next to nothing: rented in parts they cost 138.889 USD, not the 140 of 56 servers."""
    workloads = [
        {
            "name": name,
            "models": models,
            "demand": {"requests_by_period": [requests]},
            "prompt_tokens": 100,
            "completion_tokens": 100,
            **promise,
        }
        for name, models, requests, promise in (
            ("batch", ["m"], 100_000, {}),
            ("chat", ["m", "other"], 1_000, {"slo": {"ttft_p99_ms": 400}}),
        )
    ]
    entry = {"tokens_per_s": 400, "ttft_p99_ms": 150, "tpot_p99_ms": 10, "concurrency": 4}
    api = {"prompt_usd_per_m": 1e-4, "completion_usd_per_m": 1e-4, "ttft_p99_ms": 300}
    problem = load(
        {
            "schema": "router/1",
            "models": {"m": {}, "other": {}},
            "horizon": {"periods": 1, "period_h": 1},
            "workloads": workloads,
            "offers": [
                {"name": "own", "models": {"m": entry}, "instances": {"usd_per_h": 10, "max": 20, **hours}},
                {"name": "api", "models": {"other": api}},
            ],
        }
    )
    plan = router.solve(problem, options=SolveOptions(gap=1e-6))
    if "integral" in hours:
        assert plan.cost_usd == pytest.approx(10 * 100_000 * 200 / 400 / 3600 + 2e-5, rel=1e-9)
    model = relaxation_of(audit_of(problem, plan))
    assert model is not None
    assert any(name.startswith("band(own") for name in model.variables)
    found = solve(ScaledRelaxation.of(model).program, "highs", SolveOptions(gap=1e-9))
    assert found.objective is not None
    assert found.objective <= plan.cost_usd * (1 + 1e-9)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert verify(problem, plan).ok


@pytest.mark.parametrize("seed", range(40))
def test_part_of_a_server_serves_without_those_who_mind(seed: int) -> None:
    """Of each mix, that of nobody who minds too, as much is let through as `waiting` and `throughput` let."""
    rng = Random(seed)
    c, serving = rng.choice((1.0, 4.0)), rng.uniform(0.3, 60.0)
    minds = PoolUse(1.0, (0.5, 0.0), c, rng.choice((1.0, 0.3, 2.0)), rng.random(), False, {"p99": 0.5})
    users = {"minds": minds, "free": replace(minds, seconds=(0.8, 0.0), budget={})}
    crowd = Crowd(users, 0, Policy())
    assert crowd.server is not None
    ends = crowd.ends(61.0, rng.uniform(0.3, 60.0), crowd.server, few=True)
    weights = list(zip(ends, crowd.weights(users, ends), strict=False))
    for part in (0.0, rng.random(), 1.0):
        mix = [
            replace(users[name], rate=share)
            for name, share in (("minds", part), ("free", 1.0 - part))
            if share
        ]
        most = most_of_a_mix(mix, serving) if part else serving / 0.8
        model = RelaxedProblem()
        model.variable("count", serving, lower=serving)
        for name, share in (("minds", part), ("free", 1.0 - part)):
            model.variable(name, 1.0 if share else 0.0)
        model.variable("rate", 1e3, usd=-1.0)
        for name, share in (("minds", part), ("free", 1.0 - part)):
            model.constraint(f"mix({name})", [(name, most), ("rate", -share)], lower=0.0, upper=0.0)
        loads = [(name, name, most * use.seconds[0]) for name, use in users.items()]
        add_crowd(model, "p,0", loads, [("count", 1.0)], weights, crowd.server, crowd.minding(users))
        found = solve(ScaledRelaxation.of(model).program, "highs", SolveOptions(gap=1e-9))
        assert found.objective is not None
        assert -found.objective >= most * (1.0 - 1e-7)


def test_servers_of_several_sizes_are_no_unit() -> None:
    """Too many kinds count as one, of the most requests at once; a server of others is larger all the same."""
    budgets = [{"p99": 0.1 + 0.1 * i, "p90": 1.0 - 0.1 * i} for i in range(10)]
    users = {
        f"u{i}": PoolUse(0.0, (1.0, 0.0), (5.0, 16.0)[i % 2], 1.0, 0.0, False, budget)
        for i, budget in enumerate(budgets)
    }
    crowd = Crowd(users, 0, Policy())
    assert len(crowd.kinds) == 1
    assert crowd.server is None


def crowded(periods: int = 2) -> dict[str, object]:
    """Fifteen workloads share a pool: more than have levels in the verifier; each hour stands for itself."""
    rng = Random(5)
    loads = [
        {
            "name": f"w{i}",
            "models": ["m"],
            "demand": {"requests_by_period": [rng.randint(4_000, 90_000) for _ in range(periods)]},
            "prompt_tokens": 500 + 100 * i,
            "completion_tokens": 100,
            "arrival_cv": rng.choice((1, 1, 2)),
            "slo": {"ttft_p99_ms": rng.choice((500, 900))},
        }
        for i in range(15)
    ]
    offers = [
        {
            "name": "own",
            "models": {"m": {"tokens_per_s": 9_000, "ttft_p99_ms": 80, "concurrency": 8}},
            "instances": {"usd_per_h": 3, "integral": True},
        },
        {
            "name": "api",
            "models": {"m": {"prompt_usd_per_m": 0.4, "completion_usd_per_m": 1, "ttft_p99_ms": 80}},
        },
    ]
    return {
        "schema": "router/1",
        "horizon": {"periods": periods, "period_h": 1},
        "models": {"m": {}},
        "workloads": loads,
        "offers": offers,
    }


def test_a_crowded_pool_has_a_bound_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the crowd bring a sixth of what is missing of the plan's cost at least."""
    problem = load(crowded())
    plan = router.solve(problem, options=SolveOptions(gap=0.1))
    assert plan.proof is not None
    assert plan.bound_usd <= plan.cost_usd * (1 + 1e-9)
    audit = audit_of(problem, plan)
    with_rows = relaxation_of(audit)
    assert with_rows is not None
    assert any(name.startswith("band(own") for name in with_rows.variables)
    monkeypatch.setattr(waiting, "add_crowd", lambda *_: None)
    without = relaxation_of(audit_of(problem, plan))
    assert without is not None
    bounds = [
        solve(ScaledRelaxation.of(model).program, "highs", SolveOptions(gap=1e-5)).bound
        for model in (with_rows, without)
    ]
    assert bounds[0] - bounds[1] > (plan.cost_usd - bounds[1]) / 6
    assert bounds[0] <= plan.cost_usd * (1 + 1e-6)


def test_a_large_problem_that_falls_apart_has_a_tree_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours that share nothing, with more columns in all than a tree is grown for: the bound is the same."""
    problem = load(crowded(3))
    plan = router.solve(problem, options=SolveOptions(gap=0.1))
    monkeypatch.setattr(proving, "LARGEST", 60)
    apart = router.solve(problem, options=SolveOptions(gap=0.1))
    assert apart.proof is not None
    assert plan.proof is not None
    assert apart.proof.bound_usd >= plan.proof.bound_usd * (1 - 2e-3)
    assert sum(part.leaves is not None for part in apart.proof.parts) >= 1
    assert verify(problem, apart).ok


def test_every_kind_of_step_is_above_the_one_before() -> None:
    from router.verification.bound.queues.crowds import STEPS

    assert all(b > a for a, b in pairwise((1.0, *STEPS)))
    assert np.isclose(STEPS[0], 1.00004)


@pytest.mark.parametrize("start_h", [0.0, 0.25, 0.5])
def test_pools_of_many_instances_that_boot_are_proven(start_h: float) -> None:
    """Some 60 instances, of which 16 more are started: the solver's word stood, 0.6 to 7 % from any bound of ours."""
    problem = load(
        {
            "schema": "router/1",
            "horizon": {"periods": 3, "period_h": 1},
            "models": {"m": {}},
            "workloads": [
                {
                    "name": "w",
                    "models": ["m"],
                    "demand": {"requests_by_period": [300_000, 390_000, 480_000]},
                    "prompt_tokens": 100,
                    "completion_tokens": 100,
                    "slo": {"ttft_p99_ms": 400},
                }
            ],
            "offers": [
                {
                    "name": "own",
                    "models": {
                        "m": {"tokens_per_s": 400, "ttft_p99_ms": 150, "tpot_p99_ms": 10, "concurrency": 1}
                    },
                    "instances": {"usd_per_h": 1, "start_h": start_h, "max": 90},
                },
                {
                    "name": "api",
                    "models": {"m": {"prompt_usd_per_m": 3, "completion_usd_per_m": 9, "ttft_p99_ms": 300}},
                },
            ],
        }
    )
    plan = router.solve(problem, options=SolveOptions(gap=1e-6))
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert 0.0 <= plan.objective_usd - plan.proof.bound_usd <= 1e-5 * plan.objective_usd
    assert verify(problem, plan).ok
