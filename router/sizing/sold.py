"""Numbers of instances that are sold: none, or the least and whole steps above it, up to the most."""

from __future__ import annotations

import numpy as np

from problems.core.decision import Decision
from problems.core.instance import Instance


def is_sold(inst: Instance, fleet: int, count: float) -> bool:
    """Whether so many may run, with those held already."""
    fleets = inst.fleets
    least, step, most = (float(of[fleet]) for of in (fleets.min, fleets.step, fleets.max))
    running = float(fleets.reserved[fleet]) + count
    steps = (running - least) / step
    whole = not fleets.integral[fleet] or abs(steps - round(steps)) <= 1e-6
    return running == 0 or (least <= running <= most and whole)


def unsold_month(inst: Instance, decision: Decision, fleet: int) -> tuple[int, float] | None:
    """The first billing month in which what was bought for terms adds up to a number that is not sold."""
    pools = inst.fleets.pool_fleet == fleet
    for k in range(inst.time.months):
        begun = max(k + 1 - int(inst.fleets.term_months[fleet]), 0)
        count = float(np.nansum(decision.bought[pools, begun : k + 1]))
        if count and not is_sold(inst, fleet, count):
            return k, count
    return None
