"""Waiting in a pool of servers: Erlang C, with the Allen–Cunneen correction for service and arrivals that vary.

    B(c, a) = (a^c / c!) / Σ_(k≤c) a^k / k!                       Erlang B, from the Poisson distribution
    C(c, a) = B / (1 − (a / c) · (1 − B))                         probability that a request waits (Erlang C)
    E[W | W > 0] = v · S / (c − a),   v = (Ca² + Cs²) / 2
    mean wait    = C · E[W | W > 0]
    wait at p    = E[W | W > 0] · ln(C / (1 − p)),  0 where C ≤ 1 − p

    c   servers             a   offered load, servers kept busy        S   mean service time, s
    Ca, Cs   coefficients of variation of the gaps between arrivals (1: Poisson) and of service times

Exact for M/M/c; an approximation for M/G/c and G/G/c (Allen 1990, Allen and Cunneen; Whitt 1993), optimistic for strong
bursts: simulation checks it, a margin mends it.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import PERCENTILES, Floats

LEVELS = np.array([0.0, 0.50, 0.90, 0.95, 0.99])  # of PERCENTILES; the mean's is not used
MEAN = PERCENTILES.index("mean")
HALVINGS = 60


def erlang_c(servers: Floats, load: Floats) -> Floats:
    """Probability of waiting; 1 where the load reaches the servers, 0 without load. Vectorised."""
    from scipy import special  # here: few problems wait, and it takes long to load

    servers, load = np.broadcast_arrays(np.asarray(servers, dtype=float), np.asarray(load, dtype=float))
    a = np.clip(load, 1e-300, None)
    log_pmf = servers * np.log(a) - a - special.gammaln(servers + 1.0)
    blocked = np.exp(log_pmf) / special.gammaincc(servers + 1.0, a)
    busy = a / np.maximum(servers, 1e-300)
    waits = blocked / (1.0 - np.minimum(busy, 1.0) * (1.0 - blocked))
    return np.asarray(np.where(load >= servers, 1.0, np.where(load <= 0, 0.0, np.minimum(waits, 1.0))))


def waits_s(servers: Floats, load: Floats, service_s: Floats, variability: Floats) -> Floats:
    """Wait at each of PERCENTILES, (…, 5) s; inf where the load reaches the servers."""
    c = erlang_c(servers, load)
    spare = np.asarray(servers - load, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        if_waiting = np.where(spare > 0, variability * service_s / spare, np.inf)
        if_waiting = np.where(np.asarray(load) <= 0, 0.0, if_waiting)
        over = np.log(np.maximum(c[..., None], 1e-300) / (1.0 - LEVELS))
        wait = np.where(over > 0, if_waiting[..., None] * over, 0.0)
    wait[..., MEAN] = np.where(c > 0, c * if_waiting, 0.0)
    return np.asarray(wait)


def largest_load(
    servers: Floats, service_s: Floats, variability: Floats, budget_s: Floats, margin: float
) -> Floats:
    """The largest offered load (…) whose waits, times 1 + margin, stay within every budget (…, 5).

    Waiting grows with load, so it is found by bisection; from below, so that the formula holds at the answer.
    """
    servers = np.asarray(servers, dtype=float)
    low, high = np.zeros_like(servers), servers.copy()
    budget = np.asarray(budget_s) / (1.0 + margin)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        fits = (waits_s(servers, middle, service_s, variability) <= budget).all(axis=-1)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    free = np.isinf(budget).all(axis=-1)  # nothing is promised: all of it may be used
    return np.asarray(np.where(free, servers, low))
