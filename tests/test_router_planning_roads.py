"""Plans by hand, and by other roads where a solver fails: what they cost by hand, and that the plan says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import reoptimise_cases
from hand_clock import set_clock
from pytest import approx
from reoptimise_cases import api as token

from problems.core.encode import Encoded, encode
from router import api, comparison
from router.errors import CertificateFailed, NoPlanInTime, SolverFailed
from router.explaining import run as explaining
from router.loading.catalogue import load_text
from router.normalise import normalise
from router.plan.document import Plan
from router.planning import roads, solve
from router.planning.by_hand import made_by_hand
from router.planning.fixed import Fixed
from router.planning.publish import publish
from router.planning.two_steps import Incumbent
from router.reoptimisation import run as rescheduling
from router.schema import Problem
from solvers import SolveOptions, Stop

HEAD = """
schema: router/1
horizon: {periods: 2, period_h: 1}
models: {m: {}}
workloads: [{name: w, models: [m], demand: {requests_per_hour: 3600}, prompt_tokens: 1000, completion_tokens: 0}]
offers:
"""
OWN = "  - {name: own, models: {m: {requests_per_s: 0.4}}, instances: {usd_per_h: 1}}\n"
API = "  - {name: api, models: {m: {prompt_usd_per_m: 2}}}\n"
DEARER = "  - {name: dearer, models: {m: {prompt_usd_per_m: 3}}}\n"
CAPPED = "  - {name: capped, models: {m: {prompt_usd_per_m: 1}}, quota: {requests_per_minute: 15}}\n"
"""A quarter of the work."""


def by_hand(offers: str, policy: str = "") -> Incumbent | None:
    encoded = encode(normalise(load_text(HEAD + offers + policy)))
    return made_by_hand(encoded, "highs", SolveOptions(), Fixed())


@pytest.mark.parametrize(
    ("offers", "usd"),
    [
        # 3.6 M tokens an hour: 7.20 USD by the token, though three of one's own would do for 3
        (DEARER + API + OWN, 14.4),
        # 15 requests of 60 at 1 USD per M, the others at 2: 0.9 + 5.4 an hour
        (CAPPED + API + OWN, 12.6),
        # nothing by the token: 2.5 of one's own, so three
        (OWN, 6.0),
        # a quarter by the token leaves 1.875, so two; these carry 0.8, and the other fifth is 0.72 USD by the token
        (CAPPED + OWN.replace("usd_per_h: 1", "usd_per_h: 4"), 2 * (0.72 + 8)),
    ],
)
def test_what_a_hand_makes_costs_what_it_costs_by_hand(offers: str, usd: float) -> None:
    plan = by_hand(offers)
    assert plan is not None
    assert plan.decoded.cost_usd == approx(usd)
    assert plan.stop is Stop.TIME_LIMIT
    assert 0.3 * usd <= plan.bound <= usd  # at the first prices that come to hand


def test_a_hand_makes_no_plan_where_there_is_none() -> None:
    assert by_hand(CAPPED) is None


def problem() -> Problem:
    return load_text(HEAD + API + OWN)


def ending(
    monkeypatch: pytest.MonkeyPatch, error: Exception, times: int = 1
) -> list[tuple[str, SolveOptions]]:
    """Searches that end with an error so many times, and then well; gives what was asked of each."""
    asked: list[tuple[str, SolveOptions]] = []
    search = roads.optimise

    def optimise(encoded: Any, solver: str, options: SolveOptions, *others: Any) -> Incumbent:
        asked.append((solver, options))
        if len(asked) <= times:
            raise error
        return search(encoded, solver, options, *others)

    monkeypatch.setattr(roads, "optimise", optimise)
    return asked


def without_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree that proves a bound would meet the best plan, too."""
    monkeypatch.setattr("router.planning.solve.with_proof", lambda _, __, incumbent: (incumbent, None))


def test_a_search_without_a_plan_in_time_leaves_the_one_made_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """14.40 USD by the token, above a bound of 5 that the search had proven; 6 is best, and not claimed to be known."""
    late = NoPlanInTime("no time")
    late.bound_usd = 5.0
    ending(monkeypatch, late)
    without_proof(monkeypatch)
    plan = api.solve(problem())
    assert plan.ok
    assert plan.cost_usd == approx(14.4)
    assert (plan.stop, plan.bound_usd) == ("time_limit", approx(5.0))
    assert "the plan was made by hand: no search found one in time" in plan.notes


def test_no_search_begins_where_the_hand_took_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """14.40 USD by the token after 61 s of 60: that is the plan."""
    clock, made = set_clock(monkeypatch), roads.made_by_hand

    def slowly(*given: Any) -> Incumbent | None:
        clock.s += 61.0
        return made(*given)

    monkeypatch.setattr(roads, "LARGE", 0)
    monkeypatch.setattr(roads, "made_by_hand", slowly)
    asked = ending(monkeypatch, AssertionError("no search begins"))
    without_proof(monkeypatch)
    plan = api.solve(problem())
    assert not asked
    assert plan.ok
    assert plan.cost_usd == approx(14.4)
    assert plan.stop == "time_limit"


def test_a_hand_has_the_overtime_where_writing_the_program_took_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """60 s for a program that takes 61 to write: no search begins, and the hand has the 2 s of overtime left."""
    clock, encode_problem = set_clock(monkeypatch), solve.encode_problem

    def slowly(*arguments: Any) -> Encoded:
        clock.s += 61.0
        return encode_problem(*arguments)

    without_proof(monkeypatch)
    monkeypatch.setattr(solve, "encode_problem", slowly)
    for large in (10_000, 0):
        monkeypatch.setattr(roads, "LARGE", large)
        assert api.solve(problem()).cost_usd == approx(14.4)


def test_the_cheaper_of_hand_and_search_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the search is long both are made; the search's 6 USD are less than the hand's 14.40."""
    without_proof(monkeypatch)
    monkeypatch.setattr(roads, "LARGE", 0)
    assert api.solve(problem()).cost_usd == approx(6.0)
    worst = by_hand(DEARER)
    assert worst is not None
    monkeypatch.setattr(roads, "optimise", lambda *_: worst)
    assert api.solve(load_text(HEAD + DEARER + API + OWN)).cost_usd == approx(14.4)


def test_what_a_search_starts_from_is_a_plan_where_it_ends_with_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The three instances that run cost 6 USD, less than the 14.40 of a hand."""
    monkeypatch.setattr(roads, "LARGE", 0)
    encoded = encode(normalise(problem()))
    start = roads.optimise(encoded, "highs", SolveOptions()).point
    ending(monkeypatch, NoPlanInTime("no time"))
    assert roads.best_by_any_road(encoded, "highs", SolveOptions(), start).decoded.cost_usd == approx(6.0)


def test_there_is_still_no_plan_in_time_where_a_hand_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ending(monkeypatch, NoPlanInTime("no time"))
    with pytest.raises(NoPlanInTime):
        api.solve(load_text(HEAD + CAPPED))


@pytest.mark.parametrize(
    ("failures", "road"),
    [(1, "highs without presolve"), (2, "highs from seed 1"), (3, "scipy"), (4, "pulp:COIN_CMD")],
)
def test_a_solver_that_fails_is_not_the_last_word(
    monkeypatch: pytest.MonkeyPatch, failures: int, road: str
) -> None:
    """The optimum, 6 USD, by the next road; the plan says by which, and has its solver."""
    monkeypatch.setattr(roads, "LARGEST", 0)  # no tree of our own comes before other solvers
    asked = ending(monkeypatch, SolverFailed("broken"), failures)
    plan = api.solve(problem())
    assert plan.ok
    assert plan.cost_usd == approx(6.0)
    assert f"the plan was found by {road}, for highs failed: broken" in plan.notes
    assert plan.solver.name == asked[-1][0] == road.split()[0]
    ends = [options.deadline.at for _, options in asked[1:] if options.deadline is not None]
    assert len(ends) == failures
    assert len(set(ends)) == 1  # the end of the command, for all of them


def test_a_tree_of_our_own_comes_before_other_solvers(monkeypatch: pytest.MonkeyPatch) -> None:
    ending(monkeypatch, SolverFailed("broken"), 3)
    plan = api.solve(problem())
    assert plan.cost_usd == approx(6.0)
    assert "the plan was found by a tree of our own, for highs failed: broken" in plan.notes


def test_where_every_road_fails_a_hand_may_do_and_else_the_failure_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roads, "LARGEST", 0)
    without_proof(monkeypatch)
    ending(monkeypatch, SolverFailed("broken"), times=99)
    plan = api.solve(problem())
    assert plan.cost_usd == approx(14.4)
    assert "the plan was made by hand, for highs failed: broken" in plan.notes
    with pytest.raises(SolverFailed, match="broken"):
        api.solve(load_text(HEAD + CAPPED))


class FirstRefused:
    """A check that refuses the first plan of everything that is published, and says what it saw."""

    def __init__(self, publish: Callable[..., Plan]) -> None:
        self.publish, self.roads = publish, list[str]()

    def __call__(self, problem: Problem, incumbent: Incumbent, **rest: Any) -> Plan:
        self.roads.append(incumbent.found_by)
        if not incumbent.found_by:
            raise CertificateFailed("refused")
        return self.publish(problem, incumbent, **rest)


@pytest.mark.parametrize("room", [explaining, comparison], ids=["explain", "compare"])
def test_questions_take_another_road_too(monkeypatch: pytest.MonkeyPatch, room: ModuleType) -> None:
    """The three instances of 6 USD by another road: what is said of them does not end with exit 6."""
    check = FirstRefused(publish)
    monkeypatch.setattr(room, "publish", check)
    if room is explaining:
        plan = explaining.explain(problem()).plan
        assert plan is not None
        assert plan.cost_usd == approx(6.0)
    else:
        assert [row.cost_usd for row in comparison.compare(problem()).offers] == [approx(6.0), approx(14.4)]
    assert check.roads[0] == ""
    assert all("does not pass the check" in road for road in check.roads if road)


def test_a_scheduled_run_takes_another_road_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`a` gets dearer than `b`: the change is published by another road."""
    before, after = (reoptimise_cases.problem(token("a", usd) + token("b", 2)) for usd in (1, 3))
    first = reoptimise_cases.run(tmp_path, before)
    check = FirstRefused(publish)
    monkeypatch.setattr(rescheduling, "publish", check)
    again = reoptimise_cases.run(tmp_path, after)
    assert (first.outcome, again.outcome) == ("first", "cheaper")
    assert again.plan.cost_usd == approx(2 * first.plan.cost_usd)
    assert len(check.roads) > 1
