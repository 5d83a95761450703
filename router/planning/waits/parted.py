"""Periods that fall apart once what spans them is held: the best plan of each, whatever waits in the others.

1  solve the outer side: what it has of a part, no plan of that part costs less
2  where its pools keep their promises it is the best plan of the part; else they are cut at what was found
3  solve the inner side, cut there and near the best plan of each part: of what keeps its promises in a part the
   cheapest is kept
4  back to 1, with the parts in which plan and bound have not met; the others have the answers that they had
"""

from __future__ import annotations

from typing import Self

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.encode import Regions, encode
from problems.core.steps import steps_of
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.planning.fixed import Fixed
from router.planning.gates import find
from router.planning.structure import small_parts
from router.planning.two_steps import Incumbent
from router.planning.waits.tighten import (
    Broken,
    CutsByScenario,
    cut_at,
    cut_near,
    short_of_capacity,
    waiting_flows,
)
from solvers import SolveOptions
from solvers.components import parts

MOST_ROUNDS = 30


class Parted:
    """Best plans of parts so far.

    part   (T,) the part of each period
    usd    (P,) what its best plan costs, infinite: none
    least  (P,) no plan costs less
    """

    def __init__(self, plan: Incumbent, search: tuple[str, SolveOptions], fixed: Fixed, part: Ints) -> None:
        self.search, self.fixed, self.part = search, fixed, part
        self.instance = plan.encoded.instance
        count = int(part.max()) + 1
        self.usd, self.least = np.full(count, np.inf), np.full(count, -np.inf)
        self.cuts: CutsByScenario = {}
        self.best_cuts = cut_near(plan.encoded, plan.point)
        self.flows = waiting_flows(plan.encoded, plan.point)[1]
        self._offer(plan)

    @classmethod
    def of(cls, plan: Incumbent, search: tuple[str, SolveOptions], fixed: Fixed) -> Self | None:
        """None where what spans periods leaves them in one part, or in large ones."""
        held = fixed.applied(encode(plan.encoded.instance))
        if len(held.views) > 1 or not small_parts(held):
            return None
        step = steps_of(held)
        part = np.arange(plan.encoded.instance.time.periods)
        for columns in parts(held.program):
            periods = np.unique(step[columns])
            for other in np.unique(part[periods[periods >= 0]])[1:]:
                part[part == other] = part[periods[periods >= 0]].min()
        part = np.unique(part, return_inverse=True)[1]
        return cls(plan, search, fixed, part) if part.max() > 0 else None

    @property
    def late(self) -> bool:
        """Whether its share of the time is up."""
        return self.search[1].late

    def run(self) -> tuple[Floats, CutsByScenario]:
        """Flows to pools that wait (see `tighten.waiting_flows`), and cuts of regions that let them through."""
        for _ in range(MOST_ROUNDS):
            outer = self._find(Regions(self.cuts))
            if outer is None:
                break
            self.least = np.maximum(self.least, self._costs(outer, steps_of(outer.encoded)))
            broken = self._open(self._offer(outer))
            if not broken or self.late:
                break
            self.cuts = cut_at(self.cuts, outer.encoded, broken)
            near = cut_at(self.best_cuts, outer.encoded, broken)
            self._offer(self._find(Regions(near, inner=True)))
        return self.flows, self.best_cuts

    def _find(self, regions: Regions) -> Incumbent | None:
        solver, options = self.search
        try:
            return find(encode(self.instance, regions=regions), solver, options, self.fixed, rough=True)
        except (Infeasible, NoPlanInTime, SolverFailed):
            return None

    def _offer(self, plan: Incumbent | None) -> Broken:
        """Parts of a plan that are cheaper and keep their promises are kept; returned are pools that do not."""
        if plan is None:
            return []
        step = steps_of(plan.encoded)
        broken, usd = short_of_capacity(plan.encoded, plan.point), self._costs(plan, step)
        kept = np.ones(len(usd), dtype=bool)
        kept[[self.part[record.period] for _, record in broken]] = False
        better = kept & (usd < self.usd)
        if better.any():
            self.usd = np.where(better, usd, self.usd)
            at, flows = waiting_flows(plan.encoded, plan.point)
            self.flows = np.where(better[self.part[step[at]]], flows, self.flows)
            near, known = cut_near(plan.encoded, plan.point).get(0, {}), dict(self.best_cuts.get(0, {}))
            known = {at: own for at, own in known.items() if not better[self.part[at[1]]]}
            self.best_cuts = {0: known | {at: own for at, own in near.items() if better[self.part[at[1]]]}}
        return broken

    def _costs(self, plan: Incumbent, step: Ints) -> Floats:
        """(P,) of columns of the periods of each part."""
        inside = step >= 0
        usd = plan.encoded.program.cost[inside] * plan.point[inside]
        return np.bincount(self.part[step[inside]], usd, minlength=len(self.usd))

    def _open(self, broken: Broken) -> Broken:
        """Pools of the parts in which plan and bound have not met."""
        near = self.search[1].gap * np.maximum(np.abs(self.usd), np.abs(self.usd).mean())
        met = self.usd - self.least <= near
        return [(s, record) for s, record in broken if not met[self.part[record.period]]]
