"""A program taken apart, each part proved by what fits it, like parts proved once, in whatever order.

Parts share no row, so that the bound of the whole is the sum of theirs. What has no whole columns is one linear
program, bounded by its multipliers; every part with whole columns has a tree of its own.
"""

from __future__ import annotations

from dataclasses import replace
from math import fsum, inf, nextafter

import numpy as np
from numpy.typing import NDArray

from solvers.components import independent
from solvers.core.alike import Placed, placed
from solvers.core.certify import is_feasible
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.core.relaxation import OpenRelaxation
from solvers.core.result import Stop
from solvers.proof.safe import SafeBounds, usable
from solvers.proof.tree import ProofLeaf, ProofTree, WorkLimits, branch_and_bound, effort


class ProvedPart(Record):
    """A part of a program and what is proven of it; like parts share their leaves.

    columns, rows   where the part's columns and rows stand in the whole
    whole           its integer columns, as columns of the whole: a leaf's ranges are theirs
    leaves          multipliers stand in the order of `rows`
    bound           no point of the part costs less (the program's offset not counted)
    """

    columns: Ints
    rows: Ints
    whole: Ints
    leaves: tuple[ProofLeaf, ...]
    bound: float


class ProgramProof(Record):
    """What is proven of a program, and the best point met on the way.

    bound      no point costs less
    complete   every part reached its target: nothing but the gap asked for lies between the point and the bound
    refuted    a part has no point, so that the program is infeasible
    """

    parts: tuple[ProvedPart, ...]
    bound: float
    point: Floats | None
    objective: float
    complete: bool
    refuted: bool
    nodes: int
    iterations: int


def prove(
    program: LinearProgram,
    open_relaxation: OpenRelaxation,
    *,
    start: Floats | None = None,
    gap: float = 1e-7,
    enough: float = 0.0,
    work: WorkLimits | None = None,
) -> ProgramProof:
    """Bound a program by its parts.

    start   (n,) a point, if one is known; one that is not feasible is left out
    gap     relative to each part's cost, at which it counts as proven
    enough  the same, at which little more is done for it (see `branch_and_bound`)
    work    limits over all parts together
    """
    if start is not None and not is_feasible(program, start, tolerance=1e-6):
        start = None
    found = _Parts(program, open_relaxation, start, (gap, enough), work or WorkLimits())
    groups = independent(program)
    if len(groups) > 1 or not found.left.effort > 0:
        groups = found.without_tree(groups)
    for part in placed(program, groups):
        found.with_tree(part)
    return found.proof()


class _Tree(Record):
    """A tree, and where the columns and rows of its part stand that are first, second, … in like parts."""

    tree: ProofTree
    integer: NDArray[np.bool_]
    columns: Ints
    rows: Ints


class _Parts:
    """Parts proved so far, and what is left of the work."""

    def __init__(
        self,
        program: LinearProgram,
        open_relaxation: OpenRelaxation,
        start: Floats | None,
        near: tuple[float, float],
        work: WorkLimits,
    ) -> None:
        self.program, self.open_relaxation, self.start = program, open_relaxation, start
        self.gap, self.enough = near
        self.left = work
        self.root: Floats | None = None  # multipliers of the relaxation of the whole
        self.trees: dict[bytes, _Tree] = {}
        self.parts: list[ProvedPart] = []
        self.point = np.zeros(program.n_columns) if start is None else start.copy()
        self.complete = self.known = True
        self.refuted = False
        self.nodes = self.iterations = 0
        self.slack = 0.0

    def without_tree(self, groups: list[Ints]) -> list[Ints]:
        """Take the parts that the relaxation of the whole proves already, or all where no effort is left; the rest."""
        program, count = self.program, len(groups)
        whole = np.flatnonzero(program.integer)
        lower, upper = program.col_lower[whole], program.col_upper[whole]
        answer = self.open_relaxation(program, self.left.iterations(program)).solve(lower, upper)
        self._spend(program, 1, answer.iterations)
        self.root = None if answer.stop is Stop.INFEASIBLE else answer.multipliers
        if self.root is None and not self.left.effort > 0:
            self.root = np.zeros(program.n_rows)
        if self.root is None:
            return groups
        column_part = np.zeros(program.n_columns, dtype=np.int64)
        for k, columns in enumerate(groups):
            column_part[columns] = k
        row_part = np.zeros(program.n_rows, dtype=np.int64)
        entries = program.matrix.tocoo()
        row_part[entries.row] = column_part[entries.col]
        value = self._settled(answer.point, column_part, count)
        bounds = SafeBounds(program).by_part(self.root, row_part, column_part, count)
        if np.isfinite(value).all():
            self.slack = self.gap * abs(float(value.sum())) / count
        known = np.isfinite(value)
        target = np.where(known, value, 0.0)
        near = np.maximum(self.gap * np.abs(target) + self.slack, self.enough * np.abs(target))
        proved = known & (bounds >= target - near)
        done = proved if self.left.effort > 0 else np.ones(count, dtype=bool)
        if not done.any():
            return groups
        self.complete &= bool(proved[done].all())
        self.known &= bool(known[done].all())
        columns, rows = np.flatnonzero(done[column_part]), np.flatnonzero(done[row_part])
        own = columns[program.integer[columns]]
        multipliers = usable(program, self.root)[rows]
        bound = fsum(bounds[done].tolist())
        leaf = ProofLeaf(program.col_lower[own], program.col_upper[own], multipliers, bound)
        self.parts.append(ProvedPart(columns, rows, own, (leaf,), bound))
        return [columns for columns, proved in zip(groups, done.tolist(), strict=True) if not proved]

    def _settled(self, relaxed: Floats | None, column_part: Ints, count: int) -> Floats:
        """(count,) what each part costs at the start; where the relaxation is whole it is the best, and taken."""
        program = self.program
        ours = np.full(count, inf)
        if self.start is not None:
            ours = np.bincount(column_part, program.cost * self.start, minlength=count)
        if relaxed is None:
            return ours
        near = np.where(program.integer, np.round(relaxed), relaxed)
        broken = np.bincount(column_part, np.abs(near - relaxed) > 1e-9, minlength=count) > 0
        theirs = np.where(broken, inf, np.bincount(column_part, program.cost * near, minlength=count))
        taken = theirs < ours
        self.point = np.where(taken[column_part], near, self.point)
        return np.where(taken, theirs, ours)

    def with_tree(self, part: Placed) -> None:
        """Prove a part by a tree; one that is like an earlier one is proved already, in that one's order."""
        program, proved = self.program, self.trees.get(part.key)
        if proved is not None:
            tree, integer, columns, rows = proved.tree, proved.integer, part.columns.copy(), part.rows.copy()
            columns[proved.columns], rows[proved.rows] = part.columns, part.rows
        else:
            piece, columns, rows = program.take(np.sort(part.columns))
            integer = piece.integer
            own = None if self.start is None else self.start[columns]
            within = (self.gap, self.slack)
            known = None if self.root is None else usable(program, self.root)[rows]
            tree = branch_and_bound(
                piece,
                self.open_relaxation,
                start=own,
                known=known,
                within=within,
                enough=self.enough,
                work=self.left,
            )
            self._spend(piece, tree.nodes, tree.iterations)
            at = np.searchsorted(columns, part.columns), np.searchsorted(rows, part.rows)
            self.trees[part.key] = _Tree(tree, integer, *at)
        self.parts.append(ProvedPart(columns, rows, columns[integer], tree.leaves, tree.bound))
        self.complete &= tree.complete
        self.refuted |= tree.refuted
        if tree.point is None:
            self.known = False
        else:
            self.point[columns] = tree.point

    def _spend(self, program: LinearProgram, nodes: int, iterations: int) -> None:
        self.nodes, self.iterations = self.nodes + nodes, self.iterations + iterations
        rest = self.left.effort - effort(program, nodes, iterations)
        self.left = replace(self.left, nodes=self.left.nodes - nodes, effort=rest)

    def proof(self) -> ProgramProof:
        """All parts together."""
        bound = nextafter(fsum([self.program.offset, *(part.bound for part in self.parts)]), -inf)
        point = self.point if self.known else None
        value = self.program.objective(self.point) if self.known else inf
        parts, work = tuple(self.parts), (self.nodes, self.iterations)
        return ProgramProof(parts, bound, point, value, self.complete, self.refuted, *work)
