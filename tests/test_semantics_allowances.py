"""What is free of an offer: worked out by hand, by an LP written apart, and by laws."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from problem_factory import (
    MONTH,
    SOLVERS,
    Data,
    api,
    gpu,
    hourly,
    load,
    monthly,
    plan_of,
    problem,
    sized,
    usd,
)
from pytest import approx
from scipy.optimize import linprog

import router
from router.errors import InputError
from router.plan.document import Plan

M = 1e6


def free(offer: Data, **terms: object) -> Data:
    return offer | {"free": terms}


def free_tokens(plan: Plan) -> float:
    return sum(row.tokens * (row.free_share or 0.0) / row.share for row in plan.routes)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_allowance_goes_to_the_dearest_work(solver: str) -> None:
    """1 M free. x costs 2.00 a M and y 3.00, 2 M of each: the million is y's, 2 · 2 + 1 · 3."""
    offer = api("a", 2.0) | {"models": {"m": {"prompt_usd_per_m": 2}, "n": {"prompt_usd_per_m": 3}}}
    loads = [monthly(2 * M, "x"), monthly(2 * M, "y", models=["n"])]
    data = problem(loads, free(offer, tokens_per_month=1 * M), period_h=MONTH)
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(7)
    assert {row.workload: row.free_share for row in plan.routes} == {"x": None, "y": approx(0.5)}
    assert plan.bound_usd == approx(7, rel=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_is_of_every_billing_month_and_lapses(solver: str) -> None:
    """1 M free a month; uses of 0.5, 3 and 1 M in three months, at 2.00: 0 + 4 + 0."""
    load_ = sized("w", {"requests_by_period": [500, 3000, 1000]})
    data = problem(load_, free(api("a", 2.0), tokens_per_month=1 * M), periods=3, period_h=MONTH)
    assert plan_of(data, solver).cost_usd == approx(4)


def test_a_part_of_a_month_has_its_hours() -> None:
    """73 h of a month: a tenth of 1 M is free of 1 M used, at 2.00: 0.9 · 2."""
    data = problem(
        sized("w", {"requests_total": 1000}), free(api("a", 2.0), tokens_per_month=1 * M), period_h=73
    )
    assert plan_of(data).cost_usd == approx(1.8)


def test_what_the_month_that_runs_has_taken_is_gone() -> None:
    """The month began 365 h before; 0.4 M of its 1 M are taken. It ends with the horizon's first half: 0.6 M are left
    there, then the next month has its half of 1 M for 365 h. 1 M are used in each half, at 2.00: 0.8 + 1.0."""
    load_ = sized("w", {"requests_by_period": [1000, 1000]})
    offer = free(
        api("a", 2.0),
        tokens_per_month=1 * M,
        so_far={"since": "2026-12-16T19:00:00", "used_tokens": 0.4 * M},
    )
    data = problem(load_, offer, periods=2, period_h=365, horizon={"start": "2027-01-01T00:00:00"})
    plan = plan_of(data)
    assert plan.cost_usd == approx(1.8)
    offer["free"]["so_far"]["used_tokens"] = 1.2 * M  # more than there was: nothing is owed back
    data = problem(load_, offer, periods=2, period_h=365, horizon={"start": "2027-01-01T00:00:00"})
    assert plan_of(data).cost_usd == approx(3.0)


def test_the_parts_of_a_month_planned_apart_have_together_what_the_month_has() -> None:
    """A month in two plans: 1 M free, of which the first half may take a half; uses of 0.7 M in each.

    Whole: 1.4 − 1.0 = 0.4 M at 2.00. Apart: 0.7 − 0.5, then 1.0 − 0.5 − … the same 0.4 M in all.
    """
    start = "2027-01-01T00:00:00"
    half = sized("w", {"requests_total": 700})
    whole = problem(
        sized("w", {"requests_by_period": [700, 700]}),
        free(api("a", 2.0), tokens_per_month=M),
        periods=2,
        period_h=365,
    )
    first = problem(half, free(api("a", 2.0), tokens_per_month=M), period_h=365)
    before = plan_of(first)
    so_far = {"since": start, "used_tokens": free_tokens(before)}
    second = problem(
        half,
        free(api("a", 2.0), tokens_per_month=M, so_far=so_far),
        period_h=365,
        horizon={"start": "2027-01-16T05:00:00"},
    )
    assert before.cost_usd + plan_of(second).cost_usd == approx(plan_of(whole).cost_usd)


def test_what_is_free_counts_in_a_quota() -> None:
    """1,000 requests an hour at 1.00 a M, 600 of them at most here, 600 free in the hour; the rest at 5.00: 0 + 2."""
    offer = free(api("a", 1.0), requests_per_month=600 * 730) | {"quota": {"requests_per_minute": 10}}
    plan = plan_of(problem(hourly(1 * M), [offer, api("b", 5.0)]))
    assert plan.cost_usd == approx(2)


def test_what_is_free_is_no_use_of_a_commitment() -> None:
    """3 M at 2.00 with 1 M free: 4 of use under a minimum of 5: 5 are due. Under one of 3: 4."""
    for least, cost in ((5, 5), (3, 4)):
        offer = free(api("a", 2.0, commitment={"min_usd_per_month": least}), tokens_per_month=1 * M)
        plan = plan_of(problem(monthly(3 * M), offer, period_h=MONTH))
        assert plan.cost_usd == approx(cost)
        assert plan.settlements[0].used_usd == approx(4)


def test_what_is_free_is_no_use_of_a_volume() -> None:
    """3 M at 2.00, 1 M free, a minimum of 2.5 M: 2.5 M are due, 5.00."""
    offer = free(api("a", 2.0, commitment={"min_tokens_per_month": 2.5 * M}), tokens_per_month=1 * M)
    plan = plan_of(problem(monthly(3 * M), offer, period_h=MONTH))
    assert plan.cost_usd == approx(5)
    assert plan.settlements[0].used_tokens == approx(2 * M)


def test_tiers_are_of_what_is_not_free() -> None:
    """3 M, 1 M free; 2.00 a M up to 1.5 M and 1.00 above: 1.5 · 2 + 0.5 · 1."""
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 2}, {"from_tokens_per_month": 1.5 * M, "usd_per_m": 1}]
    offer = free(api("a", 2.0, commitment={"tiers": tiers}), tokens_per_month=1 * M)
    plan = plan_of(problem(monthly(3 * M), offer, period_h=MONTH))
    assert plan.cost_usd == approx(3.5)
    assert plan.bound_usd == approx(3.5, rel=1e-5)


def test_all_of_it_free_needs_the_contract_all_the_same() -> None:
    """Half a million under an allowance of one: nothing is due, and the plan says under what it runs."""
    offer = free(api("a", 2.0, commitment={"min_usd_per_month": 0}), tokens_per_month=1 * M)
    plan = plan_of(problem(monthly(0.5 * M), offer, period_h=MONTH))
    assert plan.cost_usd == approx(0)
    assert [row.offer for row in plan.contracts] == ["a"]


def test_an_agreement_covers_what_is_not_free() -> None:
    """An hour of 5 M at 2.00, 1 M of it free: 8 at list; half off for at most 3: 3 + 8 − 6."""
    offer = free(api("a", 2.0), tokens_per_month=730 * M)
    terms = {
        "name": "plan",
        "provider": "v",
        "offers": ["a"],
        "settled": "hour",
        "max_usd": 3,
        "discount": 0.5,
    }
    plan = plan_of(problem(hourly(5 * M), offer) | {"commitments": [terms]})
    assert plan.cost_usd == approx(5)


def test_tokens_beside_machines_may_be_free() -> None:
    """Rent of 4 an hour and 1 M tokens at 6.00, of which half are free: 4 + 3."""
    offer = gpu("g", 4, 1)
    offer["models"]["m"] |= {"prompt_usd_per_m": 6, "completion_usd_per_m": 6}
    plan = plan_of(problem(hourly(1 * M), free(offer, tokens_per_month=0.5 * 730 * M)))
    assert (usd(plan, "g", "instances"), usd(plan, "g", "tokens")) == (approx(4), approx(3))


def test_it_goes_to_the_hours_in_which_a_schedule_is_dear() -> None:
    """1 M an hour at 2.00, 6.00 in the second hour by its schedule; 1 M is free for both: 2 + 0."""
    rule = {"from": "2027-01-01T01:00", "until": "2027-01-01T02:00", "prices": 3.0}
    offer = free(api("a", 2.0, schedule=[rule]), tokens_per_month=365 * M)
    data = problem(hourly(1 * M), offer, periods=2, horizon={"start": "2027-01-01T00:00"})
    plan = plan_of(data)
    assert plan.cost_usd == approx(2)
    assert plan.bound_usd == approx(2, rel=1e-6)


def test_a_contract_in_tokens_under_a_schedule_pays_for_what_is_not_free() -> None:
    """The same at 1 M tokens committed for two hours, 0.5 M free in all: 0.5 M of the dear hour are: 2 + 3."""
    rule = {"from": "2027-01-01T01:00", "until": "2027-01-01T02:00", "prices": 3.0}
    terms = {"min_tokens_per_month": 365 * M}
    offer = free(api("a", 2.0, schedule=[rule], commitment=terms), tokens_per_month=0.5 * 365 * M)
    data = problem(hourly(1 * M), offer, periods=2, horizon={"start": "2027-01-01T00:00"})
    assert plan_of(data).cost_usd == approx(5)


def test_it_survives_a_loss() -> None:
    """Either may be lost; what is free is so without a loss, and the cheaper one carries all: 1 M less 1 M free."""
    data = problem(
        hourly(2 * M),
        [free(api("a", 2.0), tokens_per_month=730 * M), api("b", 3.0)],
        policy={"survive_loss_of": "offer"},
    )
    assert plan_of(data).cost_usd == approx(2)


def test_every_future_has_its_own() -> None:
    """1 M free a month; 1 M in one future, 3 M in the other, at 2.00, equally likely: 0.5 · 0 + 0.5 · 4."""
    futures = [{"name": n, "probability": 0.5, "demand": {"*": d}} for n, d in (("low", 1), ("high", 3))]
    data = problem(
        monthly(1 * M), free(api("a", 2.0), tokens_per_month=1 * M), period_h=MONTH, scenarios=futures
    )
    assert router.size(load(data)).cost_usd == approx(2)


def linear_program(data: Data) -> float:
    """The same problem written as flows and free flows: workloads on their only model, two offers, months."""
    loads, offers = data["workloads"], data["offers"]
    months = data["horizon"]["periods"]
    names = [(w, o, t) for w in range(len(loads)) for o in range(len(offers)) for t in range(months)]
    at = {name: i for i, name in enumerate(names)}
    n = len(names)
    cost, equal, of, less, most = np.zeros(2 * n), [], [], [], []
    for (w, o, _), i in at.items():
        price = offers[o]["models"]["m"]["prompt_usd_per_m"]
        each = price * loads[w]["prompt_tokens"] / 1e6
        cost[i], cost[n + i] = each, -each
        row = np.zeros(2 * n)
        row[n + i], row[i] = 1, -1
        less.append(row)
        most.append(0.0)
    for w, stream in enumerate(loads):
        for t in range(months):
            row = np.zeros(2 * n)
            row[[at[w, o, t] for o in range(len(offers))]] = 1
            equal.append(row)
            of.append(stream["demand"]["requests_by_period"][t])
    for o, offer in enumerate(offers):
        for field, amount in offer.get("free", {}).items():
            for t in range(months):
                row = np.zeros(2 * n)
                for w, stream in enumerate(loads):
                    row[n + at[w, o, t]] = stream["prompt_tokens"] if field == "tokens_per_month" else 1
                less.append(row)
                most.append(amount)
        cap = offer.get("quota", {}).get("requests_per_minute")
        for t in range(months) if cap else ():
            row = np.zeros(2 * n)
            row[[at[w, o, t] for w in range(len(loads))]] = 1
            less.append(row)
            most.append(cap * 60 * 730)
    found: Any = linprog(cost, A_ub=np.array(less), b_ub=most, A_eq=np.array(equal), b_eq=of)
    return float(found.fun)


@pytest.mark.parametrize("seed", range(12))
def test_the_best_plan_is_that_of_a_program_written_apart(seed: int) -> None:
    draw = random.Random(seed)
    months = draw.randint(1, 2)
    loads = [
        sized(f"w{k}", {"requests_by_period": [draw.randint(0, 900) for _ in range(months)]})
        | {"prompt_tokens": draw.choice([100, 1000, 4000])}
        for k in range(3)
    ]
    offers = []
    for name in "ab":
        terms = {
            "tokens_per_month": draw.choice([0, 1e5, 5e5, 1e6]),
            "requests_per_month": draw.choice([0, 50, 400]),
        }
        kept = {key: terms[key] for key in draw.sample(sorted(terms), draw.randint(1, 2))}
        offers.append(free(api(name, draw.choice([1.0, 2.0, 50.0])), **kept))
    offers[0]["quota"] = {"requests_per_minute": draw.choice([0.01, 0.02, 1])}
    data = problem(loads, offers, periods=months, period_h=MONTH)
    plan = plan_of(data)
    assert plan.cost_usd == approx(linear_program(data), abs=1e-6)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_more_of_it_never_costs_more_and_none_of_it_changes_nothing(seed: int) -> None:
    draw = random.Random(seed)
    loads = [monthly(draw.randint(1, 5) * M, name) for name in "xy"]
    offers = [api("a", draw.choice([1.0, 2.0])), api("b", draw.choice([1.5, 3.0]))]
    costs = [plan_of(problem(loads, offers, period_h=MONTH)).cost_usd]
    for amount in (0, 1 * M, 4 * M, 20 * M):
        some = [free(offers[0], tokens_per_month=amount), offers[1]]
        costs.append(plan_of(problem(loads, some, period_h=MONTH)).cost_usd)
    assert costs[1] == approx(costs[0])
    assert all(more <= less + 1e-9 for less, more in pairwise(costs))


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({}, "offers[0].free: states no allowance"),
        ({"tokens_per_month": -1}, "offers[0].free.tokens_per_month"),
        ({"tokens_per_day": 5}, "offers[0].free.tokens_per_day"),
        (
            {"tokens_per_month": 1, "so_far": {"since": "2027-01-02"}},
            "offers[0].free.so_far.since: must not be after",
        ),
        (
            {"tokens_per_month": 1, "so_far": {"since": "2026-11-01"}},
            "offers[0].free.so_far.since: is more than",
        ),
        (
            {"tokens_per_month": 1, "so_far": {"since": "2027-01-01", "used_requests": 1}},
            "offers[0].free.so_far.used_requests: needs requests_per_month",
        ),
    ],
)
def test_what_an_allowance_cannot_say_is_an_input_error(terms: Data, says: str) -> None:
    with pytest.raises(InputError) as caught:
        load(problem(hourly(1 * M), free(api("a", 2.0), **terms), horizon={"start": "2027-01-01"}))
    assert all(part in str(caught.value) for part in says.split(": "))


def test_requests_of_no_size_are_refused_where_requests_are_free() -> None:
    tokens = {"name": "w", "models": ["m"], "demand": {"tokens_per_hour": 1e6, "completion_share": 0.2}}
    data = problem(tokens, [free(api("a", 1.0), requests_per_month=10), api("b", 2.0)])
    plan = plan_of(data)
    assert {row.offer for row in plan.routes} == {"b"}
    assert ("a", ("unmeasured",)) in {(row.offer, row.reasons) for row in plan.refused}
    data = problem(tokens, [free(api("a", 1.0), tokens_per_month=730e6)])
    assert plan_of(data).cost_usd == approx(0)


def test_the_check_sees_more_than_is_free_and_what_is_not_free() -> None:
    stated = load(
        problem(monthly(3 * M), [free(api("a", 2.0), tokens_per_month=M), api("b", 9.0)], period_h=MONTH)
    )
    plan = router.solve(stated)
    (row,) = plan.routes
    lies = {"more": 0.5, "less than nothing": -0.1, "more than runs": 1.5}
    for lie, share in lies.items():
        assert not router.verify(stated, replace(plan, routes=(replace(row, free_share=share),))).ok, lie
    other = replace(row, offer="b")
    assert not router.verify(stated, replace(plan, routes=(other,))).ok
