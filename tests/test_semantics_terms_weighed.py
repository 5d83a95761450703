"""Terms in tokens whose prices change, beside a discount rate: what is used weighs by the span it is counted in.

By hand through two solvers, by enumeration, and what the check sees. Months of 730 h, a million tokens is written 1 M.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from campaign import times
from problem_factory import MONTH, SOLVERS, Data, api, by_period, load, plan_of, problem
from pytest import approx

import router
from router.verification import verify

M = 1e6
STARTS = ("2027-01-01T00:00", "2027-01-31T10:00", "2027-03-02T20:00", "2027-04-02T06:00", "2027-05-02T16:00")
"""Of months of 730 h from the first on."""


def monthly_rates(*usd: float) -> list[Data]:
    return [
        {"from": start, "set": {"models": {"m": {"prompt_usd_per_m": each, "completion_usd_per_m": each}}}}
        for start, each in zip(STARTS, usd, strict=False)
    ]


def weighed(use: list[float], rate: list[float], listed: float, least: float, per_year: float) -> Data:
    """A deal in terms of two months that may begin with any, `least` M each; the rest at list."""
    terms: Data = {"settled": "term", "term_months": 2, "min_tokens": least * M}
    deal = api("deal", 1.0, commitment=terms, schedule=monthly_rates(*rate))
    data = problem(
        by_period([each * M for each in use]),
        [deal, api("listed", listed)],
        periods=len(use),
        period_h=MONTH,
        policy={"discount_rate_per_year": per_year},
    )
    data["horizon"] |= {"start": STARTS[0]}
    return data


def weight(month: int, per_year: float) -> float:
    """What a dollar of a month is worth at the start."""
    return float((1 + per_year) ** -(month / 12))


@pytest.mark.parametrize("solver", SOLVERS)
def test_use_weighs_what_the_first_month_of_its_term_does(solver: str) -> None:
    """4095 times as much a year: a month's dollar is worth half of that of the month before.

    1 M a month at 2, 4, 2; a term of 2 M is paid with its first month. From the first on: 2 + 4 = 6, then another whose
    first month is all that is left, 2 / 4: 6.5. From the second on: 5 at list, then (4 + 2) / 2 = 3: 8. Never: 8.75.
    Were the second month's use paid at its own weight it would be 2 + 4 / 2 + 2 / 4 = 4.5.
    """
    plan = plan_of(weighed([1, 1, 1], [2, 4, 2], 5, 2, 4095), solver)
    assert plan.objective_usd == approx(6.5)
    assert plan.bound_usd == approx(6.5, rel=1e-5)
    assert [(row.from_h, row.billed_usd) for row in plan.settlements] == [
        (0, approx(6)),
        (2 * MONTH, approx(2)),
    ]


def best(use: list[float], rate: list[float], listed: float, least: float, per_year: float) -> float:
    """Every choice of terms, all or nothing of each month in them, one as far as what is committed reaches."""
    n = len(use)

    def term(t: int) -> float:
        end = min(t + 2, n)
        hours, due = range(t, end), least * (end - t) / 2
        mean, lowest = sum(rate[t:end]) / (end - t), float("inf")
        for full in itertools.product((0.0, 1.0), repeat=end - t):
            for part in (None, *hours):
                taken = {k: use[k] * full[k - t] for k in hours}
                if part is not None:
                    others = sum(taken.values()) - taken[part]
                    taken[part] = min(max(due - others, 0.0), use[part])
                bill = sum(rate[k] * taken[k] for k in hours) + mean * max(due - sum(taken.values()), 0.0)
                rest = sum(listed * (use[k] - taken[k]) * weight(k, per_year) for k in hours)
                lowest = min(lowest, bill * weight(t, per_year) + rest)
        return lowest

    def cost(t: int) -> float:
        if t >= n:
            return 0.0
        return min(listed * use[t] * weight(t, per_year) + cost(t + 1), term(t) + cost(t + 2))

    return cost(0)


@pytest.mark.parametrize("case", range(times(5)))
def test_the_best_terms_are_those_of_an_enumeration(case: int) -> None:
    draw = random.Random(case)
    use = [draw.choice([0.0, 1.0, 2.0]) for _ in range(4)]
    rate = [draw.choice([1.0, 2.0, 4.0]) for _ in range(5)]
    listed, least, per_year = (
        draw.choice([1.5, 3.0]),
        draw.choice([1.0, 2.0, 3.0]),
        draw.choice([1.0, 4095.0]),
    )
    plan = plan_of(weighed(use, rate, listed, least, per_year))
    assert plan.objective_usd == approx(best(use, rate, listed, least, per_year), abs=1e-6)
    assert plan.bound_usd is not None
    assert plan.bound_usd == approx(plan.objective_usd, rel=1e-5, abs=1e-6)


def test_without_interest_and_with_hardly_any_it_is_the_same_plan() -> None:
    """The program has other columns for it: the cost at a rate of 1e-9 a year is that without one."""
    given = ([1.0, 2.0, 0.5, 1.0], [2.0, 4.0, 1.0, 3.0], 3.0, 2.0)
    assert plan_of(weighed(*given, 1e-9)).cost_usd == approx(plan_of(weighed(*given, 0.0)).cost_usd)


def test_the_check_sees_a_bill_that_weighs_as_its_hours_do() -> None:
    """A plan whose cost has the second month of a term at its own weight, 4.5 in place of 6.5."""
    stated = load(weighed([1, 1, 1], [2, 4, 2], 5, 2, 4095))
    plan = router.solve(stated)
    lines = [
        replace(line, usd=line.usd * 4.5 / 6.5) if line.kind == "commitment" else line
        for line in plan.cost_lines
    ]
    assert plan.ok and not verify(stated, replace(plan, cost_lines=lines, objective_usd=4.5)).ok
