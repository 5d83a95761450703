"""Among plans of equal cost: the soonest to answer, then the most evenly loaded, the same by every run and solver."""

from __future__ import annotations

from random import Random

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, gpu, hourly, plan_of, problem, shares, sized
from strategies import random_problem

from router.errors import Infeasible, NoPlanInTime
from router.plan.document import Plan

BOTH = {"among_equals": ["latency", "even_load"]}


def told(plan: Plan) -> list[str]:
    return [note for note in plan.notes if note.startswith("among plans of the same cost")]


@pytest.mark.parametrize("solver", SOLVERS)
def test_nobody_crosses_the_ocean_for_nothing(solver: str) -> None:
    """7 requests/s in eu, 3 in us, 2.5 in ap, which us alone reaches within 400 ms; three and four replicas of 2.

    So eu fills its own with 6 of 7, the one left goes to us, and us stays at home."""
    pools = [
        {
            "name": f"{region}-pool",
            "models": {"m": {"requests_per_s": 2, "ttft_p99_ms": 200}},
            "limits": {"regions": [region]},
            "instances": {"usd_per_h": usd, "max": 4, "max_utilisation": 1},
        }
        for region, usd in (("eu", 4), ("us", 3))
    ]
    ways = [("eu", "eu", 20), ("us", "us", 20), ("eu", "us", 90), ("ap", "us", 170), ("ap", "eu", 250)]
    work = sized(
        "chat",
        {"requests_per_s": 12.5},
        origin={"eu": 0.56, "us": 0.24, "ap": 0.2},
        slo={"ttft_p99_ms": 400},
    )
    network = [{"from": a, "to": b, "rtt_ms": ms} for a, b, ms in ways]
    plan = plan_of(problem(work, pools, network=network, policy=BOTH), solver)
    assert plan.cost_usd == pytest.approx(3 * 4 + 4 * 3)
    found = {(row.origin, row.offer): row.share for row in plan.routes}
    assert found == pytest.approx(
        {("eu", "eu-pool"): 0.48, ("eu", "us-pool"): 0.08, ("us", "us-pool"): 0.24, ("ap", "us-pool"): 0.2}
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_zones_that_are_paid_for_are_loaded_alike(solver: str) -> None:
    """Eight replicas for ten requests/s of two each, so that the loss of any zone is survived: 62.5 % everywhere."""
    zones = [
        {"name": f"zone-{z}", "models": {"m": {"requests_per_s": 2}}, "instances": {"usd_per_h": 4}}
        for z in "abc"
    ]
    work = sized("chat", {"requests_per_s": 10})
    plan = plan_of(problem(work, zones, policy={"survive_loss_of": "offer", **BOTH}), solver)
    assert plan.cost_usd == pytest.approx(32.0)
    assert [row.utilisation for row in plan.instances] == pytest.approx([0.625] * 3)


def test_quotas_are_loaded_alike_too() -> None:
    """Of a million tokens an hour, two offers of one price: quotas of 1.5 and 0.5 million carry three to one."""
    offers = [api(n, 1, quota={"tokens_per_minute": m * 1e6 / 60}) for n, m in (("a", 1.5), ("b", 0.5))]
    plan = plan_of(problem(hourly(1e6), offers, policy=BOTH))
    assert shares(plan) == pytest.approx({"a": 0.75, "b": 0.25})
    assert len(told(plan)) == 1  # a search stops at a corner, where one of them carries as much as it can


def test_the_first_aim_comes_before_the_second() -> None:
    """The sooner one answers all; by load alone each has half. Of unknown time it waits as long as the other."""
    offers = [gpu(n, 0, 2, reserved=1, max=1) for n in ("slow", "fast")]
    offers[0]["models"]["m"]["ttft_mean_ms"] = 300
    offers[1]["models"]["m"]["ttft_p50_ms"] = 200
    data = problem(hourly(1e6), offers, policy=BOTH)
    assert shares(plan_of(data)) == pytest.approx({"fast": 1.0})
    data["policy"] = {"among_equals": ["even_load"]}
    assert shares(plan_of(data)) == pytest.approx({"slow": 0.5, "fast": 0.5})
    del offers[0]["models"]["m"]["ttft_mean_ms"]
    assert shares(plan_of(problem(hourly(1e6), offers, policy=BOTH))) == pytest.approx(
        {"slow": 0.5, "fast": 0.5}
    )


def test_the_default_is_both() -> None:
    offers = [api(n, 1, quota={"tokens_per_minute": m * 1e6 / 60}) for n, m in (("a", 1.5), ("b", 0.5))]
    assert shares(plan_of(problem(hourly(1e6), offers))) == pytest.approx({"a": 0.75, "b": 0.25})


def test_nothing_is_solved_again_where_nothing_is_equal_or_it_is_turned_off() -> None:
    cheaper = plan_of(problem(hourly(1e6), [api("a", 1), api("b", 2)], policy=BOTH))
    assert not told(cheaper)
    off = plan_of(problem(hourly(1e6), [api("a", 1), api("b", 1)], policy={"among_equals": []}))
    assert not told(off)


@pytest.mark.parametrize("seed", range(times(4)))
def test_costs_stay_on_random_problems(seed: int) -> None:
    """Law: the cost is that of the plan found first, and whole numbers are the same."""
    data = random_problem(Random(seed))
    if data.get("scenarios"):
        del data["scenarios"]
    policy = data.get("policy", {})
    found = []
    for order in ([], ["latency", "even_load"]):
        data["policy"] = {**policy, "among_equals": order}
        try:
            found.append(plan_of(data))
        except (Infeasible, NoPlanInTime):
            return
    assert found[1].cost_usd == pytest.approx(found[0].cost_usd, rel=1e-7, abs=1e-7)
    key = [[(r.offer, r.model, r.period, round(r.count, 6)) for r in plan.instances] for plan in found]
    assert key[0] == key[1]


def test_like_offers_are_shared_alike_by_every_solver() -> None:
    offers: list[Data] = [api(n, 1) for n in ("a", "b", "c")]
    plans = [plan_of(problem(hourly(1e6), offers, policy=BOTH), solver) for solver in SOLVERS]
    assert shares(plans[0]) == shares(plans[1])
