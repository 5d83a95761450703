"""Loads that two kinds of requests may bring to one pool together, and what a little more of one costs.

The loads (L₁, L₂) that n instances carry form a region R_n: its ends are what either may bring alone, and it is not a
triangle, since bursts of one make the other wait. For weights m ≥ 0 the support function is a valid inequality,

    m₁ · L₁ + m₂ · L₂ ≤ h_n(m),       h_n(m) = max { m · L : L in R_n }

found over short intervals of the mix, each with the least service time and variability it holds: never too low. Where
a plan leaves R_n all the same (it is not convex), or users are many, the cap is linearised at the mix found:

    Σ_i (1 − ∂cap / ∂L_i) · L_i ≤ cap_n(mix),      whose weights are 1 on average over the mix
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.view import View
from problems.physics.queueing import largest_load
from problems.physics.waiting import Margin, WaitingRecord, margin_of, waiting_pools
from solvers.core.record import Record

INTERVALS = 48  # of the mix
AT_COUNTS = (1, 2, 4, 8, 16, 32)  # whose two ends give the weights
STEP = 0.01  # of the load, for the slope of the cap
LIGHTEST, HEAVIEST = 0.25, 4.0  # weights of a linearised cap


class Cuts(Record):
    """Inequalities of one pool: Σ weight[k, i] · load of route i ≤ most[k, n]."""

    routes: Ints  # (2,)
    weight: Floats  # (K, 2)
    most: Floats  # (K, N + 1) by count


class _User(Record):
    """One kind of request, hashable."""

    load_s: float
    concurrency: float
    arrival_cv: float
    service_cv: float
    budget_s: tuple[float, ...]


def cuts_of(view: View, q: int, top: int, margin: Margin) -> Cuts | None:
    """For a pool of one engine with two users who mind waiting; else None."""
    routes = np.flatnonzero(view.routes.pool == q)
    budgets = view.routes.wait_budget_s[routes]
    apart = view.inst.entries.disaggregated[view.routes.entry[routes]].any()
    if len(routes) != 2 or apart or not np.isfinite(budgets).any(axis=1).all():
        return None
    loads, of = view.inst.workloads, view.routes.workload[routes]
    one, two = (
        _User(
            float(view.routes.load_s[route, 0]),
            float(view.routes.concurrency[route]),
            float(loads.arrival_cv[w]),
            float(loads.service_cv[w]),
            tuple(float(s) for s in view.routes.wait_budget_s[route]),
        )
        for route, w in zip(routes, of, strict=True)
    )
    if one.load_s <= 0 or two.load_s <= 0:
        return None
    weight, most = _cuts(one, two, top, margin)
    return Cuts(routes, weight, most)


@lru_cache(maxsize=1024)
def _cuts(one: _User, two: _User, top: int, margin: Margin) -> tuple[Floats, Floats]:
    alone = np.array([_cap(user, user, np.zeros(1), np.zeros(1), top, margin)[:, 0] for user in (one, two)])
    edge = np.linspace(0.0, 1.0, INTERVALS + 1)
    low, high = edge[:-1], edge[1:]
    both = _cap(one, two, low, high, top, margin)  # (N + 1, intervals)
    known = [n for n in AT_COUNTS if n <= top and (alone[:, n] > 0).all()]
    ratio = [1.0, *(round(float(alone[1, n] / alone[0, n]), 3) for n in known)]
    weight = np.array([[m, 1.0] for m in dict.fromkeys(ratio)])
    ends = np.maximum(weight[:, :1] * low + 1.0 - low, weight[:, :1] * high + 1.0 - high)  # (K, intervals)
    most = (both[None] * ends[:, None]).max(axis=2)
    return weight, np.maximum(most, np.maximum(weight[:, :1] * alone[0], alone[1]))


def _cap(one: _User, two: _User, low: Floats, high: Floats, top: int, margin: Margin) -> Floats:
    """(N + 1, intervals) the largest load of each count, for shares of `one` in the load between low and high."""
    k = min(one.concurrency, two.concurrency)
    part = [_rate_share(one, two, x) for x in (low, high)]

    def least(first: float, second: float) -> Floats:
        return np.asarray(np.minimum.reduce([r * first + (1 - r) * second for r in part]))

    def largest(first: float, second: float) -> Floats:
        return np.asarray(np.maximum.reduce([r * first + (1 - r) * second for r in part]))

    s = (one.load_s * k, two.load_s * k)
    square = least(s[0] ** 2 * (1 + one.service_cv**2), s[1] ** 2 * (1 + two.service_cv**2))
    spread = np.maximum(square / largest(*s) ** 2 - 1.0, 0.0)
    variability = 0.5 * (least(one.arrival_cv**2, two.arrival_cv**2) + spread)
    budget = np.minimum(one.budget_s, two.budget_s)
    counts = np.arange(top + 1, dtype=float)
    shape = (top + 1, len(low))
    servers = np.broadcast_to(np.floor(counts * k + 1e-9)[:, None], shape)
    service = np.broadcast_to(least(*s), shape)
    load = largest_load(
        servers,
        service,
        np.broadcast_to(variability, shape),
        np.broadcast_to(budget, (*shape, 5)),
        margin.wait,
    )
    return np.asarray(np.minimum(load / k, counts[:, None]) / (1.0 + margin.load))


def _rate_share(one: _User, two: _User, share: Floats) -> Floats:
    """The part of the requests that are of kind one, where it has a share of the load."""
    first, second = share / one.load_s, (1.0 - share) / two.load_s
    return np.asarray(first / (first + second))


def all_cuts(view: View, limit: Floats) -> dict[int, Cuts]:
    """The cuts of every waiting pool that has some; `limit` (Q, T) as for capacities."""
    margin, cuts_by_pool = margin_of(view.inst.policy), {}
    for q in np.flatnonzero(waiting_pools(view)).tolist():
        cuts = cuts_of(view, q, int(np.ceil(limit[q].max(initial=0.0))) + 1, margin)
        if cuts is not None:
            cuts_by_pool[q] = cuts
    return cuts_by_pool


def weights(view: View, one: WaitingRecord, count: int, margin: Margin) -> dict[int, float]:
    """What a little more load of each route of a pool takes of its capacity, in loads: 1 on average over the mix."""
    routes = np.flatnonzero(view.routes.pool == one.pool)
    load_s, loads = view.routes.load_s[routes, 0], view.inst.workloads
    if count < 1 or view.inst.entries.disaggregated[view.routes.entry[routes]].any() or (load_s <= 0).any():
        return {}
    base = np.zeros(len(routes))
    base[np.searchsorted(routes, one.routes)] = one.rates
    total = float(base @ load_s)
    w = view.routes.workload[routes]
    # a row of rates for the mix as found, and one with a little more of each route
    rates = np.vstack([base, base + np.diag(STEP * total / load_s)])
    share = rates / rates.sum(axis=1, keepdims=True)
    present = rates > 0
    k = np.where(present, view.routes.concurrency[routes], np.inf).min(axis=1)
    mean = share @ load_s
    square = share @ (load_s**2 * (1 + loads.service_cv[w] ** 2))
    variability = 0.5 * (share @ loads.arrival_cv[w] ** 2 + np.maximum(square / mean**2 - 1.0, 0.0))
    budget = np.where(present[:, :, None], view.routes.wait_budget_s[routes], np.inf).min(axis=1)
    cap = largest_load(np.floor(count * k + 1e-9), mean * k, variability, budget, margin.wait) / k
    cap = np.minimum(cap, count) / (1.0 + margin.load)
    slope = (cap[1:] - cap[0]) / (STEP * total)
    available = view.usable[view.inst.fleets.pool_fleet[one.pool]]
    weight = np.clip(1.0 - available * slope, LIGHTEST, HEAVIEST)
    return dict(zip(routes.tolist(), weight.tolist(), strict=True))
