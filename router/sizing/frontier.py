"""What less risk costs: the best plans at weights from expected cost alone to CVaR alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from problems.core.instance import Instance
from router.sizing.cluster import spread
from router.sizing.signed import Signed
from router.sizing.study import Study

ALL_BUT = (
    1.0 - 1e-4
)  # the weight solved for in place of 1, so that among equal CVaRs the lower expected cost counts


@dataclass(frozen=True)
class FrontierPoint:
    """The best plan at one weight. USD over the horizon."""

    cvar_weight: float
    expected_usd: float
    cvar_usd: float
    signs: tuple[Signed, ...]
    gap: float  # of the mixture of both at this weight


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
