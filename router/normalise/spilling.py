"""Offers that refuse what is too much in a minute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.instance import Instance
from problems.core.overflow import Spilling
from router.normalise.minutes import MinuteDemand, minute_demand
from router.schema import Problem


class MinuteShapes:
    """Demand by the minute over its mean, of so much work in a period once."""

    def __init__(self, minutes: MinuteDemand) -> None:
        self._minutes = minutes
        self._known: dict[tuple[int, bytes], Floats] = {}

    def __call__(self, work: Floats, period: int) -> Floats:
        """(W, N) of work by workload (W,); 1 throughout where there is none."""
        key = (period, work.tobytes())
        if key not in self._known:
            demand = self._minutes.of_work(work, period)
            mean = demand.mean(axis=1, keepdims=True)
            self._known[key] = np.divide(demand, mean, out=np.ones_like(demand), where=mean > 0)
        return self._known[key]


def with_spilling(problem: Problem, inst: Instance) -> Instance:
    """The instance with the minutes of its demand, where an offer spills; `problem` as its file states it.

    Raises InputError where a trace cannot be read.
    """
    names = {offer.name for offer in problem.offers if offer.spills}
    if not names:
        return inst
    offers = np.array([name in names for name in inst.offers.names], dtype=bool)
    return replace(inst, spilling=Spilling(offers, MinuteShapes(minute_demand(problem, inst))))
