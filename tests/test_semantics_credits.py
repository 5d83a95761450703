"""Credits and allowances in USD: worked out by hand, by an LP written apart, and by laws."""

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
    by_period,
    gpu,
    hourly,
    load,
    monthly,
    plan_of,
    problem,
    usd,
)
from pytest import approx
from scipy.optimize import linprog

import router
from router.errors import InputError

M = 1e6
START = {"start": "2027-01-01T00:00"}


def credit(*offers: str, usd: float = 5, name: str = "credit", **dates: object) -> Data:
    return {"name": name, "offers": [*offers], "usd": usd, **dates}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_credit_pays_use_inside_its_dates_and_lapses(solver: str) -> None:
    """4.00 an hour for three hours; 10 from the second hour on: 4 + 0 + 0, and 2 lapse."""
    data = problem(hourly(2 * M), api("a", 2.0), periods=3, horizon=START)
    plan = plan_of(data | {"credits": [credit("a", usd=10, **{"from": "2027-01-01T01:00"})]}, solver)
    assert plan.cost_usd == approx(4)
    assert (usd(plan, "a", "tokens"), usd(plan, "a", "credit")) == (approx(12), approx(-8))
    assert {row.period: row.paid_usd for row in plan.credits or ()} == {1: approx(4), 2: approx(4)}
    assert plan.bound_usd == approx(4, rel=1e-5)


def test_of_a_period_partly_inside_its_hours_may_be_paid() -> None:
    """6.00 in each of two hours; it ends a third into the second: 6 + 2 of 100."""
    data = problem(hourly(3 * M), api("a", 2.0), periods=2, horizon=START)
    plan = plan_of(data | {"credits": [credit("a", usd=100, until="2027-01-01T01:20")]})
    assert plan.cost_usd == approx(12 - 8)
    assert plan.bound_usd == approx(4, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_draws_work_to_its_offers_as_long_as_it_lasts(solver: str) -> None:
    """a at 3.00 and b at 2.00, 10 M; a credit of 9 on a: 3 M there for nothing, 7 M at b: 14, for 20 without."""
    data = problem(hourly(10 * M), [api("a", 3.0), api("b", 2.0)])
    plan = plan_of(data | {"credits": [credit("a", usd=9)]}, solver)
    assert plan.cost_usd == approx(14)
    assert plan.bound_usd == approx(14, rel=1e-5)


def test_it_pays_rented_machines_and_their_tokens_and_nothing_else() -> None:
    """Rent 4, tokens 6, a reserved machine at 4, starts at 1 and a fee of 730 a month: 4 + 6 are use, 6 are left."""
    offer = gpu("g", 4, 1, reserved=1, start_usd=1) | {"fee_usd_per_month": 730}
    offer["models"]["m"] |= {"prompt_usd_per_m": 3, "completion_usd_per_m": 3}
    plan = plan_of(problem(hourly(2 * M), offer) | {"credits": [credit("g", usd=1000)]})
    assert plan.cost_usd == approx(4 + 1 + 1)
    assert {row.kind: row.paid_usd for row in plan.credits or ()} == {
        "instances": approx(4),
        "tokens": approx(6),
    }


def test_what_it_pays_is_use_of_a_commitment() -> None:
    """8 of use under a minimum of 10 with a credit of 5: 10 are billed, 5 of them paid. With one of 20: 8 are."""
    offer = api("a", 2.0, commitment={"min_usd_per_month": 10})
    data = problem(monthly(4 * M), offer, period_h=MONTH)
    for amount, cost in ((5, 5), (20, 2)):
        plan = plan_of(data | {"credits": [credit("a", usd=amount)]})
        assert plan.cost_usd == approx(cost)
        assert plan.settlements[0].used_usd == approx(8)
        assert plan.settlements[0].billed_usd == approx(10)
        assert plan.bound_usd == approx(cost, rel=1e-5)


def test_a_commitment_by_the_hour_has_credits_too() -> None:
    """Use of 2, 6 under 4 an hour: 4 + 6 billed; a credit of 3 pays 3 of the 8."""
    offer = api("a", 2.0, commitment={"min_usd": 4, "settled": "hour"})
    data = problem(by_period([1 * M, 3 * M]), offer, periods=2)
    assert plan_of(data | {"credits": [credit("a", usd=3)]}).cost_usd == approx(7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_two_never_pay_the_same_dollar(solver: str) -> None:
    """4 of use in each of two hours; one of 5 for the first hour, one of 3 for both: 4 of the first, 3 of the other."""
    data = problem(hourly(2 * M), api("a", 2.0), periods=2, horizon=START)
    both = [credit("a", usd=5, name="first", until="2027-01-01T01:00"), credit("a", usd=3, name="both")]
    assert plan_of(data | {"credits": both}, solver).cost_usd == approx(1)


def test_an_allowance_in_usd_is_of_every_month_and_pays_what_is_not_free_otherwise() -> None:
    """3 M at 2.00 in two months; 1 M and 3 USD a month are free: 6 − 2 − 3, twice, and no line of a credit."""
    offer = api("a", 2.0) | {"free": {"tokens_per_month": 1 * M, "usd_per_month": 3}}
    plan = plan_of(problem(monthly(3 * M), offer, periods=2, period_h=MONTH))
    assert plan.cost_usd == approx(2)
    assert [line.kind for line in plan.cost_lines] == ["tokens"]
    assert plan.bound_usd == approx(2, rel=1e-5)


def test_an_allowance_in_usd_pays_machines_by_the_hours_of_a_month() -> None:
    """Rent of 4 an hour, 365 USD free a month: half a dollar an hour."""
    offer = gpu("g", 4, 1) | {"free": {"usd_per_month": 365}}
    plan = plan_of(problem(hourly(1 * M), offer, periods=10))
    assert plan.cost_usd == approx(35)
    assert usd(plan, "g", "instances") == approx(35)


def test_an_allowance_in_usd_stands_where_the_month_does() -> None:
    """Half of a month is over, with 300 of 365 taken: 65 are left for what else is used in it."""
    so_far = {"since": "2026-12-16T19:00", "used_usd": 300}
    offer = gpu("g", 4, 1) | {"free": {"usd_per_month": 365, "so_far": so_far}}
    plan = plan_of(problem(hourly(1 * M), offer, period_h=365, horizon=START))
    assert plan.cost_usd == approx(4 * 365 - 65)


def test_an_allowance_in_usd_beside_an_agreement_pays_what_is_not_covered() -> None:
    """8 an hour of use, 60 % off for at most 2 (5 of list), 1 USD free an hour: 2 + 3 − 1."""
    offer = api("a", 2.0) | {"free": {"usd_per_month": 730}}
    terms = {"name": "plan", "offers": ["a"], "discount": 0.6, "settled": "hour", "max_usd": 2}
    plan = plan_of(problem(hourly(4 * M), offer) | {"commitments": [terms]})
    assert plan.cost_usd == approx(4)


def test_prices_of_a_schedule_are_those_that_are_paid() -> None:
    """2.00 and, in the second hour, 6.00; a credit of 5 for that hour: 2 + 1."""
    rule = {"from": "2027-01-01T01:00", "prices": 3.0}
    data = problem(hourly(1 * M), api("a", 2.0, schedule=[rule]), periods=2, horizon=START)
    plan = plan_of(data | {"credits": [credit("a", usd=5, **{"from": "2027-01-01T01:00"})]})
    assert plan.cost_usd == approx(3)


def test_each_period_weighs_by_its_present_value() -> None:
    """A dollar paid today is worth more than later: the credit goes to the first of two years' uses of 10."""
    data = problem(
        by_period([5 * M, 5 * M]),
        api("a", 2.0),
        periods=2,
        period_h=8760,
        policy={"discount_rate_per_year": 1},
    )
    plan = plan_of(data | {"credits": [credit("a", usd=10)]})
    assert plan.cost_usd == approx(5)
    assert {row.period for row in plan.credits or ()} == {0}


def linear_program(data: Data) -> float:
    """Flows of one stream over offers and hours, and what each credit pays of each."""
    offers, credits, hours = data["offers"], data["credits"], data["horizon"]["periods"]
    flows = [(o, t) for o in range(len(offers)) for t in range(hours)]
    pays = [
        (n, o, t) for n in range(len(credits)) for o, t in flows if offers[o]["name"] in credits[n]["offers"]
    ]
    at = {name: i for i, name in enumerate([*flows, *pays])}
    price = [offer["models"]["m"]["prompt_usd_per_m"] for offer in offers]
    cost = np.array([price[name[0]] if len(name) == 2 else -1.0 for name in at])
    stream = [count / 1000 for count in data["workloads"][0]["demand"]["requests_by_period"]]

    def row(terms: dict[Any, float]) -> list[float]:
        return [terms.get(name, 0.0) for name in at]

    less, most = [], []
    for o, t in flows:
        less.append(row({(o, t): -price[o]} | {name: 1.0 for name in pays if name[1:] == (o, t)}))
        most.append(0.0)
        less.append(row({(o, t): 1.0}))
        most.append(offers[o].get("quota", {}).get("tokens_per_minute", 1e12) * 60 / M)
    for n, each in enumerate(credits):
        less.append(row({name: 1.0 for name in pays if name[0] == n}))
        most.append(each["usd"])
        last = int(each["until"][11:13]) if "until" in each else hours
        for name in pays:
            if name[0] == n and name[2] >= last:
                less.append(row({name: 1.0}))
                most.append(0.0)
    equal = [row({(o, t): 1.0 for o in range(len(offers))}) for t in range(hours)]
    found: Any = linprog(cost, A_ub=np.array(less), b_ub=most, A_eq=np.array(equal), b_eq=stream)
    return float(found.fun)


@pytest.mark.parametrize("seed", range(10))
def test_the_best_plan_is_that_of_a_program_written_apart(seed: int) -> None:
    draw = random.Random(seed)
    hours = draw.randint(2, 4)
    offers = [api(name, draw.choice([1.0, 2.0, 3.0])) for name in "abc"]
    offers[0]["quota"] = {"tokens_per_minute": draw.choice([1e4, 5e4])}
    credits = [
        credit(*draw.sample("abc", draw.randint(1, 3)), usd=draw.choice([1, 4, 9, 40]), name=f"n{k}")
        | ({"until": f"2027-01-01T0{draw.randint(1, hours)}:00"} if draw.random() < 0.5 else {})
        for k in range(draw.randint(1, 3))
    ]
    data = problem(
        by_period([draw.randint(0, 6) * M for _ in range(hours)]), offers, periods=hours, horizon=START
    )
    data |= {"credits": credits}
    plan = plan_of(data)
    assert plan.cost_usd == approx(linear_program(data), abs=1e-6)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_credit_is_worth_at_most_itself(seed: int) -> None:
    draw = random.Random(seed)
    offers = [api("a", draw.choice([1.0, 3.0])), gpu("g", draw.choice([1.0, 2.0]), 1, max=2)]
    data = problem(by_period([draw.randint(1, 5) * M for _ in range(3)]), offers, periods=3)
    amounts = [0.0, 1.0, 3.0, 50.0]
    costs = [plan_of(data | {"credits": [credit("a", "g", usd=amount)]}).cost_usd for amount in amounts]
    assert costs[0] == approx(plan_of(data).cost_usd)
    for (less, more), (dear, cheap) in zip(pairwise(amounts), pairwise(costs), strict=True):
        assert -1e-9 <= dear - cheap <= more - less + 1e-9
    assert min(costs) >= 0


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"offers": ["nobody"]}, "credits[0].offers[0]: unknown offer"),
        ({"offers": ["a", "a"]}, "credits[0].offers[1]: is listed twice"),
        ({"offers": []}, "credits[0].offers"),
        ({"name": "a"}, "credits[0].name: names must be unique"),
        ({"usd": -1}, "credits[0].usd"),
        ({"from": "2027-02-01", "until": "2027-01-01"}, "credits[0].until: must be after from"),
        (
            {"offers": ["tiers"]},
            "credits[0].offers[0]: is not planned for: an offer with several tiers and",
        ),
    ],
)
def test_what_a_credit_cannot_say_is_an_input_error(terms: Data, says: str) -> None:
    tiers = [{"from_tokens_per_month": edge, "usd_per_m": 2 - edge} for edge in (0, 1)]
    offers = [
        api("a", 2.0),
        api("tiers", 2.0, commitment={"tiers": tiers, "min_tokens_per_month": 5, "tier_kind": "all_units"}),
    ]
    data = problem(hourly(1 * M), offers, horizon=START)
    with pytest.raises(InputError) as caught:
        load(data | {"credits": [credit("a") | terms]})
    assert all(part in str(caught.value) for part in says.split(": "))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("given", "cost"), [(12.0, 3.0), (100.0, 0.0)])
def test_of_an_agreement_a_credit_pays_what_is_billed(given: float, cost: float, solver: str) -> None:
    """20 USD at list an hour, 10 of it under a plan of 5 at half off: 15 are billed, and no more can be paid."""
    plan = {"name": "plan", "offers": ["a"], "discount": 0.5, "settled": "hour", "min_usd": 5, "signed": True}
    data = problem(hourly(10 * M), api("a", 2.0)) | {
        "commitments": [plan],
        "credits": [credit("a", usd=given)],
    }
    made = plan_of(data, solver)
    assert made.cost_usd == approx(cost, abs=1e-6)
    assert made.bound_usd is not None
    assert made.bound_usd <= cost + 1e-6


def test_of_a_plan_that_is_not_used_a_credit_pays_what_is() -> None:
    """5 an hour are due, and 2 used of them at half off: 2 are paid, whatever the credit has; in half an hour 1."""
    plan = {"name": "plan", "offers": ["a"], "discount": 0.5, "settled": "hour", "min_usd": 5, "signed": True}
    data = problem(hourly(2 * M), api("a", 2.0), horizon=START) | {"commitments": [plan]}
    assert plan_of(data | {"credits": [credit("a", usd=100)]}).cost_usd == approx(3)
    half = credit("a", usd=100, until="2027-01-01T00:30")
    assert plan_of(data | {"credits": [half]}).cost_usd == approx(4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_free_in_usd_is_no_use_of_the_offer_s_own_commitment(solver: str) -> None:
    """4 USD an hour, 1 of it free: 3 of use against 5, and against 2."""
    for least, cost in ((5.0, 5.0), (2.0, 3.0)):
        offer = api("a", 2.0, commitment={"min_usd": least, "settled": "hour", "signed": True})
        data = problem(hourly(2 * M), offer | {"free": {"usd_per_month": MONTH}})
        made = plan_of(data, solver)
        assert made.cost_usd == approx(cost)
        assert [row.billed_usd for row in made.settlements] == approx([cost])
        assert made.bound_usd == approx(cost, rel=1e-5)


@pytest.mark.parametrize("kind", ["credit", "free", "plan"])
def test_of_replicas_in_roles_both_halves_are_use(kind: str) -> None:
    """2 prefill workers at 1 and 3 decode workers at 4 USD: 14, of which 5 are paid, or half under a plan of 7."""
    entry = {"prompt_tokens_per_s": 1e6 / 3600, "completion_tokens_per_s": 1e5 / 3600}
    roles = {"prefill": {"usd_per_h": 1}, "decode": {"usd_per_h": 4}}
    own = {"name": "own", "models": {"m": entry}, "instances": {"roles": roles}}
    own |= {"free": {"usd_per_month": 5 * MONTH}} if kind == "free" else {}
    work = {"name": "w", "models": ["m"], "demand": {"requests_per_hour": 2000}}
    data = problem([work | {"prompt_tokens": 1000, "completion_tokens": 150}], [own])
    if kind == "credit":
        data["credits"] = [credit("own")]
    elif kind == "plan":
        terms = {
            "name": "plan",
            "offers": ["own"],
            "settled": "hour",
            "discount": 0.5,
            "min_usd": 7,
            "signed": True,
        }
        data["commitments"] = [terms]
    plan = plan_of(data)
    assert plan.cost_usd == approx(14 - (7 if kind == "plan" else 5))
    assert plan.bound_usd is not None
    assert plan.bound_usd <= plan.cost_usd + 1e-6


def test_dates_need_a_start() -> None:
    with pytest.raises(InputError, match=r"has dates, which need horizon\.start"):
        load(problem(hourly(1 * M), api("a", 2.0)) | {"credits": [credit("a", until="2027-01-01")]})


def test_it_is_compared_offer_by_offer() -> None:
    data = problem(hourly(10 * M), [api("a", 3.0), api("b", 2.0)]) | {"credits": [credit("a", usd=15)]}
    costs = {row.offer: row.cost_usd for row in router.compare(load(data)).offers}
    assert costs == {"a": approx(15), "b": approx(20)}


def test_the_check_sees_what_is_paid_twice_too_late_or_beyond_its_use() -> None:
    data = problem(hourly(2 * M), [api("a", 2.0), api("b", 9.0)], periods=2, horizon=START)
    stated = load(data | {"credits": [credit("a", usd=3, until="2027-01-01T01:00")]})
    plan = router.solve(stated)
    assert plan.credits is not None
    (row,) = plan.credits
    lies = {
        "more than it has": [replace(row, paid_usd=3.5)],
        "twice": [row, replace(row, paid_usd=0.0)],
        "less than nothing": [replace(row, paid_usd=-1.0)],
        "too late": [replace(row, period=1)],
        "of another": [replace(row, offer="b")],
        "of nobody": [replace(row, credit="nobody")],
        "an allowance": [replace(row, credit=None)],
        "of machines": [replace(row, kind="instances")],
        "nothing": [],
    }
    for lie, rows in lies.items():
        assert not router.verify(stated, replace(plan, credits=tuple(rows))).ok, lie
