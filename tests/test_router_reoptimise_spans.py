"""Where contracts stand is carried from run to run: a span is billed once, however often it is planned again."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from problem_factory import MONTH, api, by_period, load, problem
from pytest import approx

import router
from router.errors import InputError
from router.normalise import normalise
from router.plan.document import Plan
from router.planning.solve import Search
from router.reoptimisation.alignment import Alignment
from router.reoptimisation.run import reoptimise
from router.reoptimisation.standing import Uses
from router.reoptimisation.sunk import sunk
from router.schema import Problem
from router.store import open_store
from solvers import SolveOptions

pytest.importorskip("sqlalchemy")
M = 1e6


def month(k: int, **commitment: Any) -> Problem:
    """Two months from month k on: 120 USD of use each, and one more workload of 1 USD than the month before."""
    loads = [by_period([120 * M] * 2), *(by_period([M] * 2, name=f"new {j}") for j in range(k))]
    data = problem(
        loads, [api("listed", 2.0), api("deal", 1.0, commitment=commitment)], periods=2, period_h=MONTH
    )
    start = dt.datetime(2027, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=k * MONTH)
    return load({**data, "name": "year", "horizon": {**data["horizon"], "start": start.isoformat()}})


def plans(folder: Path, months: int = 4, **commitment: Any) -> list[Plan]:
    """Planned anew every month, for each has a workload that nothing serves yet."""
    store, made = open_store(f"sqlite:///{folder}/plans.db"), []
    for k in range(months):
        file = month(k, **commitment)
        made.append(reoptimise(file, store, Search("highs", SolveOptions())).plan)
        assert router.verify(file, made[-1]).ok
    return made


def carried(plan: Plan) -> tuple[float, float, tuple[float, ...]]:
    assert plan.running is not None
    (row,) = plan.running.contracts
    assert row.so_far is not None
    return row.so_far.since_h, row.so_far.used, row.so_far.unused


def test_a_year_is_carried_with_what_it_has_used(tmp_path: Path) -> None:
    """1,200 USD a year; 120, 121, 122 a month are used by the start of the fourth: 363, since three months ago.

    Two months more of 123 are billed as use: 246, for 609 are more than 5/12 of 1,200.
    """
    last = plans(tmp_path, settled="year", min_usd=1200, term_months=12)[-1]
    assert carried(last) == (approx(-3 * MONTH), approx(363.0), ())
    assert last.cost_usd == approx(246.0)
    assert last.settlements[-1].so_far is not None
    assert last.settlements[-1].so_far.used == approx(609.0)


def test_what_is_left_is_carried_oldest_first(tmp_path: Path) -> None:
    """150 USD a month, the rest for three: 30 are left; then 121 take them and 91 of the second: 59; then 87."""
    made = plans(tmp_path, min_usd=150, rollover_spans=3, term_months=12)
    assert [carried(plan)[2][-1] for plan in made[1:]] == approx([30.0, 59.0, 87.0])
    assert all(plan.cost_usd == approx(300.0) for plan in made)


def test_a_ramp_goes_on_where_it_was(tmp_path: Path) -> None:
    """100 USD for two months of six, then 200: from the second month on one of each, 121 + 200; then 200 twice."""
    ramp = [{"from_month": 1, "min_usd": 100}, {"from_month": 3, "min_usd": 200}]
    made = plans(tmp_path, ramp=ramp, term_months=6)
    assert [plan.cost_usd for plan in made] == approx([240.0, 321.0, 400.0, 400.0])


def test_a_level_keeps_its_discount(tmp_path: Path) -> None:
    """100 USD a quarter at 20 % off: 0.8 · 240, then 0.8 · 242."""
    levels = [{"usd": 50, "discount": 0.1}, {"usd": 100, "discount": 0.2}]
    made = plans(tmp_path, 2, levels=levels, settled="quarter", term_months=12)
    assert [plan.cost_usd for plan in made] == approx([192.0, 193.6])
    assert carried(made[1])[:2] == (approx(-MONTH), approx(120.0))


SEASON = [40, 40, 60, 80, 100, 120, 140, 160, 180, 160, 120, 100]
"""List use by day, USD, as in a seasonal year: 1,300, which is 1,040 at 20 % off."""

ANNUAL = {
    "name": "annual",
    "provider": "v",
    "offers": ["a", "b"],
    "discount": 0.2,
    "settled": "term",
    "term_h": 12 * 24,
    "min_usd": 1000,
    "overage": "contract",
    "signed": True,
}


def days(first: float, count: int, run: int, period_h: float = 24.0, **changed: Any) -> Problem:
    """Days of the season from `first` on: two thirds of the use on a, the rest on b; one more workload each run."""
    step = period_h / 24
    at = [
        SEASON[int(first + i * step)] * step if first + i * step < len(SEASON) else 0.0 for i in range(count)
    ]
    loads = [
        by_period([usd / 3 * M for usd in at], "x"),
        by_period([usd / 3 * M for usd in at], "y", models=["n"]),
        *(by_period([M] * count, f"new {j}", models=["o"]) for j in range(run)),
    ]
    offers = [api("a", 2.0), api("b", 1.0, ("n",)), api("c", 1.0, ("o",))]
    data = problem(loads, offers, periods=count, period_h=period_h)
    start = dt.datetime(2027, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=first)
    horizon = {**data["horizon"], "start": start.isoformat()}
    return load({**data, "name": "season", "horizon": horizon, "commitments": [ANNUAL | changed]})


def runs(folder: Path, files: list[Problem]) -> list[Plan]:
    store, made = open_store(f"sqlite:///{folder}/plans.db"), []
    for file in files:
        made.append(reoptimise(file, store, Search("highs", SolveOptions())).plan)
        assert router.verify(file, made[-1]).ok
    return made


def billed(plan: Plan, seller: str = "annual") -> float:
    return sum(row.billed_usd for row in plan.settlements if row.seller == seller)


def test_an_agreement_for_the_term_is_billed_once_however_often_it_is_planned(tmp_path: Path) -> None:
    """12 days at two a run: max(1,000, 0.8 · 1,300) = 1,040; settled every two days it were 1,204.

    Until day 2k the bill stands at max(1,000 · 2k / 12, 0.8 · use): 166.67, 333.33, 500, 666.67, then 864, 1,040.
    """
    made = runs(tmp_path, [days(2.0 * k, 2, k) for k in range(6)])
    stood = [1000 * 2 * k / 12 for k in range(5)] + [864.0, 1040.0]
    assert [billed(plan) for plan in made] == approx([b - a for a, b in pairwise(stood)], abs=1e-6)
    assert sum(map(billed, made)) == approx(1040, abs=1e-6)
    assert carried(made[3])[:2] == (approx(-6 * 24), approx(0.8 * 440))


def test_it_is_so_too_where_horizons_overlap(tmp_path: Path) -> None:
    """Every day for two days ahead: what is used by then is known to the cent, and the sum is 1,040."""
    made = runs(tmp_path, [days(k, 4, k, period_h=12) for k in range(12)])
    for k, plan in enumerate(made[1:], 1):
        assert carried(plan)[:2] == (approx(-24 * k), approx(0.8 * sum(SEASON[:k]))), k
    before = max(1000 * 11 / 12, 0.8 * (1300 - 100))
    assert before + billed(made[-1]) == approx(1040, abs=1e-6)


def test_what_a_plan_signs_stays_signed_for_all_its_offers(tmp_path: Path) -> None:
    """From the peak on: 0.8 · 340 of 600 · 2/12 a run; the term goes on when use falls off, and 600 are due in all."""
    terms = {"signed": False, "min_usd": 600}
    made = runs(tmp_path, [days(7.0 + 2 * k, 2, k, **terms) for k in range(4)])
    assert [row.signed_by for plan in made for row in plan.contracts] == [
        "plan",
        "before",
        "before",
        "before",
    ]
    assert [billed(plan) for plan in made] == approx([272, 224, 80, 0], abs=1e-6)


def test_an_offer_that_the_file_no_longer_admits_counts_at_what_it_cost(tmp_path: Path) -> None:
    """100 USD a month on m, then m is gone from the offer: they stay used, at the price of the file of that time."""
    deal = api("deal", 1.0, ("m", "n"), commitment={"settled": "year", "min_usd": 1000, "term_months": 12})

    def file(k: int) -> Problem:
        served = ["n", "m"] if k == 0 else ["n"]
        loads = [by_period([100 * M], models=["m" if k == 0 else "n"])]
        offer = {**deal, "models": {name: deal["models"][name] for name in served}}
        data = problem(loads, [offer, api("dear", 9.0, ("m", "n"))], period_h=MONTH)
        start = dt.datetime(2027, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=k * MONTH)
        return load({**data, "name": "gone", "horizon": {**data["horizon"], "start": start.isoformat()}})

    assert carried(runs(tmp_path, [file(0), file(1)])[1])[:2] == (approx(-MONTH), approx(100))


def test_where_the_file_says_anew_what_is_signed_the_file_is_right(tmp_path: Path) -> None:
    """From the bill: 900 used until day 4 (the plan had expected 176), so the next days are all above the minimum."""
    stands = {"since": "2027-01-01T00:00:00+00:00", "used_usd": 900}
    made = runs(tmp_path, [days(0, 4, 0), days(4, 2, 1, so_far=stands)])
    assert made[1].running is not None
    assert made[1].running.contracts == ()
    assert billed(made[1]) == approx(0.8 * 220)
    assert any("stands where the file says" in note for note in made[1].notes)


def test_a_day_that_the_first_horizon_cuts_counts_from_there(tmp_path: Path) -> None:
    """24 USD a day, from six in the morning: at noon a quarter of a day has run, not a half."""
    made = runs(tmp_path, [days(0.25 + k / 4, 4, k, 6, settled="day", min_usd=24) for k in range(2)])
    assert carried(made[1])[:2] == (approx(-6), approx(8))


def test_a_span_that_began_before_all_horizons_needs_so_far(tmp_path: Path) -> None:
    """Until 10 January, 12 days in all: begun on 29 December, and what was used by New Year is not known."""
    terms = {"signed_until": "2027-01-10T00:00:00+00:00"}
    made = runs(tmp_path, [days(2.0 * k, 2, k, **terms) for k in range(2)])
    assert made[1].running is not None
    assert made[1].running.contracts == ()
    assert any("annual is signed in the file without so_far" in note for note in made[1].notes)


def stack(k: int, *in_force: tuple[int, float], **terms: Any) -> Problem:
    """Three hours from hour k on, terms of three hours at half off; 2 USD an hour more of use than the hour before."""
    loads = [by_period([M] * 3, f"w{j}") for j in range(k + 1)]
    data = problem(loads, [api("a", 2.0)], periods=3)
    first = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    signed = [{"until": (first + dt.timedelta(hours=hour)).isoformat(), "usd": usd} for hour, usd in in_force]
    own = {"settled": "hour", "min_usd": 0, "max_usd": 9, "discount": 0.5, "in_force": signed}
    agreement = {"name": "plan", "offers": ["a"], "term_h": 3, "stackable": True} | (terms or own)
    horizon = {**data["horizon"], "start": (first + dt.timedelta(hours=k)).isoformat()}
    return load({**data, "name": "stack", "horizon": horizon, "commitments": [agreement]})


def ends(plan: Plan) -> dict[float, float]:
    """End, from the plan's start → USD an hour, of what is carried."""
    assert plan.running is not None
    return {round(row.end_h): (row.committed_usd_per_month or 0.0) / MONTH for row in plan.running.contracts}


def test_stacked_terms_are_carried_each_to_its_end(tmp_path: Path) -> None:
    """Half off, terms of three hours; a run an hour, each with 2 USD more of use an hour than the one before.

    1 an hour; then 1 more beside it, and 2 at list in the last hour; then 2 more, as 2 and 1 of 3 are in force, then 0.
    """
    made = runs(tmp_path, [stack(k) for k in range(4)])
    assert [plan.cost_usd for plan in made] == approx([3, 7, 11, 15])
    assert [ends(plan) for plan in made[1:]] == [
        {2: approx(1)},
        {1: approx(1), 2: approx(1)},
        {1: approx(1), 2: approx(2)},
    ]


@pytest.mark.parametrize("signed", [False, True])
def test_months_that_terms_share_are_billed_once_however_often_they_are_planned(
    tmp_path: Path, signed: bool
) -> None:
    """Terms of a month of 730 h, planned every quarter of one for the next two: 4, 2, 0, 8 and 4 USD of use at list.

    Half off for at least 8 a month. Signed with the horizon: 4, 2, 0, 8, of which 7 are due, are 8 by the hours: 8; at
    the end of each quarter 2, 4, 6 and 8 are due by then, and 2, 3, 3 and 7 used. Then the month and its term are over.
    """
    use, quarter = [4, 2, 0, 8, 0, 0], MONTH / 4
    first = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)

    def file(k: int) -> Problem:
        loads = [by_period([each / 2 * M for each in use[k : k + 2]])]
        loads += [by_period([M] * 2, f"new {j}", models=["o"]) for j in range(k)]
        data = problem(loads, [api("a", 2.0), api("c", 1.0, ("o",))], periods=2, period_h=quarter)
        terms = {"name": "plan", "offers": ["a"], "settled": "month", "stackable": True, "term_h": MONTH}
        terms |= {"min_usd": 8, "max_usd": 8, "discount": 0.5, "overage": "contract", "start": "first"}
        if signed:  # by the file, which does not say where the month stands
            terms["in_force"] = [{"until": (first + dt.timedelta(hours=MONTH)).isoformat(), "usd": 8}]
        start = (first + dt.timedelta(hours=k * quarter)).isoformat()
        return load(
            {**data, "name": "plan", "horizon": {**data["horizon"], "start": start}, "commitments": [terms]}
        )

    made = runs(tmp_path, [file(k) for k in range(4)])
    stood = [0, 2, 4, 6, 8]  # what is due by then is more than what is used
    assert [billed(plan, "plan") for plan in made] == approx(
        [stood[min(k + 2, 4)] - stood[k] for k in range(4)]
    )
    where = [(approx(-k * quarter), approx(used)) for k, used in ((1, 2), (2, 3), (3, 3))]
    assert [carried(plan)[:2] for plan in made[1:]] == where


def test_a_term_that_is_over_counts_in_the_month_that_runs(tmp_path: Path) -> None:
    """Half off, terms of half a month. One at 8 a month is over by the second run, one at 0.4 has a quarter left.

    4 + 0.2 are due by then, and 3 used; then 0.1 is due, and 1 at list where no term is left: 1.1. Were the first
    forgotten, 3 were owed by then, and another at 8 would seem to cost max(4.3, 4) − 3 = 1.3, against 0.5 + 1.
    """
    use, quarter = [4, 2, 1, 1], MONTH / 4
    first = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)

    def file(k: int) -> Problem:
        loads = [by_period([each / 2 * M for each in use[k : k + 2]])]
        loads += [by_period([M] * 2, f"new {j}", models=["o"]) for j in range(k)]
        data = problem(loads, [api("a", 2.0), api("c", 1.0, ("o",))], periods=2, period_h=quarter)
        terms = {"name": "plan", "offers": ["a"], "settled": "month", "stackable": True, "term_h": MONTH / 2}
        terms |= {"min_usd": 8, "max_usd": 9, "discount": 0.5, "overage": "contract", "start": "first"}
        ends = ((2 * quarter, 8), (3 * quarter, 0.4))
        terms["in_force"] = [
            {"until": (first + dt.timedelta(hours=hour)).isoformat(), "usd": usd} for hour, usd in ends
        ]
        start = (first + dt.timedelta(hours=k * quarter)).isoformat()
        return load(
            {**data, "name": "plan", "horizon": {**data["horizon"], "start": start}, "commitments": [terms]}
        )

    made = runs(tmp_path, [file(0), file(2)])
    assert billed(made[0], "plan") == approx(4.2)
    assert made[1].cost_usd == approx(1.1 + 2 * 2)  # and 1 a quarter of each new one
    assert [row.signed_by for row in made[1].contracts] == ["before"]


def token_stack(k: int, *in_force: tuple[int, float]) -> Problem:
    """Three hours from hour k on, terms of three hours at 1 a M against 2; 1 M an hour more than the hour before."""
    loads = [by_period([M] * 3, f"w{j}") for j in range(k + 1)]
    first = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    signed = [{"until": (first + dt.timedelta(hours=h)).isoformat(), "tokens": a * M} for h, a in in_force]
    terms = {"settled": "hour", "min_tokens": 0, "max_tokens": 9 * M, "term_h": 3, "stackable": True}
    terms |= {"overage": "none", "in_force": signed}
    data = problem(loads, [api("a", 1.0, commitment=terms), api("b", 2.0)], periods=3)
    horizon = {**data["horizon"], "start": (first + dt.timedelta(hours=k)).isoformat()}
    return load({**data, "name": "stack", "horizon": horizon})


def test_stacked_terms_in_tokens_are_carried_each_to_its_end(tmp_path: Path) -> None:
    """As in USD: 1 M an hour; then 1 more beside it and 1 at list in the last hour; then 2 more; then 2 more again."""
    made = runs(tmp_path, [token_stack(k) for k in range(4)])
    assert [plan.cost_usd for plan in made] == approx([3, 7, 11, 15])
    carried_on = [
        {round(row.end_h): round((row.committed_tokens_per_month or 0) / MONTH / M, 6) for row in rows}
        for rows in (plan.running.contracts for plan in made[1:] if plan.running is not None)
    ]
    assert carried_on == [{2: 1}, {1: 1, 2: 1}, {1: 1, 2: 2}]
    stated = token_stack(1, (3, 1))
    (row, *_) = [row for row in router.solve(stated).contracts if row.signed_by == "before"]
    assert (row.until_h, row.committed_tokens_per_month) == (2, approx(M * MONTH))
    assert router.solve(stated).cost_usd == approx(made[1].cost_usd)


def test_a_term_in_force_is_in_the_unit_of_its_commitment() -> None:
    with pytest.raises(InputError, match=r"in_force\[0\].usd: 1: is not in the commitment's own unit"):
        data = token_stack(0, (3, 1)).model_dump(mode="json", by_alias=True, exclude_none=True)
        data["offers"][0]["commitment"]["in_force"][0] = {"until": "2027-01-01T03:00:00+00:00", "usd": 1}
        load(data)


def test_a_term_that_the_file_states_by_now_is_in_force_once(tmp_path: Path) -> None:
    """The first run signs 1 an hour until hour 3; the file of the second says so, that of the third another of 0.5."""
    same, other = (3, 1.0), (5, 0.5)
    first, second, third = runs(tmp_path, [stack(0), stack(1, same), stack(2, same, other)])
    assert [first.cost_usd, second.cost_usd] == approx([3, 7])
    assert ends(second) == {}
    assert any("states terms in force that the running plan's file did not" in note for note in second.notes)
    assert ends(third) == {2: approx(1)}
    stated = {(row.signed_by, row.until_h): row.committed_usd_per_month for row in third.contracts}
    before = {until: usd for (by, until), usd in stated.items() if by == "before"}
    assert before == {1: approx(MONTH), 2: approx(MONTH), 3: approx(MONTH / 2)}


def cut(k: int, days: int, **terms: Any) -> Problem:
    """From day k of six on: 10 M a day on a deal whose price is known to fall from 3 to 1 on the fourth day."""
    falls = [{"from": "2027-01-04T00:00:00", "prices": 1 / 3}]
    deal = api("deal", 3.0, commitment={"min_usd": 120, "signed": True, **terms}, schedule=falls)
    loads = [by_period([10 * M] * days), *(by_period([M] * days, f"new {j}", models=["o"]) for j in range(k))]
    data = problem(loads, [deal, api("c", 1.0, ("o",))], periods=days, period_h=24.0)
    start = dt.datetime(2027, 1, 1 + k, tzinfo=dt.UTC)
    return load({**data, "name": "cut", "horizon": {**data["horizon"], "start": start.isoformat()}})


@pytest.mark.parametrize(("least", "bill"), [(120, 120.0), (150, 150.0), (60, 120.0)])
def test_a_price_known_to_fall_is_billed_right_however_often_it_is_planned(
    tmp_path: Path, least: float, bill: float
) -> None:
    """Six days settled as one: 3 · 30 + 3 · 10 = 120 of use. Planned daily, the days add up to max(least, 120)."""
    terms = {"min_usd": least, "settled": "term", "term_h": 144}
    made = runs(tmp_path, [cut(k, min(2, 6 - k), **terms) for k in range(6)])
    used = [0, 30, 60, 90, 100, 110, 120]
    assert [carried(plan)[1] for plan in made[1:]] == approx(used[1:6])
    stood = [max(least * k / 6, used[k]) for k in range(7)]
    for k, plan in enumerate(made):
        assert billed(plan, "deal") == approx(stood[min(k + 2, 6)] - stood[k], abs=1e-6)
    assert stood[5] + billed(made[-1], "deal") == approx(bill)


def test_use_of_a_schedule_that_nobody_can_read_is_not_guessed() -> None:
    """The running plan's file is gone: what its hours cost is not known, and so_far has to say it."""
    terms = {"signed": False, "settled": "term", "term_h": 144}
    first, second = cut(0, 2, **terms), cut(1, 2, **terms)
    plan, align = router.solve(first), Alignment(first, second)
    (row,) = sunk(plan, align, Uses(lambda: normalise(second), first))
    assert row.so_far is not None
    assert row.so_far.used == approx(30)
    with pytest.raises(InputError, match="no price of that is known"):
        sunk(plan, align, Uses(lambda: normalise(second), None))


@pytest.mark.parametrize("unit", ["tokens", "usd"])
@pytest.mark.parametrize("payer", ["free", "plan"])
def test_what_others_pay_for_is_not_carried_as_used(tmp_path: Path, payer: str, unit: str) -> None:
    """100 M a month at 1.00 for four months settled as one, 20 of them free or under an agreement: 80 count.

    300 M, or as many USD, are due in all, 75 a month by the hours: 80 are billed in each of four runs.
    """
    least = {"min_tokens": 300 * M} if unit == "tokens" else {"min_usd": 300}
    deal = api("deal", 1.0, commitment={"settled": "term", "term_months": 4, **least})
    if payer == "free":
        deal["free"] = {"usd_per_month": 20}
    terms = {"name": "plan", "offers": ["deal"], "discount": 0.5, "min_usd": 10, "signed": True}

    def file(k: int) -> Problem:
        loads = [by_period([100 * M]), *(by_period([M], f"new {j}", models=["o"]) for j in range(k))]
        data = problem(loads, [deal, api("dear", 9.0, ("m", "o"))], period_h=MONTH)
        start = dt.datetime(2027, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=k * MONTH)
        data |= {"commitments": [terms] if payer == "plan" else []}
        return load({**data, "name": "others", "horizon": {**data["horizon"], "start": start.isoformat()}})

    made = runs(tmp_path, [file(k) for k in range(4)])
    assert [billed(plan, "deal") for plan in made] == approx([80] * 4)
    for k, plan in enumerate(made[1:], 1):
        assert plan.running is not None
        (row,) = [each for each in plan.running.contracts if each.seller == "deal"]
        assert row.so_far is not None
        assert row.so_far.used == approx(80 * k * (M if unit == "tokens" else 1))
