"""Hosts: whole machines that instances live in.

host(h,t)          hosts rented, beside those reserved and free ones                whole
hosts_ahead(h)     the same, where one number holds for the horizon                 whole
place(h,pool,t)    instances of a pool that live there, where several kinds house it    whole

filled(h,n+s,t)    hosts with an instance of size s after n units, where sizes do not divide each other    whole

hosts    Σ_(pools of size ≥ s) size / s · place ≤ ⌊units / s⌋ · (host + reserved) + Σ_free ⌊units / s⌋
         or, by what is filled: what stands after n units needs what ends there, or a host that begins there;
         Σ_(pools of size s) place ≤ Σ_n filled
         Σ_h place = count
"""

from __future__ import annotations

import math
from collections import defaultdict

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
        held = [
            case.reserved_charges(host.name, t)[0] * weight for t, weight in enumerate(case.period_weight)
        ]
        model.constant += math.fsum(held) * future.price_of(host.name)
        here = [pool for pool in rented if pool.offer in host.offers]
        useful = [math.fsum(limits[pool.name][t] for pool in here) for t in range(case.periods)]
        counts = _counts(model, case, host, useful, future)
        for t in range(case.periods):
            _kind(model, case, host, here, t, counts[t])
    for pool in rented:
        kinds = _kinds(case, pool)
        for t in range(case.periods if len(kinds) > 1 else 0):
            terms = [(f"place({host.name},{pool.name},{t})", 1.0) for host in kinds]
            model.constraint(f"hosts({pool.name},{t})", [*terms, (pool.count[t], -1.0)], lower=0.0, upper=0.0)


def _counts(
    model: RelaxedProblem, case: Case, host: Host, useful: list[float], future: Future
) -> list[tuple[str, float, bool]]:
    """By period the variable of hosts rented, the most of them, and whether it counts: not while the kind is closed."""
    usd, beside, counts = list[float](), list[float](), list[bool]()
    for t, weight in enumerate(case.period_weight):
        reserved, limit, _ = case.usable_hosts(host.name, t)
        usd.append(case.rent(host.name, t) * future.price_of(host.name) * weight)
        beside.append(max(limit - reserved, 0.0))
        counts.append(not case.closed(host.name, t))
    if host.resize == "horizon":
        least = min((each for each, is_open in zip(beside, counts, strict=True) if is_open), default=0.0)
        most = min(float(math.ceil(max(useful))), least)
        name = model.variable(f"hosts_ahead({host.name})", most, whole=True, usd=math.fsum(usd))
        return [(name, most, is_open) for is_open in counts]
    found = []
    for t, least in enumerate(beside):
        most = min(float(math.ceil(useful[t])), least)
        name = model.variable(f"host({host.name},{t})", most, whole=True, usd=usd[t])
        found.append((name, most, True))
    return found


def _kind(
    model: RelaxedProblem,
    case: Case,
    host: Host,
    here: list[RentedPool],
    t: int,
    rented: tuple[str, float, bool],
) -> None:
    count, most, counts = rented
    reserved, _, free = case.usable_hosts(host.name, t)
    hosts: Terms = [(count, 1.0)] if counts else []
    living: dict[str, str] = {}
    for pool in here:
        living[pool.name] = pool.count[t]
        if len(_kinds(case, pool)) > 1:
            name = f"place({host.name},{pool.name},{t})"
            most_there = model.variables[pool.count[t]].upper  # Σ_h place = count
            living[pool.name] = model.variable(name, most_there, whole=True)
    sizes = sorted({pool.instances.units for pool in here})
    if any(large % small for small in sizes for large in sizes if large > small):
        _by_filling(model, host, here, living, (hosts, most, reserved, free), t)
        return
    for size in sizes:
        each = math.floor(host.units / size)
        terms: Terms = [
            (living[pool.name], pool.instances.units / size) for pool in here if pool.instances.units >= size
        ]
        fixed = each * reserved + sum(math.floor(units / size) for units in free)
        name = f"hosts({host.name},{size:g},{t})"
        model.constraint(name, [*terms, *((count, -float(each)) for count, _ in hosts)], upper=float(fixed))


def _by_filling(
    model: RelaxedProblem,
    host: Host,
    here: list[RentedPool],
    living: dict[str, str],
    counted: tuple[Terms, float, float, tuple[float, ...]],
    t: int,
) -> None:
    """Every host is filled from its end, the largest instances first: a smaller host begins further on.

    counted   hosts rented, and the most of them; those reserved, and what free ones hold
    """
    count, most, reserved, free = counted
    sizes = sorted({round(pool.instances.units) for pool in here}, reverse=True)
    unit = math.gcd(*sizes)
    hosts = [int(units // unit) for units in (host.units, *free)]
    longest, every = max(hosts), most + reserved + len(free)
    begins = [longest - length for length in hosts]
    reached = set(begins)
    leaving: dict[int, Terms] = defaultdict(list)
    ending: dict[int, Terms] = defaultdict(list)
    of_size: dict[int, Terms] = defaultdict(list)
    for size in sizes:
        length = size // unit
        for after in range(longest + 1 - length):
            if after not in reached:
                continue
            reached.add(after + length)
            name = model.variable(f"filled({host.name},{after}+{length},{t})", every, whole=True)
            leaving[after].append((name, 1.0))
            ending[after + length].append((name, -1.0))
            of_size[size].append((name, -1.0))
    for after, terms in leaving.items():
        began: Terms = [(name, -1.0) for name, _ in count] if after == begins[0] else []
        fixed = (reserved if after == begins[0] else 0.0) + begins[1:].count(after)
        name = f"hosts({host.name},from {after},{t})"
        model.constraint(name, [*terms, *ending[after], *began], upper=float(fixed))
    for size in sizes:
        living_there: Terms = [(living[pool.name], 1.0) for pool in here if pool.instances.units == size]
        model.constraint(f"hosts({host.name},{size:g},{t})", [*living_there, *of_size[size]], upper=0.0)


def _kinds(case: Case, pool: RentedPool) -> list[Host]:
    return [host for host in case.problem.hosts if pool.offer in host.offers]


def _limit(pool: RentedPool, most: MostOfUse) -> list[float]:
    """The largest count of use in each period."""
    return next(limit for place, limit in most.items() if pool.name == pool_name(*place))
