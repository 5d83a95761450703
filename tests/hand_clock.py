"""A clock for deadlines that a test sets, or that goes on by itself at each look: limits of time without waiting."""

from __future__ import annotations

import pytest

import solvers.core.deadline as deadline


class HandClock:
    """Seconds that pass as a test says; `tick_s`: at each look too."""

    def __init__(self, tick_s: float = 0.0) -> None:
        self.s, self.tick_s = 100.0, tick_s

    def __call__(self) -> float:
        self.s += self.tick_s
        return self.s


def set_clock(monkeypatch: pytest.MonkeyPatch, tick_s: float = 0.0) -> HandClock:
    """Puts a clock in the place of the machine's, for every deadline."""
    clock = HandClock(tick_s)
    monkeypatch.setattr(deadline, "monotonic", clock)
    return clock
