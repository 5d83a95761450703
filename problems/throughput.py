"""Throughput: what is routed to a pool must fit in the instances that serve there.

    Σ_f load[f] · flow[f] ≤ usable · (count[q,t] − Σ_u boot[u,t] · started[q,u])      every pool q and period t
    Σ_(f inside [x,y]) load[f] · flow[f] ≤ (y − x) · usable in [x,y] · (…)            windows over part of a period

    load[f]      instances that the whole cell would keep busy           instances
    count[q,t]   instances rented                                        instances, integer or real
    usable       availability · highest planned utilisation, over open hours     1, in [0, 1]
    boot[u,t]    part of period t in which what started in u still boots 1, in [0, 1]

In instances rather than tokens/s: coefficients stay near 1, and workloads of different lengths share a pool. Where
prompt and completion are served by different engines (disaggregated) there is a row for each. The second kind of row
is Hall's condition for work that may use only a part [x, y] of its period; with the whole period it is the first kind.
Where prefill and decode are counted apart, each side has its row with its own pool. Where waiting is modelled, what an
instance carries is the latency family's.

A load exactly on a unit boundary must not round up: for whole instances the capacity is read with a relative tolerance
`boundary`; once the counts are fixed, the flows are solved again without it.
"""

from __future__ import annotations

import numpy as np

from problems import latency
from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.counts import pool_label
from problems.core.family import Family, Worth
from problems.core.rows import RowBuilder, Rows, Term, enumerate_keys
from problems.core.view import View, intervals
from problems.starts import booting

NAME = "throughput"
BOUNDARY = 1e-6


def build(view: View, cols: Columns) -> Rows:
    """A row per loaded pool and period; its dual is USD saved per extra instance of headroom."""
    pool = view.routes.pool[view.flows.route]
    builder = RowBuilder(NAME)
    flow = np.flatnonzero((pool >= 0) & ~latency.written(view, cols))
    period, q = view.flows.period[flow], pool[flow]
    _limit(builder, view, cols, flow, q, period, 0)
    disaggregated = _pools_with_two_engines(view)
    apart = disaggregated[q] if len(q) else np.zeros(0, dtype=bool)
    decoding = view.routes.decoding[view.flows.route[flow]]
    answers = np.where(decoding >= 0, decoding, q)  # the pool of completions
    if apart.any():
        _limit(builder, view, cols, flow[apart], answers[apart], period[apart], 1)
    for x, y in intervals(view, flow):
        inside = (
            (view.flows.start[flow] >= x - 1e-12) & (view.flows.end[flow] <= y + 1e-12) & view.partial[flow]
        )
        for side in (0, 1):
            some = inside if side == 0 else inside & apart
            if some.any():
                pools = answers if side else q
                _limit(builder, view, cols, flow[some], pools[some], period[some], side, (x, y))
    latency.add_limits(builder, view, cols)
    return builder.rows()


def _limit(
    builder: RowBuilder,
    view: View,
    cols: Columns,
    flow: Ints,
    q: Ints,
    period: Ints,
    side: int,
    span: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Rows for one side of the engine (prompt 0, completion 1) and one part of the period, from and to."""
    row, _, (pools, periods) = enumerate_keys(q, period)
    waits = cols.capacity.waits[pools] if len(pools) else np.zeros(0, dtype=bool)
    fleet = view.inst.fleets.pool_fleet[pools]
    whole = view.inst.fleets.integral[fleet] & ~waits
    usable = _usable(view, fleet, periods, span) * np.where(whole, 1.0 + view.boundary, 1.0)
    at = np.arange(len(pools))
    if waits.any():
        steady = view.steady[fleet, periods] if span == (0.0, 1.0) else usable
        usable = np.where(waits, steady * cols.capacity.use[pools], usable)
    terms: list[Term] = [
        (row, cols.flow[flow], view.flow_load[flow, side]),
        (at, cols.counts.count[pools, periods], -usable),
    ]
    terms += booting(view, cols, pools, periods, usable)
    builder.add(len(pools), terms, lambda i: f"{pool_label(view.inst, pools[i])},{periods[i]}", upper=0.0)


def _usable(view: View, fleet: Ints, periods: Ints, span: tuple[float, float]) -> Floats:
    """(n,) what an instance carries in a part of its period, in parts of the whole period at full availability."""
    if span == (0.0, 1.0):
        return view.usable[fleet, periods]
    from_h, to_h = (view.inst.time.start_h[periods] + at * view.inst.time.period_h for at in span)
    return view.inst.time.mean(view.usable_at, fleet, from_h, to_h) * (span[1] - span[0])


def _pools_with_two_engines(view: View) -> np.ndarray:
    two = np.zeros(view.inst.fleets.pools, dtype=bool)
    routes = view.routes
    at = (routes.pool >= 0) & view.inst.entries.disaggregated[routes.entry]
    two[routes.pool[at]] = True
    return two


FAMILY = Family(
    NAME,
    build,
    in_a_loss=build,
    worth=Worth("USD per instance of headroom", "capacity rented", "an instance more", rented=True),
)
