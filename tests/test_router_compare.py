"""Every offer alone: costs by hand, reasons in their order, what one offer can serve of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from problem_factory import api as tokens_by
from problem_factory import hourly, load, problem
from pytest import approx

import router
from router import api
from router.comparison import Comparison, OfferRow
from router.errors import InputError
from router.loading.catalogue import load_text

EXAMPLES = Path(router.__file__).parent / "examples"

HEAD = """
schema: router/1
name: two workloads
horizon: {periods: 2, period_h: 365}
models: {small: {parameters_b: 8}, large: {parameters_b: 70}}
workloads:
  - {name: chat, models: [small], demand: {requests_total: 1M}, prompt_tokens: 900, completion_tokens: 100}
  - {name: report, models: [large], demand: {requests_total: 1M}, prompt_tokens: 900, completion_tokens: 100}
offers:
"""
BOTH = """
  - name: both
    models:
      small: {prompt_usd_per_m: 2, completion_usd_per_m: 2}
      large: {prompt_usd_per_m: 4, completion_usd_per_m: 4}
"""
SMALL = "  - {name: little, models: {small: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}\n"


def rows(text: str) -> dict[str, OfferRow]:
    return {row.offer: row for row in table(text).offers}


def table(text: str) -> Comparison:
    return api.compare(load_text(text))


def test_an_offer_for_a_part_says_which_and_at_what_cost() -> None:
    """1,000 M tokens each: both 2,000 + 4,000 USD; little has no large model, and asks 1,000 for the chat."""
    found = rows(HEAD + BOTH + SMALL)
    assert found["both"].cost_usd == pytest.approx(6_000)
    assert found["both"].cost_usd_per_month == pytest.approx(6_000)
    assert found["both"].usd_per_m_tokens == pytest.approx(3.0)
    assert found["both"].serves == ("chat", "report")
    little = found["little"]
    assert little.cost_usd is None
    assert little.reasons == ("model_not_offered",)
    assert little.reasons_by_workload == {"report": ("model_not_offered",)}
    assert little.partial_workloads == little.serves == ("chat",)
    assert little.partial_cost_usd == pytest.approx(1_000)


def test_the_cheapest_stands_first_and_those_that_cannot_last() -> None:
    dear = BOTH.replace("both", "dear").replace("4,", "9,")
    assert [row.offer for row in table(HEAD + SMALL + dear + BOTH).offers] == ["both", "dear", "little"]


def test_reasons_stand_in_the_order_of_the_design() -> None:
    text = (HEAD + SMALL).replace(
        "name: little,", "name: little, limits: {max_parameters_b: 7, streaming: false},"
    )
    text = text.replace("models: [small],", "models: [small], needs: {streaming: true},")
    assert rows(text)["little"].reasons == ("model_not_offered", "model_too_large", "streaming")


def test_a_model_that_the_offer_has_tells_more_than_one_that_it_has_not() -> None:
    text = (
        (HEAD + SMALL)
        .replace("models: [small]", "models: [large, small]")
        .replace("models: [large],", "models: [small],")
    )
    text = text.replace("name: little,", "name: little, limits: {max_parameters_b: 7},")
    assert rows(text)["little"].reasons == ("model_too_large",)


@pytest.mark.parametrize("routing", ["allow_offers: [both]", "deny_offers: [little]"])
def test_an_offer_that_routing_excludes_is_denied(routing: str) -> None:
    text = (HEAD + BOTH + SMALL).replace("models: [small],", f"models: [small], routing: {{{routing}}},")
    found = rows(text)
    assert found["little"].reasons_by_workload is not None
    assert found["little"].reasons_by_workload["chat"] == ("denied",)
    assert found["both"].cost_usd == pytest.approx(6_000)


@pytest.mark.parametrize("limit", ["routing: {min_providers: 2}", "routing: {max_share_per_provider: 0.5}"])
def test_limits_on_spread_are_left_out_and_said(limit: str) -> None:
    other = BOTH.replace("both", "other")
    made = table((HEAD + BOTH + other).replace("models: [small],", f"models: [small], {limit},"))
    assert all(row.cost_usd == pytest.approx(6_000) for row in made.offers)
    assert any("provider shares" in note for note in made.notes)


def test_a_share_limit_of_the_policy_is_left_out_and_said() -> None:
    made = table(HEAD + BOTH + "policy: {max_share_per_provider: 0.5}\n")
    assert made.offers[0].cost_usd == pytest.approx(6_000)
    assert made.notes


def test_what_limits_cannot_hold_is_said_so() -> None:
    """2,000 M tokens in 43,800 minutes are 45,662 a minute."""
    found = rows(HEAD + BOTH.replace("name: both\n", "name: both\n    quota: {tokens_per_minute: 45000}\n"))
    assert found["both"].cost_usd is None
    assert found["both"].reasons == ("limits",)


def test_the_hours_that_one_instance_needs() -> None:
    """Case 2: a billion tokens at 5,000 tok/s are 55.56 h. Prompts and completions apart: the slower counts."""
    (row,) = (
        row for row in api.compare(EXAMPLES / "case-02-wafer-time.yaml").offers if row.cost_usd is not None
    )
    assert row.hours_at_one_instance == pytest.approx(1e9 / 5_000 / 3_600)
    assert row.instances == 1
    apart = "small: {prompt_tokens_per_s: 1000, completion_tokens_per_s: 50, disaggregated: true}"
    text = HEAD + f"  - {{name: own, models: {{{apart}}}, instances: {{usd_per_h: 1}}}}\n"
    text = text.replace("models: [large],", "models: [small],")
    # 1,800 M prompt tokens / 1,000 = 500 h; 200 M completion tokens / 50 = 1,111 h in all
    assert rows(text)["own"].hours_at_one_instance == pytest.approx(200e6 / 50 / 3_600)
    assert rows(HEAD + BOTH)["both"].hours_at_one_instance is None


def test_a_contract_shows_what_it_commits_to() -> None:
    contract = "commitment: {min_usd_per_month: 9000}"
    row = rows(HEAD + BOTH.replace("name: both\n", f"name: both\n    {contract}\n"))["both"]
    assert row.cost_usd == row.billed_usd == pytest.approx(9_000)
    assert row.committed_usd_per_month == pytest.approx(9_000)
    assert row.committed_tokens_per_month is None


def test_work_that_may_stay_unserved_is_priced_apart() -> None:
    """The report may be dropped at 10 USD per M, 10,000 USD; the price per M is of what is served."""
    text = (HEAD + SMALL).replace("models: [large],", "models: [large], unserved_usd_per_m_tokens: 10,")
    row = rows(text)["little"]
    assert row.cost_usd == pytest.approx(11_000)
    assert row.unserved_usd == pytest.approx(10_000)
    assert row.usd_per_m_tokens == pytest.approx(1.0)
    assert row.serves == ("chat",)


def test_what_is_bought_already_counts_in_its_own_row_and_is_said() -> None:
    signed = BOTH + "    commitment: {min_usd_per_month: 9000, signed: true}\n"
    made = table(HEAD + signed + BOTH.replace("both", "other"))
    assert {row.offer: row.cost_usd for row in made.offers} == pytest.approx({"other": 6_000, "both": 9_000})
    assert any("already bought" in note for note in made.notes)


def test_no_offer_alone_is_cheaper_than_the_plan() -> None:
    for name in ("mixed.yaml", "fleet.yaml", "case-11-hybrid.yaml"):
        best = api.solve(EXAMPLES / name).cost_usd
        for row in api.compare(EXAMPLES / name).offers:
            assert row.cost_usd is None or row.cost_usd >= best * (1 - 2e-6)


def test_what_is_wrong_with_the_file_is_said_once() -> None:
    with pytest.raises(InputError, match="survive_loss_of") as error:
        table(HEAD + BOTH + SMALL + "policy: {survive_loss_of: nobody}\n")
    assert len(error.value.issues) == 1


def test_json_has_offers_with_null_for_those_that_cannot() -> None:
    made = table(HEAD + BOTH + SMALL).to_dict()
    assert [row["cost_usd"] is None for row in made["offers"]] == [False, True]


def _two_families(**terms: Any) -> dict[str, Any]:
    """2 M tokens an hour of m, 1 M of n: on a or b, which serve one each, on both at 3 USD by c."""
    loads = [hourly(2e6, "x"), hourly(1e6, "y", models=["n"])]
    offers = [tokens_by("a", 2.0), tokens_by("b", 2.0, ("n",)), tokens_by("c", 3.0, ("m", "n"))]
    agreement = {
        "name": "plan",
        "provider": "v",
        "offers": ["a", "b"],
        "settled": "hour",
        "discount": 0.5,
        **terms,
    }
    return {**problem(loads, offers, periods=2), "commitments": [agreement]}


def test_an_agreement_is_a_row_with_all_its_offers() -> None:
    """Half off all of it: 3 an hour. Neither of its offers alone serves both workloads; c does, at 9 an hour."""
    table = router.compare(load(_two_families(min_usd=0, max_usd=9)))
    rows = {row.seller: row for row in table.offers}
    plan = rows["plan"]
    assert (plan.offer, plan.agreement, plan.provider) == (None, "plan", "v")
    assert (plan.cost_usd, plan.billed_usd) == (approx(6), approx(6))
    assert plan.committed_usd_per_month == approx(3 * 730)
    assert (rows["a"].cost_usd, rows["a"].partial_cost_usd, rows["a"].agreement) == (None, approx(8), None)
    assert rows["c"].cost_usd == approx(18)
    assert [row.seller for row in table.offers][:2] == ["plan", "c"]


def test_what_none_of_its_offers_serves_is_why_an_agreement_cannot() -> None:
    data = _two_families(min_usd=1)
    data["workloads"][1]["needs"] = {"regions": ["eu"]}
    (plan,) = (row for row in router.compare(load(data)).offers if row.agreement)
    assert plan.cost_usd is None
    assert (plan.serves, plan.reasons) == (("x",), ("region",))


def test_what_is_signed_is_due_in_the_row_of_its_agreement() -> None:
    table = router.compare(load(_two_families(min_usd=5, signed=True)))
    rows = {row.seller: row for row in table.offers}
    assert rows["plan"].cost_usd == approx(10)
    assert rows["c"].cost_usd == approx(18)
    assert any("counted in its own row only: plan" in note for note in table.notes)
