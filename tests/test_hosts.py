"""Whole hosts: packing worked out by hand and by brute force over all packings, and what is refused by name."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from campaign import times
from packings import random_packing
from problem_factory import SOLVERS, Data, api, gpu, hourly, load, plan_of, problem, usd

import router
from router.errors import Infeasible, InputError
from router.explaining.run import explain
from router.planning.by_hand import made_by_hand
from router.planning.fixed import Fixed
from router.planning.solve import encode_problem
from router.reports.page.money import by_workload
from router.sizing import SizeOptions, size
from router.verification.base.audit import Audit
from router.verification.bound import relaxation_of
from solvers import SolveOptions, is_feasible


def replicas(name: str, units: float, usd_per_h: float | None = None, **instances: Any) -> Data:
    """Replicas of so many units, a million tokens an hour each; without a price unless one is given."""
    offer = gpu(name, usd_per_h or 0.0, 1, (name,), units=units, **instances)
    if usd_per_h is None:
        del offer["instances"]["usd_per_h"]
    return offer


def housed(need: dict[str, float], sizes: dict[str, float], *hosts: Data, **rest: Any) -> Data:
    """So many million tokens an hour of each model, by replicas of its size."""
    works = [hourly(tokens * 1e6, name) | {"models": [name]} for name, tokens in need.items()]
    return problem(works, [replicas(name, units) for name, units in sizes.items()], hosts=list(hosts), **rest)


def node(units: float = 8, usd_per_h: float = 10, offers: tuple[str, ...] = ("a",), **rest: Any) -> Data:
    return {"name": "node", "units": units, "usd_per_h": usd_per_h, "offers": list(offers), **rest}


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_sum_of_units_is_not_enough(solver: str) -> None:
    """Four replicas of 5 units are 20 of 24 in three hosts of 8; one host holds one, so that four are bought."""
    plan = plan_of(housed({"a": 4}, {"a": 5}, node()), solver)
    assert plan.cost_usd == pytest.approx(40)
    assert plan.hosts is not None
    assert [(row.count, [p.hosts for p in row.patterns]) for row in plan.hosts] == [(4, [4])]


@cache
def _fits(left: tuple[int, ...], todo: tuple[int, ...]) -> bool:
    """Whether replicas of these sizes fit in hosts with so much room: every way is tried."""
    if not todo:
        return True
    for i, room in enumerate(left):
        if room >= todo[0] and room not in left[:i]:
            after = tuple(sorted((*left[:i], room - todo[0], *left[i + 1 :])))
            if _fits(after, todo[1:]):
                return True
    return False


def test_against_every_packing() -> None:
    """The fewest hosts into which the replicas fit, by brute force, for sizes that divide each other."""
    rng = Random(3)
    for _ in range(times(24)):
        chain = rng.choice(((1, 2, 4), (1, 3, 6), (2, 4, 8), (1, 5), (3,), (2, 6)))
        sizes = dict(zip("abc", chain, strict=False))
        need = {name: rng.choice((0.5, 1.0, 2.0, 3.0)) for name in sizes}
        units, free = rng.choice((8, 7, 10)), tuple(rng.choice(((), (4,), (3, 5), (8,))))
        todo = tuple(
            sorted((sizes[name] for name, n in need.items() for _ in range(-int(-n // 1))), reverse=True)
        )
        fewest = next(n for n in range(30) if _fits(tuple(sorted((units,) * n + free)), todo))
        data = housed(need, sizes, node(units, offers=tuple(sizes), free_units=list(free)))
        assert plan_of(data).cost_usd == pytest.approx(10 * fewest), (sizes, need, units, free)


@pytest.mark.parametrize("seed", range(times(30)))
def test_sizes_that_do_not_divide_each_other_against_every_packing(seed: int) -> None:
    """The least that hosts cost, of one or two kinds, some free of charge or few, over all packings.

    Of one period it is one number for the horizon.
    """
    packing = random_packing(Random(seed))
    for host in packing.data["hosts"] if seed % 2 else ():
        host["resize"] = "horizon"
    assert plan_of(packing.data).cost_usd == pytest.approx(packing.least_usd()), packing


@pytest.mark.parametrize("solver", SOLVERS)
def test_three_and_five_in_eight(solver: str) -> None:
    """3 of 3 units, 2 of 5 and 2 of 2 are 23 of 24 units, and fit: (5 + 3) twice and (3 + 2 + 2), for instance."""
    need, sizes = {"a": 3, "b": 2, "c": 2}, {"a": 3, "b": 5, "c": 2}
    plan = plan_of(housed(need, sizes, node(offers=("a", "b", "c"))), solver)
    assert plan.cost_usd == pytest.approx(30)
    assert plan.hosts is not None
    assert sum(p.hosts for p in plan.hosts[0].patterns) == 3
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    four = plan_of(housed({**need, "b": 3}, sizes, node(offers=("a", "b", "c"))), solver)
    assert four.cost_usd == pytest.approx(40)  # 28 units


def test_without_whole_numbers_hosts_are_parts_too() -> None:
    """0.5 of 5 and 0.5 of 3 units are half a host of both; nothing is rounded, and the plan says that it is a bound."""
    for sizes in ({"a": 5, "b": 3}, {"a": 4, "b": 4}):
        data = load(housed({"a": 0.5, "b": 0.5}, sizes, node(offers=("a", "b"))))
        plan = router.solve(data, options=SolveOptions(relax=True))
        assert plan.cost_usd == pytest.approx(5)
        assert plan.hosts is not None
        assert plan.hosts[0].count == pytest.approx(0.5)
        assert sum(p.hosts for p in plan.hosts[0].patterns) == pytest.approx(0.5)
        assert set(router.verify(data, plan).failed()) == {"counts", "hosts"}


def test_an_offer_may_live_in_several_kinds() -> None:
    """a (4 units) in both, b (8) in the big one of 20 USD alone: two of a and one of b in small 10 + big 20."""
    big = node(8, 20, ("a", "b")) | {"name": "big"}
    small = node(8, 10, ("a",)) | {"name": "small"}
    plan = plan_of(housed({"a": 2, "b": 1}, {"a": 4, "b": 8}, big, small))
    assert plan.cost_usd == pytest.approx(30)
    assert usd(plan, "small", "hosts") == pytest.approx(10)
    rows = relaxation_of(Audit(load(housed({"a": 2, "b": 1}, {"a": 4, "b": 8}, big, small)), plan))
    assert rows is not None
    assert all(
        math.isfinite(each.upper) for each in rows.variables.values()
    )  # else a rounding proves nothing
    tight = {**small, "max": 0}
    assert plan_of(housed({"a": 2, "b": 1}, {"a": 4, "b": 8}, big, tight)).cost_usd == pytest.approx(40)


def test_reserved_hosts_are_paid_used_or_not_and_free_ones_are_not() -> None:
    """Two held at 6 of which one is needed; then 5 replicas of 4 units: 2 in each held one, 1 in the free one of 4."""
    assert plan_of(housed({"a": 2}, {"a": 4}, node(reserved=2, reserved_usd_per_h=6))).cost_usd == 12
    full = node(reserved=2, reserved_usd_per_h=6, free_units=[4, 3])
    assert plan_of(housed({"a": 5}, {"a": 4}, full)).cost_usd == pytest.approx(12)
    assert plan_of(housed({"a": 6}, {"a": 4}, full)).cost_usd == pytest.approx(12 + 10)
    with pytest.raises(Infeasible):
        plan_of(housed({"a": 6}, {"a": 4}, {**full, "max": 2}))


def test_instances_have_a_price_of_their_own_beside() -> None:
    data = problem([hourly(3e6) | {"models": ["a"]}], [replicas("a", 4, 7.0)], hosts=[node()])
    plan = plan_of(data)
    assert (usd(plan, "a", "instances"), usd(plan, "node", "hosts")) == (pytest.approx(21), pytest.approx(20))


def test_hosts_follow_the_hours() -> None:
    """1, 5 and 2 replicas of 4 units: 1 + 3 + 1 hosts."""
    work = {
        "name": "a",
        "models": ["a"],
        "demand": {"requests_by_period": [1000, 5000, 2000]},
        "prompt_tokens": 1000,
        "completion_tokens": 0,
    }
    plan = plan_of(problem([work], [replicas("a", 4)], hosts=[node()], periods=3))
    assert plan.cost_usd == pytest.approx(50)
    assert [row.count for row in plan.hosts or ()] == [1, 3, 1]


def test_rules_about_time_hold_for_hosts() -> None:
    """One replica a host, 2 in every hour, 10 USD a host, one of them reserved at 6.

    Hour 0: 6 + 10; 1: half price, 6 + 5; 2: set to 8, 6 + 8; 3: closed, so that the API at 30 a million serves, and the
    reserved one is paid, 6 + 60; 4: two reserved, 12; 5: at most one, 6 + 30. From hour 6 on it is closed for good: 60.
    """
    hours = [f"2027-01-01T{h:02d}:00" for h in range(7)]
    only = [{"from": hours[h], "until": hours[h + 1]} for h in range(6)]
    rules = [
        only[1] | {"prices": 0.5},
        only[2] | {"set": {"instances": {"usd_per_h": 8}}},
        only[3] | {"available": False},
        only[4] | {"set": {"instances": {"reserved": 2}}},
        only[5] | {"set": {"instances": {"max": 1}}},
        {"from": hours[6], "available": False},
    ]
    data = problem(
        [hourly(2e6) | {"models": ["a"]}],
        [replicas("a", 5), api("api", 30, ("a",))],
        hosts=[node(reserved=1, reserved_usd_per_h=6, schedule=rules)],
        periods=7,
        horizon={"start": hours[0]},
    )
    hourly_usd = (16, 11, 14, 66, 12, 36, 60)
    for solver in SOLVERS:
        plan = plan_of(data, solver)
        assert plan.cost_usd == pytest.approx(sum(hourly_usd))
        assert [(row.period, row.count) for row in plan.hosts or ()] == [
            (0, 2),
            (1, 2),
            (2, 2),
            (4, 2),
            (5, 1),
        ]
    assert plan.proof is not None
    assert plan.proof.bound_usd == pytest.approx(sum(hourly_usd))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"set": {"instances": {"availability": 0.5}}}, "is not a figure of hosts"),
        ({"set": {"quota": {"tokens_per_minute": 5}}}, "is not a figure of hosts"),
        ({"set": {"instances": {"max": 1.5}}}, "must be whole"),
        ({"set": {"instances": {"reserved": 0.5}}}, "must be whole"),
        ({"set": {"instances": {"max": 0}}}, "leaves 1 reserved above a maximum of 0"),
        ({"set": {"models": {"a": {"prompt_usd_per_m": 1}}}}, "is not a model of the offer"),
        ({"from": "2027-01-01T00:30", "available": False}, "opens or closes within a period"),
    ],
)
def test_rules_that_no_host_can_follow_are_refused_by_name(rule: Data, words: str) -> None:
    data = housed({"a": 1}, {"a": 4}, node(reserved=1, schedule=[rule]), horizon={"start": "2027-01-01"})
    with pytest.raises(InputError, match=words) as refusal:
        plan_of(data)
    assert "hosts[0].schedule" in str(refusal.value)


def test_prices_of_hosts_from_a_file(tmp_path: Path) -> None:
    """Spot nodes: 3 USD in the first hour, 20 in the second, where the API at 15 is cheaper."""
    (tmp_path / "spot.csv").write_text("at,price\n2027-01-01T00:00,3\n2027-01-01T01:00,20\n")
    series = {"file": "spot.csv", "timestamp_column": "at", "usd_per_h_column": "price"}
    data = problem(
        [hourly(1e6) | {"models": ["a"]}],
        [replicas("a", 5), api("api", 15, ("a",))],
        hosts=[node(schedule=[{"series": series}])],
        periods=2,
        horizon={"start": "2027-01-01"},
    )
    (tmp_path / "problem.yaml").write_text(json.dumps(data))
    stated = router.load(tmp_path / "problem.yaml")
    assert router.solve(stated).cost_usd == pytest.approx(18)
    (tmp_path / "spot.csv").unlink()
    with pytest.raises(InputError, match=r"hosts\[0\]\.schedule\[0\]\.series\.file"):
        router.load(tmp_path / "problem.yaml")


def test_beside_an_api_a_host_must_be_worth_it() -> None:
    """The second host for one replica more costs 10, the API 6 a million; all of it there 18."""
    data = housed({"a": 3}, {"a": 4}, node())
    data["offers"].append(api("api", 6, ("a",)))
    assert plan_of(data).cost_usd == pytest.approx(16)


def test_a_host_as_large_as_the_fleet_is_a_group() -> None:
    """What fits in one host fits in a group of its units."""
    data = housed({"a": 3}, {"a": 4}, node(12, 50, max=1))
    data["offers"].append(api("api", 20, ("a",)))
    group = {**data, "hosts": [], "groups": [{"name": "cards", "offers": ["a"], "max_units": 12}]}
    group["offers"] = [replicas("a", 4, 50 / 3), data["offers"][1]]
    assert plan_of(data).cost_usd == pytest.approx(plan_of(group).cost_usd)


def test_roles_live_in_hosts() -> None:
    """5 prefill workers of 1 GPU and 2 decode workers of 4: 13 GPUs in two nodes."""
    entry = {"prompt_tokens_per_s": 41000, "completion_tokens_per_s": 5120}
    own = {
        "name": "own",
        "models": {"m": entry},
        "instances": {"roles": {"prefill": {"units": 1}, "decode": {"units": 4}}},
    }
    work = {
        "name": "chat",
        "models": ["m"],
        "demand": {"requests_per_s": 24},
        "prompt_tokens": 8200,
        "completion_tokens": 256,
    }
    plan = plan_of(problem([work], [own], hosts=[node(8, 24, ("own",))]))
    assert plan.cost_usd == pytest.approx(48)


@pytest.mark.parametrize("solver", SOLVERS)
def test_hosts_follow_each_future(solver: str) -> None:
    """Calm one host of 10; twice the work at 1.5 times the price two of 15: 20 expected."""
    data = housed({"a": 2}, {"a": 4}, node())
    data["scenarios"] = [
        {"name": "calm", "probability": 0.5},
        {"name": "surge", "probability": 0.5, "demand": {"*": 2}, "prices": {"*": 1.5}},
    ]
    assert plan_of(data, scenario="surge").cost_usd == pytest.approx(30)
    brief = SizeOptions(questions=False, alternatives=0, measures=False)
    sized = size(load(data), solver=solver, how=brief)
    assert sized.cost_usd == pytest.approx(20)
    assert {row.scenario: row.count for row in sized.hosts or ()} == {"calm": 1, "surge": 2}


def test_verify_sees_what_does_not_fit() -> None:
    data = load(housed({"a": 3}, {"a": 4}, node(max=3)))
    plan = router.solve(data)
    assert plan.hosts is not None
    row = plan.hosts[0]
    crowded = replace(row.patterns[0], instances=(replace(row.patterns[0].instances[0], count=3),), hosts=1)
    for wrong in (
        replace(row, count=1),
        replace(row, count=4),
        replace(row, count=2.5),
        replace(row, patterns=(crowded,)),
        replace(row, patterns=row.patterns[:1]),
    ):
        assert "hosts" in router.verify(data, replace(plan, hosts=(wrong,))).failed()
    assert "hosts" in router.verify(data, replace(plan, hosts=None)).failed()


@pytest.mark.parametrize(
    ("host", "sizes", "words"),
    [
        ({"units": 4000}, {"a": 2, "b": 3}, "more than the 5,000 that are planned for"),
        ({}, {"a": 2.5}, "whole units"),
        ({"reserved": 3, "max": 2}, {"a": 2}, "must not be more than max"),
        ({"name": "a"}, {"a": 2}, "is the name of an offer"),
        ({"offers": ["a", "other"]}, {"a": 2}, "unknown offer"),
        ({"max": 2.5}, {"a": 2}, "must be whole"),
    ],
)
def test_what_cannot_be_planned_is_refused_by_name(host: Data, sizes: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(housed(dict.fromkeys(sizes, 1.0), sizes, node(offers=tuple(sizes)) | host))


def test_a_hand_packs_hosts_too() -> None:
    """Where a search is cut off there is a plan all the same, unless hosts are few: no dearer than one for each."""
    packings, packed = [random_packing(Random(seed)) for seed in range(8)], 0
    for packing in packings:
        plan = made_by_hand(encode_problem(load(packing.data)), "highs", SolveOptions(), Fixed(None))
        if plan is None:
            assert any("max" in host for host in packing.data["hosts"])
            continue
        packed += 1
        least = packing.least_usd()
        assert least - 1e-6 <= plan.objective_usd <= 3 * least + 50
        assert is_feasible(plan.encoded.program, plan.integers, tolerance=1e-6)
    assert packed >= sum("max" not in host for packing in packings for host in packing.data["hosts"][:1]) > 0


def test_what_hosts_cost_is_laid_to_workloads_by_units() -> None:
    """One replica of 6 units for a and one of 2 for b in a host of 10: 7.50 and 2.50 USD."""
    plan = plan_of(housed({"a": 1, "b": 1}, {"a": 6, "b": 2}, node(offers=("a", "b"))))
    usd_of = by_workload(plan)
    assert usd_of == {"a": pytest.approx(7.5), "b": pytest.approx(2.5)}
    assert plan.hosts is not None
    (pattern,) = plan.hosts[0].patterns
    wrong = replace(pattern, instances=tuple(replace(each, units=4.0) for each in pattern.instances))
    row = replace(plan.hosts[0], patterns=(wrong,))
    problem_of = load(housed({"a": 1, "b": 1}, {"a": 6, "b": 2}, node(offers=("a", "b"))))
    assert "hosts" in router.verify(problem_of, replace(plan, hosts=(row,))).failed()


def test_explain_says_what_a_host_more_is_worth() -> None:
    """Three replicas of one host each, and one host: the other two million tokens cost 40 at the API.

    A host for nothing saves one million there, 20 USD; at its price of 10 it saves 10.
    """
    data = problem(
        hourly(3e6, "w") | {"models": ["a"]}, [replicas("a", 8), api("api", 20, ("a",))], hosts=[node(max=1)]
    )
    explanation = explain(load(data))
    savings = {saving.text: saving.usd for saving in explanation.savings}
    assert savings["a host more of node, for nothing"] == pytest.approx(20)
    assert savings["hosts.node.max: 2 (is 1)"] == pytest.approx(10)
    assert not any(text.startswith("without hosts") for text in savings)


def test_without_a_host_an_instance_needs_its_price() -> None:
    with pytest.raises(InputError, match="is required"):
        load(housed({"a": 1}, {"a": 2}))


def test_a_change_does_not_make_instances_free() -> None:
    """Without its host an instance that states no price needs one: the 0 that reading puts there is not it."""
    problem = load(housed({"a": 2, "b": 1}, {"a": 4, "b": 8}, node(offers=("a", "b"))))
    assert router.solve(problem.with_({"hosts.node.usd_per_h": 7})).cost_usd == pytest.approx(14)
    with pytest.raises(InputError, match="is required"):
        problem.with_({"hosts.node.offers": ["b"]})
