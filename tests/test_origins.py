"""Origins and the network: round trips and egress worked out by hand, laws, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from problem_factory import SOLVERS, Data, api, gpu, hourly, load, plan_of, problem, usd
from strategies import EVERYTHING, random_problem

import router
from router.errors import Infeasible, InputError
from router.explaining.run import explain
from router.reports.explanation import explanation_report
from router.sizing import SizeOptions, size

NETWORK = [
    {"from": "eu", "to": "us", "rtt_ms": 90, "egress_usd_per_gb": 50},
    {"from": "us", "to": "eu", "rtt_ms": 110, "egress_usd_per_gb": 100},
    {"from": "ap", "to": "us", "rtt_ms": 170},
]
HERE = api("here", 3, limits={"regions": ["eu"]})
THERE = api("there", 1, limits={"regions": ["us"]})
FAST = {"ttft_p99_ms": 100, "tpot_p99_ms": 0}


def users(origin: Data, slo: Data | None = None, offers: list[Data] | None = None, **rest: Any) -> Data:
    """A million tokens an hour, 3 USD a million in eu, 1 USD in us; 100 ms to the first token in both."""
    work = hourly(1e6, origin=origin, **({"slo": slo} if slo else {}), **rest)
    made = problem([work], offers or [HERE, THERE], network=NETWORK)
    for offer in made["offers"]:
        offer["models"]["m"] |= FAST
    return made


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("limit", "cost"),
    [(400, 1.0 + 0.75 * 4e-3 * 50), (190, 1.0 + 0.75 * 0.2), (189, 0.25 + 0.75 * 3)],
    ids=str,
)
def test_a_round_trip_counts_once_in_the_time_to_first_token(limit: float, cost: float, solver: str) -> None:
    """Three quarters come from eu; 100 + 90 ms to us, and a million tokens are 4e-3 GB at 50 USD: 0.20 USD."""
    plan = plan_of(users({"eu": 0.75, "us": 0.25}, {"ttft_p99_ms": limit}), solver)
    assert plan.cost_usd == pytest.approx(cost)


def test_rows_hold_both_ways_unless_the_other_has_its_own() -> None:
    """From us to eu 100 USD a GB as it says; from us to ap nothing is said but for the way back, 170 ms."""
    only = users({"us": 1.0}, offers=[HERE])
    assert usd(plan_of(only), "here", "network") == pytest.approx(0.4)
    far = users({"us": 1.0}, {"ttft_p99_ms": 269}, offers=[api("far", 1, limits={"regions": ["ap"]})])
    with pytest.raises(Infeasible):
        plan_of(far)
    far["workloads"][0]["slo"]["ttft_p99_ms"] = 270
    assert plan_of(far).cost_usd == pytest.approx(1.0)


def test_the_nearest_region_answers_and_one_without_a_row_is_at_hand() -> None:
    both = users({"eu": 1.0}, {"ttft_p99_ms": 100}, offers=[api("both", 1, limits={"regions": ["us", "eu"]})])
    assert plan_of(both).cost_usd == pytest.approx(1.0)
    assert any("eu to eu" in note for note in plan_of(both).notes)


def test_shares_are_of_the_workload_together() -> None:
    """Half may go to us. Of eu's three quarters a third is 0.25 at 1.20, the rest 3; us sends all of its own: 2.05."""
    data = users({"eu": 0.75, "us": 0.25}, routing={"shares": {"offers": {"there": {"max": 0.5}}}})
    plan = plan_of(data)
    assert plan.cost_usd == pytest.approx(0.25 * 1 + 0.25 * 1.2 + 0.5 * 3)
    assert sum(row.share for row in plan.routes if row.offer == "there") == pytest.approx(0.5)
    assert {row.origin for row in plan.routes} == {"eu", "us"}
    data["workloads"][0]["routing"] = {"max_share_per_provider": 0.5}
    assert plan_of(data).cost_usd == pytest.approx(0.25 * 1 + 0.25 * 1.2 + 0.5 * 3)


def test_quotas_and_scenarios_count_all_origins() -> None:
    """`there` takes 0.6 of the million: 0.25 of us and 0.35 of eu. A surge brings twice of each."""
    data = users({"eu": 0.75, "us": 0.25})
    data["quotas"] = [
        {"name": "tenant", "workloads": ["chat"], "offers": ["there"], "tokens_per_minute": 1e4}
    ]
    assert plan_of(data).cost_usd == pytest.approx(0.25 + 0.35 * 1.2 + 0.4 * 3)
    data["scenarios"] = [
        {"name": "calm", "probability": 0.5},
        {"name": "surge", "probability": 0.5, "demand": {"chat": 2}},
    ]
    how = SizeOptions(questions=False, alternatives=0, measures=False)
    plan = size(load(data), how=how)
    assert plan.ok
    calm, surge = 0.25 + 0.35 * 1.2 + 0.4 * 3, 0.5 + 0.1 * 1.2 + 1.4 * 3
    assert plan.cost_usd == pytest.approx((calm + surge) / 2)


def test_waiting_leaves_room_for_the_round_trip() -> None:
    """One replica more where 90 ms of the limit are on the way; simulated too, the promise is kept."""
    own = gpu("own", 1, 3.6, offer={"limits": {"regions": ["us"]}})
    near = users({"us": 1.0}, {"ttft_p99_ms": 1200}, offers=[own])
    far = users({"eu": 1.0}, {"ttft_p99_ms": 1200}, offers=[own])
    longer = users({"us": 1.0}, {"ttft_p99_ms": 1110}, offers=[own])
    far["network"] = [{"from": "eu", "to": "us", "rtt_ms": 90}]
    assert plan_of(far).cost_usd == pytest.approx(plan_of(longer).cost_usd)
    assert plan_of(near).cost_usd <= plan_of(far).cost_usd


def test_one_origin_without_a_network_is_no_origin() -> None:
    """The same cost, whatever the problem, and for two origins of like shares as well."""
    features = EVERYTHING - {"unsplittable", "providers", "scenarios"}
    compared = 0
    for seed in range(12):
        data = random_problem(Random(seed), features)
        split = {**data, "workloads": [work | {"origin": {"a": 0.4, "b": 0.6}} for work in data["workloads"]]}
        try:
            whole = router.solve(load(data)).cost_usd
        except (Infeasible, InputError):
            continue
        plan = router.solve(load(split))
        assert plan.ok
        assert plan.cost_usd == pytest.approx(whole, rel=1e-5, abs=1e-6), seed
        compared += 1
    assert compared >= 6


def test_what_is_left_unserved_says_from_where() -> None:
    plan = plan_of(users({"eu": 0.75, "us": 0.25}, offers=[HERE], unserved_usd_per_m_tokens=3.2))
    assert [(row.origin, row.share) for row in plan.unserved] == [("us", pytest.approx(0.25))]
    assert plan.cost_usd == pytest.approx(0.75 * 3 + 0.25 * 3.2)


def test_refusals_are_by_origin_and_explained_with_the_round_trip() -> None:
    data = users({"eu": 0.75, "us": 0.25}, {"ttft_p99_ms": 150})
    plan = plan_of(data)
    assert sorted((row.origin, row.offer, row.reasons) for row in plan.refused) == [
        ("eu", "there", ("latency",)),
        ("us", "here", ("latency",)),
    ]
    assert any("190 (is 150)" in change for row in explain(load(data)).refused for change in row.changes)


def test_verify_sees_a_wrong_origin() -> None:
    data = load(users({"eu": 0.75, "us": 0.25}))
    plan = router.solve(data)
    other = {"eu": "us", "us": "eu"}
    routes = tuple(replace(row, origin=other[row.origin or "eu"]) for row in plan.routes)
    assert "demand" in router.verify(data, replace(plan, routes=routes)).failed()
    nowhere = tuple(replace(row, origin=None) for row in plan.routes)
    assert "fields" in router.verify(data, replace(plan, routes=nowhere)).failed()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"origin": {"eu": 0.5, "us": 0.4}}, "workloads[0].origin"),
        ({"routing": {"min_providers": 2}}, "workloads[0].routing.min_providers"),
    ],
)
def test_what_cannot_be_meant_is_refused(change: Data, path: str) -> None:
    with pytest.raises(InputError) as error:
        load(users({"eu": 0.75, "us": 0.25} if "origin" not in change else change.pop("origin"), **change))
    assert [issue.path for issue in error.value.issues] == [path]


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_origin_that_is_not_split_has_one_route(solver: str) -> None:
    """0.8 M an hour fit in us. Split: 0.25 from us and 0.55 from eu at 1.2, and 0.2 at home, 1.51. In one piece each:
    from eu 0.75 · 1.2 there, and from us 0.25 · (3 + 4e-3 · 100) to eu; the other way round 2.5.
    """
    there = THERE | {"quota": {"tokens_per_minute": 0.8e6 / 60}}
    for routing, right in (({}, 1.51), ({"splittable": False}, 0.9 + 0.85)):
        data = users({"eu": 0.75, "us": 0.25}, offers=[HERE, there], routing=routing)
        plan = plan_of(data, solver)
        assert plan.cost_usd == pytest.approx(right)
        assert plan.gap == pytest.approx(0, abs=1e-6)
    split = router.solve(load(users({"eu": 0.75, "us": 0.25}, offers=[HERE, there])))
    assert "unsplittable" in router.verify(load(data), split).failed()


def test_a_way_has_one_row() -> None:
    data = users({"eu": 1.0})
    data["network"] = [*NETWORK, NETWORK[0]]
    with pytest.raises(InputError, match="has this way too"):
        load(data)


def test_explain_says_how_long_each_way_is_and_could_be() -> None:
    """Within 190 ms of a first token of 100 ms: at home 90 are left, over 90 ms of the way nothing is: it binds.

    A million tokens an hour, a quarter from us: all served in eu, 0.25 M · 4 B = 0.001 GB at 10 USD.
    """
    here = api("here", 1, limits={"regions": ["eu"]})
    here["models"]["m"]["ttft_p99_ms"] = 100
    network = [{"from": "us", "to": "eu", "rtt_ms": 90, "egress_usd_per_gb": 10}]
    work = hourly(1e6, origin={"eu": 0.75, "us": 0.25}, slo={"ttft_p99_ms": 190})
    found = explain(load(problem(work, [here], network=network)))
    assert [(row.origin, row.offer, row.share, row.rtt_ms) for row in found.origins] == [
        ("eu", "here", pytest.approx(1), 0),
        ("us", "here", pytest.approx(1), pytest.approx(90)),
    ]
    assert [row.room_ms for row in found.origins] == pytest.approx([90, 0], abs=1e-6)
    assert [row.network_usd for row in found.origins] == pytest.approx([0, 0.01])
    table = next(
        each for each in explanation_report(found).tables if each.title == "Where requests come from"
    )
    assert [row[5] for row in table.rows] == ["90", "0, it binds"]
