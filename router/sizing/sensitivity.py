"""How the advice moves with demand, and with the weight on risk.

Flips: how far demand may move before the advice does, and how much is signed on the way. All demand is multiplied,
down to a tenth and up to tenfold. All strides are tried, for the advice may change again; then the interval of the
first change is halved.

Frontier: what less risk costs, by the best plans at weights from expected cost alone to CVaR alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from problems.core.instance import Instance
from router.plan.sizing import DemandStep, Flip, FrontierPoint
from router.sizing.cluster import spread
from router.sizing.signatures import Advice, advice
from router.sizing.study import Best, Study, grown

STRIDES = (1.25, 1.6, 2.5, 5.0, 10.0)
CLOSE = 0.01
ALL_BUT = 1.0 - 1e-4  # the weight solved for in place of 1: among equal CVaRs the lower expected cost counts


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
        steps: list[DemandStep] = []
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
    def _direction(self) -> Literal["down", "up"]:
        return "up" if self.up else "down"

    def _at(self, factor: float) -> Best | None:
        return self.study.try_best(grown(self.inst, factor))

    def _changed(self, found: Best | None) -> bool:
        return found is None or advice(found.signs) != self.advised


def _step(at: float, found: Best | None) -> DemandStep:
    if found is None:
        return DemandStep(at, False, None, ())
    return DemandStep(at, True, found.expected_usd, found.signs)


def frontier(study: Study, inst: Instance, points: int) -> tuple[FrontierPoint, ...]:
    """`points` weights, evenly from 0 to 1; at the level of the problem's `risk`."""
    weights = np.linspace(0.0, 1.0, points) if points > 1 else np.zeros(points)
    tasks = [_Point(study.alone(), inst, float(weight)) for weight in weights]
    return tuple(spread(_Point.run, tasks, study.workers))


@dataclass(frozen=True)
class _Point:
    study: Study
    inst: Instance
    weight: float

    def run(self) -> FrontierPoint:
        policy = replace(self.inst.policy, cvar_weight=min(self.weight, ALL_BUT))
        best = self.study.best(replace(self.inst, policy=policy))
        return FrontierPoint(self.weight, best.expected_usd, best.cvar_usd, best.signs, best.gap)
