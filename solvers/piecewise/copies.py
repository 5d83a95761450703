"""A program whose parts share columns, written so that each part has copies of its own.

    part       (n,) of each column: a number, or −1 where a column spans (a contract that every hour may use)
    copy       of a spanning column in a part that has a row with it, copy ≤ column or copy = column
    link       Σ_j a_j x_j ≤ u · Σ_k z_k over any parts, z spanning and 0/1, Σ_j a_j ≤ u
               in each part: x_j ≤ Σ_k copy_k

Only the rows that tie copies to their columns, and those that reach across parts, are left to be priced; a copy that
is whole within its part bounds far better than a row summed over all of them (Guignard and Kim 1987, Lagrangean
decomposition).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.proof.safe import usable
from solvers.strengthened import StrengthenedAnswer


class Copies(Record):
    """The program with copies: columns as before, then the copies; rows as before (some moved to parts), then new ones.

    program   what is solved: every row is of one part, of the spanning columns, or reaches
    part      (n + k,) of each column
    reaches   (m',) rows with columns of several parts, to be priced
    prices    (m',) multipliers of these rows, made of those of a relaxation; 0 without one
    column    (k,) the spanning column of each copy
    row       (m',) the row of the program that each is made of, −1: ties a copy to its column
    served    (m',) of links, the column that its row opens; else −1
    """

    program: LinearProgram
    part: Ints
    reaches: Bools
    prices: Floats
    column: Ints
    row: Ints
    served: Ints


def with_copies(program: LinearProgram, part: Ints, answer: StrengthenedAnswer | None = None) -> Copies:
    """`part` (n,) of each column; `answer` of the program's relaxation."""
    if answer is None:
        none = sparse.csr_array((0, program.n_columns))
        return _Splitting(program, part, np.zeros(program.n_rows), none).copies()
    return _Splitting(program, part, answer.multipliers, answer.added.matrix).copies()


class _Splitting:
    def __init__(self, program: LinearProgram, part: Ints, multipliers: Floats, added: Any) -> None:
        self.program, self.part, self.added = program, part, added
        self.y, self.y_added = multipliers[: program.n_rows], multipliers[program.n_rows :]
        matrix = program.matrix
        self.row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
        self.column, self.value = matrix.indices.astype(np.int64), matrix.data
        self.spanning = part < 0
        self.first, self.last = reach(self.row, part[self.column], program.n_rows)
        self.linked = self._linked()
        inside = self.spanning[self.column] & ((self.first == self.last) | self.linked)[self.row]
        self.inside = inside & (self.last >= 0)[self.row]

    def _linked(self) -> Bools:
        """(m,) links."""
        program, row, column, value = self.program, self.row, self.column, self.value
        spans, m = self.spanning[column], program.n_rows
        switch = spans & (value < 0) & program.integer[column]
        switch &= (program.col_lower[column] >= 0) & (program.col_upper[column] <= 1)
        served = ~spans & (value > 0) & ~program.integer[column]
        served &= (program.col_lower[column] >= 0) & (program.col_upper[column] <= 1)
        odd = np.bincount(row[~switch & ~served], minlength=m)
        unit = np.full(m, np.inf)
        np.minimum.at(unit, row[switch], -value[switch])
        load = _total(row[served], value[served], m)
        ends = (program.row_upper == 0) & np.isneginf(program.row_lower)
        return np.asarray(
            ends & (odd == 0) & np.isfinite(unit) & (load <= unit * (1 + 1e-9)) & (self.last >= 0)
        )

    def copies(self) -> Copies:
        program, n, m = self.program, self.program.n_columns, self.program.n_rows
        spans, linked = self.spanning[self.column], self.linked[self.row]
        served = np.flatnonzero(linked & ~spans)
        switch = np.flatnonzero(linked & spans)
        switches = sparse.csr_array(
            (np.ones(len(switch)), (self.row[switch], self.column[switch])), shape=(m, n)
        )[self.row[served]]
        strong = np.repeat(
            np.arange(len(served)), np.diff(switches.indptr)
        )  # of each (x, z): the row x ≤ Σ z
        strong_part, strong_column = self.part[self.column[served]][strong], switches.indices.astype(np.int64)
        own = np.flatnonzero(self.inside & ~linked)
        own_part = self.first[self.row[own]]
        key = np.concatenate([own_part, strong_part]) * n + np.concatenate([self.column[own], strong_column])
        distinct, copy = np.unique(key, return_inverse=True)
        of, at = distinct // n, distinct % n
        k = len(distinct)
        price = self._shares(distinct, served, strong, copy[len(own) :], own, copy[: len(own)])
        price = self._spread(price, of, at, served, strong, copy[len(own) :])

        kept = np.flatnonzero(~linked)
        column = self.column.copy()
        column[own] = n + copy[: len(own)]
        stays = ~self.linked
        number = np.cumsum(stays) - 1
        free = np.ones(k, dtype=bool)  # a copy that helps by being more: nothing but ≤ holds it
        helps = (self.value[own] < 0) & np.isneginf(program.row_lower[self.row[own]])
        free[copy[: len(own)][~helps]] = False
        shape = n + k
        old = sparse.csr_array(
            (self.value[kept], (number[self.row[kept]], column[kept])), shape=(int(stays.sum()), shape)
        )
        s = len(served)
        links = sparse.csr_array(
            (
                np.concatenate([np.ones(s), -np.ones(len(strong))]),
                (
                    np.concatenate([np.arange(s), strong]),
                    np.concatenate([self.column[served], n + copy[len(own) :]]),
                ),
            ),
            shape=(s, shape),
        )
        ties = sparse.csr_array(
            (
                np.concatenate([np.ones(k), -np.ones(k)]),
                (np.tile(np.arange(k), 2), np.concatenate([n + np.arange(k), at])),
            ),
            shape=(k, shape),
        )
        whole = LinearProgram(
            cost=np.concatenate([program.cost, np.zeros(k)]),
            matrix=sparse.vstack([old, links, ties], format="csr"),
            row_lower=np.concatenate(
                [program.row_lower[stays], np.full(s, -np.inf), np.where(free, -np.inf, 0.0)]
            ),
            row_upper=np.concatenate([program.row_upper[stays], np.zeros(s + k)]),
            col_lower=np.concatenate([program.col_lower, program.col_lower[at]]),
            col_upper=np.concatenate([program.col_upper, program.col_upper[at]]),
            integer=np.concatenate([program.integer, program.integer[at]]),
            offset=program.offset,
            name=program.name,
        )
        reaches, kept_rows = self.first < self.last, np.flatnonzero(stays)
        reached = np.concatenate([reaches[stays], np.zeros(s, dtype=bool), np.ones(k, dtype=bool)])
        prices = np.concatenate([np.where(reaches, self.y, 0.0)[stays], np.zeros(s), -price])
        row = np.concatenate([kept_rows, self.row[served], np.full(k, -1)])
        opened = np.full(len(row), -1)
        opened[len(kept_rows) : len(kept_rows) + s] = self.column[served]
        return Copies(whole, np.concatenate([self.part, of]), reached, usable(whole, prices), at, row, opened)

    def _shares(
        self, distinct: Ints, served: Ints, strong: Ints, strong_copy: Ints, own: Ints, own_copy: Ints
    ) -> Floats:
        """(k,) what each copy costs in its part, by the multipliers of the rows it stands in."""
        k, n = len(distinct), self.program.n_columns
        price = _total(own_copy, self.value[own] * self.y[self.row[own]], k)
        link = np.minimum(self.y[self.row[served]], 0.0) * self.value[served]
        price -= _total(strong_copy, link[strong], k)
        added = self.added
        row = np.repeat(np.arange(added.shape[0]), np.diff(added.indptr))
        column = added.indices.astype(np.int64)
        first, last = reach(row, self.part[column], added.shape[0])
        at = np.flatnonzero(self.spanning[column] & (first == last)[row] & (self.y_added[row] != 0))
        key = first[row[at]] * n + column[at]
        where = np.minimum(np.searchsorted(distinct, key), max(k - 1, 0))
        known = distinct[where] == key if k else np.zeros(0, dtype=bool)
        usd = (added.data * self.y_added[row])[at]
        return price + _total(where[known], usd[known], k)

    def _spread(
        self, price: Floats, of: Ints, at: Ints, served: Ints, strong: Ints, strong_copy: Ints
    ) -> Floats:
        """What a spanning column costs beyond its copies is shared out over them, by what they could earn."""
        program, k = self.program, len(at)
        outside = ~((self.first == self.last) | self.linked) | (self.last < 0)
        y = np.where(outside, self.y, 0.0)
        left = program.cost - program.matrix.T @ y - _total(at, price, program.n_columns)
        left = np.where(program.integer & (left > 0), left, 0.0)
        earns = program.matrix.T @ np.where(
            (self.first == self.last) & (self.last >= 0), np.maximum(self.y, 0.0), 0.0
        )
        weight = _total(strong_copy, np.maximum(earns[self.column[served]], 0.0)[strong], k)
        total = _total(at, weight, program.n_columns)
        share = np.where(total[at] > 0, weight / np.where(total[at] > 0, total[at], 1.0), 0.0)
        spread: Floats = price + left[at] * share
        return spread


def reach(row: Ints, part: Ints, rows: int) -> tuple[Ints, Ints]:
    """(rows,) the least and the greatest part in each row, of entries by row and part; a large number, and −1: none."""
    first, last = np.full(rows, np.iinfo(np.int64).max), np.full(rows, -1)
    inside = part >= 0
    np.minimum.at(first, row[inside], part[inside])
    np.maximum.at(last, row[inside], part[inside])
    return first, last


def _total(index: Ints, value: Floats, size: int) -> Floats:
    """(size,) the sum of the values of each index."""
    total = np.zeros(size)
    np.add.at(total, index, value)
    return total
