"""Laws of agreements, credits, counts, units and allowances on random use; small ones against every choice.

`a` sells tokens at 2.00 USD per M, `b` at 1.50; a machine at 10.00 an hour serves a million an hour.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from campaign import times
from hypothesis import given, settings
from hypothesis import strategies as st
from problem_factory import MONTH, Data, api, by_period, gpu, plan_of, problem

pytestmark = pytest.mark.usefixtures("short_proofs")
M = 1e6
FEW = settings(max_examples=times(4), derandomize=True, deadline=None, database=None)

hours = st.lists(st.integers(0, 6), min_size=4, max_size=4)
discounts = st.sampled_from([0.1, 0.25, 0.5])


def no_more(after: float, before: float) -> None:
    assert after <= before * (1 + 2e-6) + 1e-6


def served(use: list[int], *offers: Data, period_h: float = 1.0, **rest: Any) -> Data:
    data = problem(by_period([each * M for each in use]), [*offers], periods=len(use), period_h=period_h)
    data["horizon"] |= {"start": "2027-01-01T00:00:00"}
    return data | rest


def cost(data: Data) -> float:
    plan = plan_of(data)
    assert plan.bound_usd <= plan.cost_usd + 1e-6
    return plan.cost_usd


@FEW
@given(hours, st.integers(1, 15), st.integers(0, 2), discounts)
def test_a_credit_is_worth_at_most_itself_and_more_of_it_never_costs_more(
    use: list[int], usd: int, least: int, off: float
) -> None:
    """Beside an agreement over one offer and a commitment of another."""
    deal = api("deal", 1.2, commitment={"settled": "hour", "min_usd": least})
    plan = {"name": "plan", "offers": ["a"], "settled": "hour", "discount": off, "min_usd": least}
    data = served(use, deal, api("a", 2.0), api("b", 1.5), commitments=[plan])
    gift = {"name": "gift", "offers": ["b", "deal"]}
    costs = [cost(data), *(cost(data | {"credits": [gift | {"usd": n}]}) for n in (usd, usd + 1))]
    for k, n in ((1, usd), (2, usd + 1)):
        no_more(costs[k], costs[0])
        no_more(costs[0], costs[k] + n)
    no_more(costs[2], costs[1])
    no_more(costs[1], costs[2] + 1)


@FEW
@given(hours, st.integers(0, 12), st.integers(0, 3), st.integers(1, 4))
def test_the_best_hours_for_a_credit_are_found_among_all(
    use: list[int], usd: int, first: int, length: int
) -> None:
    """It pays use of a, at 2.00, in some hours; b is at 1.50. Every set of hours is tried, filled with a in turn."""
    until = min(first + length, 4)
    gift = {"name": "gift", "offers": ["a"], "usd": usd}
    gift |= {"from": f"2027-01-01T{first:02}:00:00", "until": f"2027-01-01T{until:02}:00:00"}
    best = 1.5 * sum(use)
    for chosen in product([False, True], repeat=4):
        left, paid = float(usd), 0.0
        for t, on_a in enumerate(chosen):
            most = 2.0 * use[t] if first <= t < until and on_a else 0.0
            free = min(left, most)
            left, paid = left - free, paid + 1.5 * (use[t] - free / 2.0)
        best = min(best, paid)
    assert cost(served(use, api("a", 2.0), api("b", 1.5), credits=[gift])) == pytest.approx(best, abs=1e-6)


@FEW
@given(st.lists(st.integers(0, 12), min_size=6, max_size=6), st.integers(1, 9), discounts)
@pytest.mark.parametrize("overage", ["list", "contract"])
def test_a_longer_settlement_of_an_agreement_never_costs_more(
    overage: str, use: list[int], least: int, off: float
) -> None:
    terms = {"name": "plan", "offers": ["a"], "discount": off, "overage": overage, "signed": True}
    usd = [
        cost(
            served(
                use,
                api("a", 2.0),
                period_h=MONTH,
                commitments=[terms | {"settled": settled, "min_usd": months * least}],
            )
        )
        for settled, months in (("month", 1), ("quarter", 3), ("year", 12))
    ]
    no_more(usd[1], usd[0])
    if overage == "contract":  # of a year half is there, so that its amount is that of two quarters
        no_more(usd[2], usd[1])


@FEW
@given(hours, st.integers(1, 3), st.integers(0, 2), discounts)
@pytest.mark.parametrize("overage", ["list", "contract"])
def test_what_rolls_over_longer_never_costs_more(
    overage: str, use: list[int], least: int, spans: int, off: float
) -> None:
    terms = {"name": "plan", "offers": ["a"], "settled": "hour", "discount": off, "min_usd": least}
    shorter, longer = (
        cost(served(use, api("a", 2.0), commitments=[terms | {"overage": overage, "rollover_spans": n}]))
        for n in (spans, spans + 1)
    )
    no_more(longer, shorter)


@FEW
@given(hours, st.integers(0, 4), st.integers(0, 9), st.sampled_from([0.0, 0.5, 1.0]))
def test_what_counts_is_covered_as_well_as_can_be(
    use: list[int], inner: int, outer: int, share: float
) -> None:
    """An hour bills inner, what is not covered at list, and outer less inner, less a share of what is at list.

    Covered is nothing, or all that may be: the bill is convex in it where the share is 1 at most.
    """

    def hour(tokens: int) -> float:
        at_list = 2.0 * tokens
        ways = (at_list, at_list - min(at_list, 2.0 * inner))
        return min(inner + left + max(0.0, outer - inner - share * left) for left in ways)

    signed = {"settled": "hour", "signed": True}
    both = [
        {"name": "plan", "offers": ["a"], "discount": 0.5, "min_usd": inner, **signed},
        {"name": "all", "offers": ["z"], "min_usd": outer, "overage": "contract", **signed},
    ]
    both[1]["counts"] = {"plan": 1.0, "a": share}
    found = cost(served(use, api("a", 2.0), api("z", 2.0, ("n",)), commitments=both))
    assert found == pytest.approx(sum(map(hour, use)), abs=1e-6)


@FEW
@given(st.lists(st.integers(0, 3), min_size=5, max_size=5), st.sampled_from([3, 6, 9]), st.integers(1, 3))
def test_the_best_terms_of_units_are_found_among_all(use: list[int], usd: int, term: int) -> None:
    """So many units, in whole numbers, from any hour on for some hours, one term at a time: all are tried."""

    def best(t: int, memo: dict[int, float]) -> float:
        if t >= len(use):
            return 0.0
        if t not in memo:
            memo[t] = 10 * use[t] + best(t + 1, memo)
            for n in range(1, 4):
                span = use[t : t + term]
                billed = sum(usd * n + 10 * max(0, need - n) for need in span)
                memo[t] = min(memo[t], billed + best(t + term, memo))
        return memo[t]

    units = {"name": "ptu", "offers": ["g"], "in": "units", "usd_per_unit_h": usd, "max_units": 3}
    units |= {"term_h": term, "start": "any"}
    found = cost(served(use, gpu("g", 10, 1), commitments=[units]))
    assert found == pytest.approx(best(0, {}), abs=1e-6)


@FEW
@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 8))
def test_the_best_workload_for_an_allowance_is_found_among_all(one: int, two: int, free: int) -> None:
    """Some M free a month of an offer at 2 USD for one model, at 3 for another: whole M of either, all splits tried."""
    offer = api("a", 2.0, ("m", "n"), free={"tokens_per_month": free * M})
    offer["models"]["n"] = {"prompt_usd_per_m": 3, "completion_usd_per_m": 3}
    loads = [by_period([one * M], "x"), by_period([two * M], "y", models=["n"])]
    data = problem(loads, [offer], period_h=MONTH)
    splits = [(k, min(free - k, two)) for k in range(min(free, one) + 1)]
    best = min(2 * (one - k) + 3 * (two - j) for k, j in splits)
    assert cost(data) == pytest.approx(best, abs=1e-6)
