"""A price of overage beside rests that roll over, where prices change: rests, then what is committed, then overage.

All of it in order of time. By hand through two solvers, by enumeration, and what the check sees. 1 M a million tokens.
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


def deal(rates: list[float], over: float, **terms: Any) -> Data:
    given = {"settled": "hour", "signed": True, "rollover_spans": 1, "overage_usd_per_m": over}
    return api("deal", 1.0, commitment=given | terms, schedule=priced(*rates))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("use", "usd"),
    [([0.5, 2], 1 + 3 + 0.5 * 5), ([0, 2], 1 + 3), ([1, 3], 1 + 3 + 2 * 5), ([1.5, 1], 1 + 0.5 * 5 + 3)],
)
def test_rests_are_used_before_what_goes_beyond(use: list[float], usd: float, solver: str) -> None:
    """1 M an hour at 1, then at 3, paid as such; what is above that and the rest of the hour before costs 5."""
    plan = plan_of(in_time(use, [deal([1, 3], 5, min_tokens=M), api("listed", 9.0)]), solver)
    assert plan.cost_usd == approx(usd)
    assert plan.bound_usd == approx(usd, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_rest_is_thrown_away_where_overage_is_cheaper(solver: str) -> None:
    """Days of two halves, at 1 and at 9, 2 M a day committed at the mean of 5; overage at 2, elsewhere 20.

    The first day uses 1 M at 1: 10 − 4, and leaves 1 M. The second uses 1 M at 1 and 2.5 M at 9, of which the rest and
    the commitment pay 1 + 2 M in order of time: 10 − 4 + 2 · 4, and 0.5 M above: 1. Were the rest thrown away 1.5 M
    would be above at 2 in place of 0.5 M: 1 M · 2 rather than 4 more than the mean.
    """
    rules = [since(0, prices=1.8), {"daily": {"start": "00:00", "end": "12:00"}, "prices": 0.2}]
    terms = {"settled": "day", "signed": True, "rollover_spans": 1, "min_tokens": 2 * M}
    offer = api("deal", 5.0, commitment=terms | {"overage_usd_per_m": 2 / 1.8}, schedule=rules)
    data = in_time([1, 0, 1, 2.5], [offer, api("listed", 20.0)])
    data["horizon"]["period_h"] = 12
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(6 + 10 - 4 + 2 * 4 + 1)
    assert plan.bound_usd is not None and plan.bound_usd <= plan.cost_usd + 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_dollar_left_pays_what_comes_first(solver: str) -> None:
    """2 USD an hour; 1 M at 1 leaves 1. Then 2 M at 2 are 4 USD, of which 3 are paid: half a million at 3 is 1.5."""
    plan = plan_of(in_time([1, 2], [deal([1, 2], 3, min_usd=2), api("listed", 9.0)]), solver)
    assert plan.cost_usd == approx(4 + 1.5)
    assert plan.bound_usd == approx(5.5, rel=1e-5)


def cost_of(
    used: tuple[float, ...],
    rate: list[float],
    over: list[float],
    spans: list[range],
    due: float,
    kept: int,
    tokens: bool,
) -> float:
    """What so much in each hour costs: oldest rests first, then what is committed, what is above at its own price."""
    usd, rests = 0.0, list[float]()
    for span in spans:
        rests = [*rests[-kept:], due]
        mean = sum(rate[t] for t in span) / len(span)
        usd += due * mean if tokens else due
        for t in span:
            own = used[t] * (1.0 if tokens else rate[t])
            need = own
            for i, rest in enumerate(rests):
                rests[i], need = rest - min(rest, need), max(need - rest, 0.0)
            if tokens:
                usd += (own - need) * (rate[t] - mean) + need * over[t]
            else:
                usd += need / rate[t] * over[t]
    return usd


@pytest.mark.parametrize("seed", range(times(8)))
@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_the_best_use_is_that_of_an_enumeration(unit: str, seed: int) -> None:
    """Every half million of each of four hours, settled by the hour or by two of them; factors on all prices."""
    draw = random.Random(seed)
    use = [draw.choice([0.0, 0.5, 1.0, 2.0]) for _ in range(4)]
    factors, kept = [draw.choice([1.0, 1.0, 2.0, 4.0]) for _ in use], draw.choice([1, 2])
    stated, listed = draw.choice([1.0, 1.5, 3.0]), draw.choice([2.0, 6.0, 20.0])
    pairs = draw.random() < 0.5
    spans = [range(2), range(2, 4)] if pairs else [range(t, t + 1) for t in range(4)]
    terms: Data = {"settled": "day" if pairs else "hour", "signed": True, "rollover_spans": kept}
    terms |= {f"min_{unit}": M if unit == "tokens" else 1, "overage_usd_per_m": stated}
    period_h = 12 if pairs else 1
    rules = [
        {"from": f"2027-01-0{4 + t * period_h // 24}T{t * period_h % 24:02}:00", "prices": factor}
        for t, factor in enumerate(factors)
    ]
    data = in_time(use, [api("deal", 1.0, commitment=terms, schedule=rules), api("listed", listed)])
    data["horizon"]["period_h"] = period_h
    over = [stated * factor for factor in factors]

    def cost(used: tuple[float, ...]) -> float:
        rest = sum(listed * (most - own) for most, own in zip(use, used, strict=True))
        return cost_of(used, factors, over, spans, 1.0, kept, unit == "tokens") + rest

    grid = [[k / 8 for k in range(int(each * 8) + 1)] for each in use]
    best = min(map(cost, itertools.product(*grid)))
    plan = plan_of(data)
    assert plan.cost_usd == approx(best, abs=1e-5)
    assert plan.bound_usd is not None and plan.bound_usd <= best + 1e-5


@pytest.mark.parametrize("unit", ["tokens", "usd"])
def test_hours_planned_one_after_the_other_cost_what_they_do_together(unit: str) -> None:
    """A law: what an hour leaves is handed on as `unused`, with which the next costs what it did."""
    use, rates = [0.5, 2, 1, 3], [1.0, 3.0, 2.0, 1.0]
    terms: Data = {f"min_{unit}": M if unit == "tokens" else 1, "signed_until": SET.format(4)}
    offers = [deal(rates, 5, **terms), api("listed", 9.0)]
    whole = plan_of(in_time([*use], offers)).cost_usd
    for cut in (1, 2, 3):
        first = plan_of(in_time(use[:cut], offers))
        stands = first.settlements[-1].so_far
        assert stands is not None
        rest = in_time(use[cut:], offers)
        rest["horizon"]["start"] = SET.format(cut)
        rest["offers"][0]["commitment"] |= {
            "so_far": {"since": SET.format(cut), f"unused_{unit}": [*stands.unused]}
        }
        assert first.cost_usd + plan_of(rest).cost_usd == approx(whole)


def test_the_check_sees_a_rest_that_is_paid_for_again() -> None:
    """0.5 M, then 2 M: half a million above. A bill of the hour that forgets the rest would have a whole million."""
    stated = load(in_time([0.5, 2], [deal([1, 3], 5, min_tokens=M), api("listed", 9.0)]))
    plan = router.solve(stated)
    rows = [
        replace(row, billed_usd=row.billed_usd + 2.5) if row.from_h == 1 else row for row in plan.settlements
    ]
    lines = [
        replace(line, usd=line.usd + 2.5) if line.kind == "commitment" else line for line in plan.cost_lines
    ]
    told = replace(
        plan,
        settlements=tuple(rows),
        cost_lines=tuple(lines),
        cost_usd=plan.cost_usd + 2.5,
        objective_usd=plan.objective_usd + 2.5,
    )
    assert plan.ok and not router.verify(stated, told).ok
