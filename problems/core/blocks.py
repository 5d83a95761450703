"""Building blocks of the program: column space, row families as triplets, and their assembly into sparse arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from problems.core.instance import Bools, Floats, Ints

Term = tuple[Ints | int, Ints, Floats | float]  # (row, column, coefficient), broadcast against each other


@dataclass(frozen=True)
class Rows:
    """Rows of one family: lower ≤ Σ coefficient · column ≤ upper.

    `label(i)` names row i in words of the problem ("moderation, period 3"); it is called only when a name is asked for.
    """

    family: str
    lower: Floats  # (n,)
    upper: Floats
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
    return Rows(family, np.broadcast_to(lower, n), np.broadcast_to(upper, n), terms, label)


class ColumnSpace:
    """Hands out column indices; the only mutable object of the encoding."""

    def __init__(self) -> None:
        self.size = 0
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self._integer: list[Bools] = []
        self._block: list[Ints] = []
        self._names: list[tuple[int, str, Callable[[int], str]]] = []

    def take(
        self,
        family: str,
        n: int,
        label: Callable[[int], str],
        *,
        lower: Floats | float = 0.0,
        upper: Floats | float = np.inf,
        integer: Bools | bool = False,
        block: int = 0,
    ) -> Ints:
        """Reserve `n` columns; returns their indices. `block` 0 is the first stage, s + 1 scenario s."""
        first = self.size
        self.size += n
        self._lower.append(np.broadcast_to(np.asarray(lower, dtype=float), n))
        self._upper.append(np.broadcast_to(np.asarray(upper, dtype=float), n))
        self._integer.append(np.broadcast_to(np.asarray(integer, dtype=bool), n))
        self._block.append(np.full(n, block, dtype=np.int64))
        self._names.append((first, family, label))
        return np.arange(first, self.size)

    def lower(self) -> Floats:
        return np.concatenate([np.empty(0), *self._lower])

    def upper(self) -> Floats:
        return np.concatenate([np.empty(0), *self._upper])

    def integer(self) -> Bools:
        return np.concatenate([np.empty(0, dtype=bool), *self._integer])

    def block(self) -> Ints:
        return np.concatenate([np.empty(0, dtype=np.int64), *self._block])

    def names(self) -> list[str]:
        """Names of all columns, made on demand."""
        ends = [first for first, _, _ in self._names[1:]] + [self.size]
        return [
            f"{family}({label(i)})"
            for (first, family, label), end in zip(self._names, ends, strict=True)
            for i in range(end - first)
        ]


@dataclass
class RowSpace:
    """Collects row families in order; remembers where each begins."""

    families: list[Rows] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)

    def add(self, family: Rows, block: int = 0) -> None:
        if len(family):
            self.families.append(family)
            self.blocks.append(block)

    def starts(self) -> list[int]:
        """First row of each family, and the number of all rows."""
        return [0, *accumulate(len(family) for family in self.families)]

    def triplets(self) -> tuple[Ints, Ints, Floats]:
        """All coefficients as (row, column, value)."""
        row: list[Ints] = [np.empty(0, dtype=np.int64)]
        col: list[Ints] = [np.empty(0, dtype=np.int64)]
        val: list[Floats] = [np.empty(0)]
        for first, family in zip(self.starts(), self.families, strict=False):
            for r, c, v in family.terms:
                shape = np.broadcast_shapes(np.shape(r), np.shape(c), np.shape(v))
                row.append(np.broadcast_to(np.asarray(r, dtype=np.int64), shape).ravel() + first)
                col.append(np.broadcast_to(c, shape).ravel())
                val.append(np.broadcast_to(np.asarray(v, dtype=float), shape).ravel())
        return np.concatenate(row), np.concatenate(col), np.concatenate(val)

    def names(self) -> list[str]:
        return [f"{family.family}({family.label(i)})" for family in self.families for i in range(len(family))]


def enumerate_keys(*keys: Ints) -> tuple[Ints, Ints, tuple[Ints, ...]]:
    """Number the distinct combinations of keys: (row of each, first position of each row, the keys of each row)."""
    if len(keys[0]) == 0:
        empty = np.empty(0, dtype=np.int64)
        return empty, empty, tuple(empty for _ in keys)
    flat = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        flat = flat * (int(key.max(initial=0)) + 2) + key + 1
    _, first, row = np.unique(flat, return_index=True, return_inverse=True)
    return row, first, tuple(key[first] for key in keys)
