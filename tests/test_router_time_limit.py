"""One time limit for a whole command: the main answer stands, and what no time was left for is listed by name."""

from __future__ import annotations

from typing import Any

import pytest
from hand_clock import HandClock, set_clock
from pytest import approx

from router.comparison import NO_PLAN_IN_TIME, compare
from router.explaining import conflict, explain, run, worth
from router.explaining.conflict import Questions, repairs
from router.explaining.promises import promises
from router.loading.catalogue import load_text
from router.normalise import normalise
from router.reports.explanation import explanation_report
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


def test_explain_looks_into_the_offer_nearest_to_use_and_lists_the_others(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """b would be used at 0.5 of its price, c at 0.25, a at 0.1; after b the time is up."""
    threshold = worth._threshold

    def slowly(*arguments: Any) -> worth.Offered:
        answer = threshold(*arguments)
        clock.s += 61.0
        return answer

    monkeypatch.setattr(worth, "_threshold", slowly)
    found = explain(load_text(CHEAP_AND_DEARER), options=LIMIT)
    assert found.plan is not None
    assert found.plan.cost_usd == approx(500.0)
    assert [(offer.offer, offer.price_multiple) for offer in found.offers] == [("b", approx(0.5))]
    assert found.out_of_time == ("c", "a")
    assert found.as_dict()["out_of_time"] == ["c", "a"]
    assert (
        "left out for want of time: c, a. A longer --time-limit looks into it"
        in explanation_report(found).notes
    )


def test_the_plan_has_most_of_the_time_and_questions_what_is_left(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 s the search may take 36; where it took 30, each of three offers has a third of the rest, then a half of
    what is left, then all of it."""
    search, seconds = run.optimise, []

    def took_30_s(encoded: Any, solver: str, options: SolveOptions) -> Any:
        seconds.append(options.left_s)
        clock.s += 30.0
        return search(encoded, solver, options)

    def took_3_s(_: Any, o: int, __: float, ___: str, options: SolveOptions) -> worth.Offered:
        seconds.append(options.left_s)
        clock.s += 3.0
        return worth.Offered(f"{o}", None, True)

    monkeypatch.setattr(run, "optimise", took_30_s)
    monkeypatch.setattr(worth, "_threshold", took_3_s)
    explain(load_text(CHEAP_AND_DEARER), options=LIMIT)
    assert seconds == approx([36.0, 30 / 3, 27 / 2, 24.0])


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
