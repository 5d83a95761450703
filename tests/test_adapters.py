"""Adapters: slots of instances worked out by hand, brute force over who is sent where, and what is refused by name."""

from __future__ import annotations

import math
from itertools import product
from random import Random

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, counts, gpu, hourly, load, plan_of, problem, sized

import router
from router.explaining.run import explain
from router.sizing import SizeOptions, size


def tenants(*adapters: int, tokens: float = 1e5, offers: list[Data] | None = None, **rest: object) -> Data:
    """Workloads of a tenth of an instance each, on replicas of 8 slots at 2 USD an hour."""
    works = [hourly(tokens, f"t{i}", adapters=n) for i, n in enumerate(adapters)]
    return problem(works, offers or [gpu("own", 2, 1, adapter_slots=8)], **rest)


def beside_an_api() -> Data:
    data = tenants(8, 1, offers=[gpu("own", 2, 1, adapter_slots=8), api("api", 10)])
    data["workloads"][0]["demand"] = {"tokens_per_hour": 5e5}
    return data


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("adapters", "count"), [((8,), 1), ((9,), 2), ((5, 3), 1), ((12, 10, 8), 4), ((0, 8), 1)], ids=str
)
def test_slots_decide_the_count_where_they_are_more_than_the_load(
    adapters: tuple[int, ...], count: int, solver: str
) -> None:
    plan = plan_of(tenants(*adapters), solver)
    assert counts(plan) == {"own": [count]}
    assert plan.stop == "optimal"
    assert plan.gap == pytest.approx(0.0, abs=1e-6)


def test_the_load_decides_where_it_is_more() -> None:
    assert counts(plan_of(tenants(1, 1, tokens=1.5e6))) == {"own": [3]}


@pytest.mark.parametrize("solver", SOLVERS)
def test_who_leaves_a_pool_leaves_whole(solver: str) -> None:
    """Of 8 + 1 adapters a replica holds 8. The half million of these costs 5 USD elsewhere, the rest 1 USD."""
    data = beside_an_api()
    plan = plan_of(data, solver)
    assert plan.cost_usd == pytest.approx(3.0)
    assert len(plan.routes) == 2


def test_each_pool_has_its_own_unless_the_models_share_the_count() -> None:
    """Two models of 6 adapters: a pool each holds its own, one that is shared holds both."""
    works = [hourly(1e5, f"t{m}", adapters=6) | {"models": [m]} for m in ("m", "n")]
    for shared, count in ((False, 2), (True, 2)):
        own = gpu("own", 2, 1, ("m", "n"), adapter_slots=8, shared_by_models=shared)
        assert sum(counts(plan_of(problem(works, [own])))["own"]) == count
    works[1]["adapters"] = 2
    shared_count = gpu("own", 2, 1, ("m", "n"), adapter_slots=8, shared_by_models=True)
    assert counts(plan_of(problem(works, [shared_count]))) == {"own": [1]}


def test_each_period_has_its_own() -> None:
    """Work of the first hour only frees its slots in the second."""
    works = [
        sized("a", {"requests_by_period": [100, 100]}, adapters=8),
        sized("b", {"requests_by_period": [100, 0]}, adapters=8),
    ]
    plan = plan_of(problem(works, [gpu("own", 2, 1, adapter_slots=8)], periods=2))
    assert counts(plan) == {"own": [2, 1]}


def test_one_count_for_the_horizon_and_terms_hold_the_most() -> None:
    works = [
        sized("a", {"requests_by_period": [100, 100]}, adapters=8),
        sized("b", {"requests_by_period": [100, 0]}, adapters=8),
    ]
    ahead = problem(works, [gpu("own", 2, 1, adapter_slots=8, resize="horizon")], periods=2)
    assert plan_of(ahead).cost_usd == pytest.approx(8.0)
    term = problem(works, [gpu("own", 2, 1, adapter_slots=8, term_h=2)], periods=2)
    assert plan_of(term).cost_usd == pytest.approx(8.0)


def test_origins_and_recipes_have_the_same_adapters() -> None:
    """From two places, and a draft and its check on one model: five adapters, once."""
    draft = {"name": "draft", "steps": [{"models": ["m"]}, {"models": ["m"]}]}
    work = hourly(1e5, adapters=5, origin={"eu": 0.5, "us": 0.5}, recipes=[draft])
    data = problem([work, hourly(1e5, "other", adapters=3)], [gpu("own", 2, 1, adapter_slots=8)])
    assert counts(plan_of(data)) == {"own": [1]}


def test_both_halves_of_a_replica_hold_them() -> None:
    entry = {"prompt_tokens_per_s": 1e6, "completion_tokens_per_s": 1e6}
    roles = {"prefill": {"usd_per_h": 1}, "decode": {"usd_per_h": 3}}
    own = {"name": "own", "models": {"m": entry}, "instances": {"roles": roles, "adapter_slots": 8}}
    plan = plan_of(problem([hourly(1e5, adapters=9)], [own]))
    assert {row.role: row.count for row in plan.instances} == {"prefill": 2, "decode": 2}


def test_the_same_plan_does_not_hold_more_adapters() -> None:
    plan = plan_of(tenants(8))
    assert "adapters" in router.verify(load(tenants(9)), plan).failed()


def test_other_commands_keep_to_the_slots() -> None:
    data = beside_an_api()
    saved = {each.fields: each.usd for each in explain(load(data)).savings}
    assert saved.get("offers.own.instances.adapter_slots: none (is 8)") == pytest.approx(1.0)
    data["scenarios"] = [
        {"name": "base", "probability": 0.5},
        {"name": "none", "probability": 0.5, "demand": {"t1": 0}},
    ]
    assert size(load(data), how=SizeOptions()).cost_usd == pytest.approx(2.5)


def _brute(data: Data) -> float:
    """Every set of who goes to `own`: instances that hold their adapters and their work; the others by the token."""
    works, slots = data["workloads"], data["offers"][0]["instances"]["adapter_slots"]
    usd, price = data["offers"][0]["instances"]["usd_per_h"], data["offers"][1]["models"]["m"]
    best = math.inf
    for there in product((False, True), repeat=len(works)):
        m_tokens = [work["demand"]["tokens_per_hour"] / 1e6 for work in works]
        held = sum(work["adapters"] for work, own in zip(works, there, strict=True) if own)
        load_ = sum(m for m, own in zip(m_tokens, there, strict=True) if own)
        least = math.ceil(held / slots - 1e-9)
        for count in range(least, max(least, math.ceil(load_ - 1e-9)) + 1):
            carried = min(load_, count)  # of those whose adapters are there; what is left goes by the token
            bill = count * usd + (sum(m_tokens) - carried) * price["prompt_usd_per_m"]
            best = min(best, bill)
    return best


@pytest.mark.parametrize("seed", range(times(4)))
def test_brute_force_over_who_is_sent_where(seed: int) -> None:
    rng = Random(seed)
    works = [
        hourly(rng.choice((1e5, 4e5, 1.2e6)), f"t{i}", adapters=rng.choice((0, 1, 3, 5, 9)))
        for i in range(rng.choice((2, 3, 4)))
    ]
    own = gpu("own", rng.choice((1, 2)), 1, adapter_slots=rng.choice((2, 4, 8)))
    data = problem(works, [own, api("api", rng.choice((2, 5)))])
    best = _brute(data)
    for solver in SOLVERS:
        assert plan_of(data, solver).cost_usd == pytest.approx(best)
