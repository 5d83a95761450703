"""From which use on a quote pays, worked out by hand: what is owed unused over what the same use costs elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from problem_factory import api, gpu, hourly, monthly, problem
from sizing_factory import MONTH, M, contract, near, section, sized


def quote_of(data: dict[str, Any], offer: str) -> dict[str, Any]:
    told = section(sized(data, questions=True))
    return dict(next(row for row in told["quotes"] if row["offer"] == offer))


def test_what_is_owed_after_the_horizon_counts_where_it_is_charged_in_full() -> None:
    """12 months at 10 M · 4 in a horizon of 8: 480 whatever comes; on demand 8 · 10 M · 10 = 800 at full use. 60 %."""
    offers = [api("on-demand", 10.0), contract("term", 4.0, 10, overage="none", term_months=12)]
    case = {"periods": 8, "period_h": MONTH}
    full = {"policy": {"end_of_horizon": "charge_in_full"}}
    for tokens_m, verdict in ((5.9, "walk away"), (6.1, "sign")):
        quote = quote_of(problem(monthly(tokens_m * M), offers, **case, **full), "term")
        assert (quote["break_even_use"], quote["verdict"]) == (near(0.60), verdict)
    assert quote_of(problem(monthly(5 * M), offers, **case), "term")["break_even_use"] == near(0.40)


def test_energy_is_owed_by_what_is_held_used_or_not() -> None:
    """1 M an hour for 1 USD and 5 kW at 0.10: 1.50 owed; the API asks 2. 75 %."""
    own = gpu("own", 1.0, 1.0, resize="horizon", power_kw=5.0)
    for tokens_m, verdict in ((0.74, "walk away"), (0.76, "sign")):
        offers = [api("rest", 2.0), own]
        data = problem(hourly(tokens_m * M), offers, periods=4, policy={"energy_usd_per_kwh": 0.1})
        quote = quote_of(data, "own")
        assert (quote["break_even_use"], quote["verdict"]) == (near(0.75), verdict)


@pytest.mark.parametrize(("resize", "part"), [("period", 6 / 13), ("horizon", 7 / 15)])
def test_a_commitment_served_by_instances(resize: str, part: float) -> None:
    """6 owed for 10 M, against 1.50 per M less 0.20 by the hour: 6 / 1.3 M. With 1 for the 5 M ahead: 7 / 1.5 M."""
    rules = {"usd_per_h": 0.2 / MONTH, "integral": False, "resize": resize}
    served = {"tokens_per_s": M / MONTH / 3600, "prompt_usd_per_m": 0.6, "completion_usd_per_m": 0.6}
    deal = {
        "name": "deal",
        "models": {"m": served},
        "instances": rules,
        "commitment": {"min_tokens_per_month": 10 * M},
    }
    data = problem(monthly(5 * M), [api("on-demand", 1.5), deal], period_h=MONTH)
    assert quote_of(data, "deal")["break_even_use"] == near(part)


def test_a_rival_to_be_signed_is_no_place_to_go_as_you_use() -> None:
    """0.60 or 0.70 for at least 10 M, else 1.50: 40 % and 46.7 %, though without the one the other would be signed."""
    offers = [api("on-demand", 1.5), contract("one", 0.6, 10), contract("other", 0.7, 10)]
    data = problem(monthly(8 * M), offers, period_h=MONTH)
    quotes = {row["offer"]: row["break_even_use"] for row in section(sized(data, questions=True))["quotes"]}
    assert quotes == {"one": near(0.40), "other": near(0.7 / 1.5)}


def test_where_only_a_rival_could_serve_it_is_measured_against_that() -> None:
    """6 owed for 10 M; the rival bills 7 for the 8 M used: 6 / (7 / 8 · 10) = 68.6 %."""
    offers = [contract("one", 0.6, 10), contract("other", 0.7, 10)]
    quote = quote_of(problem(monthly(8 * M), offers, period_h=MONTH), "one")
    assert quote["break_even_use"] == near(6 / 8.75)


def test_the_bill_of_instances_charged_in_full_is_whole() -> None:
    """Six months of 730 · 1 USD and 730 upfront, in a horizon of four: 5,110; 1,460 of it owed after the horizon."""
    term = gpu("term", 1.0, 1.0, term_months=6, upfront_usd=730)
    offers = [term, gpu("rent", 3.0, 1.0)]
    policy = {"end_of_horizon": "charge_in_full"}
    plan = sized(problem(monthly(500 * M), offers, periods=4, period_h=MONTH, policy=policy))
    (row,) = section(plan)["sign"]
    assert plan.cost_usd == near(5110)
    assert row["expected_usd"] == near(5110)
    assert (row["least_usd"], row["beyond_horizon_usd"]) == (near(3650), near(1460))


def test_the_frontier_gives_one_signing_one_cost() -> None:
    """With nearly all weight on the tail, the other futures still have the best plans that the signing allows."""
    own = gpu("own", 40.0, 0.9, resize="horizon", max=5)
    futures = [{"name": f"s{i}", "probability": 0.1, "demand": {"*": 0.2 * i}} for i in range(10)]
    data = problem(hourly(4 * M), [own, api("rest", 60.0)], periods=3, scenarios=futures)
    points = section(sized(data, frontier=9))["frontier"]
    costs: dict[str, float] = {}
    for point in points:
        expected = costs.setdefault(str(point["signs"]), point["expected_usd"])
        assert point["expected_usd"] == near(expected)
    assert len(costs) > 1
