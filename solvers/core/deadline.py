"""The moment by which a command ends: made once, when the command begins, and handed on to all that works for it.

    at     no search goes on beyond it
    last   what was found by then is finished until here: an overtime of 5 % of the limit, at least 1 s

A share of the time that is left is another deadline, an earlier one: so no part can have more than the whole. Moments
are of this machine's monotonic clock, which its processes share; to another machine goes the time that is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from time import monotonic

OVERTIME, LEAST_OVERTIME_S = 0.05, 1.0


@dataclass(frozen=True)
class Deadline:
    """Moments of `time.monotonic`, in s; inf: never."""

    at: float = inf
    last: float = inf

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """So many seconds from now on; None: never."""
        if seconds is None:
            return cls()
        at = monotonic() + seconds
        return cls(at, at + max(OVERTIME * seconds, LEAST_OVERTIME_S))

    @property
    def left_s(self) -> float:
        """Seconds until then, never below 0."""
        return max(self.at - monotonic(), 0.0)

    @property
    def passed(self) -> bool:
        return monotonic() >= self.at

    def sooner(self, share: float = 1.0, most_s: float = inf) -> Deadline:
        """After a share of the time that is left, and after at most so many seconds of it."""
        return replace(self, at=min(self.at, monotonic() + min(share * self.left_s, most_s)))

    @property
    def overtime(self) -> Deadline:
        """For what is found already, and only to be finished."""
        return replace(self, at=self.last)

    def __reduce__(self) -> tuple[Callable[[float, float], Deadline], tuple[float, float]]:
        now = monotonic()
        return _received, (self.at - now, self.last - now)


def _received(at_s: float, last_s: float) -> Deadline:
    """A deadline from another process, by the seconds that were left of it."""
    now = monotonic()
    return Deadline(now + at_s, now + last_s)
