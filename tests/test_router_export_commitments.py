"""`router export commitments`: what is paid ahead, in the order in which it lapses, and up to where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import router
from router import api
from router.exporters import commitments
from router.loading.catalogue import load_text
from router.schema import Problem

EXAMPLES = Path(router.__file__).parent / "examples"
TEXT = """
schema: router/1
name: paid ahead
horizon: {periods: 2, period_h: 730, start: "2026-12-01"}
models: {m: {}}
workloads:
  - {name: chat, models: [m], demand: {tokens_per_month: 3000M}, prompt_tokens: 900, completion_tokens: 100}
  - {name: bulk, models: [m], demand: {tokens_per_month: 1000M}, prompt_tokens: 900, completion_tokens: 100}
offers:
  - {name: api, provider: openai, models: {m: {prompt_usd_per_m: 9, completion_usd_per_m: 9}}}
  - name: contract
    provider: together
    models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}
    commitment: {min_tokens_per_month: 2000M, term_months: 12, signed: true, overage: none}
  - name: own
    models: {m: {tokens_per_s: 500}}
    instances: {usd_per_h: 3, reserved: 1, reserved_usd_per_h: 2, max: 3, units: 8, max_utilisation: 1}
"""


@pytest.fixture(scope="module")
def problem() -> Problem:
    return load_text(TEXT)


@pytest.fixture(scope="module")
def plan(problem: Problem) -> Any:
    """4,000 M a month: 1,314 M on each own instance, 2,000 M under contract. One instance above the reserved one."""
    return api.solve(problem)


def test_instances_come_first_and_the_contract_with_its_volume(problem: Problem, plan: Any) -> None:
    """An hour of an instance lapses before a month of volume. The contract is due to the end of its term."""
    rows = json.loads(commitments(plan, problem).text)["commitments"]
    assert [(row["order"], row["kind"], row["offer"], row["ceiling"], row["unit"]) for row in rows] == [
        (1, "reserved", "own", 1, "instances"),
        (2, "contract", "contract", 2e9, "tokens a month"),
    ]
    assert rows[0]["from"] == "2026-12-01T00:00:00"


def test_karpenter_fills_what_is_paid_ahead_before_the_rest(problem: Problem, plan: Any) -> None:
    """One reserved instance of 8 cards at the highest weight; what the plan runs beyond it in a pool of its own."""
    ahead, rest = yaml.safe_load_all(commitments(plan, problem, form="karpenter").text)
    most = max(row.count for row in plan.instances)
    assert most == 2
    assert (ahead["metadata"]["name"], rest["metadata"]["name"]) == ("own-paid-ahead", "own-as-used")
    assert ahead["spec"]["limits"] == {"nvidia.com/gpu": "8"}
    assert rest["spec"]["limits"] == {"nvidia.com/gpu": "8"}
    assert ahead["spec"]["weight"] > rest["spec"]["weight"] >= 1
    for document in (ahead, rest):
        assert (document["apiVersion"], document["kind"]) == ("karpenter.sh/v1", "NodePool")
        spec = document["spec"]["template"]["spec"]
        assert spec["nodeClassRef"] == {
            "group": "karpenter.k8s.aws",
            "kind": "EC2NodeClass",
            "name": "default",
        }
        assert spec["requirements"]


def test_litellm_uses_them_in_that_order_and_stops_at_the_budget(problem: Problem, plan: Any) -> None:
    """2,000 M tokens at 1 USD per M are 2,000 USD a month, over the workloads as the plan uses them."""
    config = yaml.safe_load(commitments(plan, problem, form="litellm").text)
    entries = {entry["model_info"]["id"]: entry["litellm_params"] for entry in config["model_list"]}
    orders = {key.split("/")[1]: params["order"] for key, params in entries.items() if "order" in params}
    assert orders["own"] == 1
    assert orders["contract"] == 2
    assert orders.get("api", 3) == 3
    assert not any("weight" in params for params in entries.values() if "order" in params)
    budgets = [params["max_budget"] for key, params in entries.items() if "/contract/" in key]
    assert sum(budgets) == pytest.approx(2000)
    assert {params["budget_duration"] for params in entries.values() if "max_budget" in params} == {"730h"}


def test_a_commitment_in_usd_and_one_that_has_ended() -> None:
    """The contract is signed until the first month's end: in force in period 0, not in period 1."""
    text = TEXT.replace("min_tokens_per_month: 2000M", "min_usd_per_month: 1500").replace(
        "signed: true", 'signed: true, signed_until: "2026-12-31T10:00"'
    )
    problem = load_text(text)
    plan = api.solve(problem)
    found = {row["offer"]: row for row in json.loads(commitments(plan, problem).text)["commitments"]}
    assert (found["contract"]["ceiling"], found["contract"]["unit"]) == (1500, "USD a month")
    assert found["contract"]["until"] == "2026-12-31T10:00:00"
    later = json.loads(commitments(plan, problem, period=1).text)["commitments"]
    assert [row["offer"] for row in later if row["until"] == "2026-12-31T10:00:00"] == []


def test_where_nothing_is_paid_ahead_that_is_said() -> None:
    lines = [line for line in TEXT.splitlines() if "commitment:" not in line]
    problem = load_text("\n".join(lines).replace("reserved: 1, reserved_usd_per_h: 2, ", ""))
    made = commitments(api.solve(problem), problem)
    assert json.loads(made.text)["commitments"] == []
    assert "nothing is paid ahead" in made.remarks[0]


def test_workers_of_each_role_and_hosts_are_nodes_of_their_own() -> None:
    """A reserved decode worker of 4 cards; of two hosts one is reserved, and what lives there has no node."""
    stated = api.load(EXAMPLES / "prefill-decode.yaml").with_(
        {"offers.own.instances.roles.decode.reserved": 1}
    )
    plan = api.solve(stated)
    rows = json.loads(commitments(plan, stated).text)["commitments"]
    assert [(row["offer"], row["ceiling"], row["unit"]) for row in rows] == [("own", 1, "decode workers")]
    nodes = {
        node["metadata"]["name"]: node["spec"]["limits"]["nvidia.com/gpu"]
        for node in yaml.safe_load_all(commitments(plan, stated, form="karpenter").text)
    }
    counts = {row.role: row.count for row in plan.instances}
    assert nodes["own-decode-paid-ahead"] == "4"
    assert nodes["own-prefill-as-used"] == f"{counts['prefill']:g}"

    stated = api.load(Path(__file__).parent / "instances" / "whole-hosts.yaml").with_(
        {"hosts.a3-node.reserved": 1}
    )
    plan = api.solve(stated)
    rows = json.loads(commitments(plan, stated).text)["commitments"]
    assert [(row["kind"], row["offer"], row["unit"]) for row in rows] == [("reserved", "a3-node", "hosts")]
    pools = list(yaml.safe_load_all(commitments(plan, stated, form="karpenter").text))
    assert [node["metadata"]["name"] for node in pools] == ["a3-node-paid-ahead", "a3-node-as-used"]
    assert [node["spec"]["limits"] for node in pools] == [{"nvidia.com/gpu": "8"}] * 2


def test_budgets_are_of_the_steps_of_a_recipe() -> None:
    """4,000 USD a month with the frontier, which answers second steps alone: all of it is theirs."""
    text = (EXAMPLES / "cascade.yaml").read_text()
    signed = "{name: frontier, provider: f, commitment: {min_usd_per_month: 4000, signed: true},"
    stated = load_text(text.replace("{name: frontier, provider: f,", signed))
    config = yaml.safe_load(commitments(api.solve(stated), stated, form="litellm").text)
    budgets = {
        entry["model_name"]: entry["litellm_params"]["max_budget"]
        for entry in config["model_list"]
        if "max_budget" in entry["litellm_params"]
    }
    assert budgets == {"chat/cascade/1": pytest.approx(4000)}
