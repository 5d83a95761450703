"""Periods that fall apart once what spans them is held: the best plan of each, whatever waits in the others.

1  solve the outer side: what it has of a part, no plan of that part costs less
2  where its pools keep their promises it is the best plan of the part; else they are cut at what was found
3  solve the inner side, cut there and near the best plan of each part: of what keeps its promises in a part the
   cheapest is kept
4  back to 1, with the parts in which plan and bound have not met; the others have the answers that they had
5  solve the inner side once more, cut close beside the mixes of the best plans alone, and closer: what it gave away
   between its cuts is taken back
"""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from problems.core.encode import Regions, encode
from problems.core.steps import steps_of
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.planning.fixed import Fixed
from router.planning.gates import find
from router.planning.structure.in_parts import small_parts
from router.planning.two_steps import Incumbent
from router.planning.waits.tighten import (
    Broken,
    CutsByScenario,
    all_waiting,
    beside,
    cut_at,
    cut_near,
    short_of_capacity,
    waiting_flows,
)
from solvers import SolveOptions
from solvers.components import parts

MOST_ROUNDS = 30
LOOKED = 0.45  # of the time, for rounds
CLOSE = (0.03, 0.01, 0.003, 0.001, 3e-4)  # of a mix, to both sides of it: a plan may move so far at once
CLOSER = 0.1  # of the gap of rounds

type Best = tuple[Floats, CutsByScenario]
"""Flows to pools that wait (see `tighten.waiting_flows`), and cuts of regions that let them through."""


class Parted:
    """Best plans of parts so far.

    part   (T,) the part of each period
    usd    (P,) what its best plan costs, infinite: none
    least  (P,) no plan costs less
    late   whether its share of the time was up before plan and bound met in all of them
    """

    def __init__(self, plan: Incumbent, search: tuple[str, SolveOptions], fixed: Fixed, part: Ints) -> None:
        self.search, self.fixed, self.part = search, fixed, part
        self.instance = plan.encoded.instance
        count = int(part.max()) + 1
        self.usd, self.least = np.full(count, np.inf), np.full(count, -np.inf)
        self.cuts: CutsByScenario = {}
        self.late = False
        self.best_cuts = cut_near(plan.encoded, plan.point)
        self.flows = waiting_flows(plan.encoded, plan.point)[1]
        self.mixes: CutsByScenario = {}  # of the best plan of each part alone
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

    def run(self) -> tuple[Best, ...]:
        """The best that was found, and what was found before it was looked at closely."""
        solver, options = self.search
        self.search = (solver, options.within(LOOKED))
        self._rounds()
        self.late = self.search[1].late
        self.search, found = (
            (solver, replace(options, gap=CLOSER * options.gap)),
            (self.flows, self.best_cuts),
        )
        before = self.usd.sum()
        for way in CLOSE:
            self._offer(self._find(Regions(beside(self.mixes, way), inner=True)), close=True)
        self.late |= options.late
        return (found,) if self.usd.sum() >= before else ((self.flows, self.best_cuts), found)

    def _rounds(self) -> None:
        for _ in range(MOST_ROUNDS):
            outer = self._find(Regions(self.cuts))
            if outer is None:
                break
            self.least = np.maximum(self.least, self._costs(outer, steps_of(outer.encoded)))
            broken = self._open(self._offer(outer))
            if not broken or self.search[1].late:
                break
            self.cuts = cut_at(self.cuts, outer.encoded, broken)
            near = cut_at(self.best_cuts, outer.encoded, broken)
            self._offer(self._find(Regions(near, inner=True)))

    def _find(self, regions: Regions) -> Incumbent | None:
        solver, options = self.search
        try:
            return find(encode(self.instance, regions=regions), solver, options, self.fixed, rough=True)
        except (Infeasible, NoPlanInTime, SolverFailed):
            return None

    def _offer(self, plan: Incumbent | None, *, close: bool = False) -> Broken:
        """Parts of a plan that are cheaper and keep their promises are kept; returned are pools that do not.

        close   its regions are cut so near its mixes that it would not fit in wider ones
        """
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
            records = all_waiting(plan.encoded, plan.point)
            mixes = cut_at({}, plan.encoded, records)
            known = plan.encoded.regions.cuts if close else mixes
            self.mixes = self._with(self.mixes, mixes, better)
            self.best_cuts = self._with(self.best_cuts, cut_at(known, plan.encoded, records), better)
        return broken

    def _with(self, cuts: CutsByScenario, own: CutsByScenario, better: Bools) -> CutsByScenario:
        """Cuts of some parts in place of those that they had."""
        known = {at: of for at, of in cuts.get(0, {}).items() if not better[self.part[at[1]]]}
        return {0: known | {at: of for at, of in own.get(0, {}).items() if better[self.part[at[1]]]}}

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
