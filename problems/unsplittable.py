"""Unsplittable workloads: one route carries all that is served of a cell.

Σ_t flow[c,r,t] ≤ pick[c,r]                                    for every unsplittable cell c and route r
Σ_r pick[c,r] ≤ 1

pick[c,r]   the cell is on route r                               0/1
"""

from __future__ import annotations

import numpy as np

from problems.core.blocks import Rows, enumerate_keys, rows
from problems.core.columns import Columns
from problems.core.view import View

NAME = "unsplittable"


def build(view: View, cols: Columns) -> Rows:
    """A row per (cell, route), then one per cell."""
    at = np.flatnonzero(cols.pick >= 0)
    row, first, (pick,) = enumerate_keys(cols.pick[at])
    cell = view.flows.cell[at[first]]
    cell_row, cell_first, _ = enumerate_keys(cell)
    n = len(first)
    terms = [
        (row, cols.flow[at], 1.0),
        (np.arange(n), pick, -1.0),
        (n + cell_row, pick, 1.0),
    ]
    upper = np.concatenate([np.zeros(n), np.ones(len(cell_first))])

    def label(i: int) -> str:
        return view.label_cell(cell[i] if i < n else cell[cell_first[i - n]])

    return rows(NAME, len(upper), terms, label, upper=upper)
