"""What planning with scenarios is worth.

    RP    the sized plan's objective                     WS    mean of each scenario's own best (knowing the future)
    EV    the plan for the mean future, priced there     EEV   that plan's decision in all scenarios
    EVPI  = RP − WS, worth of knowing the future         VSS   = EEV − RP, worth of planning with scenarios

With a weight on risk the objective is (1 − ω) · mean + ω · CVaR in RP, WS and EEV alike, so that WS ≤ RP ≤ EEV holds.
Source: Birge and Louveaux, Introduction to Stochastic Programming, ch. 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from problems.core.encode import encode
from problems.core.instance import Floats, Instance
from router.decode import cvar
from router.optimise import optimise
from router.size.first_stage import settled_decision
from router.size.outcomes import Outcome, costs_of, outcomes
from solvers import SolveOptions


@dataclass(frozen=True)
class Measures:
    """USD over the horizon; eev and vss None where the mean plan fails in a scenario (then `eev_fails_in`)."""

    rp_usd: float
    ws_usd: float
    ev_usd: float
    eev_usd: float | None
    eev_fails_in: tuple[str, ...]
    cvar_usd: float
    cvar_level: float
    regret_usd: Mapping[str, float]  # by scenario: cost under the plan less that scenario's own best

    def as_dict(self) -> dict[str, object]:
        """The plan's `sizing` section."""
        return {
            "rp_usd": self.rp_usd,
            "ws_usd": self.ws_usd,
            "ev_usd": self.ev_usd,
            "eev_usd": self.eev_usd,
            "eev_fails_in": list(self.eev_fails_in),
            "evpi_usd": self.rp_usd - self.ws_usd,
            "vss_usd": None if self.eev_usd is None else self.eev_usd - self.rp_usd,
            "cvar_usd": self.cvar_usd,
            "cvar_level": self.cvar_level,
            "objective_usd": self.rp_usd,
            "regret_usd": dict(self.regret_usd),
        }


def objective(cost: Floats, inst: Instance) -> float:
    """(1 − ω) · mean + ω · CVaR of scenario costs (S,)."""
    weight = inst.policy.cvar_weight
    mean = float(inst.scenarios.probability @ cost)
    if weight == 0:
        return mean
    return (1 - weight) * mean + weight * cvar(cost, inst.scenarios.probability, inst.policy.cvar_level)


def measure(
    inst: Instance, planned: Sequence[Outcome], solver: str, options: SolveOptions, workers: int
) -> Measures:
    """All measures of a sized plan, given what it costs in each scenario."""
    cost = costs_of(planned)
    best = costs_of(outcomes(inst, None, solver, options, workers=workers))
    mean = replace(inst, scenarios=inst.scenarios.mean(), policy=replace(inst.policy, cvar_weight=0.0))
    found = optimise(encode(mean), solver, options)
    decision = settled_decision(found.encoded, found.point)
    of_mean = outcomes(inst, decision, solver, options, workers=workers)
    fails = tuple(one.name for one in of_mean if one.cost_usd is None)
    ev = float(found.encoded.program.objective(found.point))
    return Measures(
        rp_usd=objective(cost, inst),
        ws_usd=objective(np.minimum(best, cost), inst),
        ev_usd=ev,
        eev_usd=None if fails else objective(costs_of(of_mean), inst),
        eev_fails_in=fails,
        cvar_usd=cvar(cost, inst.scenarios.probability, inst.policy.cvar_level),
        cvar_level=inst.policy.cvar_level,
        regret_usd={
            one.name: max(float(mine - own), 0.0) for one, mine, own in zip(planned, cost, best, strict=True)
        },
    )
