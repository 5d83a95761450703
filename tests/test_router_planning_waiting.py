"""Plans whose waiting is modelled: plan and bound meet, and nothing is cheaper for being forbidden."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign import times

import router
from problems.core.encode import Regions, encode
from problems.physics.regions import Margin, Scale, User, kinds_of, pieces_of, shape
from problems.physics.waiting import Mix
from router.loading.catalogue import load_text
from router.normalise import normalise
from router.plan.document import Plan
from router.planning import optimise
from router.planning.own_rows import in_own_rows
from router.planning.structure import in_parts
from router.planning.two_steps import Incumbent
from solvers import SolveOptions, Stop

INSTANCES = Path(__file__).parent / "instances"
INF = float("inf")
SHORT = User((0.1, 0.1), 2.0, 1.0, 0.5, (INF, INF, INF, INF, 0.3), apart=False)
LONG = User((1.0, 1.0), 2.0, 1.0, 1.0, (INF, INF, INF, INF, 0.8), apart=False)
BURSTS = User((0.4, 0.4), 4.0, 3.0, 0.0, (0.5, INF, INF, INF, INF), apart=False)
FREE = User((2.0, 2.0), 2.0, 1.0, 0.0, (INF,) * 5, apart=False)
USERS = (SHORT, LONG, BURSTS, FREE)


@cache
def solved(name: str) -> Plan:
    """The plan of an instance, solved once."""
    return router.solve(INSTANCES / f"{name}.yaml")


def test_flows_solved_again_are_of_the_program_with_its_cuts() -> None:
    """Columns of levels come with the cuts: whole numbers were taken for those of the program without (exit 1)."""
    uncut = encode(normalise(router.load(INSTANCES / "bug-031-waiting-by-the-hour.yaml")))
    best = optimise.optimise(uncut, "highs", SolveOptions(gap=1e-2))
    assert best.encoded.program.n_columns != uncut.program.n_columns
    again = in_own_rows(best)
    assert again is not None
    assert len(again.point) == len(again.integers) == again.encoded.program.n_columns
    assert again.objective_usd == pytest.approx(best.objective_usd, rel=1e-6)


def largest(users: tuple[User, ...], rates: np.ndarray, count: int) -> float:
    """The largest load of a mix, by the formula itself."""
    there = [i for i, rate in enumerate(rates) if rate > 0]
    k = min(users[i].concurrency for i in there)
    s = np.array([users[i].load_s[0] for i in there]) * k
    p = rates[there] / rates.sum()
    mean, square = float(p @ s), float(p @ (s**2 * [1 + users[i].service_cv ** 2 for i in there]))
    arrivals = float(p @ [users[i].arrival_cv ** 2 for i in there])
    budget = np.array([users[i].budget_s for i in there]).min(axis=0)
    mix = Mix(mean, (arrivals + square / mean**2 - 1.0) / 2, k, budget)
    return float(mix.caps(np.array([float(count)]))[0])


def test_two_engines_halve_the_budget_of_all_who_are_there() -> None:
    """Requests of two engines in a row may wait half on each, and who shares the pool with them no longer than that.

    What promises nothing has no budget to halve, but halves that of others. A region let them have all of it, and the
    plan cost 7 % too much.
    """
    two = User((2.88, 0.0), 1.0, 1.0, 0.0, (INF,) * 5, apart=True)
    one = User((3.6, 3.6), 1.0, 1.0, 0.0, (INF, INF, 1.5, INF, INF), apart=False)
    budgets = {kind.users: kind.inner.budget_s[2] for kind in kinds_of((one, two))}
    assert budgets == {(0,): 1.5, (1,): INF, (0, 1): 0.75}


def test_with_load_to_spare_a_region_carries_so_much_less() -> None:
    """A tenth: what every level carries of who minds waiting is that of the whole region / 1.1."""
    inst = normalise(router.load(INSTANCES / "bug-030-waiting-five-periods.yaml"))
    whole, spared = (
        encode(inst, regions=Regions({}, spare=spare)).columns[0].capacity.regions for spare in (0.0, 0.1)
    )
    assert whole
    for at, region in whole.items():
        for side, less in zip(region.sides, spared[at].sides, strict=True):
            for piece, smaller in zip(side, less, strict=True):
                assert smaller.caps == pytest.approx(piece.caps / 1.1)


@pytest.mark.parametrize("inner", [False, True])
def test_a_region_is_never_too_small_outside_nor_too_large_inside(inner: bool) -> None:
    """12 random mixes of four users: the most of each that the pieces let through, beside the formula's."""
    rng, scale = np.random.default_rng(7), Scale(12, servers=False)
    for _ in range(times(12)):
        edges = tuple(sorted(rng.uniform(0.05, 2.0, rng.integers(0, 3)).tolist()))
        pieces = pieces_of(USERS, 0, edges, scale, int(rng.integers(1, 12)), Margin(), inner=inner)
        rates = np.where(rng.random(4) < 0.6, 10 ** rng.uniform(-2, 1, 4), 0.0)
        if not rates.any():
            continue
        count = int(rng.integers(1, 13))
        load = rates * [user.load_s[0] for user in USERS]
        u = float(load @ [shape(user, 0) for user in USERS] / load.sum())
        there = {i for i in range(4) if rates[i] > 0}
        fitting = [
            float((piece.caps[:, count] / (1.0 + np.array(piece.slopes) * (u - piece.low))).min())
            for piece in pieces
            if there <= set(piece.users) and piece.low * (1 - 1e-9) <= u <= piece.high * (1 + 1e-9)
        ]
        true = largest(USERS, rates, count)
        if inner:
            assert max(fitting, default=0.0) <= true * (1 + 1e-9) + 1e-9
        else:
            assert max(fitting, default=0.0) >= true * (1 - 1e-9) - 1e-9


def test_a_cut_region_has_the_truth_at_the_cut() -> None:
    """Half of the load of each: u = (0.0625 + 1) / 2, and the inner side carries there what the formula says."""
    load = np.array([0.5, 0.5])
    users = (SHORT, LONG)
    u = float(load @ [shape(user, 0) for user in users])
    rates = load / np.array([0.1, 1.0])
    for count in (1, 3, 9):
        pieces = pieces_of(users, 0, (u,), Scale(12, servers=False), count, Margin(), inner=True)
        most = max(
            float(piece.caps[0, count] / (1 + piece.slopes[0] * (u - piece.low)))
            for piece in pieces
            if piece.low <= u <= piece.high
        )
        assert most == pytest.approx(largest(users, rates, count), rel=1e-9)


LARGE = """
schema: router/1
models: {m: {}}
horizon: {periods: 2, period_h: 1}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [720_000, 500_000]}, prompt_tokens: 100,
     completion_tokens: 100, slo: {ttft_p99_ms: 500}}
  - {name: code, models: [m], demand: {requests_by_period: [36_000, 90_000]}, prompt_tokens: 1000,
     completion_tokens: 500, arrival_cv: 3, service_cv: 1, slo: {ttft_p99_ms: 900}}
offers:
  - {name: gpu, models: {m: {tokens_per_s: 1000, ttft_p99_ms: 100, concurrency: 2}}, instances: {usd_per_h: 3}}
  - {name: api, models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2, ttft_p99_ms: 300}}}
"""


def test_a_pool_of_many_counts_is_cut_until_plan_and_bound_meet() -> None:
    """Some 60 instances, more than are written one by one: ranges of levels are lines, cut where the plan stands."""
    plan = router.solve(load_text(LARGE))
    assert max(row.count for row in plan.instances) > 40
    assert plan.gap <= 1e-3
    assert plan.ok


@pytest.mark.parametrize(
    ("name", "denied"),
    [("bug-030-waiting-five-periods", "o3"), ("bug-031-waiting-by-the-hour", "o3")],
)
def test_forbidding_an_offer_makes_nothing_cheaper(name: str, denied: str) -> None:
    problem, plan = router.load(INSTANCES / f"{name}.yaml"), solved(name)
    assert plan.stop == "optimal"
    assert plan.gap <= 1e-3
    offers = [offer for offer in problem.offers if offer.name != denied]
    without = router.solve(problem.model_copy(update={"offers": offers}))
    assert without.objective_usd >= plan.objective_usd * (1 - plan.gap) - 1e-9


def test_a_relaxed_plan_is_a_bound_where_waiting_is_modelled() -> None:
    """8.105127 USD is the optimum: the bound is above 0 and no more than that."""
    plan = router.solve(INSTANCES / "bug-030-waiting-five-periods.yaml", options=SolveOptions(relax=True))
    assert 0 < plan.bound_usd <= 8.105127 * (1 + 1e-6)


def test_two_runs_differ_in_their_time_stamps_only() -> None:
    name = "bug-030-waiting-five-periods"
    first, second = solved(name), router.solve(INSTANCES / f"{name}.yaml")
    assert replace(first, created="").to_json() == replace(second, created="").to_json()


EVEN = """
schema: router/1
models: {m: {}}
horizon: {periods: 1, period_h: 1}
workloads:
  - {name: jobs, models: [m], demand: {requests_by_period: [27_000]}, prompt_tokens: 100, completion_tokens: 100,
     arrival_cv: 0, slo: {ttft_p99_ms: 500}}
offers:
  - {name: gpu, models: {m: {tokens_per_s: 1000, ttft_p99_ms: 100}}, instances: {usd_per_h: 3}}
"""


@pytest.mark.parametrize("by_clock", [True, False])
def test_a_search_that_time_ends_before_its_next_bound_says_so(
    by_clock: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It said "exhausted", as if nothing were left to cut, where the next bound was not found in time."""
    uncut = encode(normalise(router.load(INSTANCES / "bug-031-waiting-by-the-hour.yaml")))
    find = optimise._ClosingIn._find

    def late(self: optimise._ClosingIn, regions: Regions, *how: Any, **more: Any) -> Incumbent | None:
        if regions.inner:
            return find(self, regions, *how, **more)
        if by_clock and self.options.deadline is not None:
            self.options.deadline.ended.note(True)
        return None

    monkeypatch.setattr(optimise._ClosingIn, "_find", late)
    best = optimise.optimise(uncut, "highs", SolveOptions(gap=1e-9))
    assert best.stop is (Stop.TIME_LIMIT if by_clock else Stop.EXHAUSTED)


def test_like_requests_evenly_spaced_wait_for_nothing() -> None:
    """27,000 requests of 200 tokens an hour are 1.5 instances of 1,000 tokens a second: two, 6 USD."""
    plan = router.solve(load_text(EVEN))
    assert plan.cost_usd == pytest.approx(6.0)
    assert plan.ok


@pytest.mark.usefixtures("short_proofs")
def test_a_large_program_is_searched_near_its_own_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """By windows and near what they found: no dearer than without, and what is proven of it still holds."""
    name = "bug-031-waiting-by-the-hour"
    problem, small = router.load(INSTANCES / f"{name}.yaml"), solved(name)
    monkeypatch.setattr(optimise, "SMALL", 0)
    large = router.solve(problem)
    assert large.ok
    assert large.bound_usd <= small.objective_usd + 1e-6
    assert small.bound_usd <= large.objective_usd + 1e-6


@pytest.mark.usefixtures("short_proofs")
def test_a_large_program_in_one_part_is_cut_finely_in_narrow_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where nothing is small enough for the solver as a whole."""
    name = "bug-031-waiting-by-the-hour"
    problem, small = router.load(INSTANCES / f"{name}.yaml"), solved(name)
    monkeypatch.setattr(optimise, "SMALL", 0)
    monkeypatch.setattr(in_parts, "SMALL", 0)
    monkeypatch.setattr(in_parts, "NARROW", 40)
    large = router.solve(problem, options=SolveOptions(gap=1e-3))
    assert large.ok
    assert large.bound_usd <= small.objective_usd + 1e-6
    assert small.bound_usd <= large.objective_usd * (1 + 1e-6)
