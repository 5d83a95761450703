"""What planning with scenarios is worth.

    RP    the sized plan's objective                     WS    mean of each scenario's own best (knowing the future)
    EV    the plan for the mean future, priced there     EEV   that plan's decision in all scenarios
    EVPI  = RP − WS, worth of knowing the future         VSS   = EEV − RP, worth of planning with scenarios

With a weight on risk the objective is (1 − ω) · mean + ω · CVaR in RP, WS and EEV alike, so that WS ≤ RP ≤ EEV holds.
Source: Birge and Louveaux, Introduction to Stochastic Programming, ch. 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from problems.core.decision import Decision
from problems.core.encode import encode
from problems.core.instance import Floats, Instance
from router.sizing.first_stage import settled_decision
from router.sizing.outcomes import costs_of, outcomes, unhurried
from router.sizing.search import search
from router.sizing.signed import Signed, signed_by
from router.sizing.study import Best, Study, objective


@dataclass(frozen=True)
class Baselines:
    """What the sized plan is held against: each scenario's own best, and the plan for the mean future."""

    own_usd: Floats  # (S,)
    ev_usd: float
    mean_plan: Decision
    of_mean_usd: Floats  # (S,) under the plan for the mean; inf where it fails
    fails_in: tuple[str, ...]


def baselines(study: Study, inst: Instance) -> Baselines:
    """Two solves per scenario, and one of the mean."""
    own = costs_of(outcomes(inst, None, study.solver, study.options, workers=study.workers))
    mean = replace(inst, scenarios=inst.scenarios.mean(), policy=replace(inst.policy, cvar_weight=0.0))
    found = search(encode(mean), study.solver, unhurried(study.options))
    decision = settled_decision(found.encoded, found.point)
    of_mean = outcomes(inst, decision, study.solver, study.options, workers=study.workers)
    return Baselines(
        own_usd=own,
        ev_usd=float(found.encoded.program.objective(found.point)),
        mean_plan=decision,
        of_mean_usd=costs_of(of_mean),
        fails_in=tuple(one.name for one in of_mean if one.cost_usd is None),
    )


@dataclass(frozen=True)
class Measures:
    """USD over the horizon; eev and vss None where the mean plan fails in a scenario (then `eev_fails_in`)."""

    rp_usd: float
    ws_usd: float
    ev_usd: float
    eev_usd: float | None
    eev_fails_in: tuple[str, ...]
    eev_signs: tuple[Signed, ...]  # what the plan for the mean signs
    regret_usd: Mapping[str, float]  # by scenario: cost under the plan less that scenario's own best

    @property
    def evpi_usd(self) -> float:
        return self.rp_usd - self.ws_usd

    @property
    def vss_usd(self) -> float | None:
        return None if self.eev_usd is None else self.eev_usd - self.rp_usd


def measures(best: Best, base: Baselines) -> Measures:
    """All measures of a sized plan."""
    inst, cost = best.inst, best.cost
    own = np.minimum(base.own_usd, cost)
    return Measures(
        rp_usd=best.objective_usd,
        ws_usd=objective(own, inst),
        ev_usd=base.ev_usd,
        eev_usd=None if base.fails_in else objective(base.of_mean_usd, inst),
        eev_fails_in=base.fails_in,
        eev_signs=signed_by(inst, base.mean_plan),
        regret_usd=dict(zip(inst.scenarios.names, (cost - own).tolist(), strict=True)),
    )
