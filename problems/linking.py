"""Linking: nothing runs on what is not bought.

    Σ_f work · flow[f] / W[r,k] ≤ Σ_(a in force in k) signed[a]      per route and month, contracts to sign
    Σ_f work · flow[f] / W[r,k] ≤ active[o]                          per route and month, offers with a fee
    flow[f] ≤ open[q,t]                                              per flow, pools with a minimum count

    W[r,k]   work that may run on route r in month k, from the data: each cell counted once

One row per route and month, never one big-M row per contract: the relaxation is then nearly tight (on 1,000 workloads ×
100 offers × 24 h it closed the gap from 73 % after 100 s to 0.01 % after 58 s).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.commitments import force_share
from problems.core.arrays import NONE, Bools, Ints
from problems.core.columns import Columns
from problems.core.family import Family
from problems.core.rows import RowBuilder, Rows, Term, enumerate_keys
from problems.core.view import View

NAME = "linking"


def build(view: View, cols: Columns) -> Rows:
    """Rows per (route, month) for contracts, then for fees; then per flow for pools that open."""
    inst, routes, builder = view.inst, view.routes, RowBuilder(NAME)
    if inst.contracts.offer.size:
        binding = np.concatenate([inst.contracts.decided, [False]])  # -1: no contract
        use, route, k = _monthly(view, cols, binding[view.flow_contract])
        force = force_share(inst)
        terms = [use]
        for a, b in enumerate(inst.contracts.start_contract):
            some = np.flatnonzero((inst.offers.contract[routes.offer[route]] == b) & (force[a, k] > 0))
            terms.append((some, cols.first.signed[[a]], -1.0))
        builder.add(len(route), terms, _label(view, route, k), upper=0.0)
    active = cols.first.active[routes.offer]
    use, route, k = _monthly(view, cols, active[view.flows.route] >= 0)
    terms = [use, (np.arange(len(route)), active[route], -1.0)]
    builder.add(len(route), terms, _label(view, route, k), upper=0.0)
    _opening(builder, view, cols)
    return builder.rows()


def _monthly(view: View, cols: Columns, linked: Bools) -> tuple[Term, Ints, Ints]:
    """Σ work · flow / W over the flows marked (N,), a row per route and month; the route and month of each row."""
    flows = view.flows
    at = np.flatnonzero(linked)
    row, _, (route, k) = enumerate_keys(flows.route[at], view.inst.time.month[flows.period[at]])
    _, pair_first, _ = enumerate_keys(row, flows.cell[at])  # a cell with several slots counts once
    total = np.zeros(len(route))
    np.add.at(total, row[pair_first], flows.work[at[pair_first]])
    return (row, cols.flow[at], flows.work[at] / total[row]), route, k


def _label(view: View, route: Ints, of: Ints) -> Callable[[int], str]:
    """Names a row by its route, and by month or period."""
    inst, routes = view.inst, view.routes

    def label(i: int) -> str:
        r = route[i]
        workload, offer = inst.workloads.names[routes.workload[r]], inst.offers.names[routes.offer[r]]
        return f"{workload},{offer},{inst.models.names[routes.model[r]]},{of[i]}"

    return label


def _least_matters(view: View, cols: Columns) -> Bools:
    """(Q, T) pools that are open for a reason of their own: a minimum count."""
    fleets = view.inst.fleets
    least, step = fleets.min[fleets.pool_fleet], fleets.step[fleets.pool_fleet]
    minimum = (least > 0) & ((least != step) | ~fleets.integral[fleets.pool_fleet])
    by_line = cols.capacity.waits & ~cols.capacity.exact
    return np.repeat((minimum | ~by_line)[:, None], view.inst.time.periods, axis=1)


def _opening(builder: RowBuilder, view: View, cols: Columns) -> None:
    """flow ≤ open, for pools that are either closed or hold their minimum.

    A pool whose `open` serves a tightened line of waiting alone has such rows only where it is tightened.
    """
    if not view.inst.fleets.pools:
        return
    pool, period = view.routes.pool[view.flows.route], view.flows.period
    opened = np.where(cols.counts.open >= 0, cols.counts.open, cols.first.ahead.open)
    matters = _least_matters(view, cols)
    for q, t in cols.capacity.tightened:
        matters[q, t] = True
    column = np.where((pool >= 0) & matters[pool, period], opened[pool, period], NONE)
    at = np.flatnonzero(column >= 0)
    terms: list[Term] = [(np.arange(len(at)), cols.flow[at], 1.0), (np.arange(len(at)), column[at], -1.0)]
    builder.add(len(at), terms, _label(view, view.flows.route[at], period[at]), upper=0.0)


FAMILY = Family(NAME, build, in_a_loss=build)
