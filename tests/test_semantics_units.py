"""Agreements in units: what is reserved of instances, whatever runs on them. By hand, and by enumeration."""

from __future__ import annotations

import random
from dataclasses import replace
from math import ceil

import pytest
from problem_factory import SOLVERS, Data, api, by_period, gpu, hourly, load, plan_of, problem, usd
from pytest import approx

import router
from router.errors import InputError
from router.reoptimisation.running import stored_problem
from router.schema import Problem

M = 1e6


def units(*offers: str, **terms: object) -> Data:
    terms = {"usd_per_unit_h": 0.25, "min_units": 0, "max_units": 100, **terms}
    return {"name": "ptu", "in": "units", "offers": [*offers], **terms}


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_reservation_is_held_in_every_period(solver: str) -> None:
    """Machines of 4 units at 4.00, 1, 3 and 2 of them in three hours; a unit reserved costs 0.60 an hour.

    A unit held for all hours costs 1.80 and saves 1.00 in each hour that uses it. The first 4 units are used for three
    hours, the next 4 for two, the last 4 for one: 8 units. 8 · 0.6 · 3 + 4 = 18.40, where list is 24.
    """
    data = problem(by_period([1 * M, 3 * M, 2 * M]), [gpu("g", 4, 1, units=4)], periods=3)
    plan = plan_of(data | {"commitments": [units("g", usd_per_unit_h=0.6)]}, solver)
    assert plan.cost_usd == approx(18.4)
    (contract,) = plan.contracts
    assert contract.committed_units == approx(8)
    assert contract.committed_usd_per_month == approx(8 * 0.6 * 730)
    assert (usd(plan, "ptu", "commitment"), usd(plan, "g", "instances")) == (approx(14.4), approx(4))
    (row,) = plan.settlements
    assert row.unused_usd == approx(4 * 0.6)
    assert plan.bound_usd == approx(18.4, rel=1e-5)


def test_units_are_sold_in_steps_from_a_minimum() -> None:
    """7 units of use all the time at 1.00, reserved at 0.80: in steps of 5, 5 and two at list, 6, or 10 for 8."""
    data = problem(hourly(7 * M), [gpu("g", 1, 1)])
    plan = plan_of(data | {"commitments": [units("g", usd_per_unit_h=0.8, min_units=5, step_units=5)]})
    assert plan.cost_usd == approx(6)
    cheaper = units("g", usd_per_unit_h=0.4, min_units=5, step_units=5)  # 10 for 4, or 5 and 2 at list
    assert plan_of(data | {"commitments": [cheaper]}).cost_usd == approx(4)


def test_a_part_of_an_instance_may_be_covered() -> None:
    """One machine of 8 units at 8.00; at most 6 may be reserved at 0.50: 3 + 2."""
    data = problem(hourly(1 * M), [gpu("g", 8, 1, units=8)])
    plan = plan_of(data | {"commitments": [units("g", usd_per_unit_h=0.5, max_units=6)]})
    assert plan.cost_usd == approx(5)


def test_offers_share_the_units_the_dearest_first() -> None:
    """a asks 3.00 a unit, b 2.00; 4 units of each, 5 reserved at 1.00: 5 + 3 · 2."""
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    b = gpu("b", 2, 1) | {"models": {"n": gpu("b", 2, 1)["models"]["m"]}}
    data = problem(loads, [gpu("a", 6, 1, units=2), b])
    terms = units("a", "b", usd_per_unit_h=1.0, min_units=5, max_units=5)
    assert plan_of(data | {"commitments": [terms]}).cost_usd == approx(11)


def test_periods_shorter_than_an_hour_settle_by_themselves() -> None:
    """Quarters of an hour with 4, 0, 4, 0 machines at 4.00: a unit reserved at 3.00 saves half of 4.00: none is.

    By the hour 2 units would be used: each period is held by itself.
    """
    data = problem(by_period([1 * M, 0, 1 * M, 0]), [gpu("g", 4, 1)], periods=4, period_h=0.25)
    plan = plan_of(data | {"commitments": [units("g", usd_per_unit_h=3.0)]})
    assert plan.cost_usd == approx(2 * 4 * 0.25 * 4)
    plan = plan_of(data | {"commitments": [units("g", usd_per_unit_h=1.0)]})  # 4 units for the hour
    assert plan.cost_usd == approx(4)
    odd = problem(hourly(1 * M), [gpu("g", 4, 1)], periods=3, period_h=0.7)
    assert plan_of(odd | {"commitments": [units("g", usd_per_unit_h=1.0)]}).cost_usd == approx(2.1)


def test_a_signed_reservation_is_due_and_used_where_it_saves() -> None:
    """8 units signed at 1.00, dearer than list at 0.50: 8 are due, and cover the machine of 4 units all the same."""
    data = problem(hourly(1 * M), [gpu("g", 2, 1, units=4)])
    terms = units("g", usd_per_unit_h=1.0, min_units=8, max_units=None, signed=True)
    plan = plan_of(data | {"commitments": [terms]})
    assert (plan.cost_usd, usd(plan, "g", "instances")) == (approx(8), approx(0, abs=1e-9))


def test_prices_of_a_scenario_are_those_of_instances_and_not_of_what_is_reserved() -> None:
    """Machines at 4.00 double to 8.00: a reservation of one machine's 4 units at 0.50 covers one of two: 2 + 8."""
    data = problem(hourly(2 * M), [gpu("g", 4, 1, units=4)])
    futures = [{"name": "dear", "probability": 1, "prices": {"*": 2}}]
    terms = units("g", usd_per_unit_h=0.5, min_units=4, max_units=None, signed=True)
    assert plan_of(data | {"commitments": [terms], "scenarios": futures}).cost_usd == approx(10)


@pytest.mark.parametrize("seed", range(8))
def test_the_best_number_is_that_of_an_enumeration(seed: int) -> None:
    """Every number of units is tried: in each hour the dearest units are covered first."""
    draw = random.Random(seed)
    hours, step = draw.randint(2, 4), draw.choice([1, 2, 5])
    use = {o: [draw.randint(0, 5) for _ in range(hours)] for o in "ab"}
    price, size = {o: draw.choice([2.0, 3.0, 8.0]) for o in "ab"}, {o: draw.choice([1, 2, 4]) for o in "ab"}
    hourly_usd = draw.choice([0.3, 0.8, 1.5])

    def cost(reserved: int) -> float:
        total = hours * reserved * hourly_usd
        for t in range(hours):
            left = float(reserved)
            for o in sorted("ab", key=lambda name: -price[name] / size[name]):
                covered = min(left, use[o][t] * size[o])
                left -= covered
                total += use[o][t] * price[o] - covered * price[o] / size[o]
        return total

    loads = [
        by_period([u * M for u in use["a"]], "x"),
        by_period([u * M for u in use["b"]], "y", models=["n"]),
    ]
    a, b = (gpu(o, price[o], 1, units=size[o]) for o in "ab")
    data = problem(loads, [a, b | {"models": {"n": b["models"]["m"]}}], periods=hours)
    most = ceil(max(sum(use[o][t] * size[o] for o in "ab") for t in range(hours)) / step) * step
    terms = units("a", "b", usd_per_unit_h=hourly_usd, step_units=step, max_units=max(most, step))
    plan = plan_of(data | {"commitments": [terms]})
    assert plan.cost_usd == approx(min(cost(k) for k in range(0, most + 1, step)), abs=1e-6)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_in_units_of_like_price_it_is_an_hourly_agreement_in_money(seed: int) -> None:
    """Units at 40 % of what instances ask for them are 60 % off, settled by the hour."""
    draw = random.Random(seed)
    loads = by_period([draw.randint(0, 6) * M for _ in range(4)])
    data = problem(loads, [gpu("g", 10, 1, units=2)], periods=4)
    money = {
        "name": "plan",
        "offers": ["g"],
        "discount": 0.6,
        "settled": "hour",
        "max_usd": 2.0 * 12,
        "step_usd": 2.0,
    }
    apart = plan_of(data | {"commitments": [money]})
    in_units = plan_of(data | {"commitments": [units("g", usd_per_unit_h=2.0, max_units=12)]})
    assert in_units.cost_usd == approx(apart.cost_usd, abs=1e-6)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"usd_per_unit_h": None}, "commitments[0].usd_per_unit_h: is required"),
        ({"settled": "month"}, "commitments[0].settled: does not go with in: units"),
        ({"overage": "contract"}, "commitments[0].overage: does not go with in: units"),
        ({"discount": 0.1}, "commitments[0].discount: does not go with in: units"),
        ({"min_usd": 4}, "commitments[0].min_usd: does not go with in: units"),
        ({"rollover_spans": 1}, "commitments[0].rollover_spans: does not go with in: units"),
        ({"in": "usd"}, "commitments[0].usd_per_unit_h: needs in: units"),
        ({"min_units": None, "max_units": None}, "commitments[0]: states no number of units"),
        ({"min_units": 7, "step_units": 5}, "commitments[0].min_units: must be a multiple of step_units"),
        ({"min_units": 9, "max_units": 5}, "commitments[0].min_units: must not be more than max_units"),
        ({"offers": ["a"]}, "commitments[0].offers[0]: rents no instances"),
        ({"offers": ["term"]}, "commitments[0].offers[0]: rents no instances"),
        ({"offers": ["bare"]}, "commitments[0].offers[0]: has instances of no units"),
        ({"in": "tokens"}, "commitments[0].in"),
    ],
)
def test_what_an_agreement_in_units_cannot_say_is_an_input_error(terms: Data, says: str) -> None:
    offers = [gpu("g", 4, 1), api("a", 2.0), gpu("term", 4, 1, term_months=1), gpu("bare", 4, 1, units=0)]
    with pytest.raises(InputError) as caught:
        load(problem(hourly(1 * M), offers) | {"commitments": [units("g") | terms]})
    assert all(part in str(caught.value) for part in says.split(": "))


def test_the_check_sees_units_at_another_price_and_another_number_of_them() -> None:
    stated = load(
        problem(hourly(2 * M), [gpu("g", 4, 1)]) | {"commitments": [units("g", usd_per_unit_h=1.0)]}
    )
    plan = router.solve(stated)
    assert plan.coverage is not None
    row, contract = plan.coverage[0], plan.contracts[0]
    cheaper = replace(plan, coverage=(replace(row, covered_usd=row.covered_usd / 2),))
    tokens = replace(plan, coverage=(replace(row, kind="tokens"),))
    fewer = replace(plan, contracts=(replace(contract, committed_units=1.0),))
    broken = replace(contract, committed_units=1.5, committed_usd_per_month=1.5 * 730)
    half = replace(plan, contracts=(broken,))
    for lie in (cheaper, tokens, fewer, half):
        assert not router.verify(stated, lie).ok


@pytest.mark.parametrize(
    "stated", [units("g"), {"name": "plan", "offers": ["g"], "settled": "hour", "min_usd": 1}]
)
def test_a_stored_problem_with_an_agreement_reads_back(stated: Data) -> None:
    """It states what is absent from its file, and is the same problem."""
    file = load(problem(hourly(1 * M), [gpu("g", 2, 1, units=4)]) | {"commitments": [stated]})
    assert Problem.model_validate(stored_problem(file)) == file
