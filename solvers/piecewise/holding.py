"""A plan and a bound of a program in which few whole columns span its pieces: these first, then the pieces.

1  what spans, whole, with the pieces relaxed under strong rows: the first decision
2  with it held, prices of what hangs pieces together, and the mean of what the pieces do under them: each whole
   number is at most one away from it
3  better whole numbers, a few neighbouring pieces at a time
4  a tree over what spans (see `held`); each decision that may be better is planned as in 2 and 3
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import numpy as np

from solvers.components import Solve, content
from solvers.core.deadline import clock_s
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.result import Solution, Stats, Stop
from solvers.piecewise.boxed import BoxedRounds
from solvers.piecewise.held import HeldLeaf, HeldTree, within
from solvers.strengthened import strengthened

WHOLE = 1e-6
FOR_FIRST, FOR_PLAN, FOR_TREE = 0.2, 0.2, 0.7
"""Shares of the time that is left: for the first decision, for each program of a plan, for the tree."""

FOR_LIMITED, FIRST_NODES, PLAN_NODES = 0.5, 2_000, 500
"""The same of the first two where HiGHS's nodes limit them, which end them before the clock does."""

ROUGH = 3e-4
"""Relative: prices so near to the best there are tell which decisions are worth a plan."""

TOGETHER = 8  # neighbouring pieces
PASSES = 3
NEAR = 0.1  # of the gap asked for: so far programs of a few pieces are solved


def solve_holding(
    program: LinearProgram,
    part: Ints,
    solve: Solve,
    options: SolveOptions,
    start: Floats | None = None,
    *,
    by_nodes: bool = False,
) -> Solution | None:
    """`part` (n,) is the piece of each column, in order of time, −1 where it spans. None where no plan is met this way.

    `start` (n,): a plan that is known. `by_nodes`: `solve` is HiGHS, whose nodes are limited beside its time.

    `Stop.OPTIMAL` only where the gap asked for is reached; else `Stop.TIME_LIMIT` or `Stop.EXHAUSTED`.
    """
    began, watch = clock_s(), options.watch
    options = replace(options, watch=None)  # what pieces cost is nobody's plan
    answer = strengthened(program, options)
    if answer is None:
        return None
    search = _HoldingSearch(program, part, HeldTree(program, part, answer, solve, options), solve, options)
    search.watch, search.by_nodes = watch, by_nodes
    search.tree.near = ROUGH
    if start is not None:
        search.begin(start)
    search.first()
    search.tree.options = options.within(FOR_TREE)
    leaves = search.tree.leaves(search.objective, search.enough, search.plan)
    if search.point is None:
        return None
    search.better()
    bound = min(min(leaf.bound for leaf in leaves), search.objective)
    reached = search.objective - bound <= options.gap * abs(search.objective)
    stop = Stop.OPTIMAL if reached else Stop.TIME_LIMIT if options.late else Stop.EXHAUSTED
    raw = f"{len(leaves)} cases, {stop.value}"
    stats = Stats.of(program, raw=raw, solve_s=clock_s() - began)
    return Solution(stop, search.point, search.objective, bound, stats=stats)


class _HoldingSearch:
    """The best plan so far."""

    def __init__(
        self, program: LinearProgram, part: Ints, tree: HeldTree, solve: Solve, options: SolveOptions
    ) -> None:
        self.program, self.part, self.tree, self.solve, self.options = program, part, tree, solve, options
        self.inside = np.flatnonzero(program.integer & (part >= 0))
        self.point: Floats | None = None
        self.objective = np.inf
        self.leaf: HeldLeaf | None = None
        self.taken = set[bytes]()  # programs of plans: one that was solved says nothing new
        self.watch: Callable[[float, float], None] | None = None
        self.by_nodes = False

    @property
    def enough(self) -> float:
        """A bound from here on is near enough."""
        return self.objective - self.options.gap * abs(self.objective)

    def begin(self, point: Floats) -> None:
        """With a plan that is known."""
        tree = self.tree
        self.point, self.objective = point, self.program.objective(point)
        tree.usd, tree.enough = self.objective, self.enough
        values = np.round(point[tree.spans])
        inside = within(self.program, tree.spans, values, values)
        self.leaf = HeldLeaf(values, values, inside, tree.answer, None)

    def first(self) -> None:
        """The decision that is best for pieces relaxed."""
        spanning = replace(self.tree.strong, integer=self.program.integer & (self.part < 0))
        point = self.solve(spanning, self._limited(FOR_FIRST, FIRST_NODES)).point
        if point is not None:
            values = np.round(point[self.tree.spans])
            self.plan(self.tree.at(values))

    def plan(self, leaf: HeldLeaf) -> None:
        """The best plan with what spans as in a leaf, if it is better."""
        rounds = leaf.rounds
        if leaf.bound >= self.enough or not isinstance(rounds, BoxedRounds) or self.options.late:
            return
        mean = rounds.mix()[self.inside]
        low, high = np.floor(mean + WHOLE), np.ceil(mean - WHOLE)
        if self._take(self._between(leaf, low, high)):
            self.leaf = leaf

    def better(self) -> None:
        """Better whole numbers with the same decision."""
        for _ in range(PASSES):
            if self.leaf is None or self.leaf.bound >= self.enough or not self._bettered(self.leaf):
                break

    def _between(self, leaf: HeldLeaf, low: Floats, high: Floats) -> LinearProgram:
        """The program of a leaf with strong rows, and whole numbers of pieces in a range."""
        program = leaf.answer.added.added_to(leaf.program)
        lower, upper = program.col_lower.copy(), program.col_upper.copy()
        lower[self.inside] = np.clip(low, program.col_lower[self.inside], program.col_upper[self.inside])
        upper[self.inside] = np.clip(high, program.col_lower[self.inside], program.col_upper[self.inside])
        return replace(program, col_lower=lower, col_upper=upper)

    def _bettered(self, leaf: HeldLeaf) -> bool:
        """Whether a few neighbouring pieces at a time lead to a better plan, the others' whole numbers as they are."""
        better, last = False, int(self.part.max())
        for start in range(0, last + 1, TOGETHER // 2):
            if self.options.late or self.point is None:
                break
            value = np.round(self.point[self.inside]) + 0.0
            piece = self.part[self.inside]
            free = (start <= piece) & (piece < start + TOGETHER)
            low, high = np.where(free, -np.inf, value), np.where(free, np.inf, value)
            better |= self._take(self._between(leaf, low, high))
        return better

    def _limited(self, share: float, nodes: int) -> SolveOptions:
        """Within so many nodes where the solver counts them, else within a share of the time that is left."""
        if not self.by_nodes:
            return self.options.within(share)
        options = self.options.within(FOR_LIMITED)
        return replace(options, native={**options.native, "mip_max_nodes": nodes})

    def _take(self, program: LinearProgram) -> bool:
        """Whether the best point of a program is a better plan."""
        key = sha256(content(program)).digest()
        if key in self.taken:
            return False
        self.taken.add(key)
        options = replace(self._limited(FOR_PLAN, PLAN_NODES), gap=NEAR * self.options.gap)
        point = self.solve(program, options).point
        if point is None:
            return False
        usd = self.program.objective(point)
        if not usd < self.objective - NEAR * self.options.gap * abs(usd):
            return False
        self.point, self.objective = point, usd
        self.tree.usd, self.tree.enough = usd, self.enough
        if self.watch is not None:
            self.watch(usd, self.tree.answer.bound)
        return True
