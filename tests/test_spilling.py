"""Overflow inside a period: worked out by hand, against every order of refusing, and what is refused by name."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from campaign import times
from campaigns.spills import campaign
from problem_factory import SOLVERS, Data, api, gpu, hourly, load, plan_of, problem, usd

import router
from problems.core.overflow import SpillLimit
from router.errors import Infeasible, InputError
from router.exporters.commitments import commitments
from router.exporters.headroom import headroom
from router.plan.document import Plan
from router.reports.explanation import explanation_report
from router.reports.simulation import simulation_report
from router.schema import Problem
from router.sizing import SizeOptions, size
from router.verification.base.audit import Audit
from router.verification.bound import relaxation_of
from router.verification.bound.proof import proven_parts
from router.verification.spilling import most_carried

ONE = np.ones(1)
MINUTES = "2027-01-01T00:{:02d},{}\n"


def recorded(
    folder: Path, minutes: dict[str, list[float]], cap: float, spill_usd: dict[str, float], **rest: object
) -> Data:
    """Work of so many requests in each minute of one period; an offer lets `cap` a minute through for nothing."""
    works = []
    for name, counts in minutes.items():
        rows = "".join(MINUTES.format(m, n) for m, n in enumerate(counts))
        (folder / f"{name}.csv").write_text("timestamp,requests\n" + rows)
        works.append(
            {
                "name": name,
                "models": [name],
                "demand": {"trace": {"file": f"{name}.csv"}},
                "prompt_tokens": 1000,
                "completion_tokens": 0,
            }
        )
    n = len(next(iter(minutes.values())))
    own = api("own", 0, tuple(minutes), quota={"requests_per_minute": cap}, spills=True)
    other = {"name": "api", "models": {name: {"usd_per_request": each} for name, each in spill_usd.items()}}
    horizon = {"start": "2027-01-01", "periods": 1, "period_h": n / 60}
    return problem(works, [own, other], **{"horizon": horizon, **rest})


def read(folder: Path, data: Data) -> Problem:
    """The problem from a file beside its records."""
    (folder / "problem.json").write_text(json.dumps(data))
    return router.load(folder / "problem.json")


def solved(folder: Path, data: Data, solver: str = "highs") -> Plan:
    """Its verified plan."""
    plan = router.solve(read(folder, data), solver=solver)
    assert plan.ok
    return plan


@pytest.mark.parametrize("solver", SOLVERS)
def test_minutes_alone_are_too_cheap(tmp_path: Path, solver: str) -> None:
    """A = (10, 0) and B = (0, 10) into 5 a minute: 5 of each spill, at 10 and at 1 USD: 55. Over minutes alone: 10."""
    data = recorded(tmp_path, {"a": [10, 0], "b": [0, 10]}, 5, {"a": 10, "b": 1})
    plan = solved(tmp_path, data, solver)
    assert plan.cost_usd == pytest.approx(55)
    assert {row.workload: row.spilled_share for row in plan.routes if row.offer == "own"} == {
        "a": pytest.approx(0.5),
        "b": pytest.approx(0.5),
    }
    assert {row.workload: row.taken_share for row in plan.routes if row.offer == "api"} == {
        "a": pytest.approx(0.5),
        "b": pytest.approx(0.5),
    }
    assert plan.spill_order is not None
    assert sorted(plan.spill_order[0].workloads) == ["a", "b"]


def test_the_dear_one_is_refused_last(tmp_path: Path) -> None:
    """Both bring 4 and 8 into 6: the dear one has 4 + 6 of its 12, the cheap one 2 + 0: 2 · 10 + 10 · 1 = 30 USD.

    First come, first served 1 and 5 of each are refused: 6 · 10 + 6 · 1 = 66.
    """
    data = recorded(tmp_path, {"a": [4, 8], "b": [4, 8]}, 6, {"a": 10, "b": 1})
    plan = solved(tmp_path, data)
    assert plan.cost_usd == pytest.approx(30)
    assert plan.spill_order is not None
    assert plan.spill_order[0].workloads == ("b", "a")
    assert any("first come, first served would cost 36.00 USD more" in note for note in plan.notes)


def test_an_hourly_mean_hides_the_minute(tmp_path: Path) -> None:
    """12 in one minute of two are 6 a minute in the mean, and fit; of a cap of 6 that refuses, six spill."""
    data = recorded(tmp_path, {"a": [12, 0]}, 6, {"a": 2})
    assert solved(tmp_path, data).cost_usd == pytest.approx(12)
    data["offers"][0]["spills"] = False
    assert solved(tmp_path, data).cost_usd == pytest.approx(0)


def test_instances_that_spill_are_bought_for_minutes(tmp_path: Path) -> None:
    """12 requests and none; an instance carries 2 a minute, at 2 USD for the two minutes, and so spares 2 at the API.

    At 2 USD each all six are worth it, 12 USD; at 0.5 none is: 12 at the API, 6 USD. By the mean three would do.
    """
    for price, cost, count in ((2.0, 12.0, 6), (0.5, 6.0, 0)):
        data = recorded(tmp_path, {"a": [12, 0]}, 1, {"a": price})
        data["offers"][0] = {**gpu("own", 60, 0.12, ("a",), max_utilisation=1.0), "spills": True}
        plan = solved(tmp_path, data)
        assert plan.cost_usd == pytest.approx(cost)
        assert sum(row.count for row in plan.instances) == count


def test_what_does_not_fit_needs_somewhere_to_go(tmp_path: Path) -> None:
    data = recorded(tmp_path, {"a": [12, 0]}, 6, {"a": 2})
    data["offers"] = data["offers"][:1]
    with pytest.raises(Infeasible):
        solved(tmp_path, data)
    data["offers"][0]["quota"]["requests_per_minute"] = 12
    assert solved(tmp_path, data).cost_usd == pytest.approx(0)


def test_drawn_minutes_are_those_of_the_plan() -> None:
    """Poisson arrivals of 60 a minute into 60: the plan is checked against minutes drawn again by the verifier."""
    own = api("own", 0.0, quota={"requests_per_minute": 60}, spills=True)
    plan = plan_of(problem([hourly(3.6e6)], [own, api("api", 1.0)], periods=2))
    spilled = [row.spilled_share or 0.0 for row in plan.routes if row.offer == "own"]
    assert spilled == [pytest.approx(0.0513, abs=0.006)] * 2  # sqrt(λ / 2π) / λ of a Poisson law
    assert usd(plan, "api") == pytest.approx(sum(spilled) * 3.6)


def test_work_that_may_wait_comes_evenly_and_does_not_spill(tmp_path: Path) -> None:
    """Two a minute may wait: of the cap of 6 they leave 4 for the 12 of minute 0; 8 spill, at 2 USD."""
    data = recorded(tmp_path, {"a": [12, 0]}, 6, {"a": 2, "b": 100})
    wait = {"name": "b", "models": ["b"], "demand": {"requests_per_s": 2 / 60}, "deferrable_h": 1 / 30}
    data["workloads"].append({**wait, "prompt_tokens": 1000, "completion_tokens": 0})
    data["offers"][0]["models"]["b"] = {"usd_per_request": 0}
    data["models"]["b"] = {}
    plan = solved(tmp_path, data)
    assert plan.cost_usd == pytest.approx(16)


def test_what_may_wait_is_not_sent_where_it_would_be_refused(tmp_path: Path) -> None:
    """Six a minute may wait; the cap carries four of them: a third goes to the API at 2 USD, and b at 1: 8 + 12."""
    data = recorded(tmp_path, {"a": [12, 0], "b": [12, 0]}, 4, {"a": 2, "b": 1})
    data["workloads"][0]["deferrable_h"] = 1 / 120
    plan = solved(tmp_path, data)
    assert plan.cost_usd == pytest.approx(20)
    assert not any(row.spilled_share for row in plan.routes if row.workload == "a")


def test_against_every_order_of_refusing() -> None:
    """Rows over minutes and sets carry just what the best order does, for random minutes of three workloads."""
    from itertools import permutations

    rng = np.random.default_rng(5)
    for _ in range(times(20)):
        n = 6
        shape = rng.gamma(0.5, size=(3, n)) + 1e-3
        shape /= shape.mean(axis=1, keepdims=True)
        limit = SpillLimit(
            0, -1, 0, np.arange(3), np.ones(3), lambda shape=shape: shape, lambda: np.ones((1, 6))
        )
        sent, worth = rng.random(3) + 0.2, rng.random(3) * 10
        best = -1.0
        for order in permutations(range(3)):
            left, carried = np.ones(n), np.zeros(3)
            for f in order:
                each = np.minimum(sent[f] * shape[f], left)
                left, carried[f] = left - each, each.mean()
            assert not list(limit.cuts(sent, carried, ONE, 1e-9))
            assert limit.order(sent, carried, ONE)[1] < 1e-9
            best = max(best, float(worth @ carried))
        assert list(limit.cuts(sent, sent * 1.0, ONE, 1e-9)) or (sent @ shape <= 1).all()
        more = limit.by_turn(sent, ONE)
        assert not list(limit.cuts(sent, more, ONE, 1e-9))
        assert worth @ more <= best + 1e-9


def test_against_every_minute_written_out() -> None:
    """Random caps and fleets: a program with a flow for every minute costs the same (`campaigns/spills.py`)."""
    figures = campaign(times(5), 7)
    assert not figures.faults, "\n".join(figures.faults)


def test_many_workloads_are_cut_by_a_minimum_cut() -> None:
    """Twelve workloads: what an order carries breaks no row, and a little more of one of them does."""
    rng = np.random.default_rng(7)
    shape = rng.gamma(0.5, size=(12, 40))
    shape /= shape.mean(axis=1, keepdims=True)
    limit = SpillLimit(0, -1, 0, np.arange(12), np.full(12, 0.1), lambda: shape, lambda: np.ones((1, 40)))
    sent, left, carried = np.ones(12), np.ones(40), np.zeros(12)
    for f in range(12):
        each = np.minimum(0.1 * shape[f], left)
        left, carried[f] = left - each, each.mean() / 0.1
    assert not list(limit.cuts(sent, carried, ONE, 1e-6))
    more = carried.copy()
    more[-1] += 0.05
    assert list(limit.cuts(sent, more, ONE, 1e-6))
    minutes = [0.1 * row for row in shape]
    for amounts in (carried, more):  # verify counts every minute
        wanted = (0.1 * amounts).tolist()
        assert (most_carried(minutes, wanted, 1.0) >= sum(wanted) - 1e-9) == (amounts is carried)


def test_verify_sees_more_than_minutes_carry(tmp_path: Path) -> None:
    data = read(tmp_path, recorded(tmp_path, {"a": [10, 0], "b": [0, 10]}, 5, {"a": 10, "b": 1}))
    plan = router.solve(data)
    own = next(row for row in plan.routes if (row.offer, row.workload) == ("own", "a"))

    def changed(**fields: object) -> tuple[str, ...]:
        rows = tuple(replace(row, **fields) if row is own else row for row in plan.routes)
        return router.verify(data, replace(plan, routes=rows)).failed()

    assert "spilling" in changed(carried_share=0.6, spilled_share=0.4)
    assert "spilling" in changed(carried_share=0.4, spilled_share=0.5)
    assert "spilling" in changed(taken_share=0.1)
    assert "spilling" in router.verify(data, replace(plan, spill_order=None)).failed()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quota": {}}, "needs a limit"),
        ({"quota": {"requests_per_minute": 5, "tokens_per_minute": 5}}, "has one limit"),
        ({"quota": {"requests_per_minute": 5, "requests_per_day": 5}}, "has one limit"),
    ],
)
def test_what_cannot_spill_is_refused_by_name(change: Data, words: str) -> None:
    own = api("own", 0.0, quota={"requests_per_minute": 60}, spills=True) | change
    with pytest.raises(InputError, match=words):
        load(problem([hourly(3.6e6)], [own, api("api", 1.0)]))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_schedule_changes_what_is_carried_from_period_to_period(tmp_path: Path, solver: str) -> None:
    """12 requests in one minute of two, in two periods; the cap is 6, then 3: 6 and 9 spill, at 2 USD; and what is
    carried then costs half of 1 USD: 6 · 1 + 3 · 0.5. What opens or closes within a period is refused.
    """
    data = recorded(tmp_path, {"a": [12, 0, 12, 0]}, 6, {"a": 2})
    data["horizon"] |= {"periods": 2, "period_h": 2 / 60}
    own = data["offers"][0]
    own["models"]["a"] = {"usd_per_request": 1}
    cut = {"from": "2027-01-01T00:02", "set": {"quota": {"requests_per_minute": 3}}}
    own["schedule"] = [cut, {"from": "2027-01-01T00:02", "prices": 0.5}]
    plan = solved(tmp_path, data, solver)
    assert plan.cost_usd == pytest.approx(15 * 2 + 6 + 1.5)
    assert plan.gap == pytest.approx(0, abs=1e-6)
    own["schedule"] = [{"from": "2027-01-01T00:01", "available": False}]
    with pytest.raises(InputError, match="opens or closes within a period"):
        solved(tmp_path, data, solver)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("counts", "spill"), [([12, 12], 6 + 9), ([12, 0], 6), ([0, 12], 9)])
def test_a_cap_that_changes_within_a_period_is_of_its_minutes(
    tmp_path: Path, solver: str, counts: list[float], spill: float
) -> None:
    """6 in the first minute and 3 in the second, not 4.5 in both: what is more spills, at 2 USD. So do instances."""
    data = recorded(tmp_path, {"a": counts}, 6, {"a": 2})
    later = {"from": "2027-01-01T00:01"}
    data["offers"][0]["schedule"] = [later | {"set": {"quota": {"requests_per_minute": 3}}}]
    half = later | {"set": {"instances": {"availability": 0.5}}}
    fleet = gpu("own", 0, 0.36, ("a",), max_utilisation=1.0, max=1)  # 6 a minute
    for own in (data["offers"][0], fleet | {"spills": True, "schedule": [half]}):
        plan = solved(tmp_path, {**data, "offers": [own, data["offers"][1]]}, solver)
        assert plan.cost_usd == pytest.approx(2 * spill)
        assert plan.gap == pytest.approx(0, abs=2e-6)
        assert plan.proof is not None
        assert plan.proof.kind == "own"


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_step_of_a_recipe_spills_by_its_own_requests(tmp_path: Path, solver: str) -> None:
    """12 drafts in one minute at 0.1 USD; half of them go on, 6 into a cap of 2: 4 spill, at 2 USD: 1.2 + 8."""
    data = recorded(tmp_path, {"a": [12, 0]}, 2, {"a": 2})
    data["models"]["draft"] = {}
    data["offers"].append({"name": "d", "models": {"draft": {"usd_per_request": 0.1}}})
    steps = [{"models": ["draft"]}, {"models": ["a"], "requests": 0.5}]
    data["workloads"][0] |= {"models": ["none"], "recipes": [{"name": "r", "quality": 1, "steps": steps}]}
    data["models"]["none"] = {}
    plan = solved(tmp_path, data, solver)
    assert plan.cost_usd == pytest.approx(9.2)
    assert plan.gap == pytest.approx(0, abs=1e-6)
    row = next(row for row in plan.routes if row.offer == "own")
    assert (row.share, row.carried_share, row.spilled_share) == pytest.approx((0.5, 1 / 6, 1 / 3))


def test_drawn_steps_spill_as_simulated() -> None:
    """3 in 10 of 60 requests a minute into 18: other draws refuse 1/√(18 · 2π), as of a Poisson law, within chance."""
    steps = [{"models": ["small"]}, {"models": ["m"], "requests": 0.3}]
    recipe = {"name": "r", "quality": 1, "steps": steps}
    work = hourly(3.6e6, recipes=[recipe], origin={"eu": 1}) | {"models": ["none"]}
    own = api("own", 0.0, quota={"requests_per_minute": 18}, spills=True)
    offers = [own, api("api", 1.0), api("s", 0.1, ("small",))]
    stated = load(problem([work], offers, models={"m": {}, "small": {}, "none": {}}))
    plan = router.solve(stated)
    found = router.simulate(stated, plan, seed=3)
    assert [row.workload for row in found.spills] == ["chat from eu by r step 1"]
    assert found.spills[0].planned == pytest.approx(0.094, rel=0.1)
    assert found.spills[0].verdict == "kept"


def test_each_origin_comes_by_itself() -> None:
    """One in twenty of 200 requests a minute come from us, 10 of a Poisson law, and alone may go to 14 a minute.

    E (X − 14)⁺ / 10 of them spill, as other draws do; a twentieth of each minute of all, 10 ± 0.7, would never.
    """
    law = [math.exp(-10) * 10**k / math.factorial(k) for k in range(60)]
    right = sum((k - 14) * p for k, p in enumerate(law) if k > 14) / 10
    slow, fast = {"ttft_p99_ms": 200}, {"ttft_p99_ms": 100, "tpot_p99_ms": 0}
    own = api("own", 0.0, quota={"requests_per_minute": 14}, spills=True, limits={"regions": ["us"]})
    offers = [own, api("api", 1.0, limits={"regions": ["us", "eu"]})]
    for offer in offers:
        offer["models"]["m"] |= fast
    work = hourly(12e6, origin={"eu": 0.95, "us": 0.05}, slo=slow)
    stated = load(problem([work], offers, network=[{"from": "eu", "to": "us", "rtt_ms": 101}]))
    plan = router.solve(stated)
    assert plan.ok
    (row,) = (row for row in plan.routes if row.offer == "own")
    assert row.origin == "us"
    assert (row.spilled_share or 0.0) / row.share == pytest.approx(right, rel=0.25)
    (spill,) = router.simulate(stated, plan, seed=7).spills
    assert (spill.workload, spill.verdict) == ("chat from us", "kept")


@pytest.mark.parametrize("solver", SOLVERS)
def test_adapters_keep_their_slots_where_instances_spill(tmp_path: Path, solver: str) -> None:
    """One instance at 2 USD carries 2 a minute: of 4 requests of a in one minute and 4 of b in the other 2 each, and 4
    spill at 2 USD, 10 in all. Of 5 and 5 adapters 8 slots hold those of one: 6 at 2 USD, 14.
    """
    for slots, cost in ((10, 10.0), (8, 14.0)):
        data = recorded(tmp_path, {"a": [4, 0], "b": [0, 4]}, 1, {"a": 2, "b": 2})
        own = gpu(
            "own",
            60,
            0.12,
            ("a", "b"),
            max_utilisation=1.0,
            max=1,
            adapter_slots=slots,
            shared_by_models=True,
        )
        data["offers"][0] = own | {"spills": True}
        for work in data["workloads"]:
            work["adapters"] = 5
        assert solved(tmp_path, data, solver).cost_usd == pytest.approx(cost)


def test_policies_that_do_not_go_with_it_are_refused_by_name() -> None:
    own = api("own", 0.0, quota={"requests_per_minute": 60}, spills=True)
    whole = hourly(3.6e6, routing={"splittable": False})
    with pytest.raises(InputError, match="splittable: false"):
        load(problem([whole], [own, api("api", 1.0)]))
    shared = [{"name": "account", "tokens_per_minute": 4e6}]
    with pytest.raises(InputError, match="the quota account"):
        load(problem([hourly(3.6e6)], [own, api("api", 1.0)], quotas=shared))


def test_the_planned_share_holds_in_simulation() -> None:
    """Poisson arrivals of 60 a minute into 66: minutes that the plan has not seen refuse what it says, within 99 %.

    Twenty runs of 1,000 minutes with other seeds; a plan's own minutes are one such run, and its share one draw more.
    """
    own = api("own", 0.0, quota={"requests_per_minute": 66}, spills=True)
    plan = plan_of(problem([hourly(3.6e6)], [own, api("api", 1.0)]))
    planned = next(row.spilled_share or 0.0 for row in plan.routes if row.offer == "own")
    rng = np.random.default_rng(11)
    come = rng.poisson(60.0, size=(20, 1000))
    refused = np.maximum(come - 66, 0).sum(axis=1) / come.sum(axis=1)
    mean, spread = refused.mean(), refused.std(ddof=1)
    assert abs(planned - mean) < 2.86 * spread * np.sqrt(1 + 1 / 20)  # t of 19, 99 %
    assert 0.01 < mean < 0.05


def test_simulated_minutes_spill_what_is_planned() -> None:
    """Other minutes than the plan's refuse its share within chance; a plan that says less is found out."""
    own = api("own", 0.0, quota={"requests_per_minute": 66}, spills=True)
    stated = load(problem([hourly(3.6e6)], [own, api("api", 1.0)]))
    plan = router.solve(stated)
    assert plan.minutes is not None
    assert (plan.minutes.seed, plan.minutes.minutes) == (0, 1000)
    assert "spilling" in router.verify(stated, replace(plan, minutes=None)).failed()
    found = router.simulate(stated, plan, seed=5)
    row = found.spills[0]
    assert found.ok
    assert row.verdict == "kept"
    assert row.minutes >= 1000
    assert row.low <= row.planned <= row.high
    assert row.planned == pytest.approx(row.spilled, rel=0.25)
    less = tuple(
        replace(each, spilled_share=None, carried_share=1.0, taken_share=None) for each in plan.routes
    )
    found = router.simulate(stated, replace(plan, routes=less), seed=5)
    assert found.spills[0].verdict == "broken"
    assert not found.ok


def test_a_day_is_simulated_in_all_its_parts() -> None:
    """A day in which 90 a minute are let through, and 50 of its last eight hours: 60 a minute spill 1 in 6 then."""
    night = {"daily": {"start": "16:00", "end": "00:00"}, "set": {"quota": {"requests_per_minute": 50}}}
    own = api("own", 0.0, quota={"requests_per_minute": 90}, spills=True, schedule=[night])
    day = {"start": "2027-01-01", "periods": 1, "period_h": 24}
    stated = load(problem([hourly(3.6e6)], [own, api("api", 1.0)], horizon=day))
    plan = router.solve(stated)
    (row,) = router.simulate(stated, plan, seed=1).spills
    assert row.planned == pytest.approx(1 / 18, rel=0.1)
    assert row.spilled == pytest.approx(1 / 18, rel=0.1)
    assert row.verdict == "kept"


def test_refused_requests_wait_where_they_are_taken() -> None:
    """Of 60 a minute 30 fit: the other half comes to instances, of which it keeps as many busy as planned."""
    own = api("own", 0.0, quota={"requests_per_minute": 30}, spills=True)
    slow = gpu("gpu", 1, 0.01, max_utilisation=0.9)
    stated = load(problem([hourly(3.6e6)], [own, slow]))
    plan = router.solve(stated)
    found = router.simulate(stated, plan)
    assert [row.offer for row in found.pools] == ["gpu"]
    assert found.pools[0].requests == pytest.approx(30 * found.spills[0].minutes, rel=0.02)
    assert found.pools[0].utilisation == pytest.approx(found.pools[0].planned_utilisation, rel=0.05)
    assert "Spilled of what is sent there" in [table.title for table in simulation_report(found).tables]


def test_full_minutes_are_explained(tmp_path: Path) -> None:
    """12 and 0 into 6, at 2 USD: full in one minute of two, half spills. A tenth more saves 0.6 · 2 USD."""
    found = router.explain(read(tmp_path, recorded(tmp_path, {"a": [12, 0]}, 6, {"a": 2})))
    assert [(row.offer, row.full, row.spilled) for row in found.spills] == [("own", 0.5, pytest.approx(0.5))]
    assert [(row.fields, row.usd) for row in found.savings] == [
        ("offers.own.quota.requests_per_minute: 6.6 (is 6)", pytest.approx(1.2))
    ]
    assert "What spills" in [table.title for table in explanation_report(found).tables]


def test_repairs_are_by_the_minute(tmp_path: Path) -> None:
    """What does not fit has nowhere to go: 12 a minute of cap, six instances, or half of the work."""
    data = recorded(tmp_path, {"a": [12, 0]}, 6, {"a": 2})
    data["offers"] = data["offers"][:1]
    cap = router.explain(read(tmp_path, data))
    assert [repair.text for repair in cap.repairs] == [
        "offers.own.quota.requests_per_minute: 12 (is 6)",
        '50.0000% of the demand of "a" can be served',
    ]
    data["offers"][0] = {**gpu("own", 60, 0.12, ("a",), max_utilisation=1.0, max=3), "spills": True}
    fleet = router.explain(read(tmp_path, data))
    assert fleet.repairs[0].text == "offers.own.instances.max: 6 (is 3)"


def test_exports_count_what_is_carried_and_what_is_taken() -> None:
    """A unit of 30 requests a minute, paid ahead, carries half of 60; three instances of 12 take the rest, and 6 more.

    LiteLLM sends to what is paid ahead first.
    """
    rented = {"max_utilisation": 1.0, "reserved": 1, "reserved_usd_per_h": 0.1, "max": 1}
    own = gpu("own", 20, 1.8, **rented) | {"spills": True}
    stated = load(problem([hourly(3.6e6)], [own, gpu("gpu", 1, 0.8, max_utilisation=0.9)]))
    plan = router.solve(stated)
    taken = next(row.served_share for row in plan.routes if row.offer == "gpu")
    made = headroom(plan, stated)
    (row,) = json.loads(made.text)["headroom"]
    assert (row["offer"], row["planned"]) == ("gpu", pytest.approx(taken))
    assert row["more"] == pytest.approx(36 / 60 - taken, rel=1e-3)
    assert any("spills: own" in remark for remark in made.remarks)
    ahead = json.loads(commitments(plan, stated).text)["commitments"]
    assert [(row["offer"], row["ceiling"]) for row in ahead] == [("own", 1)]
    orders = {
        entry["model_info"]["id"].split("/")[1]: entry["litellm_params"].get("order")
        for entry in yaml.safe_load(commitments(plan, stated, form="litellm").text)["model_list"]
    }
    assert orders["own"] < orders["gpu"]


def test_compare_gives_an_offer_that_spills_no_work_that_it_cannot_hold(tmp_path: Path) -> None:
    """Alone the cap holds neither; the API holds both, 10 · 10 + 10 · 1."""
    stated = read(tmp_path, recorded(tmp_path, {"a": [10, 0], "b": [0, 10]}, 5, {"a": 10, "b": 1}))
    costs = {row.offer: (row.cost_usd, row.reasons) for row in router.compare(stated).offers}
    assert costs == {"api": (pytest.approx(110), ()), "own": (None, ("limits",))}


def test_compare_counts_what_an_agreement_spills_once(tmp_path: Path) -> None:
    """Of 12 requests of 1,000 tokens 6 are carried at 1 USD and 6 taken at 2, 18 USD for 12,000 tokens; half of all
    is taken off. Six instances of 0.50 USD carry 2 a minute each; one alone would need 12,000 of 120,000 an hour.
    """
    data = recorded(tmp_path, {"a": [12, 0]}, 6, {"a": 2})
    data["offers"][0]["models"]["a"] = {"usd_per_request": 1}
    deal = {
        "name": "deal",
        "offers": ["own", "api"],
        "discount": 0.5,
        "settled": "hour",
        "min_usd": 0,
        "max_usd": 1e6,
    }
    found = router.compare(read(tmp_path, data | {"commitments": [deal]}))
    (row,) = (row for row in found.offers if row.agreement == "deal")
    assert (row.cost_usd, row.usd_per_m_tokens) == (pytest.approx(9), pytest.approx(9 / 12e3 * 1e6))
    assert any("nothing takes what spills" in note for note in found.notes)
    fleet = gpu("own", 15.0, 0.12, ("a",), max_utilisation=1.0) | {"spills": True}
    found = router.compare(read(tmp_path, {**data, "offers": [fleet, data["offers"][1]]}))
    assert (found.offers[0].instances, found.offers[0].hours_at_one_instance) == (6, pytest.approx(0.1))


def test_units_are_sized_for_the_minutes_of_two_futures(tmp_path: Path) -> None:
    """6 or 18 requests in one minute of two; a unit carries 2 a minute for 1.5 USD, elsewhere a request costs 1.

    The first three units save 2 USD in both futures, the next six in one of two, 1 USD: three, 4.50 + 12 / 2. For the
    mean of 12 six would be bought, 9 + 6 / 2.
    """
    data = recorded(tmp_path, {"a": [12, 0]}, 1, {"a": 1.0})
    data["offers"][0] = {
        **gpu("own", 45, 0.12, ("a",), max_utilisation=1.0, resize="horizon"),
        "spills": True,
    }
    data["scenarios"] = [
        {"name": "low", "probability": 0.5, "demand": {"a": 0.5}},
        {"name": "high", "probability": 0.5, "demand": {"a": 1.5}},
    ]
    brief = SizeOptions(questions=False, alternatives=0, measures=False)
    plan = size(read(tmp_path, data), how=brief)
    assert plan.ok
    assert plan.cost_usd == pytest.approx(10.5)
    assert {row.count for row in plan.instances} == {3}
    spilled = {row.scenario: row.spilled_share for row in plan.routes if row.offer == "own"}
    assert spilled == {"low": None, "high": pytest.approx(2 / 3)}
    assert plan.proof is not None
    assert (plan.proof.kind, plan.bound_usd) == ("own", pytest.approx(10.5))


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_spills_goes_to_the_soonest_of_equals(tmp_path: Path, solver: str) -> None:
    """Two sell a request for 2 USD, one answers in 100 ms, one in 50: all that spills goes there."""
    data = recorded(tmp_path, {"a": [12, 0]}, 6, {"a": 2})
    for name, ms in (("slow", 100), ("soon", 50)):
        data["offers"].append({"name": name, "models": {"a": {"usd_per_request": 2, "ttft_p50_ms": ms}}})
    del data["offers"][1]
    plan = solved(tmp_path, data, solver)
    assert plan.cost_usd == pytest.approx(12)
    assert {row.offer: row.taken_share for row in plan.routes} == {"own": None, "soon": pytest.approx(0.5)}


@pytest.mark.parametrize("solver", SOLVERS)
def test_in_a_loss_nothing_spills_and_the_mean_holds(tmp_path: Path, solver: str) -> None:
    """12 requests in one minute of two, a cap of 3 a minute: 9 spill, at 2 USD. When the API is lost the cap carries 3
    a minute in the mean, half, and another has the other half; without another there is no plan. A cap of 6 has all.
    """
    data = recorded(tmp_path, {"a": [12, 0]}, 3, {"a": 2})
    data["policy"] = {"survive_loss_of": "offer"}
    with pytest.raises(Infeasible):
        solved(tmp_path, data, solver)
    data["offers"].append({"name": "dear", "models": {"a": {"usd_per_request": 5}}})
    plan = solved(tmp_path, data, solver)
    assert plan.cost_usd == pytest.approx(18)
    assert plan.gap == pytest.approx(0, abs=1e-6)
    after = {row.offer: row.after_loss or {} for row in plan.routes}
    assert (after["own"]["api"], after["dear"]["api"]) == pytest.approx((0.5, 0.5))
    assert after["api"]["own"] + after["dear"].get("own", 0.0) == pytest.approx(1.0)
    del data["offers"][2]
    data["offers"][0]["quota"] = {"requests_per_minute": 6}
    assert solved(tmp_path, data, solver).cost_usd == pytest.approx(12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_boots_carries_nothing_yet(tmp_path: Path, solver: str) -> None:
    """12 requests in one minute of two, of two periods; an instance carries 2 a minute and boots for the first period.

    At 0.50 USD a period six carry all 12 in the second: 6 USD for both, and 12 at 2 USD: 30. At 2.20 none is worth it.
    """
    for price, cost in ((15.0, 30.0), (66.0, 48.0)):
        data = recorded(tmp_path, {"a": [12, 0, 12, 0]}, 1, {"a": 2})
        data["horizon"] |= {"periods": 2, "period_h": 2 / 60}
        data["offers"][0] = {
            **gpu("own", price, 0.12, ("a",), max_utilisation=1.0, start_h=2 / 60),
            "spills": True,
        }
        plan = solved(tmp_path, data, solver)
        assert plan.cost_usd == pytest.approx(cost)
        assert plan.gap == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_boots_for_a_part_of_a_period_carries_in_the_rest(tmp_path: Path, solver: str) -> None:
    """An instance of 0.50 USD a period carries 2 a minute and boots for the first of two: all of 12 that come in the
    second are carried by six, 3 USD; none of those that come in the first, 24. In two periods with 4 and 12 at first
    and 12 later six are there throughout, but for 4: 6 + 8.
    """
    own = gpu("own", 15.0, 0.12, ("a",), max_utilisation=1.0, start_h=1 / 60) | {"spills": True}
    for counts, cost in (([0, 12], 3), ([12, 0], 24), ([4, 12, 12, 0], 6 + 8)):
        data = recorded(tmp_path, {"a": counts}, 1, {"a": 2})
        data["horizon"] |= {"periods": len(counts) // 2, "period_h": 2 / 60}
        data["offers"][0] = own
        plan = solved(tmp_path, data, solver)
        assert plan.cost_usd == pytest.approx(cost)
        assert plan.gap == pytest.approx(0, abs=1e-6)
        assert plan.proof is not None
        assert plan.proof.kind == "own"


def test_half_of_what_is_bought_may_be_there(tmp_path: Path) -> None:
    """At an availability of a half six instances carry 6 a minute of 12 in one of two, as three would: 12 + 6 · 2."""
    data = recorded(tmp_path, {"a": [12, 0]}, 1, {"a": 2.0})
    own = gpu(
        "own",
        60,
        0.12,
        ("a",),
        max_utilisation=1.0,
        availability=0.5,
        reserved=6,
        reserved_usd_per_h=60,
        max=6,
    )
    data["offers"][0] = own | {"spills": True}
    plan = solved(tmp_path, data)
    assert plan.cost_usd == pytest.approx(12 + 6 * 2)
    assert plan.gap == pytest.approx(0, abs=1e-6)


EXAMPLE = Path(__file__).parents[1] / "router" / "examples" / "provisioned-spill.yaml"


def by_the_minute(units: float, order: tuple[str, ...]) -> dict[str, float]:
    """Share of each recorded service that units of 2,500 tokens a minute carry, minute by minute, in an order."""
    from csv import DictReader

    minutes: dict[str, dict[str, int]] = {}
    tokens: dict[str, float] = {}
    for name, file in (("code", "azure-2023-code.csv"), ("chat", "azure-2023-conv.csv")):
        with (EXAMPLE.parent / file).open() as text:
            rows = list(DictReader(text))
        whole = sum(float(row["ContextTokens"]) + float(row["GeneratedTokens"]) for row in rows)
        tokens[name] = whole / len(rows)
        for row in rows:
            counts = minutes.setdefault(row["TIMESTAMP"][11:16], {})
            counts[name] = counts.get(name, 0) + 1
    carried, sent = dict.fromkeys(tokens, 0.0), dict.fromkeys(tokens, 0.0)
    for counts in minutes.values():
        left = units * 41.67 * 60
        for name in order:
            brought = counts.get(name, 0) * tokens[name]
            carried[name] += min(brought, left)
            sent[name] += brought
            left -= min(brought, left)
    return {name: carried[name] / sent[name] for name in tokens}


def test_recorded_services_on_provisioned_units() -> None:
    """What the page says: the plan carries what every minute does; the hourly plan hides a sixth of the work."""
    stated = router.load(EXAMPLE)
    plan = router.solve(stated)
    assert plan.instances[0].count == 235
    assert plan.cost_usd == pytest.approx(28.17, abs=0.01)
    for row in router.simulate(stated, plan, arrivals="trace").spills:
        assert row.planned == pytest.approx(row.spilled, abs=1e-9)
    assert plan.spill_order is not None
    assert plan.spill_order[0].workloads == ("code", "chat")
    carried = by_the_minute(235, ("chat", "code"))
    for row in plan.routes:
        if row.offer == "provisioned":
            assert row.carried_share == pytest.approx(carried[row.workload], abs=1e-4)
    hourly = router.solve(stated.with_({"offers.provisioned.spills": False}))
    assert hourly.instances[0].count == 400
    assert hourly.cost_usd == pytest.approx(24.34, abs=0.01)
    bought = {"offers.provisioned.instances.min": 400, "offers.provisioned.instances.max": 400}
    met = router.solve(stated.with_(bought))
    assert met.cost_usd == pytest.approx(29.54, abs=0.01)
    spilled = sum(row.tokens for row in met.routes if row.offer == "pay-as-you-go")
    assert spilled / sum(row.tokens for row in met.routes) == pytest.approx(0.172, abs=0.001)


def test_a_bound_of_our_own_over_sets_of_minutes(tmp_path: Path) -> None:
    """The 55 and the dear one that is refused last are proven; other weights never prove more than the plan costs."""
    rng = np.random.default_rng(3)
    for minutes, cap, least in ({"a": [10, 0], "b": [0, 10]}, 5, 55), ({"a": [4, 8], "b": [4, 8]}, 6, 30):
        stated = read(tmp_path, recorded(tmp_path, minutes, cap, {"a": 10, "b": 1}))
        plan = router.solve(stated)
        proof = plan.proof
        assert proof is not None
        assert proof.kind == "own"
        assert proof.bound_usd == pytest.approx(least, rel=1e-6)
        assert proof.minutes is not None
        higher = replace(plan, proof=replace(proof, bound_usd=least + 1.0))
        assert "proof" in router.verify(stated, higher).failed()
        bare = replace(plan, proof=replace(proof, minutes=None))
        assert "proof" in router.verify(stated, bare).failed()  # a row that nobody names proves nothing
        for _ in range(times(3)):
            drawn = {
                key: {name: float(rng.gamma(0.5)) for name in weights}
                for key, weights in proof.minutes.items()
            }
            audit = Audit(stated, replace(plan, proof=replace(proof, minutes=drawn)))
            model = relaxation_of(audit)
            assert model is not None
            assert proven_parts(model, proof.parts)[1] <= least * (1 + 1e-9)
