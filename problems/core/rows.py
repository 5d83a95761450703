"""Rows of a constraint family: what `build` returns, and how a family of several kinds of rows puts them together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate

import numpy as np

from problems.core.arrays import Floats, Ints
from solvers.core.record import Record

Term = tuple[Ints | int, Ints, Floats | float]
"""(row, column, coefficient), broadcast against each other; rows count from the first row of their table."""


class Rows(Record):
    """Rows of one family: lower ≤ Σ coefficient · column ≤ upper.

    `label(i)` names row i in words of the problem ("moderation, period 3"); it is called only when a name is asked for.
    """

    family: str
    lower: Floats  # (n,)
    upper: Floats  # (n,)
    terms: Sequence[Term]
    label: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.lower)


def rows(
    family: str,
    n: int,
    terms: Sequence[Term],
    label: Callable[[int], str],
    *,
    lower: Floats | float = -np.inf,
    upper: Floats | float = np.inf,
) -> Rows:
    """A family of `n` rows; scalars are limits common to all of them."""
    return Rows(family, np.full(n, lower, dtype=float), np.full(n, upper, dtype=float), terms, label)


@cache
def no_rows(family: str) -> Rows:
    """What a family returns where it does not apply."""
    return rows(family, 0, (), str)


class RowBuilder:
    """The rows of one family, table after table; a family with one kind of rows needs none of it."""

    def __init__(self, family: str) -> None:
        self._family = family
        self._tables: list[Rows] = []
        self._single: list[tuple[str, float, float]] = []  # rows that came one by one: label, lower, upper
        self._terms: list[tuple[int, Ints, Floats]] = []

    def add(
        self,
        n: int,
        terms: Sequence[Term],
        label: Callable[[int], str],
        *,
        lower: Floats | float = -np.inf,
        upper: Floats | float = np.inf,
    ) -> None:
        """`n` rows more. Rows in `terms` and in `label` count from 0 here."""
        if not n:
            return
        self._gather()
        self._tables.append(rows(self._family, n, terms, label, lower=lower, upper=upper))

    def one(
        self,
        label: str,
        terms: Iterable[tuple[Ints | int, Floats | float]],
        *,
        lower: float = -np.inf,
        upper: float = np.inf,
    ) -> None:
        """One row more: lower ≤ Σ coefficient · column ≤ upper over pairs of (columns, coefficients)."""
        for column, value in terms:
            at = np.ravel(column)
            self._terms.append((len(self._single), at, np.zeros(len(at)) + value))
        self._single.append((label, lower, upper))

    def _gather(self) -> None:
        """Rows that came one by one as one table."""
        if not self._single:
            return
        single, own = self._single, self._terms
        self._single, self._terms = [], []
        labels, lower, upper = zip(*single, strict=True)
        row = np.repeat([row for row, _, _ in own], [len(at) for _, at, _ in own])
        at = np.concatenate([np.empty(0, dtype=np.int64), *(at for _, at, _ in own)])
        value = np.concatenate([np.empty(0), *(value for _, _, value in own)])
        terms: list[Term] = [(row, at, value)]
        self.add(len(single), terms, labels.__getitem__, lower=np.array(lower), upper=np.array(upper))

    def rows(self) -> Rows:
        """All of them, in the order in which they were added."""
        self._gather()
        if len(self._tables) <= 1:
            return self._tables[0] if self._tables else no_rows(self._family)
        lower = np.concatenate([np.empty(0), *(table.lower for table in self._tables)])
        upper = np.concatenate([np.empty(0), *(table.upper for table in self._tables)])
        find = finder(self._tables)

        def label(i: int) -> str:
            table, row = find(i)
            return table.label(row)

        return Rows(self._family, lower, upper, list(joined(self._tables)), label)


def starts(tables: Sequence[Rows]) -> list[int]:
    """The first row of each table, and the number of all rows."""
    return [0, *accumulate(len(table) for table in tables)]


def joined(tables: Sequence[Rows]) -> Iterator[Term]:
    """The terms of all tables, one under the other."""
    for first, table in zip(starts(tables), tables, strict=False):
        for row, column, value in table.terms:
            if column.size:
                yield (row + first, column, value)


def finder(tables: Sequence[Rows]) -> Callable[[int], tuple[Rows, int]]:
    """Row i of all → its table, and its place there."""
    first = np.array(starts(tables))

    def find(i: int) -> tuple[Rows, int]:
        k = int(np.searchsorted(first, i, side="right")) - 1
        return tables[k], i - int(first[k])

    return find


def triplets(terms: Iterable[Term]) -> tuple[Ints, Ints, Floats]:
    """Terms broadcast and laid out as (row, column, coefficient), (k,) each."""
    row, column, value = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for r, c, v in terms:
        each = [np.asarray(part) for part in (r, c, v)]
        if not each[0].shape == each[1].shape == each[2].shape:  # broadcasting takes ten times as long
            if each[0].shape == each[1].shape and not each[2].ndim:
                each[2] = np.full(each[0].shape, v)
            else:
                each = list(np.broadcast_arrays(*each))
        row.append(each[0].ravel())
        column.append(each[1].ravel())
        value.append(each[2].ravel())
    return np.concatenate(row), np.concatenate(column), np.concatenate(value)


def enumerate_keys(*keys: Ints) -> tuple[Ints, Ints, tuple[Ints, ...]]:
    """Number the distinct combinations of keys: (row of each, first position of each row, the keys of each row)."""
    if not len(keys[0]):
        return keys[0], keys[0], keys
    flat = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        flat = flat * (int(key.max(initial=0)) + 2) + key + 1
    _, first, row = np.unique(flat, return_index=True, return_inverse=True)
    return row, first, tuple(key[first] for key in keys)


def positions(keys: Sequence[Ints], there: Sequence[Ints]) -> Ints:
    """(n,) where each combination of keys stands among those that are there, each once; −1: nowhere."""
    n, size = len(keys[0]), len(there[0])
    row, first, _ = enumerate_keys(*(np.concatenate(pair) for pair in zip(keys, there, strict=True)))
    at = np.full(len(first), -1, dtype=np.int64)
    at[row[n:]] = np.arange(size)
    return at[row[:n]]
