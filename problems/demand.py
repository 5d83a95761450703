"""Demand: every cell is served in full, or what is not served is paid for.

    Σ_(r,t) flow[c,r,t] + Σ_(p,r,t) flow[c,p,r,t] + unserved[c] = 1         for every cell c with work

    flow[c,r,t]   share of the cell's work on route r in period t     1, in [0, 1]
    flow[c,p,r,t] of the first step of recipe p, share of its requests: the others carry as much (`recipes`)
    unserved[c]   share that is dropped, where that has a price       1, in [0, 1]

A cell is a period's work, or an arrival period's or a window's, which may run in several periods. The dual is what one
more cell-full of work would cost.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Bools
from problems.core.columns import Columns
from problems.core.family import Family, Promise, Worth
from problems.core.instance import Instance
from problems.core.rows import Rows, rows
from problems.core.view import View

NAME = "demand"


def build(view: View, cols: Columns) -> Rows:
    """One row per cell. A cell that no route can serve leaves an empty row: infeasible, and named."""
    answered, cell = view.answered, view.flows.cell
    whole = np.flatnonzero(answered == np.arange(len(view.cells)))
    row = np.searchsorted(whole, answered)
    first = np.flatnonzero(view.led[cell] == cell)
    dropped = np.flatnonzero(cols.unserved >= 0)
    terms = [(row[cell[first]], cols.flow[first], 1.0), (row[dropped], cols.unserved[dropped], 1.0)]
    return rows(NAME, len(whole), terms, lambda i: view.label_cell(int(whole[i])), lower=1.0, upper=1.0)


def _must_be_served(inst: Instance) -> Bools:
    """(W,) workloads with work and no price of leaving it unserved; their steps follow."""
    own = inst.workloads.whole == np.arange(len(inst.workloads.names))
    works = own & (np.bincount(inst.cells.workload, minlength=len(inst.workloads.names)) > 0)
    return np.asarray(np.isinf(inst.workloads.unserved_usd_per_token) & works)


SERVED = Promise(
    "workloads[].demand",
    "workloads.unserved_usd_per_token",
    relax=0.0,
    text='workload "{name}" is served in full',
    made=_must_be_served,
)
FAMILY = Family(
    NAME,
    build,
    in_a_loss=build,
    promises=(SERVED,),
    worth=Worth("USD per whole cell (a workload's work of one period or occurrence)"),
)
