"""Recipes: all steps of a recipe carry the same share of a cell's work, in the same period.

    Σ_r flow[c,p,k,r,t] = Σ_r flow[c,p,0,r,t]          every cell c, recipe p, further step k, and period t

    flow[c,p,k,r,t]   share of the requests of step k on route r in period t                1, in [0, 1]

A step's requests are so many for each of the cell's: they load, cost and count as a workload's own. What the first
steps carry is served (`demand`).
"""

from __future__ import annotations

import numpy as np

from problems.core.columns import Columns
from problems.core.family import Family
from problems.core.rows import Rows, no_rows, positions, rows
from problems.core.view import View

NAME = "recipes"


def build(view: View, cols: Columns) -> Rows:
    """One row per further step, cell and period in which it may run."""
    cells, flows = view.cells, view.flows
    if not (view.inst.workloads.steps > 0).any():
        return no_rows(NAME)
    slot = np.flatnonzero(view.inst.workloads.steps[cells.workload[cells.slot_cell]] > 0)
    cell, period = cells.slot_cell[slot], cells.slot_period[slot]
    row, own = positions((flows.cell, flows.period), (cell, period)), np.arange(len(flows))
    terms = [(row[own[row >= 0]], cols.flow[row >= 0], 1.0)]
    for w in np.flatnonzero(view.inst.workloads.steps > 0):
        at = np.flatnonzero(cells.workload[cell] == w)
        first = positions((flows.cell, flows.period), (view.led[cell[at]], period[at]))
        carried = np.flatnonzero(first >= 0)
        terms.append((at[first[carried]], cols.flow[carried], -1.0))
    return rows(
        NAME, len(slot), terms, lambda i: f"{view.label_cell(int(cell[i]))},{period[i]}", lower=0.0, upper=0.0
    )


FAMILY = Family(NAME, build, in_a_loss=build)
