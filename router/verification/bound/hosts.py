"""Hosts: whole machines that instances live in.

host(h,t)          hosts rented, beside those reserved and free ones                whole
place(h,pool,t)    instances of a pool that live there, where several kinds house it    whole

hosts    Σ_(pools of size ≥ s) size / s · place ≤ ⌊units / s⌋ · (host + reserved) + Σ_free ⌊units / s⌋
         Σ_h place = count
"""

from __future__ import annotations

import math

from router.schema import Host
from router.verification.base.case import Case, Future
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.renting import MostOfUse, RentedPool
from router.verification.bound.serving import pool_name


def add_hosts(
    model: RelaxedProblem, case: Case, rented: list[RentedPool], most: MostOfUse, future: Future
) -> None:
    """Variables and rows of every kind, and what is reserved."""
    limits = {pool.name: limit for pool in rented for limit in [_limit(pool, most)]}
    for host in case.problem.hosts:
        reserved = host.usd_per_h if host.reserved_usd_per_h is None else host.reserved_usd_per_h
        held = reserved * host.reserved * future.price_of(host.name) * case.period_h
        model.constant += held * math.fsum(case.period_weight)
        here = [pool for pool in rented if pool.offer in host.offers]
        for t in range(case.periods):
            _kind(model, case, host, here, t, math.fsum(limits[pool.name][t] for pool in here), future)
    for pool in rented:
        kinds = _kinds(case, pool)
        for t in range(case.periods if len(kinds) > 1 else 0):
            terms = [(f"place({host.name},{pool.name},{t})", 1.0) for host in kinds]
            model.constraint(f"hosts({pool.name},{t})", [*terms, (pool.count[t], -1.0)], lower=0.0, upper=0.0)


def _kind(
    model: RelaxedProblem, case: Case, host: Host, here: list[RentedPool], t: int, most: float, future: Future
) -> None:
    usd = host.usd_per_h * future.price_of(host.name) * case.period_h * case.period_weight[t]
    room = math.inf if host.max is None else max(host.max - host.reserved, 0.0)
    count = model.variable(f"host({host.name},{t})", min(math.ceil(most), room), whole=True, usd=usd)
    living: dict[str, str] = {}
    for pool in here:
        living[pool.name] = pool.count[t]
        if len(_kinds(case, pool)) > 1:
            name = f"place({host.name},{pool.name},{t})"
            living[pool.name] = model.variable(name, math.inf, whole=True)
    for size in sorted({pool.instances.units for pool in here}):
        each = math.floor(host.units / size)
        terms: Terms = [
            (living[pool.name], pool.instances.units / size) for pool in here if pool.instances.units >= size
        ]
        fixed = each * host.reserved + sum(math.floor(units / size) for units in host.free_units)
        name = f"hosts({host.name},{size:g},{t})"
        model.constraint(name, [*terms, (count, -float(each))], upper=float(fixed))


def _kinds(case: Case, pool: RentedPool) -> list[Host]:
    return [host for host in case.problem.hosts if pool.offer in host.offers]


def _limit(pool: RentedPool, most: MostOfUse) -> list[float]:
    """The largest count of use in each period."""
    return next(limit for place, limit in most.items() if pool.name == pool_name(*place))
