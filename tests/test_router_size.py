"""What `router size` advises, with the arithmetic of every figure in view."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from problem_factory import Data, api, by_period, gpu, hourly, load, monthly, problem
from sizing_factory import MONTH, M, contract, futures, near, section, signed, sized
from test_router_verify_plans import verify

from router.errors import Infeasible
from router.normalise import normalise
from router.reports.sizing import report_of
from router.sizing import SizeOptions, orders_of, size
from router.sizing.best import without
from router.sizing.first_stage import decide
from router.sizing.options import Study
from router.sizing.signatures import quoted
from solvers import SolveOptions, Stop

HIGHS = Study("highs", SolveOptions())
METHODS = pytest.mark.parametrize("method", ["program", "cuts"])


def article(tokens_m: float, scenarios: list[Data] | None = None, **rest: Any) -> Data:
    """The article's quote: 0.60 against 1.50 USD per M, at least 10 M tokens a month for 12 months."""
    offers = [api("on-demand", 1.5), contract("reserved", 0.6, 10, term_months=12)]
    future = {"scenarios": scenarios} if scenarios else {}
    return problem(monthly(tokens_m * M), offers, periods=12, period_h=MONTH, **future, **rest)


def quote_of(plan: Any, offer: str) -> dict[str, Any]:
    return dict(next(row for row in section(plan)["quotes"] if row["offer"] == offer))


def test_the_articles_quote_breaks_even_at_forty_percent_use() -> None:
    """5 M a month: reserved 12 · 6 = 72, on demand 12 · 7.5 = 90. 0.60 / 1.50 = 40 %; 5 M · 1.5 / 10 M = 0.75 USD."""
    plan = sized(article(5), questions=True, alternatives=3, measures=True, flips=True)
    assert signed(plan) == {"reserved": 10.0}
    quote = quote_of(plan, "reserved")
    assert quote["verdict"] == "sign"
    assert quote["break_even_use"] == near(0.40)
    assert quote["expected_use"] == near(0.50)
    assert quote["worth_usd"] == near(18.0)
    assert quote["walk_away_multiple"] == near(1.25)
    assert quote["prices"] == [
        {
            "what": "usd_per_m",
            "model": None,
            "from_tokens_per_month": None,
            "now_usd": near(0.6),
            "walk_away_usd": near(0.75),
        }
    ]
    told = section(plan)
    assert told["alternatives"][0]["what"] == "nothing signed"
    assert told["alternatives"][0]["more_usd"] == near(18.0)
    down, up = told["flips"]
    assert down["at"] == pytest.approx(0.8, rel=0.011)  # 4 M a month: 40 % of the minimum
    assert down["signs"] == []
    assert up["at"] is None
    assert told["vss_usd"] == near(0.0)


def test_the_advice_may_change_again() -> None:
    """2 M or at least 10 M at 0.60, else 1.50. At 5 M 1.2 + 3 · 1.5 = 5.7 against 6: the small; at 10 M the large."""
    offers = [api("on-demand", 1.5), contract("small", 0.6, 2, overage="none"), contract("large", 0.6, 10)]
    told = section(sized(problem(monthly(2 * M), offers, period_h=MONTH), questions=True, flips=True))
    _, up = told["flips"]
    assert [step["at"] for step in up["steps"]] == [1.25, 1.6, 2.5, 5.0, 10.0]
    assert [[one["offer"] for one in step["signs"]] for step in up["steps"]] == [["small"]] * 3 + [
        ["large"]
    ] * 2


def test_a_quote_not_worth_its_price() -> None:
    """3 M a month: 72 against 54; worth it from 54 / 120 M = 0.45 USD per M down, and from 4 M a month up."""
    plan = sized(article(3), questions=True, alternatives=3, flips=True)
    assert signed(plan) == {}
    quote = quote_of(plan, "reserved")
    assert quote["verdict"] == "walk away"
    assert quote["walk_away_multiple"] == near(0.75)
    assert quote["prices"][0]["walk_away_usd"] == near(0.45)
    assert quote["break_even_use"] == near(0.40)
    assert quote["worth_usd"] == near(-18.0)
    told = section(plan)
    assert [row["what"] for row in told["alternatives"]] == ["with reserved"]
    assert told["flips"][1]["at"] == pytest.approx(4 / 3, rel=0.011)
    assert told["flips"][1]["signs"][0]["offer"] == "reserved"


def test_use_above_the_minimum_does_not_move_the_break_even() -> None:
    """20 M a month: worth signing up to the on-demand price itself, and still from 40 % use of the minimum on."""
    quote = quote_of(sized(article(20), questions=True), "reserved")
    assert quote["prices"][0]["walk_away_usd"] == near(1.5)
    assert quote["break_even_use"] == near(0.40)
    assert quote["expected_use"] == near(2.0)


@METHODS
def test_two_futures(method: str) -> None:
    """10 M a month, times 0.2 or 1.2: signed 12 · (6 + 7.2) / 2 = 79.2; on demand 12 · (3 + 18) / 2 = 126.

    Knowing: 12 · (3 + 7.2) / 2 = 61.2. The mean, 7 M: signed, 72; in both futures that is the plan itself. Price at
    which signing ends: 10.5 = λ · 0.6 · (10 + 12) / 2, so λ = 1.5909.
    """
    plan = sized(
        article(10, futures((0.5, 0.2), (0.5, 1.2))),
        method=method,
        measures=True,
        questions=True,
        alternatives=1,
    )
    told = section(plan)
    assert plan.cost_usd == near(79.2)
    assert (told["ws_usd"], told["ev_usd"], told["eev_usd"]) == (near(61.2), near(72.0), near(79.2))
    assert told["evpi_usd"] == near(18.0)
    assert told["regret_usd"] == {"s0": near(36.0), "s1": near(0.0)}
    assert quote_of(plan, "reserved")["walk_away_multiple"] == near(10.5 / 6.6)
    assert [row["scenario"] for row in told["worst"]] == ["s1", "s0"]
    assert told["worst"][0]["demand_over_mean"] == near(1.2 / 0.7)


def test_dollars_are_halved_towards_the_walk_away_rate() -> None:
    """At least 6 USD a month at 0.60 buys 10 M; 5 M a month at 1.50 cost 7.5. At a dearer rate 6 USD buy less:
    5 M at λ · 0.6 cost max(6, 3 λ), which reaches 7.5 at λ = 2.5, the on-demand price itself.
    """
    offers = [api("on-demand", 1.5), api("reserved", 0.6, commitment={"min_usd_per_month": 6})]
    data = problem(monthly(5 * M), offers, period_h=MONTH)
    quote = quote_of(sized(data, questions=True), "reserved")
    assert quote["walk_away_multiple"] == pytest.approx(2.5, rel=2e-3)
    assert quote["worth_usd"] == near(1.5)
    assert quote["break_even_use"] == near(0.40)  # 10 M bought, 4 M at 1.50 are 6 USD


def test_quotes_of_fees_and_of_instances_bought_ahead() -> None:
    """A fee of 3 a month makes 0.5 of 1.5 USD per M: on 5 M a saving of 5, so worth 2; λ (3 + 2.5) = 7.5.

    An instance serves 1 M an hour at 1 USD; the API asks 2. With 0.75 M an hour it saves 0.5 an hour: break-even use
    1 / 2, walk away at 1.5 USD an hour.
    """
    fee = api("club", 0.5, fee_usd_per_month=3)
    plan = sized(problem(monthly(5 * M), [api("rest", 1.5), fee], period_h=MONTH), questions=True)
    quote = quote_of(plan, "club")
    assert (quote["verdict"], quote["worth_usd"]) == ("sign", near(2.0))
    assert quote["walk_away_multiple"] == near(7.5 / 5.5)
    assert quote["break_even_tokens_per_month"] == near(3 * M)  # 3 USD / (1.50 − 0.50)
    ahead = gpu("own", 1.0, 1.0, resize="horizon")
    plan = sized(problem(hourly(0.75 * M), [api("rest", 2.0), ahead], periods=4), questions=True)
    quote = quote_of(plan, "own")
    assert signed(plan) == {"own": 1.0}
    assert quote["break_even_use"] == near(0.5)
    assert quote["expected_use"] == near(0.75)
    assert quote["prices"] == [
        {
            "what": "usd_per_h",
            "model": None,
            "from_tokens_per_month": None,
            "now_usd": 1.0,
            "walk_away_usd": near(1.5),
        }
    ]


def test_a_commitment_in_dollars_breaks_even_at_what_it_buys() -> None:
    """At least 1,000 USD a month, 1.60 per M for the first 1,000 M and 1.30 above; list price 2.00.

    1,000 USD buy 625 M; 500 M cost as much at list: 80 %, whatever is used above. 2,000 M: 1,600 + 1,300 = 2,900.
    """
    bands = [
        {"from_tokens_per_month": 0, "usd_per_m": 1.6},
        {"from_tokens_per_month": 1e9, "usd_per_m": 1.3},
    ]
    deal = {"name": "deal", "models": {"m": {}}, "commitment": {"min_usd_per_month": 1000, "tiers": bands}}
    plan = sized(problem(monthly(2000 * M), [deal, api("list", 2.0)], period_h=MONTH), questions=True)
    quote = quote_of(plan, "deal")
    assert plan.cost_usd == near(2900)
    assert quote["break_even_use"] == near(0.8)
    assert quote["break_even_tokens_per_month"] == near(500 * M)
    assert [row["from_tokens_per_month"] for row in quote["prices"]] == [0.0, 1e9]


def test_a_quote_that_nothing_can_replace_is_needed() -> None:
    plan = sized(problem(monthly(5 * M), [contract("only", 0.6, 10)], period_h=MONTH), questions=True)
    quote = quote_of(plan, "only")
    assert (quote["verdict"], quote["walk_away_multiple"], quote["worth_usd"]) == ("needed", None, None)


def test_a_quote_that_serves_nothing_is_never_taken() -> None:
    other = {
        **contract("other", 0.6, 10),
        "models": {"n": {"prompt_usd_per_m": 0.6, "completion_usd_per_m": 0.6}},
    }
    plan = sized(problem(monthly(5 * M), [api("rest", 1.5), other], period_h=MONTH), questions=True)
    assert quote_of(plan, "other")["verdict"] == "never"


def test_a_quote_not_taken_is_weighed_signed_now() -> None:
    """7 M a month for 24 months, 0.60 for at least 12 M over 12 months, or 1.00: 7.2 against 7.0 a month.

    Signed now: 12 · 0.2 = 2.4 USD more, and nothing owed later. In the last month it would be 0.2, and 79.2 owed later.
    """
    offers = [api("list", 1.0), contract("year", 0.6, 12, term_months=12)]
    plan = sized(problem(monthly(7 * M), offers, periods=24, period_h=MONTH), questions=True, alternatives=3)
    (row,) = section(plan)["alternatives"]
    assert row["what"] == "with year"
    assert row["more_usd"] == near(2.4)
    assert [(one["start_month"], one["beyond_horizon_usd"]) for one in row["signs"]] == [(0, 0.0)]
    assert quote_of(plan, "year")["worth_usd"] == near(-2.4)


def test_what_is_held_already_is_weighed_for_more() -> None:
    """Two instances held at 1 USD an hour, 5 M an hour to serve at 1 M each, the API at 3: three more, worth 3 · 2."""
    own = gpu("own", 1.0, 1.0, resize="horizon", reserved=2)
    plan = sized(problem(hourly(5 * M), [own, api("rest", 3.0)]), questions=True, alternatives=3)
    assert signed(plan) == {"own": 3.0}
    quote = quote_of(plan, "own")
    assert (quote["verdict"], quote["worth_usd"]) == ("sign", near(6.0))
    assert quote["walk_away_multiple"] is None  # its price is also that of the two held
    (row,) = section(plan)["alternatives"]
    assert (row["what"], row["more_usd"], row["signs"]) == ("nothing signed", near(6.0), [])


def test_an_offer_signed_before_can_be_signed_again() -> None:
    """Ten months of 4 M a month at 0.60, the first half under the old contract of 3 M; 1.00 elsewhere."""
    old = contract("old", 0.6, 3, signed=True, signed_until="2027-05-31T02:00:00", term_months=5)
    data = problem(
        monthly(4 * M),
        [old, api("rest", 1.0)],
        periods=10,
        period_h=MONTH,
        horizon={"start": "2027-01-01T00:00:00"},
    )
    plan = sized(data, questions=True, alternatives=3)
    assert [(row["start_month"], row["end_month"]) for row in section(plan)["sign"]] == [(5, 10)]
    assert quote_of(plan, "old")["worth_usd"] == near(5 * 4 * 0.4)
    assert [row["what"] for row in section(plan)["alternatives"]] == ["nothing signed"]
    assert any("may be signed again" in note for note in plan.notes)


def test_a_contract_of_no_minimum_is_signed_where_it_is_used() -> None:
    """1.00 per M below 10 M, 0.50 from there on, no minimum; 1.50 elsewhere: 6 M cost 5.00 instead of 9.00."""
    bands = [
        {"from_tokens_per_month": 0, "usd_per_m": 1.0},
        {"from_tokens_per_month": 10e6, "usd_per_m": 0.5},
    ]
    terms = {"min_tokens_per_month": 0, "max_tokens_per_month": 1e9, "tiers": bands, "tier_kind": "all_units"}
    tiered = {"name": "tiered", "models": {"m": {}}, "commitment": terms}
    data = problem(monthly(6 * M), [tiered, api("rest", 1.5)], period_h=MONTH)
    plan = sized(data, questions=True, alternatives=3)
    quote = quote_of(plan, "tiered")
    assert [row["offer"] for row in section(plan)["sign"]] == ["tiered"]
    assert (quote["verdict"], quote["worth_usd"]) == ("sign", near(4.0))
    assert quote["walk_away_multiple"] == near(9 / 5)


def test_signing_more_or_less_of_it() -> None:
    """Demand 1 … 10 M alike; v M at 0.70, 1.50 above: 0.7 v + 0.15 · Σ (d − v)⁺, least at v = 6.

    v      3      4.5    5.4    6.6    7.5     9
    Σ      28     18     13     7.6    4.5     1
    """
    volume = contract("volume", 0.7, 0, max_tokens_per_month=12 * M, overage="none")
    stated = [(0.1, float(d)) for d in range(1, 11)]
    plan = sized(
        problem(monthly(M), [volume, api("rest", 1.5)], period_h=MONTH, scenarios=futures(*stated)),
        alternatives=3,
    )
    rows = section(plan)["amounts"]
    assert [row["amount"] / M for row in rows] == [near(v) for v in (3, 4.5, 5.4, 6.6, 7.5, 9)]
    tail = (28, 18, 13, 7.6, 4.5, 1)
    for row, above in zip(rows, tail, strict=True):
        assert row["expected_usd"] == near(0.7 * row["amount"] / M + 0.15 * above)
        assert row["more_usd"] == pytest.approx(row["expected_usd"] - 5.70, abs=1e-9)


def test_amounts_as_they_are_sold() -> None:
    """1 M or 3 M an hour; an instance at 1 USD serves 1 M, the API asks 1.50 per M. One: 1 + 1.5 · 2 / 2 = 2.50; two:
    2 + 1.5 / 2 = 2.75; one and a half is not sold, nor half. Without the API three are needed, and fewer fail.
    """
    units = gpu("units", 1.0, 1.0, resize="horizon", max=3)
    data = problem(hourly(M), [units, api("rest", 1.5)], scenarios=futures((0.5, 1.0), (0.5, 3.0)))
    plan = sized(data, alternatives=3)
    now = signed(plan)["units"]
    assert now == 1.0
    rows = section(plan)["amounts"]
    assert [(row["amount"], row["expected_usd"]) for row in rows] == [(2.0, near(2.75))]
    alone = sized({**data, "offers": data["offers"][:1]}, alternatives=3)
    rows = section(alone)["amounts"]
    assert signed(alone) == {"units": 3.0}
    assert [(row["amount"], row["expected_usd"], row["fails_in"]) for row in rows] == [
        (1.0, None, ["s1"]),
        (2.0, None, ["s1"]),
    ]


# tiers and units


@METHODS
def test_incremental_bands_where_the_plain_program_is_too_cheap(method: str) -> None:
    """1.00 up to 10 M, then 0.40; elsewhere 0.80. Of 20 M: 10 + 4 = 14 against 16. Of 5 M: 5 against 4.

    Without the order of bands all of it would cost 0.40: 8 and 2.
    """
    bands = [
        {"from_tokens_per_month": 0, "usd_per_m": 1.0},
        {"from_tokens_per_month": 10e6, "usd_per_m": 0.4},
    ]
    tiered = {"name": "tiered", "models": {"m": {}}, "commitment": {"tiers": bands}}
    data = problem(
        monthly(10 * M),
        [tiered, api("rest", 0.8)],
        period_h=MONTH,
        scenarios=futures((0.5, 2.0), (0.5, 0.5)),
    )
    plan = sized(data, method=method)
    assert [row.cost_usd for row in plan.scenarios] == [near(14.0), near(4.0)]


@METHODS
def test_buying_up_into_a_band(method: str) -> None:
    """1.00 per M below 10 M, 0.50 on all from 10 M on; elsewhere 2.00. 6 M: 10 M bought for 5.00 beats 6.00.
    4 M: 4.00. The plain program says 3.00 and 2.00.
    """
    bands = [
        {"from_tokens_per_month": 0, "usd_per_m": 1.0},
        {"from_tokens_per_month": 10e6, "usd_per_m": 0.5},
    ]
    tiered = {
        "name": "tiered",
        "models": {"m": {}},
        "commitment": {"tiers": bands, "tier_kind": "all_units"},
    }
    data = problem(
        monthly(2 * M),
        [tiered, api("rest", 2.0)],
        period_h=MONTH,
        scenarios=futures((0.5, 3.0), (0.5, 2.0)),
    )
    plan = sized(data, method=method)
    assert [row.cost_usd for row in plan.scenarios] == [near(5.0), near(4.0)]


@METHODS
def test_provisioned_units_whose_minimum_is_no_multiple_of_the_step(method: str) -> None:
    """0, 5, 7, 9 … units of 1 M tokens an hour at 1 USD, the API at 3; 3 M or 6.5 M an hour.

    0: 3 · (3 + 6.5) / 2 = 14.25;  5: 5 + 3 · 1.5 / 2 = 7.25;  7: 7.00.  Six, which is not sold, would cost 6.75.
    """
    units = gpu("units", 1.0, 1.0, resize="horizon", min=5, step=2)
    data = problem(hourly(M), [units, api("rest", 3.0)], scenarios=futures((0.5, 3.0), (0.5, 6.5)))
    plan = sized(data, method=method)
    assert signed(plan) == {"units": 7.0}
    assert plan.cost_usd == near(7.0)


def test_a_spend_sold_in_steps() -> None:
    """Steps of 3 USD a month at 0.50 per M: 0, 6 or 12 M and no more; 1.50 on demand, demand 1 … 10 M alike.

    6 M: 3 + 1.5 · 1.0 = 4.50;  12 M: 6.00;  none: 1.5 · 5.5 = 8.25. The best of any size is 7 M (P(D > 7) < 1/3): 4.40.
    """
    spend = {"min_usd_per_month": 0, "max_usd_per_month": 9, "step_usd_per_month": 3, "overage": "none"}
    stated = [(0.1, float(d)) for d in range(1, 11)]
    offers = [api("spend", 0.5, commitment=spend), api("rest", 1.5)]
    plan = sized(problem(monthly(M), offers, period_h=MONTH, scenarios=futures(*stated)))
    assert signed(plan) == {"spend": near(3.0)}
    assert plan.cost_usd == near(4.5)


# terms, end dates, discounting


@METHODS
def test_overlapping_terms_of_12_and_36_months(method: str) -> None:
    """1 M an hour for 36 months, 2 M in the second year. An instance for a year at 1.00 USD an hour, for three at 0.70.

    One for three years and one for the second year: 730 · (36 · 0.7 + 12) = 27,156. Two for three years: 36,792;
    years alone, 4: 35,040.
    """
    demand = [MONTH * M * (2 if 12 <= k < 24 else 1) for k in range(36)]
    offers = [
        gpu("year", 1.0, 1.0, term_months=12),
        gpu("three-years", 0.7, 1.0, term_months=36),
        api("rest", 50.0),
    ]
    data = problem(
        by_period(demand),
        offers,
        periods=36,
        period_h=MONTH,
        scenarios=futures((0.5, 1.0), (0.5, 0.4)),
    )
    plan = sized(data, method=method)
    assert plan.cost_usd == near(27_156)
    bought = {(row.offer, row.month): row.count for row in plan.purchases}
    assert bought == {("three-years", 0): 1.0, ("year", 12): 1.0}


def test_terms_of_one_offer_overlap() -> None:
    """12 months bought in month 0 and in month 6: two in months 6 to 11, one before and after."""
    demand = [MONTH * M * (2 if 6 <= k < 12 else 1) for k in range(18)]
    data = problem(
        by_period(demand),
        [gpu("year", 1.0, 1.0, term_months=12), api("rest", 50.0)],
        periods=18,
        period_h=MONTH,
    )
    plan = sized(data)
    assert {(row.month, row.count) for row in plan.purchases} == {(0, 1.0), (6, 1.0)}
    assert plan.cost_usd == near(24 * MONTH)
    assert [(row["start_month"], row["end_month"]) for row in section(plan)["sign"]] == [(0, 12), (6, 18)]


def test_contracts_of_shorter_terms_start_when_they_pay() -> None:
    """Nothing in months 0 and 1, then 8 M: 6 USD for 10 M against 12. A term of 2 months from month 2 on."""
    short = contract("short", 0.6, 10, term_months=2)
    data = problem(by_period([0.0, 0.0, 8 * M, 8 * M]), [short, api("rest", 1.5)], periods=4, period_h=MONTH)
    plan = sized(data)
    assert [(row["start_month"], row["end_month"]) for row in section(plan)["sign"]] == [(2, 4)]
    assert plan.cost_usd == near(12.0)


def test_a_term_as_long_as_the_horizon_starts_with_it_unless_told_otherwise() -> None:
    """Nothing in months 0 to 3, then 10 M a month, times 0.7 or 1.3; 1.50 for at least 8 M against 2.00.

    From month 4 on: 8 · 1.5 · (8 + 13) / 2 = 126 USD; on demand 8 · 2 · 10 = 160. From month 0 on 4 · 12 more: 174.
    """
    demand = [0.0] * 4 + [10 * M] * 8
    for start, usd in (("any", 126.0), (None, 160.0), ("first", 160.0)):
        terms = {} if start is None else {"start": start}
        offers = [api("list", 2.0), contract("year", 1.5, 8, term_months=12, **terms)]
        data = problem(
            by_period(demand),
            offers,
            periods=12,
            period_h=MONTH,
            scenarios=futures((0.5, 0.7), (0.5, 1.3)),
        )
        plan = sized(data, questions=True)
        assert plan.cost_usd == near(usd)
        assert any("starts with the horizon" in note for note in plan.notes) == (start is None)
        if start == "any":
            assert (plan.contracts[0].start_month, plan.contracts[0].end_month) == (4, 16)
            assert quote_of(plan, "year")["walk_away_multiple"] == near(160 / 126)


def test_a_signed_contract_is_sunk_and_ends() -> None:
    """10 M a month at 0.60 signed until the end of month 2 of 4; 2 M a month cost 3 on demand: 6 + 6, then 3 + 3."""
    old = contract("old", 0.6, 10, signed=True, signed_until="2027-03-02T20:00:00", term_months=12)
    data = problem(
        monthly(2 * M),
        [old, api("rest", 1.5)],
        periods=4,
        period_h=MONTH,
        horizon={"start": "2027-01-01T00:00:00"},
    )
    plan = sized(data, questions=True, alternatives=3)
    assert plan.cost_usd == near(18.0)
    assert section(plan)["sign"] == []
    assert section(plan)["quotes"] == []  # what is signed is no quote
    assert [(row.signed_by, row.end_month) for row in plan.contracts] == [("before", 2)]


def test_what_is_owed_past_the_horizon_is_said() -> None:
    """12 months signed in a horizon of 2: 10 months of 6 USD are still to come."""
    data = problem(monthly(8 * M), article(8)["offers"], periods=2, period_h=MONTH)
    row = section(sized(data))["sign"][0]
    assert (row["start_month"], row["end_month"]) == (0, 12)
    assert (row["expected_usd"], row["least_usd"]) == (near(12.0), near(12.0))
    assert row["beyond_horizon_usd"] == near(60.0)


@pytest.mark.parametrize("end", ["prorate", "charge_in_full"])
def test_what_instances_owe_past_the_horizon_is_said(end: str) -> None:
    """One for 12 months at 2 USD an hour and 120 upfront, in a horizon of 3: 9 months of rent are to come, and where
    terms are prorated 90 of what was paid upfront. Owed inside is what the plan counts of it.
    """
    year = gpu("year", 2.0, 1.0, term_months=12, upfront_usd=120)
    data = problem(
        hourly(M), [year, api("rest", 50.0)], periods=3, period_h=MONTH, policy={"end_of_horizon": end}
    )
    plan = sized(data)
    (row,) = section(plan)["sign"]
    rent = 9 * MONTH * 2
    assert row["beyond_horizon_usd"] == near(rent + (90 if end == "prorate" else 0))
    assert row["least_usd"] == near(plan.cost_usd - (0 if end == "prorate" else rent))


def test_each_term_has_its_own_bill_and_debt() -> None:
    """8 M a month for 6 months, terms of 4 months at 6 USD a month: the second ends two months after the horizon."""
    short = contract("short", 0.6, 10, term_months=4)
    plan = sized(problem(monthly(8 * M), [short, api("rest", 1.5)], periods=6, period_h=MONTH))
    rows = section(plan)["sign"]
    assert [(row["start_month"], row["end_month"]) for row in rows] == [(0, 4), (4, 8)]
    assert [row["expected_usd"] for row in rows] == [near(24.0), near(12.0)]
    assert [row["beyond_horizon_usd"] for row in rows] == [0.0, near(12.0)]
    assert {row.month: row.beyond_horizon_usd for row in plan.settlements} == {
        month: near(12.0) if month >= 4 else 0.0 for month in range(6)
    }


def test_discounting() -> None:
    """6 USD a month for a year at 10 %: each month's bill weighs 1.1^(−730 k / 8760)."""
    plan = sized(article(8, policy={"discount_rate_per_year": 0.10}), questions=True)
    weight = sum(1.1 ** (-730 * k / 8760) for k in range(12))
    assert plan.cost_usd == near(6 * weight)
    quote = quote_of(plan, "reserved")
    assert quote["walk_away_multiple"] == near(2.0)  # both sides are discounted alike
    assert quote["break_even_use"] == near(0.40)


# where the plan for the mean fails, and other people's commitments


def test_the_plan_for_the_mean_fails_in_a_named_future() -> None:
    """Own instances alone: two for the mean, three for the peak."""
    data = problem(
        hourly(M), [gpu("own", 1.0, 1.0, resize="horizon")], scenarios=futures((0.5, 1.0), (0.5, 3.0))
    )
    plan = sized(data, measures=True)
    told = section(plan)
    assert signed(plan) == {"own": 3.0}
    assert told["ev_usd"] == near(2.0)
    assert (told["eev_usd"], told["vss_usd"], told["eev_fails_in"]) == (None, None, ["s1"])


def test_a_better_plan_met_on_the_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that stops with nothing signed: the plan for the mean is better, and so is an alternative."""
    data = article(10, futures((0.5, 0.2), (0.5, 1.2)))
    inst = normalise(load(data))
    right = decide(inst, HIGHS)
    nothing = decide(without(inst, quoted(inst)), HIGHS)
    poor = replace(nothing, bound_usd=right.bound_usd, stop=Stop.TIME_LIMIT)
    monkeypatch.setattr("router.sizing.run.decide", lambda *_, **__: poor)
    for how in ({"measures": True}, {"alternatives": 3}):
        plan = sized(data, **how)
        assert signed(plan) == {"reserved": 10.0}
        assert plan.cost_usd == near(79.2)
    assert sized(data).cost_usd == near(126.0)


def test_a_bound_that_a_better_plan_refutes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that calls 126.0 the optimum, wrongly: the plan for the mean costs 79.2, as our own bound says."""
    data = article(10, futures((0.5, 0.2), (0.5, 1.2)))
    inst = normalise(load(data))
    wrong = decide(without(inst, quoted(inst)), HIGHS)
    monkeypatch.setattr("router.sizing.run.decide", lambda *_, **__: wrong)
    plan = sized(data, measures=True)
    assert plan.cost_usd == near(79.2)
    assert (plan.bound_usd, plan.gap, plan.stop) == (near(79.2), near(0.0), "optimal")
    assert plan.proof is not None
    assert plan.proof.kind == "own"


@METHODS
def test_nothing_to_sign_at_all(method: str) -> None:
    data = problem(monthly(M), api("rest", 1.5), period_h=MONTH, scenarios=futures((0.5, 1.0), (0.5, 3.0)))
    plan = sized(data, method=method, measures=True)
    assert plan.cost_usd == near(3.0)
    assert section(plan)["sign"] == []


@METHODS
def test_what_is_bought_runs_beside_what_is_held_where_nothing_is_asked(method: str) -> None:
    """A pool runs two or more; one is held, one is bought for the busy future, and in the idle one they run too."""
    own = gpu("own", 1.0, 1.0, term_months=1, min=2, reserved=1, max=3)
    data = problem(
        hourly(2 * M), [own, api("rest", 9.0)], period_h=MONTH, scenarios=futures((0.5, 0.0), (0.5, 1.0))
    )
    plan = sized(data, method=method)
    assert signed(plan) == {"own": 1.0}
    assert plan.cost_usd == near(2 * MONTH)


def test_steps_that_cuts_do_not_see_are_left_to_one_program() -> None:
    """Bought for a term one by one, but run in twos: cuts would buy one."""
    own = gpu("own", 1.0, 1.0, term_months=1, step=2)
    data = problem(
        hourly(M), [own, api("rest", 9.0)], period_h=MONTH, scenarios=futures((0.5, 0.5), (0.5, 1.0))
    )
    cuts, whole = sized(data, method="cuts"), sized(data, method="program")
    assert cuts.cost_usd == near(whole.cost_usd)
    assert cuts.solver.method == "one program"
    assert cuts.gap <= 1e-6


@METHODS
def test_a_fee_that_no_future_uses_is_not_due(method: str) -> None:
    """1 USD a month saves 0.5 USD per M on 1 or 1.5 M a month: never worth it, though in part of the months nearly."""
    data = problem(
        monthly(M),
        [api("club", 1.0, fee_usd_per_month=1), api("rest", 1.5)],
        period_h=MONTH,
        scenarios=futures((0.5, 1.0), (0.5, 1.5)),
    )
    plan = sized(data, method=method)
    assert signed(plan) == {}
    assert plan.cost_usd == near(1.875)


@METHODS
def test_a_budget_is_of_expected_money(method: str) -> None:
    """10 M at 0.60 a month cost 6 in one future and 12 where the seller doubles its price: 9 on average."""
    scenarios = [
        {"name": "same", "probability": 0.5},
        {"name": "dear", "probability": 0.5, "prices": {"*": 2.0}},
    ]
    for budget, usd in ((9.01, 9.0), (8.99, 0.5 * 12 + 0.5 * 24)):
        data = problem(
            monthly(8 * M),
            [api("rest", 1.5), contract("reserved", 0.6, 10)],
            period_h=MONTH,
            scenarios=scenarios,
            policy={"max_committed_usd": budget},
        )
        plan = sized(data, method=method, evaluate=orders_of(["reserved=yes"]))
        assert plan.cost_usd == near(usd)
        told = section(plan)["evaluated"]
        assert told.get("expected_usd") == (near(9.0) if budget > 9 else None)
        if budget < 9:
            assert told["why"] == "it commits 9.00 USD, more than policy.max_committed_usd, 8.99"


def test_what_the_money_means_stands_in_the_notes() -> None:
    """Present values, terms past the horizon, budgets, and multipliers that change nothing."""
    scenarios = [{"name": "outage", "probability": 1.0, "availability": {"on-demand": 0.0}}]
    policy = {"discount_rate_per_year": 0.1, "max_spend_usd": 1e9, "max_committed_usd": 1e9}
    data = {**article(8, scenarios, policy=policy), "horizon": {"periods": 2, "period_h": MONTH}}
    notes = "\n".join(sized(data).notes)
    for told in (
        "present values at 10 % a year",
        "counts by its part inside",
        "max_spend_usd holds in every future",
        "max_committed_usd is of what is committed",
        "availability of on-demand changes nothing",
    ):
        assert told in notes
    scenarios = [{"name": "war", "probability": 1.0, "availability": {"*": 0.5}, "prices": {"*": 1.5}}]
    plan = sized(article(8, scenarios))
    assert any("without any, as before: on-demand, reserved" in note for note in plan.notes)
    assert any("also once signed (reserved)" in note for note in plan.notes)
    assert not any("present" in note or "counts by" in note for note in sized(article(8)).notes)


def test_what_budgets_cost_is_said() -> None:
    """At most 36 USD committed over 12 months buy no contract of 72 USD: on demand, 90, instead of 72."""
    plan = sized(article(5, policy={"max_committed_usd": 36}), questions=True)
    assert signed(plan) == {}
    assert section(plan)["budgets_cost_usd"] == near(18.0)


def test_an_infeasible_problem_names_its_future() -> None:
    own = gpu("own", 1.0, 1.0, resize="horizon", max=2)
    data = problem(hourly(M), own, scenarios=futures((0.5, 1.0), (0.5, 3.0)))
    with pytest.raises(Infeasible, match=r'(?s)scenario "s1" cannot be served.*explain FILE --scenario s1'):
        sized(data)


def test_no_plan_for_a_future_is_infeasible() -> None:
    data = problem(
        hourly(M),
        [gpu("own", 1.0, 1.0, resize="horizon", max=2)],
        scenarios=futures((0.5, 1.0), (0.5, 3.0)),
    )
    for method in ("program", "cuts"):
        with pytest.raises(Infeasible):
            sized(data, method=method)


def test_one_certain_future_is_sized_too() -> None:
    """No scenarios in the file: the same plan as `solve`, with the same rows."""
    plan = sized(article(5), measures=True)
    assert plan.scenarios == ()
    assert {row.scenario for row in plan.routes} == {None}
    assert section(plan)["worst"] == []


def test_verify_checks_a_sized_plan_scenario_by_scenario() -> None:
    """A plan whose second future is short-changed fails, in whichever row the fault is."""
    data = article(10, futures((0.5, 0.2), (0.5, 1.2)))
    plan = sized(data).to_dict()
    assert verify(load(data), plan).ok
    for table, field in (("routes", "share"), ("settlements", "billed_usd"), ("scenarios", "cost_usd")):
        broken = json.loads(json.dumps(plan))
        at = next(i for i, row in enumerate(broken[table]) if row.get("scenario", row.get("name")) == "s1")
        broken[table][at][field] *= 0.9
        assert not verify(load(data), broken).ok, table


def test_large_problems_are_asked_less_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.sizing.options.QUICK", 1)
    plain = size(load(article(5)), how=SizeOptions(measures=False))
    assert "quotes" not in section(plain)
    asked = size(load(article(5)), how=SizeOptions(measures=False, questions=True, alternatives=2))
    assert section(asked)["quotes"]
    assert section(asked)["alternatives"]


def test_a_better_amount_met_on_the_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that stops at 4 M of the 6 M that are best: half as much again is signed instead.

    Demand 2, 4, … 10 M alike; 6 M at 0.70, and 0.2 · 1.5 · (2 + 4) above.
    """
    volume = contract("volume", 0.7, 0, max_tokens_per_month=12 * M, overage="none")
    stated = [(0.2, float(d)) for d in range(2, 11, 2)]
    data = problem(monthly(M), [volume, api("rest", 1.5)], period_h=MONTH, scenarios=futures(*stated))
    right = decide(normalise(load(data)), HIGHS)
    poor = replace(right, decision=replace(right.decision, committed=np.array([4 * M])), stop=Stop.TIME_LIMIT)
    monkeypatch.setattr("router.sizing.run.decide", lambda *_, **__: poor)
    plan = sized(data, alternatives=3)
    assert signed(plan) == {"volume": 6.0}
    assert (plan.cost_usd, plan.gap) == (near(6.0), near(0.0))
    assert not any((row["more_usd"] or 0.0) < -1e-9 for row in section(plan)["amounts"])


def test_the_headline_tells_what_is_signed_now_from_what_is_planned_for_later() -> None:
    """A fee of 2 in all three months, and 10 M · 0.60 in the third; a term of two months has one more."""
    deal = contract("deal", 0.6, 10, term_months=2)
    club = api("club", 0.5, ("n",), fee_usd_per_month=2)
    loads = [by_period([0, 0, 10 * M]), {**by_period([4 * M] * 3, name="other"), "models": ["n"]}]
    data = problem(loads, [api("on-demand", 1.5), deal, club], periods=3, period_h=MONTH)
    first, planned, cost, owed, *_ = report_of(sized(data)).headline
    assert first == "sign club now"
    assert planned == "Planned for later: deal 10 M tokens a month from month 3"
    assert cost.startswith("18.00 USD expected")
    assert owed == (
        "Owed whatever comes: 6.00 USD within the horizon by what is signed now; "
        "6.00 USD within the horizon and 6.00 after it by what is planned for later"
    )
