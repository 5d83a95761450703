"""How the advice moves with demand, and with the weight on risk.

Flips: how far demand may move before the advice does, and how much is signed on the way. All demand is multiplied,
down to a tenth and up to tenfold. All strides are tried, for the advice may change again; then the interval of the
first change is halved.

Frontier: what less risk costs, by the best plans at weights from expected cost alone to CVaR alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from problems.core.instance import Instance
from router.plan.sizing import DemandStep, Flip, FrontierPoint
from router.sizing.best import Best, best_plan, grown, try_best_plan
from router.sizing.joint import Asked, JointSearch, kept
from router.sizing.options import Study
from router.sizing.signatures import Advice, advice, signed_by

Direction = Literal["down", "up"]
DIRECTIONS: tuple[Direction, ...] = ("down", "up")
STRIDES = (1.25, 1.6, 2.5, 5.0, 10.0)
CLOSE = 0.01
ALL_BUT = 1.0 - 1e-4  # the weight solved for in place of 1: among equal CVaRs the lower expected cost counts


def flips(study: Study, best: Best) -> tuple[tuple[Flip, ...], list[str]]:
    """Where the advice changes as all demand shrinks, and as it grows; and what of it no time was left for."""
    asked, advised = Asked.of(best.inst), advice(best.signs)
    at = {"down": tuple(1.0 / stride for stride in STRIDES), "up": STRIDES}
    strides = [factor for direction in DIRECTIONS for factor in at[direction]]
    found = dict(zip(strides, study.answered(partial(_grown_by, asked=asked), strides), strict=True))
    tried = {direction: [found[factor] for factor in at[direction]] for direction in DIRECTIONS}
    whole = [direction for direction in DIRECTIONS if all(step is not None for step in tried[direction])]
    steps = {direction: [step for step in tried[direction] if step is not None] for direction in whole}
    work = partial(_flip, asked=asked, advised=advised)
    rows = dict(zip(whole, study.answered(work, [(d, tuple(steps[d])) for d in whole]), strict=True))
    late = [
        f"when the advice flips as demand goes {direction}"
        for direction in DIRECTIONS
        if rows.get(direction) is None
    ]
    return tuple(row for row in rows.values() if row is not None), late


@dataclass(frozen=True)
class _Grown:
    """The best plan with all demand multiplied."""

    step: DemandStep
    gap: float

    def changes(self, advised: Advice) -> bool:
        return not self.step.feasible or advice(self.step.signs) != advised


def _grown_by(study: Study, factor: float, *, asked: Asked) -> _Grown:
    other, search = grown(asked.inst, factor), kept(asked, study)
    plan = try_best_plan(study, other, None if search is None else search.grown(other, factor))
    if plan is None:
        return _Grown(DemandStep(factor, False, None, ()), 0.0)
    return _Grown(DemandStep(factor, True, plan.expected_usd, plan.signs), plan.gap)


def _flip(
    study: Study, strides: tuple[Direction, tuple[_Grown, ...]], *, asked: Asked, advised: Advice
) -> Flip:
    direction, tried = strides
    gap, steps = max((each.gap for each in tried), default=0.0), tuple(each.step for each in tried)
    first = next((k for k, each in enumerate(tried) if each.changes(advised)), None)
    if first is None:
        return Flip(direction, None, True, (), gap, steps)
    same, other = steps[first - 1].at if first else 1.0, tried[first]
    for search in (kept(asked, study), None):
        at, widest = _halved(study, (same, other.step.at), asked, advised, search)
        there = other if at == other.step.at else _grown_by(study, at, asked=asked)
        if search is None or there.changes(advised):
            break  # else the plan says another thing than cuts did
    return Flip(direction, at, there.step.feasible, there.step.signs, max(gap, widest, there.gap), steps)


def _halved(
    study: Study, between: tuple[float, float], asked: Asked, advised: Advice, search: JointSearch | None
) -> tuple[float, float]:
    """The multiple from which on something else is advised, and the largest gap met."""
    (same, other), widest = between, 0.0
    while max(same, other) / min(same, other) > 1.0 + CLOSE:
        middle = float(np.sqrt(same * other))
        quick = None if search is None else _quickly(study, search, grown(asked.inst, middle), middle)
        if quick is None:
            plan = _grown_by(study, middle, asked=asked)
            changes, gap = plan.changes(advised), plan.gap
        else:
            changes, gap = quick[0] != advised, quick[1]
        widest = max(widest, gap)
        same, other = (same, middle) if changes else (middle, other)
    return other, widest


def _quickly(study: Study, search: JointSearch, inst: Instance, factor: float) -> tuple[Advice, float] | None:
    """What is advised at other demand, and the gap, without the plan; None where the plan must tell."""
    there = search.grown(inst, factor)
    found = None if there is None else there.decided(study)
    return None if found is None else (advice(signed_by(inst, found[0])), found[1])


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
