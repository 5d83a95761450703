"""Throughput: what runs in a pool must fit in the instances that serve there, and not wait too long.

    Σ load of pieces that may run in [x, y] only  ≤  (y − x) / h · availability · max_utilisation · serving

for every interval between ends of windows inside the period (Hall's condition; the whole period is the last).
Loads are in instance-periods: seconds of an instance per unit of work · units / (3600 · h). A disaggregated
entry loads its prompt side and its completion side; each must fit.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from router.verification.base.audit import Audit
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.pools import Piece
from router.verification.base.queueing import queues, uses_of


def check_throughput(audit: Audit, ledger: Ledger) -> None:
    """Every pool in every period carries what is routed to it."""
    for key, pieces in audit.loads.items():
        pool = audit.pools.get(key)
        instances = audit.case.offers[key[0]].instances
        usable = pool.usable if pool is not None else 0.0
        most = 1.0 if instances is None or instances.max_utilisation is None else instances.max_utilisation
        for (start, end), load in _tightest(pieces):
            limit = usable * most * (end - start) / audit.case.period_h
            if pool is not None and audit.case.offers[key[0]].schedule:
                part = audit.case.available(key[0], pool.future, start, end)
                limit = pool.serving * part * most * (end - start) / audit.case.period_h
            if load > 0.0 and limit <= 0.0:  # however little it is
                ledger.fault(*key, f"hours {start:.6g} to {end:.6g}, a load on no instance that serves")
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


def check_utilisation(audit: Audit, ledger: Ledger) -> None:
    """Utilisation reported: load over what is serving and available (the larger side)."""
    for key, pool in audit.pools.items():
        pieces = audit.loads.get(key, [])
        load = max(math.fsum(p[2] for p in pieces), math.fsum(p[3] for p in pieces))
        if pool.usable > 0:
            ledger.equal(pool.row.utilisation, load / pool.usable, *key, "utilisation")
        else:
            ledger.equal(pool.row.utilisation, 0.0, *key, "utilisation of nothing that serves")


def check_waiting(audit: Audit, ledger: Ledger) -> None:
    """Every promise on the first token and on the whole request holds with its wait."""
    case, policy = audit.case, audit.case.problem.policy
    margin, fuller = 1.0 + policy.wait_margin, 1.0 + policy.load_margin
    for key, uses in uses_of(case, audit.flows).items():
        if not any(use.budget for use in uses):
            continue
        pool = audit.pools.get(key)
        serving, steady = (pool.serving, pool.steady) if pool is not None else (0.0, 1.0)
        for queue in queues(uses, serving, steady):
            waits = queue.waits_s(queue.budget, part=fuller * (1.0 - RELATIVE))
            for statistic, budget in queue.budget.items():
                at = (*key[:2], "period", *key[2:], f"{queue.servers} servers, {statistic} wait in s")
                ledger.at_most(waits[statistic] * margin, budget, *at)
