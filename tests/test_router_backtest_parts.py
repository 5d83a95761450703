"""Backtests of fleets and parts, settled by hand: roles, hosts, origins and recipes hour by hour."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from problem_factory import Data, api, gpu, load, problem, sized
from pytest import approx

import router
from router.backtesting import Backtest, Settings, backtest
from router.backtesting.foresight import Method
from router.errors import InputError
from router.planning.solve import Search
from solvers import SolveOptions

SEARCH = Search("highs", SolveOptions(time_limit_s=60.0, threads=1, seed=0))
MODELS = {"big": {"quality": 0.9}, "small": {"quality": 0.8}}
CASCADE = {
    "name": "cascade",
    "quality": 0.88,
    "steps": [{"models": ["small"]}, {"models": ["big"], "requests": 0.3, "prompt_tokens": 2000}],
}


def replayed(data: Data) -> Backtest:
    found = backtest(load(data), Settings(forecast="last", offers_alone=False), SEARCH)
    for plan in (found.replay.plan, found.hindsight.plan):
        assert plan.ok
    return found


def hours(requests: list[float], **rest: object) -> Data:
    return sized("chat", {"requests_by_period": requests}, **rest)


def test_both_halves_follow_an_hour_late() -> None:
    """1,000 requests fill 1 + 1 workers, 4 USD; 2,000 are 1,000 more at the API for 22, then 2 + 2 for 1,000: 8.

    The first hour warms up. Replayed: 4 + 22, then 8. Hindsight: 8, then 4.
    """
    roles = {"prefill": {"usd_per_h": 1}, "decode": {"usd_per_h": 3}}
    rates = {"prompt_tokens_per_s": 1e6 / 3600, "completion_tokens_per_s": 1e5 / 3600}
    own = {"name": "own", "models": {"m": rates}, "instances": {"roles": roles}}
    data = problem(hours([1000, 2000, 1000], completion_tokens=100), [own, api("api", 20)], periods=3)
    found = replayed(data)
    assert found.replay.cost_usd == approx(4 + 22 + 8)
    assert found.hindsight.cost_usd == approx(12)
    assert found.replay.overflow_share == approx(1 / 3)
    assert found.series["capacity_tokens"] == approx([1.1e6, 2.2e6])
    assert found.series["cost_usd"] == approx([26, 34])


def test_hosts_are_what_the_counts_take() -> None:
    """Replicas of 4 units, a million tokens an hour each: 2 in one host of 10 USD, 3 in two."""
    host = {"name": "node", "units": 8, "usd_per_h": 10, "offers": ["a"]}
    offers = [gpu("a", 0.0, 1, units=4), api("api", 30)]
    found = replayed(problem(hours([2000, 3000, 2000]), offers, hosts=[host], periods=3))
    assert found.replay.cost_usd == approx(10 + 30 + 20)
    assert found.hindsight.cost_usd == approx(20 + 10)
    assert found.series["cost_usd"] == approx([40, 60])


def test_each_origin_is_replayed_by_itself() -> None:
    """Three quarters at home (3 USD a million), a quarter abroad (1 USD, too far for the others): 2.5 USD an hour."""
    here, there = api("here", 3, limits={"regions": ["eu"]}), api("there", 1, limits={"regions": ["us"]})
    for offer in (here, there):
        offer["models"]["m"]["ttft_p99_ms"] = 100
    work = hours([1000, 1000, 2000], origin={"eu": 0.75, "us": 0.25}, slo={"ttft_p99_ms": 150})
    data = problem(work, [here, there], network=[{"from": "eu", "to": "us", "rtt_ms": 90}], periods=3)
    found = replayed(data)
    assert found.replay.cost_usd == approx(2.5 + 5)
    assert {row.workload for row in found.replay.plan.routes} == {"chat from eu", "chat from us"}
    data["workloads"][0]["routing"] = {"max_share_per_provider": 0.9}
    with pytest.raises(InputError, match="each origin is replayed apart"):
        replayed(data)


def test_where_one_origin_has_no_room_its_work_is_lost_alone() -> None:
    """Instances in eu do 750 requests an hour, and the API in us is too far from there: of 1,500 half are lost."""
    here, there = gpu("here", 1.0, 0.75), api("there", 1)
    here, there = here | {"limits": {"regions": ["eu"]}}, there | {"limits": {"regions": ["us"]}}
    here["instances"]["max_utilisation"] = 1.0
    for offer in (here, there):
        offer["models"]["m"]["ttft_p99_ms"] = 100
    work = hours([1000, 2000], origin={"eu": 0.75, "us": 0.25}, slo={"ttft_p99_ms": 150})
    data = problem(work, [here, there], network=[{"from": "eu", "to": "us", "rtt_ms": 90}], periods=2)
    found = replayed(data)
    assert found.replay.lost_requests == approx(750)
    assert found.replay.cost_usd == approx(1 + 0.5)


@pytest.mark.parametrize("spanning", [False, True])
def test_recipes_are_followed_by_step(spanning: bool) -> None:
    """By the cascade a thousand requests cost 1 + 0.3 · 2 · 10 = 7 USD; the small model's instance does a thousand.

    An hour late: one instance (1 USD) for 2,000, whose other first steps go to the API at 4 USD a million; then two for
    1,000. Second steps cost 6 USD a thousand requests. A fee, which spans the hours, is 1 USD.
    """
    own, late = gpu("own", 1.0, 1, ("small",)), api("late", 4, ("small",))
    offers = [api("b", 10, ("big",)), own, late]
    if spanning:
        offers[0]["fee_usd_per_month"] = 365
    work = hours([1000, 2000, 1000], recipes=[CASCADE], needs={"min_quality": 0.88})
    data = problem([work | {"models": ["big", "small"]}], offers, models=MODELS, periods=3)
    found = replayed(data)
    assert found.replay.cost_usd == approx(1 + 4 + 12 + 2 + 6 + spanning)
    assert found.hindsight.cost_usd == approx(2 + 12 + 1 + 6 + spanning)
    assert found.replay.overflow_share == approx(1 / 3)
    assert found.replay.lost_requests == 0


def test_what_spills_is_replayed_at_the_price_of_who_takes_it() -> None:
    """A unit of 0.25 USD carries 15 requests a minute, 900 an hour, come as a clock; elsewhere a thousand cost 1 USD.

    Planned on 900 and 1,800, 1,800 and 600 come: 900 spill of one unit, 0.25 + 0.9, then two are idle for half, 0.5.
    Hindsight has two and one. What spills is no overflow, for it was planned to.
    """
    own = gpu("own", 0.25, 0.9, ("m",), max_utilisation=1.0) | {"spills": True}
    other = {"name": "api", "models": {"m": {"usd_per_request": 0.001}}}
    work = hours([900, 1800, 600], prompt_tokens=1000, completion_tokens=0, arrival_cv=0)
    found = replayed(problem(work, [own, other], periods=3))
    assert found.replay.cost_usd == approx(0.25 + 0.9 + 0.5)
    assert found.hindsight.cost_usd == approx(0.5 + 0.25)
    assert (found.replay.overflow_share, found.replay.lost_share) == (0, 0)
    spilled = {row.period: row.spilled_share for row in found.replay.plan.routes if row.offer == "own"}
    assert spilled == {0: approx(0.5), 1: None}


def test_what_spills_is_of_the_minutes_that_came(tmp_path: Path) -> None:
    """Periods of two minutes; 6 a minute go through for nothing, others cost 1 USD a request.

    12 in the first minute, 6 in each, 6 and 10: six spill, none, and four. The first period warms up; a plan draws
    minutes of 6 a minute or so, whatever the record has. Half of 12 comes from each of two places, in the same minutes.
    """
    counts = [12, 0, 6, 6, 6, 10]
    rows = "".join(f"2027-01-01T00:{m:02d},{n}\n" for m, n in enumerate(counts))
    (tmp_path / "chat.csv").write_text("timestamp,requests\n" + rows)
    own = api("own", 0, quota={"requests_per_minute": 6}, spills=True)
    other = {"name": "api", "models": {"m": {"usd_per_request": 1}}}
    start = {"start": "2027-01-01", "periods": 3, "period_h": 2 / 60}
    for origin in (None, {"eu": 0.5, "us": 0.5}):
        work = {**sized("chat", {"trace": {"file": "chat.csv"}}), **({"origin": origin} if origin else {})}
        (tmp_path / "problem.json").write_text(json.dumps(problem([work], [own, other], horizon=start)))
        for warm_up, usd in ((1, 4), (0, 10)):
            method: Method = "last" if warm_up else "perfect"
            how = Settings(forecast=method, warm_up=warm_up, lookahead=1, offers_alone=not warm_up)
            found = backtest(router.load(tmp_path / "problem.json"), how, SEARCH)
            assert found.replay.plan.ok
            assert found.replay.plan.minutes is not None
            assert found.replay.plan.minutes.recorded
            assert (found.replay.cost_usd, found.hindsight.cost_usd) == (approx(usd), approx(usd))
            assert found.cheapest_offer is None or found.cheapest_offer[0] == "api"
