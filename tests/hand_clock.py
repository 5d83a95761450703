"""A clock for deadlines that a test sets, or that goes on by itself at each look: limits of time without waiting."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from time import monotonic

import pytest

import solvers.core.deadline as deadline
import solvers.highs as highs
import solvers.highs_relaxation as highs_relaxation


class HandClock:
    """Seconds that pass as a test says; `tick_s`: at each look too."""

    def __init__(self, tick_s: float = 0.0) -> None:
        self.s, self.tick_s = 100.0, tick_s

    def __call__(self) -> float:
        self.s += self.tick_s
        return self.s


class PacedClock:
    """The machine's clock, so many times as fast; `jumps_s`: with jumps of up to so many seconds, drawn by a seed."""

    def __init__(self, pace: float = 1.0, jumps_s: float = 0.0, seed: int = 0) -> None:
        self.pace, self.jumps_s, self.random = pace, jumps_s, Random(seed)
        self.first, self.more_s = monotonic(), 0.0

    def __call__(self) -> float:
        if self.random.random() < 0.1:
            self.more_s += self.jumps_s * self.random.random()
        return 100.0 + self.pace * (monotonic() - self.first) + self.more_s


class JumpingClock:
    """A clock that stands, but for one jump when it is looked at for the nth time."""

    def __init__(self, at_look: int, jump_s: float) -> None:
        self.at_look, self.jump_s, self.looks = at_look, jump_s, 0

    def __call__(self) -> float:
        self.looks += 1
        return 100.0 + (self.jump_s if self.looks >= self.at_look else 0.0)


def put_clock(monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float], pace: float = 1.0) -> None:
    """In the place of the machine's, for every deadline; limits that HiGHS keeps by itself are as much shorter."""
    monkeypatch.setattr(deadline, "monotonic", clock)
    set_option = highs.set_option

    def paced(h: object, key: str, value: object, solver: str) -> None:
        limit = key == "time_limit" and isinstance(value, float)
        set_option(h, key, value / pace if limit and isinstance(value, float) else value, solver)

    monkeypatch.setattr(highs, "set_option", paced)
    monkeypatch.setattr(highs_relaxation, "set_option", paced)


def set_clock(monkeypatch: pytest.MonkeyPatch, tick_s: float = 0.0) -> HandClock:
    """Puts a clock in the place of the machine's, for every deadline."""
    clock = HandClock(tick_s)
    monkeypatch.setattr(deadline, "monotonic", clock)
    return clock
