"""`router size` with agreements: worked out by hand, an hour of use at 2 USD or at three times that, half and half."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from problem_factory import MONTH, Data, api, by_period, gpu, load, problem
from pytest import approx
from sizing_factory import sized as planned

import router
from router.errors import InputError
from router.plan.document import Plan
from router.plan.sizing import Sizing
from router.sizing.orders import orders_of

M = 1e6
FUTURES = [{"name": "low", "probability": 0.5}, {"name": "high", "probability": 0.5, "demand": {"*": 3}}]
EVERYTHING: Data = {"questions": True, "flips": True, "alternatives": 3, "measures": True}
HOURLY = {"name": "plan", "provider": "v", "offers": ["a"], "settled": "hour"}


def sized(
    terms: Data, tokens: tuple[float, ...] = (M,), period_h: float = 1.0, **how: Any
) -> tuple[Plan, Sizing]:
    data = problem(by_period([*tokens]), [api("a", 2.0)], periods=len(tokens), period_h=period_h)
    plan = planned({**data, "commitments": [{**HOURLY, **terms}], "scenarios": FUTURES}, **how)
    assert plan.sizing is not None
    return plan, plan.sizing


def test_what_is_committed_suits_both_futures() -> None:
    """40 % off: a dollar covers 1/0.6 of list. Up to 1.2 it does so in both futures; above, it saves 0.83 expected.

    So 1.2, which covers the low future's 2: 0.5 · (1.2 + 5.2) = 3.2. Who knows: 1.2 or 3.6, mean 2.4. For the mean of 4
    it were 2.4: 0.5 · (2.4 + 4.4) = 3.4.
    """
    plan, section = sized({"discount": 0.4, "min_usd": 0, "max_usd": 9}, **EVERYTHING)
    (row,) = section.sign
    assert (row.committed_usd_per_month, row.expected_use) == (approx(1.2 * MONTH), approx(1.0))
    assert (section.rp_usd, section.evpi_usd, section.vss_usd) == (approx(3.2), approx(0.8), approx(0.2))
    (quote,) = section.quotes or ()
    assert (quote.verdict, quote.worth_usd) == ("sign", approx(0.8))
    assert (quote.break_even_use, quote.expected_use) == (approx(0.6), approx(1.0))
    assert plan.bound_usd == approx(3.2, rel=1e-5)


def test_the_least_discount_at_which_it_is_still_signed() -> None:
    """3 an hour at discount d cover min(2, 3/(1 − d)) and min(6, 3/(1 − d)): 1 + 1.5/(1 − d) saved for 3: d = 1/4.

    At 60 % off it saves 1 + 3 − 3; at 20 % it would cost 1/8, and is signed from 25 % on too; without any, never.
    """
    terms = {"min_usd": 3}
    for discount, verdict, worth in ((0.6, "sign", 1.0), (0.2, "walk away", -0.125)):
        _, section = sized({**terms, "discount": discount}, questions=True)
        (quote,) = section.quotes or ()
        assert (quote.verdict, quote.worth_usd) == (verdict, approx(worth))
        assert quote.walk_away_multiple is None
        (off,) = quote.discounts
        assert (off.offer, off.now, off.least) == ("a", approx(discount), approx(0.25, abs=1e-4))
    _, section = sized({**terms, "discount": 0.0}, questions=True)
    (quote,) = section.quotes or ()
    assert (quote.verdict, quote.discounts[0].least) == ("never", None)


def test_all_discounts_are_cut_alike() -> None:
    """4 and then 2 of use on each of a and b, 30 and 10 % off, times k; 5 an hour cover all of the second hour, 4.

    Of the first hour they cover a, for 4 − 1.2 k, and (1 + 1.2 k) / (1 − 0.1 k) of b: 10 in all where k = 5/7. At k = 1
    they save 4 + 2.2 / 0.9 + 4 − 10.
    """
    loads = [by_period([2 * M, M], "x"), by_period([2 * M, M], "y", models=["n"])]
    terms = {**HOURLY, "offers": ["a", "b"], "discount": {"a": 0.3, "b": 0.1}, "min_usd": 5}
    data = {**problem(loads, [api("a", 2.0), api("b", 2.0, ("n",))], periods=2), "commitments": [terms]}
    plan = planned(data, questions=True)
    assert plan.sizing is not None
    (quote,) = plan.sizing.quotes or ()
    assert quote.worth_usd == approx(2.2 / 0.9 - 2)
    least = {off.offer: off.least for off in quote.discounts}
    assert least == {"a": approx(0.3 * 5 / 7, rel=1e-4), "b": approx(0.1 * 5 / 7, rel=1e-4)}


@pytest.mark.parametrize("method", ["program", "cuts"])
def test_terms_are_bought_in_steps_that_end_staggered(method: str) -> None:
    """Use of 2,000, 4,000 and 6,000 in three months, or three times that; terms of two months, 40 % off.

    Expected best is what the low future uses: 1,200, 2,400, 3,600 in force. 1,200 in the first month, 1,200 more in the
    second, and in the third, when the first term has ended, 2,400.
    """
    terms = {
        "settled": "month",
        "discount": 0.4,
        "term_months": 2,
        "stackable": True,
        "min_usd": 0,
        "max_usd": 1e5,
    }
    _, section = sized(terms, (1e9, 2e9, 3e9), MONTH, method=method)
    assert {row.start_month: row.committed_usd_per_month for row in section.sign} == {
        0: approx(1200),
        1: approx(1200),
        2: approx(2400),
    }
    assert section.rp_usd == approx(0.5 * 7200 + 0.5 * (7200 + 24000))
    assert [row.expected_usd for row in section.sign] == approx([2400, 2400, 2400])
    assert section.sign[-1].beyond_horizon_usd == approx(2400)


def test_hourly_terms_that_overlap_within_a_month_share_its_bill_by_what_is_due() -> None:
    """1, 3 and 2 M at 2; at 60 % off 0.8, 2.4 and 1.6 are billed. Terms of two hours, in two futures alike.

    0.8 from the first hour and 1.6 from the second: 0.8 + 2.4 + 1.6 = 4.8.
    One bill of the month: 1.6 of it is due by the first term, 3.2 by the second.
    """
    data = problem(by_period([M, 3 * M, 2 * M]), [api("a", 2.0)], periods=3)
    futures = [{"name": name, "probability": 0.5} for name in ("one", "other")]
    terms = {**HOURLY, "discount": 0.6, "min_usd": 0, "max_usd": 9, "term_h": 2, "stackable": True}
    stated = load({**data, "commitments": [terms], "scenarios": futures})
    plan = router.size(stated)
    assert plan.cost_usd == approx(4.8)
    assert plan.sizing is not None
    signs = {row.from_h: row for row in plan.sizing.sign}
    assert {hour: (row.committed_usd_per_month or 0) / MONTH for hour, row in signs.items()} == approx(
        {0: 0.8, 1: 1.6}
    )
    assert {hour: row.expected_usd for hour, row in signs.items()} == approx({0: 1.6, 1: 3.2})
    assert {hour: row.least_usd for hour, row in signs.items()} == approx({0: 1.6, 1: 3.2})
    lies = [replace(row, expected_usd=2.4) for row in plan.sizing.sign]
    wrong = replace(plan, sizing=replace(plan.sizing, sign=tuple(lies)))
    assert not router.verify(stated, wrong).ok


def test_a_ladder_of_one_s_own_is_priced_beside_the_best() -> None:
    """600 and 600 of month 2 on: low 600 + 1,200 + 600, less list of 1,000 + 2,000 + 1,000 covered."""
    terms = {
        "settled": "month",
        "discount": 0.4,
        "term_months": 2,
        "stackable": True,
        "min_usd": 0,
        "max_usd": 1e3,
    }
    with pytest.raises(
        InputError, match=r"commits at most 1,000 USD a month in all, not 1,200, from month 2 on"
    ):
        sized(terms, (1e9, 2e9, 3e9), MONTH, evaluate=orders_of(["plan=600", "plan@2=600"]))
    terms["max_usd"] = 2e3
    _, section = sized(terms, (1e9, 2e9, 3e9), MONTH, evaluate=orders_of(["plan=600", "plan@2=600"]))
    assert section.evaluated is not None
    usd = section.evaluated.by_scenario_usd or {}
    assert usd == {"low": approx(12000 + 2400 - 4000), "high": approx(36000 + 2400 - 4000)}


def test_prices_of_futures_are_those_of_use_and_the_worst_name_offers_alone() -> None:
    """List doubles in one future: 1 an hour at 50 % off covers 2 of 2, or 2 of 4."""
    data = problem(by_period([M]), [api("a", 2.0)])
    futures = [
        {"name": "as now", "probability": 0.5},
        {"name": "dear", "probability": 0.5, "prices": {"*": 2}},
    ]
    terms = {**HOURLY, "discount": 0.5, "min_usd": 1}
    plan = planned({**data, "commitments": [terms], "scenarios": futures})
    assert {row.name: row.cost_usd for row in plan.scenarios} == {"as now": approx(1), "dear": approx(3)}
    assert plan.sizing is not None
    assert plan.sizing.worst[0].prices == {"a": 2.0}


def test_the_check_sees_discounts_that_are_not_cut_alike_or_not_stated() -> None:
    data = problem(by_period([M]), [api("a", 2.0)])
    data |= {"commitments": [{**HOURLY, "discount": 0.6, "min_usd": 1}], "scenarios": FUTURES}
    stated, plan = load(data), planned(data, questions=True)
    assert plan.sizing is not None
    (quote,) = plan.sizing.quotes or ()
    (off,) = quote.discounts
    lies = (
        replace(quote, discounts=()),
        replace(quote, discounts=(replace(off, now=0.7),)),
        replace(quote, discounts=(replace(off, least=0.9),)),
        replace(quote, discounts=(replace(off, offer="b"),)),
        replace(quote, break_even_use=0.6),
        replace(quote, walk_away_multiple=2.0),
    )
    for lie in lies:
        wrong = replace(plan, sizing=replace(plan.sizing, quotes=(lie,)))
        assert not router.verify(stated, wrong).ok, lie


def test_every_hour_of_a_bill_is_discounted_from_its_own_begin() -> None:
    """10 % off, 1.8 an hour of 365 hours, both hours of one billing month: 1.8 now, 1.8 · 1.1^(−365/8760) later."""
    data = problem(by_period([M, M]), [api("a", 2.0)], periods=2, period_h=365.0)
    terms = {**HOURLY, "discount": 0.1, "min_usd": 1.8 / 365}
    plan = planned({**data, "commitments": [terms], "policy": {"discount_rate_per_year": 0.1}})
    assert plan.sizing is not None
    (row,) = plan.sizing.sign
    assert row.expected_usd == approx(1.8 + 1.8 * 1.1 ** (-365 / 8760), rel=1e-9)
    assert row.expected_usd == approx(plan.cost_usd, rel=1e-9)


def test_one_of_several_levels_is_signed_for_all_futures() -> None:
    """Use of 5 and 3, or of 20 and 12, at 1.00: the level of 8 at 40 % off pays max(8, 3), max(8, 1.8), 12, 8."""
    levels = [{"usd": 5, "discount": 0.1}, {"usd": 8, "discount": 0.4}]
    deal = api("deal", 1.0, commitment={"settled": "hour", "levels": levels})
    futures = [
        {"name": name, "probability": 0.5, "demand": {"*": by}} for name, by in (("low", 1), ("high", 4))
    ]
    data = problem(by_period([5 * M, 3 * M]), [deal, api("listed", 1.5)], periods=2)
    plan = planned(data | {"scenarios": futures})
    costs = {5: (5 + 5 + 18 + 10.8) / 2, 8: (8 + 8 + 12 + 8) / 2}
    assert plan.cost_usd == approx(min(costs.values()))
    assert plan.sizing is not None
    (row,) = plan.sizing.sign
    assert row.committed_usd_per_month == approx(8 * 730)


def test_levels_and_bands_of_an_agreement_are_sized_and_their_discounts_cut_alike() -> None:
    """Use of 2 or 6. Level 2 at 20 % off covers 2.5: 0.5 · 2 + 0.5 · 5.5; level 4 at 40 %: 4 in both; without: 4.

    So 3.75. Of 3 at 40 % alone: 0.5 · (2 + 5) saved for 3, and 0.5 · (2 + 3 / (1 − d)) from d = 25 % on.
    """
    levels = [{"usd": 2, "discount": 0.2}, {"usd": 4, "discount": 0.4}]
    _, section = sized({"levels": levels}, questions=True)
    assert [(row.committed_usd_per_month, section.rp_usd) for row in section.sign] == [
        (approx(2 * MONTH), approx(3.75))
    ]
    (quote,) = section.quotes or ()
    assert [(off.offer, off.now, off.from_usd_per_month) for off in quote.discounts or ()] == [
        ("a", 0.0, None),
        (None, approx(0.2), approx(2 * MONTH)),
        (None, approx(0.4), approx(4 * MONTH)),
    ]
    alone = [{"usd": 3, "discount": 0.4}]
    plan, section = sized({"levels": alone}, questions=True)
    (quote,) = section.quotes or ()
    assert (quote.verdict, (quote.discounts or ())[1].least) == ("sign", approx(0.25, abs=1e-4))
    lie = replace(
        quote, discounts=tuple(replace(off, from_usd_per_month=None) for off in quote.discounts or ())
    )
    assert plan.sizing is not None
    data = problem(by_period([M]), [api("a", 2.0)])
    stated = load({**data, "commitments": [{**HOURLY, "levels": alone}], "scenarios": FUTURES})
    assert router.verify(stated, plan).ok
    assert not router.verify(stated, replace(plan, sizing=replace(plan.sizing, quotes=(lie,)))).ok


def test_a_future_that_does_not_use_an_agreement_states_that_it_covers_nothing() -> None:
    """30 % off what a month uses above 3,000; the low future uses 2,000, the high one 6,000, less 900."""
    bands = [{"from_usd": 0, "discount": 0}, {"from_usd": 3000, "discount": 0.3}]
    terms = {"settled": "month", "discount_tiers": bands, "overage": "contract"}
    plan, section = sized(terms, (1e9,), MONTH)
    assert section.rp_usd == approx(0.5 * 2000 + 0.5 * 5100)
    assert {row.scenario: row.covered_usd for row in plan.settlements}["high"] == approx(6000)
    _, section = sized({**terms, "min_usd": 1500}, (1e9,), MONTH, questions=True)
    (quote,) = section.quotes or ()
    assert (quote.verdict, quote.worth_usd) == ("sign", approx(450))


THRICE = [{"name": "low", "probability": 0.5}, {"name": "high", "probability": 0.5, "demand": {"*": 3}}]


@pytest.mark.parametrize("method", ["program", "cuts"])
def test_units_are_signed_for_all_futures_and_have_a_highest_price(method: str) -> None:
    """1 machine or 3 at 10 an hour; units at 7 in twos: 2 for two hours are 28, and 10 for the third machine: 38.

    Without any it is 40: 2 units for two hours save 30 at most, 7.5 each.
    """
    units = {
        "name": "ptu",
        "offers": ["g"],
        "in": "units",
        "usd_per_unit_h": 7,
        "step_units": 2,
        "max_units": 8,
    }
    data = problem(by_period([M, M]), [gpu("g", 10, 1)], periods=2)
    plan = planned(data | {"commitments": [units], "scenarios": THRICE}, method=method, questions=True)
    assert plan.sizing is not None
    assert plan.sizing.rp_usd == approx(38)
    (row,), (quote,) = plan.sizing.sign, plan.sizing.quotes or ()
    assert (row.committed_usd_per_month, row.least_usd) == (approx(2 * 7 * 730), approx(28))
    assert (quote.verdict, quote.worth_usd, quote.discounts) == ("sign", approx(2), None)
    assert [(price.what, price.walk_away_usd) for price in quote.prices] == [("usd_per_unit_h", approx(7.5))]
    assert plan.bound_usd == approx(38, rel=1e-5)


def test_a_credit_pays_in_every_future_and_a_quote_is_weighed_beside_it() -> None:
    """4 or 12 USD of a, of which 6 are paid: 0 or 3 M elsewhere at 1.90, mean 2.85.

    1 an hour at a discount of d on b costs 2 in both futures, and saves 2 / (1 − d) in one: from a half off on.
    """
    plan_b = {"name": "plan", "offers": ["b"], "settled": "hour", "min_usd": 1, "discount": 0.1}
    data = problem(by_period([M, M]), [api("a", 2.0), api("b", 1.9)], periods=2)
    gift = {"name": "gift", "offers": ["a"], "usd": 6}
    terms = {"commitments": [plan_b], "credits": [gift], "scenarios": THRICE}
    plan = planned(data | terms, questions=True, measures=True)
    assert plan.sizing is not None
    assert plan.sizing.rp_usd == approx(2.85)
    assert plan.sizing.ws_usd == approx((5.7 - 2 / 0.9 + 2) / 2)
    (quote,) = plan.sizing.quotes or ()
    assert quote.verdict == "walk away"
    assert [row.least for row in quote.discounts or ()] == [approx(0.5, abs=1e-4)]
    assert {row.scenario for row in plan.credits or ()} == {"low", "high"}


def test_what_counts_elsewhere_is_sized() -> None:
    """2 or 6 USD an hour; 12 are due to `all` less what `plan` bills: 3 an hour save nothing, for 12 is due anyhow."""
    inner = {"name": "plan", "offers": ["a"], "settled": "hour", "discount": 0.5, "min_usd": 0, "max_usd": 9}
    outer = {"name": "all", "offers": ["b"], "settled": "hour", "overage": "contract", "min_usd": 12}
    outer |= {"signed": True, "counts": {"plan": 1.0}}
    data = problem(by_period([M, M]), [api("a", 2.0), api("b", 9.0)], periods=2)
    plan = planned(data | {"commitments": [inner, outer], "scenarios": THRICE})
    assert plan.sizing is not None
    assert plan.sizing.rp_usd == approx(2 * 12)


def test_an_agreement_that_a_future_does_not_use_covers_nothing_in_it() -> None:
    """20 % off without a minimum: 2 of list in the one future, nothing in the other, where its bill is 0 as well."""
    futures = [{"name": "none", "probability": 0.5, "demand": {"*": 0}}, {"name": "some", "probability": 0.5}]
    terms = {**HOURLY, "discount": 0.2, "overage": "contract", "min_usd": 0, "max_usd": 5}
    data = problem(by_period([M]), [api("a", 2.0)], commitments=[terms], scenarios=futures)
    plan = planned(data, measures=True)
    assert plan.cost_usd == approx(0.8)
    bills = {row.scenario: (row.covered_usd, row.vendor_order_usd) for row in plan.settlements}
    assert bills["none"] == (0.0, None)
    assert bills["some"] == approx((2.0, 1.6))


def test_beside_one_that_a_future_does_not_use_no_vendor_s_order_is_stated() -> None:
    """Two at 20 % off: the amount covers the low future's 2 alone, and all else there is the other's, which is idle."""
    futures = [{"name": "low", "probability": 0.5}, {"name": "high", "probability": 0.5, "demand": {"*": 3}}]
    first = {**HOURLY, "name": "first", "discount": 0.2, "overage": "contract", "min_usd": 0, "max_usd": 5}
    second = {**HOURLY, "name": "second", "discount": 0.2, "min_usd": 1.6, "max_usd": 1.6, "signed": True}
    data = problem(by_period([M]), [api("a", 2.0)], commitments=[first, second], scenarios=futures)
    plan = planned(data)
    assert plan.cost_usd == approx(0.8 * (2 + 6) / 2)
    stated = {(row.agreement, row.scenario): row.vendor_order_usd for row in plan.settlements}
    assert stated["second", "low"] is None
    assert stated["second", "high"] is not None


WEEK = 168.0
DOUBLED = [{"name": "base", "probability": 0.5}, {"name": "double", "probability": 0.5, "demand": {"*": 2}}]


def test_terms_of_a_week_are_signed_as_futures_ask_for_them() -> None:
    """Machines for a week at 5 an hour, by the hour at 8: 1 then 2 are needed, or twice as many, half and half.

    What both futures need is bought, and half of 8 is less than 5: 5 + 4, then 10 + 8. Who knows buys all: 15 or 30.
    A machine for the week is worth its price up to 8.
    """
    offers = [gpu("week", 5, 1, term_h=WEEK), gpu("hour", 8, 1)]
    data = problem(by_period([M * WEEK, 2 * M * WEEK]), offers, periods=2, period_h=WEEK)
    orders = orders_of(["week=1", "week@168h=2"])
    plan = planned({**data, "scenarios": DOUBLED}, **EVERYTHING, evaluate=orders)
    section = plan.sizing
    assert section is not None
    assert [(row.start_h, row.end_h, row.count) for row in section.sign] == [
        (None, WEEK, 1),
        (WEEK, 2 * WEEK, 2),
    ]
    assert (section.rp_usd, section.evpi_usd) == (approx(27 * WEEK), approx((27 - 22.5) * WEEK))
    (quote,) = [row for row in section.quotes or () if row.offer == "week"]
    assert quote.walk_away_multiple == approx(1.6, rel=1e-3)
    assert section.evaluated is not None
    assert section.evaluated.more_usd == approx(0, abs=1e-6)


def test_a_contract_of_a_week_is_signed_from_the_hour_it_begins() -> None:
    """Half price for at least 40 a week, in either of two: 10 of use at list, then 100; or twice that.

    The second week alone: 50 and 100 of use at half price, never less than 40.
    """
    deal = {"settled": "term", "term_h": WEEK, "min_usd": 40}
    offers = [api("listed", 2.0), api("deal", 1.0, commitment=deal)]
    data = problem(by_period([5 * M, 50 * M]), offers, periods=2, period_h=WEEK)
    plan = planned({**data, "scenarios": DOUBLED}, **EVERYTHING)
    section = plan.sizing
    assert section is not None
    (row,) = section.sign
    assert (row.start_month, row.start_h, row.end_h) == (0, WEEK, 2 * WEEK)
    assert row.expected_usd == approx(75)
    assert section.rp_usd == approx(15 + 75)


def test_what_an_agreement_covers_of_an_offer_is_no_slope_of_its_price() -> None:
    """Bought for the horizon at 1, half off the 0.6 that an agreement covers: at a multiple of m it costs m − 0.3.

    The API takes 3, so that it is worth 2.3 and leaves at 3.3. Its bill of 0.4 as the slope would say 6.75.
    """
    own = gpu("own", 1, 1, resize="horizon", max_utilisation=1.0)
    terms = {**HOURLY, "offers": ["own"], "discount": 0.5, "min_usd": 0, "max_usd": 0.3}
    plan = planned(problem(by_period([M]), [own, api("a", 3.0)], commitments=[terms]), questions=True)
    quote = next(row for row in plan.sizing.quotes or () if row.offer == "own") if plan.sizing else None
    assert quote is not None
    assert (quote.verdict, quote.worth_usd) == ("sign", approx(2.3))
    assert quote.walk_away_multiple == approx(3.3, rel=2e-3)
