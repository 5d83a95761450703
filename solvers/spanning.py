"""A long program whose few spanning decisions are branched on, each node bounded by tableau rows.

    node    ranges of the whole columns that span the steps
    bound   of its relaxation with the rows that its own basis makes (`solvers.rounding.tableau`)

A column that spans stands in rows of every step: counted from 0 it takes up what a row gains by rounding, counted from
the end of a narrow range it does not. So a node in which what spans has one value is bounded far better than its
relaxation, and the tree goes there first: along what is farthest from whole, else a value, and what is below and above.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Stop
from solvers.proof.safe import refuting
from solvers.rounding.rows import RoundedRow, in_units
from solvers.rounding.tableau import tableau_rows

WHOLE = 1e-6
MOST_LEAVES = 16


class SpanningLeaf(Record):
    """Ranges (k,) of what spans, and what bounds every point there.

    point        (n,) of the relaxation with the roundings; None: there is none
    multipliers  (m + k,) of the program's rows and of those
    """

    lower: Floats
    upper: Floats
    bound: float
    point: Floats | None
    multipliers: Floats
    roundings: tuple[RoundedRow, ...] = ()


@dataclass(order=True)
class _WaitingLeaf:
    bound: float
    number: int
    leaf: SpanningLeaf = field(compare=False)


class SpanningTree:
    """`spans` (k,): whole columns."""

    def __init__(self, program: LinearProgram, spans: Ints, options: SolveOptions) -> None:
        from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

        self.program, self.spans, self.options = program, spans, options
        self.relaxation = HighsRelaxation(program, deadline=options.finishing.deadline)

    def leaves(self, enough: float) -> list[SpanningLeaf]:
        """They leave no point out; best first, until all are at `enough`. None at all: no relaxation was solved."""
        low, high = self.program.col_lower[self.spans], self.program.col_upper[self.spans]
        root = self._looked_at(np.ceil(low), np.floor(high), enough)
        if root is None:
            return []
        waiting, done = [_WaitingLeaf(root.bound, 0, root)], list[SpanningLeaf]()
        while waiting and len(waiting) + len(done) < MOST_LEAVES and not self.options.late:
            leaf = heapq.heappop(waiting).leaf
            ranges = self._split(leaf) if leaf.bound < enough else []
            parts = [self._looked_at(*ends, enough) for ends in ranges]
            if not parts or any(part is None for part in parts):
                done.append(leaf)
                if leaf.bound < enough:
                    break  # the least of all stays as it is
                continue
            for part in parts:
                if part is not None:
                    heapq.heappush(waiting, _WaitingLeaf(part.bound, len(waiting) + len(done), part))
        return done + [each.leaf for each in waiting]

    def _looked_at(self, lower: Floats, upper: Floats, enough: float) -> SpanningLeaf | None:
        """A node; None where its relaxation has no answer."""
        program, relaxation = self.program, self.relaxation
        low, high = program.col_lower.copy(), program.col_upper.copy()
        low[self.spans], high[self.spans] = lower, upper
        ends = low[relaxation.columns], high[relaxation.columns]
        plain = relaxation.solve(*ends)
        if plain.multipliers is None or (plain.point is None and plain.stop is not Stop.INFEASIBLE):
            return None
        if plain.point is None:
            return self._refuted(lower, upper, plain.multipliers, (low, high), enough)
        usd = program.objective(plain.point)
        leaf = SpanningLeaf(lower, upper, usd, plain.point, plain.multipliers)
        if usd >= enough or self.options.late:
            return leaf
        rows = tableau_rows(program, relaxation, plain.point, low, high)
        if not rows:
            return leaf
        matrix, most = in_units(rows, program.n_columns)
        cut = relaxation.solve_with(*ends, matrix, most)
        if cut.point is None or cut.multipliers is None:
            return leaf
        prices = cut.multipliers.copy()
        prices[program.n_rows :] /= [row.unit for row in rows]
        return SpanningLeaf(lower, upper, program.objective(cut.point), cut.point, prices, tuple(rows))

    def _refuted(
        self, lower: Floats, upper: Floats, ray: Floats, ends: tuple[Floats, Floats], enough: float
    ) -> SpanningLeaf | None:
        """A node without a point: multipliers that prove more than is asked for."""
        multipliers, bound = refuting(self.program, ray, enough, *ends)
        return None if bound < enough else SpanningLeaf(lower, upper, bound, None, multipliers)

    def _split(self, leaf: SpanningLeaf) -> list[tuple[Floats, Floats]]:
        """Ranges that leave nothing out; none where each has one value."""
        assert leaf.point is not None
        return split_ranges(leaf.lower, leaf.upper, leaf.point[self.spans], self.program.cost[self.spans])


def split_ranges(lower: Floats, upper: Floats, value: Floats, cost: Floats) -> list[tuple[Floats, Floats]]:
    """Ranges (k,) that leave nothing out, along what is farthest from whole at `value`, else along what costs most of
    what has more than one value: this one, and what is below and above. None where nothing has.
    """
    far, wide = np.abs(value - np.round(value)), upper > lower
    if far.max(initial=0.0) > WHOLE:
        k = int(np.argmax(far))
        down = np.floor(value[k])
        ends = [(lower[k], down), (down + 1, upper[k])]
    elif wide.any():
        k = int(np.argmax(np.where(wide, cost * np.maximum(value, 0.5), -np.inf)))
        at = float(np.round(value[k]))
        ends = [(lower[k], at - 1), (at, at), (at + 1, upper[k])]
    else:
        return []
    split = []
    for low, high in ends:
        if low <= high:
            below, above = lower.copy(), upper.copy()
            below[k], above[k] = low, high
            split.append((below, above))
    return split
