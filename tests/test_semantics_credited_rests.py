"""Credits beside what earlier spans left: rests pay first, oldest first, and what they pay a credit does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from problem_factory import SOLVERS, Data, api, by_period, load, plan_of, problem
from pytest import approx

import router

M = 1e6
RESTS: Data = {"settled": "hour", "signed": True, "rollover_spans": 1}


def case(use: list[float], terms: Data, credit: Data, *, agreed: bool = False, price: float = 2.0) -> Data:
    """Work in M tokens of each hour, with rests under the offer's own commitment or an agreement over it."""
    own = {} if agreed else {"commitment": RESTS | terms}
    data = problem(by_period([each * M for each in use]), api("a", price, **own), periods=len(use))
    data["horizon"]["start"] = "2027-01-01T00:00"
    if agreed:
        data["commitments"] = [{"name": "plan", "offers": ["a"], "overage": "contract"} | RESTS | terms]
    return data | {"credits": [{"name": "credit", "offers": ["a"], "usd": 100.0} | credit]}


KINDS: dict[str, tuple[Data, bool]] = {
    "in USD": ({"min_usd": 8}, False),
    "in tokens": ({"min_tokens": 4 * M}, False),
    "an agreement": ({"min_usd": 8}, True),
    "an agreement, more at list": ({"min_usd": 8, "overage": "list"}, True),
    "an agreement of levels": ({"levels": [{"usd": 8, "discount": 0.0}]}, True),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_credit_pays_what_no_rest_has_paid(kind: str, solver: str) -> None:
    """8 an hour; 2 used, 12, then 4 of which nothing is left: the credit pays 2, 12 − 6 and 4.

    Billed are 8, 8 and 8: 6 of the first hour and 8 of the second pay for 12, which leaves 2 for the 4 of the third.
    So the credit pays 2, 6 and 4 − 2: of 24 USD that leaves 14.
    """
    terms, agreed = KINDS[kind]
    plan = plan_of(case([1, 6, 2], terms, {}, agreed=agreed), solver)
    assert plan.cost_usd == approx(24 - (2 + 6 + 2))
    assert plan.credits is not None
    paid = {row.period: row.paid_usd for row in plan.credits}
    assert paid == {0: approx(2), 1: approx(6), 2: approx(2)}


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_lapses_pays_nothing_and_what_goes_beyond_is_billed(solver: str) -> None:
    """8 an hour, 0, 0 and 24 used: of 16 left 8 have lapsed and 8 pay; a credit pays the other 16.

    Where rests last for two hours 16 pay, and 8 are billed.
    """
    plan = plan_of(case([0, 0, 12], {"min_usd": 8}, {}), solver)
    assert plan.cost_usd == approx(8 + 8 + 16 - 16)
    longer = plan_of(case([0, 0, 12], {"min_usd": 8, "rollover_spans": 2}, {}), solver)
    assert longer.cost_usd == approx(24 - 8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_rest_is_thrown_away_for_a_credit(solver: str) -> None:
    """Rests of 8 pay all 6 of the second hour, whatever the credit could: 8 + 8 are due, and nothing is paid."""
    plan = plan_of(case([0, 3], {"min_usd": 8}, {}), solver)
    assert plan.cost_usd == approx(16)
    assert not plan.credits


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_an_hours_own_commitment_pays_is_billed_for_use(solver: str) -> None:
    """A credit of the second hour alone: of 10 used in it rests pay 8, and it pays the 2 of the 8 due then: 16 − 2."""
    dates = {"from": "2027-01-01T01:00", "usd": 4.0}
    plan = plan_of(case([0, 5], {"min_usd": 8}, dates), solver)
    assert plan.cost_usd == approx(16 - 2)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_was_left_before_the_horizon_pays_first_too(solver: str) -> None:
    """5 were left, of which the day has used 3 by now: 2 pay of the 6 used in the hour, and the credit the other 4."""
    terms = {"settled": "day", "min_usd": 24 * 8.0, "rollover_spans": 1}
    stands = {"since": "2026-12-31T23:00", "used_usd": 3.0, "unused_usd": [5.0]}
    data = case([3], terms | {"so_far": stands}, {})
    before, plan = plan_of({**data, "credits": []}, solver), plan_of(data, solver)
    assert before.cost_usd - plan.cost_usd == approx(6 - 2)


def test_the_check_sees_a_credit_that_pays_what_a_rest_has_paid() -> None:
    stated = load(case([1, 6, 2], {"min_usd": 8}, {}))
    plan = router.solve(stated)
    assert plan.credits is not None
    for period in (1, 2):
        rows = tuple(
            replace(row, paid_usd=row.paid_usd + 1) if row.period == period else row for row in plan.credits
        )
        verdict = router.verify(stated, replace(plan, credits=rows, cost_usd=plan.cost_usd - 1))
        assert not next(check for check in verdict.checks if check.name == "credits").ok


@pytest.mark.parametrize("kind", KINDS)
def test_more_of_a_credit_never_costs_more_nor_saves_more_than_itself(kind: str) -> None:
    terms, agreed = KINDS[kind]
    costs = [
        plan_of(case([1, 6, 0, 5], terms, {"usd": usd}, agreed=agreed)).cost_usd for usd in (0, 3, 7, 50)
    ]
    for less, more, usd in zip(costs, costs[1:], (3, 4, 43), strict=False):
        assert -1e-6 <= less - more <= usd + 1e-6
