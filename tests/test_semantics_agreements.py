"""Agreements over several offers: worked out by hand, by enumeration of what is committed, and by laws.

An hour's use is known where each workload has one offer; what is left to decide is how much to commit. The cost is then
convex and piecewise linear in the amount, with corners where an hour's use of an offer is just covered.
"""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, by_period, gpu, hourly, load, plan_of, problem, usd
from pytest import approx
from scipy.optimize import linprog
from sizing_factory import sized

import router
from router.errors import InputError

M = 1e6
TWO = (("a", "m"), ("b", "n"))


def agreement(*offers: str, name: str = "plan", **terms: object) -> Data:
    terms = {"settled": "hour", "min_usd": 0, "max_usd": 100, **terms}
    return {"name": name, "provider": "v", "offers": [*offers], **terms}


def two_streams(first: list[float], second: list[float], offers: list[Data], **rest: object) -> Data:
    """Two workloads with their own models, in tokens by hour."""
    loads = [by_period(first, "x"), by_period(second, "y", models=["n"])]
    return problem(loads, offers, periods=len(first), **rest)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_amount_is_committed_once_and_covers_one_offer_by_hour(solver: str) -> None:
    """Hour 0: a 8.00 at list; hour 1: b 6.00. Half off a, a tenth off b; c is due in both hours.

    A dollar of c costs 2 and saves 1/0.5 + 1/0.9 = 3.11 until c = 4 covers all of a; then 1.11. So c = 4:
    2 · 4 + (8 − 4/0.5) + (6 − 4/0.9) = 8 + 0 + 1.5556.
    """
    data = two_streams([4 * M, 0], [0, 2 * M], [api("a", 2.0), api("b", 3.0, ("n",))])
    plan = plan_of(data | {"commitments": [agreement("a", "b", discount={"a": 0.5, "b": 0.1})]}, solver)
    assert plan.cost_usd == approx(8 + 6 - 4 / 0.9)
    assert (usd(plan, "plan", "commitment"), usd(plan, "a", "tokens")) == (approx(8), approx(0, abs=1e-6))
    assert usd(plan, "b", "tokens") == approx(6 - 4 / 0.9)
    (row,) = plan.settlements
    assert (row.offer, row.agreement, row.spans, row.spans_short) == (None, "plan", 2, 0)
    assert row.billed_usd == approx(8)
    assert row.covered_usd == approx(8 + 4 / 0.9)
    covered = {(each.offer, each.period): each.list_usd for each in plan.coverage or ()}
    assert covered == {("a", 0): approx(8), ("b", 1): approx(4 / 0.9)}


@pytest.mark.parametrize("solver", SOLVERS)
def test_half_a_machine_may_be_covered(solver: str) -> None:
    """One gpu at 10 all the time; at most 2 an hour may be committed, at 60 % off: 2 + (10 − 2/0.4) = 7 an hour."""
    data = problem(hourly(1 * M), [gpu("g", 10, 1)], periods=3)
    plan = plan_of(data | {"commitments": [agreement("g", discount=0.6, max_usd=2)]}, solver)
    assert plan.cost_usd == approx(21)
    assert usd(plan, "g", "instances") == approx(3 * 5)


def test_what_is_reserved_or_bought_for_a_term_is_not_covered() -> None:
    """Two gpus at 10, one of them reserved: 730 · (10 + what is left of 10 at 50 % off)."""
    data = problem(hourly(2 * M), [gpu("g", 10, 1, reserved=1)], periods=1, period_h=730)
    terms = agreement("g", discount=0.5, max_usd=1000, settled="month", max_usd_per_month=None)
    plan = plan_of(data | {"commitments": [terms]})
    assert plan.cost_usd == approx(7300 + min(7300, 1000 + 7300 - 2000))


def test_tokens_and_instances_of_one_offer_are_covered_apart() -> None:
    """An hour of 1 M tokens: rent 4 and tokens 6, half off all: 5, and each kind of cost loses all that it was."""
    offer = gpu("g", 4, 1)
    offer["models"]["m"] |= {"prompt_usd_per_m": 6, "completion_usd_per_m": 6}
    plan = plan_of(problem(hourly(1 * M), [offer]) | {"commitments": [agreement("g", discount=0.5)]})
    assert plan.cost_usd == approx(5)
    covered = {row.kind: row.list_usd for row in plan.coverage or ()}
    assert covered == {"instances": approx(4), "tokens": approx(6)}


def test_an_agreement_makes_the_dearer_offer_the_cheaper_one() -> None:
    """a at 3 with half off beats b at 2 where all of a is covered: 10 hours of 1 M at 1.5."""
    data = problem(hourly(1 * M), [api("a", 3.0), api("b", 2.0)], periods=10)
    plan = plan_of(data | {"commitments": [agreement("a", discount=0.5)]})
    assert plan.cost_usd == approx(15)
    assert {row.offer for row in plan.routes} == {"a"}


def test_a_signed_agreement_is_due_whatever_the_plan_does() -> None:
    """Signed for 3 an hour at 50 % off a (use 2 an hour at list): 3 are due, 1 is used; b at 0.5 is no cheaper then."""
    data = problem(hourly(1 * M), [api("a", 2.0), api("b", 0.5)], periods=4)
    terms = agreement("a", discount=0.5, min_usd=3, max_usd=None, signed=True)
    plan = plan_of(data | {"commitments": [terms]})
    assert plan.cost_usd == approx(12)
    (row,) = plan.settlements
    assert row.unused_usd == approx(8)
    assert row.spans_short == 4


def test_two_agreements_never_cover_the_same_dollar() -> None:
    """Use of 10 an hour; 50 % off for at most 2, 40 % off for the rest: 2 + (10 − 4) · 0.6 = 5.6."""
    data = problem(hourly(5 * M), [api("a", 2.0)])
    both = [
        agreement("a", name="half", discount=0.5, max_usd=2),
        agreement("a", name="rest", discount=0.4),
    ]
    assert plan_of(data | {"commitments": both}).cost_usd == approx(5.6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_above_the_commitment_the_discount_holds_with_overage_contract(solver: str) -> None:
    """Use of 10 and 2 an hour, 20 % off all of it for 5 an hour at least: 8 + 5 = 13 signed, 12 not; with 3: 8 + 3."""
    data = problem(by_period([5 * M, 1 * M]), [api("a", 2.0)], periods=2)
    terms = agreement("a", discount=0.2, max_usd=None, overage="contract")
    dear, cheap = ({"commitments": [terms | {"min_usd": least}]} for least in (5, 3))
    assert plan_of(data | dear, solver).cost_usd == approx(12)
    plan = plan_of(data | cheap, solver)
    assert plan.cost_usd == approx(11)
    assert usd(plan, "plan", "commitment") == approx(11)
    assert usd(plan, "a", "tokens") == approx(0, abs=1e-6)
    assert plan.bound_usd == approx(11, rel=1e-5)


def test_a_discount_without_a_minimum_is_taken_for_all_use() -> None:
    """Nothing is committed, 25 % off: machines at 10 an hour cost 7.50."""
    data = problem(hourly(3 * M), [gpu("g", 10, 1)], periods=2)
    terms = agreement("g", discount=0.25, max_usd=None, overage="contract", settled="month")
    plan = plan_of(data | {"commitments": [terms]})
    assert plan.cost_usd == approx(2 * 3 * 7.5)
    assert [row.agreement for row in plan.contracts] == ["plan"]


def test_machines_under_a_minimum_of_the_year() -> None:
    """Two gpus at 10 an hour, 30 % off for a term of a month of which 11 an hour are due: 14 an hour, for 20."""
    data = problem(hourly(2 * M), [gpu("g", 10, 1)], periods=4)
    terms = agreement("g", discount=0.3, max_usd=None, min_usd=11, overage="contract", term_months=1)
    plan = plan_of(data | {"commitments": [terms]})
    assert plan.cost_usd == approx(4 * 14)
    assert plan.bound_usd == approx(4 * 14, rel=1e-5)


def test_stacked_terms_add_up() -> None:
    """Use of 2, 6, 2 an hour at half off, terms of one hour: each hour commits what it uses, (1 + 3 + 1)."""
    data = problem(by_period([1 * M, 3 * M, 1 * M]), [api("a", 2.0)], periods=3)
    terms = agreement("a", discount=0.5, term_h=1, stackable=True)
    assert plan_of(data | {"commitments": [terms]}).cost_usd == approx(5)


def test_terms_that_commit_to_nothing_are_not_listed() -> None:
    """2, 4, 2 and 0 USD of use, 40 % off: 1.2, 2.4 and 1.2 in force by two terms of two hours; the third hour starts
    none, though terms of no minimum may start in any."""
    terms = {"term_h": 2, "stackable": True, "discount": 0.4}
    data = problem(by_period([M, 2 * M, M, 0]), api("a", 2.0), periods=4)
    plan = plan_of(data | {"commitments": [agreement("a", **terms)]})
    assert plan.cost_usd == approx(4.8)
    assert [(row.from_h, row.committed_usd_per_month) for row in plan.contracts] == [
        (0.0, approx(1.2 * 730)),
        (1.0, approx(1.2 * 730)),
    ]


def test_a_month_settles_what_hours_would_lose() -> None:
    """Use of 2 and 0 in two hours of one span: 1 is committed for both together where a day settles, 2 by the hour.

    By the hour a dollar costs 2 and saves 2: nothing is won. By the day (two of its 24 hours) 1 for a use of 2.
    """
    data = problem(by_period([1 * M, 0]), [api("a", 2.0)], periods=2)
    hour = plan_of(data | {"commitments": [agreement("a", discount=0.5)]})
    day = plan_of(data | {"commitments": [agreement("a", discount=0.5, settled="day", max_usd=1000)]})
    assert (hour.cost_usd, day.cost_usd) == (approx(2), approx(1))


def test_prices_of_a_scenario_are_those_of_use_and_not_of_what_is_committed() -> None:
    """a at 2 doubles to 4: a commitment of 1 an hour at 50 % off covers 2 of the 4."""
    data = problem(hourly(1 * M), [api("a", 2.0)])
    terms = agreement("a", discount=0.5, min_usd=1, max_usd=None, signed=True)
    futures = [{"name": "dear", "probability": 1, "prices": {"*": 2}}]
    plan = plan_of(data | {"commitments": [terms], "scenarios": futures})
    assert plan.cost_usd == approx(1 + 2)


@pytest.mark.parametrize("seed", range(8))
def test_the_best_amount_is_that_of_an_enumeration(seed: int) -> None:
    """Every corner of the cost is tried: the hours' use of the offers, the highest discount first."""
    draw = random.Random(seed)
    hours = draw.randint(2, 5)
    use = {o: [draw.choice([0, 1, 2, 3, 5]) for _ in range(hours)] for o in "ab"}
    price = {"a": draw.choice([1.0, 2.0]), "b": draw.choice([1.0, 3.0])}
    off = {"a": draw.choice([0.2, 0.3, 0.6]), "b": draw.choice([0.0, 0.25, 0.5])}
    first = sorted(off, key=lambda o: -off[o])

    def cost(committed: float) -> float:
        total = 0.0
        for t in range(hours):
            left, paid = committed, 0.0
            for o in first:
                at_list = use[o][t] * price[o]
                covered = min(left, at_list * (1 - off[o]))
                left, paid = left - covered, paid + at_list - covered / (1 - off[o])
            total += committed + paid
        return total

    corners = {0.0}
    for t in range(hours):
        reached = 0.0
        for o in first:
            reached += use[o][t] * price[o] * (1 - off[o])
            corners.add(reached)
    offers = [api("a", price["a"]), api("b", price["b"], ("n",))]
    data = two_streams([u * M for u in use["a"]], [u * M for u in use["b"]], offers)
    plan = plan_of(data | {"commitments": [agreement("a", "b", discount=off)]})
    assert plan.cost_usd == approx(min(map(cost, corners)), abs=1e-6)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_over_one_offer_it_is_the_offer_s_own_commitment(seed: int) -> None:
    """A commitment at contract rates whose overage is at list is an agreement over the one offer at list."""
    draw = random.Random(seed)
    use = [draw.choice([0, 1, 2, 4]) * M for _ in range(4)]
    most, least = draw.choice([2, 5, 20]), draw.choice([0, 1])
    load_ = by_period(use)
    own = {"settled": "hour", "min_usd": least, "max_usd": most, "overage_usd_per_m": 2.0}
    apart = plan_of(problem(load_, [api("a", 1.2, commitment=own), api("list", 2.0)], periods=4))
    terms = agreement("a", discount=0.4, min_usd=least, max_usd=most)
    data = problem(load_, [api("a", 2.0)], periods=4) | {"commitments": [terms]}
    assert plan_of(data).cost_usd == approx(apart.cost_usd, abs=1e-6)


def test_an_offer_cut_into_two_alike_changes_nothing() -> None:
    """The same machines under two names, both of the agreement."""
    loads = by_period([1 * M, 4 * M, 2 * M])
    whole = problem(loads, [gpu("g", 10, 1)], periods=3) | {
        "commitments": [agreement("g", discount=0.4, max_usd=12)]
    }
    cut = problem(loads, [gpu("g", 10, 1), gpu("h", 10, 1)], periods=3) | {
        "commitments": [agreement("g", "h", discount=0.4, max_usd=12)]
    }
    assert plan_of(whole).cost_usd == approx(plan_of(cut).cost_usd)


def test_a_discount_of_nothing_is_not_signed() -> None:
    data = problem(hourly(1 * M), [api("a", 2.0)], periods=2)
    plan = plan_of(data | {"commitments": [agreement("a", discount=0.0, min_usd=1)]})
    assert plan.cost_usd == approx(4)


def test_it_survives_a_loss() -> None:
    """Either offer must do alone: nothing is paid for that, and the cheaper one is covered."""
    offers = [api("a", 2.0), api("b", 3.0)]
    data = problem(hourly(1 * M), offers, policy={"survive_loss_of": "offer"})
    assert plan_of(data | {"commitments": [agreement("a", discount=0.5)]}).cost_usd == approx(1)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"offers": ["a", "nobody"]}, "commitments[0].offers[1]: unknown offer"),
        ({"offers": ["a", "a"]}, "commitments[0].offers[1]: is listed twice"),
        ({"offers": []}, "commitments[0].offers"),
        ({"name": "a"}, "commitments[0].name: names must be unique"),
        ({"discount": {"b": 0.5}}, "commitments[0].discount.b: is not one of its offers"),
        ({"discount": 1.0}, "commitments[0].discount"),
        ({"overage": "none"}, "commitments[0].overage"),
        ({"min_tokens": 5}, "commitments[0].min_tokens"),
        ({"credits": []}, "commitments[0].credits"),
        ({"max_usd": None, "min_usd": None}, "commitments[0]: must have a minimum"),
        ({"min_usd": 5, "max_usd": 4}, "commitments[0].min_usd: must not be more"),
        ({"signed_until": "2027-01-01"}, "commitments[0].signed_until: needs signed"),
        ({"settled": "day", "max_usd_per_month": 5}, "commitments[0].max_usd_per_month: is settled by"),
        ({"settled": "term"}, "commitments[0].settled: needs term_months"),
    ],
)
def test_what_an_agreement_cannot_say_is_an_input_error(terms: Data, says: str) -> None:
    data = problem(hourly(1 * M), [api("a", 2.0), api("b", 2.0)])
    with pytest.raises(InputError) as caught:
        load(data | {"commitments": [agreement("a") | terms]})
    assert all(part in str(caught.value) for part in says.split(": "))


def test_the_check_sees_what_is_covered_twice_at_another_discount_or_without_use() -> None:
    data = problem(hourly(1 * M), [api("a", 2.0), api("b", 2.0)], periods=2)
    stated = load(data | {"commitments": [agreement("a", discount=0.5, max_usd=0.5)]})
    plan = router.solve(stated)
    assert plan.coverage is not None
    row = plan.coverage[0]
    lies = {
        "more": [replace(row, list_usd=2.5, covered_usd=1.25)],
        "cheaper": [replace(row, covered_usd=0.1)],
        "twice": [row, row],
        "of another": [replace(row, offer="b")],
        "less than nothing": [replace(row, list_usd=-1.0, covered_usd=-0.5)],
        "of nobody": [replace(row, agreement="nobody")],
    }
    for lie, rows in lies.items():
        verdict = router.verify(stated, replace(plan, coverage=(*rows, *plan.coverage[1:])))
        assert not verdict.ok, lie
    assert not router.verify(stated, replace(plan, coverage=None)).ok
    dearer = replace(plan.settlements[0], covered_usd=9.0)
    assert not router.verify(stated, replace(plan, settlements=(dearer,))).ok
    nobody = replace(plan.settlements[0], agreement=None)
    assert not router.verify(stated, replace(plan, settlements=(nobody,))).ok


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_vendor_s_own_order_is_stated_and_noted_where_it_is_dearer(solver: str) -> None:
    """Use of 2 at a and of 2 at b; one is signed for 1 (half off a, 40 % off b), the other for 1.1 (45 % off a).

    The plan covers a with the other, and 1/0.6 of b: 1 + 1.1 + 0.3333. The best discount first covers a with the one:
    the other covers nothing and b is at list: 1.6667 more. The one covers 2, not 1.6667; the other 0, not 2.
    """
    data = two_streams([1 * M], [1 * M], [api("a", 2.0), api("b", 2.0, ("n",))])
    one = agreement("a", "b", name="one", discount={"a": 0.5, "b": 0.4}, min_usd=1, max_usd=None, signed=True)
    other = agreement("a", name="other", discount=0.45, min_usd=1.1, max_usd=None, signed=True)
    plan = plan_of(data | {"commitments": [one, other]}, solver)
    assert plan.cost_usd == approx(2.1 + 2 - 1 / 0.6)
    by_vendor = {row.agreement: row.vendor_order_usd for row in plan.settlements}
    assert by_vendor == {"one": approx(1 + 1 / 0.6 - 2), "other": approx(1.1 + 2)}
    (note,) = [note for note in plan.notes if "highest discount first" in note]
    assert "1.67 USD more" in note
    alone = plan_of(data | {"commitments": [one]}, solver)
    assert not [note for note in alone.notes if "highest discount first" in note]
    stated = load(data | {"commitments": [one, other]})
    lie = replace(plan.settlements[0], vendor_order_usd=1.0)
    assert not router.verify(stated, replace(plan, settlements=(lie, *plan.settlements[1:]))).ok


def stacked(*in_force: tuple[int, float], **terms: object) -> Data:
    """Use of 2, 4 and 6 an hour at list; terms of three hours at half off; some in force until an hour, in USD."""
    data = problem(by_period([1 * M, 2 * M, 3 * M]), [api("a", 2.0)], periods=3)
    data["horizon"]["start"] = "2027-01-01T00:00:00+00:00"
    signed = [{"until": f"2027-01-01T{hour:02d}:00:00+00:00", "usd": usd} for hour, usd in in_force]
    terms = {"discount": 0.5, "term_h": 3, "stackable": True, "in_force": signed, **terms}
    return data | {"commitments": [agreement("a", **terms)]}


@pytest.mark.parametrize("solver", SOLVERS)
def test_terms_signed_already_add_up_with_new_ones(solver: str) -> None:
    """1 for two hours; c more cost 3 c, and cover 2 c in each of the last two hours up to c = 1: 2 + 3 + 4 at list."""
    plan = plan_of(stacked((2, 1.0)), solver)
    assert plan.cost_usd == approx(9)
    rows = {(row.signed_by, row.until_h): row.committed_usd_per_month for row in plan.contracts}
    assert rows == {("before", 2): approx(730), ("plan", 3): approx(730)}
    assert plan.bound_usd == approx(9, rel=1e-5)


def test_several_terms_in_force_are_due_to_their_ends() -> None:
    """1 for an hour, 2 for the horizon and five hours more, 3 that ended: 3 + 2 + 2; one of 4 and two of 6 are left."""
    plan = plan_of(stacked((1, 1.0), (8, 2.0), (0, 3.0), max_usd=2))
    assert plan.cost_usd == approx(3 + 2 + 2 + 0 + 0 + 2)
    assert sorted(row.until_h for row in plan.contracts) == [1, 8]
    assert plan.settlements[-1].beyond_horizon_usd == approx(5 * 2.0)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"stackable": False}, "is of terms that add up"),
        ({"settled": "day"}, "is settled by the hour or the month"),
    ],
)
def test_what_is_in_force_is_of_terms_that_add_up(terms: Data, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load(stacked((2, 1.0), **terms))


def test_the_check_sees_terms_in_force_left_out_or_made_up() -> None:
    stated = load(stacked((2, 1.0)))
    plan = router.solve(stated)
    before, new = sorted(plan.contracts, key=lambda row: row.signed_by)
    for rows in ((new,), (replace(before, until_h=3.0), new), (before, before, new)):
        assert not router.verify(stated, replace(plan, contracts=rows)).ok


def test_a_signed_term_and_those_in_force_are_billed_each_at_its_own_amount() -> None:
    """0.5 for three hours and 1 for two; 0.5 more cost 1.5 and save 2, in the last two hours: 5, and 4 at list."""
    signed = {"signed": True, "signed_until": "2027-01-01T03:00:00+00:00", "min_usd": 0.5}
    stated = load(stacked((2, 1.0), **signed))
    plan = router.solve(stated)
    assert plan.cost_usd == approx(9)
    other_order = replace(plan, contracts=tuple(reversed(plan.contracts)))
    assert [router.verify(stated, each).ok for each in (plan, other_order)] == [True, True]
    assert plan.bound_usd == approx(9, rel=1e-5)


def test_terms_in_force_are_due_in_every_future_and_in_no_quote() -> None:
    """1 for two hours; use is half of 2, 4, 6 or double. c more: (5 + c + 22 − 3 c) / 2, 13.5 without, 12.5 for 1."""
    futures = [
        {"name": name, "probability": 0.5, "demand": {"*": by}} for name, by in (("low", 0.5), ("high", 2))
    ]
    for method in ("program", "cuts"):
        plan = sized(stacked((2, 1.0)) | {"scenarios": futures}, method=method, questions=True)
        assert plan.sizing is not None
        assert plan.sizing.rp_usd == approx(12.5)
        assert [quote.worth_usd for quote in plan.sizing.quotes or ()] == [approx(1)]
        assert plan.bound_usd == approx(12.5, rel=1e-5)


def test_compare_says_that_terms_in_force_are_due_whatever_is_chosen() -> None:
    notes = router.compare(load(stacked((2, 1.0)))).notes
    assert any("due whatever is chosen" in note and "plan" in note for note in notes)


def test_what_is_covered_is_not_held_against_the_offer_s_own_commitment() -> None:
    """6 an hour of a, which commits to 2; half off by the agreement. 2 cover 4 and leave the 2 that are due: 4 in all.

    Of the 6 all covered, 3, its own minimum of 2 were due beside: 5; nothing covered: 6.
    """
    own = api("a", 2.0, commitment={"settled": "hour", "min_usd": 2})
    data = problem(by_period([3 * M] * 2), own, periods=2) | {"commitments": [agreement("a", discount=0.5)]}
    plan = plan_of(data)
    assert plan.cost_usd == approx(2 * 4)
    settled = {row.seller: (row.used_usd, row.billed_usd, row.vendor_order_usd) for row in plan.settlements}
    assert settled == {"a": (approx(4), approx(4), None), "plan": (approx(4), approx(4), None)}
    assert usd(plan, "a", "tokens") == 0
    more = replace(
        plan, coverage=tuple(replace(row, list_usd=6.0, covered_usd=3.0) for row in plan.coverage or ())
    )
    assert not router.verify(load(data), more).ok


@pytest.mark.parametrize("seed", range(times(6)))
def test_beside_an_own_commitment_it_is_as_a_linear_program_written_apart_has_it(seed: int) -> None:
    """By hour the share of a, what is covered of a and b, the agreement's bill; the amount; then a's bills."""
    r, t_ = random.Random(seed), 3
    use = [r.choice([0, 1, 2, 4, 6]) for _ in range(t_)]
    at_a, at_b, own = r.choice([1, 1.5, 2]), r.choice([2, 2.5, 3]), r.choice([1, 3, 6])
    off, settled = r.choice([0.2, 0.4, 0.5]), r.choice(["hour", "month"])
    over, none = r.choice(["list", "contract"]), r.random() < 0.3
    spans = [[t] for t in range(t_)] if settled == "hour" else [[*range(t_)]]
    amount, n = 4 * t_, 4 * t_ + 1 + len(spans)
    costs = []
    for signed in (0, 1):
        cost, rows, limits = np.zeros(n), list[dict[int, float]](), list[float]()
        for t, (x, a, b, bill) in enumerate(
            zip(*(range(k * t_, (k + 1) * t_) for k in range(4)), strict=True)
        ):
            cost[x], cost[b], cost[bill] = -use[t] * at_b, -1.0, 1.0
            rows += [{a: 1.0, x: -use[t] * at_a}, {b: 1.0, x: use[t] * at_b}]
            rows += [{amount: 1.0, bill: -1.0}, {a: 1 - off, b: 1 - off, bill: -1.0}]
            limits += [0.0, use[t] * at_b, 0.0, 0.0]
            rows += [{a: 1 - off, b: 1 - off, amount: -1.0}] if over == "list" else []
            limits += [0.0] if over == "list" else []
        for k, span in enumerate(spans):
            used = {t: use[t] * at_a for t in span} | {t_ + t: -1.0 for t in span}
            cost[amount + 1 + k] = 1.0
            rows += [used | {amount + 1 + k: -1.0}, *([used] if none else [])]
            limits += [0.0, *([float(own * len(span) * signed)] if none else [])]
        least = [(float(own * len(span) * signed), None) for span in spans]
        bounds = [(0.0, float(signed))] * t_ + [(0.0, None)] * (3 * t_) + [(0.0, 9.0), *least]
        matrix = np.array([[row.get(column, 0.0) for column in range(n)] for row in rows])
        found = linprog(cost, A_ub=matrix, b_ub=limits, bounds=bounds)
        costs += [found.fun + sum(use) * at_b] if found.status == 0 else []
    terms = {"settled": settled, "min_usd": own * (730 if settled == "month" else 1)}
    terms |= {"overage": "none"} if none else {}
    data = problem(
        by_period([each * M for each in use]), [api("a", at_a, commitment=terms), api("b", at_b)], periods=t_
    )
    deal = agreement("a", "b", discount=off, max_usd=9, overage=over)
    plan = plan_of(data | {"commitments": [deal]})
    assert plan.cost_usd == approx(min(costs), abs=1e-5)
    assert plan.bound_usd is not None and plan.bound_usd <= min(costs) + 1e-5


def test_an_agreement_that_is_not_signed_beside_a_commitment_covers_nothing() -> None:
    """1 an hour is due to the deal, which serves 1 M an hour at 1.20; the agreement would cost 1 an hour more."""
    deal = api("deal", 1.2, commitment={"settled": "hour", "min_usd": 1})
    data = problem(by_period([1 * M] * 4), [deal, api("a", 2.0), api("b", 1.5)], periods=4)
    plan = plan_of(data | {"commitments": [agreement("a", discount=0.1, min_usd=1, max_usd=None)]})
    assert plan.cost_usd == approx(4 * 1.2)
    assert not plan.coverage


def test_a_row_states_what_the_terms_in_force_in_it_owe_after_the_horizon() -> None:
    """Half off, by the half month: use of 2, 2, 4, 4 and 6 USD at list is covered by 1, then one more, then two more.

    Terms of two months from months 0, 1 and 2, of 2.5: the second owes a half month more, the third one and a half.
    """
    terms = agreement("a", discount=0.5, stackable=True, term_months=2)
    use = [M, M, 2 * M, 2 * M, 3 * M]
    data = problem(by_period(use), [api("a", 2.0)], periods=5, period_h=365.0, commitments=[terms])
    plan = plan_of(data)
    assert plan.cost_usd == approx(9.0)
    assert [row.committed_usd_per_month for row in plan.contracts] == approx([2.0, 2.0, 4.0])
    assert [row.beyond_horizon_usd for row in plan.settlements] == approx([0.0, 1.0, 1.0 + 3 * 2.0])
