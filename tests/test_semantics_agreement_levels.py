"""Levels, bands of discount, rests and terms that begin between spans, of agreements: by hand, and as commitments.

`a` sells tokens at 2.00 USD per M, `b` at 1.00; amounts of use are in M tokens. An agreement over one offer is the
commitment of a seller at its contract rates beside the list, whose use stays within it (`list`) or does not.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from problem_factory import MONTH, SOLVERS, Data, api, by_period, load, plan_of, problem, usd
from pytest import approx

import router
from router.errors import InputError

M = 1e6
LEVELS = [{"usd": 5, "discount": 0.1}, {"usd": 8, "discount": 0.4}]


def two(**terms: Any) -> Data:
    """Use of 8 + 2 USD at list in the first hour, 4 + 2 in the second."""
    loads = [by_period([4 * M, 2 * M], "x"), by_period([2 * M, 2 * M], "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("b", 1.0, ("n",))], periods=2)
    return data | {"commitments": [{"name": "plan", "offers": ["a", "b"], **terms}]}


def bands(*edges: tuple[float, float]) -> list[Data]:
    """From so many USD in two hours on, a discount."""
    return [{"from_usd": usd * MONTH / 2, "discount": off} for usd, off in edges]


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_level_is_chosen_for_the_whole_term(solver: str) -> None:
    """5 an hour cover 5/0.9 of 10 and of 6: 16 − 10/9 = 14.89; 8 an hour cover all: 16."""
    plan = plan_of(two(settled="hour", levels=LEVELS), solver)
    assert plan.cost_usd == approx(16 - 10 / 9)
    (row,) = plan.contracts
    assert (row.agreement, row.discount, row.committed_usd_per_month) == (
        "plan",
        approx(0.1),
        approx(5 * MONTH),
    )
    (bill,) = plan.settlements
    assert (bill.billed_usd, bill.covered_usd) == (approx(10), approx(100 / 9))
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_level_holds_for_all_use_with_overage_contract(solver: str) -> None:
    """0.9 · 10 + 0.9 · 6 = 14.4 at the first level, max(8, 6) + max(8, 3.6) = 16 at the second."""
    plan = plan_of(two(settled="hour", levels=LEVELS, overage="contract"), solver)
    assert (plan.cost_usd, usd(plan, "plan", "commitment")) == (approx(14.4), approx(14.4))
    assert plan.bound_usd == approx(14.4, rel=1e-5)


def test_a_level_s_discount_comes_on_top() -> None:
    """Half off a, and the level's 40 % off that: 8 · 0.5 · 0.6 + 2 · 0.6 = 3.6 of 4, then 2.4 of 4; b has no half."""
    levels = [{"usd": 4, "discount": 0.4}]
    plan = plan_of(two(settled="hour", levels=levels, discount={"a": 0.5}))
    assert plan.cost_usd == approx(8)
    assert {round(row.covered_usd / row.list_usd, 9) for row in plan.coverage or ()} == {0.5, 1.0}
    assert plan_of(two(settled="hour", levels=levels)).cost_usd == approx(4 + 10 - 4 / 0.6 + 4 + 0)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("terms", "cost"),
    [
        ({"overage": "contract"}, 10.0),  # 4 + 0.5 · 12
        ({"max_usd": 10 * MONTH}, 10.0),  # 10 are committed, and cover all
        ({"max_usd": 3 * MONTH}, 14.0),  # 6 are, for 4 + 2/0.5 of 16
        ({"max_usd": 3 * MONTH, "tier_kind": "all_units"}, 10.0),  # for 6/0.5 of 16
    ],
)
def test_bands_of_discount_count_what_is_used_of_all_offers(solver: str, terms: Data, cost: float) -> None:
    """Half off from 4 USD on, of 16 in two hours of a month."""
    tiers = bands((0, 0), (4, 0.5))
    plan = plan_of(two(settled="month", min_usd=0, discount_tiers=tiers, **terms), solver)
    assert plan.cost_usd == approx(cost)
    assert plan.bound_usd == approx(cost, rel=1e-5)
    assert plan.settlements[0].vendor_order_usd is None


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_an_offer_s_bands_bill_stays_within_its_commitment(solver: str) -> None:
    """6 are committed: 4 at their price and 4 at half of it; the other 8 of 16 M are listed at 2."""
    terms = {"min_usd": 3 * MONTH, "overage": "none", "discount_tiers": bands((0, 0), (4, 0.5))}
    offers = [api("deal", 1.0, commitment=terms), api("listed", 2.0)]
    plan = plan_of(problem(by_period([8 * M, 8 * M]), offers, periods=2), solver)
    assert plan.cost_usd == approx(6 + 16)
    assert plan.settlements[0].used_usd == approx(6)
    assert plan.bound_usd == approx(22, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_hours_leave_is_used_by_later_ones(solver: str) -> None:
    """1 an hour, half off; 8 at list in the third hour, of which 3 pay 6: 3 + 2. What is left was cut off before."""
    data = problem(by_period([0, 0, 4 * M]), [api("a", 2.0)], periods=3)
    terms = {"settled": "hour", "discount": 0.5, "min_usd": 1, "rollover_spans": 2}
    plan = plan_of(data | {"commitments": [{"name": "plan", "offers": ["a"], **terms}]}, solver)
    assert plan.cost_usd == approx(5)
    assert plan.settlements[0].rolled_usd == approx(2)
    assert plan.bound_usd == approx(5, rel=1e-5)


def test_terms_may_begin_between_spans() -> None:
    """Three hours for 6 at half off, settled as one: signed for 4 + 8 + 0, and the last hour's part, 2, for 4."""
    data = problem(by_period([0.5 * M, 2 * M, 4 * M, 0, 2 * M]), [api("a", 2.0)], periods=5)
    terms = {"settled": "term", "term_h": 3, "min_usd": 6, "discount": 0.5}
    plan = plan_of(data | {"commitments": [{"name": "plan", "offers": ["a"], **terms}]})
    assert plan.cost_usd == approx(1 + 6 + 2)
    assert [row.from_h for row in plan.contracts] == [1.0, 4.0]


def alike(seed: int) -> tuple[Data, Data]:
    """An agreement over one offer, and the same as that offer's own commitment beside the list."""
    draw = random.Random(seed)
    use = [draw.choice([0, 1, 2, 4, 7]) for _ in range(5)]
    overage, off = draw.choice(["list", "contract"]), draw.choice([0.2, 0.5])
    edges = [{"from_usd": 0, "discount": 0}, {"from_usd": draw.choice([300, 700]), "discount": 0.3}]
    tiers: Data = {
        "min_usd": draw.choice([0, 500, 2000]),
        "max_usd": 3000,
        "discount_tiers": [*edges, {"from_usd": 1500, "discount": draw.choice([0.1, 0.5])}],
        "tier_kind": draw.choice(["incremental", "all_units"]),
    }
    levels = [{"usd": draw.choice([1, 3]), "discount": 0.1}, {"usd": draw.choice([4, 6]), "discount": 0.3}]
    terms = draw.choice(
        [
            tiers,
            {"settled": "hour", "levels": levels},
            {"settled": "term", "term_h": 2, "levels": levels},
            {"settled": "term", "term_h": 3, "min_usd": draw.choice([2, 6, 12])},
            {"settled": "hour", "term_h": 3, "rollover_spans": draw.choice([1, 2]), "min_usd": 2},
        ]
    )
    own = terms | {"overage": "none" if overage == "list" else "contract"}
    work = by_period([each * M for each in use])
    apart = problem(work, [api("deal", 2.0 * (1 - off), commitment=own), api("listed", 2.0)], periods=5)
    agreed = problem(work, [api("a", 2.0)], periods=5)
    agreement = {"name": "plan", "offers": ["a"], "discount": off, "overage": overage, **terms}
    return agreed | {"commitments": [agreement]}, apart


@pytest.mark.parametrize("seed", range(10))
def test_over_one_offer_it_is_the_commitment_of_that_offer(seed: int) -> None:
    agreed, apart = map(plan_of, alike(seed))
    assert agreed.cost_usd == approx(apart.cost_usd, abs=1e-6)
    assert agreed.bound_usd <= agreed.cost_usd + 1e-6


def test_the_check_sees_another_level_and_use_beyond_it() -> None:
    stated = load(two(settled="hour", levels=LEVELS))
    plan = router.solve(stated)
    assert plan.ok
    assert plan.coverage is not None
    (row,), (bill,) = plan.contracts, plan.settlements
    more = [replace(each, list_usd=6, covered_usd=6) if each.list_usd > 5 else each for each in plan.coverage]
    for lie in (
        replace(plan, contracts=(replace(row, discount=0.4),)),
        replace(plan, coverage=tuple(more)),
        replace(plan, settlements=(replace(bill, billed_usd=9.0),)),
    ):
        assert not router.verify(stated, lie).ok
    banded = load(two(settled="month", min_usd=0, overage="contract", discount_tiers=bands((0, 0), (4, 0.5))))
    plan = router.solve(banded)
    lie = replace(plan.settlements[0], vendor_order_usd=1.0)
    assert not router.verify(banded, replace(plan, settlements=(lie,))).ok


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"levels": LEVELS, "min_usd": 1}, r"commitments\[0\].levels: stands in place of min_usd"),
        (
            {"levels": LEVELS, "signed": True},
            r"commitments\[0\].levels: of a signed contract must be the one",
        ),
        ({"discount_tiers": bands((0, 0.1))}, r"overage: .list.: list is of use above an amount"),
        (
            {"discount_tiers": bands((1, 0.1))},
            r"discount_tiers\[0\].from_usd: .*: the first tier must begin at 0",
        ),
        ({"discount_tiers": bands((0, 0.1)), "settled": "day"}, "are settled by the month or longer"),
        ({"in": "units", "levels": LEVELS}, r"commitments\[0\].levels: does not go with in: units"),
    ],
)
def test_what_cannot_be_said_of_levels_and_bands_is_an_input_error(terms: Data, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load(two(**terms))
