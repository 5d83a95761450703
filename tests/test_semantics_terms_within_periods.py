"""Instances bought for a term of an offer that opens, or closes for good, within a period: due until then.

Machines of 1 M an hour at 10 USD for terms of two hours that may begin in any hour in which the offer is open.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, gpu, load, plan_of
from pytest import approx
from test_semantics_schedule_terms import in_time

import router


def at(hour: float) -> str:
    return f"2027-01-04T{int(hour):02}:{round(hour % 1 * 60):02}"


def sold(use: list[float], opens: float, closes: float, dear: float, **more: float) -> Data:
    rules: list[Data] = [{"from": at(closes), "available": False}]
    rules += [{"until": at(opens), "available": False}] if opens else []
    machines = gpu("own", 10, 1, offer={"schedule": rules}, term_h=2, **more)
    return in_time(use, [machines, api("list", dear)])


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_term_is_due_until_its_offer_closes(solver: str) -> None:
    """1 M in each of two hours, closed from 01:30 on: 10 · 1.5 for one machine, and half of the second hour at 30: 15.

    As a whole hour of rent it would be 20 + 15; without the machine 60.
    """
    plan = plan_of(sold([1, 1], 0, 1.5, 30), solver)
    assert plan.cost_usd == approx(15 + 15)
    (row,) = plan.purchases
    assert (row.until_h, row.billed_usd) == (1.5, approx(15))
    assert plan.bound_usd == approx(30, rel=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_term_begins_before_its_offer_opens(solver: str) -> None:
    """Open from 00:30 on: the first hour is at 30, and a term from the second on, of two hours, is 20."""
    plan = plan_of(sold([1, 1, 1], 0.5, 9, 30), solver)
    assert plan.cost_usd == approx(30 + 20)
    assert [row.from_h for row in plan.purchases] == [1]


@pytest.mark.parametrize("seed", range(times(8)))
def test_the_best_terms_are_those_of_an_enumeration(seed: int) -> None:
    """Every number of terms from each hour on; upfront money is paid for a term that is cut short all the same."""
    draw = random.Random(seed)
    use, dear = [draw.choice([0, 1, 1, 2]) for _ in range(4)], draw.choice([8, 14, 30])
    opens, closes = draw.choice([0, 0.5, 1, 1.25]), draw.choice([2.25, 2.5, 3, 3.5, 9])
    upfront = draw.choice([0, 3])
    part = [max(0.0, min(t + 1, closes) - max(t, opens)) for t in range(4)]

    def cost(bought: tuple[int, ...]) -> float:
        usd = 0.0
        for t in range(4):
            runs = sum(n for k, n in enumerate(bought) if k <= t < min(k + 2, closes))
            usd += 10 * runs * part[t] + dear * (use[t] - min(runs, use[t]) * part[t])
        for k, n in enumerate(bought):
            end = min(k + 2, closes)
            usd += n * upfront * (1 - max(end - 4, 0) / (end - k)) if n else 0.0
        return usd

    starts = [range(3) if opens <= k < closes else range(1) for k in range(4)]
    best = min(map(cost, itertools.product(*starts)))
    plan = plan_of(sold([*map(float, use)], opens, closes, dear, upfront_usd=upfront))
    assert plan.cost_usd == approx(best)
    assert plan.bound_usd == approx(best, rel=1e-5)


def test_the_check_sees_rent_after_the_offer_has_closed() -> None:
    stated = load(sold([1, 1], 0, 1.5, 30))
    plan = router.solve(stated)
    rows = tuple(replace(row, billed_usd=20.0) for row in plan.purchases)
    assert plan.ok and not router.verify(stated, replace(plan, purchases=rows)).ok
    other = load(sold([1, 1], 0, 1.75, 30))
    told = replace(plan, problem_sha256=router.solve(other).problem_sha256)
    assert not router.verify(other, told).ok
