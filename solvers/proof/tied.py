"""Whole columns that rows make equal: a count of many periods that is all of what was bought once.

    x_j − x_k = 0        a row of two entries, both of whole columns

Equal ones stay columns of their own, with ranges of their own in every leaf. But what a split of one has brought holds
for all of them, and of several only one need be tried.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.core.program import Ints, LinearProgram


def tied(program: LinearProgram) -> Ints:
    """(n,) for each column the first of those that it equals, itself where it stands alone."""
    matrix, n = program.matrix, program.n_columns
    two = np.flatnonzero(
        (np.diff(matrix.indptr) == 2) & (program.row_lower == 0.0) & (program.row_upper == 0.0)
    )
    at = matrix.indptr[two]
    left, right = matrix.indices[at], matrix.indices[at + 1]
    same = (matrix.data[at] == -matrix.data[at + 1]) & program.integer[left] & program.integer[right]
    if not same.any():
        return np.arange(n, dtype=np.int64)
    from scipy.sparse.csgraph import connected_components  # here: few programs have such rows

    pairs = sparse.coo_array((np.ones(same.sum()), (left[same], right[same])), shape=(n, n))
    _, group = connected_components(pairs, directed=False)
    _, first, of = np.unique(group, return_index=True, return_inverse=True)
    return np.asarray(first[of], dtype=np.int64)


def first_of(groups: Ints) -> NDArray[np.bool_]:
    """(k,) whether a column is the first of its group."""
    first = np.zeros(len(groups), dtype=bool)
    first[np.unique(groups, return_index=True)[1]] = True
    return first
