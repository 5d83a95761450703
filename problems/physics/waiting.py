"""How much load a pool may carry so that waiting keeps within the SLOs of what it serves.

    load[q,t] ≤ availability[t] · cap(serving[q,t], mix)   cap: largest load whose wait at every percentile asked fits

Where availability changes within a period, it is the least of it while its offer is open, of a rate that is even over
the open hours: a wait is judged at its longest. Waiting is modelled for pools without `max_utilisation` that may serve
a workload with an SLO on the first token or the whole request. Servers are count × concurrency of the operating point;
service time, variability and the strictest budget follow from the mix of what is served.

Pools of few counts are written by level and by kind of mix at once (`Region`); of others the best use that any count
and any mix allow is a bound from above, and they get a region where a plan was found to be short. A region is cut at
the mixes and counts found, so that it has the truth there; its outer side bounds every plan, its inner side holds for
any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from problems.core.admissible import Routes
from problems.core.arrays import Bools, Floats, Ints
from problems.core.instance import Instance, PolicyLimits
from problems.core.once import once
from problems.core.supply import Fleets
from problems.core.view import View
from problems.physics.queueing import largest_load, waits_s
from problems.physics.regions import Margin, Piece, Scale, User, kinds_of, largest_use, pieces_of
from solvers.core.record import Record

LARGEST_EXACT = 40  # counts up to here get a 0/1 column each
INNER_LEVELS = 2  # times the most instances found: the inner side looks no farther
MOST_LEVELS = 20_000  # of those columns in all; beyond, regions are for pools found short
TOLERANCE = 1e-6
NONE_BEYOND = Margin()


def margin_of(policy: PolicyLimits) -> Margin:
    """The margins that a policy asks for."""
    return Margin(policy.wait_margin, policy.load_margin)


class Mix(Record):
    """What a pool serves in a period, as the queueing formula needs it."""

    service_s: float  # mean time a request holds a server
    variability: float  # (Ca² + Cs²) / 2
    concurrency: float  # servers per instance
    budget_s: Floats  # (5,) the strictest

    def caps(self, counts: Floats, margin: Margin = NONE_BEYOND) -> Floats:
        """The largest load, in instances, of each count."""
        budget = tuple(float(s) for s in self.budget_s)
        at = np.asarray(counts, dtype=float)
        return _caps(self.service_s, self.variability, self.concurrency, budget, at.tobytes(), margin).copy()

    def waits(self, count: float, load: float) -> Floats:
        """Wait at each percentile, (5,) s, for a count and a load in instances."""
        servers = np.floor(count * self.concurrency + 1e-9)
        load_s = np.asarray(load * self.concurrency)
        return waits_s(np.asarray(servers), load_s, np.asarray(self.service_s), np.asarray(self.variability))


@lru_cache(maxsize=4096)  # the same program is built several times over
def _caps(
    service_s: float,
    variability: float,
    concurrency: float,
    budget_s: tuple[float, ...],
    counts: bytes,
    margin: Margin,
) -> Floats:
    at = np.frombuffer(counts)
    servers = np.floor(at * concurrency + 1e-9)
    load = largest_load(
        servers,
        np.full(servers.shape, service_s),
        np.full(servers.shape, variability),
        np.broadcast_to(np.array(budget_s), (*servers.shape, 5)),
        margin.wait,
    )
    promised = np.isfinite(budget_s).any()
    return np.asarray(np.minimum(load / concurrency, at) / (1.0 + margin.load * promised))


class Cuts(NamedTuple):
    """Where the region of a pool in a period is cut: at mixes (u in s, by side) and at levels."""

    mixes: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    levels: tuple[int, ...] = ()
    at: int = 1  # the level that matters most


class Region(Record):
    """What a pool carries in a period."""

    routes: Ints  # of its users, in the order of the pieces' numbers
    users: tuple[User, ...]
    sides: tuple[tuple[Piece, ...], ...]  # one, or prompt and completion
    ranges: tuple[tuple[int, int], ...]  # of levels: a column each
    scale: Scale
    cuts: Cuts


class Capacity(Record):
    """Which pools wait, the best use that any count allows, and the regions written out."""

    waits: Bools  # (Q,)
    use: Floats  # (Q,) of any count at most
    regions: Mapping[tuple[int, int], Region]  # by pool and period
    inner: bool = False


def waiting_pools(view: View) -> Bools:
    """(Q,) pools whose waiting is modelled."""
    return _waiting_pools(view.inst, view.routes)


@once
def _waiting_pools(inst: Instance, routes: Routes) -> Bools:
    fleets = inst.fleets
    waits = np.zeros(fleets.pools, dtype=bool)
    at = routes.pool >= 0
    minds = np.isfinite(routes.wait_budget_s).any(axis=1)
    waits[routes.pool[at & minds]] = True
    return waits & ~np.isfinite(fleets.max_utilisation[fleets.pool_fleet]) if fleets.pools else waits


AllCuts = Mapping[tuple[int, int], Cuts]
"""By pool and period."""


def capacity_of(
    view: View, limit: Floats, cuts: AllCuts | None = None, *, inner: bool = False, spare: float = 0.0
) -> Capacity:
    """The capacity of every waiting pool; `limit` (Q, T) is the largest useful count at full use.

    spare   part of the load by which regions are smaller
    """
    waits, fleets = waiting_pools(view), view.inst.fleets
    use, found = np.ones(len(limit)), dict(cuts or {})
    margin = margin_of(view.inst.policy)
    served = _served(view, waits) if waits.any() else {}
    top = np.floor(limit + 1e-9).astype(np.int64)
    for q in np.flatnonzero(waits).tolist():
        every = users_of(view, np.flatnonzero(view.routes.pool == q))
        use[q] = largest_use(every, int(top[q].max(initial=0)) + 1, margin)
    own = waits & ~(fleets.horizon | in_servers(fleets))[fleets.pool_fleet] if len(waits) else waits
    own = own & (limit.max(axis=1, initial=0.0) <= LARGEST_EXACT)
    if top[own].sum() <= MOST_LEVELS:
        found = {at: Cuts(at=int(top[at]) // 2) for at in served if own[at[0]]} | found
    regions = {
        at: _region(view, at, served[at], float(limit[at]), found[at], (inner, spare))
        for at in sorted(found)
        if at in served
    }
    return Capacity(waits, use, {at: region for at, region in regions.items() if region.sides}, inner)


def _served(view: View, waits: Bools) -> dict[tuple[int, int], Ints]:
    """Routes of the flows to every waiting pool and period that has some, and in which instances serve at all."""
    pool, periods = view.routes.pool[view.flows.route], view.inst.time.periods
    serves = view.steady[view.inst.fleets.pool_fleet[pool], view.flows.period] > 0
    flow = np.flatnonzero((pool >= 0) & np.append(waits, False)[pool] & serves)
    key = (pool[flow] * periods + view.flows.period[flow]) * len(view.routes) + view.flows.route[flow]
    distinct = np.unique(key)
    at, route = distinct // len(view.routes), distinct % len(view.routes)
    parts = np.split(route, np.flatnonzero(np.diff(at)) + 1) if len(at) else []
    return {divmod(int(k), periods): part for k, part in zip(np.unique(at), parts, strict=True)}


def users_of(view: View, routes: Ints) -> tuple[User, ...]:
    """What some routes of a pool bring."""
    loads, of = view.inst.workloads, view.routes.workload
    return tuple(
        User(
            (float(view.routes.load_s[r, 0]), float(view.routes.load_s[r, 1])),
            float(view.routes.concurrency[r]),
            float(loads.arrival_cv[of[r]]),
            float(loads.service_cv[of[r]]),
            tuple(float(s) for s in view.routes.wait_budget_s[r]),
            bool(view.inst.entries.disaggregated[view.routes.entry[r]]),
        )
        for r in routes.tolist()
    )


def _region(
    view: View, at: tuple[int, int], routes: Ints, limit: float, cuts: Cuts, how: tuple[bool, float]
) -> Region:
    users, (inner, spare) = users_of(view, routes), how
    margin = margin_of(view.inst.policy)
    margin = margin._replace(load=(1.0 + margin.load) * (1.0 + spare) - 1.0)
    servers = bool(in_servers(view.inst.fleets)[view.inst.fleets.pool_fleet[at[0]]])
    unit = max(kind.outer.concurrency for kind in kinds_of(users)) if servers else 1.0
    large = math.floor(limit + 1e-9) > LARGEST_EXACT
    if inner and cuts.levels and large:  # a plan near what was found has no more
        limit = min(limit, float(max(INNER_LEVELS * max(cuts.levels), LARGEST_EXACT + 1)))
    scale = Scale(math.floor(limit * unit + 1e-9), servers)
    sides = (0, 1) if any(user.apart for user in users) else (0,)
    pieces = tuple(
        pieces_of(users, side, cuts.mixes[side], scale, cuts.at, margin, inner=inner) for side in sides
    )
    return Region(routes, users, pieces, _ranges(scale.top, cuts.levels), scale, cuts)


def in_servers(fleets: Fleets) -> Bools:
    """(F,) whether a part of an instance may serve, so that servers are counted: of those that boot, or are rented in
    parts.
    """
    return (fleets.start_h > 0) | ~fleets.integral


def _ranges(top: int, levels: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Levels 1 … top one by one where they are few, else those at which the region is cut, and what lies between."""
    single = range(1, top + 1) if top <= LARGEST_EXACT else sorted({n for n in levels if 1 <= n <= top})
    ranges, next_one = [], 1
    for n in single:
        if n > next_one:
            ranges.append((next_one, n - 1))
        ranges.append((n, n))
        next_one = n + 1
    if next_one <= top:
        ranges.append((next_one, top))
    return tuple(ranges)


def serving_need(view: View, load: Floats, most: Floats) -> Floats:
    """(Q, T) counts that would carry a load (Q, T) under the worst mix each pool could have; what is more than the most
    that may be held (Q,) is not told apart.

    Where no number of instances could (a mean wait of zero, say) a pool of twice the load and some is the limit.
    """
    waits, need = waiting_pools(view), load.copy()
    for q in np.flatnonzero(waits):
        worst = _worst_mix(view, int(q))
        top = float(load[q].max(initial=0.0))
        counts = np.arange(int(min(2 * top, most[q])) + 50, dtype=float)
        caps = worst.caps(counts, margin_of(view.inst.policy))
        at = np.minimum(np.searchsorted(caps, load[q] * (1 - TOLERANCE)), len(counts) - 1)
        need[q] = np.where(load[q] > 0, np.maximum(counts[at], load[q]), 0.0)
    return need


def _worst_mix(view: View, q: int) -> Mix:
    """Slowest service, strictest budget, and the largest variability that two extremes can make."""
    alone = (_mix(view, np.array([route]), np.ones(1)) for route in np.flatnonzero(view.routes.pool == q))
    mixes = [mix for sides in alone for mix in sides if mix.service_s > 0]
    there = view.routes.pool == q
    routes = view.routes.workload[there]
    part = 0.5 if view.inst.entries.disaggregated[view.routes.entry[there]].any() else 1.0
    low, high = min(mix.service_s for mix in mixes), max(mix.service_s for mix in mixes)
    within = float(view.inst.workloads.service_cv[routes].max() ** 2)
    cs2 = (high - low) ** 2 / (4 * high * low) * (1 + within) + within
    ca2 = float(view.inst.workloads.arrival_cv[routes].max() ** 2)
    return Mix(
        service_s=high,
        variability=0.5 * (ca2 + cs2),
        concurrency=min(mix.concurrency for mix in mixes),
        budget_s=view.routes.wait_budget_s[there].min(axis=0) * part,
    )


def _mix(view: View, routes: Ints, rate: Floats) -> tuple[Mix, Mix]:
    """The mix of requests at `rate` (per second, or any common unit) on some routes of a pool, for both sides."""
    found = view.routes
    w = found.workload[routes]
    concurrency = float(found.concurrency[routes].min())
    budget = found.wait_budget_s[routes].min(axis=0)
    two = view.inst.entries.disaggregated[found.entry[routes]].any()
    loads = view.inst.workloads
    sides = []
    for side in (0, 1):
        service = found.load_s[routes, side] * concurrency
        mean = float(rate @ service / rate.sum())
        square = float(rate @ (service**2 * (1 + loads.service_cv[w] ** 2)) / rate.sum())
        cs2 = max(square / mean**2 - 1.0, 0.0) if mean > 0 else 0.0
        ca2 = float(rate @ loads.arrival_cv[w] ** 2 / rate.sum())
        # two engines in a row may each wait half of what is left
        sides.append(Mix(mean, 0.5 * (ca2 + cs2), concurrency, budget * (0.5 if two else 1.0)))
    return sides[0], sides[1]


class WaitingRecord(Record):
    """A waiting pool in a period as planned: its mix, load, serving count, and whether the promise holds."""

    pool: int
    period: int
    mixes: tuple[Mix, Mix]
    load: tuple[float, float]  # instances at full availability
    serving: float
    routes: Ints
    rates: Floats  # of requests (or tokens), per second or any common unit

    def excess(self, margin: Margin) -> float:
        """How much more is planned than the serving count allows, as a part of that; infinite where it allows none."""
        most = (mix.caps(np.array([self.serving]), margin)[0] for mix in self.mixes)
        return max(
            load / float(cap) - 1.0 if cap > 0 else np.inf for load, cap in zip(self.load, most, strict=True)
        )

    def holds(self, margin: Margin) -> bool:
        """Whether the load is within what the serving count allows: waiting grows with load, so it is asked there."""
        for mix, load in zip(self.mixes, self.load, strict=True):
            promised = np.isfinite(mix.budget_s).any()
            less = (load - 1e-12) / (1 + TOLERANCE) * (1.0 + margin.load * promised)
            waits = mix.waits(self.serving, max(less, 0.0)) * (1.0 + margin.wait)
            if less > self.serving or (promised and (waits > mix.budget_s).any()):
                return False
        return True


def waiting_records(view: View, waits: Bools, flow: Floats, serving: Floats) -> list[WaitingRecord]:
    """Every waiting pool and period that carries something; `flow` (N,) shares, `serving` (Q, T) counts."""
    records = []
    pool = view.routes.pool[view.flows.route]
    at = np.flatnonzero((pool >= 0) & (flow > 0))
    at = at[waits[pool[at]]]
    at = at[
        view.steady[view.inst.fleets.pool_fleet[pool[at]], view.flows.period[at]] > 0
    ]  # else a row of throughput
    order = at[np.lexsort((view.flows.period[at], pool[at]))]
    keys = pool[order] * view.inst.time.periods + view.flows.period[order]
    for part in np.split(order, np.flatnonzero(np.diff(keys)) + 1) if len(order) else ():
        q, t = int(pool[part[0]]), int(view.flows.period[part[0]])
        routes = view.flows.route[part]
        part_of_period = np.maximum(view.flows.end[part] - view.flows.start[part], 1e-12)
        rate = flow[part] * view.flows.work[part] / part_of_period / view.inst.time.seconds
        available = float(view.steady[view.inst.fleets.pool_fleet[q], t])
        load = (view.flow_load[part] * flow[part][:, None] / part_of_period[:, None]).sum(axis=0) / available
        distinct, which = np.unique(routes, return_inverse=True)
        records.append(
            WaitingRecord(
                q,
                t,
                _mix(view, routes, rate),
                (float(load[0]), float(load[1])),
                float(serving[q, t]),
                distinct,
                np.bincount(which, weights=rate),
            )
        )
    return records
