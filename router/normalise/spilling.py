"""Offers that refuse what is too much in a minute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.arrays import Bools, Floats
from problems.core.instance import Instance
from problems.core.overflow import MinutesOfPeriod, Spilling
from router.errors import InputError
from router.loading.catalogue import input_issue
from router.normalise.fleets import changes_within
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

    Raises InputError where a trace cannot be read, or a schedule changes what is carried within a period.
    """
    names = {offer.name for offer in problem.offers if offer.spills}
    if not names:
        return inst
    offers = np.array([name in names for name in inst.offers.names], dtype=bool)
    _refuse_changes(problem, inst, offers)
    demand = minute_demand(problem, inst)
    minutes = MinutesOfPeriod(demand.real, demand.minutes // demand.real)
    return replace(inst, spilling=Spilling(offers, minutes, MinuteShapes(demand)))


def _refuse_changes(problem: Problem, inst: Instance, spills: Bools) -> None:
    """Raise `InputError` for schedules that open or close within a period: a part of it limits what may go there."""
    changes = changes_within(np.where(inst.offers.open, 1.0, 0.0), inst.time)
    issues = [
        input_issue(
            problem,
            ("offers", o, "schedule"),
            None,
            "opens or closes within a period: its hours say what part of the work may go there, its minutes what fits",
            "periods in which it does neither, or a quota or availability of 0 in place of closing",
        )
        for o in np.flatnonzero(changes & spills).tolist()
    ]
    if issues:
        raise InputError(issues)
