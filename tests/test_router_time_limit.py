"""One time limit for a whole command: the main answer stands, and what no time was left for is listed by name."""

from __future__ import annotations

from typing import Any

import pytest
from hand_clock import HandClock, set_clock
from pytest import approx

from router.comparison import NO_PLAN_IN_TIME, compare
from router.errors import NoPlanInTime
from router.explaining import conflict, explain, run, thresholds
from router.explaining.conflict import Questions, repairs
from router.explaining.promises import promises
from router.loading.catalogue import load_text
from router.normalise import normalise
from router.plan.document import Plan
from router.planning import roads
from router.planning import solve as planning
from router.planning.solve import Search
from router.reports.explanation import explanation_report
from router.reports.sizing import report_of
from router.sizing import SizeOptions, quotes, size
from router.sizing.options import Study
from solvers import SolveOptions

CHEAP_AND_DEARER = """
schema: router/1
models: {m: {}}
workloads: [{name: w, models: [m], demand: {tokens_per_month: 1e9, completion_share: 0.5}}]
offers:
  - {name: cheap, models: {m: {prompt_usd_per_m: 0.5, completion_usd_per_m: 0.5}}}
  - {name: a, models: {m: {prompt_usd_per_m: 5, completion_usd_per_m: 5}}}
  - {name: b, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}
  - {name: c, models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2}}}
"""
LIMIT = SolveOptions(time_limit_s=60.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    return set_clock(monkeypatch)


def test_explain_looks_into_offers_in_turn_and_lists_the_others(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cheap leaves at twice its price, b would enter at 0.5 of its own; after b the time is up."""
    threshold = thresholds.PricesOf.threshold

    def slowly(self: thresholds.PricesOf, used: bool) -> thresholds.Offered | None:
        answer = threshold(self, used)
        clock.s += 20.0 if used else 61.0
        return answer

    monkeypatch.setattr(thresholds.PricesOf, "threshold", slowly)
    found = explain(load_text(CHEAP_AND_DEARER), options=LIMIT)
    assert found.plan is not None
    assert found.plan.cost_usd == approx(500.0)
    prices = [(offer.offer, offer.used, offer.price_multiple) for offer in found.offers]
    assert prices == [("cheap", True, approx(2.0)), ("b", False, approx(0.5))]
    untried = ("the price at which c enters", "the price at which a enters")
    assert found.out_of_time == untried
    assert found.as_dict()["out_of_time"] == list(untried)
    note = f"left out for want of time: {', '.join(untried)}. A longer --time-limit looks into it"
    assert note in explanation_report(found).notes


def test_the_plan_has_half_of_the_time_and_questions_what_is_left(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 s the search may take 30; where it took 20, questions have 36 of the rest: each of four offers a quarter,
    then a third of what is left, then a half, then all of it."""
    search, seconds = run.best_by_any_road, []

    def took_20_s(encoded: Any, solver: str, options: SolveOptions) -> Any:
        seconds.append(options.left_s)
        clock.s += 20.0
        return search(encoded, solver, options)

    def took_3_s(self: thresholds.PricesOf, _: bool) -> thresholds.Offered:
        seconds.append(self.search.options.left_s)
        clock.s += 3.0
        return thresholds.Offered(self.name, None, True)

    monkeypatch.setattr(run, "best_by_any_road", took_20_s)
    monkeypatch.setattr(thresholds.PricesOf, "threshold", took_3_s)
    explain(load_text(CHEAP_AND_DEARER), options=LIMIT)
    assert seconds == approx([30.0, 36 / 4, 33 / 3, 30 / 2, 27.0])


def test_a_plan_that_answers_a_question_leaves_the_time_that_its_check_takes(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 s 10 have passed; the check takes 12, so that the search has 38."""
    search, seconds = planning.best_by_any_road, []

    def asked(*given: Any) -> Any:
        seconds.append(given[2].left_s)
        return search(*given)

    monkeypatch.setattr(planning, "checking_s", lambda _: 12.0)
    monkeypatch.setattr(planning, "best_by_any_road", asked)
    begun = LIMIT.begun()
    clock.s += 10.0
    plan = planning.best_plan(load_text(CHEAP_AND_DEARER), Search("highs", begun))
    assert plan.ok
    assert plan.cost_usd == approx(500.0)
    assert seconds == approx([38.0])


def test_a_promise_that_was_not_looked_into_is_named(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two quotas that each must give way for themselves; the clock ends after the first promise looked into."""
    text = CHEAP_AND_DEARER.replace(
        "completion_usd_per_m: 0.5}}}", "completion_usd_per_m: 0.5}}, quota: {tokens_per_minute: 1000}}"
    )
    inst = normalise(load_text(text))
    stated = promises(inst)
    questions = Questions(inst, "highs", LIMIT)
    feasible = Questions.feasible

    def slowly(self: Questions, other: Any) -> bool | None:
        answer = feasible(self, other)
        clock.s += 61.0
        return answer

    monkeypatch.setattr(Questions, "feasible", slowly)
    repairs(questions, stated)
    assert questions.undecided == [promise.name for promise in stated[1:]]
    late = conflict.conflict(questions, stated)
    assert (len(late.promises), late.proven_minimal) == (len(stated), False)


def test_compare_shares_one_limit_and_lists_what_it_left_out(clock: HandClock) -> None:
    """The clock ends when c's turn comes: what is not known is not said to be impossible."""

    def now_at(offer: str) -> None:
        clock.s += 61.0 if offer == "c" else 0.0

    found = compare(load_text(CHEAP_AND_DEARER), options=LIMIT, progress=now_at)
    by_name = {row.offer: row for row in found.offers}
    assert [by_name[name].cost_usd for name in ("cheap", "a", "b")] == approx([500.0, 5000.0, 1000.0])
    assert (by_name["c"].cost_usd, by_name["c"].reasons) == (None, (NO_PLAN_IN_TIME,))
    assert found.notes == ("left out for want of time: c. A longer --time-limit looks into it",)


TWO_QUOTES = """
schema: router/1
models: {m: {}}
workloads: [{name: w, models: [m], demand: {tokens_per_month: 10e9, completion_share: 0.5}}]
offers:
  - {name: list, models: {m: {prompt_usd_per_m: 3, completion_usd_per_m: 3}}}
  - name: half
    models: {m: {prompt_usd_per_m: 1.5, completion_usd_per_m: 1.5}}
    commitment: {min_tokens_per_month: 4e9, term_months: 1}
  - name: third
    models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}
    commitment: {min_tokens_per_month: 8e9, term_months: 1}
scenarios:
  - {name: low, probability: 0.5, demand: {"*": 0.5}}
  - {name: high, probability: 0.5, demand: {"*": 1.5}}
"""
QUESTIONS = (
    "its plan in every scenario",
    "what planning with scenarios is worth",
    "alternatives",
    "signing more or less",
    "quotes",
    "when the advice flips",
)


def sized_until(clock: HandClock, moment: str) -> tuple[Plan, list[str]]:
    """The sized plan where the time ends as a question begins, and all that was begun."""
    begun: list[str] = []

    def doing(what: str) -> None:
        begun.append(what)
        clock.s += 1e6 if what == moment else 0.0

    return size(load_text(TWO_QUOTES), options=LIMIT, progress=doing), begun


@pytest.mark.parametrize("moment", QUESTIONS)
def test_a_sized_plan_stands_whatever_question_the_time_ends_in(clock: HandClock, moment: str) -> None:
    """5 B or 15 B tokens. third alone bills max(8, use) at 1 USD per M: 0.5 · 8,000 + 0.5 · 15,000 = 11,500 USD; half
    alone costs 1.5 · 10,000, and both of them more. Its plan in each scenario is that of the one program where no
    time is left to price it anew. What comes after the moment is not begun, and named.
    """
    plan, begun = sized_until(clock, moment)
    assert plan.verified is not None
    assert plan.verified.ok
    assert plan.cost_usd == approx(11_500.0)
    sizing = plan.sizing
    assert sizing is not None
    assert begun[-2:] == [moment, "checking the plan"]
    assert sizing.out_of_time is not None
    for question in QUESTIONS[QUESTIONS.index(moment) + 1 :]:
        named = [text for text in sizing.out_of_time if question in text]
        assert named or question in ("quotes", "signing more or less"), question
    assert ("its plan in every scenario by itself" in sizing.out_of_time) == (moment == QUESTIONS[0])
    assert (sizing.ws_usd is None) == (moment in QUESTIONS[:2])
    assert f"left out for want of time: {', '.join(sizing.out_of_time)}" in " ".join(report_of(plan).notes)


def test_of_one_future_the_plan_of_all_is_a_plan_too(clock: HandClock) -> None:
    """10 B tokens, third alone: 10,000 USD. No time is left once it is found; rows of one future name none."""

    def doing(what: str) -> None:
        clock.s += 1e6 if what == QUESTIONS[0] else 0.0

    plan = size(load_text(TWO_QUOTES.partition("scenarios:")[0]), options=LIMIT, progress=doing)
    assert plan.verified is not None
    assert plan.verified.ok
    assert plan.cost_usd == approx(10_000.0)
    assert {row.scenario for row in (*plan.routes, *plan.settlements)} == {None}


def test_a_walk_away_price_that_is_known_is_shown_beside_one_that_is_not(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time ends after the first quote, of half."""
    quote = quotes._quote

    def slowly(study: Any, offer: int, **given: Any) -> Any:
        if clock.s > 1e6:
            raise NoPlanInTime("no time")
        answer = quote(study, offer, **given)
        clock.s += 1e6
        return answer

    monkeypatch.setattr(quotes, "_quote", slowly)
    plan = size(load_text(TWO_QUOTES), options=LIMIT)
    sizing = plan.sizing
    assert sizing is not None
    assert sizing.out_of_time is not None
    assert [row.offer for row in sizing.quotes or ()] == ["half"]
    assert "the walk-away price of third" in sizing.out_of_time
    assert plan.verified is not None
    assert plan.verified.ok


def test_a_question_has_what_is_left_and_no_question_more(clock: HandClock) -> None:
    """Four tasks of 8 s in 20 s: the first may take half of the 20, the second half of the 12 left, the third half of
    the 4; it takes them, and the last is not begun."""
    given: list[float] = []

    def task(study: Study, _: int) -> int:
        given.append(study.options.left_s)
        clock.s += 8.0
        return 1

    study = Study("highs", SolveOptions(time_limit_s=20.0).begun())
    assert study.answered(task, range(4)) == [1, 1, 1, None]
    assert given == approx([10.0, 6.0, 2.0])
    assert study.answered(task, range(2), shared=False) == [None, None]


def test_no_decision_is_begun_in_less_time_than_one_takes(clock: HandClock) -> None:
    """The first took 40 of 60 s: with 10 left, no variant is begun; a step is taken to need 0.3 of that, 12 s."""

    def doing(what: str) -> None:
        clock.s += {"its plan in every scenario": 40.0, QUESTIONS[1]: 10.0}.get(what, 0.0)

    plan = size(load_text(TWO_QUOTES), options=LIMIT, progress=doing)
    assert plan.cost_usd == approx(11_500.0)
    assert plan.sizing is not None
    assert {"the best plan without third", "the walk-away price of third"} <= set(
        plan.sizing.out_of_time or ()
    )


def test_a_sized_plan_made_by_hand_has_a_gap_of_all_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No search ends with a plan: 10 B tokens expected, at the list price of 3 USD per M."""

    def late(*_: Any) -> Any:
        raise NoPlanInTime("no time")

    monkeypatch.setattr(roads, "optimise", late)
    how = SizeOptions(questions=False, alternatives=0, measures=False)
    plan = size(load_text(TWO_QUOTES), options=LIMIT, how=how)
    assert plan.ok
    assert plan.cost_usd == approx(30_000.0)
    assert 0.0 <= plan.gap <= 1.0


@pytest.mark.parametrize(
    ("proving", "checking", "left"),
    [(10.0, 5.0, 90.0), (60.0, 5.0, 40.0), (61.0, 5.0, 95.0), (500.0, 300.0, 40.0)],
)
def test_a_search_leaves_time_for_its_proof_or_at_least_for_its_check(
    clock: HandClock, proving: float, checking: float, left: float
) -> None:
    """Of 100 s at most 60 are kept: where a bound of our own takes more there is none, and the check is in time."""
    search = Search("highs", SolveOptions(time_limit_s=100.0)).begun()
    assert search.saving(proving, checking).options.left_s == approx(left)
