"""Columns that measure change against what runs already: what is kept of each share, and how far counts move."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Bools, Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.counts import CountColumns, pool_label
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
    taken: Ints  # (N,) or -1: columns, what of a flow is served for others that refuse


def changes(view: View, space: ColumnSpace, counts: CountColumns, ahead: Bools, spilled: Ints) -> Changes:
    """Reserve the columns. `ahead` (Q,): one count for the whole horizon; `spilled`: see `Columns`."""
    running = view.inst.running
    assert running is not None
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
    taken = _taken(view, space, spilled, positions((view.flows.cell, view.flows.route), (cell, route)) >= 0)
    return Changes(cell, route, share, kept, known, resized, taken)


def _taken(view: View, space: ColumnSpace, spilled: Ints, runs: Bools) -> Ints:
    """Of cells of which something may spill, on routes that do not refuse; as it runs on those alone that run."""
    taken, spilling, running = (
        np.full(len(view.flows), NONE, dtype=np.int64),
        view.inst.spilling,
        view.inst.running,
    )
    if spilling is None or running is None:
        return taken
    flows, routes, inst = view.flows, view.routes, view.inst
    cells = np.zeros(len(view.cells), dtype=bool)
    cells[flows.cell[spilled >= 0]] = True
    some = np.flatnonzero(~spilling.offer[routes.offer[flows.route]] & cells[flows.cell])

    def label(i: int) -> str:
        r = flows.route[some[i]]
        offer, model = inst.offers.names[routes.offer[r]], inst.models.names[routes.model[r]]
        return f"{view.label_cell(flows.cell[some[i]])},{offer},{model}"

    most = np.where(running.goes_on & ~runs[some], 0.0, 1.0)
    taken[some] = space.take("taken", len(some), label, upper=most, block=view.scenario + 1)
    return taken
