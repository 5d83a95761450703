"""The shipped cases give the recomputed answers, through HiGHS and through CBC."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import reference_answers as reference
from reference_answers import ANSWERS, CASE_FILES, DEDICATED, GPT, H100, ON_DEMAND, OPUS, RESERVED, TOGETHER

import router
from router import api
from router.loading.catalogue import load

EXAMPLES = Path(router.__file__).parent / "examples"
SOLVERS = ("highs", "pulp:COIN_CMD")
CENT = 0.005

CEREBRAS = {ON_DEMAND, RESERVED, DEDICATED}
OWN_INSTANCES = {H100, "lambda-8x-h100", "runpod-8x-h100", "coreweave-8x-h100"}
PLAN_ANSWERS = [answer for answer in ANSWERS if answer.offer is None]
COMPARE_ANSWERS = [answer for answer in ANSWERS if answer.offer is not None]


def label(answer: reference.Answer) -> str:
    return f"{answer.case}-{answer.offer or 'plan'}-{answer.figure}"


@cache
def plan_of(file: str, solver: str = "highs") -> Any:
    return api.solve(EXAMPLES / file, solver=solver)


@cache
def plan_dict(file: str, solver: str = "highs") -> dict[str, Any]:
    document = plan_of(file, solver).to_dict()
    assert isinstance(document, dict)
    return document


@cache
def comparison_of(file: str) -> dict[str, Any]:
    return {row.offer: row for row in api.compare(EXAMPLES / file).offers}


# ---------------------------------------------------------------- cases 1-9 and 11


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("answer", PLAN_ANSWERS, ids=label)
def test_the_plan_costs_what_was_recomputed(answer: reference.Answer, solver: str) -> None:
    plan = plan_of(answer.file, solver)
    assert plan.cost_usd == pytest.approx(answer.expected, abs=CENT)
    verified = plan_dict(answer.file, solver)["verified"]
    assert verified["ok"], verified


@pytest.mark.parametrize("answer", COMPARE_ANSWERS, ids=label)
def test_each_offer_alone_costs_what_was_recomputed(answer: reference.Answer) -> None:
    row = comparison_of(answer.file)[answer.offer]
    assert row.cost_usd is not None, row.reasons
    tolerance = CENT if answer.figure.startswith("cost") else 1e-6
    assert getattr(row, answer.figure) == pytest.approx(answer.expected, abs=tolerance)


@pytest.mark.parametrize("file", CASE_FILES)
def test_cost_lines_sum_to_the_cost(file: str) -> None:
    plan = plan_dict(file)
    assert sum(line["usd"] for line in plan["cost_lines"]) == pytest.approx(plan["cost_usd"], abs=CENT)


def busy_days(plan: dict[str, Any], period_h: float) -> float:
    """Days that one instance works, Σ count · utilisation · hours / 24."""
    return sum(row["count"] * row["utilisation"] * period_h for row in plan["instances"]) / 24


def tokens(plan: dict[str, Any], offer: str | None = None) -> float:
    rows = [row for row in plan["routes"] if offer in (None, row["offer"])]
    return sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows)


def test_case_2_a_wafer_takes_2_31_days_for_a_billion_tokens() -> None:
    plan = plan_dict("case-02-wafer-time.yaml")
    days = busy_days(plan, period_h=1)
    assert days == pytest.approx(reference.WAFER_BUSY_DAYS, rel=1e-6)
    assert round(days, 2) == 2.31
    assert tokens(plan) / days == pytest.approx(432e6, rel=1e-6)


def test_case_4_a_load_of_exactly_one_server_needs_one() -> None:
    (row,) = plan_dict("case-04-self-hosted.yaml")["instances"]
    assert (row["count"], row["utilisation"]) == (1, pytest.approx(1.0, rel=1e-9))
    assert tokens(plan_dict("case-04-self-hosted.yaml")) == pytest.approx(8.9352e9, rel=1e-9)


def test_case_9_moderation_is_405_093_tokens_a_second() -> None:
    rate = tokens(plan_dict("case-09-content-moderation.yaml")) / (720 * 3_600)
    assert rate == pytest.approx(reference.MODERATION_TOKENS_PER_S, rel=1e-9)
    assert round(rate) == 405_093


def test_case_11_the_plan_fills_the_contract_and_bursts_the_rest() -> None:
    plan = plan_dict("case-11-hybrid.yaml")
    assert tokens(plan, "cerebras-reserved-50m-a-day") == pytest.approx(30 * 50e6, rel=1e-6)
    assert tokens(plan, TOGETHER) == pytest.approx(30 * 20e6, rel=1e-6)


def test_case_11_the_contract_alone_cannot_carry_the_burst() -> None:
    assert comparison_of("case-11-hybrid.yaml")["cerebras-reserved-50m-a-day"].cost_usd is None


# ---------------------------------------------------------------- who may serve what


def refused(workload: str, file: str) -> dict[tuple[str, str], list[str]]:
    """Reasons by offer and model."""
    rows = [row for row in plan_dict(file)["refused"] if row["workload"] == workload]
    return {(row["offer"], row["model"]): row["reasons"] for row in rows}


def refusals(workload: str, file: str = "eligibility.yaml") -> dict[str, list[str]]:
    """Reasons by offer, over all models that the workload accepts."""
    reasons: dict[str, list[str]] = {}
    for (offer, _), codes in refused(workload, file).items():
        reasons.setdefault(offer, []).extend(codes)
    return reasons


def eligible(workload: str, file: str = "eligibility.yaml") -> set[str]:
    """Offers with a route for the workload that is not refused."""
    problem = load(EXAMPLES / file)
    models = next(entry.models for entry in problem.workloads if entry.name == workload)
    no = refused(workload, file)
    return {offer.name for offer in problem.offers if any((offer.name, m) not in no for m in models)}


def test_the_eligibility_plan_is_verified() -> None:
    assert plan_dict("eligibility.yaml")["verified"]["ok"]


def test_mistral_8x22b_is_too_large_for_cerebras() -> None:
    for offer in CEREBRAS:
        assert "model_too_large" in refusals("large-model")[offer]


def test_a_streaming_chat_never_runs_on_cerebras() -> None:
    for offer in CEREBRAS:
        assert refusals("streaming-chat")[offer] == ["streaming"]
    assert eligible("streaming-chat") == {TOGETHER, "replicate"} | OWN_INSTANCES


def test_custom_weights_run_on_together_replicate_and_own_instances_only() -> None:
    assert eligible("fine-tuned") == {TOGETHER, "replicate"} | OWN_INSTANCES
    for offer in CEREBRAS:
        assert refusals("fine-tuned")[offer] == ["custom_weights"]


@pytest.mark.parametrize(("workload", "vendor"), [("gpt", GPT), ("claude", OPUS)])
def test_proprietary_models_run_at_their_own_vendor_only(workload: str, vendor: str) -> None:
    assert eligible(workload) == {vendor}


def test_ttft_p99_of_100_ms_excludes_h100_and_openai() -> None:
    file = "eligibility-latency.yaml"
    assert plan_dict(file)["verified"]["ok"]
    assert eligible("quick", file) == {ON_DEMAND, RESERVED, "cerebras-dedicated-at-90"}
    assert refused("quick", file)[f"{H100}-at-90", "llama-2-70b"] == ["latency"]
    assert refused("quick", file)[GPT, "gpt-4.1"] == ["latency"]


def test_an_offer_that_states_no_latency_meets_no_limit() -> None:
    for offer, model in ((TOGETHER, "llama-2-70b"), ("replicate", "llama-2-70b"), (OPUS, "claude-opus-4.6")):
        assert refused("quick", "eligibility-latency.yaml")[offer, model] == ["latency"]


@pytest.mark.parametrize("workload", ["moderation", "classification", "log-analysis", "documents"])
def test_the_mixed_plan_batches_on_the_reserved_contract(workload: str) -> None:
    routes = [row for row in plan_dict("mixed.yaml")["routes"] if row["workload"] == workload]
    assert {row["offer"] for row in routes} == {RESERVED}


def test_no_cerebras_offer_can_take_the_mixed_load_alone() -> None:
    for offer in CEREBRAS:
        assert comparison_of("mixed.yaml")[offer].cost_usd is None


# ---------------------------------------------------------------- the smaller examples and the catalogue


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_fleet_plan_is_verified_and_within_its_rack(solver: str) -> None:
    plan = plan_dict("fleet.yaml", solver)
    assert plan["verified"]["ok"]
    for period in range(24):
        servers = sum(row["count"] for row in plan["instances"] if row["period"] == period)
        assert 8 * servers <= 32 + 1e-6


def test_both_solvers_agree_on_the_fleet() -> None:
    costs = [plan_of("fleet.yaml", solver).cost_usd for solver in SOLVERS]
    assert costs[0] == pytest.approx(costs[1], rel=2e-6)


def test_every_offer_of_the_catalogue_states_source_and_date() -> None:
    problem = load(EXAMPLES / "eligibility.yaml")
    assert len(problem.offers) == 12
    for offer in problem.offers:
        assert offer.source
        assert offer.as_of


def test_the_catalogue_holds_the_ten_models_of_the_article_and_two_proprietary_ones() -> None:
    models = load(EXAMPLES / "eligibility.yaml").models
    proprietary = {name for name, model in models.items() if model.open_weights is False}
    assert proprietary == {"gpt-4.1", "claude-opus-4.6"}
    assert len(models) == 12
    served = {offer.name: offer.models for offer in load(EXAMPLES / "eligibility.yaml").offers}
    assert len(served[DEDICATED]) == 9
    assert "mistral-8x22b" not in served[DEDICATED]
