"""One deadline for a whole command: shares of it, overtime, the way to other processes, and that all hand it on."""

from __future__ import annotations

import pickle
import re
import subprocess
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pulp
import pytest
from hand_clock import HandClock, set_clock
from pytest import approx
from solver_cases import diet, large_lp, market_split

from router.commands import options as flags
from solvers import SolveOptions, Stop, solve
from solvers.core.deadline import Deadline
from solvers.highs_relaxation import HighsRelaxation
from solvers.via_pulp import PulpSession

ROOT = Path(__file__).parent.parent


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    return set_clock(monkeypatch)


def test_what_a_command_loads_before_it_begins_is_in_its_time(
    now: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 s 3 are spent on imports: 57 are left, and with the overtime of 3 s 60."""
    monkeypatch.setattr(flags, "clock_s", lambda: 1_003.0)
    search = flags.SearchFlags("highs", 1e-6, 60.0, 1, 0, False, (), since=1_000.0)
    begun = search.begun()
    assert (begun.left_s, begun.finishing.left_s, begun.time_limit_s) == approx((57.0, 60.0, 60.0))
    now.s += 57.0
    assert begun.late
    endless = flags.SearchFlags("highs", 1e-6, inf, 1, 0, False, (), since=0.0).begun()
    assert endless.left_s == inf


def test_a_limit_runs_from_the_moment_that_it_is_begun(now: HandClock) -> None:
    """60 s asked for: 60 left before it runs; begun at 100 and looked at 20 s later, 40. What was asked stays 60."""
    asked = SolveOptions(time_limit_s=60.0)
    now.s = 90.0
    assert asked.left_s == 60.0
    now.s = 100.0
    begun = asked.begun()
    now.s = 120.0
    assert begun.left_s == 40.0
    assert begun.begun().left_s == 40.0  # what runs is not begun anew
    assert begun.time_limit_s == 60.0
    assert begun == asked
    now.s = 161.0
    assert begun.left_s == 0.0
    assert begun.late


def test_a_part_never_has_more_than_the_whole(now: HandClock) -> None:
    """Of 60 s a quarter is 15; a quarter of what is left 8 s later of those, 7, is 1.75; 100 s at most are still 7."""
    part = SolveOptions(time_limit_s=60.0).begun().within(0.25)
    assert part.left_s == 15.0
    now.s = 108.0
    assert part.within(0.25).left_s == 1.75
    assert part.within(most_s=100.0).left_s == 7.0
    assert part.within(most_s=5.0).left_s == 5.0


def test_overtime_is_5_percent_and_at_least_a_second(now: HandClock) -> None:
    """Of 60 s: 3, also of a part that ended long before; of 2 s: 1."""
    part = SolveOptions(time_limit_s=60.0).begun().within(0.01)
    now.s = 160.0
    assert part.late
    assert part.finishing.left_s == approx(3.0)
    assert SolveOptions(time_limit_s=2.0).begun().finishing.left_s == approx(3.0)


def test_without_a_limit_nothing_ends() -> None:
    options = SolveOptions(time_limit_s=None).begun()
    assert options.left_s == options.within(0.1).left_s == options.finishing.left_s == inf
    assert not options.late


def test_another_process_of_this_machine_has_the_same_moment(now: HandClock) -> None:
    """40 of 60 s are left when it is sent, and 30 once a process that took 10 s to start has it."""
    deadline = Deadline.after(60.0)
    now.s = 120.0
    sent = pickle.dumps(deadline)
    now.s = 130.0
    received: Deadline = pickle.loads(sent)
    assert received == deadline
    assert (received.left_s, received.overtime.left_s) == (30.0, 33.0)


def test_another_machine_gets_the_seconds_that_are_left(
    now: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock may have begun at another time: 40 of 60 s are left, whatever it shows."""
    deadline = Deadline.after(60.0)
    now.s = 120.0
    sent = pickle.dumps(deadline)
    monkeypatch.setattr("solvers.core.deadline._machine", lambda: "another")
    now.s = 5_000.0
    received: Deadline = pickle.loads(sent)
    assert received.left_s == approx(40.0)
    assert received.overtime.left_s == approx(43.0)
    assert pickle.loads(pickle.dumps(Deadline())) == Deadline()


def test_no_solver_is_asked_when_no_time_is_left(now: HandClock) -> None:
    begun = SolveOptions(time_limit_s=1.0).begun()
    now.s = 102.0
    answer = solve(diet(), "highs", begun)
    assert (answer.stop, answer.point) == (Stop.TIME_LIMIT, None)
    assert answer.stats.raw == "no time was left for it"


def test_what_the_clock_ends_is_written_for_the_whole_command(now: HandClock) -> None:
    """A share of 15 of 60 s is over after 20: all that was made of the same deadline knows, before and after."""
    whole = SolveOptions(time_limit_s=60.0).begun()
    part = whole.within(0.25)
    assert (part.late, whole.ended_by_clock) == (False, False)
    now.s = 120.0
    assert (whole.late, whole.ended_by_clock) == (False, False)
    assert part.late
    assert whole.ended_by_clock
    assert whole.finishing.ended_by_clock
    assert whole.within(0.5).ended_by_clock
    assert not SolveOptions(time_limit_s=60.0).begun().ended_by_clock  # another command


def test_what_is_left_out_for_want_of_time_is_written(now: HandClock) -> None:
    begun = SolveOptions(time_limit_s=60.0).begun()
    assert (begun.short_of(59.0), begun.ended_by_clock) == (False, False)
    assert (begun.short_of(61.0), begun.ended_by_clock) == (True, True)
    assert not SolveOptions(time_limit_s=None).begun().short_of(1e9)


@pytest.mark.parametrize("backend", ["highs", "scipy", "pulp:COIN_CMD"])
def test_a_solver_that_its_clock_ends_is_written(backend: str) -> None:
    """Rows of a market split, of which a tree comes to no end; and a program that is at its end at once."""
    begun = SolveOptions(time_limit_s=0.3).begun()
    long, short = market_split(), SolveOptions().begun()
    assert solve(long, backend, begun).stop is Stop.TIME_LIMIT
    assert begun.ended_by_clock
    assert solve(diet(), backend, short).stop is Stop.OPTIMAL
    assert not short.ended_by_clock


def test_a_relaxation_that_its_clock_ends_is_written() -> None:
    whole = Deadline.after(60.0)
    program = large_lp()
    ended = HighsRelaxation(program, deadline=whole.sooner(most_s=0.0))
    assert ended.solve(np.empty(0), np.empty(0)).stop is Stop.TIME_LIMIT
    assert whole.ended.by_clock


def test_another_process_brings_back_what_its_clock_ended(now: HandClock) -> None:
    """The record and the deadlines that are sent with it stay one; without a word from there nothing is written."""
    whole = Deadline.after(60.0)
    ended, part = pickle.loads(pickle.dumps((whole.ended, whole.sooner(0.1))))
    assert not ended.by_clock
    now.s = 110.0
    assert part.passed
    assert ended.by_clock
    assert not whole.ended.by_clock
    assert pickle.loads(pickle.dumps(ended)).by_clock


@pytest.mark.parametrize(("model_s", "left"), [(20.0, "30.0"), (60.0, None)])
def test_cbc_has_what_is_left_once_its_model_and_its_file_are_made(
    model_s: float, left: str | None, now: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 s PuLP's model takes 20 and its file 10: CBC has 30. Where the model takes all of it, CBC is not asked."""
    load, write, run = PulpSession.load, pulp.LpProblem.writeMPS, subprocess.Popen
    limits = list[str]()

    def loaded(self: PulpSession, start: Any) -> None:
        load(self, start)
        now.s += model_s

    def written(self: pulp.LpProblem, *asked: Any, **how: Any) -> Any:
        now.s += 10.0
        return write(self, *asked, **how)

    def begun(command: list[str], **how: Any) -> Any:
        limits.append(command[command.index("-sec") + 1])
        return run(command, **how)

    monkeypatch.setattr(PulpSession, "load", loaded)
    monkeypatch.setattr(pulp.LpProblem, "writeMPS", written)
    monkeypatch.setattr(subprocess, "Popen", begun)
    answer = solve(diet(), "pulp:COIN_CMD", SolveOptions(time_limit_s=60.0).begun())
    assert answer.stop is (Stop.TIME_LIMIT if left is None else Stop.OPTIMAL)
    assert limits == ([] if left is None else [left])


def test_no_part_of_a_command_makes_a_limit_of_its_own() -> None:
    """Shares of the time that is left are taken with `within`; a new limit stands where a command begins, and nowhere
    else."""
    ours = re.compile(r"time_limit_s=(?!None if|.*left_s)")
    makers = {
        path.relative_to(ROOT).as_posix()
        for package in ("router", "problems", "solvers")
        for path in (ROOT / package).rglob("*.py")
        if ours.search(path.read_text(encoding="utf-8"))
    }
    # the example of the docstring, and the steps of a replay, each a command of its own
    assert makers == {"solvers/__init__.py", "router/backtesting/run.py"}
