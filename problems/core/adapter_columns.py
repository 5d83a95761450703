"""Columns of which workload has its adapters in which pool."""

from __future__ import annotations

from problems.core.arrays import Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.counts import adapted_flows, pool_label
from problems.core.rows import enumerate_keys
from problems.core.view import View
from solvers.core.record import Record


class AdapterColumns(Record):
    """A column for each workload with adapters, pool of so many slots, and period in which it may send there."""

    at: Ints  # (n,) 0/1: its adapters are held there
    pool: Ints  # (n,)
    period: Ints  # (n,)
    adapters: Floats  # (n,) of the workload
    flow: Ints  # (m,) what may go there, in the order of View.flows
    of: Ints  # (m,) row of each in the columns above


def adapter_columns(view: View, space: ColumnSpace, when: str = "") -> AdapterColumns:
    """Reserve them; `when` begins their names."""
    flow, pool, workload = adapted_flows(view)
    of, first, (w, q, t) = enumerate_keys(workload, pool, view.flows.period[flow])
    names = view.inst.workloads.file_names
    at = space.take(
        "adapted",
        len(first),
        lambda i: f"{when}{names[w[i]]},{pool_label(view.inst, int(q[i]))},{t[i]}",
        upper=1.0,
        integer=True,
        block=view.scenario + 1,
    )
    return AdapterColumns(at, q, t, view.inst.workloads.adapters[w], flow, of)
