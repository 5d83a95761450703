"""What spans pieces is branched on: a tree whose every leaf is bounded by pieces, under prices of its own.

    node    ranges of the whole columns that span pieces: contracts, counts of the whole horizon
    bound   of the relaxation with strong rows there; where that is not enough, of the pieces under its prices; where
            all that spans is held at one value, under better prices, round by round

Few decisions: branch; many: copies (see `solving`). With what spans held, pieces hang together by what is priced alone,
and a first look at them under the relaxation's prices proves most of what there is to prove.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isinf

import numpy as np
from numpy.typing import NDArray

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Stop
from solvers.piecewise.boxed import BoxedRounds
from solvers.piecewise.copies import with_copies
from solvers.piecewise.priced import PricedPieces
from solvers.piecewise.rounds import GAIN, PriceRounds
from solvers.proof.safe import refuting
from solvers.strengthened import StrengthenedAnswer, strengthened

type Ints = NDArray[np.int64]

WHOLE = 1e-6
SAME = 1e-7  # relative: a bound that has moved by less has not
MOST_NODES = 400
TOGETHER = (2, 4, 8)  # neighbouring pieces: what hangs them together is then kept in part, not priced
MOST_PRICED = 80  # nodes that pieces are looked at in


class HeldLeaf(Record):
    """Ranges of what spans, and what bounds every point there.

    lower, upper   (k,) of the whole columns that span
    program        the program within these ranges, or within those of the node that bounds them
    answer         its relaxation with strong rows: the bound, where there are no pieces
    rounds         pieces, and prices that prove the bound; None: the relaxation is enough
    """

    lower: Floats
    upper: Floats
    program: LinearProgram
    answer: StrengthenedAnswer
    rounds: PriceRounds | None

    @property
    def bound(self) -> float:
        """No point in these ranges costs less."""
        return self.answer.bound if self.rounds is None else max(self.answer.bound, self.rounds.bound)

    @property
    def held(self) -> bool:
        """Whether each column that spans has one value."""
        return bool((self.lower == self.upper).all())


@dataclass(order=True)
class _Node:
    bound: float
    number: int
    lower: Floats = field(compare=False)
    upper: Floats = field(compare=False)
    before: HeldLeaf = field(compare=False)


class HeldTree:
    """A tree over the whole columns that span pieces.

    usd    what a plan costs; bounds from `enough` on are near enough to it. Who searches for plans lowers both
    near   see `BoxedRounds`; merging: whether some pieces are looked at together where each by itself proves too little
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
        self.strong, left_s = answer.added.added_to(program), options.finishing.left_s
        self.relaxation = HighsRelaxation(self.strong, time_limit_s=None if isinf(left_s) else left_s)
        self.nodes = self.priced = 0
        self.usd = self.enough = np.inf
        self.near = GAIN
        self.merging = True

    def leaves(
        self, usd: float, enough: float, held: Callable[[HeldLeaf], None] = lambda _: None
    ) -> list[HeldLeaf]:
        """They leave no point out. `held` is told of each leaf in which all that spans has one value."""
        self.usd, self.enough = usd, enough
        lower, upper = self.lower[self.place], self.upper[self.place]
        root = HeldLeaf(lower, upper, self.program, self.answer, None)
        waiting = [_Node(self.answer.bound, 0, lower, upper, root)]
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
            for low, high in self._split(leaf):
                number = -(self.nodes * len(self.spans) + len(waiting))  # of equal bounds the newest first
                heapq.heappush(waiting, _Node(leaf.bound, number, low, high, leaf))
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
        """With a look at the pieces; of one value, with better prices until there are none, and with some together."""
        answer = leaf.answer
        if leaf.held:
            answer = strengthened(leaf.program, self.options) or answer
        self.priced += 1
        best = self._rounds(leaf, answer, self.part, None)
        for together in TOGETHER if leaf.held and self.merging else ():
            if best.bound >= self.enough or self.options.late:
                break
            wider = self._rounds(leaf, answer, np.where(self.part < 0, -1, self.part // together), best)
            best = wider if wider.bound > best.bound else best
        return HeldLeaf(leaf.lower, leaf.upper, leaf.program, answer, best)

    def _rounds(
        self, leaf: HeldLeaf, answer: StrengthenedAnswer, part: Ints, before: PriceRounds | None
    ) -> PriceRounds:
        """Of pieces of their own or of some together, from prices that are known."""
        pieces = PricedPieces(with_copies(leaf.program, part, answer))
        prices = pieces.copies.prices[pieces.reaching]
        if before is not None:
            row, known = pieces.copies.row[pieces.reaching], before.pieces.copies.row[before.pieces.reaching]
            by_row = np.zeros(leaf.program.n_rows)
            by_row[known[known >= 0]] = before.prices[known >= 0]
            prices = np.where(row >= 0, by_row[np.maximum(row, 0)], prices)
        kind = BoxedRounds if leaf.held else PriceRounds
        rounds = kind(pieces, prices, self.solve, self.options)
        if isinstance(rounds, BoxedRounds):
            rounds.near = self.near
        rounds.round(self.usd)
        while leaf.held and not rounds.ended and rounds.bound < self.enough:
            rounds.round(self.usd)
        return rounds

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

    def _split(self, leaf: HeldLeaf) -> list[tuple[Floats, Floats]]:
        """Ranges that leave nothing out, along what is farthest from whole, else along what is not held yet."""
        value = leaf.answer.point[self.spans]
        far = np.abs(value - np.round(value))
        if far.max() > WHOLE:
            k = int(np.argmax(far))
            down = np.floor(value[k])
            ends = [(leaf.lower[k], down), (down + 1, leaf.upper[k])]
        else:
            wide = leaf.upper > leaf.lower
            usd = np.where(wide, self.program.cost[self.spans] * np.maximum(value, 0.5), -np.inf)
            k = int(np.argmax(usd))
            at = float(np.round(value[k]))
            ends = [(leaf.lower[k], at - 1), (at, at), (at + 1, leaf.upper[k])]
        split = []
        for low, high in ends:
            if low <= high:
                lower, upper = leaf.lower.copy(), leaf.upper.copy()
                lower[k], upper[k] = low, high
                split.append((lower, upper))
        return split


def within(program: LinearProgram, columns: Ints, lower: Floats, upper: Floats) -> LinearProgram:
    """The program with other ranges of some columns."""
    low, high = program.col_lower.copy(), program.col_upper.copy()
    low[columns], high[columns] = lower, upper
    return replace(program, col_lower=low, col_upper=high)


def _in_part(leaf: HeldLeaf, lower: Floats, upper: Floats) -> HeldLeaf:
    """What bounds a node, for a part of it: its pieces, and their trees, are those of the node."""
    return HeldLeaf(lower, upper, leaf.program, leaf.answer, leaf.rounds)
