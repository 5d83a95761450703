"""Bills that count elsewhere for more than they cost are what is due, never more: by hand, by enumeration, by a law."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from problem_factory import SOLVERS, Data, api, by_period, load, plan_of, problem
from pytest import approx

import router
from router.errors import InputError

M = 1e6
YEAR: Data = {"settled": "year", "signed": True}


def two_years(inner: Data, *shares: float, rate: float = 1.0, work: float = 4) -> Data:
    """Work of 4 M at 2.00 in each of two years, billed by `inner`, counts in agreements of 30 USD for both years.

    A dollar of the second year weighs 1 / (1 + rate). Nothing is used under the others.
    """
    data = problem(
        by_period([work * M] * 2), [api("a", 2.0, ("z",)), api("market", 2.0)], periods=2, period_h=8760
    )
    data["policy"] = {"discount_rate_per_year": rate}
    outer = {"offers": ["a"], "settled": "term", "term_h": 17520, "min_usd": 30, "signed": True}
    data["commitments"] = [
        {"name": "inner", "offers": ["market"], "overage": "contract"} | YEAR | inner,
        *(outer | {"name": f"outer{i}", "counts": {"inner": share}} for i, share in enumerate(shares)),
    ]
    return data


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_later_bill_is_what_is_due_though_more_would_save_more(solver: str) -> None:
    """8 in either year, of which the second weighs 4; 30 less the 16 that count: 14 + 8 + 4.

    A dollar more on the second bill would cost half of the dollar that it saves on the other: 22 would be 0 + 8 + 11.
    """
    plan = plan_of(two_years({"min_usd": 3}, 1.0), solver)
    assert {(row.agreement, round(row.billed_usd, 6)) for row in plan.settlements} == {
        ("inner", 8.0),
        ("outer0", 14.0),
    }
    assert plan.cost_usd == approx(26)
    assert plan.bound_usd == approx(26, rel=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_bill_that_counts_in_two_agreements_is_no_higher(solver: str) -> None:
    """Shares of 0.6 in two of 30 for the same 8 + 8, none later than another: 2 · (30 − 9.6) + 16."""
    plan = plan_of(two_years({"min_usd": 3}, 0.6, 0.6, rate=0.0), solver)
    assert plan.cost_usd == approx(2 * 20.4 + 16)
    assert plan.bound_usd == approx(56.8, rel=1e-6)


OWN: dict[str, tuple[Data, float]] = {
    # under the offer's own commitment, and what 8 USD of 4 M tokens are billed at
    "in USD, more due": ({"min_usd": 12}, 12),
    "in tokens": ({"min_tokens": 6 * M}, 12),
    "at a price of overage": ({"min_tokens": 3 * M, "overage_usd_per_m": 3}, 9),
    "of USD at a price of overage": ({"min_usd": 3, "overage_usd_per_m": 3}, 3 + 2.5 * 3),
    "in bands": ({"discount_tiers": [{"from_usd": 0, "discount": 0}, {"from_usd": 4, "discount": 0.5}]}, 6),
    "in bands of all units": (
        {
            "discount_tiers": [{"from_usd": 0, "discount": 0}, {"from_usd": 4, "discount": 0.5}],
            "tier_kind": "all_units",
        },
        4,
    ),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", OWN)
def test_so_is_that_of_an_offers_own_commitment(kind: str, solver: str) -> None:
    """Nine tenths of two bills count against 30; the second year's weighs half."""
    own, bill = OWN[kind]
    data = two_years({}, 0.9)
    data["commitments"] = [data["commitments"][1] | {"counts": {"market": 0.9}}]
    data["offers"][1]["commitment"] = own | YEAR
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(30 - 0.9 * 2 * bill + 1.5 * bill)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_the_best_place_for_work_is_that_of_an_enumeration(seed: int) -> None:
    """Work may go elsewhere for less, where it does not count: every split of both years is tried."""
    draw = random.Random(seed)
    least, share = draw.choice([2, 6, 11]), draw.choice([0.5, 0.9, 1.0])
    elsewhere, rate = draw.choice([0.5, 1.2, 1.7]), draw.choice([0.2, 1.0, 3.0])
    data = two_years({"min_usd": least}, share, rate=rate)
    data["offers"].append(api("elsewhere", elsewhere))
    weight, steps = 1 / (1 + rate), [k / 20 for k in range(81)]

    def cost(first: float, second: float) -> float:
        bills = [max(2 * first, least), max(2 * second, least)]
        moved = (4 - first) + weight * (4 - second)
        return max(30 - share * sum(bills), 0) + bills[0] + weight * bills[1] + elsewhere * moved

    plan = plan_of(data)
    assert plan.cost_usd == approx(min(cost(a, b) for a in steps for b in steps), abs=1e-4)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("rate", [0.0, 0.3, 2.0])
def test_a_higher_share_never_costs_more(rate: float) -> None:
    costs = [
        plan_of(two_years({"min_usd": 9}, share, rate=rate)).cost_usd for share in (0.0, 0.4, 0.8, 0.9, 1.0)
    ]
    assert costs == sorted(costs, reverse=True)


def test_the_check_sees_a_bill_above_what_is_due() -> None:
    """11 in place of 8 for the second year, and 11 in place of 14: 25.5 in place of 26."""
    stated = load(two_years({"min_usd": 3}, 1.0))
    plan = router.solve(stated)
    more = {("inner", 8760.0): 11.0, ("outer0", 0.0): 11.0}
    rows = tuple(
        replace(row, billed_usd=more.get((row.seller, row.from_h), row.billed_usd))
        for row in plan.settlements
    )
    assert not router.verify(stated, replace(plan, settlements=rows)).ok


@pytest.mark.parametrize("terms", [{"rollover_spans": 1}, {"counts": {"other": 0.1}}])
def test_what_is_not_told_from_more_is_refused(terms: Data) -> None:
    data = two_years({"min_usd": 3} | terms, 1.0)
    data["commitments"].append({"name": "other", "offers": ["a"], "min_usd": 1} | YEAR)
    with pytest.raises(InputError, match=r"count for more than they cost, with .*: is not planned for"):
        plan_of(data)
    data["policy"] = {}
    assert plan_of(data).cost_usd > 0
