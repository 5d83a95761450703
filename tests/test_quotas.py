"""Caps by kind, by the day, on spending, of a model, an account or a tenant: held, checked, named where they bind.

The optimum of each stands worked out in tests/instances; here is what is said of them, and what holds of any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from problem_factory import SOLVERS, Data, api, hourly, load, plan_of, problem

import router
from router.errors import Infeasible, InputError
from router.explaining import explain
from router.verification import verify

INSTANCES = Path(__file__).parent / "instances"
CAPPED = ("three-rate-limits", "three-rate-limits-bind-two", "quotas-by-the-day", "quotas-over-midnight")
CAPPED += ("quotas-of-models-and-tenants", "quota-of-spending")

#: What 1,000 requests of 800 + 200 tokens in an hour, half of the prompt cached, take of each cap; 1 USD per M tokens.
TAKEN = {
    "requests_per_minute": 1000 / 60,
    "tokens_per_minute": 1e6 / 60,
    "prompt_tokens_per_minute": 8e5 / 60,
    "uncached_prompt_tokens_per_minute": 4e5 / 60,
    "completion_tokens_per_minute": 2e5 / 60,
    "units_per_minute": 1e6 / 60,
    "requests_per_day": 24_000,
    "tokens_per_day": 24e6,
    "usd_per_month": 730.0,
}


def one_hour(quota: Data | None = None, **more: Any) -> Data:
    load = hourly(1e6, prompt_tokens=800, completion_tokens=200, cached_prompt_share=0.5)
    cheap = api("cheap", 1.0) | ({} if quota is None else {"quota": quota})
    return problem([load], [cheap, api("dear", 3.0)], **more)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "highs"])
@pytest.mark.parametrize("name", CAPPED)
def test_a_second_solver_finds_the_same(name: str, solver: str) -> None:
    file = INSTANCES / f"{name}.yaml"
    optimum = float(file.read_text(encoding="utf-8").removeprefix("# optimum:").split()[0])
    plan = router.solve(file, solver=solver)
    assert plan.ok
    assert plan.cost_usd == pytest.approx(optimum, rel=1e-5)


@pytest.mark.parametrize("whose", ["offer", "model", "account", "tenant"])
@pytest.mark.parametrize("kind", TAKEN)
def test_half_of_what_comes_is_let_through(kind: str, whose: str) -> None:
    """Half a million tokens at 1.00 and half at 3.00 are 2.00 USD; with 0.8 of 5/8 of what is taken it is the same."""
    for quota in ({kind: TAKEN[kind] / 2}, {kind: TAKEN[kind] * 5 / 8, "max_utilisation": 0.8}):
        data = one_hour()
        if whose == "offer":
            data["offers"][0]["quota"] = quota
        elif whose == "model":
            data["offers"][0]["models"]["m"]["quota"] = quota
        elif whose == "account":
            data["quotas"] = [quota | {"name": "account", "offers": ["cheap"]}]
        else:
            data["quotas"] = [
                quota | {"name": "t", "offers": ["cheap"], "workloads": [data["workloads"][0]["name"]]}
            ]
        assert plan_of(data).cost_usd == pytest.approx(2.0)


@pytest.mark.parametrize("kind", TAKEN)
def test_a_plan_above_a_cap_fails_the_check(kind: str) -> None:
    plan = plan_of(one_hour())
    assert verify(load(one_hour({kind: TAKEN[kind] * (1 + 1e-9)})), plan).failed() == ("problem",)
    assert "quota" in verify(load(one_hour({kind: TAKEN[kind] * 0.999})), plan).failed()


def test_what_binds_has_the_name_of_its_quota() -> None:
    """A M more for the account goes west in place of last, 1.00; for the tenant east in place of west, and so on."""
    found = explain(INSTANCES / "quotas-of-models-and-tenants.yaml")
    assert {(one.family, one.name) for one in found.bindings} == {
        ("quota", "account,tokens"),
        ("quota", "tenant,tokens"),
    }


def test_the_least_repair_of_a_cap_names_its_field() -> None:
    """A million tokens and 0.8 · 0.5 M a day · 1/24: the cap must be 30 M a day."""
    data = one_hour({"tokens_per_day": 12e6, "max_utilisation": 0.8})
    data["offers"] = data["offers"][:1]
    repairs = {one.field: one.needed for one in explain(load(data)).repairs}
    assert repairs["offers.cheap.quota.tokens_per_day"] == pytest.approx(30e6)
    del data["offers"][0]["quota"]
    data["offers"][0]["models"]["m"]["quota"] = {"requests_per_day": 12_000}
    repairs = {one.field: one.needed for one in explain(load(data)).repairs}
    assert repairs["offers.cheap.models.m.quota.requests_per_day"] == pytest.approx(24_000)
    del data["offers"][0]["models"]["m"]["quota"]
    data["quotas"] = [{"name": "all", "completion_tokens_per_minute": 1e5 / 60}]
    repairs = {one.field: one.needed for one in explain(load(data)).repairs}
    assert repairs["quotas.all.completion_tokens_per_minute"] == pytest.approx(2e5 / 60)


def test_a_quota_over_one_offer_is_its_own_and_an_offer_cut_in_two_changes_nothing() -> None:
    quota = {"tokens_per_minute": 0.4e6 / 60}
    own = plan_of(one_hour(quota)).cost_usd
    data = one_hour()
    data["quotas"] = [quota | {"name": "account", "offers": ["cheap", "again"]}]
    data["offers"].append(api("again", 1.0))
    assert plan_of(data).cost_usd == pytest.approx(own) == pytest.approx(0.4 + 0.6 * 3)


def test_an_offer_compared_has_a_shared_quota_to_itself_and_it_is_said() -> None:
    """0.9 M an hour over both: neither can take the million alone."""
    data = one_hour()
    data["quotas"] = [{"name": "account", "tokens_per_minute": 0.9e6 / 60}]
    table = router.compare(load(data))
    assert {row.offer: row.reasons for row in table.offers} == {"cheap": ("limits",), "dear": ("limits",)}
    assert any("quotas that it shares" in note for note in table.notes)


def test_a_quota_holds_after_a_loss_too() -> None:
    """Of three sellers any may be lost; the account of b and c takes 1 M an hour of the million, with 0.9 M not."""
    data = one_hour(policy={"survive_loss_of": "provider"})
    data["offers"].append(api("third", 2.0))
    for millions, survives in ((1.0, True), (0.9, False)):
        data["quotas"] = [{"name": "account", "offers": ["dear", "third"], "tokens_per_day": 24e6 * millions}]
        if survives:
            assert plan_of(data).cost_usd == pytest.approx(1.0)
        else:
            with pytest.raises(Infeasible):
                router.solve(load(data))


def test_what_a_quota_may_say() -> None:
    """Unknown names, no cap at all, and spending under tiers are told where they stand."""
    data = one_hour()
    tiers = {"tiers": [{"from_tokens_per_month": 0, "usd_per_m": 1}]}
    for quota, path in (
        ({"name": "q", "tokens_per_day": 1, "offers": ["none"]}, "quotas[0].offers[0]"),
        ({"name": "q", "tokens_per_day": 1, "workloads": ["none"]}, "quotas[0].workloads[0]"),
        ({"name": "q"}, "quotas[0]"),
        ({"name": "q", "usd_per_month": 1}, "quotas[0].usd_per_month"),
    ):
        data["quotas"] = [quota]
        data["offers"][1] = api("dear", 3.0, commitment=tiers)
        with pytest.raises(InputError) as caught:
            load(data)
        assert [issue.path for issue in caught.value.issues] == [path]
