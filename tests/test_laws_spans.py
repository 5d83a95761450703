"""Laws of how commitments settle, on random use; small ones against every choice of terms. Each plan is verified."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import pytest
from campaign import times
from hypothesis import given, settings
from hypothesis import strategies as st
from problem_factory import MONTH, Data, api, by_period, plan_of, problem

pytestmark = pytest.mark.usefixtures("short_proofs")
M = 1e6
FEW = settings(max_examples=times(4), derandomize=True, deadline=None, database=None)

use_of_a_year = st.lists(st.integers(0, 12), min_size=12, max_size=12)
monthly = st.integers(1, 9)


def deal(use: Sequence[float], period_h: float = MONTH, **commitment: Any) -> Data:
    """A deal at 1.00 USD per M, half the list price."""
    offers = [api("listed", 2.0), api("deal", 1.0, commitment=commitment)]
    return problem(by_period([each * M for each in use]), offers, periods=len(use), period_h=period_h)


def cost(*args: Any, **commitment: Any) -> float:
    return plan_of(deal(*args, **commitment)).cost_usd


def no_more(after: float, before: float) -> None:
    assert after <= before * (1 + 2e-6) + 1e-6


@FEW
@given(use_of_a_year, monthly)
def test_settled_at_the_length_of_the_horizon_is_one_span(use: list[int], least: int) -> None:
    year = cost(use, settled="year", min_usd=12 * least, term_months=12)
    assert year == pytest.approx(cost(use, settled="term", min_usd=12 * least, term_months=12))
    assert year == pytest.approx(min(max(12 * least, sum(use)), 2 * sum(use)))


@FEW
@given(use_of_a_year, monthly)
def test_a_longer_settlement_never_costs_more_where_spans_nest(use: list[int], least: int) -> None:
    usd = [
        cost(use, settled=settled, min_usd=months * least, term_months=12)
        for settled, months in (("month", 1), ("quarter", 3), ("year", 12))
    ]
    no_more(usd[1], usd[0])
    no_more(usd[2], usd[1])
    assert usd[0] == pytest.approx(cost(use, min_usd_per_month=least, term_months=12))


@FEW
@given(use_of_a_year, monthly, st.integers(0, 4))
def test_what_rolls_over_longer_never_costs_more(use: list[int], least: int, spans: int) -> None:
    shorter = cost(use, min_usd=least, rollover_spans=spans, term_months=12)
    longer = cost(use, min_usd=least, rollover_spans=spans + 1, term_months=12)
    no_more(longer, shorter)
    whole = cost(use, min_usd=least, rollover_spans=11, term_months=12)
    no_more(cost(use, settled="year", min_usd=12 * least, term_months=12), whole)


@FEW
@given(st.lists(st.integers(0, 6), min_size=6, max_size=6), st.integers(1, 3))
def test_terms_that_may_be_stacked_never_cost_more(use: list[int], term: int) -> None:
    terms = {"settled": "hour", "min_usd": 0, "max_usd": 9, "overage": "none", "term_h": term}
    no_more(cost(use, 1.0, **terms, stackable=True), cost(use, 1.0, **terms))


@FEW
@given(st.lists(st.integers(0, 9), min_size=6, max_size=6), st.integers(2, 20))
def test_the_best_terms_are_found_among_all(use: list[int], least: int) -> None:
    """Terms of a quarter that start in any month: all that do not overlap are tried.

    Under a term all use is on the deal, which never costs more than the list; the last span counts by its hours.
    """

    def bill(start: int) -> float:
        months = use[start : start + 3]
        return max(least * len(months) / 3, sum(months))

    best = min(
        sum(map(bill, starts)) + 2 * sum(use[t] for t in range(6) if not any(s <= t < s + 3 for s in starts))
        for n in range(4)
        for starts in combinations(range(6), n)
        if all(later - earlier >= 3 for earlier, later in pairwise(starts))
    )
    assert cost(use, settled="quarter", min_usd=least, term_months=3) == pytest.approx(best)


@FEW
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=3), st.lists(st.integers(5, 30), min_size=2, max_size=3)
)
def test_the_best_level_is_found_among_all(use: list[int], amounts: list[int]) -> None:
    levels = [{"usd": usd, "discount": 0.1 * k} for k, usd in enumerate(sorted(amounts))]
    bills = [sum(max(level["usd"], (1 - level["discount"]) * each) for each in use) for level in levels]
    assert cost(use, levels=levels) == pytest.approx(min(2 * sum(use), *bills))


@FEW
@given(st.lists(st.integers(0, 9), min_size=12, max_size=12), st.integers(1, 11), monthly)
def test_a_year_cut_in_two_is_billed_once(use: list[int], cut: int, least: int) -> None:
    """The bills of two runs, the second from where the first left off, add up to the year's."""
    year = {"settled": "year", "min_usd": 12 * least, "signed": True}
    first = deal(use[:cut], **year)
    second = deal(use[cut:], **year)
    first["horizon"]["start"] = "2027-01-01T00:00:00+00:00"
    begin = plan_of(first)
    days, hours = divmod(cut * MONTH, 24)
    second["horizon"]["start"] = (
        f"2027-{_date(int(days))}T{int(hours):02d}:{round(60 * (hours % 1)):02d}:00+00:00"
    )
    (row,) = begin.settlements
    assert row.so_far is None or row.so_far.used == pytest.approx(sum(use[:cut]))
    so_far = {"since": first["horizon"]["start"], "used_usd": row.used_usd}
    second["offers"][1]["commitment"]["so_far"] = so_far
    total = begin.cost_usd + plan_of(second).cost_usd
    assert total == pytest.approx(max(12 * least, sum(use)))


def _date(days: int) -> str:
    from datetime import date, timedelta

    return (date(2027, 1, 1) + timedelta(days=days)).strftime("%m-%d")


def agreed(use: Sequence[Sequence[float]], *names: str, period_h: float = 1.0, **terms: Any) -> Data:
    """Streams of use of a, b, … at 2 USD per M, some of them under one agreement."""
    loads = [by_period([each * M for each in mine], f"w{k}", models=[f"m{k}"]) for k, mine in enumerate(use)]
    offers = [api(chr(97 + k), 2.0, (f"m{k}",)) for k in range(len(use))]
    agreement = {"name": "plan", "provider": "v", "offers": list(names), **terms}
    data = problem(loads, offers, periods=len(use[0]), period_h=period_h)
    return {**data, "commitments": [{"settled": "hour", **agreement}]}


hours = st.lists(st.integers(0, 6), min_size=4, max_size=4)
discounts = st.sampled_from([0.1, 0.25, 0.5])


@FEW
@given(hours, hours, discounts, st.integers(0, 6))
def test_an_agreement_settled_at_the_length_of_the_horizon_is_one_span(
    one: list[int], two: list[int], off: float, least: int
) -> None:
    """By the term of four hours it is max(least, what it bills of all use); by the hour it never costs less."""
    terms = {"discount": off, "overage": "contract", "term_h": 4}
    use = 2 * (sum(one) + sum(two))
    whole = agreed([one, two], "a", "b", settled="term", min_usd=4 * least, **terms)
    usd = plan_of(whole).cost_usd
    assert usd == pytest.approx(min(max(4 * least, (1 - off) * use), use), abs=1e-6)
    no_more(usd, plan_of(agreed([one, two], "a", "b", min_usd=least, **terms)).cost_usd)


@FEW
@given(hours, discounts, st.integers(1, 2))
def test_agreements_that_may_be_stacked_never_cost_more(use: list[int], off: float, term: int) -> None:
    terms = {"discount": off, "min_usd": 0, "max_usd": 9, "term_h": term}
    stacked = plan_of(agreed([use], "a", **terms, stackable=True)).cost_usd
    no_more(stacked, plan_of(agreed([use], "a", **terms)).cost_usd)


@FEW
@given(hours, st.sampled_from([0.25, 0.5]), st.integers(0, 4), st.integers(5, 9))
def test_an_agreement_over_one_offer_is_its_own_commitment(
    use: list[int], off: float, least: int, most: int
) -> None:
    """A deal at contract rates whose overage is at list, and the list for who signs nothing."""
    own = {"settled": "hour", "min_usd": least, "max_usd": most, "overage_usd_per_m": 2.0}
    offers = [api("deal", 2.0 * (1 - off), commitment=own), api("listed", 2.0)]
    apart = plan_of(problem(by_period([each * M for each in use]), offers, periods=4)).cost_usd
    terms = {"discount": off, "min_usd": least, "max_usd": most}
    assert plan_of(agreed([use], "a", **terms)).cost_usd == pytest.approx(apart, abs=1e-6)


@FEW
@given(hours, hours, discounts, st.integers(0, 3))
def test_an_offer_of_an_agreement_cut_into_two_alike_changes_nothing(
    one: list[int], two: list[int], off: float, least: int
) -> None:
    """Each stream on one offer, or the first one's half on another of the same price."""
    terms = {"discount": off, "min_usd": least, "max_usd": 9}
    half = [each / 2 for each in one]
    whole = plan_of(agreed([one, two], "a", "b", **terms)).cost_usd
    assert plan_of(agreed([half, two, half], "a", "b", "c", **terms)).cost_usd == pytest.approx(
        whole, abs=1e-6
    )


@FEW
@given(hours, hours, st.integers(0, 3))
def test_a_higher_discount_never_costs_more(one: list[int], two: list[int], least: int) -> None:
    terms = {"min_usd": least, "max_usd": 9}
    usd = [
        plan_of(agreed([one, two], "a", "b", discount={"a": off, "b": 0.2}, **terms)).cost_usd
        for off in (0.1, 0.3)
    ]
    no_more(usd[1], usd[0])
