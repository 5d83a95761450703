"""Columns that rows leave no room for, exactly: a solver's tolerance would let a little through.

    Σ a_j · x_j ≤ b   where   Σ min(a_j · lower_j, a_j · upper_j) = b:   every column of the row is at that end
                      where all columns but one are held:                 that one is within what they leave

With no instance rented, `load · flow ≤ count` leaves nothing, and 1e-9 of a large load is more than all of a tiny one.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np

from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record

ROUNDING = 1e-15  # relative to what a row sums up
ROUNDS = 50  # a chain of rows is hardly so long
SUMMED = 1e-12  # relative to what a row of held columns sums up
DUST = 1e-13  # less is a rounding of nothing
OUT = 1e-6  # relative to what a row sums up: more is no rounding, and more than a promise lets go of


class Forced(Record):
    """Bounds of columns once rows have forced what they force.

    lower, upper   (n,)
    by             (n, 2) the rows that raised a column's lower bound and lowered its upper one, −1: none
    """

    lower: Floats
    upper: Floats
    by: Ints

    def applied(self, program: LinearProgram) -> LinearProgram:
        """The program within these bounds."""
        return replace(program, col_lower=self.lower, col_upper=self.upper)

    def through(self, point: Floats) -> Ints:
        """Columns that are forced to 0 and are above it in a point, the largest first."""
        at = np.flatnonzero((self.by[:, 1] >= 0) & (self.upper == 0.0) & (point > DUST))
        return np.asarray(at[np.argsort(-point[at], kind="stable")])

    def broken(self, program: LinearProgram) -> Ints:
        """Rows that nothing within these bounds keeps: by more than a millionth of what they sum up."""
        matrix, m = program.matrix, program.n_rows
        row = np.repeat(np.arange(m), np.diff(matrix.indptr))
        ends = matrix.data * self.lower[matrix.indices], matrix.data * self.upper[matrix.indices]
        out = np.zeros(m, dtype=bool)
        for side, limit in ((1.0, program.row_upper), (-1.0, -program.row_lower)):
            least = np.minimum(side * ends[0], side * ends[1])
            total, size = np.bincount(row, least, m), np.bincount(row, np.abs(least), m)
            known = np.isfinite(total) & np.isfinite(limit)
            out[known] |= total[known] - limit[known] > OUT * (size[known] + np.abs(limit[known])) + DUST
        return np.flatnonzero(out)


def forced(program: LinearProgram) -> Forced:
    """What the rows force, one after the other, within the columns' bounds."""
    matrix, m = program.matrix, program.n_rows
    row = np.repeat(np.arange(m), np.diff(matrix.indptr))
    column, value = matrix.indices, matrix.data
    lower, upper = program.whole_bounds
    lower, upper = lower.copy(), upper.copy()
    by = np.full((program.n_columns, 2), -1, dtype=np.int64)
    for _ in range(ROUNDS):
        before = lower.copy(), upper.copy()
        at_lower, at_upper = value * lower[column], value * upper[column]
        for side, limit in ((1.0, program.row_upper), (-1.0, -program.row_lower)):
            least = np.minimum(side * at_lower, side * at_upper)
            total = np.bincount(row, least, minlength=m)
            size = np.bincount(row, np.abs(least), minlength=m)
            full = np.isfinite(total) & np.isfinite(limit)
            full[full] &= np.abs(total[full] - limit[full]) <= ROUNDING * size[full]
            entry = np.flatnonzero(full[row] & (lower[column] < upper[column]))
            if not len(entry):
                continue
            j, down = column[entry], side * value[entry] > 0
            by[j, np.where(down, 1, 0)] = row[entry]
            upper[j[down]] = lower[j[down]]
            lower[j[~down]] = upper[j[~down]]
            at_lower, at_upper = value * lower[column], value * upper[column]
        _alone(program, (row, column, value), (lower, upper), by)
        moved = (lower != before[0]) | (upper != before[1])
        if not moved.any():
            break
        again = np.zeros(m, dtype=bool)
        again[row[moved[column]]] = True
        some = again[row]  # what rows none of whose columns has moved force is forced
        row, column, value = row[some], column[some], value[some]
    return Forced(lower, upper, by)


def held_out(program: LinearProgram) -> LinearProgram:
    """The program within what its rows force, and without what is held: that stands in the limits of the rows.

    Rows and columns keep their places; a column that is held has no row any more, so that it ties nothing together.
    """
    room = forced(program).applied(program)
    held = room.col_lower == room.col_upper
    taken = room.matrix @ np.where(held, room.col_lower, 0.0)
    size = np.abs(room.matrix) @ np.where(held, np.abs(room.col_lower), 0.0)
    matrix = room.matrix.copy()
    matrix.data[held[matrix.indices]] = 0.0
    matrix.eliminate_zeros()
    lower, upper = room.row_lower - taken, room.row_upper - taken
    nothing = np.diff(matrix.indptr) == 0  # nor is a rounding of what was there a reason to forbid all
    lower[nothing & (lower > 0) & (lower <= SUMMED * size)] = 0.0
    upper[nothing & (upper < 0) & (upper >= -SUMMED * size)] = 0.0
    return replace(room, matrix=matrix, row_lower=lower, row_upper=upper)


def _alone(
    program: LinearProgram, entries: tuple[Ints, Ints, Floats], bounds: tuple[Floats, Floats], by: Ints
) -> None:
    """Tighter bounds of columns that are alone in a row, all others held; `entries` are all those of some rows."""
    (row, column, value), (lower, upper), m = entries, bounds, program.n_rows
    held = lower[column] == upper[column]
    single = np.bincount(row, ~held, minlength=m) == 1
    total = np.bincount(row, np.where(held, value * lower[column], 0.0), minlength=m)
    entry = np.flatnonzero(~held & single[row])
    j, i, a = column[entry], row[entry], value[entry]
    one, other = (program.row_lower[i] - total[i]) / a, (program.row_upper[i] - total[i]) / a
    low = np.clip(np.minimum(one, other), lower[j], upper[j])
    high = np.clip(np.maximum(one, other), lower[j], upper[j])
    raised, lowered = low > lower[j], high < upper[j]
    by[j[raised], 0], by[j[lowered], 1] = i[raised], i[lowered]
    np.maximum.at(lower, j, low)
    np.minimum.at(upper, j, high)
    lower[j] = np.minimum(lower[j], upper[j])


def gates(program: LinearProgram, found: Forced, column: int) -> Ints:
    """Whole columns of the program that rows go back to, from a column that was forced while these were held."""
    matrix, seen, open_ = program.matrix, {column}, [column]
    whole: list[int] = []
    while open_:
        rows = [row for row in found.by[open_.pop()].tolist() if row >= 0]
        columns = [matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]].tolist() for row in rows]
        for j in chain.from_iterable(columns):
            if j in seen:
                continue
            seen.add(j)
            if program.integer[j]:
                whole.append(j)
            elif (found.by[j] >= 0).any():
                open_.append(j)
    return np.array(whole, dtype=np.int64)
