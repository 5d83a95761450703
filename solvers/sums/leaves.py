"""What a tree over counts and their sums proves of a program: its leaves, by rows and columns of the program.

The tree is of a smaller program with rows more; what was left out for a bound of its own is a leaf too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from solvers.capacity_rows import ImpliedRows
from solvers.core.program import Floats, Ints, LinearProgram, SubProgram
from solvers.core.result import SummedLeaves
from solvers.proof import ProofTree
from solvers.sums.share_rows import ShareSums


def summed_leaves(
    program: LinearProgram,
    off: list[tuple[int, Floats]],
    part: SubProgram,
    rows: tuple[ImpliedRows, ShareSums],
    groups: list[Ints],
    tree: ProofTree,
) -> SummedLeaves:
    """Of the tree of `part` with rows and sums of groups added, in this order.

    off     switches that are off in the tree, and multipliers of the program's rows that bound what has one on
    """
    cuts, shares = rows
    n, m, whole = program.n_columns, program.n_rows, np.flatnonzero(program.integer)
    low = np.full((len(tree.leaves), len(whole) + len(groups)), -np.inf)
    high = np.full(low.shape, np.inf)
    own = np.searchsorted(whole, part.columns[part.program.integer])
    own = np.concatenate([own, len(whole) + np.arange(len(groups))])
    lower, upper = np.array([(leaf.lower, leaf.upper) for leaf in tree.leaves]).transpose(1, 0, 2)
    low[:, own] = np.where(lower > lower.min(axis=0), lower, -np.inf)  # where the tree begins is no end
    high[:, own] = np.where(upper < upper.max(axis=0), upper, np.inf)
    # rows of the part, then those added, then sums: where each stands behind the program's
    added = len(cuts) + len(shares) + len(groups)
    place = np.concatenate([part.rows, m + np.arange(added)])
    found = np.array([leaf.multipliers for leaf in tree.leaves])
    row, column = np.nonzero(found)
    return SummedLeaves(
        off=np.array([column for column, _ in off], dtype=np.int64),
        refuting=np.array([y for _, y in off]).reshape(-1, m),
        groups=tuple(part.columns[group] for group in groups),
        cut=part.rows[cuts.row],
        served=_wider(cuts.matrix.maximum(0.0), part.columns, n),
        weights=_wider(shares.weights, part.rows, m),
        strong=_wider(shares.strong, part.columns, n),
        unit=shares.unit,
        lower=low,
        upper=high,
        multipliers=sparse.coo_array(
            (found[row, column], (row, place[column])), shape=(len(found), m + added)
        ).tocsr(),
    )


def _wider(matrix: Any, columns: Ints, n: int) -> Any:
    """The same coefficients where columns stand in a wider matrix."""
    cells = matrix.tocoo()
    return sparse.coo_array((cells.data, (cells.row, columns[cells.col])), shape=(matrix.shape[0], n)).tocsr()
