"""Tiers with a volume to decide: what it owes after the horizon, and how much of it money for commitments allows.

By hand through two solvers, by enumeration, and what the check sees. Months of 730 h, 1 M is a million tokens.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from campaign import times
from problem_factory import MONTH, SOLVERS, Data, api, by_period, load, plan_of, problem
from pytest import approx

import router

M = 1e6
STARTS = ("2027-01-01T00:00", "2027-01-31T10:00", "2027-03-02T20:00", "2027-04-02T06:00")
"""Of months of 730 h from the first on."""

type Bands = list[tuple[float, float]]


def decided(
    use: list[float], bands: Bands, listed: float, policy: Data, factors: tuple[float, ...] = (), **terms: Any
) -> Data:
    """Up to 10 M a month at (from M, USD per M), within what is committed; the rest at list."""
    tiers = [{"from_tokens_per_month": begin * M, "usd_per_m": usd} for begin, usd in bands]
    given: Data = {"max_tokens_per_month": 10 * M, "tiers": tiers, "overage": "none", "term_months": 2}
    rules = [{"from": start, "prices": factor} for start, factor in zip(STARTS, factors, strict=False)]
    deal = {"name": "deal", "models": {"m": {}}, "commitment": given | terms, "schedule": rules}
    data = problem(
        by_period([each * M for each in use]),
        [deal, api("listed", listed)],
        periods=len(use),
        period_h=MONTH,
        policy=policy,
    )
    data["horizon"] |= {"start": STARTS[0]}
    return data


FULL: Data = {"end_of_horizon": "charge_in_full"}
FALLING: Bands = [(0, 4), (3, 2)]
HAND: dict[str, tuple[Data, float]] = {
    "4 M for two months are 2 · (3 · 4 + 1 · 2), at list 4 · 9": (decided([4], FALLING, 9, FULL), 28),
    "at list 4 · 5, less than 28": (decided([4], FALLING, 5, FULL), 20),
    "all 4 M at 2, twice": (decided([4], FALLING, 5, FULL, tier_kind="all_units"), 16),
    "2 M cost as 3 M do at 2, twice: 12": (decided([2], FALLING, 7, FULL, tier_kind="all_units"), 12),
    "the second month three times as dear: 14 + 42": (decided([4], FALLING, 15, FULL, (1, 3)), 56),
    "bands that rise: 2 · 1 twice, and 2 M more at 3 rather than 2 · 5": (
        decided([4], [(0, 1), (2, 5)], 3, FULL),
        2 * 2 + 2 * 3,
    ),
    "14 USD buy 4 M, and 1 M at list": (decided([5], FALLING, 9, {"max_committed_usd": 14}), 14 + 9),
    "12 USD buy 3 M, and 2 M at list": (decided([5], FALLING, 9, {"max_committed_usd": 12}), 12 + 18),
    "6 USD buy 3 M at 2": (
        decided([5], FALLING, 9, {"max_committed_usd": 6}, tier_kind="all_units"),
        6 + 2 * 9,
    ),
    "4 USD buy 1 M, for 3 M are 6": (
        decided([5], FALLING, 9, {"max_committed_usd": 4}, tier_kind="all_units"),
        4 + 4 * 9,
    ),
    "of two months 14 and 42: 28 buy 1.75 M, 7 and 21, and 3.25 M a month are at list": (
        decided([5, 5], FALLING, 15, {"max_committed_usd": 28}, (1, 3)),
        28 + 2 * 3.25 * 15,
    ),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("words", HAND)
def test_what_is_committed_is_worth_its_bands(words: str, solver: str) -> None:
    data, usd = HAND[words]
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(usd)
    assert plan.bound_usd == approx(usd, rel=1e-5)


def owed(bands: Bands, kind: str, volume: float) -> float:
    """What a month of a commitment costs by itself."""
    ends = [begin for begin, _ in bands[1:]] + [float("inf")]
    if volume <= 0:
        return 0.0
    if kind == "all_units":
        return min(
            usd * max(volume, begin) for (begin, usd), end in zip(bands, ends, strict=True) if volume < end
        )
    return sum(
        max(min(volume, end) - begin, 0.0) * usd for (begin, usd), end in zip(bands, ends, strict=True)
    )


@pytest.mark.parametrize("seed", range(times(8)))
def test_the_best_volume_is_that_of_an_enumeration(seed: int) -> None:
    """A term of three months in a horizon of two: every whole volume, and the most that the money is enough for."""
    draw = random.Random(seed)
    use = [draw.choice([0, 1, 2, 3, 5]) for _ in range(2)]
    factors = tuple(draw.choice([1.0, 1.0, 0.5, 3.0]) for _ in range(3))
    kind, usd = (
        draw.choice(["incremental", "incremental", "all_units"]),
        [draw.choice([1.0, 2.0, 4.0, 6.0]) for _ in range(3)],
    )
    bands = [*zip((0.0, 2.0, 4.0), usd if kind == "incremental" else sorted(usd, reverse=True), strict=True)]
    listed, limit, in_full = (
        draw.choice([3.0, 8.0, 20.0]),
        draw.choice([None, 5, 11, 30]),
        draw.random() < 0.6,
    )
    months = sum(factors) if in_full else sum(factors[:2])

    def cost(volume: float) -> float:
        return months * owed(bands, kind, volume) + sum(listed * max(each - volume, 0.0) for each in use)

    def money(volume: float) -> float:
        return months * owed(bands, kind, volume)

    volumes = [float(v) for v in range(11)]
    if limit is not None:
        low, high = 0.0, 10.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if money(middle) <= limit else (low, middle)
        volumes = [v for v in volumes if money(v) <= limit + 1e-9] + [low]
    policy: Data = {"max_committed_usd": limit} if limit is not None else {}
    policy |= FULL if in_full else {}
    data = decided(
        [*map(float, use)], bands, listed, policy, factors, tier_kind=kind, term_months=3, start="first"
    )
    plan = plan_of(data)
    assert plan.cost_usd == approx(min(map(cost, volumes)), abs=1e-5)
    assert plan.bound_usd is not None and plan.bound_usd <= plan.cost_usd + 1e-6


@pytest.mark.parametrize("seed", range(times(4)))
def test_terms_of_a_month_each_have_a_volume_of_their_own(seed: int) -> None:
    """What is committed in each of three months, by money for all of them together: every whole volume of each."""
    draw = random.Random(seed)
    use, limit = [draw.choice([1, 2, 3]) for _ in range(3)], draw.choice([6, 10, 16, 30])
    kind = draw.choice(["incremental", "all_units"])

    def cost(volumes: tuple[int, ...]) -> float:
        bill = sum(owed(FALLING, kind, each) for each in volumes)
        rest = sum(9 * max(each - volume, 0) for each, volume in zip(use, volumes, strict=True))
        return bill + rest if bill <= limit + 1e-9 else float("inf")

    data = decided(
        [*map(float, use)], FALLING, 9, {"max_committed_usd": limit}, tier_kind=kind, term_months=1
    )
    plan = plan_of(data)
    whole = min(map(cost, itertools.product(range(4), repeat=3)))
    assert plan.cost_usd <= whole + 1e-6  # a volume may be a part of 1 M
    bills = sum(row.billed_usd for row in plan.settlements)
    assert bills <= limit + 1e-6
    assert plan.bound_usd is not None and plan.bound_usd <= plan.cost_usd + 1e-6


@pytest.mark.parametrize("policy", [FULL, {"max_committed_usd": 14}])
def test_the_check_sees_a_volume_that_owes_more(policy: Data) -> None:
    """The same plan where the bands are dearer from 3 M on, or the money less, is none."""
    stated = load(decided([4], FALLING, 9, policy))
    plan = router.solve(stated)
    other = load(
        decided(
            [4],
            FALLING if "max_committed_usd" in policy else [(0, 4), (3, 3)],
            9,
            policy | ({"max_committed_usd": 13} if "max_committed_usd" in policy else {}),
        )
    )
    sha = router.solve(other).problem_sha256
    assert plan.ok and not router.verify(other, replace(plan, problem_sha256=sha)).ok


def test_what_is_owed_is_worth_nothing_where_nothing_limits_it() -> None:
    """Law: money enough for all of it, and a horizon as long as the term, change nothing."""
    data = decided([4, 2], FALLING, 9, {})
    usd = plan_of(data).cost_usd
    for policy in ({"max_committed_usd": 1e6}, FULL):
        assert plan_of(decided([4, 2], FALLING, 9, policy)).cost_usd == approx(usd)
