"""Bills that count in spans which end within theirs: what a statement of that date says, by hand and by enumeration."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from problem_factory import SOLVERS, Data, api, by_period, gpu, load, plan_of, problem, usd
from pytest import approx

import router
from router.errors import InputError

M = 1e6


def case(use: list[float], inner: Data, outer: Data, price: float = 1.0) -> Data:
    """Work in M tokens of each hour, at a price that `inner` bills, and an agreement over an offer that nobody uses."""
    data = problem(
        by_period([each * M for each in use], "x"),
        [api("b", price), api("a", 1.0, ("z",))],
        periods=len(use),
    )
    by_day = {"name": "inner", "offers": ["b"], "settled": "day", "overage": "contract", "signed": True}
    by_hour = {"name": "outer", "offers": ["a"], "settled": "hour", "signed": True, "counts": {"inner": 1.0}}
    return data | {"commitments": [by_hour | outer, by_day | inner]}


def counted(use: list[float], least: float) -> list[float]:
    """By how much the greater of use and `least` an hour, both so far, grows in each hour."""
    bills = [max(sum(use[:t]), least * t) for t in range(len(use) + 1)]
    return [after - before for before, after in itertools.pairwise(bills)]


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_a_day_has_grown_to_counts_in_its_hours(solver: str) -> None:
    """2 an hour are due, 5, 0, 1 and 6 used: so far 5, 5, 6 and 12. Of 6 in each hour that leaves 1, 6, 5 and 0."""
    plan = plan_of(case([5, 0, 1, 6], {"min_usd": 48}, {"min_usd": 6}), solver)
    assert counted([5, 0, 1, 6], 2) == [5, 0, 1, 6]
    assert plan.cost_usd == approx(12 + (1 + 6 + 5 + 0))
    assert plan.bound_usd == approx(24, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_due_by_the_hours_counts_before_it_is_used(solver: str) -> None:
    """3 an hour are due, 0, 1, 9 and 0 used: so far 3, 6, 10 and 12. 5 in each hour: 2, 2, 1 and 3 are left."""
    plan = plan_of(case([0, 1, 9, 0], {"min_usd": 72}, {"min_usd": 5}), solver)
    assert counted([0, 1, 9, 0], 3) == [3, 3, 4, 2]
    assert plan.cost_usd == approx(12 + (2 + 2 + 1 + 3))
    assert plan.bound_usd == approx(20, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_offers_own_commitment_and_its_machines_count_so_too(solver: str) -> None:
    """As above, billed by the offer's own commitment; its machines at 2 an hour count in the hour: 0, 0, 0 and 1."""
    own = gpu("b", 2, 100) | {"commitment": {"settled": "day", "min_usd": 72, "signed": True}}
    own["models"]["m"] |= {"prompt_usd_per_m": 1.0, "completion_usd_per_m": 1.0}
    data = case([0.5, 1, 9, 0.5], {}, {"min_usd": 5, "counts": {"b": 1.0}})
    data["offers"][0], data["commitments"] = own, data["commitments"][:1]
    plan = plan_of(data, solver)
    assert counted([0.5, 1, 9, 0.5], 3) == [3, 3, 4.5, 1.5]
    assert usd(plan, "b", "instances") == approx(8)
    assert plan.cost_usd == approx(12 + 8 + (0 + 0 + 0 + 1.5))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_day_that_has_begun_counts_what_it_grows_by(solver: str) -> None:
    """6 hours at 2 are due and 15 used by then: 15, 16, 18 and 25 so far, of 10 used in the horizon."""
    data = case([0, 1, 2, 7], {"min_usd": 48}, {"min_usd": 6})
    data["horizon"]["start"] = "2027-01-01T06:00:00"
    data["commitments"][1]["so_far"] = {"since": "2027-01-01T00:00:00", "used_usd": 15}
    plan = plan_of(data, solver)  # 10 are billed, for 25 are more than the 20 due
    assert plan.cost_usd == approx(10 + (6 + 5 + 4 + 0))
    data["commitments"][1]["so_far"]["used_usd"] = 5  # 12 due: so far 14, 16, 18, 20 and not 5, 6, 8, 15
    assert plan_of(data, solver).cost_usd == approx((20 - 12) + 4 * 4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_terms_that_may_begin_in_any_hour_count_from_there(solver: str) -> None:
    """Half off for 12 a term of 3 hours, of 60, 2 and 2 at list: 32 in place of 64, and so far 30, 31 and 32 count.

    That leaves 1.2, 0, 0.2 and 0.2 of 1.2 an hour: 34.6 in all. Signed an hour before: 31.5, 2 at list and 1.4.
    """
    inner = {"settled": "term", "term_h": 3, "min_usd": 12, "discount": 0.5, "signed": False}
    data = case([1, 60, 2, 2], inner, {"min_usd": 1.2})
    plan = plan_of(data, solver)
    assert [row.from_h for row in plan.contracts if row.agreement == "inner"] == [1]
    assert plan.cost_usd == approx(1 + 32 + (1.2 + 0 + 0.2 + 0.2))


@pytest.mark.parametrize("seed", range(10))
def test_the_best_place_for_work_is_that_of_an_enumeration(seed: int) -> None:
    """Work of each of three hours may go elsewhere, where it does not count: every split of it is tried."""
    draw = random.Random(seed)
    work = [draw.choice([0, 1, 3]) for _ in range(3)]
    least, outer, share = draw.choice([1, 2]), draw.choice([1, 3]), draw.choice([0.5, 1.0])
    elsewhere = draw.choice([0.3, 0.8, 1.4])
    data = case(work, {"min_usd": least * 24}, {"min_usd": outer, "counts": {"inner": share}})
    data["offers"].append(api("c", elsewhere))
    steps = [[k / 8 * each for k in range(9)] if each else [0.0] for each in work]

    def cost(use: list[float]) -> float:
        left = sum(max(outer - share * each, 0) for each in counted(use, least))
        return max(sum(use), 3 * least) + left + elsewhere * (sum(work) - sum(use))

    best = min(cost([a, b, c]) for a in steps[0] for b in steps[1] for c in steps[2])
    plan = plan_of(data)
    assert plan.cost_usd <= best + 1e-6
    assert plan.cost_usd == approx(best, abs=0.26 * share)  # between the splits that are tried
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_spans_that_end_together_count_as_they_did(seed: int) -> None:
    """A minimum that is due in every hour alike counts alike by the hour and by the day; more never costs more."""
    draw = random.Random(seed)
    use = [float(draw.randint(0, 5)) for _ in range(4)]
    costs = []
    for share in (0.0, 0.4, 1.0):
        counts = {"inner": share}
        by_hour = case(use, {"min_usd": 48}, {"min_usd": 3, "counts": counts})
        by_day = case(use, {"min_usd": 48}, {"min_usd": 72, "settled": "day", "counts": counts})
        costs.append(plan_of(by_hour).cost_usd)
        assert plan_of(by_day).cost_usd <= costs[-1] + 1e-9  # what one hour has too much helps another
    assert costs == sorted(costs, reverse=True)


def test_the_check_sees_a_bill_by_the_hours_and_one_of_the_hour_in_which_the_day_begins() -> None:
    """5, 0, 1 and 6 of 12 count against 5 an hour: 9. Pro rata 3 each would leave 8, and 12 in the first hour 15."""
    stated = load(case([5, 0, 1, 6], {"min_usd": 48}, {"min_usd": 5}))
    plan = router.solve(stated)
    (row,) = [row for row in plan.settlements if row.agreement == "outer"]
    assert row.billed_usd == approx(9)
    for billed in (8.0, 15.0):
        rows = tuple(replace(each, billed_usd=billed) if each == row else each for each in plan.settlements)
        verdict = router.verify(stated, replace(plan, settlements=rows))
        assert not next(check for check in verdict.checks if check.name == "settlements").ok


@pytest.mark.parametrize(
    "terms", [{"rollover_spans": 1}, {"discount_tiers": [{"from_usd": 0, "discount": 0.1}]}]
)
def test_a_bill_of_which_no_statement_is_planned_for_is_refused(terms: Data) -> None:
    data = case([1, 2], {"min_usd": 48, "settled": "month"} | terms, {"min_usd": 6})
    with pytest.raises(InputError, match=r"commitments\[0\].counts.*not inside its own, with"):
        plan_of(data)
