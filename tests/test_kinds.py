"""Workloads that differ in name and volume alone: planned as one of each kind, and every one has its own routes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from benchmarks.kinds import kinds_problem
from brute_force import TooLarge, cheapest
from campaign import times
from problem_factory import MONTH, SOLVERS, Data, api, by_period, gpu, hourly, load, plan_of, problem
from pytest import approx
from strategies import EVERYTHING, random_problem

from router.api import solve, verify
from router.errors import Infeasible, InputError
from router.plan.document import Plan
from router.planning.kinds import alike
from router.planning.kinds.alike import kinds_of
from router.schema import Problem

M = 1e6


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds of however few workloads."""
    monkeypatch.setattr(alike, "FEWEST", 1)


def each_alone(problem: Problem, monkeypatch: pytest.MonkeyPatch, **how: Any) -> Plan:
    """The plan without any kinds."""
    with monkeypatch.context() as patch:
        patch.setattr(alike, "FEWEST", 10**9)
        plan = solve(problem, **how)
    assert plan.kinds is None
    return plan


def three(**rest: Any) -> Data:
    """1, 2 and 3 M an hour of the same, and 1 M of another size, which is no such kind."""
    loads = [hourly(n * M, f"w{n}", **rest) for n in (1, 2, 3)]
    return problem(
        [*loads, hourly(M, "other", **rest | {"prompt_tokens": 2000})],
        [gpu("box", 1.0, 2.0), api("api", 0.7, quota={"requests_per_minute": 100})],
        policy={"among_equals": []},
    )


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_workload_has_the_routes_of_its_kind(solver: str) -> None:
    """7 M an hour: a box takes 2 M for 1 USD, the api asks 0.7 USD per M. 3 boxes and 1 M by the token: 3.7 USD.

    Four boxes: 4 USD. Of what goes where each workload of the kind has its part: w3 has three times w1's requests.
    """
    data = three()
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(3.7)
    assert plan.kinds is not None
    assert [(row.workload, row.alike) for row in plan.kinds] == [("w1", ("w2", "w3"))]
    routes = {name: [row for row in plan.routes if row.workload == name] for name in ("w1", "w2", "w3")}
    for n in (1, 2, 3):
        own = routes[f"w{n}"]
        assert sum(row.share for row in own) == approx(1.0)
        assert sum(row.requests or 0.0 for row in own) == approx(n * 1000)
        for row, first in zip(own, routes["w1"], strict=True):
            assert (row.offer, row.share) == (first.offer, first.share)
            assert row.requests == approx(n * (first.requests or 0.0))
            assert row.prompt_tokens == approx(row.requests * 1000)
    assert verify(load(data), plan).ok


@pytest.mark.usefixtures("always")
def test_prices_are_of_the_first_workload_itself() -> None:
    """An api alone at 0.7 USD per M: a cell-full of w1, which is 1 M an hour, costs 0.7 USD, and not the kind's 4.2."""
    data = three() | {"offers": [api("api", 0.7)]}
    prices = {row.row: row.usd_per_unit for row in plan_of(data).prices.rows}
    assert prices["demand(w1,0)"] == approx(0.7)
    assert prices["demand(other,0)"] == approx(0.7)
    assert "demand(w2,0)" not in prices


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("moves", [{}, {"deferrable_h": 2}])
def test_lists_by_period_are_of_a_kind_whatever_their_shape(moves: Data) -> None:
    """One has its work in hour 0 and one in hour 2, the third in all three: 3, 1 and 3 M, a box takes 2 M for 1 USD.

    By the hour: 2 + 1 + 2 boxes. What may run an hour later: 3 M, 1 M, 3 M fill 2, 2 and 3 M: 1 + 1 + 2 boxes.
    """
    lists = {"a": [2 * M, 0.0, 0.0], "b": [0.0, 0.0, 2 * M], "c": [M, M, M]}
    loads = [by_period(amounts, name, **moves) for name, amounts in lists.items()]
    plan = plan_of(problem(loads, gpu("box", 1.0, 2.0), periods=3))
    assert plan.cost_usd == approx(4.0 if moves else 5.0)
    assert plan.kinds is not None
    arrived: dict[tuple[str, int], float] = {}
    for row in plan.routes:
        at = (row.workload, row.period if row.occurrence is None else row.occurrence)
        arrived[at] = arrived.get(at, 0.0) + (row.requests or 0.0)
    assert arrived == approx(
        {(name, t): x / 1000 for name, each in lists.items() for t, x in enumerate(each) if x}
    )


@pytest.mark.usefixtures("always")
def test_what_is_left_unserved_is_each_ones_own() -> None:
    """A box for 1 USD serves 2 of 4 M that two workloads bring, and nothing else is sold: 2 M at 0.1 USD unserved."""
    loads = [hourly(n * M, f"w{n}", unserved_usd_per_m_tokens=0.6) for n in (1, 3)]
    plan = plan_of(problem(loads, gpu("box", 1.0, 2.0, max=1)))
    assert plan.cost_usd == approx(1.0 + 2 * 0.6)
    assert plan.kinds is not None
    assert [(row.workload, row.share, row.usd) for row in plan.unserved] == [
        ("w1", approx(0.5), approx(0.3)),
        ("w3", approx(0.5), approx(0.9)),
    ]


ORIGINS: dict[str, Data] = {
    "as they come": {},
    "a share of a provider": {"routing": {"max_share_per_provider": 0.6}},
    "may be left": {"unserved_usd_per_m_tokens": 0.9},
    "may run later": {"deferrable_h": 2},
    "in a window": {"window": {"start": "00:00", "end": "02:00"}},
}


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("fields", ORIGINS.values(), ids=ORIGINS)
def test_each_origin_of_a_kind_is_a_part_of_each(fields: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of each comes from eu; the box there is too far from us for some, the api the other way for all."""
    part = {"origin": {"eu": 0.25, "us": 0.75}, "slo": {"ttft_p99_ms": 900}}
    loads = [hourly(n * M, f"w{n}", **part, **fields) for n in (1, 2, 3)]
    box = gpu("box", 1.0, 2.0, offer={"limits": {"regions": ["eu"]}}, max_utilisation=0.9)
    offers = [box, api("api", 0.7, limits={"regions": ["us"]}), api("dear", 1.5)]
    for offer in offers:
        offer["models"]["m"]["ttft_p99_ms"] = 100
    ways = [("eu", "us", 900, 1.0), ("eu", "eu", 5, 0.0), ("us", "us", 5, 0.0), ("us", "eu", 100, 2.0)]
    network = [{"from": a, "to": b, "rtt_ms": ms, "egress_usd_per_gb": usd} for a, b, ms, usd in ways]
    stated = load(problem(loads, offers, periods=3, network=network))
    plan = solve(stated)
    assert plan.kinds is not None
    assert {row.origin for row in plan.routes if row.workload == "w3"} == {"eu", "us"}
    assert plan.cost_usd == approx(each_alone(stated, monkeypatch).cost_usd, rel=2e-6)


BY_THEMSELVES: dict[str, Data] = {
    "one route each": {"routing": {"splittable": False}},
    "providers are counted": {"routing": {"min_providers": 2}},
    "adapters are held": {"adapters": 3},
    "recipes": {"recipes": [{"name": "two", "steps": [{"models": ["m"]}, {"models": ["m"]}]}]},
}


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("fields", BY_THEMSELVES.values(), ids=BY_THEMSELVES)
def test_what_is_not_of_shares_and_sums_stays_by_itself(fields: Data) -> None:
    assert kinds_of(load(three())) is not None
    assert kinds_of(load(three(**fields))) is None


@pytest.mark.usefixtures("always")
def test_what_names_a_workload_sets_it_apart() -> None:
    """A quota of w1 and w2 leaves w3 alone, a future with more of w2 that too; spilling offers set all apart."""
    quota = {"name": "tenant", "workloads": ["w1", "w2"], "requests_per_minute": 1e6}
    found = kinds_of(load(three() | {"quotas": [quota]}))
    assert found is not None
    assert [tuple(own) for own in found.members.values()] == [("w1", "w2")]
    assert found.problem.quotas[0].workloads == ("w1",)
    future = [{"name": "more", "probability": 1.0, "demand": {"w2": 2.0, "*": 1.5}}]
    found = kinds_of(load(three() | {"scenarios": future}))
    assert found is not None
    assert [tuple(own) for own in found.members.values()] == [("w1", "w3")]
    assert kinds_of(load(three(arrival_cv=2.0))) is None  # minutes beside the api's quota
    spilling = three()
    spilling["offers"][1]["spills"] = True
    assert kinds_of(load(spilling)) is None
    assert kinds_of(load(three() | {"policy": {"survive_loss_of": "provider"}})) is None


def test_a_smaller_problem_keeps_each_by_itself() -> None:
    assert kinds_of(load(three())) is None


@pytest.mark.usefixtures("always")
def test_without_a_plan_the_files_own_workloads_are_named() -> None:
    """Nobody serves what three workloads ask for: each of them is named, and not one for all."""
    data = problem([hourly(M, f"w{n}", models=["n"]) for n in range(3)], gpu("box", 1.0, 2.0))
    assert kinds_of(load(data)) is not None
    with pytest.raises(Infeasible) as reason:
        solve(load(data))
    assert all(f"w{n}" in str(reason.value) for n in range(3))


# --- laws


def in_parts(data: Data, rng: Random) -> Data:
    """Each workload in one to three parts, alike but for their volume."""
    new = copy.deepcopy(data) | {"workloads": []}
    for work in data["workloads"]:
        parts = [rng.choice((1, 2, 5)) for _ in range(rng.choice((1, 2, 3)))]
        for i, part in enumerate(parts):
            own = copy.deepcopy(work) | {"name": f"{work['name']}-{i}"}
            for way, amount in own["demand"].items():
                many = isinstance(amount, list)
                if way != "completion_share":
                    of = part / sum(parts)
                    own["demand"][way] = [a * of for a in amount] if many else amount * of
            new["workloads"].append(own)
    return new


def cost(problem: Problem, solver: str) -> float | None:
    try:
        return solve(problem, solver=solver).cost_usd
    except Infeasible:
        return None


@pytest.mark.usefixtures("always", "short_proofs")
@pytest.mark.parametrize("seed", range(times(12)))
def test_kinds_cost_what_each_by_itself_costs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random problems of every feature, each workload in parts; through HiGHS and CBC by turns."""
    data = in_parts(random_problem(Random(seed), EVERYTHING - {"scenarios"}), Random(seed))
    solver = SOLVERS[seed % 2]
    try:
        split = load(data)
        if kinds_of(split) is None:
            return
        together = solve(split, solver=solver)
    except InputError:
        return
    except Infeasible:
        with pytest.raises(Infeasible):
            each_alone(split, monkeypatch, solver=solver)
        return
    assert together.kinds is not None, "a plan of kinds that its check refused"
    alone = each_alone(split, monkeypatch, solver=solver)
    assert together.cost_usd == approx(alone.cost_usd, rel=2e-6, abs=1e-6)


@pytest.mark.usefixtures("always", "short_proofs")
@pytest.mark.parametrize("seed", range(times(8)))
def test_no_plan_in_whole_numbers_is_cheaper(seed: int) -> None:
    """Brute force over the problem as it was before its workloads were taken in parts, which changes no cost."""
    features = {"instances", "several_models", "shared", "reserved", "unserved", "min_step", "deferral"}
    data = random_problem(Random(seed), features, periods=2, offers=1)
    for offer in data["offers"]:
        if "instances" in offer:
            offer["instances"].setdefault("max", 3)
    split = load(in_parts(data, Random(seed)))
    try:
        best = cheapest(data, most_plans=400)
    except TooLarge:
        return
    found = cost(split, "highs")
    assert found == (None if best is None else approx(best, rel=2e-6, abs=1e-6))


def test_many_workloads_of_few_kinds_cost_what_they_cost_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem of the benchmark, 360 workloads of 30 kinds; 12 of each kind have its shares."""
    many = kinds_problem(360, 30)
    plan = solve(many)
    assert plan.kinds is not None
    assert len(plan.kinds) == 30
    assert {row.workload for row in plan.routes} == {load.name for load in many.workloads}
    assert plan.cost_usd == approx(each_alone(many, monkeypatch).cost_usd, rel=2e-6)


# --- the check


@pytest.fixture
def found(always: None) -> Iterator[tuple[Problem, dict[str, Any]]]:
    """Of 7 M an hour six run on boxes and one by the token: 3.7 USD; the problem, and the document of its plan."""
    loads = [hourly(n * M, f"w{n}") for n in (1, 2, 4)]
    other = hourly(1.0, "other", prompt_tokens=2000)
    stated = load(problem([*loads, other], [gpu("box", 1.0, 2.0), api("api", 0.7)]))
    document = solve(stated).to_dict()
    assert document["kinds"] == [{"workload": "w1", "alike": ["w2", "w4"]}]
    assert len(rows(document, "w2")) == 2
    yield stated, document


def fails(found: tuple[Problem, dict[str, Any]]) -> tuple[str, ...]:
    stated, document = found
    return verify(stated, Plan.from_dict(document)).failed()


def test_a_plan_of_kinds_reads_back_and_passes(found: tuple[Problem, dict[str, Any]]) -> None:
    assert fails(found) == ()


def rows(document: dict[str, Any], workload: str) -> list[dict[str, Any]]:
    return [row for row in document["routes"] if row["workload"] == workload]


def test_the_check_compares_shares_of_each(found: tuple[Problem, dict[str, Any]]) -> None:
    """w2 has on the box what it says of the api, and the other way round."""
    own = rows(found[1], "w2")
    own[0]["share"], own[1]["share"] = own[1]["share"], own[0]["share"]
    assert "kinds" in fails(found)


def test_the_check_compares_amounts_of_each(found: tuple[Problem, dict[str, Any]]) -> None:
    """Ten requests from w2 to w4: the sum is right, and each is wrong."""
    rows(found[1], "w2")[0]["requests"] -= 10
    rows(found[1], "w4")[0]["requests"] += 10
    assert "kinds" in fails(found)


def test_amounts_that_are_all_wrong_fail_too(found: tuple[Problem, dict[str, Any]]) -> None:
    for row in found[1]["routes"]:
        row["requests"] *= 1.01
    assert fails(found) == ("quantities",)


def test_a_workload_without_routes_is_missed(found: tuple[Problem, dict[str, Any]]) -> None:
    found[1]["routes"] = [row for row in found[1]["routes"] if row["workload"] != "w4"]
    assert "kinds" in fails(found)


@pytest.mark.parametrize("alike", [["w2", "other"], ["w2", "w2"], ["w2", "nobody"], ["w1"]])
def test_the_check_looks_at_what_is_called_alike(
    alike: list[str], found: tuple[Problem, dict[str, Any]]
) -> None:
    found[1]["kinds"][0]["alike"] = alike
    assert "kinds" in fails(found)


def test_without_kinds_refusals_of_each_are_missed() -> None:
    """An api that is denied to each of 120 workloads; the plan lists the first, and says which are like it."""
    loads = [hourly(M, f"w{n}", routing={"deny_offers": ["dear"]}) for n in range(120)]
    stated = load(problem(loads, [api("api", 0.7), api("dear", 9.0)]))
    plan = solve(stated)
    assert [row.workload for row in plan.refused] == ["w0"]
    document = plan.to_dict()
    del document["kinds"]
    assert fails((stated, document))[0] == "refused"


@pytest.mark.parametrize("fields", BY_THEMSELVES.values(), ids=BY_THEMSELVES)
def test_the_check_takes_nothing_together_that_counts_alone(fields: Data) -> None:
    """Whatever the plan says: one that calls such workloads alike fails its check."""
    data = three(**fields)
    if "min_providers" not in str(fields):
        data["offers"] = [api("api", 0.7)]
    stated = load(data)
    document = solve(stated).to_dict()
    document["kinds"] = [{"workload": "w1", "alike": ["w2", "w3"]}]
    assert "kinds" in fails((stated, document))


def test_a_bound_is_worked_out_with_kinds(found: tuple[Problem, dict[str, Any]]) -> None:
    """The proof names the first of each kind; one that claims more than its multipliers prove fails."""
    proof = found[1]["proof"]
    assert proof["kind"] == "own"
    assert found[1]["bound_usd"] == approx(3.7, rel=1e-5)
    proof["bound_usd"] += 0.1
    assert "proof" in fails(found)


def test_month_of_one_period_and_tokens_by_the_month(always: None) -> None:
    """Volumes stated in tokens, with a share of completion: 600 M a month at 2 USD per M."""
    demand = {"completion_share": 0.25}
    loads = [
        {"name": f"w{n}", "models": ["m"], "demand": {"tokens_per_month": n * 100 * M, **demand}}
        for n in (1, 2, 3)
    ]
    plan = plan_of(problem(loads, api("api", 2.0), period_h=MONTH))
    assert plan.kinds is not None
    assert plan.cost_usd == approx(1200.0)
    assert [row.completion_tokens for row in plan.routes] == approx([25 * M, 50 * M, 75 * M])
