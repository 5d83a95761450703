"""Every rule that DESIGN.md states on money per month, on routing and on time; each docstring names its rule."""

from __future__ import annotations

import pytest
from problem_factory import (
    MONTH,
    Data,
    api,
    by_period,
    counts,
    gpu,
    hourly,
    load,
    monthly,
    plan_of,
    problem,
    shares,
    sized,
    usd,
)
from pytest import approx

from router.errors import Infeasible, InputError

M = 1e6


# --- money per month


def test_money_per_month_is_prorated_by_hours() -> None:
    """Money per month is prorated by hours / 730: a tenth of a month, a tenth of fee, minimum and tier thresholds."""
    data = problem(hourly(M), api("o", 1, fee_usd_per_month=1000), period_h=73)
    assert usd(plan_of(data), kind="fee") == approx(100)
    data = problem(hourly(M), api("o", 1, commitment={"min_usd_per_month": 1000}), period_h=73)
    assert plan_of(data).cost_usd == approx(100)
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 1}, {"from_tokens_per_month": 365e6, "usd_per_m": 3}]
    data = problem(hourly(M), api("o", 9, commitment={"tiers": tiers}), period_h=73)
    assert plan_of(data).cost_usd == approx(36.5 + 3 * 36.5)


def test_a_period_belongs_to_the_month_in_which_it_starts() -> None:
    """A period belongs to the month in which it starts, and a month's hours are the sum of its periods' hours.

    Periods of 500 h start at 0, 500 and 1,000 h: months of 1,000 and 500 h.
    """
    work = by_period([M, 2 * M, 4 * M])
    offer = api("o", 1, commitment={"min_usd_per_month": 730, "signed": True})
    plan = plan_of(problem(work, offer, periods=3, period_h=500))
    assert [(row.month, row.used_tokens) for row in plan.settlements] == [
        (0, approx(3 * M)),
        (1, approx(4 * M)),
    ]
    assert [row.billed_usd for row in plan.settlements] == approx([1000, 500])


@pytest.mark.parametrize(
    "money",
    [{"fee_usd_per_month": 1}, {"commitment": {"min_usd_per_month": 1}}],
    ids=["fee", "commitment"],
)
def test_money_per_month_and_periods_longer_than_one(money: Data) -> None:
    """With money per month, periods longer than 730 h are an input error."""
    with pytest.raises(InputError, match="730 h"):
        load(problem(hourly(M), api("o", 1, **money), period_h=731))


def test_a_contract_not_signed_that_carries_nothing_costs_nothing() -> None:
    """A contract not signed that carries nothing costs nothing, and is no contract of the plan."""
    plan = plan_of(problem(hourly(M), [api("a", 1), api("b", 2, commitment={"min_usd_per_month": 7300})]))
    assert plan.cost_usd == approx(1.0)
    assert plan.contracts == plan.settlements == ()


def test_what_a_contract_carries_signs_it() -> None:
    """An unsigned contract is signed whenever it carries anything: its whole minimum is then due, in every month."""
    offers = [api("a", 1, quota={"tokens_per_minute": 0}), api("b", 2, commitment={"min_usd_per_month": 730})]
    plan = plan_of(problem(by_period([1000, 0]), offers, periods=2, period_h=MONTH))
    assert plan.cost_usd == approx(1460)


@pytest.mark.parametrize("other", [{"completion_usd_per_m": 2}, {"cached_prompt_usd_per_m": 0.5}])
def test_a_token_minimum_needs_one_price(other: Data) -> None:
    """A token minimum needs one price: where prices differ by model or token kind, tiers or USD are asked for."""
    offer = api("o", 1, commitment={"min_tokens_per_month": M})
    offer["models"]["m"] |= other
    with pytest.raises(InputError, match="one price"):
        load(problem(hourly(M), offer))


def test_tiers_bill_the_larger_of_use_and_commitment() -> None:
    """With tiers the bill is tiers(max(used, committed)); thresholds are inclusive, all tokens count."""
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 4}, {"from_tokens_per_month": 100 * M, "usd_per_m": 1}]
    terms = {"tiers": tiers, "min_tokens_per_month": 150 * M, "signed": True}
    for used, billed in ((50 * M, 450), (150 * M, 450), (250 * M, 550)):
        work = monthly(used, completion_tokens=1000, prompt_tokens=1000)
        plan = plan_of(problem(work, api("o", 9, commitment=terms), period_h=MONTH))
        assert plan.cost_usd == approx(billed)


def test_a_threshold_is_inclusive() -> None:
    """`from` is inclusive: at exactly 100 M the second price holds for all units; on demand 5.00."""
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 1}, {"from_tokens_per_month": 100 * M, "usd_per_m": 3}]
    terms = {"tiers": tiers, "tier_kind": "all_units", "min_tokens_per_month": 100 * M, "signed": True}
    plan = plan_of(problem(monthly(50 * M), api("o", 9, commitment=terms), period_h=MONTH))
    assert plan.cost_usd == approx(300)


def test_a_commitment_without_a_maximum_is_its_minimum() -> None:
    """No maximum: committed = minimum · signed; a maximum: the volume is decided between the two."""
    for most, committed in ((None, 100), (500, 300)):
        terms = {"min_usd_per_month": 100, "overage": "none"}
        terms |= {"max_usd_per_month": most} if most else {}
        offers = [api("o", 1, commitment=terms), api("api", 2)]
        plan = plan_of(problem(monthly(300 * M), offers, period_h=MONTH))
        assert plan.contracts[0].committed_usd_per_month == approx(committed)


def test_reserved_and_signed_are_due_even_without_work() -> None:
    """Sunk money: a signed contract and reserved instances are paid whatever the plan does."""
    offers = [gpu("g", 1, 1, reserved=1), api("c", 1, commitment={"min_usd_per_month": 730, "signed": True})]
    assert plan_of(problem(hourly(0), [*offers, api("api", 0.1)])).cost_usd == approx(2.0)


def test_a_signed_contract_ends() -> None:
    """`signed_until`: due until its end date, then it may be signed anew or left; a cut month is settled whole."""
    horizon = {"start": "2026-01-01T00:00:00"}
    terms = {"min_usd_per_month": 730, "signed": True, "signed_until": "2026-01-20T00:00:00"}
    offers = [api("c", 1, commitment=terms), api("api", 0.5)]
    data = problem(monthly(0.1 * M), offers, periods=2, period_h=MONTH, horizon=horizon)
    plan = plan_of(data)
    assert usd(plan, "c") == approx(730)
    assert usd(plan, "api") == approx(0.05)


# --- routing


def test_unsplittable_work_may_change_its_route_between_periods() -> None:
    """`splittable: false`: in a period one route carries all of it; the next period may have another."""
    work = by_period([0.5 * M, 2 * M], routing={"splittable": False})
    offers = [api("small", 1, quota={"tokens_per_minute": 1e6 / 60}), api("large", 2)]
    plan = plan_of(problem(work, offers, periods=2))
    assert shares(plan, period=0) == approx({"small": 1.0})
    assert shares(plan, period=1) == approx({"large": 1.0})


def test_unsplittable_work_that_may_wait_keeps_its_offer() -> None:
    """`splittable: false` with `deferrable_h`: one offer per arrival period; its work may run in several periods.

    2 M arrive, 1 M an hour at 1.00 in each of two hours: all of it there.
    """
    work = by_period([2 * M, 0], deferrable_h=2, routing={"splittable": False})
    offers = [api("small", 1, quota={"tokens_per_minute": 1e6 / 60}), api("large", 2)]
    plan = plan_of(problem(work, offers, periods=2))
    assert plan.cost_usd == approx(2.0)
    assert {row.offer for row in plan.routes} == {"small"}
    assert len(plan.routes) == 2


def test_share_limits_hold_in_every_period() -> None:
    """`max_share_per_provider` holds in every period, not on average."""
    work = by_period([M, M], routing={"max_share_per_provider": 0.5})
    plan = plan_of(problem(work, [api("a", 1), api("b", 3)], periods=2))
    assert plan.cost_usd == approx(4.0)
    for t in (0, 1):
        assert max(shares(plan, period=t).values()) == approx(0.5)


def test_no_demand_needs_no_route() -> None:
    """A workload or period without demand needs no route."""
    works = [by_period([M, 0]), hourly(0, "none", models=["n"])]
    plan = plan_of(problem(works, api("o", 1), periods=2))
    assert plan.cost_usd == approx(1.0)
    assert len(plan.routes) == 1


def test_min_providers_counts_the_same_ones_in_every_period() -> None:
    """`min_providers` counts providers that carry at least `min_share_per_provider` (default 0.05) in every period.

    b has a quota of 0 where a is dear … so c, at 5.00, must carry 5 % throughout: 2 · (0.95 · 1 + 0.05 · 5).
    """
    work = by_period([M, M], routing={"min_providers": 2})
    plan = plan_of(problem(work, [api("a", 1), api("c", 5)], periods=2))
    assert plan.cost_usd == approx(2 * (0.95 + 0.25))


def test_policy_share_is_of_tokens_over_all_workloads() -> None:
    """`policy.max_share_per_provider`: of tokens, over all workloads, in every period."""
    works = [hourly(M, "a"), hourly(3 * M, "b")]
    data = problem(works, [api("cheap", 1), api("dear", 2)], policy={"max_share_per_provider": 0.75})
    assert plan_of(data).cost_usd == approx(3 + 2)


# --- demand and time


@pytest.mark.parametrize(
    ("demand", "tokens"),
    [
        ({"requests_per_s": 1}, 3600e3 * 10),
        ({"requests_per_hour": 1}, 1e3 * 10),
        ({"requests_per_day": 24}, 1e3 * 10),
        ({"requests_per_month": 730}, 1e3 * 10),
        ({"tokens_per_s": 1}, 3600 * 10),
        ({"tokens_per_day": 24}, 10),
        ({"tokens_per_month": 730}, 10),
        ({"requests_total": 7}, 7e3),
        ({"tokens_total": 7}, 7),
        ({"requests_by_period": [1, 2, 3, 0, 4]}, 10e3),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_every_way_of_stating_demand(demand: Data, tokens: float) -> None:
    """Exactly one way of stating demand; a day is 24 h, a month 730 h; totals arrive evenly over the horizon."""
    plan = plan_of(problem(sized("w", demand), api("o", 1), periods=5, period_h=2))
    assert sum(row.prompt_tokens for row in plan.routes) == approx(tokens)
    if "total" in next(iter(demand)):
        assert [row.prompt_tokens for row in plan.routes] == approx([tokens / 5] * 5)


def test_a_window_at_the_edge_brings_its_part() -> None:
    """A window at the edge of the horizon brings the part of its day's volume that lies inside.

    20:00 to 04:00, 24 M a day; twelve hours from midnight see four of yesterday's eight hours: 12 M.
    """
    work = hourly(M, window={"start": "20:00", "end": "04:00"})
    plan = plan_of(problem(work, api("o", 1), periods=12))
    assert plan.cost_usd == approx(12.0)
    assert {row.period for row in plan.routes} <= {0, 1, 2, 3}
    assert sum(row.share for row in plan.routes) == approx(1.0)


def test_a_window_belongs_to_the_day_it_starts_in() -> None:
    """A `window` belongs to the day it starts in, in `horizon.timezone`; by-period demand: its calendar day's.

    22:00 to 02:00: day 0 records 24 · 1 M, day 1 24 · 3 M, of which half of the window lies inside.
    """
    work = by_period([M] * 24 + [3 * M] * 24, window={"start": "22:00", "end": "02:00"})
    plan = plan_of(problem(work, api("o", 1), periods=48))
    amounts: dict[int | None, float] = {}
    for row in plan.routes:
        amounts[row.occurrence] = amounts.get(row.occurrence, 0.0) + row.prompt_tokens
    assert amounts == approx({0: 24 * M, 1: 36 * M})  # of day −1 nothing is recorded


def test_a_window_is_in_local_time() -> None:
    """… in `horizon.timezone`: 02:00 to 04:00 in Tokyo is 17:00 to 19:00 UTC."""
    horizon = {"start": "2026-12-01T00:00:00+00:00", "timezone": "Asia/Tokyo"}
    work = hourly(M, window={"start": "02:00", "end": "04:00"})
    plan = plan_of(problem(work, gpu("g", 1, 12, max=1), periods=24, horizon=horizon))
    assert {row.period for row in plan.routes} == {17, 18}


def test_windows_of_totals_share_by_length() -> None:
    """Totals: divided over the windows by their length inside the horizon: 2 h and 4 h of a window, 6 M in all."""
    work = sized("w", {"tokens_total": 6 * M}, window={"start": "22:00", "end": "02:00"})
    plan = plan_of(problem(work, api("o", 1), periods=26))
    amounts = {row.occurrence: 0.0 for row in plan.routes}
    for row in plan.routes:
        amounts[row.occurrence] += row.prompt_tokens
    assert amounts == approx({-1: 2 * M, 0: 4 * M})


def test_periods_longer_than_the_window() -> None:
    """Periods longer than the window are an input error; a period partly inside serves only that part."""
    work = hourly(M, window={"start": "01:00", "end": "04:00"})
    with pytest.raises(InputError, match="shorter than a period"):
        load(problem(work, api("o", 1), periods=2, period_h=4))
    # 24 M between 01 and 04 in periods of 2 h: half of the first, all of the second
    plan = plan_of(problem(work, gpu("g", 1, 4, max=2), periods=12, period_h=2))
    assert {row.period: row.share for row in plan.routes} == approx({0: 1 / 3, 1: 2 / 3})
    with pytest.raises(Infeasible):
        plan_of(problem(work, gpu("g", 1, 4, max=1), periods=12, period_h=2))


@pytest.mark.parametrize(("hours", "latest"), [(1, 0), (1.5, 1), (2, 1), (2.01, 2), (9, 3)])
def test_work_may_be_put_off_for_less_than(hours: float, latest: int) -> None:
    """`deferrable_h`: work arriving in t may run in any period that starts less than so much after t starts."""
    work = by_period([M, 0, 0, 0], deferrable_h=hours)
    data = problem(work, api("o", 1), periods=4, policy={"discount_rate_per_year": 1})
    assert {row.period for row in plan_of(data).routes} == {latest}


def test_nothing_runs_before_the_horizon() -> None:
    """Nothing runs before the horizon: every instance of the first period is started, and boots."""
    plan = plan_of(problem(hourly(M), gpu("g", 1, 1, start_usd=3, start_h=0.5), periods=2))
    assert counts(plan)["g"] == [2.0, 1.0]
    assert usd(plan, kind="starts") == approx(6.0)


def test_resize_for_the_horizon_is_one_number() -> None:
    """`resize: horizon`: one number for the whole horizon."""
    plan = plan_of(problem(by_period([M, 3 * M]), gpu("g", 1, 1, resize="horizon"), periods=2))
    assert counts(plan)["g"] == [3.0, 3.0]
    assert plan.cost_usd == approx(6.0)


# --- scenarios


def test_a_scenario_multiplies_demand_prices_and_availability() -> None:
    """Scenario multipliers: `demand` by workload, `prices` and `availability` by offer; a named one replaces "*"."""
    works = [hourly(M, "a"), hourly(M, "b", models=["n"])]
    offers = [gpu("g", 1, 4, availability=1.0), api("o", 1, models=("n",))]
    future = {
        "name": "f",
        "probability": 1,
        "demand": {"*": 2, "b": 3},
        "prices": {"o": 1.5},
        "availability": {"g": 0.25},
    }
    plan = plan_of(problem(works, offers, scenarios=[future]), scenario="f")
    assert usd(plan, "g") == approx(2.0)  # 2 M at 4 M · 0.25
    assert usd(plan, "o") == approx(4.5)  # 3 M at 1.50


def test_several_scenarios_need_a_choice() -> None:
    """`router solve` on a file with several scenarios needs `--scenario NAME`."""
    listed = [{"name": "a", "probability": 0.5}, {"name": "b", "probability": 0.5, "demand": {"*": 2}}]
    data = problem(hourly(M), api("o", 1), scenarios=listed)
    with pytest.raises(InputError, match="must be chosen"):
        plan_of(data)
    assert plan_of(data, scenario="b").cost_usd == approx(2.0)
