"""Unsplittable workloads: one route carries all that is served of a cell.

Σ_t flow[c,r,t] ≤ pick[c,r]                                    for every unsplittable cell c and route r
Σ_r pick[c,r] ≤ 1                                              with first steps of recipes; of further ones likewise

pick[c,r]   the cell is on route r                               0/1
"""

from __future__ import annotations

import numpy as np

from problems.core.columns import Columns
from problems.core.family import Family, Promise
from problems.core.rows import RowBuilder, Rows, Term, enumerate_keys
from problems.core.view import View

NAME = "unsplittable"


def build(view: View, cols: Columns) -> Rows:
    """A row per (cell, route), then one per cell."""
    at = np.flatnonzero(cols.pick >= 0)
    row, first, (pick,) = enumerate_keys(cols.pick[at])
    cell = view.flows.cell[at[first]]
    builder = RowBuilder(NAME)
    terms: list[Term] = [(row, cols.flow[at], 1.0), (np.arange(len(first)), pick, -1.0)]
    builder.add(len(first), terms, lambda i: view.label_cell(cell[i]), upper=0.0)
    apart = np.where(view.led[cell] == cell, view.answered[cell], cell)
    row, first, (cell_of,) = enumerate_keys(apart)
    builder.add(len(first), [(row, pick, 1.0)], lambda i: view.label_cell(cell_of[i]), upper=1.0)
    return builder.rows()


SPLITTABLE = Promise(
    "workloads[].routing.splittable", "workloads.splittable", relax=True, text='"{name}" is not split'
)
FAMILY = Family(NAME, build, in_a_loss=None, promises=(SPLITTABLE,))
