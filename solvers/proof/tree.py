"""Branch and bound of our own: every leaf has multipliers that prove its bound.

    1  take the open node of the least bound; solve its relaxation
    2  what its multipliers prove (`safe_bound`) is its bound; it is a leaf where that is no less than the target,
       or where its point is whole and the bound is that point's cost but for rounding
    3  else split the range of the whole column whose two sides are expected to raise the bound most
       (pseudo-costs: Bénichou et al. 1971; product rule; both sides are tried where too little is known of a column:
       reliability branching, Achterberg, Koch and Martin 2005)

The leaves' ranges cover every whole point, since they come from splits alone. The tree ends by itself, or by limits of
work (nodes, simplex iterations), so that equal programs give equal trees; a clock can only stop it early. Where all
that is open is near enough for who asked, a few nodes more may bring it to the target, and no thousands are spent on
that. Whatever ends it, its bound is proven: what is still open counts with the bound of the node it was split from.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np

from solvers.core.certify import is_feasible
from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.core.relaxation import OpenRelaxation, Relaxation
from solvers.core.result import Stop
from solvers.proof.safe import SafeBounds, usable
from solvers.proof.tied import first_of, tied

FARTHEST = 1e9
"""A range without end is split no farther out than this."""

WHOLE = 1e-6
"""Distance from a whole number at which a relaxation's value counts as whole."""


class ProofLeaf(Record):
    """A box of whole columns and what is proven in it.

    lower, upper   (k,) range of each integer column, in their order
    multipliers    (m,) of the rows
    bound          no point of the program with its whole columns in the box costs less
    """

    lower: Floats
    upper: Floats
    multipliers: Floats
    bound: float


LAST_NODES = 30
"""Relaxations solved once every open node is near enough."""

MOST_HALVED = 256
"""Nodes of a tree that are halved because no ray proves that they have no point; more are left open."""

RELIABLE = 1
"""Splits of a column, to each side, from which on what they have brought is believed."""

MOST_GAIN = 1e100
"""What a split that all but ends a side counts for: sums of it stay numbers."""

CANDIDATES, IN_VAIN = 8, 4
"""Columns looked at before a split, at most, and of these after the best so far."""

OPENING = 200
"""Columns that a node costs besides its own."""

ROWS_AT_ONCE = 50
"""Rows of a simplex iteration that cost as much as a column of a node."""


@dataclass(frozen=True)
class WorkLimits:
    """Limits of work. `late` is asked before each node: a clock that can end the search, and nothing else.

    nodes    relaxations solved
    root     of one relaxation, counted as below: what it has by then is its answer
    effort   Σ (columns + OPENING + iterations · rows / ROWS_AT_ONCE) over them, which is near the time they take
    """

    nodes: int = 4_000
    root: float = 50_000_000.0
    effort: float = 20_000_000.0
    late: Callable[[], bool] = field(default=lambda: False)

    def iterations(self, program: LinearProgram) -> int:
        """The most of one relaxation of a program."""
        most = int(self.root * ROWS_AT_ONCE / max(program.n_rows, 1))
        return min(max(most, 1_000), 1_000_000_000)


def effort(program: LinearProgram, nodes: int, iterations: int) -> float:
    """What that much work on a program counts for; see `WorkLimits`."""
    return nodes * (program.n_columns + OPENING) + iterations * program.n_rows / ROWS_AT_ONCE


class ProofTree(Record):
    """The leaves, and the best point known.

    bound       the least of the leaves' bounds: no point costs less
    point       (n,) the best point found or given; None: none is known
    complete    every leaf reaches the target, or is near enough; False where a limit ended the search, or a leaf could
                not be proven
    refuted     no leaf has a point: the program is infeasible
    """

    leaves: tuple[ProofLeaf, ...]
    bound: float
    point: Floats | None
    objective: float
    complete: bool
    refuted: bool
    nodes: int
    iterations: int


@dataclass(order=True)
class _OpenNode:
    bound: float
    number: int
    lower: Floats = field(compare=False)
    upper: Floats = field(compare=False)
    multipliers: Floats = field(compare=False)
    branch: tuple[int, int, float] | None = field(compare=False, default=None)  # column, side, distance
    refuted: bool = field(compare=False, default=False)  # it has no point: its multipliers are a ray
    back: Callable[[], None] | None = field(compare=False, default=None)  # to where its parent ended


def branch_and_bound(
    program: LinearProgram,
    open_relaxation: OpenRelaxation,
    *,
    start: Floats | None = None,
    known: Floats | None = None,
    within: tuple[float, float] = (1e-7, 0.0),
    enough: float = 0.0,
    work: WorkLimits | None = None,
    objective: float = inf,
    back: bool = False,
) -> ProofTree:
    """Prove a bound near the cost of the best point, and better the point where the tree meets a better one.

    start    (n,) a feasible point, if one is known: its cost is the first target
    known    (m,) multipliers that prove something already: what is left open has at least their bound
    within   how near: relative, and absolute on top: where a part costs nothing, a relative gap leaves no room
    enough   relative: a bound so near the best point is worth `LAST_NODES` more, and no search
    objective   what a point costs that is known elsewhere, if it is cheaper
    back     a node's relaxation goes on from where its parent's ended, not from where the last one did: of a large tree
             with the best node first these are far apart
    """
    work = work or WorkLimits()
    relaxation = open_relaxation(program, work.iterations(program))
    search = _TreeSearch(program, relaxation, start, (*within, enough), work, back)
    search.objective = min(search.objective, objective)
    return search.run(np.zeros(program.n_rows) if known is None else known)


class _TreeSearch:
    def __init__(
        self,
        program: LinearProgram,
        relaxation: Relaxation,
        start: Floats | None,
        within: tuple[float, float, float],
        work: WorkLimits,
        back: bool,
    ) -> None:
        self.back = back
        self.program, self.relaxation, self.within, self.work = program, relaxation, within, work
        self.safe = SafeBounds(program)
        self.columns = np.flatnonzero(program.integer)
        self.like = tied(program)[self.columns]
        self.point = start
        self.objective = inf if start is None else program.objective(start)
        self.leaves: list[ProofLeaf] = []
        self.open: list[_OpenNode] = []
        self.nodes = self.iterations = self.last_nodes = self.halved = 0
        self.gain = np.zeros((2, program.n_columns))  # of the first of columns that are tied
        self.seen = np.zeros((2, program.n_columns))

    @property
    def target(self) -> float:
        """A bound from here on is as good as the best point."""
        if not np.isfinite(self.objective):
            return inf
        gap, slack, _ = self.within
        return self.objective - gap * abs(self.objective) - slack

    @property
    def near(self) -> float:
        """A bound from here on is near enough."""
        if not np.isfinite(self.objective):
            return inf
        return min(self.target, self.objective - self.within[2] * abs(self.objective))

    def run(self, known: Floats) -> ProofTree:
        lower = np.ceil(self.program.col_lower[self.columns] - WHOLE)
        upper = np.floor(self.program.col_upper[self.columns] + WHOLE)
        self.open = [_OpenNode(self._bound(known, lower, upper), 0, lower, upper, known)]
        limited = False
        while self.open:
            limited = self._spent() or self.last_nodes >= LAST_NODES
            if limited:
                break
            node = heapq.heappop(self.open)
            if node.bound >= self.target:
                self._close(node)
            else:
                self.last_nodes += node.bound >= self.near
                self._look(node)
        for node in self.open:
            self._close(node)
        refuted = bool(self.leaves) and all(leaf.bound == inf for leaf in self.leaves)
        self.leaves = [self._far_enough(leaf) for leaf in self.leaves]
        bound = min((leaf.bound for leaf in self.leaves), default=-inf)
        proven = bound >= self.near
        leaves, work = tuple(self.leaves), (self.nodes, self.iterations)
        return ProofTree(leaves, bound, self.point, self.objective, proven, refuted, *work)

    def _far_enough(self, leaf: ProofLeaf) -> ProofLeaf:
        """A leaf without a point: its ray taken so far that it proves more than the best point costs."""
        if leaf.bound < inf:
            return leaf
        wanted = max(self.objective, 1.0) if np.isfinite(self.objective) else 1.0
        bounds = self._column_bounds(leaf.lower, leaf.upper)
        multipliers, bound = self.safe.refuting(leaf.multipliers, wanted, *bounds)
        return replace(leaf, multipliers=multipliers, bound=bound)

    def _close(self, node: _OpenNode) -> None:
        multipliers = usable(self.program, node.multipliers)
        self.leaves.append(ProofLeaf(node.lower, node.upper, multipliers, node.bound))

    def _look(self, node: _OpenNode) -> None:
        """Solve a node's relaxation; close it or split it."""
        self.nodes += 1
        if node.back is not None:
            node.back()
        relaxed = self.relaxation.solve(node.lower, node.upper)
        self.iterations += relaxed.iterations
        if relaxed.stop is Stop.INFEASIBLE:
            self._refute(node, relaxed.multipliers)
        elif relaxed.multipliers is not None:
            bound = self._bound(relaxed.multipliers, node.lower, node.upper)
            self._learn(node, bound)
            self._better(node, relaxed.multipliers, bound)
        if relaxed.point is None:
            if node.refuted or node.bound >= self.target:
                self._close(node)
            else:
                self._split_widest(node)
            return
        value = relaxed.point[self.columns]
        if (np.abs(value - np.round(value)) <= WHOLE).all():
            self._take(relaxed.point)
        if node.bound >= self.target or (value == np.round(value)).all():
            self._close(node)
        else:
            self._split(node, value)

    def _refute(self, node: _OpenNode, ray: Floats | None) -> None:
        """Prove that a node has no point: by the ray that came with the answer, else by one looked for anew."""
        bounds = self._column_bounds(node.lower, node.upper)
        for proposed in (ray, None):
            if proposed is None:
                proposed = self.relaxation.refute(node.lower, node.upper)
            if proposed is not None and self.safe.refuting(proposed, 1.0, *bounds)[1] > -inf:
                node.refuted, node.bound, node.multipliers = True, inf, proposed
                return

    def _better(self, node: _OpenNode, multipliers: Floats, bound: float) -> None:
        if bound > node.bound:
            node.bound, node.multipliers = bound, multipliers

    def _learn(self, node: _OpenNode, bound: float) -> None:
        """Pseudo-costs: what the last split of a column has brought, per unit of distance."""
        if node.branch is not None and np.isfinite(bound) and np.isfinite(node.bound):
            k, side, distance = node.branch
            gain = max(bound - node.bound, 0.0) / max(distance, WHOLE)
            self.gain[side, self.like[k]] += min(gain, MOST_GAIN)
            self.seen[side, self.like[k]] += 1.0

    def _take(self, point: Floats) -> None:
        """A whole point of the relaxation is a point of the program, if it is one."""
        whole = point.copy()
        whole[self.columns] = np.round(point[self.columns])
        cost = self.program.objective(whole)
        if cost < self.objective and is_feasible(self.program, whole, tolerance=1e-6):
            self.point, self.objective = whole, cost

    def _split(self, node: _OpenNode, value: Floats) -> None:
        down = value - np.floor(value)
        distance = np.abs(value - np.round(value))
        fraction = distance > min(
            WHOLE, 0.5 * distance.max()
        )  # where all are nearly whole, what is left of it counts
        known = self.gain.sum(axis=1) / np.maximum(self.seen.sum(axis=1), 1.0)
        usual = np.where(known > 0.0, known, 1.0)[:, None]
        gain, seen = self.gain[:, self.like], self.seen[:, self.like]
        each = np.where(seen > 0.0, gain / np.maximum(seen, 1.0), usual)
        score = np.maximum(each[0] * down, 1e-9) * np.maximum(each[1] * (1.0 - down), 1e-9)
        fraction &= first_of(np.where(fraction, self.like, -1))
        score = np.where(fraction, score, -1.0)
        back = self.relaxation.way_back() if self.back else None
        k = self._tried(node, value, score, back)
        self._branch(node, k, float(np.floor(value[k])), float(down[k]), back)

    def _tried(self, node: _OpenNode, value: Floats, score: Floats, back: Callable[[], None] | None) -> int:
        """The column to split; of those that promise most, what is not known from splits is tried on both sides."""
        best, found, since = -1, -1.0, 0
        for k in np.argsort(-score, kind="stable")[:CANDIDATES].tolist():
            if score[k] < 0.0 or since >= IN_VAIN:
                break
            own = float(score[k])
            if self.seen[:, self.like[k]].min() < RELIABLE and not self._spent():
                own = self._both_sides(node, k, float(value[k]))
                if back is not None:
                    back()
            since += 1
            if own > found:
                best, found, since = k, own, 0
            if found == inf:
                break
        return best

    def _both_sides(self, node: _OpenNode, k: int, value: float) -> float:
        """What both sides of a split bring, multiplied; infinite where one of them is closed by it."""
        product = 1.0
        for side in (0, 1):
            lower, upper = node.lower.copy(), node.upper.copy()
            distance = value - np.floor(value) if side == 0 else np.ceil(value) - value
            if side == 0:
                upper[k] = np.floor(value)
            else:
                lower[k] = np.floor(value) + 1.0
            self.nodes += 1
            relaxed = self.relaxation.solve(lower, upper)
            self.iterations += relaxed.iterations
            if relaxed.stop is Stop.INFEASIBLE:
                product = inf
            elif relaxed.multipliers is not None:
                bound = self._bound(relaxed.multipliers, lower, upper)
                if bound >= self.target:
                    product = inf
                    continue
                gain = max(bound - node.bound, 0.0)
                self.gain[side, self.like[k]] += gain / max(distance, WHOLE)
                self.seen[side, self.like[k]] += 1.0
                product *= max(gain, 1e-9)
        return product

    def _spent(self) -> bool:
        """Whether a limit of work is reached."""
        return (
            self.nodes >= self.work.nodes
            or effort(self.program, self.nodes, self.iterations) >= self.work.effort
            or (self.nodes > 0 and self.work.late())
        )

    def _split_widest(self, node: _OpenNode) -> None:
        """Said to be infeasible, but not proven: halve the widest range, until what is left is a point."""
        width = node.upper - node.lower
        k = int(np.argmax(width)) if len(width) else 0
        if not len(width) or width[k] < 1.0 or node.lower[k] > FARTHEST or self.halved >= MOST_HALVED:
            self._close(node)
            return
        self.halved += 1
        low, high = float(node.lower[k]), float(node.upper[k])
        middle = np.floor((low + high) / 2.0) if np.isfinite(high) else 2.0 * max(low, 0.0) + 1.0
        self._branch(node, k, float(middle), 0.5)

    def _branch(
        self, node: _OpenNode, k: int, at: float, down: float, back: Callable[[], None] | None = None
    ) -> None:
        for side, distance in ((0, down), (1, 1.0 - down)):
            lower, upper = node.lower, node.upper
            if side == 0:
                upper = upper.copy()
                upper[k] = at
            else:
                lower = lower.copy()
                lower[k] = at + 1.0
            number = -(2 * self.nodes + side)  # of equal bounds the newest first
            branch = (k, side, distance)
            child = _OpenNode(node.bound, number, lower, upper, node.multipliers, branch, back=back)
            heapq.heappush(self.open, child)

    def _bound(self, multipliers: Floats, lower: Floats, upper: Floats) -> float:
        return self.safe.total(multipliers, *self._column_bounds(lower, upper))

    def _column_bounds(self, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
        every_lower, every_upper = self.program.col_lower.copy(), self.program.col_upper.copy()
        every_lower[self.columns], every_upper[self.columns] = lower, upper
        return every_lower, every_upper
