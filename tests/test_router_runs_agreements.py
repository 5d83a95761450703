"""What agreements in units, counts and credits leave from run to run: planned again, and replayed.

`a` sells tokens at 2.00 USD per M; a machine `g` at 10.00 an hour serves a million an hour.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from problem_factory import Data, api, by_period, gpu, hourly, load, problem
from pytest import approx

import router
from router.backtesting import Settings, backtest
from router.plan.document import Plan
from router.planning.solve import Search
from router.reoptimisation.run import reoptimise
from router.schema import Problem
from router.store import open_store
from solvers import SolveOptions

pytest.importorskip("sqlalchemy")
M = 1e6
SEARCH = Search("highs", SolveOptions())


def at(k: int, hours: int, use: list[float], offers: list[Data], **rest: Any) -> Problem:
    """From hour k on; one more workload each run, so that each makes a plan."""
    loads = [by_period([each * M for each in use[k : k + hours]])]
    loads += [by_period([1.0] * hours, f"new {j}", models=["o"]) for j in range(k)]
    data = problem(loads, [*offers, api("c", 1.0, ("o",))], periods=hours)
    start = dt.datetime(2027, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=k)
    return load({**data, "name": "runs", "horizon": {**data["horizon"], "start": start.isoformat()}, **rest})


def runs(folder: Path, files: list[Problem]) -> list[Plan]:
    store, made = open_store(f"sqlite:///{folder}/plans.db"), []
    for file in files:
        made.append(reoptimise(file, store, SEARCH).plan)
        assert router.verify(file, made[-1]).ok
    return made


def paid(plan: Plan) -> list[float]:
    """By hour, what the credit pays."""
    hours = [0.0] * 2
    for row in plan.credits or ():
        hours[row.period] += row.paid_usd
    return hours


CREDIT = {"name": "gift", "offers": ["a"], "usd": 100}


def test_what_is_left_of_a_credit_is_what_earlier_plans_did_not_use(tmp_path: Path) -> None:
    """30 USD an hour, planned hourly for the hour: 100 pay three hours and a third; then 20 and 30 are due."""
    made = runs(tmp_path, [at(k, 1, [15] * 5, [api("a", 2.0)], credits=[CREDIT]) for k in range(5)])
    assert [plan.cost_usd for plan in made] == approx([0, 0, 0, 20, 30], abs=1e-4)
    assert made[3].running is not None
    assert [(row.credit, row.used_usd) for row in made[3].running.credits or ()] == [("gift", approx(90))]
    assert any("90.00 USD of gift were used by earlier plans" in note for note in made[3].notes)


def test_no_more_than_a_credit_is_paid_where_horizons_overlap(tmp_path: Path) -> None:
    """Two hours ahead, planned hourly: what the first hours of all plans are paid adds up to the 100."""
    files = [at(k, 2, [15] * 7, [api("a", 2.0)], credits=[CREDIT]) for k in range(6)]
    made = runs(tmp_path, files)
    used = 0.0
    for plan in made:
        assert plan.running is None or sum(row.used_usd for row in plan.running.credits or ()) == approx(used)
        assert sum(paid(plan)) == approx(min(60, 100 - used), abs=1e-4)
        used += paid(plan)[0]
    assert used == approx(100)
    assert made[2].running is not None
    lie = replace(made[2].running, credits=None)
    assert not router.verify(files[3], replace(made[3], running=lie)).ok


def test_where_the_file_says_anew_what_is_left_of_a_credit_the_file_is_right(tmp_path: Path) -> None:
    """100 of which 30 are used; then 45 by the vendor's account: 30 and 15 of the next hours."""
    later = CREDIT | {"usd": 45}
    files = [at(k, 1, [15] * 3, [api("a", 2.0)], credits=[later if k else CREDIT]) for k in range(3)]
    made = runs(tmp_path, files)
    assert [plan.cost_usd for plan in made] == approx([0, 0, 15], abs=1e-4)
    assert any("gift has changed in the file" in note for note in made[1].notes)


def free(**terms: Any) -> Data:
    """Ten million tokens an hour are free of a."""
    return api("a", 2.0) | {"free": {"tokens_per_month": 7300 * M, **terms}}


def test_what_is_left_of_an_allowance_is_what_earlier_plans_did_not_take(tmp_path: Path) -> None:
    """Planned hourly for the hour: 10 free of 5, 20 of 20, 30 of 35, as in one plan of all: 5 million are due."""
    made = runs(tmp_path, [at(k, 1, [5, 15, 15], [free()]) for k in range(3)])
    assert [plan.cost_usd for plan in made] == approx([0, 0, 10], abs=1e-4)
    running = made[2].running
    assert running is not None and running.allowances is not None
    assert [(row.since_h, row.used_tokens) for row in running.allowances] == [(-2, approx(20 * M))]
    lie = replace(running, allowances=None)
    late = at(2, 1, [5, 15, 15], [free()])
    assert router.verify(late, made[2]).ok
    assert not router.verify(late, replace(made[2], running=lie, cost_usd=0.0)).ok
    stated = replace(running, allowances=(replace(running.allowances[0], used_tokens=25 * M),))
    assert not router.verify(late, replace(made[2], running=stated)).ok


def test_an_allowance_begins_anew_with_its_month(tmp_path: Path) -> None:
    """728 h into the month 7,285 M are taken: 5 are left of 15, then 10; of the next month 10, 10 of 5, 15 of 15."""
    stands = {"since": "2026-12-01T16:00:00+00:00", "used_tokens": 7285 * M}
    files = [at(k, 1, [15, 15, 15, 5, 15], [free(**({"so_far": stands} if k < 2 else {}))]) for k in range(5)]
    assert [plan.cost_usd for plan in runs(tmp_path, files)] == approx([20, 10, 10, 0, 0], abs=1e-4)


def test_what_is_free_in_money_and_requests_is_carried_and_is_no_use_of_a_contract(tmp_path: Path) -> None:
    """Of 30 USD an hour 10 are free each hour, what one leaves the next has; of a contract what is free is no use."""
    offer = api("a", 2.0) | {"free": {"usd_per_month": 7300}}
    made = runs(tmp_path, [at(k, 1, [2, 15], [offer]) for k in range(2)])
    assert [plan.cost_usd for plan in made] == approx([0, 30 - 16], abs=1e-4)
    terms = {"settled": "day", "min_usd": 24, "term_h": 24}
    (tmp_path / "deal").mkdir()
    made = runs(tmp_path / "deal", [at(k, 1, [15, 15], [free() | {"commitment": terms}]) for k in range(2)])
    assert made[1].running is not None and made[1].running.contracts[0].so_far is not None
    assert made[1].running.contracts[0].so_far.used == approx(10.0)
    assert [plan.cost_usd for plan in made] == approx([10, 10], abs=1e-4)


UNITS = {"name": "ptu", "offers": ["g"], "in": "units", "usd_per_unit_h": 4, "max_units": 9, "term_h": 3}


def committed(plan: Plan) -> dict[str, float]:
    return {row.signed_by: row.committed_units or 0.0 for row in plan.contracts}


def test_units_stay_signed_to_the_end_of_their_term(tmp_path: Path) -> None:
    """3 units for three hours; use falls to 1 machine, and 12 an hour are due all the same; then 1 is signed anew."""
    terms = UNITS | {"start": "first"}
    use = [3, 3, 1, 1, 1, 1]
    made = runs(tmp_path, [at(k, 2, use, [gpu("g", 10, 1)], commitments=[terms]) for k in range(4)])
    assert [plan.cost_usd for plan in made] == approx([24, 24, 12 + 10, 8], abs=1e-4)
    assert [committed(plan) for plan in made] == [
        {"plan": approx(3)},
        {"before": approx(3)},
        {"before": approx(3)},
        {"plan": approx(1)},
    ]


def test_units_that_add_up_are_carried_each_to_its_end(tmp_path: Path) -> None:
    """1 unit, then 1 more as use grows by a machine every hour, for two hours each, decided an hour at a time."""
    terms = UNITS | {"stackable": True, "term_h": 2, "start": "first"}
    made = runs(tmp_path, [at(k, 1, [1, 2, 3, 4], [gpu("g", 10, 1)], commitments=[terms]) for k in range(4)])
    assert [plan.cost_usd for plan in made] == approx([4, 8, 12, 16], abs=1e-4)
    assert [sum(r.committed_units or 0 for r in plan.contracts) for plan in made] == approx([1, 2, 3, 4])


def test_units_that_the_file_signs_end_with_the_term_that_began(tmp_path: Path) -> None:
    """2 units signed for three hours at the start of the first run, not of each: from the fourth hour on at list."""
    terms = {**UNITS, "max_units": None, "min_units": 2, "signed": True}
    made = runs(tmp_path, [at(k, 1, [1] * 4, [gpu("g", 10, 1)], commitments=[terms]) for k in range(4)])
    assert [plan.cost_usd for plan in made][:3] == approx([8, 8, 8], abs=1e-4)


COUNTS = [
    {"name": "plan", "offers": ["a"], "settled": "hour", "discount": 0.5, "min_usd": 5, "signed": True},
    {
        "name": "all",
        "offers": ["b"],
        "settled": "hour",
        "overage": "contract",
        "min_usd": 12,
        "signed": True,
        "counts": {"plan": 1.0, "a": 0.5},
    },
]


def counting(hours: int, k: int = 0, **terms: Any) -> Problem:
    """10 + 4 USD an hour of a, of which 5 pay 10; 2 of b: 12 less 5, less half of the 4, is 5 for the 2."""
    data = at(k, hours, [7] * 6, [api("a", 2.0)])
    loads = [*data.workloads]
    raw: Data = data.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    raw["workloads"] = raw["workloads"] + [by_period([2 * M] * hours, "y", models=["n"])]
    raw["offers"] = raw["offers"] + [api("b", 1.0, ("n",))]
    raw["models"]["n"] = {}
    assert loads
    return load({**raw, "commitments": [COUNTS[0], COUNTS[1] | terms]})


def test_what_counts_by_the_hour_needs_nothing_carried(tmp_path: Path) -> None:
    made = runs(tmp_path, [counting(1, k) for k in range(3)])
    assert [plan.cost_usd for plan in made] == approx([5 + 4 + 5] * 3, abs=1e-4)


@pytest.mark.parametrize(("settled", "work", "rest"), [("hour", 7, 5), ("term", 5, 7)])
def test_what_counts_in_a_span_that_has_begun_is_carried(
    tmp_path: Path, settled: str, work: float, rest: float
) -> None:
    """12 an hour for six hours, of which the plan's 5 (by the hour or for the term) and half of what is at list count.

    Of 7 million an hour 4 USD are at list, of 5 nothing: 5 or 7 are left. 0, 12, 0, 0, 9 and 0 USD of b: after t hours
    max(use, what is left · t) is billed, whatever horizon of two hours says so.
    """
    use, until = [0.0, 12.0, 0.0, 0.0, 9.0, 0.0], "2027-01-01T06:00:00+00:00"
    inner = {"settled": settled} if settled == "hour" else {"settled": "term", "term_h": 6, "min_usd": 30}
    outer = {"settled": "term", "term_h": 6, "min_usd": 72, "signed_until": until}

    def file(k: int) -> Problem:
        hours = min(2, 6 - k)
        loads = [
            hourly(work * M, "x"),
            by_period([each * M for each in use[k : k + hours]], "y", models=["n"]),
        ]
        loads += [hourly(1.0, f"new {j}", models=["o"]) for j in range(k)]  # so that each is planned anew
        offers = [api("a", 2.0), api("b", 1.0, ("n",)), api("c", 1.0, ("o",))]
        data = problem(loads, offers, periods=hours)
        data["horizon"]["start"] = f"2027-01-01T0{k}:00:00+00:00"
        terms = inner if settled == "hour" else inner | {"signed_until": until}
        return load({**data, "commitments": [COUNTS[0] | terms, COUNTS[1] | outer]})

    made = runs(tmp_path, [file(k) for k in range(6)])
    stood = [max(sum(use[:t]), rest * t) for t in range(7)]
    for k, plan in enumerate(made):
        billed = sum(row.billed_usd for row in plan.settlements if row.agreement == "all")
        assert billed == approx(stood[min(k + 2, 6)] - stood[k], abs=1e-4)


def replayed(file: Problem, lookahead: int) -> tuple[float, float]:
    settings = Settings(lookahead=lookahead, forecast="perfect", warm_up=0, offers_alone=False)
    result = backtest(file, settings, SEARCH)
    return result.replay.cost_usd, result.hindsight.cost_usd


def test_a_credit_is_used_once_in_a_replay() -> None:
    """5 hours of 30 USD, 100 of them paid: 50 are due, however often it is planned."""
    assert replayed(at(0, 5, [15] * 5, [api("a", 2.0)], credits=[CREDIT]), 2) == approx((50, 50), abs=1e-4)


def test_an_allowance_is_taken_once_in_a_replay() -> None:
    """75 million in 5 hours, of which 50 are free: 25 at 2.00, however often it is planned."""
    assert replayed(at(0, 5, [5, 15, 25, 15, 15], [free()]), 2) == approx((50, 50), abs=1e-4)


def test_units_are_signed_once_in_a_replay() -> None:
    """Two hours ahead 1 machine is seen: 1 unit for all six hours at 4, and from the third on one more at 10.

    Who knows signs 2 for 8 an hour: 48.
    """
    terms = {key: value for key, value in UNITS.items() if key != "term_h"}
    file = at(0, 6, [1, 1, 2, 2, 2, 2], [gpu("g", 10, 1)], commitments=[terms])
    assert replayed(file, 2) == approx((6 * 4 + 4 * 10, 48), abs=1e-4)


def test_what_counts_is_replayed() -> None:
    assert replayed(counting(4), 2) == approx((4 * 14, 4 * 14), abs=1e-4)
