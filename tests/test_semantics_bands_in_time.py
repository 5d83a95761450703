"""Price bands whose rates change in time: they fill in order of time. By hand through two solvers, and by enumeration.

The horizon starts at midnight on 4 January; a million tokens is written 1 M, thresholds are those of the horizon.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, load, plan_of
from pytest import approx
from test_semantics_schedule_terms import SET, M, in_time, priced, since

import router
from router.errors import InputError
from router.explaining.run import explain

MONTH_H = 730


def banded(rates: list[tuple[float, float]], factors: list[float], n: int, **terms: Any) -> Data:
    """An offer with (from M, USD per M) in `n` hours, and a factor on them from each hour on."""
    tiers = [{"from_tokens_per_month": begin * M * MONTH_H / n, "usd_per_m": usd} for begin, usd in rates]
    rules = [since(hour, prices=factor) for hour, factor in enumerate(factors)]
    return {"name": "deal", "models": {"m": {}}, "commitment": {"tiers": tiers, **terms}, "schedule": rules}


def check_least(data: Data, usd: float) -> None:
    """The plan costs so much, and no less is possible by a bound of our own."""
    plan = plan_of(data)
    assert plan.cost_usd == approx(usd, abs=1e-5)
    assert plan.bound_usd is not None and plan.bound_usd <= usd + 1e-5
    assert plan.proof is not None and plan.proof.kind == "own"


HAND: dict[str, tuple[list[tuple[float, float]], Data, float]] = {
    "falling: 2 · 4, then 1 · 4 · 3 + 1 · 2 · 3, then 2 · 2": ([(0, 4), (3, 2)], {}, 30),
    "rising: 2 · 1, then 1 · 1 · 3 + 1 · 5 · 3, then 2 · 5": ([(0, 1), (3, 5)], {}, 30),
    "all units: 6 M reach the second band: 2 · (2 + 2 · 3 + 2)": (
        [(0, 4), (3, 2)],
        {"tier_kind": "all_units"},
        20,
    ),
    "all units: 3 M more reach the third, at 1 · (2 + 6 + 2 + 3 · 5 / 3)": (
        [(0, 4), (3, 2), (9, 1)],
        {"tier_kind": "all_units"},
        15,
    ),
    "a shortfall of 3 M fills the second band at the mean of 1, 3, 1: 30 + 3 · 2 · 5 / 3": (
        [(0, 4), (3, 2)],
        {"min_tokens": 9 * M, "settled": "term", "term_h": 3},
        40,
    ),
    "at least 34 USD": ([(0, 4), (3, 2)], {"min_usd": 34, "settled": "term", "term_h": 3}, 34),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("words", HAND)
def test_bands_fill_in_order_of_time(words: str, solver: str) -> None:
    """2 M in each of three hours, at the rates of the bands, three times them, and the rates again."""
    rates, terms, usd = HAND[words]
    data = in_time([2, 2, 2], [banded(rates, [1, 3, 1], 3, **terms), api("listed", 100.0)])
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(usd)
    assert [row.billed_usd for row in plan.settlements] == approx([usd])
    assert plan.bound_usd == approx(usd, rel=1e-5)


def bill(rates: list[tuple[float, float]], kind: str, used: list[tuple[float, float]], due: float) -> float:
    """What (factor, M) in order of time cost with so many M due, whose rest has the mean factor: unit by unit."""
    mean = sum(factor for factor, _ in used) / len(used)
    total = sum(amount for _, amount in used)
    every = [*used, (mean, max(due - total, 0.0))]

    def rate(at: float) -> float:
        return next(usd for begin, usd in reversed(rates) if at >= begin)

    if kind == "incremental":
        usd, at = 0.0, 0
        for factor, amount in every:
            for _ in range(round(amount)):
                usd, at = usd + factor * rate(at), at + 1
        return usd
    billed = [max(total, due, begin) for begin, _ in rates]
    return min(
        rate(volume) * (sum(f * a for f, a in used) + mean * (volume - total)) if volume else 0.0
        for volume in billed
    )


@pytest.mark.parametrize("seed", range(times(5)))
def test_the_best_use_is_that_of_an_enumeration(seed: int) -> None:
    """Every whole use of each hour: what goes to the bands in order of time, the rest at list."""
    draw = random.Random(seed)
    use = [draw.choice([0, 1, 2, 3]) for _ in range(4)]
    factors = [draw.choice([0.5, 1.0, 2.0, 3.0]) for _ in use]
    kind = draw.choice(["incremental", "incremental", "all_units"])
    usd = [draw.choice([1.0, 2.0, 4.0, 6.0]) for _ in range(3)]
    rates = [*zip((0.0, 2.0, 5.0), usd if kind == "incremental" else sorted(usd, reverse=True), strict=True)]
    listed, least = draw.choice([2.0, 5.0, 9.0]), draw.choice([0, 0, 3, 6])
    amount: Data = {"settled": "term", "term_h": 4, "start": "first", "min_tokens": least * M}
    deal = banded(rates, factors, 4, tier_kind=kind, **amount)
    best = sum(use) * listed
    for own in itertools.product(*(range(each + 1) for each in use)):
        cost = bill(rates, kind, [*zip(factors, own, strict=True)], least)
        best = min(best, cost + listed * (sum(use) - sum(own)))
    check_least(in_time([*map(float, use)], [deal, api("listed", listed)]), best)


@pytest.mark.parametrize("kind", ["incremental", "all_units"])
@pytest.mark.parametrize("unit", ["tokens", "usd"])
@pytest.mark.parametrize("use", [(1, 0, 2, 1, 3, 0), (1, 0, 1, 1, 0, 0)])
def test_a_span_planned_in_two_is_billed_once(use: tuple[int, ...], unit: str, kind: str) -> None:
    """The bills of two parts of a span add up, the second from where the first ends, before which one price held."""
    factors, size = [2.0, 2.0, 1.0, 3.0, 1.0, 1.0], {"tokens": 5 * M, "usd": 12.0}

    def part(first: int, end: int, used: float | None) -> Data:
        terms: Data = {"settled": "term", "term_h": 6, f"min_{unit}": size[unit], "signed": True}
        terms |= {"signed_until": SET.format(6), "tier_kind": kind}
        if used is not None:
            terms["so_far"] = {"since": SET.format(0), "used_tokens": used}
        data = in_time([*use[first:end]], [banded([(0, 4), (3, 2), (6, 1)], factors, 6, **terms)])
        data["horizon"] |= {"start": SET.format(first)}
        return data

    whole = plan_of(part(0, 6, None)).cost_usd
    due, least = (5, 0) if unit == "tokens" else (0, 12)
    rates = [(0.0, 4.0), (3.0, 2.0), (6.0, 1.0)]
    assert whole == approx(max(bill(rates, kind, [*zip(factors, use, strict=True)], due), least))
    for cut in (1, 2):
        first = plan_of(part(0, cut, None))
        (row,) = first.settlements
        assert row.so_far is not None
        assert first.cost_usd + plan_of(part(cut, 6, row.so_far.used)).cost_usd == approx(whole)


def test_terms_that_may_start_in_several_hours_fill_bands_of_their_own() -> None:
    """Terms of 2 hours, 2 M of each at 1 and the rest at 3: twice 2 · 1 + 2 · 3 · 2, or the second alone, less list."""
    terms = {"settled": "term", "term_h": 2, "min_usd": 1, "overage": "contract"}
    deal = banded([(0, 1), (2, 3)], [1, 2, 1, 2], 2, **terms)
    plan = plan_of(in_time([2, 2, 2, 2], [deal, api("listed", 5.0)]))
    assert plan.cost_usd == approx(2 * (2 * 1 + 2 * 5))
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


def test_the_check_sees_bands_filled_out_of_order() -> None:
    """30 in order of time; the dear hour in the cheap band would be 2 · 4 + 1 · 2 · 3 + … = 26."""
    stated = load(in_time([2, 2, 2], [banded([(0, 4), (3, 2)], [1, 3, 1], 3), api("listed", 100.0)]))
    plan = router.solve(stated)
    rows = [replace(row, billed_usd=26.0) for row in plan.settlements]
    assert not router.verify(stated, replace(plan, settlements=tuple(rows))).ok


def test_rates_that_change_within_a_period_beside_work_in_a_part_of_it_are_refused() -> None:
    """Two hours a period: nothing says what comes first, the window's hour or the rest; work of whole periods may."""
    deal = banded([(0, 4), (3, 2)], [1, 3, 1], 4)
    data = in_time([2, 2], [deal, api("listed", 100.0)])
    data["horizon"]["period_h"] = 2
    plan = plan_of(data)
    assert plan.cost_usd == approx((2 * 4) * 2 + (1 * 4 + 1 * 2) * 1)
    data["workloads"][0] |= {
        "window": {"start": "01:00", "end": "03:00"},
        "demand": {"requests_per_day": 1e3},
    }
    with pytest.raises(
        InputError, match="changes rates of tiers within a period in which some work runs in a part"
    ):
        plan_of(data)


def beyond(use: list[tuple[float, float, float]], due: float, *, usd: bool = False) -> float:
    """What (M, rate, price of overage) in order of time cost with so much due, M or USD: bit by bit."""
    mean, at, total = sum(rate for _, rate, _ in use) / len(use), 0.0, 0.0
    for amount, rate, over in use:
        own = amount * rate if usd else amount
        above = max(0.0, at + own - due) - max(0.0, at - due)
        total += above / rate * over if usd else (own - above) * rate + above * over
        at += own
    return due + total if usd else total + mean * max(0.0, due - at)


OVERAGE: dict[str, tuple[Data, float]] = {
    # 2 M in each of three hours, at 1, 3 and 1; above the commitment 4
    "3 M: 2 · 1 + 1 · 3 + 1 · 4 + 2 · 4": ({"min_tokens": 3 * M}, 17),
    "7 M: 2 · 1 + 2 · 3 + 2 · 1, and the mean of 1, 3, 1": ({"min_tokens": 7 * M}, 10 + 5 / 3),
    "5 USD: 2 · 1, 1 M at 3; then 1 M and 2 M at 4": ({"min_usd": 5}, 17),
    "11 USD are more than 2 + 6 + 2": ({"min_usd": 11}, 11),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("words", OVERAGE)
def test_what_comes_first_is_within_what_is_committed(words: str, solver: str) -> None:
    terms, usd = OVERAGE[words]
    terms = terms | {"settled": "term", "term_h": 3, "overage_usd_per_m": 4}
    deal = api("deal", 1.0, commitment=terms, schedule=priced(1, 3, 1))
    plan = plan_of(in_time([2, 2, 2], [deal, api("listed", 100.0)]), solver)
    assert plan.cost_usd == approx(usd)
    assert plan.bound_usd == approx(usd, rel=1e-5)


@pytest.mark.parametrize("seed", range(times(5)))
def test_the_best_use_beside_a_price_of_overage_is_that_of_an_enumeration(seed: int) -> None:
    """Every whole use of each hour and commitment: rates set by the hour, a factor on both from the third."""
    draw = random.Random(seed)
    use = [draw.choice([0, 1, 2, 3]) for _ in range(4)]
    rates, over = [draw.choice([1.0, 2.0, 4.0]) for _ in use], draw.choice([0.5, 3.0, 6.0])
    factor, listed = draw.choice([0.5, 1.0, 2.0]), draw.choice([2.0, 5.0, 9.0])
    least, more = draw.choice([1, 3, 6]), draw.choice([0, 3])
    terms: Data = {"settled": "term", "term_h": 4, "start": "first", "overage_usd_per_m": over}
    terms |= {"min_tokens": least * M} | ({"max_tokens": (least + more) * M} if more else {})
    deal = api("deal", 1.0, commitment=terms, schedule=[*priced(*rates), since(2, prices=factor)])
    hours = [
        (rate * (factor if t > 1 else 1), over * (factor if t > 1 else 1)) for t, rate in enumerate(rates)
    ]
    best = sum(use) * listed
    for due, *own in itertools.product(range(least, least + more + 1), *(range(each + 1) for each in use)):
        cost = beyond([(each, *hour) for each, hour in zip(own, hours, strict=True)], due)
        best = min(best, cost + listed * (sum(use) - sum(own)))
    check_least(in_time([*map(float, use)], [deal, api("listed", listed)]), best)


@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_overage_of_a_span_planned_in_two_is_billed_once(unit: str) -> None:
    """Two parts of six hours add up to what an hour after the other costs, before the cut at one price."""
    use, rates, due = [1, 2, 2, 1, 3, 0], [2.0, 2.0, 1.0, 4.0, 1.0, 3.0], {"tokens": 4, "usd": 9}[unit]

    def part(first: int, end: int, used: float | None) -> Data:
        terms: Data = {"settled": "term", "term_h": 6, "signed": True, "signed_until": SET.format(6)}
        terms |= {f"min_{unit}": due * (M if unit == "tokens" else 1.0), "overage_usd_per_m": 3}
        if used is not None:
            terms["so_far"] = {"since": SET.format(0), f"used_{unit}": used}
        data = in_time(use[first:end], [api("deal", 1.0, commitment=terms, schedule=priced(*rates))])
        data["horizon"] |= {"start": SET.format(first)}
        return data

    whole = plan_of(part(0, 6, None)).cost_usd
    assert whole == approx(beyond([*zip(use, rates, [3.0] * 6, strict=True)], due, usd=unit == "usd"))
    for cut in (1, 2):
        first = plan_of(part(0, cut, None))
        (row,) = first.settlements
        assert row.so_far is not None
        assert first.cost_usd + plan_of(part(cut, 6, row.so_far.used)).cost_usd == approx(whole)


def test_a_level_s_discount_is_on_what_is_within_it_alone() -> None:
    """6 USD at half of 2 a M buy all of 6 M; 3 at three quarters of it 2 M, and 4 more at 3 each."""
    levels = [{"usd": 6, "discount": 0.5}, {"usd": 3, "discount": 0.25}]
    terms = {"settled": "term", "term_h": 3, "levels": levels, "overage_usd_per_m": 3}
    offers = [api("deal", 2.0, commitment=terms), api("listed", 9.0)]
    assert plan_of(in_time([2, 2, 2], offers)).cost_usd == approx(6)
    levels[0]["usd"] = 30
    assert plan_of(in_time([2, 2, 2], offers)).cost_usd == approx(3 + 4 * 3)


@pytest.mark.parametrize(
    ("rates", "saved"), [((1, 3, 1), 17 - 16), ((3, 1, 1), 19 - 16), ((1, 1, 1), 15 - 12)]
)
def test_explain_says_what_a_million_more_of_commitment_saves(rates: tuple[int, ...], saved: float) -> None:
    """3 M of 6 committed, 4 a M above: another M at the rate of its hour in place of 4, and of those after it.

    Of what it saves, the mean rate of 5/3 (or 1) is what the million itself is due.
    """
    terms = {"settled": "term", "term_h": 3, "overage_usd_per_m": 4, "min_tokens": 3 * M}
    deal = api("deal", 1.0, commitment=terms, schedule=priced(*rates))
    (use,) = explain(load(in_time([2, 2, 2], [deal, api("listed", 100.0)]))).commitments
    assert use.more_from_usd == use.more_to_usd == approx(saved + sum(rates) / 3)
