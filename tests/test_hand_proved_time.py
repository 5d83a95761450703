"""Optima over several periods, worked out by hand; each docstring shows the working. Through HiGHS and through CBC.

Periods are hours unless a test says so; a gpu serves whole millions of tokens (M) an hour, at 1.00 unless said.
"""

from __future__ import annotations

import pytest
from problem_factory import (
    MONTH,
    SOLVERS,
    api,
    by_period,
    counts,
    gpu,
    hourly,
    monthly,
    plan_of,
    problem,
    usd,
)
from pytest import approx

pytestmark = pytest.mark.parametrize("solver", SOLVERS)
M = 1e6


# --- windows and deferral


def test_a_window_over_midnight(solver: str) -> None:
    """1 M an hour is 24 M a day, to run from 22:00 to 06:00; the day of the horizon starts at midnight.

    00–06 is 6 of the 8 h of yesterday's window: 18 M. 22–24 is 2 of 8 h of today's: 6 M. Both need 3 gpus
    on average, so 24 gpu-hours; bought for the whole day, 3 · 24 = 72.
    """
    work = hourly(M, window={"start": "22:00", "end": "06:00"})
    plan = plan_of(problem(work, gpu("g", 1, 1), periods=24), solver)
    assert plan.cost_usd == approx(24.0)
    assert {row.occurrence for row in plan.routes} == {-1, 0}
    held = plan_of(problem(work, gpu("g", 1, 1, resize="horizon"), periods=24), solver)
    assert held.cost_usd == approx(72.0)


def test_a_window_over_part_of_a_period(solver: str) -> None:
    """24 M a day from 00:30 to 02:30; at most 12 gpus.

    12 gpus do 12 M in the whole hour 01–02, and 6 M in each of the half hours beside it: 3 · 12 = 36.00.
    """
    work = hourly(M, window={"start": "00:30", "end": "02:30"})
    plan = plan_of(problem(work, gpu("g", 1, 1, max=12), periods=24), solver)
    assert plan.cost_usd == approx(36.0)
    assert counts(plan)["g"] == [12.0, 12.0, 12.0]


def test_work_in_the_window_fills_what_the_day_left(solver: str) -> None:
    """Four hours; chat needs 2, 1, 1, 2 gpus; batch, 24 h at 1/12 M = 2 M, may run from 01:00 to 03:00.

    Bought for the horizon: 2 gpus, full in all four hours: 8.00.
    """
    chat = by_period([2 * M, M, M, 2 * M], "chat")
    batch = hourly(M / 12, "batch", window={"start": "01:00", "end": "03:00"})
    plan = plan_of(problem([chat, batch], gpu("g", 1, 1, resize="horizon"), periods=4), solver)
    assert plan.cost_usd == approx(8.0)
    assert all(row.utilisation == approx(1.0) for row in plan.instances)


@pytest.mark.parametrize(("hours", "cost"), [(1, 4.0), (2, 2.0)])
def test_work_put_off_flattens_the_peak(solver: str, hours: float, cost: float) -> None:
    """2 M in the first of two hours; one gpu for both hours does it if half may wait: 2.00 against 4.00.

    A period that starts less than 1 h later is the same one.
    """
    work = by_period([2 * M, 0], deferrable_h=hours)
    plan = plan_of(problem(work, gpu("g", 1, 1, resize="horizon"), periods=2), solver)
    assert plan.cost_usd == approx(cost)


def test_nothing_is_put_off_past_the_horizon(solver: str) -> None:
    """1 M in each of two hours, all of which may wait 8 h; the last hour's work has no later one: gpus 2.00."""
    work = by_period([M, M], deferrable_h=8)
    plan = plan_of(problem(work, gpu("g", 1, 1), periods=2), solver)
    assert plan.cost_usd == approx(2.0)
    assert sum(row.share for row in plan.routes if row.occurrence == 1) == approx(1.0)


# --- instances over time


@pytest.mark.parametrize(("start_usd", "cost"), [(0.5, 3.0), (1.5, 4.5)])
def test_keeping_an_idle_instance_or_starting_it_again(solver: str, start_usd: float, cost: float) -> None:
    """1 M, nothing, 1 M. Starting twice: 2 + 2 starts. Running through: 3 + 1 start.

    A start at 0.50: 3.00 against 3.50. At 1.50: 5.00 against 4.50.
    """
    work = by_period([M, 0, M])
    plan = plan_of(problem(work, gpu("g", 1, 1, start_usd=start_usd), periods=3), solver)
    assert plan.cost_usd == approx(cost)
    assert usd(plan, kind="starts") == approx(start_usd * (2 if cost == 3.0 else 1))


@pytest.mark.parametrize(("price", "cost"), [(2.5, 3.0), (1.6, 2.8)])
def test_what_boots_does_not_serve(solver: str, price: float, cost: float) -> None:
    """1 M in each of two hours; a gpu boots for half an hour.

    Two at first, one after: 3.00. Or one, and half the first hour from the API: 2.00 + 0.5 · price, 3.25 or 2.80.
    """
    offers = [gpu("g", 1, 1, start_h=0.5), api("api", price)]
    assert plan_of(problem(by_period([M, M]), offers, periods=2), solver).cost_usd == approx(cost)


def test_booting_over_the_border_of_a_period(solver: str) -> None:
    """1 M in the third of three hours; a gpu boots for 1.5 h. Started in the first hour it serves all of the third.

    Started at the second: half of it. One from the start: 3.00. Two from the second hour: 4.00. API at 3.50.
    """
    offers = [gpu("g", 1, 1, start_h=1.5), api("api", 3.5)]
    plan = plan_of(problem(by_period([0, 0, M]), offers, periods=3), solver)
    assert plan.cost_usd == approx(3.0)
    assert counts(plan) == {"g": [1.0, 1.0, 1.0]}


@pytest.mark.parametrize(("price", "cost"), [(4.0, 3.0), (2.5, 2.5)])
def test_least_time_up(solver: str, price: float, cost: float) -> None:
    """1 M in the first of four hours; a gpu stays for three: 3.00, or the API."""
    offers = [gpu("g", 1, 1, min_up_h=3), api("api", price)]
    plan = plan_of(problem(by_period([M, 0, 0, 0]), offers, periods=4), solver)
    assert plan.cost_usd == approx(cost)


def test_least_time_up_ends_with_the_horizon(solver: str) -> None:
    """1 M in the last of two hours; three hours at least, of which one is planned: 1.00."""
    plan = plan_of(problem(by_period([0, M]), gpu("g", 1, 1, min_up_h=3), periods=2), solver)
    assert plan.cost_usd == approx(1.0)


def test_bought_ahead_and_by_the_hour(solver: str) -> None:
    """1, 3, 1 M; for the horizon at 0.50 an hour, or hourly at 1.00.

    bought ahead    0     1             2             3
    cost           5.0   1.5 + 2 = 3.5  3.0 + 1 = 4.0  4.5
    """
    offers = [gpu("ahead", 0.5, 1, resize="horizon"), gpu("hourly", 1, 1)]
    plan = plan_of(problem(by_period([M, 3 * M, M]), offers, periods=3), solver)
    assert plan.cost_usd == approx(3.5)
    assert counts(plan) == {"ahead": [1.0, 1.0, 1.0], "hourly": [0.0, 2.0, 0.0]}


def test_upfront_money_of_the_horizon_is_paid_once(solver: str) -> None:
    """1, 3, 1 M as above; 0.60 upfront each: one ahead 0.6 + 1.5 + 2 = 4.1, none 5.0, three 6.3."""
    offers = [gpu("ahead", 0.5, 1, resize="horizon", upfront_usd=0.6), gpu("hourly", 1, 1)]
    plan = plan_of(problem(by_period([M, 3 * M, M]), offers, periods=3), solver)
    assert plan.cost_usd == approx(4.1)


# --- months


def test_terms_of_instances_lapse(solver: str) -> None:
    """Work for one gpu in the first two of three months; sold for two months at 0.50 and 100 upfront, or hourly at 1.

    Bought: 2 · 365 + 100 = 830. Hourly: 1,460.
    """
    offers = [gpu("term", 0.5, 1, term_months=2, upfront_usd=100), gpu("hourly", 1, 1)]
    work = by_period([MONTH * M, MONTH * M, 0])
    plan = plan_of(problem(work, offers, periods=3, period_h=MONTH), solver)
    assert plan.cost_usd == approx(830)
    assert [(row.month, row.count) for row in plan.purchases] == [(0, 1.0)]


@pytest.mark.parametrize(("end", "cost"), [("prorate", 1245), ("charge_in_full", 1560)])
def test_a_term_that_outlasts_the_horizon(solver: str, end: str, cost: float) -> None:
    """Work in all three months. The second purchase runs for one month of two.

    Prorated: 830 + 365 + 50 = 1,245. In full: 830 + 730 + 100 = 1,660, so the last month runs hourly: 1,560.
    """
    offers = [gpu("term", 0.5, 1, term_months=2, upfront_usd=100), gpu("hourly", 1, 1)]
    data = problem(monthly(MONTH * M), offers, periods=3, period_h=MONTH, policy={"end_of_horizon": end})
    assert plan_of(data, solver).cost_usd == approx(cost)


def test_a_contract_starts_when_it_pays(solver: str) -> None:
    """100, 500, 500 M in three months; for two months at least 400 M at 1.00 each, or 1.50 on demand.

    From month 1: 150 + 500 + 500. From month 0: 400 + 500 + 750. Never: 1,650.
    """
    terms = {"min_tokens_per_month": 400 * M, "term_months": 2}
    offers = [api("contract", 1, commitment=terms), api("api", 1.5)]
    work = by_period([100 * M, 500 * M, 500 * M])
    plan = plan_of(problem(work, offers, periods=3, period_h=MONTH), solver)
    assert plan.cost_usd == approx(1150)
    assert [(row.start_month, row.end_month) for row in plan.contracts] == [(1, 3)]


def test_a_minimum_is_settled_each_month(solver: str) -> None:
    """100 and 700 M, at least 400 M each month at 1.00, for both: 400 + 700 = 1,100; on demand at 1.50: 1,200.

    Nothing carries over: 800 M in two months would otherwise cost 800.
    """
    offers = [api("contract", 1, commitment={"min_tokens_per_month": 400 * M}), api("api", 1.5)]
    plan = plan_of(problem(by_period([100 * M, 700 * M]), offers, periods=2, period_h=MONTH), solver)
    assert plan.cost_usd == approx(1100)
    assert [row.billed_usd for row in plan.settlements] == approx([400, 700])


def test_a_fee_is_due_in_every_month(solver: str) -> None:
    """300 M in the first of two months: 2 · 100 and 300, or 450 on demand."""
    offers = [api("member", 1, fee_usd_per_month=100), api("api", 1.5)]
    plan = plan_of(problem(by_period([300 * M, 0]), offers, periods=2, period_h=MONTH), solver)
    assert plan.cost_usd == approx(450)


def test_later_money_weighs_less(solver: str) -> None:
    """1 M in each of two months at 1.00, 100 % a year: 1 + 2^(−730 / 8760). If the first may wait: twice the latter."""
    later = 2 ** (-MONTH / 8760)
    data = problem(
        by_period([M, M]), api("api", 1), periods=2, period_h=MONTH, policy={"discount_rate_per_year": 1}
    )
    assert plan_of(data, solver).cost_usd == approx(1 + later)
    data["workloads"][0]["deferrable_h"] = 2 * MONTH
    assert plan_of(data, solver).cost_usd == approx(2 * later)
