"""Throughput: what runs in a pool must fit in the instances that serve there.

    Σ load of pieces that may run in [x, y] only  ≤  (y − x) / h · availability · max_utilisation · serving

for every interval between ends of windows inside the period (Hall's condition; the whole period is the last).
Loads are in instance-periods: seconds of an instance per unit of work · units / (3600 · h). A disaggregated
entry loads its prompt side and its completion side; each must fit.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from router.verification import rates
from router.verification.case import Case
from router.verification.checks import Ledger
from router.verification.flows import Flow
from router.verification.instances import Pool, PoolKey
from router.verification.rates import Seconds

type Piece = tuple[float, float, float, float]
"""From and to, in hours; load on the prompt side and on the completion side, in instance-periods."""

type Loads = dict[PoolKey, list[Piece]]


def loads_of(case: Case, flows: Iterable[Flow], ledger: Ledger) -> Loads:
    """Pieces of load by pool, period and future. A route whose rate is unknown is a fault."""
    loads: Loads = defaultdict(list)
    known: dict[tuple[str, str, str], Seconds | None] = {}
    factor = case.problem.policy.p99_over_mean
    for flow in flows:
        row = flow.row
        if flow.offer.instances is None or flow.entry is None or flow.units == 0:
            continue
        candidate = (row.workload, row.offer, row.model)
        if candidate not in known:
            known[candidate] = rates.seconds(flow.workload, flow.unit, flow.entry, factor)
        each = known[candidate]
        if each is None:
            ledger.fault(*candidate, "has no known throughput")
            continue
        hours = flow.cell.runs.get(row.period) or (
            row.period * case.period_h,
            (row.period + 1) * case.period_h,
        )
        part = flow.units / (3600.0 * case.period_h)
        key = (row.offer, case.pool_model(row.offer, row.model), row.period, flow.future.name)
        loads[key].append((*hours, each[0] * part, each[1] * part))
    return loads


def check_throughput(case: Case, pools: dict[PoolKey, Pool], loads: Loads, ledger: Ledger) -> None:
    """Every pool in every period carries what is routed to it."""
    for key, pieces in loads.items():
        pool = pools.get(key)
        instances = case.offers[key[0]].instances
        usable = pool.usable if pool is not None else 0.0
        most = 1.0 if instances is None or instances.max_utilisation is None else instances.max_utilisation
        for (start, end), load in _tightest(pieces):
            limit = usable * most * (end - start) / case.period_h
            ledger.at_most(load, limit, *key, f"hours {start:.6g} to {end:.6g}, load in instances")


def _tightest(pieces: list[Piece]) -> Iterable[tuple[tuple[float, float], float]]:
    """Load that must run inside each interval between ends of pieces; the larger of the two sides."""
    merged: dict[tuple[float, float], list[tuple[float, float]]] = defaultdict(list)
    for start, end, prompt, completion in pieces:
        merged[round(start, 9), round(end, 9)].append((prompt, completion))
    sums = {at: (math.fsum(p for p, _ in both), math.fsum(c for _, c in both)) for at, both in merged.items()}
    for start in sorted({at[0] for at in sums}):
        for end in sorted({at[1] for at in sums}):
            inside = [load for at, load in sums.items() if start <= at[0] and at[1] <= end]
            if end > start and inside:
                yield (start, end), max(math.fsum(p for p, _ in inside), math.fsum(c for _, c in inside))


def check_utilisation(pools: dict[PoolKey, Pool], loads: Loads, ledger: Ledger) -> None:
    """Utilisation reported: load over what is serving and available (the larger side)."""
    for key, pool in pools.items():
        pieces = loads.get(key, [])
        load = max(math.fsum(p[2] for p in pieces), math.fsum(p[3] for p in pieces))
        if pool.row.utilisation is None:
            ledger.fault(*key, "states no utilisation")
        elif pool.usable > 0:
            ledger.equal(pool.row.utilisation, load / pool.usable, *key, "utilisation")
        else:
            ledger.equal(pool.row.utilisation, 0.0, *key, "utilisation of nothing that serves")
