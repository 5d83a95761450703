"""What is particular to one backend: complete tables of endings, Ctrl-C, limits of the hand-over."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pulp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from solver_cases import INF, diet, hard_knapsack, instances, lost_by_presolve, program

from solvers import (
    HandOverRefused,
    LinearProgram,
    OptionRejected,
    Solution,
    SolveOptions,
    Stop,
    certify,
    highs,
    scipy_milp,
    solve,
)
from solvers.core import shell
from solvers.core.backend import RawOutcome
from solvers.core.process import in_thread, stdout_to_stderr
from solvers.core.settle import WRONG, settled
from solvers.pulp_model import PulpModel
from solvers.via_pulp import PulpBackend


def test_every_ending_of_scipys_highs_is_mapped_by_number() -> None:
    by_number = {int(status): stop for status, stop in highs.STOP.items()}
    assert {number: by_number[number] for number in scipy_milp.STOP} == scipy_milp.STOP
    from scipy.optimize._highspy import _core

    known = {int(status) for status in _core.HighsModelStatus.__members__.values()}
    assert known - {int(_core.HighsModelStatus.kModelError)} <= set(scipy_milp.STOP) | {19}


def test_ctrl_c_returns_the_incumbent() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        found = solve(hard_knapsack(), "highs", SolveOptions(time_limit_s=30, gap=0.0))
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert found.stop is Stop.INTERRUPTED
    assert found.point is not None
    assert certify(hard_knapsack(), found).ok


def test_an_error_in_the_solvers_thread_reaches_the_caller() -> None:
    def fails() -> None:
        raise ZeroDivisionError("in the thread")

    with pytest.raises(ZeroDivisionError, match="in the thread"):
        in_thread(fails)


def test_highs_solves_in_other_threads_and_with_changing_thread_counts() -> None:
    """HiGHS fixes the number of threads at its first run in a thread; each run has its own here."""
    answers: list[float | None] = []

    def work(threads: int) -> None:
        answers.append(solve(instances(), "highs", SolveOptions(threads=threads)).objective)

    for threads in (1, 2, 1):
        work(threads)
        runner = threading.Thread(target=work, args=(threads,))
        runner.start()
        runner.join()
    assert answers == [approx(14.0)] * 6


@pytest.mark.parametrize(
    ("key", "value"), [("mip_rel_gap", "small"), ("presolve", "perhaps"), ("threads", -5)]
)
def test_highs_refuses_values_too(key: str, value: object) -> None:
    for name in ("highs", "pulp:HiGHS"):
        with pytest.raises(OptionRejected, match=key):
            solve(diet(), name, SolveOptions(native={key: value}))


@pytest.mark.parametrize("name", ["highs", "scipy", "pulp:HiGHS"])
def test_native_options_reach_highs(name: str) -> None:
    """A node limit of zero stops before the search."""
    found = solve(hard_knapsack(), name, SolveOptions(native={"mip_max_nodes": 0}, time_limit_s=20))
    assert found.stop is Stop.SOLUTION_LIMIT


def test_native_options_reach_cbc() -> None:
    found = solve(hard_knapsack(), "pulp:COIN_CMD", SolveOptions(native={"maxNodes": 1}, time_limit_s=20))
    assert found.stop in (Stop.NODE_LIMIT, Stop.UNKNOWN)


def test_cbc_refuses_an_option_only_its_log_tells_of() -> None:
    with pytest.raises(OptionRejected, match="frobnicate"):
        solve(diet(), "pulp:COIN_CMD", SolveOptions(native={"options": ["frobnicate 3"]}))


def test_scipy_refuses_to_log_on_stdout() -> None:
    with pytest.raises(OptionRejected, match="stdout"):
        solve(diet(), "scipy", SolveOptions(log=True))


def test_coefficients_highs_cannot_take() -> None:
    with pytest.raises(HandOverRefused, match=r"1e\+16"):
        solve(program([1], [[1e16]], [1], [INF]), "highs")


def test_coefficients_highs_drops_are_told() -> None:
    found = solve(program([1, 1], [[1, 1e-13]], [1], [INF]), "highs")
    assert found.stats.warnings == ("1 coefficients of at most 1e-12 dropped",)


def test_small_coefficients_of_large_columns_count() -> None:
    """1e-10 · 2e10 = 2; HiGHS's own default would drop the coefficient and call the row infeasible."""
    case = program([1.0], [[1e-10]], [2], [INF], upper=[1e12])
    for name in ("highs", "scipy"):
        assert solve(case, name).objective == approx(2e10)


@pytest.mark.parametrize("name", ["highs", "scipy", "pulp:HiGHS"])
def test_presolve_that_calls_an_unbounded_program_infeasible(name: str) -> None:
    """min −y, 0 ≤ y − x − z ≤ 1 as two rows: x and y grow together. HiGHS 1.15.1's presolve: infeasible.

    The warning goes once HiGHS is mended; the answer must not.
    """
    case = program([0, -1, 0], [[-1, 1, -1], [-1, 1, -1]], [0, -INF], [INF, 1], upper=[INF, INF, 1])
    found = solve(case, name)
    assert found.stop is Stop.UNBOUNDED
    assert found.stats.warnings in ((), (WRONG,))


def test_highs_answer_that_is_out_by_a_rounding() -> None:
    """min x + 3z, 1 ≤ 3x + 3z ≤ 3, 0 ≤ x ≤ 2 whole, z ≥ −1: z = 1/3 − x, cost 1 − 2x = −1 at x = 1.

    At x = 2 z would be −5/3; with z = −1 it costs −1 as well. HiGHS 1.15.1: "Solve error".
    """
    case = program([1, 0, 3], [[3, -4, 3]], [1], [3], lower=[0, 0, -1], upper=[2, 0, INF], integer=[1, 0, 0])
    found = solve(case, "highs")
    assert found.stop is Stop.OPTIMAL
    assert found.objective == approx(-1, abs=1e-5)
    assert certify(case, found).ok


def test_an_optimum_that_presolve_lost() -> None:
    """HiGHS 1.15.1 said 1, and called it optimal."""
    case = lost_by_presolve()
    found = solve(case, "highs")
    assert found.stop is Stop.OPTIMAL
    assert (found.objective, found.bound) == (approx(0), approx(0))
    assert certify(case, found).ok


@pytest.mark.parametrize("name", ["highs", "scipy", "pulp:HiGHS"])
def test_stdout_is_left_alone(name: str) -> None:
    """HiGHS 1.16 greets there, past Python's own stdout, the first time in a process."""
    code = (
        f"from solver_cases import diet; from solvers import solve; print(solve(diet(), {name!r}).objective)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["8.0"]


@pytest.mark.skipif(os.name != "posix", reason="C's library has another name")
def test_what_native_code_prints_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """Also what C keeps in its buffer until later."""
    with stdout_to_stderr():
        ctypes.CDLL(None).printf(b"a solver at work\n")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr() == ("", "a solver at work\n")


def test_cbcs_box_around_an_unbounded_program() -> None:
    """max z, z ≤ x, y ≤ 0, z = x + y: z grows with x at y = 0. CBC: "optimal" at 1.23456789e10."""
    case = program(
        [0, 0, -1],
        [[0, 1, 0], [-1, -1, 1], [-1, 0, -1]],
        [-INF, 0, -INF],
        [0, 0, 0],
        lower=[0, -2, -1],
        integer=[0, 0, 1],
    )
    for name in ("highs", "pulp:COIN_CMD"):
        assert solve(case, name).stop is Stop.UNBOUNDED


def test_preprocessing_that_spoils_the_optimum() -> None:
    """min x, x − 4y + z ≥ 0, z ≥ −1 whole: 0, by x = y = z = 0. CBC of 2026-03: x = 1, z = −1, "optimal"."""
    case = program(
        [1, 0, 0], [[1, -4, 1]], [0], [INF], lower=[0, 0, -1], upper=[INF, 1, INF], integer=[0, 0, 1]
    )
    found = solve(case, "pulp:COIN_CMD")
    assert found.stop is Stop.OPTIMAL
    assert found.objective == approx(0)


def test_an_unbounded_program_that_simplex_calls_infeasible() -> None:
    """All zero is feasible, and columns 1 and 2 can grow together: (0, 1, 1, 0) keeps both rows."""
    case = program(
        [0, -1, 0, -1],
        [[0, 1, -1, -1], [0, -2, 1, 2]],
        [-INF, -INF],
        [0, 1],
        lower=[0, 0, 0, -1],
        upper=[0, INF, INF, INF],
    )
    for name in ("highs", "scipy", "pulp:HiGHS", "pulp:COIN_CMD"):
        assert solve(case, name).stop is Stop.UNBOUNDED


def test_a_wrong_infeasible_is_never_passed_on() -> None:
    """A solver that keeps saying so, while it finds a point for another objective: unknown, with the point."""

    def liar(case: LinearProgram, options: SolveOptions) -> Solution:
        answer = solve(case, "highs") if not case.cost.any() else Solution(Stop.INFEASIBLE)
        return settled(case, options, answer, liar, {"presolve": "off"})

    case = replace(diet(), col_lower=np.array([-INF, -INF]))
    found = liar(case, SolveOptions())
    assert found.stop is Stop.UNKNOWN
    assert found.point is not None
    assert found.objective == case.objective(found.point)
    assert found.stats.warnings == (WRONG,)


def test_out_of_time_while_settling_leaves_it_open() -> None:
    def slow(case: LinearProgram, options: SolveOptions) -> Solution:
        return Solution(Stop.TIME_LIMIT)

    open_answer = Solution(Stop.INFEASIBLE_OR_UNBOUNDED)
    assert settled(diet(), SolveOptions(), open_answer, slow, {}).stop is Stop.INFEASIBLE_OR_UNBOUNDED
    assert settled(diet(), SolveOptions(), Solution(Stop.INFEASIBLE), slow, {"p": 0}).stop is Stop.INFEASIBLE


def test_a_crash_of_a_solver_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(self: object, lp: object, **_: object) -> None:
        raise pulp.PulpSolverError("segmentation fault")

    monkeypatch.setattr(pulp.COIN_CMD, "actualSolve", crash)
    found = shell.solve(PulpBackend("COIN_CMD"), diet())
    assert found.stop is Stop.ERROR
    assert "segmentation fault" in found.stats.raw


def test_duals_that_prove_nothing_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solvers differ in the sign of a dual; a wrong price is worse than none."""
    honest = PulpModel.row_duals
    monkeypatch.setattr(PulpModel, "row_duals", lambda self: -np.asarray(honest(self)))
    found = solve(diet(), "pulp:COIN_CMD")
    assert found.stop is Stop.OPTIMAL
    assert found.duals is None
    assert "duals left out" in found.stats.warnings[0]


def test_a_solver_that_cannot_take_a_setting_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """GLPK_CMD has a time limit, but neither gap, threads nor seed."""
    backend = PulpBackend("GLPK_CMD")
    session = backend.session(diet(), SolveOptions())
    assert session.settings == {"timeLimit": 60.0}
    assert session.warnings == ["gap left to the solver", "threads left to the solver"]
    for options in (SolveOptions(threads=2), SolveOptions(seed=1), SolveOptions(gap=0.1)):
        with pytest.raises(OptionRejected, match="no such setting"):
            backend.session(diet(), options)


class Claims:
    """A session whose solver claims what it is told to."""

    def __init__(self, outcome: RawOutcome) -> None:
        self.outcome = outcome

    def load(self, start: object) -> None:
        pass

    def run(self) -> RawOutcome:
        return self.outcome


@given(value=st.integers(1, 9), stated=st.integers(0, 12), gap=st.sampled_from((0.0, 0.2, 0.5)))
def test_optimal_is_said_of_what_is_within_the_gap_of_its_bound(value: int, stated: int, gap: float) -> None:
    """min x, 0 ≤ x ≤ 9 whole, at a point that costs `value`: within the gap where `stated` ≥ (1 − gap) · value.

    HiGHS 1.16.0, given a point to start from, may state an objective and a bound below what its point costs, and
    "optimal" beside it: the point is an answer, with the gap that it has.
    """
    case = program([1], [[1]], [0], [9], upper=[9], integer=[1])
    outcome = RawOutcome(Stop.OPTIMAL, point=np.array([float(value)]), bound=float(stated), raw="Optimal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(highs, "session", lambda *_: Claims(outcome))
        found = shell.solve(highs, case, SolveOptions(gap=gap))  # type: ignore[arg-type]
    proven = stated >= (1 - gap) * value - 1e-9
    assert found.stop is (Stop.OPTIMAL if proven else Stop.EXHAUSTED)
    assert found.stats.warnings == (() if proven else (shell.APART,))
    assert (found.objective, found.bound) == (value, min(stated, value))
