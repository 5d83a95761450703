"""Credits beside several tiers and an amount that is committed: what use alone comes to in the bands is paid."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from problem_factory import MONTH, SOLVERS, Data, api, by_period, load, plan_of, problem
from pytest import approx
from scipy.optimize import Bounds, LinearConstraint, milp

import router
from router.errors import InputError

M = 1e6


def tiers(edge: float, first: float, then: float) -> list[Data]:
    """So many M an hour at a first price, what is more at another."""
    return [
        {"from_tokens_per_month": 0, "usd_per_m": first},
        {"from_tokens_per_month": edge * M * MONTH, "usd_per_m": then},
    ]


def case(use: list[float], terms: Data, usd: float, *, fee: float = 0.0) -> Data:
    """Work in M tokens of each hour under tiers by the horizon."""
    offer = api("a", 2.0, commitment={"signed": True} | terms)
    if fee:
        offer["models"]["m"]["usd_per_request"] = fee
    data = problem(by_period([each * M for each in use]), offer, periods=len(use))
    return data | {"credits": [{"name": "credit", "offers": ["a"], "usd": usd}]}


KINDS: dict[str, tuple[Data, float, float]] = {
    # of 6 M in an hour, 4 M at 2.00: what is billed, and of it for use
    "tokens, falling": ({"tiers": tiers(4, 2, 1), "min_tokens_per_month": 9 * M * MONTH}, 8 + 5, 8 + 2),
    "tokens, rising": ({"tiers": tiers(4, 2, 3), "min_tokens_per_month": 9 * M * MONTH}, 8 + 15, 8 + 6),
    "tokens, more used": ({"tiers": tiers(4, 2, 1), "min_tokens_per_month": 5 * M * MONTH}, 10, 10),
    "USD, falling": ({"tiers": tiers(4, 2, 1), "min_usd_per_month": 13 * MONTH}, 13, 10),
    "USD, rising": ({"tiers": tiers(4, 2, 3), "min_usd_per_month": 20 * MONTH}, 20, 14),
    "USD, more used": ({"tiers": tiers(4, 2, 3), "min_usd_per_month": 9 * MONTH}, 14, 14),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_credit_pays_use_and_not_what_is_due_beyond(kind: str, solver: str) -> None:
    terms, bill, use = KINDS[kind]
    plan = plan_of(case([6], terms, 100), solver)
    assert plan.cost_usd == approx(bill - use, abs=1e-6)
    assert plan.bound_usd is not None
    assert plan.bound_usd <= plan.cost_usd + 1e-6
    (row,) = plan.settlements
    assert row.billed_usd == approx(bill)
    assert plan_of(case([6], terms, 3), solver).cost_usd == approx(bill - 3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_fees_a_request_are_use_too(solver: str) -> None:
    """Of USD what the bands come to and the fees, 10 + 6 of 20; of tokens the fees are beside the bill: 13 + 6 − 16."""
    dollars = {"tiers": tiers(4, 2, 1), "min_usd_per_month": 20 * MONTH}
    assert plan_of(case([6], dollars, 100, fee=0.001), solver).cost_usd == approx(20 - 16)
    assert plan_of(case([6], KINDS["tokens, falling"][0], 100, fee=0.001), solver).cost_usd == approx(13 - 10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_where_the_volume_is_decided_too(solver: str) -> None:
    """Any volume up to 20 M an hour: none beyond use is worth committing to, and the credit pays all of it."""
    terms = {"tiers": tiers(4, 2, 1), "min_tokens_per_month": 0, "max_tokens_per_month": 20 * M * MONTH}
    assert plan_of(case([6], terms | {"signed": False}, 100), solver).cost_usd == approx(0, abs=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_was_used_before_fills_the_first_band(solver: str) -> None:
    """3 of 4 + 4 M at 2.00 are used by now: of 6 M now 5 at 2.00 and 1 at 1.00, and 9 of 10 + 10 M are due: 11 − 10."""
    terms = {"tiers": tiers(4, 2, 1), "min_tokens": 10 * M * MONTH, "settled": "month"}
    terms["so_far"] = {"since": "2026-12-31T23:00", "used_tokens": 3 * M}
    data = case([6], terms, 100)
    data["horizon"]["start"] = "2027-01-01T00:00"
    plan = plan_of(data, solver)
    bill = (8 * 2 + 12) - (4 * 2 + 6)
    assert plan.cost_usd == approx(bill - (5 * 2 + 1))


def apart(work: list[float], terms: Data, usd: float, elsewhere: float) -> float:
    """The least cost by a program of its own: use in bands by a 0/1, what is due, the credit."""
    edge = terms["tiers"][1]["from_tokens_per_month"] / M * len(work) / MONTH
    first, then = (tier["usd_per_m"] for tier in terms["tiers"])
    tokens = "min_tokens_per_month" in terms
    least = terms.get("min_tokens_per_month", 0) / M or terms.get("min_usd_per_month", 0)
    due = least * len(work) / MONTH
    if tokens:
        due = first * min(due, edge) + then * max(due - edge, 0)
    total = sum(work)
    # columns: in the first band, in the second, second is open, bill, paid, elsewhere
    rows = [
        ([1, 1, 0, 0, 0, 1], total, total),
        ([1, 0, -edge, 0, 0, 0], 0, np.inf),
        ([0, 1, -1e3, 0, 0, 0], -np.inf, 0),
        ([-first, -then, 0, 1, 0, 0], 0, np.inf),
        ([-first, -then, 0, 0, 1, 0], -np.inf, 0),
    ]
    found = milp(
        [0, 0, 0, 1, -1, elsewhere],
        constraints=LinearConstraint([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]),
        integrality=[0, 0, 1, 0, 0, 0],
        bounds=Bounds([0, 0, 0, due, 0, 0], [edge, np.inf, 1, np.inf, usd, np.inf]),
    )
    return float(found.fun)


@pytest.mark.parametrize("seed", range(16))
def test_the_best_plan_is_that_of_a_program_written_apart(seed: int) -> None:
    draw = random.Random(seed)
    work = [float(draw.randint(0, 8)) for _ in range(draw.randint(1, 3))]
    amount = draw.choice([{"min_tokens_per_month": M * MONTH}, {"min_usd_per_month": MONTH}])
    amount = {name: value * draw.choice([2, 6, 11]) for name, value in amount.items()}
    terms = {"tiers": tiers(draw.choice([2, 4]), 2, draw.choice([1, 3]))} | amount
    usd, elsewhere = draw.choice([2.0, 9.0, 60.0]), draw.choice([0.5, 1.5, 2.5, 5.0])
    data = case(work, terms, usd)
    data["offers"].append(api("b", elsewhere))
    plan = plan_of(data, SOLVERS[seed % 2])
    assert plan.cost_usd == approx(apart(work, terms, usd, elsewhere), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_more_of_a_credit_never_costs_more_nor_saves_more_than_itself(kind: str) -> None:
    costs = [plan_of(case([6, 1], KINDS[kind][0], usd)).cost_usd for usd in (0, 2, 8, 50)]
    for less, more, usd in zip(costs, costs[1:], (2, 6, 42), strict=False):
        assert -1e-6 <= less - more <= usd + 1e-6


@pytest.mark.parametrize("kind", ["tokens, falling", "USD, rising"])
def test_the_check_sees_a_credit_that_pays_what_is_due_and_not_used(kind: str) -> None:
    stated = load(case([6], KINDS[kind][0], 100))
    plan = router.solve(stated)
    assert plan.credits is not None
    (row,) = plan.credits
    lie = replace(plan, credits=(replace(row, paid_usd=row.paid_usd + 1),), cost_usd=plan.cost_usd - 1)
    assert not next(check for check in router.verify(stated, lie).checks if check.name == "credits").ok


def test_of_all_units_no_bill_says_what_is_for_use() -> None:
    terms = KINDS["tokens, falling"][0] | {"tier_kind": "all_units"}
    with pytest.raises(InputError, match="an amount that is committed, beside tier_kind: all_units"):
        load(case([6], terms, 1))
