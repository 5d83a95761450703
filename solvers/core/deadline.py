"""The moment by which a command ends: made once, when the command begins, and handed on to all that works for it.

    at     no search goes on beyond it
    last   what was found by then is finished until here: an overtime of 5 % of the limit, at least 1 s

A share of the time that is left is another deadline, an earlier one: so no part can have more than the whole. Moments
are of this machine's monotonic clock, which its processes share; to another machine goes the time that is left.

No step of a search asks a clock elsewhere: where the answer is that the time is up, the record that all shares have in
common is written (`ended`), and the plan says so. A limit that a solver keeps by itself is written down by who called
it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf
from pathlib import Path
from platform import node
from time import monotonic

from solvers.core.ended import Ended

OVERTIME, LEAST_OVERTIME_S = 0.05, 1.0


@dataclass(frozen=True)
class Deadline:
    """Moments of `time.monotonic`, in s; inf: never. `ended`: shared with all that is made of it."""

    at: float = inf
    last: float = inf
    ended: Ended = field(default_factory=Ended, compare=False, repr=False)

    @classmethod
    def after(cls, seconds: float | None, spent_s: float = 0.0) -> Deadline:
        """So many seconds from now on, less those that are spent; None: never."""
        if seconds is None:
            return cls()
        at = monotonic() + seconds - spent_s
        return cls(at, at + max(OVERTIME * seconds, LEAST_OVERTIME_S))

    @property
    def left_s(self) -> float:
        """Seconds until then, never below 0: for a solver's own limit, and for who watches. See `short_of`."""
        return max(self.at - monotonic(), 0.0)

    @property
    def passed(self) -> bool:
        """Whether it is over; if so, that is written down."""
        return self.ended.note(monotonic() >= self.at)

    def short_of(self, seconds: float) -> bool:
        """Whether less is left than that; if so, that is written down."""
        return self.ended.note(self.left_s < seconds)

    def sooner(self, share: float = 1.0, most_s: float = inf) -> Deadline:
        """After a share of the time that is left, and after at most so many seconds of it."""
        return replace(self, at=min(self.at, monotonic() + min(share * self.left_s, most_s)))

    @property
    def overtime(self) -> Deadline:
        """For what is found already, and only to be finished."""
        return replace(self, at=self.last)

    def __reduce__(self) -> tuple[Callable[..., Deadline], tuple[str, float, float, float, Ended]]:
        return _received, (_machine(), monotonic(), self.at, self.last, self.ended)


def _received(machine: str, sent: float, at: float, last: float, ended: Ended) -> Deadline:
    """A deadline from another process: its moments where the clock is the same, so that the time that a process takes
    to start is in it; else by the seconds that were left when it was sent."""
    later = 0.0 if machine == _machine() else monotonic() - sent
    return Deadline(at + later, last + later, ended)


@cache
def _machine() -> str:
    """Whose clock it is: one for all processes from one start of a machine to the next."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return node()


def clock_s() -> float:
    """Seconds from some moment on: for how long a step took, which is told, or asked `short_of`."""
    return monotonic()
