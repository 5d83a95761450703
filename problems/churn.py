"""Churn: what change of a running plan costs, and how much of it is allowed.

    kept[c,r] ≤ old[c,r],  kept[c,r] ≤ Σ_t sent[c,r,t]              per cell and route that carries something already
    moved[c] = Σ_(r,t) flow[c,r,t] − Σ_r kept[c,r]                  share of the cell that runs where it did not run
    resized[q,t] ≥ ± (count[q,t] − old[q,t])
    Σ_c tokens · moved[c] ≤ max_moved_share · tokens                all that is asked for; of what recipes answer, the
                                                                    tokens of their steps in place of the work's own
    moved[c] = 0, resized[q,t] = 0                                  before freeze_h, and where pinned
    Σ_t sent[c,r,t] = old[c,r]                                      for the routes of a pinned offer
    Σ_f a[f] · flow[f] ≥ F(old) − Σ_f a[f] · (old[f] − kept[f]) − usable · resized        per limit that spills

    cost: move_usd · Σ_c tokens · moved[c] + resize_usd · Σ_(q,t) resized[q,t]

    sent[c,r,t]   what goes there first: flow + spilled − taken, all of flow where nothing spills            1
    F(old)        what fits of what runs there, minute by minute; where less is sent or rented, so much less at most
    old[c,r]      share of the cell's work that runs there already      1, in [0, 1]
    kept[c,r]     how much of it stays                                  1, in [0, old]
    resized[q,t]  instances more or less than run already               instances

Where both serve everything, moved = ½ Σ_r |Σ_t flow − old|. Only offer and model count: when a deferred job runs does
not matter. A cell that the running plan does not know moves nothing. A horizon-wide count is resized once.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from problems.core.changes import Changes
from problems.core.columns import Columns
from problems.core.counts import pool_label
from problems.core.family import Family
from problems.core.instance import RunningArrays
from problems.core.rows import RowBuilder, Rows, Term, enumerate_keys, no_rows, positions
from problems.core.view import View, first_period
from problems.spilling import SpillLimits

NAME = "churn"
FITS = 1e-9  # relative, below all that fits


def build(view: View, cols: Columns) -> Rows:
    """What is kept, what is resized, what stays, and the cap on what moves."""
    running, changes = view.inst.running, cols.changes
    if running is None or changes is None:
        return no_rows(NAME)
    builder = RowBuilder(NAME)
    _kept(view, cols, changes, builder)
    _stays(view, cols, changes, running, builder)
    _pinned(view, cols, changes, running, builder)
    _cap(view, cols, changes, running, builder)
    _resized(view, cols, changes, running, builder)
    _carried_in_full(view, cols, changes, running, builder)
    return builder.rows()


def move_usd(view: View, running: RunningArrays) -> Floats:
    """(C,) USD for moving the whole of each cell, weighed by the first period in which it may run."""
    worth = running.move_usd_per_token * tokens(view)
    return np.asarray(worth * view.inst.time.weight[first_period(view)])


def tokens(view: View) -> Floats:
    """(C,) of each cell."""
    return np.asarray(view.inst.workloads.tokens[view.cells.workload] * view.cells.work)


def _tokens_by_recipe(view: View) -> tuple[float, Floats]:
    """Tokens of all work if nothing is answered by recipes, and (F,) those that a whole cell of a flow adds to them."""
    loads, cells, amount = view.inst.workloads, view.cells, tokens(view)
    is_step = loads.steps[cells.workload] >= 0
    whole = positions((loads.whole[cells.workload], cells.occurrence), (cells.workload, cells.occurrence))
    leads = is_step & (loads.lead[cells.workload] == cells.workload)
    added = np.where(is_step, amount, 0.0) - np.where(leads, amount[whole], 0.0)
    return float(amount[~is_step].sum()), added[view.flows.cell]


def recompute(view: View, cols: Columns, point: Floats) -> None:
    """Set what is kept and resized to what follows from the shares and counts of a point."""
    running, changes = view.inst.running, cols.changes
    if running is None or changes is None:
        return
    at, k = _flows_kept(view, changes)
    there = np.bincount(k, weights=sent(cols, point)[at], minlength=len(changes.kept))
    point[changes.kept] = np.minimum(there, changes.share)
    q, t = np.nonzero(changes.resized >= 0)
    point[changes.resized[q, t]] = np.abs(point[cols.counts.count[q, t]] - running.count[q, t])


def sent(cols: Columns, point: Floats) -> Floats:
    """(N,) share of its cell that goes to each route first: with what it refuses, without what it takes from others."""
    first = point[cols.flow].copy()
    if cols.changes is not None:
        for columns, sign in ((cols.spilled, 1.0), (cols.changes.taken, -1.0)):
            some = columns >= 0
            first[some] += sign * point[columns[some]]
    return first


def moved_share(view: View, cols: Columns, point: Floats) -> float:
    """Share of all tokens that runs where it did not run."""
    changes, amount = cols.changes, tokens(view)
    alone, added = _tokens_by_recipe(view)
    whole = alone + float(added @ point[cols.flow])
    if changes is None or whole <= 0:
        return 0.0
    there = np.bincount(view.flows.cell, weights=point[cols.flow], minlength=len(amount))
    kept = np.bincount(changes.cell, weights=point[changes.kept], minlength=len(amount))
    moved = np.where(changes.known, np.maximum(there - kept, 0.0), 0.0)
    return float(moved @ amount / whole)


def resized_count(cols: Columns, point: Floats) -> float:
    """Instances more or less than run, summed over pools and periods."""
    changes = cols.changes
    return 0.0 if changes is None else float(point[changes.resized[changes.resized >= 0]].sum())


def _flows_kept(view: View, changes: Changes) -> tuple[Ints, Ints]:
    """(flow, kept) pairs of the same cell and route."""
    at = positions((view.flows.cell, view.flows.route), (changes.cell, changes.route))
    return np.flatnonzero(at >= 0), at[at >= 0]


def frozen(view: View, running: RunningArrays) -> Bools:
    """(C,) cells that may first run before freeze_h."""
    return np.asarray(view.inst.time.start_h[first_period(view)] < running.freeze_h - 1e-9, dtype=bool)


def _sent(cols: Columns, changes: Changes, row: Ints, at: Ints) -> list[Term]:
    """Terms of what goes first to each of some flows, each in its row."""
    terms: list[Term] = [(row, cols.flow[at], 1.0)]
    for columns, sign in ((cols.spilled, 1.0), (changes.taken, -1.0)):
        some = columns[at] >= 0
        terms.append((row[some], columns[at[some]], sign))
    return terms


def _kept(view: View, cols: Columns, changes: Changes, builder: RowBuilder) -> None:
    at, k = _flows_kept(view, changes)
    terms = [*_sent(cols, changes, k, at), (np.arange(len(changes.kept)), changes.kept, -1.0)]
    builder.add(len(changes.kept), terms, lambda i: f"kept,{view.label_cell(changes.cell[i])}", lower=0.0)


def _stays(view: View, cols: Columns, changes: Changes, running: RunningArrays, builder: RowBuilder) -> None:
    """Cells of which nothing may move; what goes on as it is leaves what it does not know unserved."""
    still = frozen(view, running) | running.stays.all(axis=1)[view.cells.workload] | running.goes_on
    which = np.flatnonzero(still & (changes.known | running.goes_on))
    row = np.full(len(view.cells), -1, dtype=np.int64)
    row[which] = np.arange(len(which))
    flow, kept = row[view.flows.cell], row[changes.cell]
    terms: list[Term] = [
        (flow[flow >= 0], cols.flow[flow >= 0], 1.0),
        (kept[kept >= 0], changes.kept[kept >= 0], -1.0),
    ]
    builder.add(len(which), terms, lambda i: f"stays,{view.label_cell(which[i])}", upper=0.0)


def _pinned(view: View, cols: Columns, changes: Changes, running: RunningArrays, builder: RowBuilder) -> None:
    """Routes of pinned offers carry what they carry."""
    whole = running.stays.all(axis=1)
    pinned = running.stays & ~whole[:, None]
    w, o = view.cells.workload[view.flows.cell], view.routes.offer[view.flows.route]
    at = np.flatnonzero(pinned[w, o] & changes.known[view.flows.cell])
    row, first, (cell, route) = enumerate_keys(view.flows.cell[at], view.flows.route[at])
    share = np.append(changes.share, 0.0)[positions((cell, route), (changes.cell, changes.route))]
    terms = _sent(cols, changes, row, at)
    builder.add(len(first), terms, lambda i: f"pinned,{view.label_cell(cell[i])}", lower=share, upper=share)


def _cap(view: View, cols: Columns, changes: Changes, running: RunningArrays, builder: RowBuilder) -> None:
    """One row: the share of all tokens that moves."""
    if not np.isfinite(running.max_moved_share):
        return
    (alone, added), cap = _tokens_by_recipe(view), running.max_moved_share
    whole = max(alone, 1e-300)
    part = np.where(changes.known, tokens(view) / whole, 0.0)
    terms: list[Term] = [
        (0, cols.flow, part[view.flows.cell] - cap * added / whole),
        (0, changes.kept, -part[changes.cell]),
    ]
    builder.add(1, terms, lambda _: "max_moved_share", upper=cap)


def _resized(
    view: View, cols: Columns, changes: Changes, running: RunningArrays, builder: RowBuilder
) -> None:
    q, t = np.nonzero(changes.resized >= 0)
    n, now = np.arange(len(q)), running.count[q, t]

    def label(i: int) -> str:
        return f"resized,{pool_label(view.inst, q[i])},{t[i]}"

    for sign in (1.0, -1.0):
        terms: list[Term] = [(n, changes.resized[q, t], 1.0), (n, cols.counts.count[q, t], -sign)]
        builder.add(len(q), terms, label, lower=-sign * now)


def _carried_in_full(
    view: View, cols: Columns, changes: Changes, running: RunningArrays, builder: RowBuilder
) -> None:
    """What stays on a limit that spills is carried as far as it fits, whatever that costs: no gateway refuses it."""
    limits = SpillLimits(view)
    for limit in limits.all if view.inst.spilling is not None else ():
        own, q, t = limit.flows, limit.pool, limit.period
        if (cols.spilled[own] < 0).any():  # work that moves in time
            continue
        at = positions((view.flows.cell[own], view.flows.route[own]), (changes.cell, changes.route))
        known, amount = at >= 0, limit.amount
        at = at[known]
        old, whole = np.zeros(len(own)), np.bincount(changes.cell, changes.share, minlength=len(view.cells))
        old[known] = changes.share[at] / np.maximum(whole[changes.cell[at]], 1.0)
        pinned = running.stays[view.cells.workload[view.flows.cell[own]], limit.offer][known]
        might_move = np.where(pinned, 0.0, amount[known])
        terms: list[tuple[Ints, Floats | float]] = [(cols.flow[own], amount), (changes.kept[at], -might_move)]
        amounts = np.ones(1)
        if q >= 0:
            means, boots = limit.parts().mean(axis=1), limits.booting(limit, cols)
            amounts = np.concatenate([running.count[q, [t]], np.zeros(len(boots))])
            resized = changes.resized[q, [t if changes.resized[q, t] >= 0 else 0]]
            terms.append((resized, float(means[0])))
            terms += [(boots[[b]], float(means[1 + b])) for b in range(len(boots))]
        most = limit.carries(old, amounts) * (1.0 - FITS)
        label = f"carried,{view.inst.offers.names[limit.offer]},{t}"
        builder.one(label, terms, lower=most - float(might_move @ changes.share[at]))


FAMILY = Family(NAME, build, in_a_loss=None)
