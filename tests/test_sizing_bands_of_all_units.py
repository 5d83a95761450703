"""What an agreement is worth whose bands price all units, beside discounts by offer: these take use below a band.

A month of 1,000 M tokens at 1.00, or elsewhere; settled by the month, so that thresholds are those of the month.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from campaign import times
from problem_factory import MONTH, Data, api, by_period, load, problem
from pytest import approx
from sizing_factory import sized as planned

import router
from router.plan.document import Plan
from router.plan.sizing import Quote

M = 1e6


def offered(begins: float, off: float, band: float, elsewhere: float) -> Data:
    """`off` off all use of `a`, and `band` off all of that from so many USD on."""
    terms: Data = {"name": "plan", "provider": "v", "offers": ["a"], "settled": "month", "min_usd": 1}
    terms |= {"discount": off, "tier_kind": "all_units", "overage": "contract"}
    terms["discount_tiers"] = [{"from_usd": 0, "discount": 0}, {"from_usd": begins, "discount": band}]
    data = problem(by_period([1000 * M]), [api("a", 1.0), api("b", elsewhere)], period_h=MONTH)
    return data | {"commitments": [terms], "scenarios": [{"name": "one", "probability": 1}]}


def quoted(data: Data) -> tuple[Plan, Quote]:
    plan = planned(data, questions=True)
    assert plan.sizing is not None
    (quote,) = plan.sizing.quotes or ()
    return plan, quote


def best(k: float, begins: float, off: float, band: float, elsewhere: float) -> float:
    """All discounts times k: all of it under the agreement, none, or as much as reaches the band."""
    left = 1.0 - k * off
    uses = [0.0, 1000.0, min(begins / left, 1000.0)]

    def bill(use: float) -> float:
        billed = left * use
        return billed * (1.0 - k * band) if billed >= begins * (1 - 1e-9) else billed

    return min(max(bill(use), 1.0) + elsewhere * (1000.0 - use) for use in uses)


def test_a_higher_discount_may_lose_what_a_lower_one_wins() -> None:
    """10 % off all use, and 30 % of what is left from 970 USD on; elsewhere it costs 930.

    As stated, 900 USD do not reach the band, and are less than 930. At seven tenths of it, 930 are no less. At three
    tenths 970 reach the band: 970 · 0.91 = 882.70. At 0.1774 of it 982.26 · 0.9468 = 930: there it is signed no more.
    """
    plan, quote = quoted(offered(970, 0.1, 0.3, 0.93))
    assert plan.objective_usd == approx(900)
    assert [off.least for off in quote.discounts or ()] == approx([0.1 * 0.1774, 0.0, 0.3 * 0.1774], abs=2e-5)
    assert quote.verdict == "sign"


@pytest.mark.parametrize("seed", range(times(4)))
def test_the_least_discount_is_that_of_every_one_tried(seed: int) -> None:
    """All of 20,000 parts of the discounts from nothing to what is stated."""
    draw = random.Random(seed)
    off, band = draw.choice([0.05, 0.1, 0.2]), draw.choice([0.1, 0.3])
    terms = (draw.choice([900.0, 950.0, 970.0, 990.0]), off, band, draw.choice([0.96, 0.93, 0.9]))
    losing = min(terms[3], 1.0) * 1000.0
    enters = [k for k in range(1, 20_001) if best(k / 20_000, *terms) < losing - 1e-3]
    if best(1.0, *terms) >= losing - 1e-3:
        return  # what a discount beyond the stated one is worth
    _, quote = quoted(offered(*terms))
    least = (quote.discounts or ())[0].least
    assert least == approx(off * enters[0] / 20_000, abs=off * 2e-4)


def test_the_check_sees_discounts_that_are_not_cut_alike() -> None:
    stated = offered(970, 0.1, 0.3, 0.93)
    plan, quote = quoted(stated)
    first, *others = quote.discounts or ()
    lie = replace(quote, discounts=(replace(first, least=(first.least or 0.0) * 2), *others))
    assert plan.sizing is not None
    told = replace(plan, sizing=replace(plan.sizing, quotes=(lie,)))
    assert router.verify(load(stated), plan).ok and not router.verify(load(stated), told).ok
