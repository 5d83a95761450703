"""Columns that measure change against what runs already: what is kept of each share, and how far counts move."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Bools, Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.counts import CountColumns, pool_label
from problems.core.instance import RunningArrays
from problems.core.rows import positions
from problems.core.view import View
from solvers.core.record import Record


class Changes(Record):
    """`kept` has a column for each (cell, route) that carries something already, H of them."""

    cell: Ints  # (H,)
    route: Ints  # (H,)
    share: Floats  # (H,) what runs there
    kept: Ints  # (H,) columns: how much of it stays there
    known: Bools  # (C,) what runs says where the cell's work goes
    resized: Ints  # (Q, T) or -1: columns, instances more or less than run; a horizon-wide count has one


def changes(
    view: View, space: ColumnSpace, counts: CountColumns, ahead: Bools, running: RunningArrays
) -> Changes:
    """Reserve the columns. `ahead` (Q,): one count for the whole horizon."""
    cells, routes = view.cells, view.routes
    cell = positions((running.workload, running.occurrence), (cells.workload, cells.occurrence))
    route = positions(
        (running.workload, running.offer, running.model), (routes.workload, routes.offer, routes.model)
    )
    known = np.zeros(len(cells), dtype=np.bool_)
    known[cell[cell >= 0]] = True
    goes = np.flatnonzero((cell >= 0) & (route >= 0))
    cell, route, share = cell[goes], route[goes], running.share[goes]
    block = view.scenario + 1

    def kept_label(i: int) -> str:
        offer, model = routes.offer[route[i]], routes.model[route[i]]
        return f"{view.label_cell(cell[i])},{view.inst.offers.names[offer]},{view.inst.models.names[model]}"

    kept = space.take("kept", len(goes), kept_label, upper=share, block=block)
    resized = np.full(counts.count.shape, NONE, dtype=np.int64)
    counted = np.ones(resized.shape, dtype=np.bool_)
    counted[ahead, 1:] = False
    q, t = np.nonzero(counted)
    fixed = running.counts_stay[view.inst.fleets.offer[view.inst.fleets.pool_fleet[q]]]
    fixed = fixed | (view.inst.time.start_h[t] < running.freeze_h - 1e-9) | running.goes_on
    resized[q, t] = space.take(
        "resized",
        len(q),
        lambda i: f"{pool_label(view.inst, q[i])},{t[i]}",
        upper=np.where(fixed, 0.0, np.inf),
        block=block,
    )
    return Changes(cell, route, share, kept, known, resized)
