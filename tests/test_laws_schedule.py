"""Laws of offers that change in time, on random rules: what changes nothing, hours counted one by one, every choice.

Hours are counted by the clock, quarter by quarter; another seller, at 9 USD, has no rules and is always open.
"""

from __future__ import annotations

import copy
import datetime as dt
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from campaign import times
from hypothesis import given, settings
from hypothesis import strategies as st
from problem_factory import Data, api, by_period, gpu, plan_of, problem

pytestmark = pytest.mark.usefixtures("short_proofs")
FEW = settings(max_examples=times(5), derandomize=True, deadline=None, database=None)
M = 1e6
DEAR = 9.0
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
#: Two days each; clocks change in Berlin in the first two, in New York in the others, in none in the last.
STARTS = ("2027-03-27", "2027-10-30", "2027-03-13", "2027-11-06", "2027-06-05")


@st.composite
def moments(draw: st.DrawFn, start: str) -> str:
    """A quarter of an hour in or around the horizon."""
    quarter = draw(st.integers(-8, 4 * 48 + 8))
    return (dt.datetime.fromisoformat(start) + dt.timedelta(minutes=15 * quarter)).isoformat()


@st.composite
def rules(draw: st.DrawFn, start: str) -> Data:
    """A rule with any of its times, and a factor, a price, or a closing."""
    rule: Data = {"timezone": draw(st.sampled_from(ZONES))}
    first, last = sorted(draw(st.lists(moments(start), min_size=2, max_size=2, unique=True)))
    rule |= {"from": first} if draw(st.booleans()) else {}
    rule |= {"until": last} if draw(st.booleans()) else {}
    if draw(st.booleans()):
        begin, end = (f"{draw(st.integers(0, 23)):02}:00" for _ in range(2))
        rule["daily"] = {"start": begin, "end": end}
    if draw(st.booleans()):
        rule["days"] = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True))
    price = draw(st.sampled_from([1.0, 3.0, 4.0]))
    kinds: list[Data] = [
        {"prices": draw(st.sampled_from([0.5, 2.0]))},
        {"set": {"models": {"m": {"prompt_usd_per_m": price, "completion_usd_per_m": price}}}},
        {"available": False},
        {"available": True},
    ]
    return rule | draw(st.sampled_from(kinds))


@st.composite
def schedules(draw: st.DrawFn, least: int = 0) -> tuple[str, list[Data]]:
    start = draw(st.sampled_from(STARTS))
    return start, draw(st.lists(rules(start), min_size=least, max_size=4))


def holds(rule: Data, at: dt.datetime, horizon_zone: str) -> bool:
    """Whether a rule holds at a moment, as its clock and calendar say."""
    zone = ZoneInfo(rule.get("timezone", horizon_zone))
    for name, after in (("from", False), ("until", True)):
        if name in rule:
            end = dt.datetime.fromisoformat(rule[name]).replace(tzinfo=zone).astimezone(dt.UTC)
            if (at >= end) == after:
                return False
    local = at.astimezone(zone)
    day = local.date()
    if "daily" in rule:
        begin, end = (dt.time.fromisoformat(rule["daily"][name]) for name in ("start", "end"))
        clock = local.time()
        if begin < end and not begin <= clock < end:
            return False
        if begin >= end and clock < end:
            day -= dt.timedelta(days=1)  # of the day on which it started
        elif begin >= end and clock < begin:
            return False
    return not rule.get("days") or DAYS[day.weekday()] in rule["days"]


def standing(schedule: list[Data], at: dt.datetime, zone: str) -> tuple[float, bool]:
    """The price, and whether it is open."""
    price, factor, is_open = 2.0, 1.0, True
    for rule in schedule:
        if holds(rule, at, zone):
            factor = rule.get("prices", factor)
            is_open = rule.get("available", is_open)
            price = rule["set"]["models"]["m"]["prompt_usd_per_m"] if "set" in rule else price
    return price * factor, is_open


def counted(start: str, zone: str, schedule: list[Data], periods: int, period_h: float) -> float:
    """Σ over periods of a M tokens: in the open part at its mean price, in the rest at the other seller's."""
    begin = dt.datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(dt.UTC)
    usd, quarters = 0.0, round(4 * period_h)
    for period in range(periods):
        found = [
            standing(schedule, begin + dt.timedelta(minutes=15 * (period * quarters + q) + 7), zone)
            for q in range(quarters)
        ]
        prices = [price for price, is_open in found if is_open]
        usd += (sum(min(price, DEAR) for price in prices) + DEAR * (quarters - len(prices))) / quarters
    return usd


def sold(start: str, zone: str, schedule: list[Data], periods: int, period_h: float = 1.0) -> Data:
    load = by_period([M] * periods)
    offers = [api("a", 2.0, schedule=schedule), api("b", DEAR)]
    data = problem(load, offers, periods=periods, period_h=period_h)
    data["horizon"] |= {"start": start, "timezone": zone}
    return data


@settings(FEW, max_examples=times(15))
@given(schedules(), st.sampled_from(ZONES), st.sampled_from([0.25, 1.0, 6.0]))
def test_prices_and_openings_are_those_of_every_quarter_of_an_hour(
    case: tuple[str, list[Data]], zone: str, period_h: float
) -> None:
    start, schedule = case
    periods = round(48 / period_h)
    plan = plan_of(sold(start, zone, schedule, periods, period_h))
    assert plan.cost_usd == pytest.approx(counted(start, zone, schedule, periods, period_h), rel=1e-9)


def fleet(schedule: list[Data]) -> Data:
    """Work of eight hours that may wait for two, on machines, an api with rules, or a dearer one."""
    load = by_period([3 * M, M, 0, 4 * M, 2 * M, 0, M, 5 * M], deferrable_h=2)
    own = gpu("own", 3.0, 2.0, max=2, reserved=1, start_usd=0.5)
    data = problem(load, [own, api("a", 2.0, schedule=schedule), api("b", DEAR)], periods=8)
    data["horizon"] |= {"start": "2027-01-04"}
    return data


NEUTRAL: list[Data] = [
    {"prices": 1},
    {"from": "2027-01-04T02:30", "until": "2027-01-04T05:00", "prices": 1.0},
    {"set": {"models": {"m": {"prompt_usd_per_m": 2, "completion_usd_per_m": 2}}}},
    {"daily": {"start": "03:00", "end": "04:30"}, "available": True},
    {"from": "2027-02-01", "available": False},
    {"until": "2027-01-03", "prices": 7},
    {"from": "2027-01-04T01:00", "set": {"quota": {"tokens_per_minute": 1e9}}},
]


@pytest.mark.parametrize("rule", NEUTRAL, ids=range(len(NEUTRAL)))
def test_a_rule_that_changes_nothing_changes_nothing(rule: Data) -> None:
    assert plan_of(fleet([rule])).cost_usd == pytest.approx(plan_of(fleet([])).cost_usd, rel=1e-9)


@FEW
@given(schedules(least=1), st.integers(1, 4 * 48 - 1))
def test_a_rule_that_is_cut_in_two_at_a_moment_is_the_same(
    case: tuple[str, list[Data]], quarter: int
) -> None:
    start, schedule = case
    rule = schedule[0]
    cut = (dt.datetime.fromisoformat(start) + dt.timedelta(minutes=15 * quarter)).isoformat()
    parts: list[Any] = [rule | {"until": min(cut, rule.get("until", cut))}]
    parts.append(rule | {"from": max(cut, rule.get("from", cut))})
    parts = [part for part in parts if part.get("from", "") < part.get("until", "9")]
    whole = plan_of(sold(start, "UTC", schedule, 48)).cost_usd
    assert plan_of(sold(start, "UTC", [*parts, *schedule[1:]], 48)).cost_usd == pytest.approx(whole, rel=1e-9)


@FEW
@given(schedules(least=1))
def test_a_rule_that_is_said_twice_is_the_same(case: tuple[str, list[Data]]) -> None:
    start, schedule = case
    twice = [copy.deepcopy(schedule[0]), *schedule]
    whole = plan_of(sold(start, "UTC", schedule, 48)).cost_usd
    assert plan_of(sold(start, "UTC", twice, 48)).cost_usd == pytest.approx(whole, rel=1e-9)


@FEW
@given(
    st.lists(st.integers(1, 6), min_size=5, max_size=5),
    st.lists(st.integers(0, 2), min_size=5, max_size=5),
    st.integers(1, 3),
)
def test_work_that_may_wait_runs_in_the_cheapest_hours_that_a_quota_leaves(
    usd: list[int], units: list[int], wait_h: int
) -> None:
    """Whole M tokens of each hour into any hour that they may wait for, at most 2 M an hour: every choice is tried."""
    pieces = [hour for hour, count in enumerate(units) for _ in range(count)]
    reach = [range(hour, min(hour + wait_h, 5)) for hour in pieces]
    best = min(
        sum(min(usd[hour], 50) for hour in chosen)
        for chosen in product(*reach)
        if all(chosen.count(hour) <= 2 for hour in range(5))
    )
    schedule = [
        {
            "from": f"2027-01-04T{hour:02}:00",
            "set": {"models": {"m": {"prompt_usd_per_m": price, "completion_usd_per_m": price}}},
        }
        for hour, price in enumerate(usd)
    ]
    load = by_period([count * M for count in units], deferrable_h=wait_h)
    a = api("a", 50.0, schedule=schedule, quota={"tokens_per_minute": 2 * M / 60})
    data = problem(load, [a], periods=5)
    data["horizon"] |= {"start": "2027-01-04"}
    assert plan_of(data).cost_usd == pytest.approx(best)


@settings(FEW, max_examples=times(5))
@given(
    st.lists(st.integers(0, 4), min_size=6, max_size=6),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from(["hour", "day", "term"]),
    st.integers(1, 4),
)
def test_an_offer_that_closes_leaves_what_a_shorter_horizon_would(
    use: list[int], closes: int, least: int, settled: str, term_h: int
) -> None:
    """Work of the hours after its end is at the list price; terms and spans end there by their hours."""
    span_h = {"hour": 1, "day": 24, "term": term_h}[settled]
    terms = {"settled": settled, "min_usd": least * span_h, "term_h": term_h, "start": "any"}
    rule = {"from": f"2027-01-04T{closes:02}:00", "available": False}

    def cost(hours: int, schedule: list[Data]) -> float:
        deal = api("deal", 1.0, commitment=terms, schedule=schedule)
        work = by_period([each * M for each in use[:hours]])
        data = problem(work, [deal, api("listed", 2.0)], periods=hours)
        data["horizon"] |= {"start": "2027-01-04"}
        return plan_of(data).cost_usd

    assert cost(6, [rule]) == pytest.approx(cost(closes, []) + 2 * sum(use[closes:]), abs=1e-6)
