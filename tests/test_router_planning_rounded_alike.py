"""A large market is planned by rounding a relaxation in many pieces: the same plan in every process, on any threads."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.synthetic import market
from pytest import approx

from router.planning import by_hand, second_step
from router.planning.fixed import Fixed
from router.planning.solve import encode_problem
from router.planning.two_steps import Incumbent
from solvers import LinearProgram, SimplexBasis, Solution, SolveOptions, Stop, is_feasible
from solvers.forced import forced
from solvers.piecewise import roundings

HERE = Path(__file__).parent
GAP = 0.005

SCRIPT = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from test_router_planning_rounded_alike import large_pools, told
sys.stdout.write(told(large_pools(int(sys.argv[1]))))
"""


def large_pools(threads: int = 1) -> Incumbent:
    """The plan of a market of 430 whole columns, made as one of thousands is."""
    encoded, many = encode_problem(market(200, 40, 6, seed=1, volume=100.0)), by_hand.MANY
    by_hand.MANY = 100
    try:
        plan = by_hand.made_by_hand(encoded, "highs", SolveOptions(gap=GAP, threads=threads), Fixed())
    finally:
        by_hand.MANY = many
    assert plan is not None
    return plan


def told(plan: Incumbent) -> str:
    """Equal for plans that are equal in every digit."""
    return (
        f"{plan.point.tobytes().hex()} {plan.integers.tobytes().hex()} {plan.bound!r} {plan.objective_usd!r}"
    )


def test_the_same_plan_in_every_process_and_on_any_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last digit, by pieces: with other hash seeds, with another number of threads for HiGHS and for numpy."""
    tried: list[int] = []

    def counted(pieces: roundings.PiecesApart) -> roundings.Floats:
        tried.append(pieces.to_choose)
        return near_by(pieces)

    near_by = roundings.near_by
    monkeypatch.setattr(roundings, "near_by", counted)
    plan = large_pools()
    assert tried
    assert plan.objective_usd - plan.bound <= GAP * plan.objective_usd
    for seed, threads in (("1", 1), ("2", 2)):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": str(threads)}
        environment["OPENBLAS_NUM_THREADS"] = str(threads)
        command = [sys.executable, "-c", SCRIPT, str(threads)]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert out == told(plan)


def test_flows_from_a_basis_cost_what_flows_from_none_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The primal simplex from the rounded relaxation's basis, and the same whole numbers from nothing."""
    plan, bases = large_pools(), list[SimplexBasis | None]()
    flows = second_step._flows

    def from_none(*given: object) -> Solution:
        bases.extend(each for each in given if isinstance(each, SimplexBasis))
        return flows(*[each for each in given if not isinstance(each, SimplexBasis)])  # type: ignore[arg-type]

    monkeypatch.setattr(second_step, "_flows", from_none)
    again = large_pools()
    assert bases
    assert (np.round(again.integers) == np.round(plan.integers)).all()
    assert again.objective_usd == approx(plan.objective_usd, rel=1e-9)
    assert is_feasible(plan.encoded.program, plan.point, tolerance=1e-9)


def test_a_strategy_asked_for_stays() -> None:
    asked = SolveOptions(native={"simplex_strategy": 1})
    assert second_step._by_primal_simplex("highs", asked) == asked
    assert second_step._by_primal_simplex("pulp:COIN_CMD", SolveOptions()) == SolveOptions()
    assert second_step._by_primal_simplex("highs", SolveOptions()).native == {"simplex_strategy": 4}


def two_ways(load: float) -> LinearProgram:
    """Half a share by each of two ways; a third one, of which `load` is one unit, is shut: no unit is rented."""
    return LinearProgram(
        cost=np.array([1.0, 2.0, 0.5, 5.0]),
        matrix=np.array([[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, load, -1.0]]),
        row_lower=np.array([1.0, -np.inf]),
        row_upper=np.array([1.0, 0.0]),
        col_lower=np.zeros(4),
        col_upper=np.array([0.5, 0.5, 1.0, 3.0]),
        integer=np.array([False, False, False, True]),
    )


def test_what_is_left_on_what_is_shut_is_put_back_where_rows_hold_without_it() -> None:
    """1e-11 on the shut way is the solver's rounding; 1e-3 is work that no other way has room for."""
    held = two_ways(10.0).fix([3], [0.0])
    room = forced(held)
    shut = room.applied(held)
    for left, other in ((1e-11, 0.0), (1e-3, 1e-3)):
        point = np.array([0.5, 0.5 - left, left, 0.0])
        found = Solution(Stop.OPTIMAL, point, shut.objective(point), 0.0)
        put = second_step._on_bounds(shut, room, found)
        assert put.point is not None
        assert put.point[2] == other
        assert put.objective == shut.objective(put.point)
    none = replace(found, point=None)
    assert second_step._on_bounds(shut, room, none) is none
