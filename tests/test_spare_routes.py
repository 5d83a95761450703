"""Routes that a plan keeps for a loss: in its rows, checked, and in what is exported."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from problem_factory import MONTH, SOLVERS, api, gpu, hourly, load, monthly, plan_of, problem

import router
from router.errors import Infeasible
from router.exporters.gateway import gateway
from router.exporters.litellm import litellm
from router.reports.table_csv import to_csv

TWO = problem([hourly(1e6)], [api("cheap", 1), api("dear", 2)], policy={"survive_loss_of": "provider"})


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_route_without_a_share_is_there_for_a_loss(solver: str) -> None:
    """All is sent to the cheap one; without it all goes to the dear one."""
    plan = plan_of(TWO, solver)
    assert plan.cost_usd == pytest.approx(1)
    assert [(row.offer, row.share, row.after_loss) for row in plan.routes] == [
        ("cheap", 1.0, None),
        ("dear", 0.0, {"cheap": pytest.approx(1.0)}),
    ]


def test_what_is_planned_takes_over_first() -> None:
    """Two of three are needed of a and b, 1 M each, by a quota; without a, b takes what it may and the API the rest.

    a 0.6 M and b 0.4 M at 1 and 2 USD. Without a, b has 0.5 M free of its quota of 0.9 M in all and c has 0.1 M.
    Without b, a has its quota of 0.6 M and c 0.4 M.
    """
    tight = {"tokens_per_minute": 0.6e6 / 60}
    wide = {"tokens_per_minute": 0.9e6 / 60}
    offers = [api("a", 1, quota=tight), api("b", 2, quota=wide), api("c", 9)]
    plan = plan_of(problem([hourly(1e6)], offers, policy={"survive_loss_of": "offer"}))
    rows = {row.offer: row for row in plan.routes}
    assert rows["c"].share == 0
    assert rows["b"].after_loss == {"a": pytest.approx(0.9)}
    assert rows["a"].after_loss == {"b": pytest.approx(0.6)}
    assert rows["c"].after_loss == {"a": pytest.approx(0.1), "b": pytest.approx(0.4)}


def test_verify_holds_what_is_said_of_a_loss_to_the_limits() -> None:
    """Two instances are bought for the loss of the API, and then carry all; of their loss the API takes all, by a quota
    of just as much. More than that, or less than all, is seen.
    """
    tight = api("api", 1, quota={"tokens_per_minute": 2e6 / 60})
    own = gpu("own", 3, 1, max_utilisation=1.0)
    stated = load(problem([hourly(2e6)], [tight, own], policy={"survive_loss_of": "provider"}))
    plan = router.solve(stated)
    assert plan.cost_usd == pytest.approx(6)
    spare = next(row for row in plan.routes if row.offer == "api")
    assert (spare.share, spare.after_loss) == (0.0, {"own": pytest.approx(1.0)})

    def failed(after: dict[str, float]) -> tuple[str, ...]:
        rows = tuple(replace(row, after_loss=after) if row is spare else row for row in plan.routes)
        return router.verify(stated, replace(plan, routes=rows)).failed()

    assert failed({"own": 1.0}) == ()
    assert "survival" in failed({"own": 0.9})
    assert "survival" in failed({"own": 1.1})


def test_spare_routes_are_exported() -> None:
    stated = load(TWO)
    plan = router.solve(stated)
    config = yaml.safe_load(litellm(plan, stated).text)
    assert config["router_settings"]["fallbacks"] == [{"chat": ["chat-fallback"]}]
    groups = {entry["model_name"]: entry["model_info"]["id"] for entry in config["model_list"]}
    assert groups == {"chat": "chat/cheap/m", "chat-fallback": "chat-fallback/dear/m"}
    refs = yaml.safe_load(gateway(plan, form="envoy").text)["spec"]["rules"][0]["backendRefs"]
    assert [(ref["name"], ref.get("priority")) for ref in refs] == [("cheap", None), ("dear", 1)]
    assert any("the plan keeps dear" in said for said in gateway(plan).remarks)
    assert to_csv(plan, "routes_after_loss").splitlines()[1] == "chat,dear,m,0,,,,cheap,1.0"


def test_what_has_nowhere_to_go_in_a_loss_is_said_to_be_unserved() -> None:
    """What must be served takes all of b's quota when a is lost; what may be left is not said to stay on a."""
    tight = {"tokens_per_minute": 1e6 / 60}
    work = [hourly(1e6, "must"), hourly(1e6, "may", unserved_usd_per_m_tokens=50)]
    data = problem(work, [api("a", 1), api("b", 2, quota=tight)], policy={"survive_loss_of": "offer"})
    plan = plan_of(data)
    after = {(row.workload, row.offer): row.after_loss for row in plan.routes}
    assert after == {
        ("must", "a"): None,
        ("must", "b"): {"a": pytest.approx(1.0)},
        ("may", "a"): {"a": 0.0},
    }


def test_what_may_be_left_unserved_is_served_in_a_loss_where_it_can_be() -> None:
    """On reserved instances, which are there; and every cell may be left, so that nothing must be served."""
    own = gpu("own", 1, 1, reserved=2, max=2, max_utilisation=1.0)
    work = hourly(3e6, unserved_usd_per_m_tokens=50)
    plan = plan_of(problem(work, [own, api("a", 1)], policy={"survive_loss_of": "offer"}))
    rows = {row.offer: row for row in plan.routes}
    assert rows["own"].share == pytest.approx(2 / 3)
    assert rows["a"].after_loss == {"own": pytest.approx(1.0)}


def test_bands_of_a_contract_without_overage_hold_in_a_loss() -> None:
    """6 USD at 3 USD a M carry 2 M of 3 M, with the rest and without it: then the third one takes what is left."""
    tier = [{"from_tokens_per_month": 0, "usd_per_m": 3}]
    deal = {"tiers": tier, "min_usd_per_month": 6, "signed": True, "overage": "none"}
    offers = [api("deal", 0, commitment=deal), api("rest", 9), api("third", 20)]
    data = problem(monthly(3e6), offers, period_h=MONTH, policy={"survive_loss_of": "offer"})
    plan = plan_of(data)
    assert plan.cost_usd == pytest.approx(6 + 9)
    rows = {row.offer: row for row in plan.routes}
    assert rows["third"].after_loss == {"rest": pytest.approx(1 / 3)}
    assert rows["rest"].after_loss == {"deal": pytest.approx(1.0)}


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_a_loss_asks_for_is_proven(solver: str) -> None:
    """10 M an hour at 2 M an instance: five in the two zones that are left, 3 + 3 + 2 in all, where 5 would do."""
    zones = [gpu(name, 4, 2) for name in ("a", "b", "c")]
    plan = plan_of(problem([hourly(10e6)], zones, policy={"survive_loss_of": "offer"}), solver)
    assert plan.cost_usd == pytest.approx(32)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.bound_usd == pytest.approx(32)


CASCADE = {
    "name": "cascade",
    "quality": 0.88,
    "steps": [{"models": ["small"]}, {"models": ["big"], "requests": 0.3, "prompt_tokens": 2000}],
}


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_step_of_a_recipe_goes_on_when_its_own_seller_is_lost(solver: str) -> None:
    """1 M at 1 USD and 0.3 · 2 M at 10: 7 USD. Each seller has another beside it; without one for the big model, only
    the small one is left when it is lost, which is not good enough.
    """
    work = hourly(1e6, recipes=[CASCADE], needs={"min_quality": 0.88}) | {"models": ["small"]}
    offers = [
        api(name, usd, (model,))
        for name, usd, model in (("s", 1, "small"), ("s2", 3, "small"), ("b", 10, "big"), ("b2", 12, "big"))
    ]
    models = {"small": {"quality": 0.8}, "big": {"quality": 0.9}}
    data = problem([work], offers, models=models, policy={"survive_loss_of": "offer"})
    plan = plan_of(data, solver)
    assert plan.cost_usd == pytest.approx(7)
    assert {row.offer: row.after_loss for row in plan.routes if row.share == 0} == {
        "s2": {"s": pytest.approx(1.0)},
        "b2": {"b": pytest.approx(0.3)},
    }
    config = yaml.safe_load(litellm(plan, load(data)).text)["router_settings"]["fallbacks"]
    assert {"chat/cascade/0": ["chat/cascade/0-fallback", "chat/cascade/1"]} in config
    assert {"chat/cascade/1": ["chat/cascade/1-fallback"]} in config
    wrong = tuple(replace(row, after_loss={"b": 0.2}) if row.offer == "b2" else row for row in plan.routes)
    assert "survival" in router.verify(load(data), replace(plan, routes=wrong)).failed()
    data["offers"].pop()
    with pytest.raises(Infeasible):
        plan_of(data, solver)


@pytest.mark.parametrize("solver", SOLVERS)
def test_adapters_have_slots_after_a_loss(solver: str) -> None:
    """Two workloads of 0.4 M fit in one instance of 1 M, their 5 and 5 adapters not in its 8 slots: when either seller
    is lost the other has both, so that each has two instances, 4 USD. With 4 adapters each one is enough, 2 USD.
    """
    for adapters, cost in ((5, 4.0), (4, 2.0)):
        work = [hourly(4e5, name, adapters=adapters) for name in ("x", "y")]
        own = [gpu(name, 1, 1, max_utilisation=1.0, adapter_slots=8) for name in ("a", "b")]
        data = problem(work, own, policy={"survive_loss_of": "provider"})
        plan = plan_of(data, solver)
        assert plan.cost_usd == pytest.approx(cost)
        assert plan.gap == pytest.approx(0, abs=1e-5)
    data["workloads"][0]["adapters"] = 5
    assert "survival" in router.verify(load(data), plan).failed()
