"""Adapters: the workloads that send anything to a pool have all their adapters in the slots of its instances.

    flow[f] ≤ adapted[w,q,t]                                  every flow f of workload w to pool q in period t
    Σ_w adapters[w] · adapted[w,q,t] ≤ slots[q] · count[q,t]                              every such pool and period

    adapted[w,q,t]   adapters of the workload are held in the pool    0/1
    slots[q]         adapters that an instance holds at once          adapters

Part of a workload frees no slot. Copies of an adapter for its load are not counted. All origins of a workload, and all
steps of its recipes, have the same adapters.
"""

from __future__ import annotations

import numpy as np

from problems.core.columns import Columns
from problems.core.counts import pool_label
from problems.core.family import Family, Promise
from problems.core.rows import RowBuilder, Rows, Term, enumerate_keys
from problems.core.view import View

NAME = "adapters"


def build(view: View, cols: Columns) -> Rows:
    """A row per flow, then one per pool and period."""
    held, builder = cols.adapters, RowBuilder(NAME)
    rows = np.arange(len(held.flow))
    follows: list[Term] = [(rows, cols.flow[held.flow], 1.0), (rows, held.at[held.of], -1.0)]
    builder.add(
        len(rows), follows, lambda i: f"{view.label_cell(view.flows.cell[held.flow[i]])},{i}", upper=0.0
    )
    row, _, (q, t) = enumerate_keys(held.pool, held.period)
    slots = view.inst.fleets.adapter_slots[view.inst.fleets.pool_fleet[q]] if len(q) else np.empty(0)
    pools = np.arange(len(q))
    fits: list[Term] = [
        (row, held.at, held.adapters / slots[row] if len(q) else 1.0),
        (pools, cols.counts.count[q, t] if len(q) else pools, -1.0),
    ]
    builder.add(len(q), fits, lambda i: f"{pool_label(view.inst, int(q[i]))},{t[i]}", upper=0.0)
    return builder.rows()


SLOTS = Promise(
    "offers[].instances.adapter_slots",
    "fleets.adapter_slots",
    relax=np.inf,
    text='an instance of "{name}" holds at most {limit:g} adapters',
    whole=True,
)
FAMILY = Family(NAME, build, in_a_loss=build, promises=(SLOTS,))
