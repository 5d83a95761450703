"""What spans pieces is branched on: a tree whose every leaf is bounded by pieces, under prices of its own.

    node    ranges of the whole columns that span pieces: contracts, counts of the whole horizon
    bound   of the relaxation with strong rows there; where that is not enough, of the pieces under its prices; where
            all that spans is held at one value, by a tree over all that is whole, with rows rounded and sums over the
            pieces to branch on (see `solvers.rounding`), else under better prices, round by round

Few decisions: branch; many: copies (see `solving`). With what spans held, pieces hang together by what is priced alone,
and a first look at them under the relaxation's prices proves most of what there is to prove.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Stop
from solvers.piecewise.boxed import BoxedRounds
from solvers.piecewise.copies import with_copies
from solvers.piecewise.priced import PricedPieces
from solvers.piecewise.rounds import GAIN, PriceRounds
from solvers.proof.open_columns import OpenColumns
from solvers.proof.safe import refuting
from solvers.proof.tree import ProofTree, WorkLimits, branch_and_bound
from solvers.rounding import RoundedProgram, rounded_program, with_sums
from solvers.spanning import split_ranges
from solvers.strengthened import StrengthenedAnswer, strengthened

SAME = 1e-7  # relative: a bound that has moved by less has not
MOST_NODES = 400
LOOKING = WorkLimits(nodes=8_000, effort=60_000_000.0)
GLANCING = WorkLimits(nodes=1_000, effort=8_000_000.0)  # what most trees end within
MOST_PRICED = 80  # nodes that pieces are looked at in


class RoundedTree(Record):
    """A program with sums, strong rows and roundings, and a tree of it.

    strong   the program with sums behind its columns, and below its rows, and strong rows below these
    """

    strong: LinearProgram
    rounded: RoundedProgram
    proof: ProofTree


class HeldLeaf(Record):
    """Ranges of what spans, and what bounds every point there.

    lower, upper   (k,) of the whole columns that span
    program        the program within these ranges, or within those of the node that bounds them
    answer         its relaxation with strong rows: the bound, where there are no pieces
    rounds         pieces, and prices that prove the bound; None: the relaxation is enough
    tree           of all that is whole, with rows rounded and sums; None: there is none
    """

    lower: Floats
    upper: Floats
    program: LinearProgram
    answer: StrengthenedAnswer
    rounds: PriceRounds | None = None
    tree: RoundedTree | None = None

    @property
    def bound(self) -> float:
        """No point in these ranges costs less."""
        bounds = [self.answer.bound]
        bounds += [] if self.rounds is None else [self.rounds.bound]
        bounds += [] if self.tree is None else [self.tree.proof.bound]
        return max(bounds)

    @property
    def held(self) -> bool:
        """Whether each column that spans has one value."""
        return bool((self.lower == self.upper).all())


@dataclass(order=True)
class _Node:
    last: bool  # a tree of its own takes the time that many relaxations take: these come first
    bound: float
    number: int
    lower: Floats = field(compare=False)
    upper: Floats = field(compare=False)
    before: HeldLeaf = field(compare=False)


class HeldTree:
    """A tree over the whole columns that span pieces.

    usd    what a plan costs; bounds from `enough` on are near enough to it. Who searches for plans lowers both
    near   see `BoxedRounds`
    sums   groups of whole columns that are alike in other pieces: with any, a tree over all that is whole is tried
    work   of each such tree, at most
    """

    def __init__(
        self,
        program: LinearProgram,
        part: Ints,
        answer: StrengthenedAnswer,
        solve: Solve,
        options: SolveOptions,
    ) -> None:
        from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

        self.program, self.part, self.answer, self.solve, self.options = program, part, answer, solve, options
        self.spans = np.flatnonzero(program.integer & (part < 0))
        whole = np.flatnonzero(program.integer)
        self.place = np.searchsorted(whole, self.spans)
        self.lower, self.upper = np.ceil(program.col_lower[whole]), np.floor(program.col_upper[whole])
        self.strong = answer.added.added_to(program)
        self.relaxation = HighsRelaxation(self.strong, deadline=options.finishing.deadline)
        self.nodes = self.priced = 0
        self.usd = self.enough = np.inf
        self.near = GAIN
        self.sums: Sequence[Ints] = ()
        self.work = LOOKING

    def leaves(
        self, usd: float, enough: float, held: Callable[[HeldLeaf], None] = lambda _: None
    ) -> list[HeldLeaf]:
        """They leave no point out. `held` is told of each leaf in which all that spans has one value."""
        self.usd, self.enough = usd, enough
        lower, upper = self.lower[self.place], self.upper[self.place]
        root = HeldLeaf(lower, upper, self.program, self.answer, None)
        waiting = [_Node(False, self.answer.bound, 0, lower, upper, root)]
        leaves: list[HeldLeaf] = []
        while waiting:
            node = heapq.heappop(waiting)
            limited = self.nodes >= MOST_NODES or self.priced >= MOST_PRICED or self.options.late
            leaf = None if limited or node.bound >= self.enough else self._looked_at(node)
            if leaf is None:
                leaves.append(_in_part(node.before, node.lower, node.upper))
                continue
            if leaf.held:
                held(leaf)
            if leaf.held or leaf.bound >= self.enough:
                leaves.append(leaf)
                continue
            value, cost = leaf.answer.point[self.spans], self.program.cost[self.spans]
            for low, high in split_ranges(leaf.lower, leaf.upper, value, cost):
                number = -(self.nodes * len(self.spans) + len(waiting))  # of equal bounds the newest first
                last = len(self.sums) > 0 and bool((low == high).all())
                heapq.heappush(waiting, _Node(last, leaf.bound, number, low, high, leaf))
        return leaves

    def _looked_at(self, node: _Node) -> HeldLeaf | None:
        """What bounds a node; None where its relaxation has no answer."""
        self.nodes += 1
        lower, upper = self.lower.copy(), self.upper.copy()
        lower[self.place], upper[self.place] = node.lower, node.upper
        solved = self.relaxation.solve(lower, upper)
        if solved.multipliers is None or (solved.point is None and solved.stop is not Stop.INFEASIBLE):
            return None
        if solved.point is None:
            return self._refuted(node, solved.multipliers)
        bound = self.program.objective(solved.point)
        answer = StrengthenedAnswer(solved.point, bound, solved.multipliers, self.answer.added)
        program = within(self.program, self.spans, node.lower, node.upper)
        leaf = HeldLeaf(node.lower, node.upper, program, answer, None)
        if bound >= self.enough or self.options.late:
            return leaf
        moved = bound > node.before.answer.bound + SAME * abs(bound)
        return self._priced(leaf) if leaf.held or moved or self.nodes == 1 else leaf

    def at(self, values: Floats) -> HeldLeaf:
        """The leaf of one value of each column that spans."""
        program = within(self.program, self.spans, values, values)
        return self._priced(HeldLeaf(values, values, program, self.answer, None))

    def _priced(self, leaf: HeldLeaf) -> HeldLeaf:
        """With a look at the pieces; of one value, by a tree, or with better prices until there are none."""
        answer, tree = leaf.answer, None
        self.priced += 1
        if leaf.held:
            answer = strengthened(leaf.program, self.options) or answer
            tree = self._tree(leaf.program, answer) if len(self.sums) else None
        found = HeldLeaf(leaf.lower, leaf.upper, leaf.program, answer, None, tree)
        if tree is not None and (found.bound >= self.enough or self.options.late):
            return found
        return replace(found, rounds=self._rounds(leaf, answer))

    def _rounds(self, leaf: HeldLeaf, answer: StrengthenedAnswer) -> PriceRounds:
        """Of the pieces; of one value until better prices are of no more use."""
        pieces = PricedPieces(with_copies(leaf.program, self.part, answer))
        kind = BoxedRounds if leaf.held else PriceRounds
        rounds = kind(pieces, pieces.copies.prices[pieces.reaching], self.solve, self.options)
        if isinstance(rounds, BoxedRounds):
            rounds.near = self.near
        rounds.round(self.usd)
        while leaf.held and not rounds.ended and rounds.bound < self.enough:
            rounds.round(self.usd)
        return rounds

    def _tree(self, program: LinearProgram, answer: StrengthenedAnswer) -> RoundedTree | None:
        """Of all that is whole; None where its relaxation has no optimum."""
        from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

        rows = answer.added
        wider = replace(rows, matrix=_wider(rows.matrix, len(self.sums)))
        strong = wider.added_to(with_sums(program, self.sums))
        rounded = rounded_program(strong, self.enough, self.options)
        if rounded is None:
            return None
        work = replace(self.work, late=lambda: self.options.late)
        gap = max(1.0 - self.enough / self.usd, 0.0) if self.usd > 0 else 0.0
        proof = branch_and_bound(
            rounded.program,
            lambda own, most: OpenColumns(own, HighsRelaxation, most),
            known=rounded.multipliers,
            within=(gap, 0.0),
            work=work,
            objective=self.usd,
            back=True,
        )
        return RoundedTree(strong, rounded, proof)

    def _refuted(self, node: _Node, ray: Floats) -> HeldLeaf | None:
        """A node without a point: multipliers that prove more than is asked for; None where the ray proves nothing."""
        wanted = self.enough if np.isfinite(self.enough) else abs(self.answer.bound) + 1.0
        strong = within(self.strong, self.spans, node.lower, node.upper)
        multipliers, bound = refuting(strong, ray, wanted)
        if bound < wanted:
            return None
        answer = StrengthenedAnswer(self.answer.point, bound, multipliers, self.answer.added)
        program = within(self.program, self.spans, node.lower, node.upper)
        return HeldLeaf(node.lower, node.upper, program, answer, None)


def within(program: LinearProgram, columns: Ints, lower: Floats, upper: Floats) -> LinearProgram:
    """The program with other ranges of some columns."""
    low, high = program.col_lower.copy(), program.col_upper.copy()
    low[columns], high[columns] = lower, upper
    return replace(program, col_lower=low, col_upper=high)


def _wider(matrix: Any, columns: int) -> Any:
    """With so many empty columns behind."""
    return sparse.csr_array(
        (matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], matrix.shape[1] + columns)
    )


def _in_part(leaf: HeldLeaf, lower: Floats, upper: Floats) -> HeldLeaf:
    """What bounds a node, for a part of it: its pieces, and their trees, are those of the node."""
    return replace(leaf, lower=lower, upper=upper)
