"""Parts of a program that are equal but for the order of their columns and rows, such as fleets under other names.

    colour[column] = hash(its numbers, Σ hash(colour[row], coefficient))   rows likewise, until no more are told apart

Columns and rows of each part are put in the order of their colours; where some have the same, one of them is given a
colour of its own, and what that tells apart is found again. Parts whose numbers are then the same, one by one, are
equal: a hash may miss that two are, and never says so of others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record

type Ints = NDArray[np.int64]
type Colours = NDArray[np.uint64]

MOST_ROUNDS = 100  # in which colours spread by a row each
MOST_CHOSEN = 50  # times that one of equal columns is chosen
GOLDEN, FIRST, SECOND = (
    np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


class Placed(Record):
    """A part with its columns and rows in an order that equal parts share; `key` is the same for these alone."""

    columns: Ints
    rows: Ints
    key: bytes


def placed(program: LinearProgram, groups: list[Ints]) -> list[Placed]:
    """Each of the groups of columns, no two of which share a row."""
    lines = _Lines(program, groups)
    count = len(groups)
    rows = np.split(lines.row_order(), np.cumsum(np.bincount(lines.row_part, minlength=count + 1))[:-1])
    several = lines.several()
    if not several.any():
        return [Placed(groups[k], rows[k], b"%d" % k) for k in range(count)]
    if several.all():
        return lines.in_order()
    chosen = np.flatnonzero(several)
    inside = iter(_Lines(program, [groups[k] for k in chosen.tolist()]).in_order())
    return [next(inside) if several[k] else Placed(groups[k], rows[k], b"%d" % k) for k in range(count)]


class _Lines:
    """Columns and rows of some parts, and their colours; entries stand row by row."""

    def __init__(self, program: LinearProgram, groups: list[Ints]) -> None:
        self.program, self.count = program, len(groups)
        part = np.full(program.n_columns, self.count)
        for k, columns in enumerate(groups):
            part[columns] = k
        whole = program.matrix
        row = np.repeat(np.arange(program.n_rows), np.diff(whole.indptr))
        on = part[whole.indices] < self.count
        self.row, self.column, self.data = row[on], whole.indices[on], whole.data[on]
        self.column_part = part
        self.row_part = np.full(program.n_rows, self.count)
        self.row_part[self.row] = part[self.column]
        self.by_column = np.argsort(self.column, kind="stable")
        self.row_ends = np.searchsorted(self.row, np.arange(program.n_rows + 1))
        self.column_ends = np.searchsorted(self.column[self.by_column], np.arange(program.n_columns + 1))
        self.coefficient = _hashed(self.data)
        numbers = (program.cost, program.col_lower, program.col_upper, program.integer.astype(float))
        self.columns = _together(numbers)
        self.rows = _together((program.row_lower, program.row_upper))

    def row_order(self) -> Ints:
        return np.argsort(self.row_part, kind="stable")

    def several(self) -> NDArray[np.bool_]:
        """(k,) parts that another has the same numbers as, in whatever order."""
        sums = np.zeros((self.count + 1, 3), dtype=np.uint64)
        inside = self.column_part[self.column]
        for at, (part, colour) in enumerate(
            ((self.column_part, self.columns), (self.row_part, self.rows), (inside, self.coefficient))
        ):
            order = np.argsort(part, kind="stable")
            ends = np.searchsorted(part[order], np.arange(self.count + 2))
            sums[:, at] = _sums(_mixed(colour)[order], ends)
        _, which, often = np.unique(sums[:-1], axis=0, return_inverse=True, return_counts=True)
        return np.asarray(often[which.ravel()] > 1)

    def in_order(self) -> list[Placed]:
        """The parts, each in the order of its colours."""
        self._spread()
        for _ in range(MOST_CHOSEN):
            first = self._first_of_equals()
            if not len(first):
                break
            self.columns[first] = _mixed(self.columns[first] + GOLDEN)
            self._spread()
        return self._cut()

    def _spread(self) -> None:
        """Colours by those of the lines that each crosses, until no more are told apart."""
        told = 0
        for _ in range(MOST_ROUNDS):
            at = self.columns[self.column] ^ self.coefficient
            self.rows = _mixed(self.rows + GOLDEN + _sums(_mixed(at), self.row_ends))
            at = (self.rows[self.row] ^ self.coefficient)[self.by_column]
            self.columns = _mixed(self.columns + GOLDEN + _sums(_mixed(at), self.column_ends))
            before, told = told, len(np.unique(self.columns)) + len(np.unique(self.rows))
            if told <= before:
                return

    def _first_of_equals(self) -> Ints:
        """A column of each part in which some have the same colour: the first of the least such colour."""
        order = np.lexsort((self.columns, self.column_part))
        part, colour = self.column_part[order], self.columns[order]
        equal = (part[1:] == part[:-1]) & (colour[1:] == colour[:-1]) & (part[1:] < self.count)
        at = np.flatnonzero(equal)
        _, first = np.unique(part[at], return_index=True)
        return np.asarray(order[at[first]])

    def _cut(self) -> list[Placed]:
        program, count = self.program, self.count
        columns, column_ends, column_at = _ordered(self.column_part, self.columns, count)
        rows, row_ends, row_at = _ordered(self.row_part, self.rows, count)
        row, column = row_at[self.row], column_at[self.column]
        part = self.column_part[self.column]
        order = np.lexsort((column, row, part))
        ends = np.searchsorted(part[order], np.arange(count + 1))
        row, column, data = row[order], column[order], self.data[order] + 0.0
        by_column = [
            each[columns] + 0.0
            for each in (program.cost, program.col_lower, program.col_upper, program.integer)
        ]
        by_row = [each[rows] + 0.0 for each in (program.row_lower, program.row_upper)]
        found = []
        for k in range(count):
            of_columns = slice(column_ends[k], column_ends[k + 1])
            of_rows, entries = slice(row_ends[k], row_ends[k + 1]), slice(ends[k], ends[k + 1])
            numbers: list[Any] = [each[of_columns] for each in by_column] + [each[of_rows] for each in by_row]
            numbers += [row[entries], column[entries], data[entries]]
            key = b"|".join(each.tobytes() for each in numbers)
            found.append(Placed(columns[of_columns], rows[of_rows], b"=" + key))
        return found


def _ordered(part: Ints, colour: Colours, count: int) -> tuple[Ints, Ints, Ints]:
    """Lines by part and colour, where each part begins and the last ends, and where each line stands in its part."""
    order = np.lexsort((colour, part))
    ends = np.searchsorted(part[order], np.arange(count + 1))
    at = np.zeros(len(part), dtype=np.int64)
    inside = order[: ends[-1]]
    at[inside] = np.arange(len(inside)) - ends[part[inside]]
    return order, ends, at


def _together(numbers: tuple[Floats, ...]) -> Colours:
    colour = np.zeros(len(numbers[0]), dtype=np.uint64)
    for each in numbers:
        colour = _mixed(colour + GOLDEN + _hashed(each))
    return colour


def _hashed(numbers: Floats) -> Colours:
    return _mixed((numbers + 0.0).view(np.uint64))  # + 0.0: −0.0 is 0.0


def _mixed(x: Colours) -> Colours:
    """The last steps of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * FIRST
    x = (x ^ (x >> np.uint64(27))) * SECOND
    return np.asarray(x ^ (x >> np.uint64(31)))


def _sums(values: Colours, ends: Ints) -> Colours:
    """Sums between `ends`, modulo 2^64."""
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(values, dtype=np.uint64)])
    return np.asarray(total[ends[1:]] - total[ends[:-1]])
