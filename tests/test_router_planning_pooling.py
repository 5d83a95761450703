"""Waiting work planned as one flow for each route and period: plans as they are by arrivals."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from problem_factory import Data, api, by_period, gpu, load, plan_of, problem
from pytest import MonkeyPatch, approx

from router.plan.rows import RouteRow
from router.planning import roads, two_steps
from router.planning.deferred import over_time, pooling
from router.planning.fixed import Fixed
from router.planning.proofs.scaled import ScaledRelaxation
from router.planning.solve import encode_problem
from router.planning.structure import in_parts
from router.verification import audit_of, verify
from router.verification.base.case import Future
from router.verification.bound import deferred, relaxation_of
from router.verification.bound.deferred import RunningCell, volume
from solvers import SolveOptions, solve

pytestmark = pytest.mark.usefixtures("short_proofs")


def week(rng: Random, periods: int = 6) -> Data:
    """Clients of which some may wait, small and large, on instances by the hour, for all hours, and by the token."""
    waits = (0, 2, 3, 6)
    loads = [
        by_period(
            [rng.choice((0, 20, 4e5, 1e6, 2.3e6)) for _ in range(periods)] or [1e6],
            f"client-{k}",
            **({"deferrable_h": waits[k % 4]} if waits[k % 4] else {}),
        )
        for k in range(4)
    ]
    loads[1]["demand"]["requests_by_period"][0] += 500
    offers = [
        gpu("hourly", rng.choice((1.0, 1.3)), 1.0, max_utilisation=0.8, min=rng.choice((0, 2))),
        gpu("ahead", 0.9, 1.1, max_utilisation=0.8, resize="horizon"),
        gpu("small", 0.4, 0.3, max_utilisation=0.9, start_usd=rng.choice((0, 0.1))),
        api("token", rng.choice((1.5, 3.0)), **({"fee_usd_per_month": 50.0} if rng.random() < 0.5 else {})),
    ]
    return problem(loads, offers, periods=periods)


def pooled_always(monkeypatch: MonkeyPatch) -> None:
    """Of programs of any size."""
    monkeypatch.setattr(pooling, "LARGE", 0)


@pytest.mark.parametrize("seed", range(6))
def test_plans_cost_the_same_by_arrivals_and_without(seed: int, monkeypatch: MonkeyPatch) -> None:
    """Both optima, found apart; each plan passes the check, with the arrivals of all that runs."""
    data = week(Random(seed))
    by_arrivals = plan_of(data)
    pooled_always(monkeypatch)
    assert pooling.smaller(encode_problem(load(data))) is not None
    pooled = plan_of(data)
    assert pooled.cost_usd == approx(by_arrivals.cost_usd, rel=3e-6)
    assert pooled.bound_usd == approx(by_arrivals.bound_usd, rel=3e-6)


def test_cbc_finds_the_same(monkeypatch: MonkeyPatch) -> None:
    pooled_always(monkeypatch)
    data = week(Random(3), periods=5)
    assert plan_of(data, "pulp:COIN_CMD").cost_usd == approx(plan_of(data).cost_usd, rel=3e-6)


def test_by_windows_work_waits_across_them(monkeypatch: MonkeyPatch) -> None:
    """Windows of few hours: a verified plan within the gap that it states."""
    data = week(Random(5), periods=8)
    best = plan_of(data).cost_usd
    pooled_always(monkeypatch)
    for name in ("SMALL", "MANY_INTEGERS"):
        monkeypatch.setattr(in_parts, name, 10)
    monkeypatch.setattr("solvers.windows.COLUMNS", 60)
    plan = plan_of(data)
    assert best * (1 - 1e-6) <= plan.cost_usd <= plan.bound_usd / (1 - plan.gap) * (1 + 1e-6)
    assert plan.bound_usd <= best * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_plan_over_time_is_near_the_best(seed: int, monkeypatch: MonkeyPatch) -> None:
    """Rounded once, then hours are chosen anew: verified, within its gap of the best, its bound no higher than that."""
    data = week(Random(seed))
    best = plan_of(data).cost_usd
    pooled_always(monkeypatch)
    monkeypatch.setattr(roads, "LARGE", 10)
    monkeypatch.setattr(over_time, "MANY", 1)
    monkeypatch.setattr("solvers.rounded.SMALL", 9.0)
    monkeypatch.setattr("solvers.bettered.WIDTHS", (40, 80))
    encoded = encode_problem(load(data))
    found = over_time.planned_over_time(encoded, SolveOptions().begun(), Fixed())
    assert found is not None
    assert best * (1 - 1e-6) <= found.objective_usd <= 1.1 * best and found.bound <= best * (1 + 1e-6)
    plan = plan_of(data)
    assert best * (1 - 1e-6) <= plan.cost_usd <= 1.1 * best
    assert plan.bound_usd <= best * (1 + 1e-6)


def test_work_without_arrivals_is_written_once_and_not_asked_about_too_late(monkeypatch: MonkeyPatch) -> None:
    """The smaller program is kept with the encoded one, whoever asks; without time for a solver there is no plan."""
    pooled_always(monkeypatch)
    monkeypatch.setattr(over_time, "MANY", 0)
    encoded = encode_problem(load(week(Random(1), 12)))
    assert pooling.smaller(encoded) is pooling.smaller(Fixed().applied(encoded)) is not None
    asked = list[float]()
    monkeypatch.setattr(over_time, "strengthened", lambda _, options: asked.append(options.left_s))
    for a_number_s in (0.0, 1.0):
        monkeypatch.setattr(two_steps, "BEGINNING_S", a_number_s)
        assert over_time.planned_over_time(encoded, SolveOptions().begun(), Fixed()) is None
    assert asked == approx([60.0 * over_time.FOR_WINDOWS], rel=0.1)


def test_first_come_first_served(monkeypatch: MonkeyPatch) -> None:
    """A million tokens in each of four hours, which may wait an hour more; an instance of a million an hour at 0.8.

    800,000 an hour run there, 4 USD of rent; 800,000 are left for the token at 9 USD a million, 7.20 USD. What arrives
    in hour 1 never runs before what has arrived in hour 0.
    """
    data = problem(
        [by_period([1e6] * 4, deferrable_h=2)],
        [gpu("box", 1.0, 1.0, max_utilisation=0.8, max=1), api("token", 9.0)],
        periods=4,
    )
    pooled_always(monkeypatch)
    plan = plan_of(data)
    assert plan.cost_usd == approx(4.0 + 7.2)

    def last(occurrence: int) -> int:
        return max(row.period for row in plan.routes if row.occurrence == occurrence)

    def first(occurrence: int) -> int:
        return min(row.period for row in plan.routes if row.occurrence == occurrence)

    assert all(last(a) <= first(a + 1) for a in range(3))
    served: dict[int | None, float] = {}
    for row in plan.routes:
        assert isinstance(row, RouteRow) and row.occurrence is not None
        assert row.occurrence <= row.period <= row.occurrence + 1
        served[row.occurrence] = served.get(row.occurrence, 0.0) + row.share
    assert served == {a: approx(1.0) for a in range(4)}


def test_prices_of_arrivals_are_what_more_of_them_costs(monkeypatch: MonkeyPatch) -> None:
    """By the token at 1 USD a million in hours 0 and 2, 5 USD in hour 1: all that arrives in hour 1 waits, at 1 USD."""
    peak = {"from": "2027-01-04T01:00", "until": "2027-01-04T02:00", "prices": 5}
    data = problem(
        [by_period([1e6, 3e6, 1e6], deferrable_h=2)], [api("token", 1.0, schedule=[peak])], periods=3
    )
    data["horizon"] |= {"start": "2027-01-04T00:00"}
    pooled_always(monkeypatch)
    plan = plan_of(data)
    rows = {row.row: row.usd_per_unit for row in plan.prices.rows if row.family == "demand"}
    assert rows == {
        "demand(chat,0)": approx(1.0),
        "demand(chat,1)": approx(3.0),
        "demand(chat,2)": approx(1.0),
    }
    assert plan.cost_usd == approx(5.0)


def test_what_is_said_of_arrivals_keeps_them(monkeypatch: MonkeyPatch) -> None:
    """Whole arrivals by one route, a price of dropping them, and answers that take an hour: by arrivals as before."""
    pooled_always(monkeypatch)
    offers = [gpu("box", 1.0, 1.0, max_utilisation=0.8), api("token", 9.0)]
    demand = [1e6, 5e5, 0.0, 7e5]
    plain = by_period(demand, deferrable_h=3)
    assert pooling.smaller(encode_problem(load(problem([plain], offers, periods=4)))) is not None
    for said in ({"routing": {"splittable": False}}, {"unserved_usd_per_m_tokens": 2.0}):
        data = problem([plain | said], offers, periods=4)
        assert pooling.smaller(encode_problem(load(data))) is None
        plan_of(data)
    slow = problem([plain], [*offers, api("batch", 0.3, turnaround_h=1.5)], periods=4)
    assert pooling.smaller(encode_problem(load(slow))) is None
    plan_of(slow)


@pytest.mark.parametrize("seed", range(4))
def test_the_check_has_one_optimum_by_arrivals_and_by_period(seed: int, monkeypatch: MonkeyPatch) -> None:
    """Its own rows both ways, whole: what the plan costs, but for the 1e-6 that a promise lets go of."""
    monkeypatch.setattr(deferred, "LARGE", 0)
    data = week(Random(seed), periods=5)
    plan = plan_of(data)
    audit = audit_of(load(data), plan)
    models = [relaxation_of(audit, by_arrivals=each) for each in (False, True)]
    programs = [ScaledRelaxation.of(model).program for model in models if model is not None]
    assert [any(name.startswith("later(") for name in model.variables) for model in models if model] == [
        True,
        False,
    ]
    assert programs[0].n_columns < programs[1].n_columns
    found = [solve(program).objective for program in programs]
    assert found == [approx(plan.cost_usd, rel=3e-6)] * 2


def test_a_proof_by_arrivals_is_still_checked(monkeypatch: MonkeyPatch) -> None:
    """As an earlier release wrote it of a problem that is large now; one that claims more is refused."""
    data = week(Random(1), periods=5)
    plan = plan_of(data)
    assert plan.proof is not None
    monkeypatch.setattr(deferred, "LARGE", 0)
    assert verify(load(data), plan).ok
    more = replace(plan.proof, bound_usd=plan.proof.bound_usd * 1.001)
    assert not verify(load(data), replace(plan, proof=more)).ok
    again = plan_of(data)
    assert again.proof is not None
    more = replace(again.proof, bound_usd=again.proof.bound_usd * 1.001)
    assert not verify(load(data), replace(again, proof=more)).ok


def test_what_waits_for_an_offer_to_open_is_not_limited_to_the_part_of_an_hour(
    monkeypatch: MonkeyPatch,
) -> None:
    """An offer at 1 USD a million, closed from 00:30 to 01:00, and one at 4: all 2 M of hour 0 may go there in hour 1,
    and what comes in hour 1 with it; what comes in hour 0 may run there till 00:30 too. 4 USD."""
    closed = {"from": "2027-01-04T00:30", "until": "2027-01-04T01:00", "available": False}
    offers = [api("night", 1.0, schedule=[closed]), api("day", 4.0)]
    data = problem([by_period([2e6, 2e6], deferrable_h=2)], offers, periods=2)
    data["horizon"] |= {"start": "2027-01-04T00:00"}
    for limit in (3_000, 0):
        monkeypatch.setattr(deferred, "LARGE", limit)
        plan = plan_of(data)
        assert (plan.cost_usd, plan.bound_usd) == (approx(4.0), approx(4.0, rel=2e-6))


def test_volume_counts_each_arrival_once() -> None:
    """3, 2 and 1 come in hours 0 to 2, each may run an hour later: 3, 5 and 3 may run, 6 in all."""
    future = Future("", 1.0, {}, {}, {}, None)
    cells = [RunningCell("w", None, t, future, most, {t: (t, t + 1.0)}, come=come) for t, most, come in
             ((0, 3.0, 3.0), (1, 5.0, 2.0), (2, 3.0, 1.0))]  # fmt: skip
    assert volume(cells) == volume(cells[1:]) == 6.0
    assert volume([cells[0], cells[2]]) == 6.0
