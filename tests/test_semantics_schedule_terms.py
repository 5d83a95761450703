"""Commitments and agreements whose offers change in time: by hand through two solvers, and by enumeration.

The horizon starts at midnight on 4 January; a million tokens an hour is written 1 M. `listed` has no rules.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from campaign import times
from problem_factory import MONTH, SOLVERS, Data, api, by_period, gpu, load, plan_of, problem, usd
from pytest import approx

import router

M = 1e6
SET = "2027-01-04T{:02}:00"


def priced(*usd: float) -> list[Data]:
    """Prices of all tokens by hour, from midnight on."""
    return [
        {
            "from": SET.format(hour),
            "set": {"models": {"m": {"prompt_usd_per_m": each, "completion_usd_per_m": each}}},
        }
        for hour, each in enumerate(usd)
    ]


def since(hour: int, **rule: Any) -> Data:
    return {"from": SET.format(hour), **rule}


def until(hour: int, **rule: Any) -> Data:
    return {"until": SET.format(hour), **rule}


def in_time(use: list[float], offers: list[Data], *agreements: Data, **rest: Any) -> Data:
    data = problem(by_period([each * M for each in use]), offers, periods=len(use), **rest)
    data["horizon"] |= {"start": "2027-01-04T00:00:00"}
    return data | {"commitments": [*agreements]}


def agreement(*offers: str, **terms: Any) -> Data:
    return {"name": "plan", "offers": [*offers], "settled": "hour", "min_usd": 0, "max_usd": 100, **terms}


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_agreement_takes_its_discount_off_the_price_of_the_hour(solver: str) -> None:
    """2, then 6 at list, 60 % off: 0.8 cover the first hour, 2.4 the second; a dollar costs 2 and saves 2.5: 4.8."""
    offers = [api("a", 2.0, schedule=priced(2, 6))]
    plan = plan_of(in_time([1, 1], offers, agreement("a", discount=0.6)), solver)
    assert plan.cost_usd == approx(4.8)
    assert {row.period: row.list_usd for row in plan.coverage or ()} == {0: approx(2), 1: approx(6)}
    assert plan.bound_usd == approx(4.8, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rent_is_covered_at_the_price_of_the_hour_and_by_its_open_hours(solver: str) -> None:
    """A machine at 10, at half in the second hour, closed for half of the third: 10, 5 and 5 at list, half off by 2.5.

    2.5 an hour cover all of the last two and half of the first: 3 · 2.5 + 5; half of the last 0.5 M is elsewhere: 5.
    """
    rules = [since(1, prices=0.5, until=SET.format(2)), since(2, until="2027-01-04T02:30", available=False)]
    offers = [gpu("g", 10, 1, offer={"schedule": rules}), api("listed", 20.0)]
    plan = plan_of(in_time([1, 1, 0.5], offers, agreement("g", discount=0.5, max_usd=2.5)), solver)
    assert plan.cost_usd == approx(3 * 2.5 + 5 + 5)
    assert usd(plan, "g", "instances") == approx(5)
    assert plan.bound_usd <= plan.cost_usd + 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
def test_units_cover_machines_whatever_these_cost_in_the_hour(solver: str) -> None:
    """One unit at 4 an hour against 10, 3, 10: 12 for all three hours; without it 23."""
    rules = [since(1, until=SET.format(2), set={"instances": {"usd_per_h": 3}})]
    terms = {"name": "plan", "offers": ["g"], "in": "units", "usd_per_unit_h": 4, "max_units": 5}
    plan = plan_of(in_time([1, 1, 1], [gpu("g", 10, 1, offer={"schedule": rules})], terms), solver)
    assert plan.cost_usd == approx(12)
    assert [row.covered_usd for row in plan.coverage or ()] == approx([4, 4, 4])
    assert plan.bound_usd == approx(12, rel=1e-5)


GAPS = {  # rules, and the open part of each of four hours
    "opens and closes": ([until(1, available=False), since(3, available=False)], [0.0, 1.0, 1.0, 0.0]),
    "a gap": ([{"daily": {"start": "01:00", "end": "02:00"}, "available": False}], [1.0, 0.0, 1.0, 1.0]),
    "half an hour": (
        [{"daily": {"start": "01:30", "end": "02:00"}, "available": False}],
        [1.0, 0.5, 1.0, 1.0],
    ),
}


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("dear", [12, 30])
def test_units_are_due_while_their_offer_is_closed_and_cover_what_runs(gap: str, dear: int) -> None:
    """Every number of units (4 an hour) and machines (10) in each hour: work goes there as far as it is open."""
    rules, part = GAPS[gap]
    use = [2, 1, 3, 1]

    def hour(t: int, units: int) -> float:
        machines = range(4 if part[t] else 1)
        return min(
            max(n - units, 0) * 10 * part[t] + dear * max(use[t] - min(n, use[t]) * part[t], 0)
            for n in machines
        )

    terms = {"name": "plan", "offers": ["g"], "in": "units", "usd_per_unit_h": 4, "max_units": 5}
    machine = gpu("g", 10, 1, offer={"schedule": rules})
    plan = plan_of(in_time([*map(float, use)], [machine, api("listed", dear)], terms))
    assert plan.cost_usd == approx(
        min(4 * 4 * u + sum(hour(t, u) for t in range(4)) for u in range(4)), abs=1e-5
    )
    assert plan.bound_usd is not None and plan.bound_usd <= plan.cost_usd + 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_the_best_amount_is_that_of_an_enumeration(seed: int) -> None:
    """Every corner of the cost is tried: what each hour's use is billed at."""
    draw = random.Random(seed)
    use = [draw.choice([0, 1, 2, 3]) for _ in range(5)]
    price = [draw.choice([1.0, 2.0, 4.0]) for _ in use]
    off = draw.choice([0.3, 0.5, 0.6])
    billed = [each * p * (1 - off) for each, p in zip(use, price, strict=True)]

    def cost(committed: float) -> float:
        return sum(committed + max(0.0, each - committed) / (1 - off) for each in billed)

    terms = agreement("a", discount=off)
    plan = plan_of(in_time(use, [api("a", 2.0, schedule=priced(*price))], terms))
    assert plan.cost_usd == approx(min(map(cost, [0.0, *billed])), abs=1e-6)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5, abs=1e-6)


DAY = {"settled": "day", "min_usd": 24}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_day_whose_offer_closes_is_due_until_then(solver: str) -> None:
    """24 a day, half of it until noon: max(12, 9), then 12 hours of 0.75 M at 2: 12 + 18; with no deal 36."""
    deal = api("deal", 1.0, commitment=DAY, schedule=[since(12, available=False)])
    plan = plan_of(in_time([0.75] * 24, [deal, api("listed", 2.0)]), solver)
    assert plan.cost_usd == approx(30)
    assert [row.billed_usd for row in plan.settlements] == approx([12])
    assert plan.bound_usd == approx(30, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_nothing_is_due_before_an_offer_opens(solver: str) -> None:
    """Open from 18:00: a quarter of 24 is due, max(6, 6 · 0.75) = 6, and 18 hours of 0.75 M at 2 are 27."""
    deal = api("deal", 1.0, commitment=DAY | {"signed": True}, schedule=[until(18, available=False)])
    plan = plan_of(in_time([0.75] * 24, [deal, api("listed", 2.0)]), solver)
    assert plan.cost_usd == approx(33)
    assert plan.bound_usd == approx(33, rel=1e-5)


def test_a_term_ends_where_its_offer_closes_and_owes_nothing_after() -> None:
    """A term of 12 hours signed at once, closed after 4: 4 of its 12 USD are due, for 4 hours of 1 M; then at 2."""
    terms = {"settled": "term", "min_usd": 12, "term_h": 12, "start": "first"}
    deal = api("deal", 1.0, commitment=terms, schedule=[since(4, available=False)])
    plan = plan_of(in_time([1] * 6, [deal, api("listed", 2.0)]))
    assert plan.cost_usd == approx(4 + 4)
    (row,) = plan.settlements
    assert (row.until_h, row.billed_usd, row.beyond_horizon_usd) == (4, approx(4), 0)
    in_full = in_time([1] * 6, [deal, api("listed", 2.0)], policy={"end_of_horizon": "charge_in_full"})
    assert plan_of(in_full).cost_usd == approx(8)


@pytest.mark.parametrize("seed", range(times(6)))
def test_terms_that_add_up_end_where_their_offer_closes(seed: int) -> None:
    """Every amount signed in each of four hours; the offer may open late, and close for good within an hour."""
    r = random.Random(seed)
    use, opens, closes = (
        [r.choice([0, 1, 2, 3, 4]) for _ in range(4)],
        r.choice([0, 1]),
        r.choice([3, 3.5, 4, 9]),
    )
    dear, term, step, within = r.choice([2, 3]), r.choice([2, 3]), r.choice([1, 2]), r.random() < 0.5
    part = [max(0, min(t + 1, closes) - max(t, opens)) for t in range(4)]
    costs = []
    for signed in itertools.product(range(0, 5, step), repeat=4):
        if any(usd and not (k < closes and k + term > opens) for k, usd in enumerate(signed)):
            continue
        cost = 0.0
        for t in range(4):
            force = sum(signed[max(t - term + 1, 0) : t + 1])
            due, most = force * part[t], use[t] * part[t] if force else 0.0
            there = min(most, due) if within else most
            cost += max(due, there) + dear * (use[t] - there)
        costs.append(cost)
    terms = {
        "settled": "hour",
        "min_usd": step,
        "step_usd": step,
        "max_usd": 8,
        "term_h": term,
        "stackable": True,
    }
    terms |= {"overage": "none"} if within else {}
    rules = [until(opens, available=False)] if opens else []
    rules += [{"from": f"2027-01-04T0{int(closes)}:{30 if closes % 1 else 0:02}", "available": False}]
    deal = api("deal", 1.0, commitment=terms, schedule=rules)
    plan = plan_of(in_time([*map(float, use)], [deal, api("listed", dear)]))
    assert plan.cost_usd == approx(min(costs), abs=1e-6)
    assert plan.bound_usd is not None and plan.bound_usd <= min(costs) + 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("settled", ["day", "month"])
def test_tokens_short_of_a_span_cost_its_mean_rate(solver: str, settled: str) -> None:
    """1 M an hour committed at 1, then at 3: half of it is used, 2 + 6; the other half costs the mean, 4 · 0.5 · 2."""
    least = 24 * M if settled == "day" else MONTH * M
    terms = {"settled": settled, "min_tokens": least, "signed": True}
    deal = api("deal", 1.0, commitment=terms, schedule=priced(1, 1, 3, 3))
    plan = plan_of(in_time([0.5] * 4, [deal, api("listed", 9.0)]), solver)
    assert plan.cost_usd == approx(0.5 * (1 + 1 + 3 + 3) + 2 * 2)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_tokens_above_an_hour_s_commitment_cost_the_rate_of_the_hour(solver: str) -> None:
    """1 M an hour at 1, then at 3, of which 2 M are used: 2 and 6; 0.5 M used of 1 M: 1 and 3."""
    terms = {"settled": "hour", "min_tokens": M, "signed": True}
    deal = api("deal", 1.0, commitment=terms, schedule=priced(1, 3, 1, 3))
    plan = plan_of(in_time([2, 2, 0.5, 0.5], [deal, api("listed", 9.0)]), solver)
    assert plan.cost_usd == approx(2 + 6 + 1 + 3)
    assert plan.bound_usd == approx(12, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_tokens_left_by_an_hour_are_used_in_the_next_at_no_price(solver: str) -> None:
    """1 M an hour at 1, then at 3, paid as such; 0.5 M are left for the 2 M of the second, of which 0.5 M go beyond."""
    terms = {"settled": "hour", "min_tokens": M, "signed": True, "rollover_spans": 1}
    deal = api("deal", 1.0, commitment=terms, schedule=priced(1, 3))
    plan = plan_of(in_time([0.5, 2], [deal, api("listed", 9.0)]), solver)
    assert plan.cost_usd == approx(1 + 3 + 0.5 * 3)
    assert [row.rolled_usd for row in plan.settlements] == approx([1.5])
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_tokens_left_by_a_term_s_span_hold_its_mean_rate(solver: str) -> None:
    """Two hours a period, one at 1 and one at 3 in turn, 2 M a day committed: 4 USD a day, the mean being 2.

    1 M at 1 on the first day leaves 1 M; 3 M at 1, 1 and 3 on the second are all paid by then: they were a mean of 2
    each, and cost a dollar less twice and one more once.
    """
    terms = {"settled": "day", "min_tokens": 2 * M, "signed": True, "rollover_spans": 1}
    rules = [{"daily": {"start": "00:00", "end": "12:00"}, "prices": 0.5}, since(0, prices=1.5)][::-1]
    deal = api("deal", 2.0, commitment=terms, schedule=rules)
    data = in_time([1, 0, 2, 1], [deal, api("listed", 9.0)])
    data["horizon"]["period_h"] = 12
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(4 - 1 + 4 - 2 + 1)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("case", range(times(4)))
def test_rests_of_tokens_are_used_oldest_first_at_changing_rates(case: int) -> None:
    """All is used here: what is committed, and what goes beyond it and the rests, at the rate of the hour."""
    draw = random.Random(case)
    use, rate = (
        [draw.choice([0.0, 0.5, 1.0, 2.0]) for _ in range(6)],
        [draw.choice([1.0, 2.0, 4.0]) for _ in range(6)],
    )
    kept, cost, rests = draw.choice([1, 2]), 0.0, list[float]()
    for used, price in zip(use, rate, strict=True):
        rests, need = [*rests[-kept:], 1.0], used
        for i, rest in enumerate(rests):
            rests[i], need = rest - min(rest, need), max(need - rest, 0.0)
        cost += price * (1 + need)
    terms = {"settled": "hour", "min_tokens": M, "signed": True, "rollover_spans": kept}
    plan = plan_of(
        in_time(use, [api("deal", 1.0, commitment=terms, schedule=priced(*rate)), api("listed", 9.0)])
    )
    assert plan.cost_usd == approx(cost)
    assert plan.bound_usd == approx(cost, rel=1e-5)


def term_cost(rate: list[float], use: list[float], dear: float, least: float) -> float:
    """The best use of a term: all or nothing in each hour, one of them as far as what is committed reaches."""
    mean, hours = sum(rate) / len(rate), range(len(rate))
    best = float("inf")
    for full in itertools.product((0.0, 1.0), repeat=len(rate)):
        for part in (None, *hours):
            taken = [use[t] * full[t] for t in hours]
            if part is not None:
                taken[part] = min(max(least - sum(taken) + taken[part], 0.0), use[part])
            cost = sum(rate[t] * taken[t] + dear * (use[t] - taken[t]) for t in hours)
            best = min(best, cost + mean * max(0.0, least - sum(taken)))
    return best


@pytest.mark.parametrize("case", range(times(6)))
def test_terms_in_tokens_begin_when_prices_are_low(case: int) -> None:
    """Terms of two hours that may begin in any: every choice of them, and all that each may carry."""
    draw = random.Random(case)
    use, rate = (
        [draw.choice([0.0, 1.0, 2.0]) for _ in range(4)],
        [draw.choice([1.0, 2.0, 4.0]) for _ in range(4)],
    )
    dear, least = draw.choice([1.5, 3.0]), draw.choice([1.0, 2.0, 3.0])

    def cost(t: int) -> float:
        if t >= 4:
            return 0.0
        end = min(t + 2, 4)
        due = least * (end - t) / 2  # the horizon cuts the last by its hours
        term = term_cost(rate[t:end], use[t:end], dear, due)
        return min(dear * use[t] + cost(t + 1), term + cost(end))

    terms = {"settled": "term", "term_h": 2, "min_tokens": least * M}
    deal = api("deal", 1.0, commitment=terms, schedule=priced(*rate))
    plan = plan_of(in_time(use, [deal, api("listed", dear)]))
    assert plan.cost_usd == approx(cost(0), abs=1e-6)
    assert plan.bound_usd <= cost(0) + 1e-6


def test_a_span_that_has_begun_follows_prices_that_change() -> None:
    """24 USD a day; at 20:00 14 are used, of 20 due; then 2 hours of 1 M at 1 and 2 at 3: 14 + 8 = 22 of 24."""
    stands = {"since": SET.format(0), "used_usd": 14}
    terms = {"settled": "day", "min_usd": 24, "signed": True, "so_far": stands}
    data = in_time([1] * 4, [api("deal", 1.0, commitment=terms, schedule=[since(22, prices=3)])])
    data["horizon"]["start"] = SET.format(20)
    plan = plan_of(data)
    assert plan.cost_usd == approx(max(24, 14 + 8) - max(20, 14))


def test_the_check_sees_an_hour_s_price_mistaken() -> None:
    stated = load(in_time([1, 1], [api("a", 2.0, schedule=priced(2, 6))], agreement("a", discount=0.6)))
    plan = router.solve(stated)
    assert plan.coverage is not None
    rows = [replace(row, list_usd=4, covered_usd=1.6) for row in plan.coverage]
    assert not router.verify(stated, replace(plan, coverage=tuple(rows))).ok


@pytest.mark.parametrize("unit", ["usd", "tokens"])
def test_a_day_planned_in_two_is_billed_once(unit: str) -> None:
    """The bills of any two parts of a day, the second from where the first ends, add up to the day's."""
    use, price = [1, 0, 2, 1, 3, 0], [1.0, 4.0, 2.0, 2.0, 1.0, 3.0]
    least, size = (12, 1.0) if unit == "usd" else (8, M)

    def part(first: int, end: int, used: float | None) -> Data:
        terms: Data = {"settled": "term", "term_h": 6, f"min_{unit}": least * size, "signed": True}
        terms["signed_until"] = SET.format(6)
        if used is not None:
            terms["so_far"] = {"since": SET.format(0), f"used_{unit}": used}
        data = in_time(use[first:end], [api("deal", 1.0, commitment=terms, schedule=priced(*price))])
        data["horizon"] |= {"start": SET.format(first)}
        return data

    whole, paid = plan_of(part(0, 6, None)).cost_usd, sum(a * b for a, b in zip(use, price, strict=True))
    mean = sum(price) / 6
    assert whole == approx(max(12, paid) if unit == "usd" else paid + mean * max(8 - sum(use), 0))
    for cut in (1, 2, 4):
        first = plan_of(part(0, cut, None))
        (row,) = first.settlements
        assert row.so_far is not None
        assert first.cost_usd + plan_of(part(cut, 6, row.so_far.used)).cost_usd == approx(whole)


LEVELS = [{"usd": 219, "discount": 0.1}, {"usd": 1095, "discount": 0.3}]
BANDS = [{"from_tokens_per_month": 0, "usd_per_m": 0.6}, {"from_tokens_per_month": 1e9, "usd_per_m": 0.4}]
TERMS: tuple[Data, ...] = (
    {"settled": "term", "min_usd": 6, "term_h": 3},
    {"settled": "month", "levels": LEVELS},
    {"settled": "hour", "min_usd": 1, "max_usd": 3},
    {"settled": "day", "min_usd": 5, "rollover_spans": 1},
    {"settled": "day", "min_tokens": 5e6, "rollover_spans": 1},
    {"settled": "month", "min_usd": 5, "max_usd": 50, "term_months": 1, "stackable": True},
    {"settled": "month", "ramp": [{"from_month": 1, "min_usd": 5}]},
    {"min_usd_per_month": 5, "signed": True},
    {"min_usd_per_month": 5, "overage_usd_per_m": 3},
    {"min_tokens_per_month": 0, "max_tokens_per_month": 1e9},
    {"tiers": BANDS},
    {"tiers": BANDS, "tier_kind": "all_units"},
)


@pytest.mark.parametrize("terms", TERMS, ids=lambda terms: "+".join(terms))
def test_a_commitment_whose_offer_closed_before_the_horizon_owes_nothing(terms: Data) -> None:
    """None of its spans is there: all is at list."""
    deal = api("deal", 1.0, commitment=terms, schedule=[since(0, available=False)])
    plan = plan_of(in_time([1] * 4, [deal, api("listed", 2.0)]))
    assert plan.cost_usd == approx(8)
    assert plan.settlements == ()
    assert plan.proof is not None
    assert plan.proof.kind == "own"


@pytest.mark.parametrize("seed", range(times(6)))
def test_a_term_keeps_the_dated_price_of_its_first_period(seed: int) -> None:
    """Against every number of machines bought in each of four hours: rules of a date count, those of the day do not."""
    r = random.Random(seed)
    use, dear, upfront = [r.choice([0, 1, 2]) for _ in range(4)], r.choice([4, 8, 15]), r.choice([0, 2])
    term, in_full, at, factor = r.choice([2, 3]), r.random() < 0.3, r.randrange(4), r.choice([0.25, 0.5, 2.0])
    rules, hourly, closed = [since(at, prices=factor)], [10.0] * 4, r.choice([None, 2])
    if r.random() < 0.5:
        rules.append(until(2, set={"instances": {"usd_per_h": 6}}))
        hourly[:2] = [6.0, 6.0]
    rules.append({"daily": {"start": "01:00", "end": "03:00"}, "prices": 3.0})
    rules += [] if closed is None else [{"daily": {"start": "02:00", "end": "03:00"}, "available": False}]
    hourly = [usd * (factor if t >= at else 1.0) for t, usd in enumerate(hourly)]
    costs = []
    for bought in itertools.product(range(3), repeat=4):
        spent = 0.0
        for k, count in enumerate(bought):
            after = max(k + term - 4, 0)
            spent += count * (hourly[k] * (term if in_full else term - after))
            spent += count * upfront * (1.0 if in_full else 1.0 - after / term)
        for t in range(4):
            there = 0 if t == closed else sum(bought[max(t - term + 1, 0) : t + 1])
            spent += dear * max(use[t] - there, 0)
        costs.append(spent)
    machines = gpu("g", 10.0, 1, term_h=term, upfront_usd=upfront) | {"schedule": rules}
    data = problem(by_period([each * M for each in use]), [machines, api("b", dear)], periods=4)
    data["horizon"] = {**data["horizon"], "start": SET.format(0)}
    data["policy"] = {"end_of_horizon": "charge_in_full"} if in_full else {}
    plan = plan_of(data)
    assert plan.cost_usd == approx(min(costs), abs=1e-6)
    assert plan.bound_usd is not None and plan.bound_usd <= min(costs) + 1e-6
    lies = [replace(row, from_h=row.from_h + 1.0, until_h=None) for row in plan.purchases[:1]]
    assert not lies or not router.verify(load(data), replace(plan, purchases=(*lies, *plan.purchases[1:]))).ok


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("case", range(times(3)))
def test_terms_of_instances_end_where_their_offer_closes(case: int, solver: str) -> None:
    """Hours 1 to 3 of five, terms of two hours at 5 an hour and 3 upfront: every number bought at every start.

    One bought for the last hour of it is paid for an hour, and its upfront whole. Else 9 a machine and hour.
    """
    draw = random.Random(case)
    use = [draw.choice([0, 1, 2, 3]) for _ in range(5)]

    def cost(bought: tuple[int, ...]) -> float:
        usd = 0.0
        for t in range(5):
            mine = sum(n for s, n in zip((1, 2, 3), bought, strict=True) if s <= t < min(s + 2, 4))
            usd += 5 * mine + 9 * max(use[t] - mine, 0)
        return usd + 3 * sum(bought)

    rules = [until(1, available=False), since(4, available=False)]
    term = gpu("term", 5, 1, term_h=2, upfront_usd=3, offer={"schedule": rules})
    plan = plan_of(in_time([*map(float, use)], [term, gpu("hour", 9, 1)]), solver)
    best = min(cost(bought) for bought in itertools.product(range(4), repeat=3))
    assert plan.cost_usd == approx(best)
    assert plan.bound_usd == approx(best, rel=1e-5)
    assert all(row.until_h is not None and row.until_h <= 4 for row in plan.purchases)


def test_a_term_that_an_offer_s_end_cuts_after_the_horizon_owes_until_then() -> None:
    """Bought for four hours at 5 and 8 upfront, and closed an hour after the first: half of 8 and 5 are owed later."""
    term = gpu("term", 5, 1, term_h=4, upfront_usd=8, offer={"schedule": [since(2, available=False)]})
    plan = plan_of(in_time([1.0], [term, gpu("hour", 30, 1)]))
    (row,) = plan.purchases
    assert (row.until_h, row.billed_usd, row.beyond_horizon_usd) == (2, approx(5 + 4), approx(5 + 4))
    assert plan.cost_usd == approx(9)
