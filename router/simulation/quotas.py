"""Caps by the minute against simulated requests, minute by minute; what is refused does not come again.

    minutes_above   P(X > cap),   refused = E[(X − cap)⁺] / E[X],   X what the requests of a minute take, of mean size

The cap is the provider's own, before `max_utilisation`. Part of a minute at the end is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from router.plan.document import Plan
from router.simulation.arrivals import Requests
from router.simulation.report import SimulatedQuota
from router.simulation.station import Period

ABOVE = 1.0 + 1e-9


def quotas_met(period: Period, requests: Iterable[Requests], end_s: float) -> Iterator[SimulatedQuota]:
    """A row for each cap that anything counted in, over the whole minutes from 0 to `end_s`."""
    minutes = int(end_s // 60.0)
    if minutes == 0:
        return
    met = {name: np.zeros(minutes) for name in period.caps}
    for stream, drawn in zip(period.streams, requests, strict=True):
        at = np.floor(drawn.at_s / 60.0).astype(np.int64)
        inside = (at >= 0) & (at < minutes)
        for r, route in enumerate(stream.routes):
            count = np.bincount(at[inside & (drawn.route == r)], minlength=minutes)
            for name, amount in route.taken.items():
                met[name] += amount * count
    for (quota, kind), load in met.items():
        cap, whole = period.caps[quota, kind], float(load.sum())
        if whole > 0:
            above = load > cap * ABOVE
            yield SimulatedQuota(
                quota=quota,
                kind=kind,
                period=period.index,
                minutes=minutes,
                utilisation=float(load.mean()) / cap,
                minutes_above=float(above.mean()),
                refused=float((load[above] - cap).sum()) / whole,
            )


def beside_plan(rows: Iterable[SimulatedQuota], plan: Plan, scenario: str | None) -> Iterator[SimulatedQuota]:
    """The rows with what the plan states of the same cap and period."""
    stated = {
        (row.quota, row.kind, row.period): row
        for row in plan.quotas or ()
        if row.scenario in (None, scenario)
    }
    for row in rows:
        planned = stated.get((row.quota, row.kind, row.period))
        yield row if planned is None else row.beside(planned.minutes_above, planned.refused)
