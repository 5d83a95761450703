"""From column and row families to one sparse program: who gets which index, and the assembly of the triplets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse

from problems.core.arrays import Bools, Floats, Ints
from problems.core.rows import Rows, finder, joined, starts, triplets
from solvers import Blocks, LinearProgram


class ColumnSpace:
    """Hands out column indices; the only mutable object of the encoding."""

    def __init__(self) -> None:
        self.size = 0
        self.lower: list[Floats] = []
        self.upper: list[Floats] = []
        self.integer: list[Bools] = []
        self.block: list[Ints] = []
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
        if not n:
            return np.empty(0, dtype=np.int64)
        first = self.size
        self.size += n
        self.lower.append(np.full(n, lower, dtype=float))
        self.upper.append(np.full(n, upper, dtype=float))
        self.integer.append(np.full(n, integer, dtype=bool))
        self.block.append(np.full(n, block, dtype=np.int64))
        self._names.append((first, family, label))
        return np.arange(first, self.size)

    def names(self) -> list[str]:
        """Names of all columns, made on demand."""
        ends = [*(first for first, _, _ in self._names), self.size][1:]
        return [
            f"{family}({label(i)})"
            for (first, family, label), end in zip(self._names, ends, strict=True)
            for i in range(end - first)
        ]


class RowRange(NamedTuple):
    """Where the rows of a family stand."""

    family: str
    first: int
    end: int
    scenario: int  # -1: first stage


class RowSpace:
    """Collects row families in order. `block` 0 is the first stage, s + 1 scenario s."""

    def __init__(self) -> None:
        self.families: list[Rows] = []
        self.blocks: list[int] = []

    def add(self, family: Rows, block: int = 0) -> None:
        """Append a family; one without rows is left out."""
        if len(family):
            self.families.append(family)
            self.blocks.append(block)

    def ranges(self) -> tuple[RowRange, ...]:
        """The rows of each family, in order."""
        first = starts(self.families)
        return tuple(
            RowRange(family.family, first[k], first[k + 1], block - 1)
            for k, (family, block) in enumerate(zip(self.families, self.blocks, strict=True))
        )

    def label(self) -> Callable[[int], str]:
        """Names row i, on demand."""
        find = finder(self.families)

        def name(i: int) -> str:
            family, row = find(i)
            return f"{family.family}({family.label(row)})"

        return name

    def names(self) -> list[str]:
        """Names of all rows."""
        return [f"{family.family}({family.label(i)})" for family in self.families for i in range(len(family))]


def assemble(
    name: str, columns: ColumnSpace, rows: RowSpace, objective: Floats, constant: float
) -> LinearProgram:
    """The program of all rows, min objective (n,) · x + constant USD; its blocks are −1 for the first stage, s else."""
    row, column, value = triplets(joined(rows.families))
    sizes = [len(family) for family in rows.families]
    matrix = sparse.coo_array((value, (row, column)), shape=(sum(sizes), columns.size)).tocsr()
    none = np.empty(0)
    return LinearProgram(
        cost=objective,
        matrix=matrix,
        row_lower=np.concatenate([none, *(family.lower for family in rows.families)]),
        row_upper=np.concatenate([none, *(family.upper for family in rows.families)]),
        col_lower=np.concatenate([none, *columns.lower]),
        col_upper=np.concatenate([none, *columns.upper]),
        integer=np.concatenate([none.astype(bool), *columns.integer]),
        offset=constant,
        name=name,
        column_names=columns.names,
        row_names=rows.names,
        blocks=Blocks(
            np.concatenate([none, *columns.block]) - 1, np.repeat(np.array(rows.blocks) - 1, sizes)
        ),
    )


def numbered(name: str) -> Callable[[int], str]:
    """Labels NAME,0 NAME,1 …"""
    return lambda i: f"{name},{i}"


def at_places(label: Callable[[int], str], place: Ints) -> Callable[[int], str]:
    """Of some columns, labels by their places (k,) among all."""
    return lambda i: label(int(place[i]))
