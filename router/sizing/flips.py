"""How far demand may move before the advice does, and how much is signed on the way.

All demand is multiplied, down to a tenth and up to tenfold. All strides are tried, for the advice may change again;
then the interval of the first change is halved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from problems.core.instance import Instance
from router.sizing.cluster import spread
from router.sizing.signed import Advice, Signed, advice
from router.sizing.study import Best, Study, grown

STRIDES = (1.25, 1.6, 2.5, 5.0, 10.0)
CLOSE = 0.01


@dataclass(frozen=True)
class Step:
    """What is signed at a multiple of all demand; `feasible`: whether there is a plan there."""

    at: float
    feasible: bool
    expected_usd: float | None
    signs: tuple[Signed, ...]


@dataclass(frozen=True)
class Flip:
    """How far demand can go, down or up, until something else should be signed, whatever the amounts.

    at        multiple of all demand at which the advice has changed (within 1 %); None: not between 0.1 and 10
    feasible  whether there is a plan at all at that multiple; if not, `signs` is empty
    gap       the largest that a search for it ended with: within it, the advice may be another
    steps     what is signed at the strides, those beyond the change too
    """

    direction: str  # "down" | "up"
    at: float | None
    feasible: bool
    signs: tuple[Signed, ...]
    gap: float
    steps: tuple[Step, ...]


def flips(study: Study, best: Best) -> tuple[Flip, ...]:
    """Where the advice changes as all demand shrinks, and as it grows."""
    tasks = [_Flip(study.alone(), best.inst, advice(best.signs), up) for up in (False, True)]
    return tuple(spread(_Flip.run, tasks, study.workers))


@dataclass(frozen=True)
class _Flip:
    study: Study
    inst: Instance
    advised: Advice
    up: bool

    def run(self) -> Flip:
        steps: list[Step] = []
        same, other, found, gap = 1.0, None, None, 0.0
        for stride in STRIDES:
            at = stride if self.up else 1.0 / stride
            tried = self._at(at)
            gap = max(gap, 0.0 if tried is None else tried.gap)
            steps.append(_step(at, tried))
            if other is None and self._changed(tried):
                other, found = at, tried
            if other is None:
                same = at
        if other is None:
            return Flip(self._direction, None, True, (), gap, tuple(steps))
        while max(same, other) / min(same, other) > 1.0 + CLOSE:
            middle = float(np.sqrt(same * other))
            tried = self._at(middle)
            gap = max(gap, 0.0 if tried is None else tried.gap)
            if self._changed(tried):
                other, found = middle, tried
            else:
                same = middle
        signs = () if found is None else found.signs
        return Flip(self._direction, other, found is not None, signs, gap, tuple(steps))

    @property
    def _direction(self) -> str:
        return "up" if self.up else "down"

    def _at(self, factor: float) -> Best | None:
        return self.study.try_best(grown(self.inst, factor))

    def _changed(self, found: Best | None) -> bool:
        return found is None or advice(found.signs) != self.advised


def _step(at: float, found: Best | None) -> Step:
    if found is None:
        return Step(at, False, None, ())
    return Step(at, True, found.expected_usd, found.signs)
