"""Where a plan's waiting breaks a promise, and by how much its capacity must be read tighter."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.encode import Encoded, Tightened
from problems.physics.frontier import weights
from problems.physics.waiting import Tightening, WaitingRecord, margin_of, waiting_records

WEIGHED = 3  # rounds in which loads are weighed by what they take of the capacity

Broken = list[tuple[int, WaitingRecord]]
"""By scenario, a pool in a period."""


def short_of_capacity(encoded: Encoded, point: Floats) -> Broken:
    """Where the load is more than waiting allows under the mix planned."""
    margin = margin_of(encoded.instance.policy)
    return [
        (view.scenario, short)
        for view, cols in zip(encoded.views, encoded.columns, strict=True)
        if cols.capacity.waits.any()
        for short in waiting_records(
            view, cols.capacity.waits, point[cols.flow], np.round(serving(encoded, view.scenario, point), 9)
        )
        if not short.holds(margin)
    ]


def serving(encoded: Encoded, scenario: int, point: Floats) -> Floats:
    """(Q, T) instances that serve: those counted, less what has started and still boots."""
    view, cols = encoded.views[scenario], encoded.columns[scenario]
    fleets, time = view.inst.fleets, view.inst.time
    counts = cols.counts.count
    serves = np.where(counts >= 0, point[counts], 0.0)
    for q in np.flatnonzero((cols.started >= 0).any(axis=1)) if counts.size else ():
        start_h = float(fleets.start_h[fleets.pool_fleet[q]])
        started = np.where(cols.started[q] >= 0, point[cols.started[q]], 0.0)
        serves[q] -= booting(started, start_h, time.period_h)
    return serves


def booting(started: Floats, start_h: float, period_h: float) -> Floats:
    """(T,) instances that are paid and do not serve yet, of those started (T,)."""
    waiting = np.zeros(len(started))
    for back in range(min(math.ceil(start_h / period_h - 1e-9), len(started))):
        part = min((start_h - back * period_h) / period_h, 1.0)
        waiting[back:] += part * started[: len(started) - back]
    return waiting


def tightened_by(encoded: Encoded, broken: Broken) -> Tightened:
    """What was tightened before, and the broken ones under the mix found.

    At first each route is charged what its bursts take of the capacity; where that does not settle, the mixes found
    so far bound the capacity.
    """
    margin = margin_of(encoded.instance.policy)
    tightened = _known(encoded)
    for s, short in broken:
        capacity, view = encoded.columns[s].capacity, encoded.views[s]
        known = encoded.tightened.get(s, {}).get((short.pool, short.period))
        times = 1 if known is None else known.times + 1
        weighed = times <= WEIGHED
        caps = capacity.caps[short.pool] if weighed or known is None else known.caps
        now = short.tightening(margin, caps)
        weight = weights(view, short, now.count, margin) if weighed else {}
        tightened.setdefault(s, {})[short.pool, short.period] = replace(now, weight=weight, times=times)
    return tightened


def without_weights(tightened: Tightened) -> Tightened:
    """The same with every load counted as it is."""
    return {
        s: {key: replace(bound, weight={}, times=max(bound.times, WEIGHED)) for key, bound in known.items()}
        for s, known in tightened.items()
    }


def settled_by(encoded: Encoded, broken: Broken) -> Tightened:
    """What was tightened before, and the broken ones under the mix found: it is to stay."""
    margin = margin_of(encoded.instance.policy)
    tightened = _known(encoded)
    for s, short in broken:
        widest = encoded.columns[s].capacity.caps[short.pool]
        tightened.setdefault(s, {})[short.pool, short.period] = short.tightening(margin, widest)
    return tightened


def waiting_flows(encoded: Encoded, point: Floats) -> tuple[Ints, Floats]:
    """Columns of flows to pools whose waiting is modelled, and their values."""
    columns = [np.empty(0, dtype=np.int64)]
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        pool = view.routes.pool[view.flows.route]
        columns.append(cols.flow[(pool >= 0) & np.append(cols.capacity.waits, False)[pool]])
    at = np.concatenate(columns)
    return at, np.clip(point[at], 0.0, encoded.program.col_upper[at])


def _known(encoded: Encoded) -> dict[int, dict[tuple[int, int], Tightening]]:
    return {s: dict(known) for s, known in encoded.tightened.items()}
