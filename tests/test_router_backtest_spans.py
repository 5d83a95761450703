"""Agreements replayed: what is signed once is settled over its own spans, however often it is planned again."""

from __future__ import annotations

from typing import Any

import pytest
from campaign import TIMES
from problem_factory import Data, api, by_period, gpu, load, problem
from pytest import approx

from router.backtesting import Backtest, Settings, backtest
from router.errors import InputError
from router.planning.solve import Search
from solvers import SolveOptions

M = 1e6
SEASON = [40, 40, 60, 80, 100, 120, 140, 160, 180, 160, 120, 100]
HOURLY = {"name": "plan", "provider": "v", "offers": ["a"], "settled": "hour", "discount": 0.5}


def replayed(data: Data, lookahead: int, **settings: Any) -> Backtest:
    chosen = {"forecast": "perfect", "warm_up": 0, "offers_alone": False, **settings}
    return backtest(load(data), Settings(lookahead=lookahead, **chosen), Search("highs", SolveOptions()))


def stream(usd: list[float], terms: Data) -> Data:
    """Hours of use of `a` at 2 USD a million tokens."""
    data = problem(by_period([each / 2 * M for each in usd]), [api("a", 2.0)], periods=len(usd))
    return {**data, "commitments": [terms]}


def test_a_year_planned_every_day_is_billed_as_a_year() -> None:
    """1,300 USD over twelve days, 20 % off for at least 1,000: 1,040; settled every two days it were 1,204."""
    loads = [
        by_period([usd / 3 * M for usd in SEASON], "x"),
        by_period([usd / 3 * M for usd in SEASON], "y", models=["n"]),
    ]
    annual = {"name": "annual", "provider": "v", "offers": ["a", "b"], "discount": 0.2, "overage": "contract"}
    annual |= {"settled": "term", "term_h": 288, "min_usd": 1000, "signed": True}
    data = problem(loads, [api("a", 2.0), api("b", 1.0, ("n",))], periods=12, period_h=24)
    replay = replayed({**data, "commitments": [annual]}, 2)
    assert replay.replay.cost_usd == approx(1040, abs=1e-6)
    assert replay.hindsight.cost_usd == approx(1040, abs=1e-6)
    assert sum(row.billed_usd for row in replay.replay.plan.settlements) == approx(1040, abs=1e-6)


def test_what_is_signed_at_the_first_step_covers_so_much_of_every_hour() -> None:
    """Half off; the first two hours use 2, so 1 an hour is signed; then 4 are used, 2 of them covered: 6 + 4 · 2.

    Who knows all signs 2 an hour: 12.
    """
    replay = replayed(stream([2, 2, 4, 4, 4, 4], {**HOURLY, "min_usd": 0, "max_usd": 9}), 2)
    assert replay.replay.cost_usd == approx(14)
    assert replay.hindsight.cost_usd == approx(12)


def test_terms_are_signed_anew_as_they_end() -> None:
    """Terms of two hours at half off: each commits half of what the two hours use: 1, 2, 3 an hour."""
    terms = {**HOURLY, "term_h": 2, "start_every_h": 2, "min_usd": 0, "max_usd": 9}
    replay = replayed(stream([2, 2, 4, 4, 6, 6], terms), 3)
    assert replay.hindsight.cost_usd == approx(12)
    assert replay.replay.cost_usd == approx(12)


def test_stacked_terms_are_signed_step_by_step() -> None:
    """Each hour signs what it uses beyond what is in force: half off all of it."""
    terms = {**HOURLY, "term_h": 3, "stackable": True, "min_usd": 0, "max_usd": 9}
    replay = replayed(stream([2, 4, 6, 6, 6, 6], terms), 6)
    assert replay.replay.cost_usd == approx(replay.hindsight.cost_usd, abs=1e-6)


def test_where_it_stands_is_of_the_start_of_the_horizon() -> None:
    so_far = {"since": "2027-01-01T00:00:00+00:00", "used_usd": 1}
    terms = {**HOURLY, "min_usd": 1, "signed": True, "so_far": so_far}
    data = stream([2, 2, 2], terms)
    data["horizon"]["start"] = "2027-01-01T00:00:00+00:00"
    with pytest.raises(InputError, match=r"so_far of \"plan\" is of the start of the horizon"):
        replayed(data, 1, forecast="last", warm_up=1)


@pytest.mark.parametrize(
    ("settled", "own"), [("term", False), ("day", True), *[("term", True), ("day", False)] * (TIMES > 1)]
)
def test_contracts_carried_are_those_of_the_whole_past(
    settled: str, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same steps, whether each looks back to the start or begins with what is signed, standing where it does.

    1.60 a unit under the deal, 1.50 elsewhere: which is used depends on what is left of the commitment by then.
    """
    usd = [0.0, 1, 3, 3, 1, 0, 2, 4, 4, 2, 1, 1]
    least = {"term": 24.0, "day": 12.0}[settled]
    terms: Data = {"settled": settled, "min_usd": least, "term_h": 48, "signed": True, "start": "first"}
    offers = [api("a", 2.0), api("b", 1.5)]
    if own:
        offers[0] = api("a", 1.6, commitment=terms)
    data = problem(by_period([each * M for each in usd]), offers, periods=12, period_h=4)
    data["horizon"]["start"] = "2027-01-01T00:00:00+00:00"
    if not own:
        terms |= {"name": "plan", "provider": "v", "offers": ["a"], "discount": 0.2, "overage": "contract"}
        data["commitments"] = [terms]
    carried = replayed(data, 3, forecast="last", warm_up=1)
    monkeypatch.setattr("router.backtesting.frame.can_be_carried", lambda _: False)
    whole = replayed(data, 3, forecast="last", warm_up=1)
    assert carried.replay.cost_usd == approx(whole.replay.cost_usd, abs=1e-6)
    steps = [
        (step.taken, step.going_usd is not None, step.best_usd is not None) for step in carried.replay.steps
    ]
    assert steps == [
        (step.taken, step.going_usd is not None, step.best_usd is not None) for step in whole.replay.steps
    ]
    assert {row.offer for row in carried.replay.plan.routes} == {"a", "b"}


@pytest.mark.parametrize("least", [0, 1])
def test_what_is_rented_gives_way_to_terms_that_outlast_the_first_plan(least: int) -> None:
    """A rack for one: rented at 10 until noon, from then on one of its own at 1 for a term of 36 hours: 120 + 36.

    The first plan is of a day. Kept on the second it would have both until noon, more than the rack holds.
    """
    rules = [{"until": "2027-01-04T12:00", "available": False}]
    own, rented = gpu("own", 1, 1, offer={"schedule": rules}, term_h=36), gpu("rented", 10, 1)
    data = problem(by_period([12 * M] * 4), [own, rented, api("list", 100.0)], periods=4, period_h=12)
    data["horizon"] |= {"start": "2027-01-04T00:00:00"}
    data["groups"] = [{"name": "rack", "offers": ["own", "rented"], "min_units": least, "max_units": 1}]
    replay = replayed(data, 2)
    assert replay.staying is not None
    assert (replay.staying.cost_usd, replay.replay.cost_usd) == (approx(156), approx(156))


def test_where_a_term_ends_the_group_keeps_what_it_must_have() -> None:
    """One of its own for a day, and at least one in the rack: on the second day one is rented in its place, at 10."""
    own, rented = gpu("own", 1, 1, term_h=24), gpu("rented", 10, 1)
    data = problem(by_period([12 * M] * 2 + [0.0] * 2), [own, rented], periods=4, period_h=12)
    data["horizon"] |= {"start": "2027-01-04T00:00:00"}
    data["groups"] = [{"name": "rack", "offers": ["own", "rented"], "min_units": 1, "max_units": 1}]
    replay = replayed(data, 2)
    assert replay.staying is not None
    assert (replay.staying.cost_usd, replay.replay.cost_usd) == (approx(24 + 240), approx(48))
