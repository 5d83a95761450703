"""Offers that open, close or have less that serves within a period, beside waiting times: judged when least serves.

Half an hour of four, by hand through two solvers; every hour, by enumeration. `waiting_in_time` has the requests.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, load, plan_of
from pytest import approx
from test_router_schedule import M, since, waiting_in_time

import router
from router.errors import InputError
from router.verification import verify


def within(**rule: Any) -> list[Data]:
    """From half past one to two."""
    return [since("01:30", until="2027-01-04T02:00", **rule)]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_wait_is_judged_when_least_serves(solver: str) -> None:
    """Seven tenths are available in the second half of the second hour: 0.4 / 0.7 makes work wait 1.33 s, too long.

    0.35 a second waits 1 s there; the other 0.05 are 0.18 M at b, 0.9, less than a second instance. By the mean of 0.85
    all of it would wait 0.89 s, and one be enough.
    """
    plan = plan_of(waiting_in_time(within(set={"instances": {"availability": 0.7}})), solver)
    assert plan.cost_usd == approx(1 + (1 + 0.9) + 1 + 1)
    assert plan.gap <= 1e-5  # a millionth of work is let through


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_open_for_half_of_an_hour_serves_the_work_of_that_half(solver: str) -> None:
    """Half of the hour's 1.44 M come while it is open, at the rate of every hour: one at half its rent, 3.6 at b."""
    plan = plan_of(waiting_in_time(within(available=False)), solver)
    assert plan.cost_usd == approx(1 + (0.5 + 0.72 * 5) + 1 + 1)
    assert plan.gap <= 1e-6


@pytest.mark.parametrize("seed", range(times(6)))
def test_the_best_counts_beside_waiting_are_those_of_an_enumeration(seed: int) -> None:
    """Every count in each of four hours; by the M/M/n formula what one carries when least serves, the rest at b.

    Work goes to a in parts, all of them waiting alike: what n carry of it is found by halving.
    """
    draw = random.Random(seed)
    rules, hours = list[Data](), list[tuple[float, float]]()
    for hour in range(4):
        begins, opens = draw.choice(["15", "30"]), draw.random() < 0.6
        part = draw.choice([0.5, 0.7, 0.9])
        rule = {"set": {"instances": {"availability": part}}} if opens else {"available": False}
        rules.append(since(f"{hour:02}:{begins}", until=f"2027-01-04T{hour + 1:02}:00", **rule))
        hours.append((1.0, part) if opens else (int(begins) / 60, 1.0))
    cost = 0.0
    for is_open, least in hours:
        best = float("inf")
        for n in range(4):
            low, high = 0.0, 0.4  # requests a second while it is open
            for _ in range(60):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if n and wait_s(n, middle / least) <= 1.0 else (low, middle)
            best = min(best, n * is_open + (0.4 - low * is_open) * 3600 * 1000 / M * 5)
        cost += best
    plan = plan_of(waiting_in_time(rules))
    assert plan.cost_usd == approx(cost, rel=1e-4)
    assert plan.bound_usd is not None and plan.bound_usd <= plan.cost_usd + 1e-6


def wait_s(n: int, load: float) -> float:
    """The mean wait of M/M/n in seconds of service (Erlang C)."""
    if load >= n:
        return float("inf")
    terms = [load**k / math.factorial(k) for k in range(n)]
    last = load**n / math.factorial(n) * n / (n - load)
    return last / (sum(terms) + last) / (n - load)


def test_the_check_sees_a_wait_that_is_too_long_for_a_part_of_an_hour() -> None:
    """A plan of one in every hour, made for a rule that says nothing of the hour."""
    plan = plan_of(waiting_in_time([]))
    other = load(waiting_in_time(within(set={"instances": {"availability": 0.7}})))
    assert (
        "waiting" in verify(other, replace(plan, problem_sha256=router.solve(other).problem_sha256)).failed()
    )


def test_work_in_a_part_of_a_changing_period_beside_waiting_is_refused() -> None:
    data = waiting_in_time(within(set={"instances": {"availability": 0.7}}))
    data["workloads"][0] |= {"window": {"start": "01:15", "end": "03:15"}, "demand": {"requests_total": 5000}}
    with pytest.raises(InputError, match="may run in a part of a period"):
        plan_of(data)
