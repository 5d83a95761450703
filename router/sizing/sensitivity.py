"""How the advice moves with demand, and with the weight on risk.

Flips: how far demand may move before the advice does, and how much is signed on the way. All demand is multiplied,
down to a tenth and up to tenfold. All strides are tried, for the advice may change again; then the interval of the
first change is halved.

Frontier: what less risk costs, by the best plans at weights from expected cost alone to CVaR alone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from problems.core.instance import Instance
from router.plan.sizing import DemandStep, Flip, FrontierPoint
from router.sizing.best import Best, best_plan, grown, try_best_plan
from router.sizing.joint import Asked, kept
from router.sizing.options import Study
from router.sizing.signatures import Advice, advice

Direction = Literal["down", "up"]
DIRECTIONS: tuple[Direction, ...] = ("down", "up")
STRIDES = (1.25, 1.6, 2.5, 5.0, 10.0)
CLOSE = 0.01
ALL_BUT = 1.0 - 1e-4  # the weight solved for in place of 1: among equal CVaRs the lower expected cost counts


def flips(study: Study, best: Best) -> tuple[tuple[Flip, ...], list[str]]:
    """Where the advice changes as all demand shrinks, and as it grows; and what of it no time was left for."""
    work = partial(_flip, asked=Asked.of(best.inst), advised=advice(best.signs))
    rows = dict(zip(DIRECTIONS, study.answered(work, DIRECTIONS), strict=True))
    late = [
        f"when the advice flips as demand goes {direction}" for direction, row in rows.items() if row is None
    ]
    return tuple(row for row in rows.values() if row is not None), late


def _flip(study: Study, direction: Direction, *, asked: Asked, advised: Advice) -> Flip:
    gap, inst, search = 0.0, asked.inst, kept(asked, study)

    def plan_at(factor: float) -> Best | None:
        nonlocal gap
        other = grown(inst, factor)
        plan = try_best_plan(study, other, None if search is None else search.grown(other, factor))
        gap = max(gap, 0.0 if plan is None else plan.gap)
        return plan

    def changed(plan: Best | None) -> bool:
        return plan is None or advice(plan.signs) != advised

    at = STRIDES if direction == "up" else tuple(1.0 / stride for stride in STRIDES)
    plans = [plan_at(factor) for factor in at]
    steps = tuple(_step(*pair) for pair in zip(at, plans, strict=True))
    first = next((k for k, plan in enumerate(plans) if changed(plan)), None)
    if first is None:
        return Flip(direction, None, True, (), gap, steps)
    same, other, beyond = at[first - 1] if first else 1.0, at[first], plans[first]
    while max(same, other) / min(same, other) > 1.0 + CLOSE:
        middle = float(np.sqrt(same * other))
        plan = plan_at(middle)
        if changed(plan):
            other, beyond = middle, plan
        else:
            same = middle
    return Flip(direction, other, beyond is not None, () if beyond is None else beyond.signs, gap, steps)


def _step(at: float, plan: Best | None) -> DemandStep:
    if plan is None:
        return DemandStep(at, False, None, ())
    return DemandStep(at, True, plan.expected_usd, plan.signs)


def frontier(study: Study, inst: Instance, points: int) -> tuple[FrontierPoint, ...]:
    """The best plans at `points` weights, evenly from 0 to 1; at the level of the problem's `risk`.

    Raises Infeasible, NoPlanInTime.
    """
    weights = np.linspace(0.0, 1.0, points) if points > 1 else np.zeros(points)
    return tuple(study.each(partial(_frontier_point, inst=inst), weights.tolist()))


def _frontier_point(study: Study, weight: float, *, inst: Instance) -> FrontierPoint:
    policy = replace(inst.policy, risk=replace(inst.policy.risk, weight=min(weight, ALL_BUT)))
    best = best_plan(study, replace(inst, policy=policy))
    return FrontierPoint(weight, best.expected_usd, best.cvar_usd, best.signs, best.gap)
