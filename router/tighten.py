"""Where a plan's waiting breaks a promise, and by how much its capacity must be read tighter."""

from __future__ import annotations

import numpy as np

from problems.core.encode import Encoded, Tightened
from problems.core.instance import Floats
from problems.core.waiting import Held, Tightening, held, margin_of


def short_of_capacity(encoded: Encoded, point: Floats) -> list[tuple[int, Held]]:
    """(scenario, pool in a period) where the load is more than waiting allows under the mix planned."""
    margin = margin_of(encoded.instance.policy)
    return [
        (view.scenario, one)
        for view, cols in zip(encoded.views, encoded.columns, strict=True)
        if cols.capacity.waits.any()
        for one in held(
            view, cols.capacity.waits, point[cols.flow], np.round(serving(encoded, view.scenario, point), 9)
        )
        if not one.holds(margin)
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
        for back in range(int(np.ceil(start_h / time.period_h - 1e-9))):
            part = min((start_h - back * time.period_h) / time.period_h, 1.0)
            serves[q, back:] -= part * started[: time.periods - back]
    return serves


def tightened_by(encoded: Encoded, broken: list[tuple[int, Held]]) -> Tightened:
    """What was tightened before, and the broken ones under the mix found."""
    margin = margin_of(encoded.instance.policy)
    made: dict[int, dict[tuple[int, int], Tightening]] = {
        s: dict(known) for s, known in encoded.tightened.items()
    }
    for s, one in broken:
        before = encoded.columns[s].capacity.caps_at(one.pool, one.period)
        made.setdefault(s, {})[one.pool, one.period] = one.tightening(margin, before)
    return made
