"""Work that may wait, as lots of a program: one for each arrival of a workload, its flows by route and period."""

from __future__ import annotations

import numpy as np

from problems import demand
from problems.core.encode import Encoded
from solvers.lots import Lots


def lots_of(encoded: Encoded) -> Lots | None:
    """Work that may run in several periods, by workload and in order of arrival; None where there is none.

    Of one future alone; what differs between arrivals is found by `solvers.lots`.
    """
    if len(encoded.views) != 1:
        return None
    view, cols = encoded.views[0], encoded.columns[0]
    cells, flows, answered = view.cells, view.flows, view.answered
    whole = np.flatnonzero(answered == np.arange(len(cells)))
    rows = next((of for of in encoded.row_families if of.family == demand.NAME), None)
    waits = view.inst.workloads.moves[cells.workload] & view.inst.workloads.splittable[cells.workload]
    waits &= (view.inst.workloads.steps[cells.workload] < 0) & (cols.unserved < 0)
    if rows is None or not waits.any():
        return None
    flow = np.flatnonzero(waits[flows.cell])
    first = np.full(len(cells), view.inst.time.periods, dtype=np.int64)
    last = np.full(len(cells), -1, dtype=np.int64)
    np.minimum.at(first, flows.cell[flow], flows.period[flow])
    np.maximum.at(last, flows.cell[flow], flows.period[flow])
    waits &= last >= 0
    own = np.flatnonzero(waits)
    own = own[np.lexsort((cells.occurrence[own], cells.workload[own]))]
    number = np.full(len(cells), -1, dtype=np.int64)
    number[own] = np.arange(len(own))
    _, kind = np.unique(cells.workload[own], return_inverse=True)
    return Lots(
        row=rows.first + np.searchsorted(whole, own),
        kind=kind,
        work=cells.work[own],
        first=first[own],
        last=last[own],
        column=cols.flow[flow],
        lot=number[flows.cell[flow]],
        way=flows.route[flow],
        step=flows.period[flow],
    )
