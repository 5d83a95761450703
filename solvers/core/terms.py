"""Rows written term by term: what `LinearProgram.each_row` reads, the other way round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

type Terms = list[tuple[int, float]]
"""Columns of a row and their coefficients."""


def matrix_of(rows: Sequence[Terms], columns: int) -> sparse.csr_array:
    """(r, columns) of the terms of each row; those of the same column are added up."""
    row = np.repeat(np.arange(len(rows)), [len(terms) for terms in rows])
    column = np.array([j for terms in rows for j, _ in terms], dtype=np.int64)
    value = np.array([a for terms in rows for _, a in terms], dtype=np.float64)
    return sparse.coo_array((value, (row, column)), shape=(len(rows), columns)).tocsr()
