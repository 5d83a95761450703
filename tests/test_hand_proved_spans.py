"""Optima of commitments by how they settle, worked out by hand; each docstring shows the working. HiGHS and CBC.

`listed` sells tokens at 2.00 USD per M, `deal` at 1.00 under a commitment; amounts of use are in M tokens.
"""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import pytest
from campaign import times
from problem_factory import MONTH, SOLVERS, Data, api, by_period, gpu, plan_of, problem
from pytest import approx

from router.errors import InputError
from router.plan.document import Plan
from router.plan.rows import Settlement

pytestmark = pytest.mark.parametrize("solver", SOLVERS)
M = 1e6


def deal(use: list[float], period_h: float = 1.0, horizon: Data | None = None, **commitment: Any) -> Data:
    """Use by period, a list price, and a deal at half of it."""
    offers = [api("listed", 2.0), api("deal", 1.0, commitment=commitment)]
    work = by_period([each * M for each in use])
    return problem(work, offers, periods=len(use), period_h=period_h, horizon=horizon or {})


def bills(plan: Plan) -> list[float]:
    return [row.billed_usd for row in plan.settlements]


def only(plan: Plan) -> Settlement:
    (row,) = plan.settlements
    return row


# --- spans


def test_an_hour_that_is_short_is_not_made_up_for_by_the_next(solver: str) -> None:
    """2 USD an hour against 1, 3, 5, 1: 2 + 3 + 5 + 2 = 12; two hours are short, by 1 each."""
    plan = plan_of(deal([1, 3, 5, 1], settled="hour", min_usd=2), solver)
    assert plan.cost_usd == approx(12.0)
    row = only(plan)
    assert (row.spans, row.spans_short) == (4, 2)
    assert row.unused_usd == approx(2.0)
    assert row.committed_usd_per_month == approx(2 * MONTH)


def test_days_of_two_periods(solver: str) -> None:
    """5 USD a day against 1 + 3 and 5 + 1: 5 + 6 = 11."""
    plan = plan_of(deal([1, 3, 5, 1], 12, settled="day", min_usd=5), solver)
    assert plan.cost_usd == approx(11.0)
    assert bills(plan) == approx([5.0, 6.0])


def test_a_period_of_many_hours_is_as_many_spans_alike(solver: str) -> None:
    """3 USD in each of 24 hours, of which each uses 2: 72."""
    assert plan_of(deal([48], 24, settled="hour", min_usd=3), solver).cost_usd == approx(72.0)


def test_a_day_of_23_hours_owes_a_day(solver: str) -> None:
    """The clocks go forward on 28 March 2027 in Berlin: 23 periods of an hour are that day, of 24 USD."""
    horizon = {"start": "2027-03-28T00:00:00", "timezone": "Europe/Berlin"}
    plan = plan_of(deal([1.0] * 23, 1, horizon, settled="day", min_usd=24), solver)
    assert plan.cost_usd == approx(24.0)


def test_a_day_cut_by_the_horizon_counts_by_its_hours(solver: str) -> None:
    """From 18:00 on, 6 of the first day's 24 hours are there: 6 of its 24 USD; then a whole day. 6 + 24 = 30."""
    horizon = {"start": "2027-03-01T18:00:00"}
    plan = plan_of(deal([0.5] * 5, 6, horizon, settled="day", min_usd=24), solver)
    assert bills(plan) == approx([6.0, 24.0]) or plan.cost_usd == approx(5.0)  # listed: 5 · 0.5 · 2
    assert plan.cost_usd == approx(5.0)
    signed = plan_of(deal([0.5] * 5, 6, horizon, settled="day", min_usd=24, signed=True), solver)
    assert bills(signed) == approx([6.0, 24.0])


def test_a_quarter_starts_when_its_use_does(solver: str) -> None:
    """12 USD a quarter, a term of one; use 0, 4, 4, 4, 0, 0. From the second month on all is used: 12.

    From the first: max(12, 0 + 4 + 4) and the fourth month at the list, 8: 20.
    """
    plan = plan_of(deal([0, 4, 4, 4, 0, 0], MONTH, settled="quarter", min_usd=12, term_months=3), solver)
    assert plan.cost_usd == approx(12.0)
    assert [row.from_h for row in plan.contracts] == approx([MONTH])
    assert only(plan).until_h == approx(4 * MONTH)


def test_a_term_that_outlasts_the_horizon_owes_the_rest_later(solver: str) -> None:
    """A year of 1,200 USD, of which the horizon sees half: max(600, 700) = 700 now; 600 more are owed later.

    Charged in full, the whole minimum is held against the use inside: 1,200.
    """
    half = deal([700 / 6] * 6, MONTH, settled="year", min_usd=1200, term_months=12)
    plan = plan_of(half, solver)
    assert plan.cost_usd == approx(700.0)
    assert only(plan).beyond_horizon_usd == approx(600.0)
    in_full = plan_of({**half, "policy": {"end_of_horizon": "charge_in_full"}}, solver)
    assert in_full.cost_usd == approx(1200.0)
    assert only(in_full).beyond_horizon_usd == 0.0


def test_a_term_of_hours_starts_with_any_period(solver: str) -> None:
    """2 USD an hour for 3 h; use 0, 2, 2, 2, 0, 0.5: from the second hour 6; the last at the list: 1."""
    plan = plan_of(deal([0, 2, 2, 2, 0, 0.5], settled="hour", min_usd=2, term_h=3), solver)
    assert plan.cost_usd == approx(7.0)
    assert [(row.from_h, row.until_h) for row in plan.contracts] == [(1.0, 4.0)]


def test_terms_that_start_every_other_period(solver: str) -> None:
    """The same where terms start at even hours: from 2 on 2 + 2 + 2, and hour 1 at the list, 4; the last, 2: 12.

    From 0 on: 2 + 2 + 2, hour 3 at the list, 4, and the last, 2: 12 as well.
    """
    work = deal([0, 2, 2, 2, 0, 1], settled="hour", min_usd=2, term_h=3, start_every_h=2)
    plan = plan_of(work, solver)
    assert plan.cost_usd == approx(12.0)


# --- levels, ramps, what rolls over, what adds up


def test_one_level_of_several_is_chosen(solver: str) -> None:
    """50 USD at 10 % off, or 80 at 20 %. Of 90: max(50, 81) = 81 or max(80, 72) = 80. Of 60: 54 or 80."""
    levels = [{"usd": 50, "discount": 0.1}, {"usd": 80, "discount": 0.2}]
    plan = plan_of(deal([90], MONTH, levels=levels), solver)
    assert plan.cost_usd == approx(80.0)
    assert [(row.committed_usd_per_month, row.discount) for row in plan.contracts] == [(80.0, approx(0.2))]
    plan = plan_of(deal([60], MONTH, levels=levels), solver)
    assert plan.cost_usd == approx(54.0)
    assert only(plan).used_usd == approx(54.0)


def test_a_ramp_counts_from_the_start_of_its_term(solver: str) -> None:
    """10, then 20 from the second month of a term of two. Use 0, 10, 20, 0: started in the second month, 30."""
    ramp = [{"from_month": 1, "min_usd": 10}, {"from_month": 2, "min_usd": 20}]
    plan = plan_of(deal([0, 10, 20, 0], MONTH, ramp=ramp, term_months=2), solver)
    assert plan.cost_usd == approx(30.0)
    assert bills(plan) == approx([10.0, 20.0])


@pytest.mark.parametrize(("spans", "cost"), [(0, 42.0), (1, 32.0), (2, 30.0)])
def test_what_is_left_rolls_over_and_lapses(spans: int, cost: float, solver: str) -> None:
    """10 USD a month against 4, 4, 22.

    0: 10 + 10 + 22.   1: the first leaves 6, of which the second uses 4 and 2 lapse; its own 10 are left:
    22 − 10 − 10 = 2 above.   2: the 2 do not lapse: 2 + 10 + 10 = 22, and nothing is above.
    """
    plan = plan_of(deal([4, 4, 22], MONTH, min_usd=10, rollover_spans=spans), solver)
    assert plan.cost_usd == approx(cost)
    if spans:
        assert [row.rolled_usd for row in plan.settlements] == approx(
            [0.0, 4.0, 10.0 if spans == 1 else 12.0]
        )


def test_terms_that_add_up_follow_the_use(solver: str) -> None:
    """At most what is committed by the hour, two weeks at a time. Use of 1, 2, 2, 1 USD in each hour of four weeks.

    Stacked: 1 from the first week, 1 from the second, 1 from the third: all is used, 6 weeks of 168 USD. One at a time:
    the first week at the list, 2 a unit, then 2 for two weeks, then 1 in the last: 2 + 4 + 1 = 7.
    """
    terms = {"settled": "hour", "min_usd": 0, "max_usd": 9, "term_h": 336, "overage": "none"}
    use = [168.0 * each for each in (1, 2, 2, 1)]
    plan = plan_of(deal(use, 168, **terms, stackable=True), solver)
    assert plan.cost_usd == approx(6 * 168.0)
    bought = sorted(row.from_h for row in plan.contracts if row.committed_usd_per_month)
    assert bought == approx([0.0, 168.0, 336.0])
    assert plan_of(deal(use, 168, **terms), solver).cost_usd == approx(7 * 168.0)


@pytest.mark.parametrize(
    ("use", "kind", "cost"),
    [(49, "all_units", 49), (50, "all_units", 45), (80, "all_units", 64), (80, "incremental", 74)],
)
def test_discounts_by_what_is_used(use: float, kind: str, cost: float, solver: str) -> None:
    """20 % off from 50 USD on, at least 45: 49; max(45, 40) = 45; 0.8 · 80 = 64; by bands 50 + 0.8 · 30 = 74."""
    tiers = [{"from_usd": 0, "discount": 0}, {"from_usd": 50, "discount": 0.2}]
    plan = plan_of(
        deal([use], MONTH, min_usd=45, discount_tiers=tiers, tier_kind=kind, settled="month"), solver
    )
    assert plan.cost_usd == approx(cost)


# --- where a contract stands


def test_a_year_in_two_halves_is_billed_once(solver: str) -> None:
    """1,000 USD a year. The first half uses 600: max(500, 600). The second 300: max(1,000, 900) − 600 = 400."""
    year: Data = {"settled": "year", "min_usd": 1000, "signed": True}
    start = {"start": "2027-01-01T00:00:00"}
    first = plan_of(deal([100.0] * 6, MONTH, start, **year), solver)
    assert first.cost_usd == approx(600.0)
    so_far = {"since": "2027-01-01T00:00:00", "used_usd": 600}
    later = {"start": "2027-07-02T12:00:00"}  # 4,380 h on
    second = plan_of(deal([50.0] * 6, MONTH, later, **year, so_far=so_far), solver)
    assert second.cost_usd == approx(400.0)


def test_credit_that_is_brought_in_is_used_first(solver: str) -> None:
    """10 USD a month, 6 left from the month before: of 18 used 6 + 10 are paid, and 2 are above: 12."""
    terms: Data = {"min_usd": 10, "rollover_spans": 1, "signed": True}
    so_far = {"since": "2027-01-01T00:00:00", "unused_usd": [6]}
    plan = plan_of(deal([18], MONTH, {"start": "2027-01-01T00:00:00"}, **terms, so_far=so_far), solver)
    assert plan.cost_usd == approx(12.0)
    assert only(plan).rolled_usd == approx(6.0)


# --- terms of instances


def test_units_for_a_week_beside_units_for_a_month(solver: str) -> None:
    """2, 6, 2, 2 units in four weeks; 1.00 USD an hour for a week, or 0.50 for a month of 730 h.

    2 for the month, 2 · 0.5 · 672 = 672, and 4 for the second week, 4 · 168 = 672: 1,344. For each week: 12 · 168.
    """
    work = by_period([each * M * 168 for each in (2, 6, 2, 2)])
    offers = [gpu("week", 1.0, 1, term_h=168), gpu("month", 0.5, 1, term_months=1)]
    plan = plan_of(problem(work, offers, periods=4, period_h=168), solver)
    assert plan.cost_usd == approx(1344.0)
    bought = {(row.offer, row.from_h): row for row in plan.purchases}
    week, month = bought["week", 168.0], bought["month", 0.0]
    assert (week.count, week.until_h, week.billed_usd, week.beyond_horizon_usd) == approx((4, 336, 672, 0))
    assert (month.count, month.billed_usd, month.beyond_horizon_usd) == approx(
        (2, 672, 2 * 0.5 * (730 - 672))
    )


@pytest.mark.parametrize(
    ("commitment", "said"),
    [
        ({"settled": "year", "min_usd_per_month": 1}, "settled by the month, not by the year"),
        ({"settled": "term", "min_usd": 1}, "needs term_months or term_h"),
        ({"min_usd": 1, "min_usd_per_month": 1}, "must not stand beside min_usd"),
        ({"min_usd": 1, "term_h": 2.5}, "must be a whole number of periods"),
        ({"min_usd": 1, "term_h": 2, "start": "any", "start_every_h": 1}, "must not stand beside start"),
        ({"levels": [{"usd": 1}], "min_usd": 1}, "stands in place of min_usd"),
        ({"ramp": [{"from_month": 2, "min_usd": 1}]}, "the first step must begin with month 1"),
        ({"min_usd": 1, "so_far": {"since": "2027-01-01"}}, "needs signed: true"),
        ({"min_usd": 1, "rollover_spans": 1, "stackable": True, "term_h": 2}, "does not go with stackable"),
        ({"min_usd": 1, "settled": "day", "stackable": True, "term_h": 24}, "by the hour or the month"),
    ],
)
def test_what_has_no_one_reading_is_refused(commitment: Data, said: str, solver: str) -> None:
    with pytest.raises(InputError, match=said):
        plan_of(deal([1.0] * 24, **commitment), solver)


@pytest.mark.parametrize("seed", range(times(3)))
def test_terms_that_add_up_count_by_their_hours_in_months_that_they_share(solver: str, seed: int) -> None:
    """Quarters of two months; terms of two or of four of them, of 10 or 20 USD a month: every choice of what begins.

    A month bills its use while some term is in force, and at least each term's amount by its quarters; all else is
    twice as dear at list.
    """
    draw = Random(seed)
    use, length = [draw.choice([0.0, 2.0, 4.0, 9.0]) for _ in range(6)], draw.choice([2, 4])

    def cost(sold: tuple[float, ...]) -> float:
        force = [sum(usd for s, usd in enumerate(sold) if s <= t < s + length) for t in range(6)]
        if max(force) > 20:
            return float("inf")
        bill = 2 * sum(each for each, usd in zip(use, force, strict=True) if not usd)
        for month in (range(4), range(4, 6)):
            used = sum(use[t] for t in month if force[t])
            bill += max(used, sum(force[t] for t in month) / 4)
        return bill

    best = min(cost(sold) for sold in product((0.0, 10.0, 20.0), repeat=6))
    terms = {"settled": "month", "min_usd": 10, "max_usd": 20, "step_usd": 10, "term_h": length * MONTH / 4}
    plan = plan_of(deal(use, MONTH / 4, **terms, stackable=True), solver)
    assert plan.cost_usd == approx(best)
    assert plan.bound_usd == approx(best, rel=1e-5)


@pytest.mark.parametrize("start", [None, "2026-12-01T06:00"])
@pytest.mark.parametrize("term_h", [12, 36])
def test_terms_that_end_within_a_day_settle_each_by_itself(
    solver: str, term_h: int, start: str | None
) -> None:
    """Halves of days use 20, 0, 30, 5, 10, 0; 5 are due of each half covered, and what is above costs 1.00 too.

    Half-day terms where there is use: 65. A day and a half from the second half on would owe more than it saves; from
    the first: 20 + 0 + 30 of which 15 are due, then 5 + 10 + 0: 65 again.
    """
    terms = {"settled": "day", "min_usd": 10, "max_usd": 40, "term_h": term_h}
    horizon = {"start": start} if start else None
    plan = plan_of(deal([20.0, 0.0, 30.0, 5.0, 10.0, 0.0], period_h=12.0, horizon=horizon, **terms), solver)
    assert plan.cost_usd == approx(65.0)
