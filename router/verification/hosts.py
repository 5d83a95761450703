"""Hosts: what the plan says lives in each fits there, and is all that runs.

Σ units · instances in a host ≤ units of the host              every pattern
Σ hosts filled, not free ≤ count ≤ max;  count ≥ reserved      every kind and period; none while it is closed
count the same in every period in which it is open, and future  kinds with resize: horizon
Σ over hosts and kinds of instances = count of the pool        every pool that lives in hosts
Hosts, and those filled alike, are whole.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict

from router.plan.rows import HostRow
from router.schema import Host
from router.verification.base.audit import Audit
from router.verification.base.case import Case
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.parts import half_name
from router.verification.base.pools import PoolKey


def check_hosts(audit: Audit, ledger: Ledger) -> None:
    """Every kind of host in every period and future, and every pool that lives in hosts."""
    case = audit.case
    kinds = {host.name: host for host in case.problem.hosts}
    rows: dict[tuple[str, int, str | None], HostRow] = {}
    living: dict[PoolKey, list[float]] = defaultdict(list)
    for row in audit.rows.hosts or ():
        future = case.future(row.scenario)
        key = (row.host, row.period, future.name)
        if key in rows:
            ledger.fault(*key, "is listed twice")
            continue
        rows[key] = row
        _check_patterns(case, kinds[row.host], row, ledger)
        for pattern in row.patterns:
            for each in pattern.instances:
                name = half_name(each.offer) if each.role == "decode" else each.offer
                living[name, each.model, row.period, future.name].append(pattern.hosts * each.count)
    throughout: dict[str, float] = {}
    for future in case.futures:
        for period in range(case.periods):
            for host in kinds.values():
                found = rows.get((host.name, period, future.name))
                count, at = (found.count if found else 0), (host.name, "period", period, future.name)
                reserved, most, _ = case.usable_hosts(host.name, period)
                if host.resize == "horizon" and not case.closed(host.name, period):
                    same = throughout.setdefault(host.name, count)
                    ledger.equal(count, same, *at, "hosts for the horizon")
                ledger.at_least(count, reserved, *at, "hosts")
                ledger.equal(count, round(count), *at, "hosts, which are whole")
                ledger.at_most(count, most, *at, "hosts")
    housed = {name for host in kinds.values() for name in host.offers}
    counted = {key: pool.row.count for key, pool in audit.pools.items() if key[0] in housed}
    for pool_key in counted.keys() | living.keys():
        ledger.equal(
            sum(living.get(pool_key, [])), counted.get(pool_key, 0.0), *pool_key, "instances in hosts"
        )


def _check_patterns(case: Case, host: Host, row: HostRow, ledger: Ledger) -> None:
    at = (host.name, "period", row.period, row.scenario)
    paid = sum(pattern.hosts for pattern in row.patterns if not pattern.free)
    ledger.at_most(paid, row.count, *at, "hosts filled")
    free = dict[float, float](Counter(case.usable_hosts(host.name, row.period)[2]))
    for pattern in row.patterns:
        if pattern.free:
            free[pattern.units] = free.get(pattern.units, 0.0) - pattern.hosts
        else:
            ledger.equal(pattern.units, host.units, *at, "units of a host")
        ledger.equal(pattern.hosts, round(pattern.hosts), *at, "hosts filled alike, which are whole")
        used = []
        for each in pattern.instances:
            name = half_name(each.offer) if each.role == "decode" else each.offer
            ledger.require(name in host.offers, *at, "does not house", name)
            units = case.instances[name].units if name in case.instances else math.inf
            used.append(each.count * units)
            if each.units is not None:  # releases before this one do not say
                ledger.equal(each.units, units, *at, name, "units")
        ledger.at_most(math.fsum(used), pattern.units * (1 + RELATIVE), *at, "units in a host")
    ledger.require(
        all(left >= -RELATIVE for left in free.values()), *at, "fills more free hosts than there are"
    )
