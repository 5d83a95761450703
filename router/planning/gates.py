"""Plans in which nothing goes through what is closed, however little: a search over what is opened.

A solver allows each row a billionth. Where a tiny load has a promise (no more than 70 % by one provider), a billionth
of a large one through an instance that nobody rents would keep it, and the plan would break it once rounded. Then
rows are added that say in whole numbers what is opened for it (`solvers.openings`). Where that is not enough,

    1  of a whole column that closes the way: it stays as it is, and all that is closed by that has 0 as its limit
    2  or it is one more (or one less)

each with a search of its own, the least bound first. What is still open at the end counts with its bound.
"""

from __future__ import annotations

import heapq
from dataclasses import replace
from itertools import count
from math import inf

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.encode import Encoded
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.planning import two_steps
from router.planning.fixed import Fixed
from router.planning.infeasible import why_infeasible
from router.planning.structure.in_parts import Before
from router.planning.two_steps import Closed, Incumbent, finished, run
from solvers import SolveOptions, Stop
from solvers.forced import forced
from solvers.openings import with_openings

MOST = 150  # searches
AT_ONCE = 30  # rounds in which all that is closed is opened, for a first plan

type Box = tuple[Floats, Floats]


def find(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    fixed: Fixed,
    *,
    start: Floats | None = None,
    before: Before | None = None,
    rough: bool = False,
    shut: Ints | None = None,
) -> Incumbent:
    """The best point, nothing of which goes through what is closed. See `two_steps.find`; raises as it does."""
    try:
        return two_steps.find(
            encoded, solver, options, fixed, start=start, before=before, rough=rough, shut=shut
        )
    except Closed as closed:
        return through_open_gates(fixed.applied(encoded), closed, (solver, options), fixed, closed.bound)


def through_open_gates(
    encoded: Encoded, closed: Closed, search: tuple[str, SolveOptions], fixed: Fixed, bound: float
) -> Incumbent:
    """The best plan beside a point that goes through what is closed. `bound`: of the search that found that point.

    Raises `closed` where none is found, Infeasible where every branch says that there is none.
    """
    branches = _Branches(encoded, search, fixed)
    branches.best = closed.plan
    still = branches.with_openings(closed)
    if still is None:
        return branches.end()
    branches.split((encoded.program.col_lower, encoded.program.col_upper), still, max(bound, still.bound))
    branches.all_opened(still)
    branches.run()
    if branches.best is not None:
        return branches.end()
    raise Infeasible(why_infeasible(encoded)) if branches.exhausted else closed


class _Branches:
    """What is open, and the best plan so far."""

    def __init__(self, encoded: Encoded, search: tuple[str, SolveOptions], fixed: Fixed) -> None:
        self.encoded, self.search, self.fixed = encoded, search, fixed
        self.open: list[tuple[float, int, Floats, Floats]] = []
        self.number, self.searches, self.lost = count(), 0, inf
        self.best: Incumbent | None = None

    @property
    def exhausted(self) -> bool:
        return not self.open and self.lost == inf

    def split(self, box: Box, closed: Closed, bound: float) -> None:
        """Branches on what closed the way of the largest of what went through."""
        lower, upper = box[0].copy(), box[1].copy()
        ways = (some for way in closed.gates if len(some := way[lower[way] < upper[way]]))
        first = next(ways, None)
        if first is None:  # nothing is left to decide
            self.lost = min(self.lost, bound)
            return
        for j in first.tolist():
            at = float(np.clip(np.round(closed.point[j]), lower[j], upper[j]))
            for low, high in ((at + 1.0, upper[j]), (lower[j], at - 1.0)):
                if low <= high:
                    child = (lower.copy(), upper.copy())
                    child[0][j], child[1][j] = low, high
                    heapq.heappush(self.open, (bound, next(self.number), *child))
            lower[j] = upper[j] = at
        heapq.heappush(self.open, (bound, next(self.number), lower, upper))

    def take(self, plan: Incumbent | None) -> None:
        """A plan, if it is the cheapest."""
        if plan is not None and (self.best is None or plan.objective_usd < self.best.objective_usd):
            self.best = plan

    def with_openings(self, closed: Closed) -> Closed | None:
        """All at once, with rows on what is opened; what goes through what is closed even so, None: nothing does."""
        try:
            self._plan((self.encoded.program.col_lower, self.encoded.program.col_upper))
        except Closed as still:
            self.take(still.plan)
            return still
        except (Infeasible, NoPlanInTime, SolverFailed):
            return closed
        return None

    def all_opened(self, closed: Closed) -> None:
        """A first plan: all that something went through is opened, and again."""
        lower, upper = self.encoded.program.col_lower.copy(), self.encoded.program.col_upper
        for _ in range(AT_ONCE):
            before = lower.copy()
            for gates in closed.gates:
                raised = np.round(closed.point[gates]) + 1.0
                able = np.flatnonzero(raised <= upper[gates])
                if len(able):
                    lower[gates[able[0]]] = max(lower[gates[able[0]]], raised[able[0]])
            if (lower == before).all() or self.search[1].late:
                return
            try:
                self._plan((lower, upper))
                return
            except Closed as still:
                closed = still
            except (Infeasible, NoPlanInTime, SolverFailed):
                return

    def run(self) -> None:
        """Until nothing is open below the best plan, within so many searches."""
        while self.open and self.searches < MOST and not self.search[1].late and not self._met():
            bound, _, lower, upper = heapq.heappop(self.open)
            try:
                self._plan((lower, upper))
            except Closed as closed:
                self.take(closed.plan)
                self.split((lower, upper), closed, max(bound, closed.bound))
            except Infeasible:
                continue
            except (NoPlanInTime, SolverFailed):
                self.lost = min(self.lost, bound)

    def _plan(self, box: Box) -> None:
        """The best plan of a box. Raises `Closed` where its point goes through what is closed."""
        self.searches += 1
        program = replace(self.encoded.program, col_lower=box[0], col_upper=box[1])
        program = forced(program).applied(program)
        solver, options = self.search
        opened, options = with_openings(program), replace(options, watch=None)
        first = run(opened or program, solver, options)
        if opened is not None and first.stop is Stop.ERROR:  # CBC breaks off some of these
            first = run(program, solver, options)
        if first.stop in (Stop.INFEASIBLE, Stop.INFEASIBLE_OR_UNBOUNDED):
            raise Infeasible(why_infeasible(self.encoded))
        if first.point is not None:
            first = replace(first, point=first.point[: program.n_columns], basis=None)
        plan = finished(
            replace(self.encoded, program=program), first, self.search, self.fixed, 0.0, first.objective
        )
        self.take(plan)
        if first.bound < plan.objective_usd:
            self.lost = min(self.lost, first.bound)

    def _bound(self) -> float:
        assert self.best is not None
        return min(self.best.objective_usd, self.lost, *(each[0] for each in self.open[:1]))

    def _met(self) -> bool:
        usd = inf if self.best is None else self.best.objective_usd
        return self.best is not None and usd - self._bound() <= self.search[1].gap * abs(usd)

    def end(self) -> Incumbent:
        """The best plan and what is proven of it."""
        assert self.best is not None
        stop = Stop.OPTIMAL if self._met() else Stop.TIME_LIMIT if self.search[1].late else Stop.EXHAUSTED
        return replace(self.best, stop=stop, bound=self._bound(), nodes=None)
