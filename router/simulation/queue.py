"""First come, first served: requests in order of arrival take the first of many servers that is free."""

from __future__ import annotations

import heapq

import numpy as np

from problems.core.arrays import Floats


def waits(at_s: Floats, hold_s: Floats, servers: int) -> Floats:
    """Seconds that each request waits, (N,); `at_s` is sorted, `hold_s` is how long each keeps its server.

    start[n] = max(at[n], time at which the first of the servers is free)            Kiefer and Wolfowitz

    Infinite without servers.
    """
    n = len(at_s)
    if servers <= 0:
        return np.full(n, np.inf)
    if n <= servers:
        return np.zeros(n)
    if hold_s.min() == hold_s.max():
        return _alike(at_s, float(hold_s[0]), servers)
    free = [-np.inf] * servers
    replace, started = heapq.heapreplace, np.empty(n)
    for i, (at, hold) in enumerate(zip(at_s.tolist(), hold_s.tolist(), strict=True)):
        first = free[0]
        start = at if at > first else first
        replace(free, start + hold)
        started[i] = start
    return np.asarray(started - at_s)


def _alike(at_s: Floats, hold_s: float, servers: int) -> Floats:
    """Equal holding times: request n follows request n − servers on its server; each server is a queue of its own.

    start[n] = max(at[n], start[n − c] + hold), or  start − hold · rank = running maximum of at − hold · rank
    """
    n = len(at_s)
    rounds = -(-n // servers)
    padded = np.full(rounds * servers, np.inf)
    padded[:n] = at_s
    lag = hold_s * np.arange(rounds)[:, None]
    start = np.maximum.accumulate(padded.reshape(rounds, servers) - lag, axis=0) + lag
    return np.asarray(np.maximum(start.ravel()[:n] - at_s, 0.0))
