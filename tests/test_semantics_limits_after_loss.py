"""Contracts with `overage: none` after the loss of a provider: no more is used than is committed, as they settle.

By hand through two solvers, by enumeration, and what the check sees. `list` carries what it is asked to; where it is
lost, what `deal` may not carry must fit machines that were rented: `own`, 1 M an hour at 10 USD each.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, gpu, load, plan_of
from pytest import approx
from test_semantics_bands_in_time import bill
from test_semantics_schedule_terms import M, in_time, since

import router

SURVIVE = {"survive_loss_of": "provider"}


def insured(use: list[float], deal: Data, listed: float = 2.0) -> Data:
    others = [api("list", listed, provider="seller"), gpu("own", 10, 1, offer={"provider": "us"})]
    return in_time(use, [{**deal, "provider": "dealer"}, *others], policy=SURVIVE)


def hours(**terms: Any) -> Data:
    """1 M an hour at 1, signed; what an hour leaves is used in the next."""
    given: Data = {"settled": "hour", "min_tokens": M, "signed": True, "overage": "none", "rollover_spans": 1}
    return api("deal", 1.0, commitment=given | terms)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("use", "rented"),
    [([0, 2], 0), ([0.5, 1.5], 0), ([0.5, 2.5], 1), ([1, 2], 1), ([0, 0, 2.5], 1)],
)
def test_what_hours_leave_is_there_after_a_loss_too(use: list[float], rented: int, solver: str) -> None:
    """1 USD an hour; without `list` an hour has what is left of the one before, no more: else a machine at 10."""
    plan = plan_of(insured(use, hours()), solver)
    assert plan.cost_usd == approx(len(use) + 10 * rented)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_level_is_chosen_for_what_a_loss_asks(solver: str) -> None:
    """2 M in one hour at 1, list 0.8: 1.6. Of `deal` 1 USD carries 1 M, 1.5 at a quarter off all of the 2 M: 1.5 + 0.

    Without `list` the lower level needs a machine: 1 + 10; the higher one costs 1.5 and carries all.
    """
    levels = [{"usd": 1, "discount": 0}, {"usd": 1.5, "discount": 0.25}]
    terms = {"settled": "term", "term_h": 1, "levels": levels, "overage": "none"}
    plan = plan_of(insured([2], api("deal", 1.0, commitment=terms), 0.8), solver)
    assert plan.cost_usd == approx(1.5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_use_of_the_first_hour_leaves_less_of_bands_that_are_dear_then(solver: str) -> None:
    """Bands of 4 and 2 from 1 M on, prices three times in the second hour; 22 USD signed carry 1 · 4 and 3 · (2 · 3).

    1 M, then 3 M: 4 + 18 = 22, as committed. Twice 2 M, 4 + 2 + 3 · 4, is 18. With 2 M, then 3 M, 4 + 2 + 18 = 24: a
    machine in the hour in which that is enough, 22 + 10.
    """
    terms = {"settled": "term", "term_h": 2, "min_usd": 22, "overage": "none", "signed": True}
    terms["tiers"] = [
        {"from_tokens_per_month": 0, "usd_per_m": 4},
        {"from_tokens_per_month": M * 730 / 2, "usd_per_m": 2},
    ]
    deal = {"name": "deal", "models": {"m": {}}, "commitment": terms, "schedule": [since(1, prices=3)]}
    assert plan_of(insured([1, 3], deal, 1.0), solver).cost_usd == approx(22)
    assert plan_of(insured([2, 2], deal, 1.0), solver).cost_usd == approx(22)
    assert plan_of(insured([2, 3], deal, 1.0), solver).cost_usd == approx(32)


@pytest.mark.parametrize("solver", SOLVERS)
def test_terms_that_begin_in_any_hour_carry_what_they_commit_to(solver: str) -> None:
    """Terms of 2 h and 2 USD at 1 in 3 hours of 1 M, list at 0.4: two terms, 3 USD, are all that carries it without.

    A term and a machine in the hour beside it: 2 + 10. No term at all: three machines.
    """
    terms = {"settled": "term", "term_h": 2, "min_usd": 2, "overage": "none"}
    plan = plan_of(insured([1, 1, 1], api("deal", 1.0, commitment=terms), 0.4), solver)
    assert plan.cost_usd == approx(3)


def fits_hours(used: Iterable[float], kept: int) -> bool:
    rests: list[float] = []
    for need in used:
        rests = [*rests[-kept:], 1.0]
        for i, rest in enumerate(rests):
            rests[i], need = rest - min(rest, need), max(need - rest, 0.0)
        if need > 1e-9:
            return False
    return True


def greedy(left: list[float], factors: list[float], usd: float) -> float:
    """The most that so many dollars at list carry: what is cheap first."""
    carried = 0.0
    for factor, most in sorted(zip(factors, left, strict=True)):
        taken = min(most, usd / factor)
        carried, usd = carried + taken, usd - taken * factor
    return carried


@pytest.mark.parametrize("seed", range(times(6)))
@pytest.mark.parametrize("kind", ["rollover", "discounts", "bands"])
def test_the_best_plan_is_that_of_an_enumeration(kind: str, seed: int) -> None:
    """What is signed is sunk: every number of machines with which the list may be lost, and what the deal carries."""
    draw = random.Random(seed)
    use = [draw.choice([0, 1, 2, 3]) for _ in range(3)]
    factors, listed = [draw.choice([1.0, 2.0, 3.0]) for _ in use], draw.choice([2.0, 4.0, 12.0])
    bands, units = draw.choice(["incremental", "all_units"]), [*zip((0.0, 2.0), (4.0, 2.0), strict=True)]
    rules = [since(hour, prices=factor) for hour, factor in enumerate(factors)]
    due, kept = float(draw.choice([2, 4, 8])), draw.choice([1, 2])
    span: Data = {"settled": "term", "term_h": 3, "overage": "none", "signed": True, "min_usd": due}
    if kind == "rollover":
        deal, due = hours(rollover_spans=kept), 3.0
    elif kind == "discounts":
        tiers = [{"from_usd": 0, "discount": 0}, {"from_usd": 2, "discount": 0.5}]
        terms = span | {"discount_tiers": tiers, "tier_kind": bands}
        deal = api("deal", 1.0, commitment=terms, schedule=rules)
    else:
        tiers = [{"from_tokens_per_month": begin * M * 730 / 3, "usd_per_m": usd} for begin, usd in units]
        terms = span | {"tiers": tiers, "tier_kind": bands}
        deal = {"name": "deal", "models": {"m": {}}, "commitment": terms, "schedule": rules}

    def fits(used: tuple[float, ...]) -> bool:
        if kind == "rollover":
            return fits_hours(used, kept)
        return bill(units, bands, [*zip(factors, used, strict=True)], 0) <= due + 1e-9

    def ways(low: list[float], high: list[int]) -> Iterable[tuple[float, ...]]:
        steps = [[low[t] + k for k in range(int(high[t] - low[t]) + 1)] for t in range(3)]
        return (used for used in itertools.product(*steps) if fits(used))

    best = float("inf")
    for own in itertools.product(range(4), repeat=3):
        left = [max(u - n, 0) for u, n in zip(use, own, strict=True)]
        if kind == "discounts":  # half off from 2 USD on, so that 2 · due are carried, or 2 less of bands
            usd = 2 * due - (2 if bands == "incremental" else 0)
            most = greedy([*map(float, left)], factors, usd)
            if most >= sum(left) - 1e-9:
                best = min(best, due + 10 * sum(own))
        elif any(True for _ in ways([*map(float, left)], use)):
            most = max(sum(each) for each in ways([0.0] * 3, left))
            best = min(best, due + 10 * sum(own) + listed * (sum(left) - most))
    plan = plan_of(insured([*map(float, use)], deal, listed))
    assert plan.cost_usd == approx(best, abs=1e-6)
    assert plan.bound_usd is not None and plan.bound_usd <= best + 1e-6


def days(use: list[float], kept: int) -> Data:
    """2 M a day signed, half days at 1 and 9: a token used is billed at its hour's rate in place of the mean of 5."""
    rules = [since(0, prices=1.8), {"daily": {"start": "00:00", "end": "12:00"}, "prices": 0.2}]
    terms = {"settled": "day", "min_tokens": 2 * M, "signed": True, "overage": "none", "rollover_spans": kept}
    data = insured(use, api("deal", 5.0, commitment=terms, schedule=rules))
    data["horizon"]["period_h"] = 12
    return data


def test_the_check_sees_a_loss_that_asks_for_more_than_is_left() -> None:
    """20 USD, less 4 for each of the 2 M used at 1, and 2 M at list in the dear halves: 16.

    Without `list` the first day uses 1.5 M and leaves 0.5 M for the 2.5 M of the second. Had it used 2 M, or did
    nothing roll over, these would be above what is committed: a machine is needed, which a plan without one is told.
    """
    stated = load(days([1, 0.5, 1, 1.5], 1))
    plan = router.solve(stated)
    assert plan.ok and plan.cost_usd == approx(16)
    for use, kept in (([1, 1, 1, 1.5], 1), ([1, 0.5, 1, 1.5], 0)):
        other = load(days([*map(float, use)], kept))
        right = router.solve(other)
        verdict = router.verify(other, replace(plan, problem_sha256=right.problem_sha256))
        (said,) = (check.detail for check in verdict.checks if check.name == "survival")
        assert right.ok and "exceeds" in said
        assert ("use above the commitment" in said) == bool(kept)


def shared(use: float, deal: Data, *agreements: Data) -> Data:
    """Nobody carries more than three quarters, so that `list` carries something that must go to `deal` without it."""
    data = insured([use], deal, 3.0) | {"commitments": [*agreements]}
    data["workloads"][0]["routing"] = {"max_share_per_provider": 0.75}
    return data


HOUR: Data = {"settled": "hour", "min_usd": 1, "signed": True, "overage": "none"}
ELSEWHERE: dict[str, tuple[Data, list[Data], float]] = {
    "an agreement covers 1 M for 0.2": (
        api("deal", 1.0, commitment=HOUR),
        [
            {
                "name": "plan",
                "offers": ["deal"],
                "settled": "hour",
                "min_usd": 0,
                "max_usd": 5,
                "discount": 0.8,
            }
        ],
        2.7,
    ),
    "1 M is free": (api("deal", 1.0, commitment=HOUR, free={"tokens_per_month": 730 * M}), [], 2.5),
    "1 USD is free": (api("deal", 1.0, commitment=HOUR, free={"usd_per_month": 730}), [], 2.5),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("words", ELSEWHERE)
def test_what_is_free_or_billed_elsewhere_stays_so_after_a_loss(words: str, solver: str) -> None:
    """2 M, of which list carries 0.5 M at 3: 1.5. The other 1 USD committed and 1 M covered, or free: all is carried.

    With half of it covered or free the 2 M of a loss would be above what is committed: a machine at 10.
    """
    deal, agreements, usd = ELSEWHERE[words]
    data = shared(2, deal, *agreements)
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(usd)
    assert plan.bound_usd is not None and plan.bound_usd <= usd + 1e-6
    stated, larger = load(data), load(shared(2.2, deal, *agreements))
    right = router.solve(larger)
    assert right.cost_usd != approx(usd)
    verdict = router.verify(larger, replace(plan, problem_sha256=right.problem_sha256))
    (said,) = (check.detail for check in verdict.checks if check.name == "survival")
    assert router.verify(stated, plan).ok and "use above the commitment" in said
