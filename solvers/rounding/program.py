"""A program with the roundings that its relaxation breaks, and with sums of its whole columns to branch on.

Rows are added up as the simplex tableau does: where a whole column is not whole at the optimum of the relaxation, its
row of the basis' inverse gives the weights (Gomory 1960). A few rounds of that lift the relaxation of hours that hang
together by work that waits by a fifth, what spans them being held. What it leaves is a choice of hours that cost the
same: a split of one hour's count moves it to the next, a split of the day's sum does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from solvers.core.options import SolveOptions
from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.rounding.rows import RoundedRow, coefficients, entries_of, numbered_anew, resting_on
from solvers.rounding.sought import RowSums
from solvers.rounding.tableau import AWAY

ROUNDS = 30
WAYS = ((60, 0.1), (60, 0.05), (60, 0.2), (8, 0.1))
"""Roundings added in a round, at most, and the cosine of two of them, at most. Which of these ways lifts the relaxation
most is chance, and what is lifted more is worth many nodes: all are tried, and what they keep is put together.
"""

USED = 1e-9  # a multiplier
ENOUGH = 1e-3
"""A round that closes less than this part of what is missing is the last."""


class RoundedProgram(Record):
    """A program with roundings below its rows.

    program   rows: those it was made of, then those of `kept`
    made      roundings that those rest on, in the order in which they were made; their rows from m on are roundings
              before them
    kept      (k,) those of `made` that bind in the end
    bound     of the relaxation
    multipliers (m + k,)
    """

    program: LinearProgram
    made: tuple[RoundedRow, ...]
    kept: Ints
    bound: float
    multipliers: Floats


def with_sums(program: LinearProgram, groups: Sequence[Ints]) -> LinearProgram:
    """Behind the columns a whole one for each group of whole columns, their sum; below the rows one that says so."""
    k, n = len(groups), program.n_columns
    row = np.repeat(np.arange(k), [len(group) for group in groups])
    column = np.concatenate([np.empty(0, dtype=np.int64), *groups])
    sums = sparse.csr_array((np.ones(len(row)), (row, column)), shape=(k, n))
    own: Any = sparse.hstack([sums, -sparse.eye_array(k)], format="csr")
    none, ends = np.zeros(k), program.whole_bounds
    least, most = (np.array([end[group].sum() for group in groups]) for end in ends)
    return program.wider(own, (none, none), least, most, np.ones(k, dtype=np.bool_))


def rounded_program(program: LinearProgram, enough: float, options: SolveOptions) -> RoundedProgram | None:
    """None where the relaxation has no optimum; `enough`: a bound so high needs no more roundings."""
    ways: list[RoundedProgram] = []
    for at_once, parallel in WAYS:
        found = None if ways and options.late else _Rounds(program, at_once, parallel, options).run(enough)
        if found is None or found.bound >= enough:
            return found or max(ways, key=lambda each: each.bound, default=None)
        ways.append(found)
    together = _together(program, ways, options).run(enough)
    return max([*ways, together] if together else ways, key=lambda each: each.bound)


def _together(program: LinearProgram, ways: list[RoundedProgram], options: SolveOptions) -> _Rounds:
    """Rounds that begin with what each of several ways has kept."""
    rounds = _Rounds(program, *WAYS[0], options)
    for way in ways:
        first, m = len(rounds.made), program.n_rows
        rounds.made += [
            replace(row, rows=np.where(row.rows < m, row.rows, row.rows + first)) for row in way.made
        ]
        rounds.live = np.concatenate([rounds.live, first + way.kept])
    upper = np.array([rounds.made[i].upper for i in rounds.live])
    rounds.relaxation.add_rows(rounds.matrix(rounds.live.tolist()), upper)
    return rounds


class _Rounds:
    def __init__(self, program: LinearProgram, at_once: int, parallel: float, options: SolveOptions) -> None:
        from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

        self.program, self.at_once, self.parallel, self.options = program, at_once, parallel, options
        self.relaxation = HighsRelaxation(program, deadline=options.finishing.deadline)
        self.made: list[RoundedRow] = []
        self.live = np.empty(0, dtype=np.int64)  # numbers of roundings that are in the relaxation
        self.bounds = program.whole_bounds
        columns = self.relaxation.columns
        self.whole = self.bounds[0][columns], self.bounds[1][columns]

    def run(self, enough: float) -> RoundedProgram | None:
        solved = self.relaxation.solve(*self.whole)
        if len(self.live) and solved.multipliers is not None:
            self._drop(np.abs(solved.multipliers[self.program.n_rows :]) > USED)
            solved = self.relaxation.solve(*self.whole)  # a basis to look at
        if solved.point is None or solved.multipliers is None:
            return None
        point, multipliers = solved.point, solved.multipliers
        bound = self.program.objective(point)
        for _ in range(ROUNDS):
            if bound >= enough or self.options.late:
                break
            found = self._chosen(self._roundings(point))
            if not found:
                break
            self._add(found)
            solved = self.relaxation.solve(*self.whole)
            if solved.multipliers is not None and solved.point is not None:
                self._drop(np.abs(solved.multipliers[self.program.n_rows :]) > USED)
                solved = self.relaxation.solve(*self.whole)  # a basis to look at
            if solved.point is None or solved.multipliers is None:
                return None
            point, multipliers = solved.point, solved.multipliers
            before, bound = bound, self.program.objective(point)
            if bound - before < ENOUGH * (enough - before):
                break
        some, m = resting_on(self.made, self.live.tolist(), self.program.n_rows), self.program.n_rows
        kept = np.searchsorted(some, self.live)
        return RoundedProgram(self._program(), numbered_anew(self.made, some, m), kept, bound, multipliers)

    def _program(self) -> LinearProgram:
        """The program with the roundings that are in the relaxation."""
        program, k = self.program, len(self.live)
        return replace(
            program,
            matrix=sparse.vstack([program.matrix, self.matrix(self.live.tolist())], format="csr"),
            row_lower=np.concatenate([program.row_lower, np.full(k, -np.inf)]),
            row_upper=np.concatenate([program.row_upper, [self.made[i].upper for i in self.live]]),
            row_names=None,
            blocks=None,
        )

    def matrix(self, numbers: Sequence[int]) -> Any:
        return coefficients([self.made[i] for i in numbers], self.program.n_columns)

    def _roundings(self, point: Floats) -> list[RoundedRow]:
        """Of the rows of the tableau whose column is not whole."""
        program = self._program()
        limits = program.row_lower, program.row_upper
        off = np.concatenate([np.zeros(self.program.n_rows), [self.made[i].off for i in self.live]])
        sums = RowSums(program.matrix, limits, program.integer, self.bounds, off)
        number = np.concatenate([np.arange(self.program.n_rows), self.program.n_rows + self.live])
        found = []
        tableau = self.relaxation.tableau(AWAY)
        for k in range(tableau.shape[0]):
            rows, weights = entries_of(tableau, k)
            for sign in (1.0, -1.0):
                row = sums.rounded(rows, sign * weights, point)
                if row is not None:
                    found.append(replace(row, rows=number[row.rows]))
        return found

    def _chosen(self, found: list[RoundedRow]) -> list[RoundedRow]:
        """Those that the point lies farthest beyond, of which no two are much alike."""
        chosen: list[RoundedRow] = []
        units: list[Floats] = []
        for row in sorted(found, key=lambda each: -each.beyond):
            unit = np.zeros(self.program.n_columns)
            unit[row.columns] = row.values / np.linalg.norm(row.values)
            if all(unit[row.columns] @ other[row.columns] <= self.parallel for other in units):
                chosen.append(row)
                units.append(unit)
            if len(chosen) == self.at_once:
                break
        return chosen

    def _add(self, found: list[RoundedRow]) -> None:
        numbers = list(range(len(self.made), len(self.made) + len(found)))
        self.made += found
        self.relaxation.add_rows(self.matrix(numbers), np.array([each.upper for each in found]))
        self.live = np.concatenate([self.live, np.array(numbers, dtype=np.int64)])

    def _drop(self, used: Bools) -> None:
        """Roundings that do not bind."""
        self.relaxation.drop_rows(self.program.n_rows + np.flatnonzero(~used))
        self.live = self.live[used]
