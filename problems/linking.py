"""Linking: nothing runs on what is not bought.

    Σ_f work · flow[f] / W[r,k] ≤ Σ_(a in force in k) signed[a]      per route and month, contracts to sign
    Σ_f work · flow[f] / W[r,k] ≤ active[o]                          per route and month, offers with a fee
    flow[f] ≤ open[q,t]                                              per flow, pools with a minimum count

    W[r,k]   work that may run on route r in month k, from the data: each cell counted once

One row per route and month, never one big-M row per contract: the relaxation is then nearly tight (on 1,000 workloads ×
100 offers × 24 h it closed the gap from 73 % after 100 s to 0.01 % after 58 s).
"""

from __future__ import annotations

import numpy as np

from problems.commitments import force_share
from problems.core.blocks import Rows, Term, enumerate_keys, rows
from problems.core.columns import Columns
from problems.core.instance import Bools, Ints
from problems.core.view import View

NAME = "linking"


def build(view: View, cols: Columns) -> Rows:
    """Rows per (route, month) for contracts, then for fees; then per flow for pools that open."""
    inst, flows, routes = view.inst, view.flows, view.routes
    terms: list[Term] = []
    labels: list[tuple[int, Ints, Ints]] = []  # (first row, route, month)
    size = 0

    def monthly(linked: Bools) -> tuple[Ints, Ints, Ints]:
        """Rows Σ work · flow / W over the flows marked; returns (row, route, month) of the rows made."""
        nonlocal size
        at = np.flatnonzero(linked)
        month = inst.time.month[flows.period[at]]
        row, _, (route, k) = enumerate_keys(flows.route[at], month)
        _, pair_first, _ = enumerate_keys(row, flows.cell[at])  # a cell with several slots counts once
        total = np.zeros(len(route))
        np.add.at(total, row[pair_first], flows.work[at[pair_first]])
        terms.append((size + row, cols.flow[at], flows.work[at] / total[row] if len(at) else 0.0))
        labels.append((size, route, k))
        here = size + np.arange(len(route))
        size += len(route)
        return here, route, k

    contract = view.flow_contract
    if inst.contracts.offer.size:
        binding = np.concatenate([inst.contracts.decided, [False]])  # -1: no contract
        here, route, k = monthly(binding[contract])
        force = force_share(inst)
        for a, b in enumerate(inst.contracts.start_contract):
            some = (inst.offers.contract[routes.offer[route]] == b) & (force[a, k] > 0)
            terms.append((here[some], np.full(some.sum(), cols.first.signed[a]), -1.0))
    active = cols.first.active[routes.offer[flows.route]]
    here, route, k = monthly(active >= 0)
    terms.append((here, cols.first.active[routes.offer[route]], -1.0))
    size += _opening(view, cols, size, terms, labels)

    def label(i: int) -> str:
        first, route, k = labels[int(np.searchsorted([f for f, _, _ in labels], i, side="right")) - 1]
        r = route[i - first]
        workload, offer = inst.workloads.names[routes.workload[r]], inst.offers.names[routes.offer[r]]
        return f"{workload},{offer},{inst.models.names[routes.model[r]]},{k[i - first]}"

    return rows(NAME, size, terms, label, upper=0.0)


def _least_matters(view: View, cols: Columns) -> Bools:
    """(Q, T) pools that are open for a reason of their own: a minimum count."""
    fleets = view.inst.fleets
    least, step = fleets.min[fleets.pool_fleet], fleets.step[fleets.pool_fleet]
    minimum = (least > 0) & ((least != step) | ~fleets.integral[fleets.pool_fleet])
    by_line = cols.capacity.waits & ~cols.capacity.exact
    return np.repeat((minimum | ~by_line)[:, None], view.inst.time.periods, axis=1)


def _opening(
    view: View, cols: Columns, first: int, terms: list[Term], labels: list[tuple[int, Ints, Ints]]
) -> int:
    """flow ≤ open, for pools that are either closed or hold their minimum.

    A pool whose `open` serves a tightened line of waiting alone has such rows only where it is tightened.
    """
    pool = view.routes.pool[view.flows.route]
    if not view.inst.fleets.pools:
        return 0
    held = cols.first.held.open
    opened = np.where(cols.counts.open >= 0, cols.counts.open, held)
    matters = _least_matters(view, cols)
    for q, t in cols.capacity.tightened:
        matters[q, t] = True
    column = np.where((pool >= 0) & matters[pool, view.flows.period], opened[pool, view.flows.period], -1)
    at = np.flatnonzero(column >= 0)
    here = first + np.arange(len(at))
    terms += [(here, cols.flow[at], 1.0), (here, column[at], -1.0)]
    labels.append((first, view.flows.route[at], view.flows.period[at]))
    return len(at)
