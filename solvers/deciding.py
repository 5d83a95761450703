"""A small program that few decisions hold together: a tree over these first, and the rest whole where they are taken.

    node   ranges of the decisions, bounded by the relaxation; the least bound is looked at first, and split along the
           decision that is farthest from whole
    leaf   where a relaxation has all of them whole: the program with them held, which a solver ends; what else these
       ranges hold is looked at again

Where a leaf ended and a later one does not in its part of the time, the tree ends: those after it are as hard, and most
of the time is left for another search.

Contracts, fees and bands of a month hang all periods together. A solver's tree splits among hundreds of counts, any of
which moves its work to the next period; with the decisions held, counts are often whole at the first relaxation.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from math import inf, isinf

import numpy as np

from solvers.core.deadline import clock_s
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.result import Solution, Stats, Stop

WHOLE = 1e-6
MOST_NODES = 100
FOR_LEAF = 0.5  # of the time that is left, where something else is open
FOR_NEXT = 0.25  # the same after a leaf that ended


def solve_deciding(
    program: LinearProgram,
    decisions: Ints,
    run: Callable[[LinearProgram, SolveOptions], Solution],
    options: SolveOptions,
    for_leaf: float = FOR_LEAF,
) -> Solution | None:
    """None where the relaxation has no answer, or the tree grows too large.

    decisions  (k,) whole columns
    for_leaf   of the time that is left, for the first case, where something else is open

    `Stop.EXHAUSTED` where it ends before its time with a case that did not.
    """
    began = clock_s()
    tree = _DecidingTree(program, decisions, run, options.begun(), for_leaf)
    if not tree.search():
        return None
    bound = min([tree.objective, *tree.left])
    reached = tree.objective - bound <= options.gap * abs(tree.objective)
    stop = Stop.OPTIMAL if reached else Stop.EXHAUSTED if tree.given_up else Stop.TIME_LIMIT
    if isinf(tree.objective):
        stop = Stop.INFEASIBLE if bound == inf else Stop.TIME_LIMIT  # −inf: nothing was looked at
    raw = f"{tree.nodes} cases, {stop.value}"
    stats = replace(Stats.of(program, raw=raw, solve_s=clock_s() - began), nodes=tree.solver_nodes)
    if tree.point is None:
        return Solution(stop, bound=bound, stats=stats)
    return Solution(stop, tree.point, tree.objective, bound, stats=stats)


class _DecidingTree:
    """The best point so far, and in `left` the bounds of what is not looked at any more and may have better ones."""

    def __init__(
        self,
        program: LinearProgram,
        decisions: Ints,
        run: Callable[[LinearProgram, SolveOptions], Solution],
        options: SolveOptions,
        for_leaf: float,
    ) -> None:
        from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

        self.program, self.decisions, self.run, self.options = program, decisions, run, options
        self.relaxation = HighsRelaxation(program, deadline=options.begun().deadline)
        self.point: Floats | None = None
        self.objective, self.left = inf, list[float]()
        self.nodes, self.solver_nodes, self.number = 0, 0, count()
        self.for_leaf, self.one_ended, self.given_up = for_leaf, False, False

    def search(self) -> bool:
        """Whether that came to an end, or to that of the time."""
        low, high = (ends[self.decisions] for ends in self.program.whole_bounds)
        waiting = [(-inf, next(self.number), low, high)]
        while waiting:
            bound, _, low, high = heapq.heappop(waiting)
            if bound >= self.enough:
                break
            if self.options.late or self.given_up:
                self.left.append(bound)
                break
            if self.nodes == MOST_NODES:
                return False
            self.nodes += 1
            answer = self.relaxation.solve(*self._ends(low, high))
            if answer.stop is Stop.INFEASIBLE:
                continue
            if answer.point is None:
                if isinf(bound) or answer.stop is not Stop.TIME_LIMIT:
                    return False
                self.left.append(bound)
                break
            bound = max(bound, self.program.objective(answer.point))
            if bound >= self.enough:
                continue
            value = answer.point[self.decisions]
            far = np.abs(value - np.round(value))
            if far.max(initial=0.0) <= WHOLE:
                others = _others(low, high, np.round(value))
                beside = min([bound if others else inf, *(each[0] for each in waiting)])
                self._held(np.round(value), bound, beside)
                for below, above in others:
                    heapq.heappush(waiting, (bound, next(self.number), below, above))
                continue
            k = int(np.argmax(far))
            below, above = high.copy(), low.copy()
            below[k], above[k] = np.floor(value[k]), np.floor(value[k]) + 1
            heapq.heappush(waiting, (bound, next(self.number), low, below))
            heapq.heappush(waiting, (bound, next(self.number), above, high))
        self.left += [bound for bound, *_ in waiting]
        return True

    @property
    def enough(self) -> float:
        """From here on a bound needs no look."""
        return self.objective - self.options.gap * abs(self.objective) if self.point is not None else inf

    def _ends(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Of all whole columns."""
        lower, upper = self.program.whole_bounds
        lower, upper = lower.copy(), upper.copy()
        lower[self.decisions], upper[self.decisions] = low, high
        return lower[self.relaxation.columns], upper[self.relaxation.columns]

    def _held(self, value: Floats, bound: float, beside: float) -> None:
        """The program with its decisions taken; `beside`: the least bound of what else is open."""
        alone = isinf(beside)
        part = 1.0 if alone else FOR_NEXT if self.one_ended else self.for_leaf
        options = replace(self.options.within(part), watch=None)
        answer = self.run(self.program.fix(self.decisions, value), options)
        self.solver_nodes += answer.stats.nodes or 0
        ended = answer.stop in (Stop.OPTIMAL, Stop.INFEASIBLE)
        self.given_up = self.one_ended and not ended and not alone
        self.one_ended |= ended
        if answer.stop is Stop.INFEASIBLE:
            return
        if answer.point is not None and answer.objective is not None and answer.objective < self.objective:
            self.point, self.objective = answer.point, answer.objective
        self.left.append(max(bound, answer.bound))
        if self.options.watch is not None:
            self.options.watch(self.objective, min(beside, *self.left))


def _others(low: Floats, high: Floats, value: Floats) -> list[tuple[Floats, Floats]]:
    """Ranges that hold all of some ranges (k,) but one point, none of them twice."""
    low, high, others = low.copy(), high.copy(), list[tuple[Floats, Floats]]()
    for k in np.flatnonzero(high > low):
        if value[k] > low[k]:
            below = high.copy()
            below[k] = value[k] - 1
            others.append((low.copy(), below))
        if value[k] < high[k]:
            above = low.copy()
            above[k] = value[k] + 1
            others.append((above, high.copy()))
        low[k] = high[k] = value[k]
    return others
