"""Risk of a cost over scenarios: the mean of its worst part, and the mix of that with the mean that is minimised.

    CVaR = (1 / (1 − α)) · Σ_s share[s] · cost[s]     share: of the dearest scenarios' probability, 1 − α in all
    mix  = (1 − ω) · expected + ω · CVaR              in [expected, CVaR]

Source: Rockafellar and Uryasev, "Conditional value-at-risk for general loss distributions" (2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solvers.core.program import Floats


@dataclass(frozen=True)
class TailRisk:
    """Level α, in [0, 1), and weight ω, in [0, 1], of CVaR in what is minimised."""

    level: float = 0.95
    weight: float = 0.0

    def mix(self, expected: float, cost: Floats, probability: Floats) -> float:
        """The objective of scenario costs (S,), whose mean is `expected`."""
        if self.weight == 0:
            return expected
        return (1 - self.weight) * expected + self.weight * cvar(cost, probability, self.level)


NEUTRAL = TailRisk()
"""Expected cost alone."""


def cvar(cost: Floats, probability: Floats, level: float) -> float:
    """Mean cost (S,) of the worst 1 − level of the probability (S,), a scenario on the border counting in part."""
    order = np.argsort(-cost, kind="stable")
    share = np.diff(np.minimum(np.cumsum(probability[order]), 1.0 - level), prepend=0.0)
    return float(share @ cost[order] / (1.0 - level))
