"""Promises on answers that several requests of a recipe make: sums over its steps, by hand and by brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations, product
from random import Random

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, gpu, load, plan_of, problem, sized
from scipy.optimize import linprog

import router
from router.errors import Infeasible, InputError

MODELS = {"big": {"quality": 0.9}, "small": {"quality": 0.8}}
CASCADE = [{"models": ["small"]}, {"models": ["big"], "requests": 0.3, "prompt_tokens": 2000}]


def timed(name: str, usd: float, model: str, ms: float, statistic: str = "p99", **rest: object) -> Data:
    offer = api(name, usd, (model,), **rest)
    offer["models"][model] |= {f"ttft_{statistic}_ms": ms, f"tpot_{statistic}_ms": 1}
    return offer


def asked(offers: list[Data], steps: list[Data] = CASCADE, **slo: float) -> Data:
    """A thousand requests an hour of 1,000 tokens, answered by the recipe alone."""
    recipe = {"name": "cascade", "quality": 0.88, "steps": steps}
    work = sized("chat", {"requests_per_hour": 1000}, recipes=[recipe], slo=slo, needs={"min_quality": 0.87})
    work |= {"models": ["small"]}
    return problem([work], offers, models=MODELS, periods=1)


def four(**s2: object) -> list[Data]:
    """Two routes a step: the cheap one slow, the dear one fast."""
    return [
        timed("s1", 1, "small", 600),
        timed("s2", 2, "small", 200, **s2),
        timed("b1", 10, "big", 500),
        timed("b2", 15, "big", 300),
    ]


@pytest.mark.parametrize("solver", SOLVERS)
def test_all_steps_together_keep_the_promise(solver: str) -> None:
    """1,000 ms: s1 and b1 take 1,100, s2 and b1 700 for 2 + 0.6 · 10 = 8 USD. Within 1,100 ms 1 + 6; within 500 2 + 9.

    Where s2 may have half of the work, s1 has the rest, and with b1 would be too slow: all on s1 and b2, 1 + 9.
    """
    for limit, cost in ((1000, 8.0), (1100, 7.0), (500, 11.0)):
        plan = plan_of(asked(four(), request_p99_ms=limit), solver)
        assert plan.cost_usd == pytest.approx(cost)
        assert plan.proof is not None
        assert plan.gap == pytest.approx(0, abs=1e-5)
    half = four(quota={"requests_per_minute": 500 / 60})
    assert plan_of(asked(half, request_p99_ms=1000), solver).cost_usd == pytest.approx(10.0)
    with pytest.raises(Infeasible):
        plan_of(asked(four(), request_p99_ms=499), solver)


def test_a_first_token_comes_after_all_but_the_last_request() -> None:
    """101 completion tokens take 100 ms more of a request, not of a first token: 600 + 100 + 500."""
    data = asked(four(), ttft_p99_ms=1200)
    data["workloads"][0]["completion_tokens"] = 101
    cheap = plan_of(data)
    assert {row.offer for row in cheap.routes} == {"s1", "b1"}
    data["workloads"][0]["slo"] = {"ttft_p99_ms": 1199}
    assert {row.offer for row in plan_of(data).routes} != {"s1", "b1"}
    assert "answer_times" in router.verify(load(data), cheap).failed()
    data["workloads"][0]["slo"] = {"request_p99_ms": 1299}  # both to their end: 1,300
    assert "answer_times" in router.verify(load(data), cheap).failed()


def test_requests_of_a_step_come_one_after_the_other_or_at_once() -> None:
    """Three drafts of 600 ms and an answer of 500: 2,300 ms, at once 1,100."""
    for parallel, limit in ((False, 2300), (True, 1100)):
        steps = [{"models": ["small"], "requests": 3, "parallel": parallel}, {"models": ["big"]}]
        data = asked(four(), steps, request_p99_ms=limit)
        assert {row.offer for row in plan_of(data).routes} == {"s1", "b1"}
        data["workloads"][0]["slo"] = {"request_p99_ms": limit - 1}
        assert {row.offer for row in plan_of(data).routes} != {"s1", "b1"}


def test_of_a_mean_each_step_counts_by_its_requests() -> None:
    """600 + 0.3 · 500 = 750 ms. The median has no escalation: 600."""
    offers = [timed("s1", 1, "small", 600, "mean"), timed("b1", 10, "big", 500, "mean")]
    assert plan_of(asked(offers, request_mean_ms=750)).ok
    with pytest.raises(Infeasible):
        plan_of(asked(offers, request_mean_ms=749))
    assert plan_of(
        asked([timed("s1", 1, "small", 600, "p50"), api("b1", 10, ("big",))], request_p50_ms=600)
    ).ok


def test_what_is_not_known_keeps_no_promise_and_nothing_waits() -> None:
    unknown = [*four()[:2], api("b1", 1, ("big",)), four()[3]]
    assert {row.offer for row in plan_of(asked(unknown, request_p99_ms=1000)).routes} == {"s1", "b2"}
    own = gpu("own", 1, 1, ("small",))
    own["models"]["small"] |= {"ttft_p99_ms": 100, "tpot_p99_ms": 1}
    data = asked([own, *four()[2:]], request_p99_ms=1000)
    with pytest.raises(InputError, match="adds up by no formula"):
        load(data)
    data["offers"][0]["instances"]["max_utilisation"] = 0.8
    assert plan_of(data).cost_usd == pytest.approx(2 + 6)


def test_explain_names_the_promise() -> None:
    found = router.explain(load(asked(four()[:1] + four()[2:3], request_p99_ms=1000)))
    assert found.conflict is not None
    assert "workloads.chat.slo.request_p99_ms" in [row.field for row in found.conflict.promises]


def _by_sets(data: Data, limit: float) -> float:
    """The least cost over all sets of routes that any step may use together; each an ordinary linear program."""
    steps, offers = data["workloads"][0]["recipes"][0]["steps"], data["offers"]
    choices = []
    for step in steps:
        own = [o for o in offers if set(step["models"]) & o["models"].keys()]
        choices.append(list(chain.from_iterable(combinations(own, n) for n in range(1, len(own) + 1))))
    best = float("inf")
    for sets in product(*choices):
        slowest = 0.0
        for step, own in zip(steps, sets, strict=True):
            n = step.get("requests", 1)
            n = 0 if n <= 0.01 else max(n, 1)
            slowest += n * max(next(iter(o["models"].values()))["ttft_p99_ms"] for o in own)
        if slowest > limit:
            continue
        total = 0.0
        for step, own in zip(steps, sets, strict=True):
            tokens = step.get("requests", 1) * step.get("prompt_tokens", 1000) / 1e3  # M an hour
            usd = [tokens * next(iter(o["models"].values()))["prompt_usd_per_m"] for o in own]
            most = [o["quota"]["tokens_per_minute"] * 60 / 1e6 / tokens if "quota" in o else 1.0 for o in own]
            found = linprog(usd, A_eq=[[1.0] * len(own)], b_eq=[1.0], bounds=[(0, min(m, 1.0)) for m in most])
            total += found.fun if found.success else float("inf")
        best = min(best, total)
    return best


@pytest.mark.parametrize("seed", range(times(4)))
def test_brute_force_over_sets_of_routes(seed: int) -> None:
    rng = Random(seed)
    steps = [
        {"models": ["small"], "requests": rng.choice((1, 2))},
        {"models": ["big"], "requests": rng.choice((0.3, 1)), "prompt_tokens": rng.choice((500, 2000))},
    ]
    offers = [
        timed(
            f"{model}{i}",
            rng.randint(1, 12),
            model,
            rng.choice((100, 200, 300, 500)),
            quota={"tokens_per_minute": rng.choice((5e3, 1e4, 1e9))},
        )
        for model in ("small", "big")
        for i in range(3)
    ]
    limit = rng.choice((400, 600, 800))
    data = asked(offers, steps, request_p99_ms=limit)
    best = _by_sets(data, limit)
    for solver in SOLVERS:
        if best == float("inf"):
            with pytest.raises(Infeasible):
                plan_of(data, solver)
        else:
            plan = plan_of(data, solver)
            assert plan.cost_usd == pytest.approx(best, rel=1e-6)
            assert plan.bound_usd == pytest.approx(best, rel=1e-5)


def test_a_route_that_is_too_slow_together_is_found_out() -> None:
    data = asked(four(), request_p99_ms=1000)
    plan = plan_of(data)
    other = tuple(replace(row, offer="s1") if row.offer == "s2" else row for row in plan.routes)
    assert "answer_times" in router.verify(load(data), replace(plan, routes=other)).failed()
