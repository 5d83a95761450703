"""Offers that refuse what is too much in a minute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.instance import Instance
from problems.core.overflow import Spilling
from problems.core.view import cells_of
from router.normalise.minutes import MinuteDemand, minute_demand
from router.schema import Problem


class MinuteShapes:
    """Demand by the minute over its mean, of each period once."""

    def __init__(self, inst: Instance, minutes: MinuteDemand) -> None:
        self._inst, self._minutes = inst, minutes
        self._known: dict[tuple[int, int], Floats] = {}

    def __call__(self, scenario: int, period: int) -> Floats:
        """(W, N); 1 throughout of work that moves in time, or of which there is none."""
        key = (scenario, period)
        if key not in self._known:
            work = self._minutes.work(cells_of(self._inst, scenario), period)
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
    return replace(inst, spilling=Spilling(offers, MinuteShapes(inst, minute_demand(problem, inst))))
