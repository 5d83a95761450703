"""Latency under load: a pool whose users wait carries less than its instances could.

    load[q,t] ≤ availability[t] · use[q] · count[q,t]                    no region: the best use that there could be
    Σ_f (1 + b[k] · (u[f] − low[k])) · load[f] · flow[f] ≤ availability[t] · Σ_n h[k,n] · level[k,n]  in piece k

    Σ_(k,n) n · level[k,n] ≤ count[q,t] − what boots,   Σ_(k,n) level ≤ 1      = for counts by the period
    flow[f] ≤ Σ_(k with its user, n) level[k,n]
    Σ_f load · flow = Σ_k load[k],   Σ_f u · load · flow = Σ_k mix[k]
    low[k] · load[k] ≤ mix[k] ≤ high[k] · load[k]

    level[k,n]   the pool has n instances, and serves a mix of piece k          0/1
    h[k,n]       what n instances carry there: see `problems.physics.regions`   instances

Levels far from what was found stand in ranges: h is a line over a range, with a column for the level in it. A region of
one piece has no loads of its own: its flows stand in the row. Rows that limit a load are rows of throughput.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Bools, Floats, Ints
from problems.core.columns import Columns
from problems.core.counts import BEYOND, pool_label
from problems.core.family import Family
from problems.core.queue_columns import PieceColumns, QueueColumns
from problems.core.rows import RowBuilder, Rows, Term
from problems.core.view import View
from problems.physics.regions import shape
from problems.starts import booting

NAME = "latency"
FEW = 8  # flows to a pool in a period, up to which each has a row of its own


class QueueFlows:
    """Flows of one queue: their columns, loads in instances, u in the queue's unit, and users."""

    def __init__(self, view: View, cols: Columns, queue: QueueColumns, flow: Ints) -> None:
        part = np.maximum(view.flows.end[flow] - view.flows.start[flow], 1e-12)
        usable = float(view.steady[view.inst.fleets.pool_fleet[queue.pool], queue.period])
        self.at = flow
        self.column = cols.flow[flow]
        self.load = view.flow_load[flow, queue.side] / part / usable
        self.user = np.searchsorted(queue.region.routes, view.flows.route[flow])
        shapes = np.array([shape(user, queue.side) for user in queue.region.users])
        self.shape = shapes[self.user] / queue.unit_s


def flows_of_queues(view: View, cols: Columns) -> list[QueueFlows]:
    """By queue."""
    pool, periods = view.routes.pool[view.flows.route], view.inst.time.periods
    key = np.where(pool >= 0, pool * periods + view.flows.period, NONE)
    order = np.argsort(key, kind="stable")
    found = []
    for queue in cols.queues:
        first, last = np.searchsorted(key[order], queue.pool * periods + queue.period + np.array([0, 1]))
        found.append(QueueFlows(view, cols, queue, order[first:last]))
    return found


def written(view: View, cols: Columns) -> Bools:
    """(N,) flows to pools whose region is written out: other rows of throughput are of no use there."""
    there = np.zeros((len(cols.capacity.waits) + 1, view.inst.time.periods), dtype=bool)  # the last: no pool
    for queue in cols.queues:
        there[queue.pool, queue.period] = True
    return np.asarray(there[view.routes.pool[view.flows.route], view.flows.period])


def add_limits(builder: RowBuilder, view: View, cols: Columns) -> None:
    """What a pool carries in each piece of its region: rows of throughput."""
    for queue, flows in zip(cols.queues, flows_of_queues(view, cols), strict=True):
        label = f"{pool_label(view.inst, queue.pool)},{queue.period}"
        for own in queue.pieces:
            for slope, caps in zip(own.piece.slopes, own.piece.caps, strict=True):
                slope *= queue.unit_s
                low = own.piece.low / queue.unit_s
                if len(own.load):
                    terms = [(own.load, 1.0 - slope * low), (own.shaped, slope)]
                else:
                    terms = [(flows.column, flows.load * (1.0 + slope * (flows.shape - low)))]
                builder.one(label, [*terms, *_minus_caps(own, caps, inner=cols.capacity.inner)], upper=0.0)


def _minus_caps(own: PieceColumns, caps: Floats, *, inner: bool) -> list[tuple[Ints, Floats]]:
    """− h of the levels chosen; over a range a line that is never too low (outer) or never too high (inner)."""
    value, slope = caps[own.first].copy(), np.zeros(len(own.first))
    for i in np.flatnonzero(own.within >= 0).tolist():
        first, last = int(own.first[i]), int(own.last[i])
        levels = np.arange(first, last + 1)
        slope[i] = (caps[last] - caps[first]) / (last - first)
        left = caps[levels] - slope[i] * levels
        value[i] = left.min() if inner else left.max()
    several = own.within >= 0
    return [(own.chosen, -value), (own.within[several], -slope[several])]


def build(view: View, cols: Columns) -> Rows:
    """Rows of every queue: the piece and level chosen, what serves, who may be there, and the mix of the piece."""
    builder = RowBuilder(NAME)
    for queue, flows in zip(cols.queues, flows_of_queues(view, cols), strict=True):
        side = ",completion" if queue.side else ""
        label = f"{pool_label(view.inst, queue.pool)},{queue.period}{side}"
        _choice(builder, view, cols, queue, label)
        _presence(builder, view, queue, flows)
        if len(queue.pieces) > 1:
            _mixes(builder, queue, flows, label)
    return builder.rows()


def _choice(builder: RowBuilder, view: View, cols: Columns, queue: QueueColumns, label: str) -> None:
    """One piece and level at most, of instances that serve."""
    q, t = queue.pool, queue.period
    fleet = view.inst.fleets.pool_fleet[q]
    beyond = 0.0 if view.inst.fleets.integral[fleet] else BEYOND
    serving, ranges = list[tuple[Ints, Floats | float]](), list[tuple[Ints, Floats | float]]()
    for own in queue.pieces:
        unit = float(own.piece.serving[1]) if len(own.piece.serving) > 1 else 1.0
        several = own.within >= 0
        serving += [
            (own.chosen[~several], own.piece.serving[own.first[~several]] + beyond),
            (own.within[several], unit),
        ]
        ranges.append((own.chosen, 1.0))
        for i in np.flatnonzero(several).tolist():
            chosen, within = own.chosen[[i]], own.within[[i]]
            builder.one(f"{label},from", [(within, 1.0), (chosen, -float(own.first[i]))], lower=0.0)
            builder.one(f"{label},to", [(within, 1.0), (chosen, -float(own.last[i]))], upper=0.0)
    builder.one(label, ranges, upper=1.0)
    fleets = view.inst.fleets
    own_count = fleets.integral[fleet] and not (fleets.horizon[fleet] or fleets.start_h[fleet] > 0)
    exact = own_count and (queue.region.scale.top <= len(queue.region.ranges))
    serving.append((cols.counts.count[[q], [t]], -1.0))
    boots = [
        (column, value) for _, column, value in booting(view, cols, np.array([q]), np.array([t]), np.ones(1))
    ]
    builder.one(label, [*serving, *boots], lower=0.0 if exact else -np.inf, upper=0.0)


def _presence(builder: RowBuilder, view: View, queue: QueueColumns, flows: QueueFlows) -> None:
    """Work runs in pieces that have its user; where all have it and flows are many, their loads say it well enough."""
    inside = np.array([np.isin(flows.user, own.piece.users) for own in queue.pieces])  # (pieces, flows)
    needed = np.flatnonzero(~inside.all(axis=0) | (len(flows.at) <= FEW))
    if not len(needed):
        return
    terms: list[Term] = [(np.arange(len(needed)), flows.column[needed], 1.0)]
    for own, there in zip(queue.pieces, inside[:, needed], strict=True):
        row = np.flatnonzero(there)
        terms.append((row[:, None], own.chosen[None, :], -1.0))
    at = flows.at[needed]
    builder.add(len(at), terms, lambda i: view.label_cell(int(view.flows.cell[at[i]])), upper=0.0)


def _mixes(builder: RowBuilder, queue: QueueColumns, flows: QueueFlows, label: str) -> None:
    """Load and mix are those of the piece chosen, and within its ends."""
    loads = [(own.load, -1.0) for own in queue.pieces]
    builder.one(f"{label},load", [(flows.column, flows.load), *loads], lower=0.0, upper=0.0)
    if not len(queue.pieces[0].shaped):
        return
    mixes = [(own.shaped, -1.0) for own in queue.pieces]
    builder.one(f"{label},mix", [(flows.column, flows.load * flows.shape), *mixes], lower=0.0, upper=0.0)
    for k, own in enumerate(queue.pieces):
        low, high = own.piece.low / queue.unit_s, own.piece.high / queue.unit_s
        builder.one(f"{label},{k},from", [(own.shaped, 1.0), (own.load, -low)], lower=0.0)
        builder.one(f"{label},{k},to", [(own.shaped, 1.0), (own.load, -high)], upper=0.0)


FAMILY = Family(NAME, build, in_a_loss=None)
