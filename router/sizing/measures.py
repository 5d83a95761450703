"""What planning with scenarios is worth.

    RP    the sized plan's objective                     WS    mean of each scenario's own best (knowing the future)
    EV    the plan for the mean future, priced there     EEV   that plan's decision in all scenarios
    EVPI  = RP − WS, worth of knowing the future         VSS   = EEV − RP, worth of planning with scenarios

With a weight on risk the objective is (1 − ω) · mean + ω · CVaR in RP, WS and EEV alike, so that WS ≤ RP ≤ EEV holds.
Source: Birge and Louveaux, Introduction to Stochastic Programming, ch. 4.

Out of sample: scenarios are drawn afresh by the same generator from another stream of its seed, all equally probable
and none left out. The first stage stays as planned; the second is solved in each. Other decisions are priced in the
same futures: the differences, future by future, say more than two means. Listed scenarios are all there is: nothing can
be drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from problems.core.arrays import Floats
from problems.core.decision import Decision
from problems.core.encode import encode
from problems.core.instance import Instance
from router import scenarios
from router.normalise.scenarios import from_draw
from router.plan.sizing import Against, FreshFuture, OutOfSample, Sizing
from router.schema import Problem
from router.sizing.best import Best, figures
from router.sizing.first_stage import settled_decision
from router.sizing.options import Study
from router.sizing.outcomes import costs_of, outcomes, outcomes_under, search
from router.sizing.signatures import signed_by
from solvers.two_stage.risk import NEUTRAL, cvar

CONFIDENCE = 0.95
WORST = 5  # scenarios named


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
    mean = replace(inst, scenarios=inst.scenarios.mean(), policy=replace(inst.policy, risk=NEUTRAL))
    plan = search(encode(mean), study)
    decision = settled_decision(plan.encoded, plan.point)
    own, of_mean = outcomes_under(inst, (None, decision), study)
    return Baselines(
        own_usd=costs_of(own),
        ev_usd=plan.objective_usd,
        mean_plan=decision,
        of_mean_usd=costs_of(of_mean),
        fails_in=tuple(outcome.name for outcome in of_mean if outcome.cost_usd is None),
    )


def measured(sizing: Sizing, best: Best, base: Baselines) -> Sizing:
    """The section with all measures; EEV and VSS absent where the plan for the mean fails in a scenario."""
    inst, cost = best.inst, best.cost
    own = np.minimum(base.own_usd, cost)
    ws, rp = figures(own, inst).objective_usd, best.objective_usd
    eev = None if base.fails_in else figures(base.of_mean_usd, inst).objective_usd
    return replace(
        sizing,
        ws_usd=ws,
        ev_usd=base.ev_usd,
        eev_usd=eev,
        eev_fails_in=base.fails_in,
        eev_signs=signed_by(inst, base.mean_plan),
        evpi_usd=rp - ws,
        vss_usd=None if eev is None else eev - rp,
        regret_usd=dict(zip(inst.scenarios.names, (cost - own).tolist(), strict=True)),
    )


def out_of_sample(
    problem: Problem, study: Study, best: Best, others: Mapping[str, Decision], *, count: int, seed: int
) -> OutOfSample:
    """The plan's `sizing.out_of_sample`: cost of its decision in `count` fresh futures, against what it expects.

    Mean and interval are over the futures that can be served; `failed` counts the others, which have no cost. One such
    future is in the tail, whatever the level: then CVaR is null.
    """
    inst = replace(best.inst, scenarios=from_draw(problem, scenarios.fresh_draw(problem, count, seed)))
    futures = outcomes(inst, best.decision, study)
    cost = costs_of(futures)
    served = np.isfinite(cost)
    served_usd, level = cost[served], inst.policy.risk.level
    low, high = interval(served_usd)
    worst = np.argsort(-np.where(served, cost, np.inf), kind="stable")[:WORST]
    return OutOfSample(
        count=count,
        seed=seed,
        failed=int((~served).sum()),
        fails_in=tuple(future.name for future in futures if future.cost_usd is None)[:WORST],
        mean_usd=float(served_usd.mean()) if len(served_usd) else None,
        ci95_usd=(low, high),
        unserved_usd=float(np.mean([future.unserved_usd for future in futures])),
        cvar_usd=cvar(cost, inst.scenarios.probability, level) if served.all() else None,
        cvar_ci95_usd=tail_interval(cost, level) if served.all() else (None, None),
        cvar_level=level,
        rp_inside_ci=low is not None and high is not None and low <= best.expected_usd <= high,
        worst=tuple(
            FreshFuture(futures[s].name, futures[s].cost_usd, _demand_over_stated(inst, s))
            for s in worst.tolist()
        ),
        against=tuple(_against(study, inst, what, decision, cost) for what, decision in others.items()),
    )


def _against(study: Study, inst: Instance, what: str, decision: Decision, cost: Floats) -> Against:
    other = costs_of(outcomes(inst, decision, study))
    both = np.isfinite(cost) & np.isfinite(other)
    more = other[both] - cost[both]
    return Against(
        what=what,
        more_usd=float(more.mean()) if len(more) else None,
        ci95_usd=interval(more),
        dearer_in=float((more > 0).mean()) if len(more) else None,
        failed=int((~np.isfinite(other)).sum()),
    )


def interval(values: Floats) -> tuple[float | None, float | None]:
    """The 95 % confidence interval of the mean of values (n,), by Student's t; None for fewer than two."""
    if len(values) < 2:
        return None, None
    from scipy.special import stdtrit  # here: only fresh futures ask for it

    half = float(stdtrit(len(values) - 1, 0.5 + CONFIDENCE / 2) * values.std(ddof=1) / sqrt(len(values)))
    mean = float(values.mean())
    return mean - half, mean + half


def tail_interval(values: Floats, level: float) -> tuple[float | None, float | None]:
    """The 95 % confidence interval of CVaR, q + mean(max(x − q, 0)) / (1 − α) with q the α-quantile, as of a mean.

    Rockafellar and Uryasev's form; that q is an estimate too matters less than the rest (Trindade et al. 2007).
    """
    quantile = float(np.quantile(values, level, method="inverted_cdf"))
    low, high = interval(np.maximum(values - quantile, 0.0) / (1.0 - level))
    return (None, None) if low is None or high is None else (quantile + low, quantile + high)


def _demand_over_stated(inst: Instance, s: int) -> float:
    """Tokens of a future over those stated."""
    cells, path = inst.cells, inst.scenarios.path
    if path is None or not len(cells):
        return 1.0
    tokens = cells.work * np.maximum(inst.workloads.tokens[cells.workload], 1e-300)
    first = cells.slot_period[np.searchsorted(cells.slot_cell, np.arange(len(cells)))]
    return float((tokens * path[s, cells.workload, first]).sum() / tokens.sum())
