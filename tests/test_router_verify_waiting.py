"""Waiting and loss of a provider, as `verify` judges them: by hand, against the planner, and on broken plans."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign import times
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_router_verify_plans import verify

from problems.core.arrays import PERCENTILES
from problems.physics import queueing
from router import api
from router.loading.catalogue import load_text, problem_sha256
from router.verification.base.queueing import PoolUse, erlang_c, queues, wait_s
from router.verification.bound.queues.mixes import MORE, NEAREST, SLACK_S, largest

CHAT = """
schema: router/1
horizon: {periods: 2, period_h: 1}
models: {m: {}}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [3600, 18000]}, prompt_tokens: 500, completion_tokens: 100,
     slo: {ttft_p99_ms: 300, request_p95_ms: 2500}, service_cv: 1}
  - {name: bulk, models: [m], demand: {requests_per_s: 1}, prompt_tokens: 2000, completion_tokens: 100}
offers:
  - name: own
    models: {m: {tokens_per_s: 5000, ttft_p99_ms: 80, tpot_p99_ms: 20}}
    instances: {usd_per_h: 2, integral: true}
  - name: api
    models: {m: {prompt_usd_per_m: 90, completion_usd_per_m: 90, ttft_p99_ms: 80, tpot_p99_ms: 20}}
"""


def solved(text: str) -> dict[str, Any]:
    problem = load_text(text)
    plan = api.solve(problem).to_dict()
    assert verify(problem, plan).failed() == ()
    return copy.deepcopy(plan)


# ---------------------------------------------------------------- the formula


@pytest.mark.parametrize(
    ("servers", "busy", "waits"),
    [
        (1, 0.7, 0.7),  # M/M/1: the utilisation
        (2, 1.0, 1 / 3),
        (3, 2.0, 4 / 9),
        (4, 3.0, 27 / 53),
        (0, 0.0, 0.0),
        (0, 0.1, 1.0),
        (5, 5.0, 1.0),
        (5, 0.0, 0.0),
    ],
)
def test_erlang_c_by_hand(servers: float, busy: float, waits: float):
    assert erlang_c(servers, busy) == pytest.approx(waits, rel=1e-12)


@settings(max_examples=times(100), deadline=None)
@given(servers=st.integers(1, 300_000), used=st.floats(0.0, 1.0, exclude_max=True))
@example(servers=256_000, used=0.9999)
@example(servers=1, used=5e-324)
def test_verifier_and_planner_have_the_same_erlang_c(servers: int, used: float):
    ours, theirs = erlang_c(servers, servers * used), float(queueing.erlang_c(servers, servers * used))
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-30)


@settings(max_examples=times(80), deadline=None)
@given(
    servers=st.integers(0, 5000),
    used=st.floats(0.0, 1.2),
    service=st.floats(1e-3, 100),
    variability=st.floats(0, 10),
    statistic=st.sampled_from(PERCENTILES),
)
def test_verifier_and_planner_have_the_same_waits(
    servers: int, used: float, service: float, variability: float, statistic: str
):
    ours = wait_s(statistic, servers, servers * used, service, variability)
    every = queueing.waits_s(*map(np.asarray, (float(servers), servers * used, service, variability)))
    theirs = float(every[PERCENTILES.index(statistic)])
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-9 * service)


@example(servers=1, w=36.0, budget={"mean": 0.015625})
@given(
    servers=st.integers(1, 400),
    w=st.floats(1e-4, 1e2),
    budget=st.dictionaries(st.sampled_from(PERCENTILES), st.floats(1e-3, 1e2), min_size=1),
)
def test_the_largest_load_is_never_too_low(servers: int, w: float, budget: dict[str, float]):
    """A billionth below it (and as near to it as is looked for) every wait fits, a billionth above one is too long."""
    busy, more = largest(servers, w, tuple(budget.items())), 1.0 + MORE
    slower = {name: wait_s(name, servers, busy * (1 + 2e-9), w, 1.0) for name in budget}
    below = max(busy * (1 - 2e-9) - servers * NEAREST, 0.0)
    sooner = {name: wait_s(name, servers, below, w, 1.0) for name in budget}
    assert busy >= servers * (1 - 2e-9) or any(
        slower[name] > budget[name] * more for name in budget if slower[name] > SLACK_S
    )
    assert all(sooner[name] <= budget[name] * more + 2 * SLACK_S + 1e-6 * budget[name] for name in budget)


def test_a_mix_of_two_kinds_of_requests():
    """6 a second of 0.1 s and 2 a second of 0.5 s on instances of 4 servers each (so 0.4 and 2 s of a server).

    S = (6 · 0.4 + 2 · 2)/8 = 0.8; E[S²] = (6 · 0.16 · (1 + 1) + 2 · 4)/8 = 1.24; Cs² = 1.24/0.64 − 1 = 0.9375
    Ca² = (6 · 1 + 2 · 4)/8 = 1.75; v = 1.34375; a = 4 · 1.6 / 0.8 = 8; 3 instances: 12 servers
    """
    uses = [
        PoolUse(6.0, (0.1, 0.1), 4.0, 1.0, 1.0, False, {"p99": 1.0, "mean": 0.5}),
        PoolUse(2.0, (0.5, 0.5), 4.0, 2.0, 0.0, False, {"p99": 2.0}),
    ]
    (queue,) = queues(uses, serving=3.0, availability=0.8)
    assert (queue.servers, queue.busy) == (12, pytest.approx(8.0))
    assert queue.service_s == pytest.approx(0.8)
    assert queue.variability == pytest.approx(1.34375)
    assert queue.budget == {"p99": 1.0, "mean": 0.5}


def test_two_engines_in_a_row_may_each_take_half():
    use = PoolUse(1.0, (0.1, 0.4), 1.0, 1.0, 0.0, True, {"p50": 1.0})
    prompt, completion = queues([use], serving=2.0, availability=1.0)
    assert (prompt.busy, completion.busy) == (pytest.approx(0.1), pytest.approx(0.4))
    assert prompt.budget == completion.budget == {"p50": 0.5}


# ---------------------------------------------------------------- plans


def fewer(plan: dict[str, Any], by: float = 1.0) -> None:
    """One instance less in the busier period, with its cost; the bound, which was the cost, goes with it."""
    row = next(row for row in plan["instances"] if row["period"] == 1)
    row["utilisation"] *= row["count"] / (row["count"] - by)
    row["count"] -= by
    row["paid_count"] -= by
    row["started"] = max(row["started"] - by, 0.0)
    for key in ("cost_usd", "objective_usd"):
        plan[key] -= 2 * by
    plan["bound_usd"], plan["proof"] = min(plan["bound_usd"], plan["objective_usd"]), None
    plan["gap"] = 1 - plan["bound_usd"] / plan["objective_usd"]
    plan["cost_usd_per_month"] = plan["cost_usd"] * 730 / plan["horizon_h"]
    plan["cost_lines"][0]["usd"] -= 2 * by


def test_one_instance_less_breaks_the_wait_though_the_load_fits():
    """5 · 600 + 2,100 = 5,100 tokens a second are 1.02 instances; two could carry them, but make people wait."""
    plan = solved(CHAT)
    assert [row["count"] for row in plan["instances"]] == [3.0, 3.0]
    fewer(plan)
    verdict = verify(load_text(CHAT), plan)
    assert verdict.failed() == ("waiting",)
    (check,) = (check for check in verdict.checks if check.name == "waiting")
    assert "own m period 1" in check.detail


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ttft_p99_ms: 300", "ttft_p99_ms: 100"),
        ("ttft_p99_ms: 300", "ttft_p99_ms: 300, ttft_mean_ms: 85"),
        ("request_p95_ms: 2500", "request_p95_ms: 2061"),
        ("service_cv: 1", "service_cv: 4"),
        ("service_cv: 1", "service_cv: 1, arrival_cv: 5"),
        ("horizon:", "policy: {wait_margin: 9}\nhorizon:"),
        ("usd_per_h: 2,", "usd_per_h: 2, availability: 0.6,"),
    ],
)
def test_the_same_plan_breaks_a_stricter_promise(old: str, new: str):
    """The counts stay; what people are promised, or how requests come, does not. Its proof was of other rows."""
    assert old in CHAT
    entry = "ttft_p99_ms: 80, "
    text = CHAT.replace(entry, "ttft_p99_ms: 80, ttft_mean_ms: 80, ")
    plan, problem = solved(text), load_text(text.replace(old, new))
    plan["problem_sha256"], plan["proof"] = problem_sha256(problem), None
    failed = verify(problem, plan).failed()
    assert "waiting" in failed
    assert set(failed) <= {"waiting", "utilisation"}


def test_more_work_on_the_instances_breaks_the_wait():
    text = CHAT.replace(
        "prompt_usd_per_m: 90, completion_usd_per_m: 90", "prompt_usd_per_m: 0, completion_usd_per_m: 0"
    )
    problem = load_text(text.replace("usd_per_h: 2,", "usd_per_h: 0, max: 3,"))
    plan = api.solve(problem).to_dict()
    plan["routes"] = [dict(row, offer="own") for row in api.solve(load_text(CHAT)).to_dict()["routes"]]
    plan["instances"] = []
    failed = verify(problem, plan).failed()
    assert "waiting" in failed
    assert "throughput" in failed


def test_pools_that_promise_nothing_or_plan_by_utilisation_are_not_looked_at():
    for text in (
        CHAT.replace("slo: {ttft_p99_ms: 300, request_p95_ms: 2500}", "slo: {tpot_p99_ms: 30}"),
        CHAT.replace("usd_per_h: 2,", "usd_per_h: 2, max_utilisation: 0.9,"),
    ):
        problem = load_text(text)
        verdict = verify(problem, api.solve(problem))
        assert verdict.ok
        (check,) = (check for check in verdict.checks if check.name == "waiting")
        assert check.detail == "0 looked at"


def test_concurrency_of_the_entry_makes_servers():
    """0.54 of an instance of 64 slots: nobody waits, where as one server they would."""
    text = CHAT.replace("tokens_per_s: 5000,", "tokens_per_s: 5000, concurrency: 64,")
    plan = solved(text)
    assert [row["count"] for row in plan["instances"]] == [1.0, 2.0]


# ---------------------------------------------------------------- losses

TWO_MAKERS = """
schema: router/1
horizon: {periods: 2, period_h: 1}
models: {m: {}}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [3600, 36000]}, prompt_tokens: 500, completion_tokens: 100}
offers:
  - {name: own, models: {m: {tokens_per_s: 6000}}, instances: {usd_per_h: 2}}
  - {name: spare, models: {m: {tokens_per_s: 3000}}, instances: {usd_per_h: 3}}
  - name: api
    models: {m: {prompt_usd_per_m: 9, completion_usd_per_m: 9}}
    quota: {tokens_per_minute: 180_000}
policy: {survive_loss_of: offer}
"""


def test_what_survives_a_loss_costs_more_and_verifies():
    """600 and 6,000 tokens a second; own does 6,000, spare 3,000, the API 3,000 (its quota).

    Hour 0: 1 own at 2.00, the API is enough without it. Hour 1 without own: API 3,000 + 1 spare 3,000; without the API
    or spare: 1 own. So 2 + 2 + 3; without insurance 2 + 2.
    """
    assert api.solve(load_text(TWO_MAKERS.replace("offer}", "none}"))).cost_usd == pytest.approx(4.0)
    assert solved(TWO_MAKERS)["cost_usd"] == pytest.approx(7.0)


def without_spare(plan: dict[str, Any]) -> None:
    plan["instances"] = [row for row in plan["instances"] if row["offer"] != "spare"]
    plan["routes"] = [row for row in plan["routes"] if row["offer"] == "own"]


def test_a_plan_without_its_insurance_fails_the_loss_only():
    bare = solved(TWO_MAKERS.replace("offer}", "none}"))
    problem = load_text(TWO_MAKERS)
    bare["problem_sha256"] = solved(TWO_MAKERS)["problem_sha256"]
    verdict = verify(problem, bare)
    assert verdict.failed() == ("survival",)
    (check,) = (check for check in verdict.checks if check.name == "survival")
    assert "own lost: chat period 1" in check.detail
    assert check.worst >= 0.5 - 1e-6  # half of it has nowhere to go


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tokens_per_minute: 180_000", "tokens_per_minute: 170_000"),
        ("{name: chat, models: [m],", "{name: chat, models: [m], routing: {deny_offers: [spare]},"),
        ("tokens_per_s: 3000", "tokens_per_s: 2900"),
        ("{name: spare,", "{name: spare, provider: own,"),
    ],
)
def test_less_to_fall_back_on_breaks_the_loss(old: str, new: str):
    assert old in TWO_MAKERS
    text = TWO_MAKERS.replace("survive_loss_of: offer", "survive_loss_of: provider")
    plan, problem = solved(text), load_text(text.replace(old, new))
    assert "survival" in verify(problem, plan).failed()


def test_a_fee_is_not_due_for_an_offer_kept_for_a_loss_alone():
    """600 of 5,000 tokens a second on one instance: 2.00 USD. The API would step in, and bills nothing before."""
    plan = api.solve(Path(__file__).parent / "instances" / "bug-013-fee-for-a-loss-alone.yaml")
    assert plan.ok
    assert plan.cost_usd == pytest.approx(2.0)
    assert plan.gap == pytest.approx(0.0, abs=1e-6)


def test_a_contract_helps_in_a_loss_only_where_it_is_signed():
    text = TWO_MAKERS.replace(
        "    quota: {tokens_per_minute: 180_000}",
        "    commitment: {min_tokens_per_month: 1000}",
    )
    plan = solved(text)
    assert plan["contracts"]  # signed, though it may carry nothing
    problem = load_text(text)
    plan["contracts"], plan["settlements"] = [], []
    assert "survival" in verify(problem, plan).failed()


def test_limits_of_contracts_hold_in_a_loss():
    """`overage: none`: the contract sells its commitment and no more.

    The spare costs 30.00 an hour, so all 23.76 M tokens of both hours are committed, lest own is lost.
    """
    text = TWO_MAKERS.replace(
        "    quota: {tokens_per_minute: 180_000}",
        "    commitment: {min_tokens_per_month: 0, max_tokens_per_month: 100e9, overage: none}",
    )
    text = text.replace("usd_per_m: 9", "usd_per_m: 0.2").replace("usd_per_h: 3", "usd_per_h: 30")
    text = text.replace("survive_loss_of: offer", "survive_loss_of: offer, among_equals: []")  # own is used
    plan = solved(text)
    (contract,) = plan["contracts"]
    assert contract["committed_tokens_per_month"] == pytest.approx(23.76e6 * 730 / 2)
    plan["contracts"][0]["committed_tokens_per_month"] *= 0.99
    assert "survival" in verify(load_text(text), plan).failed()


def test_deferred_work_moves_within_its_slots():
    """Without own, hour 0's work may wait for hour 1, when the spare has room for both."""
    text = TWO_MAKERS.replace("[3600, 36000]", "[3600, 14000]").replace(
        "models: [m], d", "models: [m], deferrable_h: 2, d"
    )
    text = text.replace("tokens_per_minute: 180_000", "tokens_per_minute: 1").replace(
        "usd_per_h: 3", "usd_per_h: 1.9"
    )
    problem = load_text(text)
    plan = solved(text)
    assert math.isclose(plan["cost_usd"], plan["bound_usd"], rel_tol=1e-6)
    for row in plan["instances"]:
        row["count"] = row["paid_count"] = row["started"] = 0.0
    assert "survival" in verify(problem, plan).failed()
