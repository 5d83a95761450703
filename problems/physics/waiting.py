"""How much load a pool may carry so that waiting keeps within the SLOs of what it serves.

    load[q,t] ≤ availability · cap(count[q,t])        cap: the largest load whose wait at every percentile asked fits

Waiting is modelled for pools without `max_utilisation` that may serve a workload with an SLO on the first token or the
whole request. Servers are count × concurrency of the operating point; service time, variability and the strictest
budget follow from the mix of what is served. cap is convex in the count (large pools are used better), so it is either
written exactly, with a 0/1 column per count (`levels`), or bounded from above by the best use that any count allows,
and tightened at the counts found until the formula holds.

The mix is not known before the plan is. The first caps are those of the most lenient mix that holds somebody who minds
waiting (fastest service, least variability), so that their optimum is a bound; tightening takes the mix found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from problems.core.instance import PolicyLimits
from problems.core.view import View
from problems.physics.queueing import largest_load, waits_s
from solvers.core.record import Record

LARGEST_EXACT = 40  # counts up to here get a 0/1 column each
MOST_LEVELS = 20_000  # of those columns in all; beyond, tightening takes over
TOLERANCE = 1e-6


class Margin(NamedTuple):
    """What is planned for beyond the formula, as shares: longer waits, a higher load."""

    wait: float = 0.0
    load: float = 0.0


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


class Tightening(Record):
    """Capacity of one pool in one period under the mix found there."""

    count: int  # the count at which the line touches
    caps: Floats  # (2, N + 1) by side (prompt, completion) and count
    weight: Mapping[int, float] = field(default_factory=dict)  # of a route's load, where it is not 1
    times: int = 1  # that the pool was found short in the period


class Capacity(Record):
    """Which pools wait, and the load each count allows, by pool and (where found) by period."""

    waits: Bools  # (Q,)
    exact: Bools  # (Q,) by a column per count
    lenient: Bools  # (Q,) some of its users mind no waiting; alone they may use all of it
    caps: Mapping[int, Floats]  # pool → (2, N + 1) for mixes in which somebody minds
    tightened: Mapping[tuple[int, int], Tightening] = field(default_factory=dict)

    def caps_at(self, q: int, t: int) -> Floats:
        found = self.tightened.get((q, t))
        return self.caps[q] if found is None else found.caps

    def line(self, q: int, t: int, side: int) -> tuple[float, float]:
        """load ≤ slope · count + intercept · open; from above, or touching at the count found."""
        caps, found = self.caps_at(q, t)[side], self.tightened.get((q, t))
        counts = np.arange(1, len(caps))
        if found is None or not len(counts):
            return (1.0 if self.lenient[q] else float((caps[1:] / counts).max(initial=0.0)), 0.0)
        n = min(max(found.count, 1), len(caps) - 1)
        slope = float(caps[n + 1] - caps[n]) if n + 1 < len(caps) else 1.0
        return slope, float(caps[n] - slope * n)


def waiting_pools(view: View) -> Bools:
    """(Q,) pools whose waiting is modelled."""
    fleets, routes = view.inst.fleets, view.routes
    waits = np.zeros(fleets.pools, dtype=bool)
    at = routes.pool >= 0
    waits[routes.pool[at & minds(view)]] = True
    return waits & ~np.isfinite(fleets.max_utilisation[fleets.pool_fleet]) if fleets.pools else waits


def capacity_of(
    view: View, limit: Floats, tightened: Mapping[tuple[int, int], Tightening] | None = None
) -> Capacity:
    """The capacity of every waiting pool; `limit` (Q, T) is the largest useful count at full use."""
    waits = waiting_pools(view)
    caps: dict[int, Floats] = {}
    exact, lenient = np.zeros(len(limit), dtype=bool), np.zeros(len(limit), dtype=bool)
    margin = margin_of(view.inst.policy)
    for q in np.flatnonzero(waits).tolist():
        counts = np.arange(int(np.ceil(limit[q].max(initial=0.0))) + 2, dtype=float)
        best, lenient[q] = _best_mixes(view, q)
        caps[q] = np.array([np.maximum.reduce([mix.caps(counts, margin) for mix in side]) for side in best])
        fleet = view.inst.fleets.pool_fleet[q]
        own = not (view.inst.fleets.horizon[fleet] or view.inst.fleets.start_h[fleet] > 0)
        exact[q] = own and limit[q].max(initial=0.0) <= LARGEST_EXACT
    if limit[exact].sum() > MOST_LEVELS:
        exact[:] = False
    return Capacity(waits, exact, lenient, caps, tightened or {})


def minds(view: View) -> Bools:
    """(R,) routes whose workload minds waiting."""
    return np.asarray(np.isfinite(view.routes.wait_budget_s).any(axis=1))


def _best_mixes(view: View, q: int) -> tuple[tuple[list[Mix], list[Mix]], bool]:
    """By side: for each user who minds, a mix no worse than any that it could be in; and whether some mind not."""
    routes = np.flatnonzero(view.routes.pool == q)
    concurrency = float(view.routes.concurrency[routes].max())
    loads = view.inst.workloads
    w = view.routes.workload[routes]
    variability = 0.5 * float(loads.arrival_cv[w].min() ** 2 + loads.service_cv[w].min() ** 2)
    strict = minds(view)[routes]
    budgets = np.unique(view.routes.wait_budget_s[routes[strict]], axis=0)
    part = 0.5 if view.inst.entries.disaggregated[view.routes.entry[routes]].all() else 1.0
    service = view.routes.load_s[routes].min(axis=0) * concurrency
    sides = tuple(
        [Mix(float(service[side]), variability, concurrency, budget * part) for budget in budgets]
        for side in (0, 1)
    )
    return (sides[0], sides[1]), bool((~strict).any())


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
    routes = view.routes.workload[view.routes.pool == q]
    low, high = min(mix.service_s for mix in mixes), max(mix.service_s for mix in mixes)
    within = float(view.inst.workloads.service_cv[routes].max() ** 2)
    cs2 = (high - low) ** 2 / (4 * high * low) * (1 + within) + within
    ca2 = float(view.inst.workloads.arrival_cv[routes].max() ** 2)
    return Mix(
        service_s=high,
        variability=0.5 * (ca2 + cs2),
        concurrency=min(mix.concurrency for mix in mixes),
        budget_s=np.array([mix.budget_s for mix in mixes], dtype=float).min(axis=0),
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

    def holds(self, margin: Margin) -> bool:
        """Whether the load is within what the serving count allows: waiting grows with load, so it is asked there."""
        for mix, load in zip(self.mixes, self.load, strict=True):
            promised = np.isfinite(mix.budget_s).any()
            less = (load - 1e-12) / (1 + TOLERANCE) * (1.0 + margin.load * promised)
            waits = mix.waits(self.serving, max(less, 0.0)) * (1.0 + margin.wait)
            if less > self.serving or (promised and (waits > mix.budget_s).any()):
                return False
        return True

    def tightening(self, margin: Margin, before: Floats) -> Tightening:
        """Capacity under this mix, no more than was thought before, and the least count that would do."""
        counts = np.arange(before.shape[1], dtype=float)
        caps = np.array([mix.caps(counts, margin) for mix in self.mixes])
        enough = (caps >= np.array(self.load)[:, None] * (1 - TOLERANCE)).all(axis=0)
        count = int(np.argmax(enough)) if enough.any() else before.shape[1] - 1
        return Tightening(count, np.minimum(caps, before))


def waiting_records(view: View, waits: Bools, flow: Floats, serving: Floats) -> list[WaitingRecord]:
    """Every waiting pool and period that carries something; `flow` (N,) shares, `serving` (Q, T) counts."""
    records = []
    pool = view.routes.pool[view.flows.route]
    at = np.flatnonzero((pool >= 0) & (flow > 0))
    at = at[waits[pool[at]]]
    order = at[np.lexsort((view.flows.period[at], pool[at]))]
    keys = pool[order] * view.inst.time.periods + view.flows.period[order]
    for part in np.split(order, np.flatnonzero(np.diff(keys)) + 1) if len(order) else ():
        q, t = int(pool[part[0]]), int(view.flows.period[part[0]])
        routes = view.flows.route[part]
        part_of_period = np.maximum(view.flows.end[part] - view.flows.start[part], 1e-12)
        rate = flow[part] * view.flows.work[part] / part_of_period / view.inst.time.seconds
        available = view.usable[view.inst.fleets.pool_fleet[q]]
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
