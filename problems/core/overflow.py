"""Capacity that refuses what is too much in a minute: what goes into it, rows that it breaks, its order of refusing.

See `problems.spilling` for the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from solvers.core.record import Record

ALL_SETS = 10  # flows up to which every set of them is looked at
MOST_CUTS = 4  # of a limit and period at once
SCALE = 2.0**30
FULL = 1e-6  # relative
TINY, MOST_WEIGHT = 1e-300, 1e12


class SpillLimit(Record):
    """A limit by the minute in a period, and the flows into it."""

    offer: int
    pool: int  # -1: a quota
    period: int
    flows: Ints
    amount: Floats  # (n,) of the whole cell: instances, or parts of the cap
    shape: Callable[[], Floats]  # (n, N) of mean 1
    parts: Callable[
        [], Floats
    ]  # (1 + b, N) what an instance carries, and what one does not that boots; or the cap

    def cuts(self, sent: Floats, carried: Floats, amounts: Floats, tolerance: float) -> Iterator[SpillCut]:
        """The worst broken rows; `sent` and `carried` are shares of cells, `amounts` as in `capacity`."""
        used = np.flatnonzero((sent > 0) & (self.amount > 0))
        if not len(used):
            return
        shape, amount = self.shape()[used], self.amount[used]
        load = (sent[used] * amount)[:, None] * shape
        wanted = carried[used] * amount
        capacity, parts = self.capacity(amounts), self.parts()
        broken = [
            (float(wanted[own].sum() - np.minimum(load[own].sum(axis=0), capacity).mean()), own)
            for own in _sets(load, wanted, capacity)
        ]
        mean = max(float(parts[0].mean() * amounts[0]), TINY)
        room = tolerance * max(mean, float(wanted.sum()))
        for miss, own in sorted(broken, key=lambda each: -each[0])[:MOST_CUTS]:
            if miss > room:
                outside = load[own].sum(axis=0) <= capacity
                beta = (shape[own] * outside).mean(axis=1)
                weight = np.minimum((sent[used] * amount)[own] / mean, MOST_WEIGHT)
                alpha = (parts * ~outside).mean(axis=1)
                boots = -amounts[1:] / max(float(amounts[0]), TINY)
                yield SpillCut(self, used[own], beta, alpha, weight, np.minimum(boots, 1.0))

    def capacity(self, amounts: Floats) -> Floats:
        """(N,) C in every minute: of (1 + b,) instances and, below 0, those that boot; of a cap 1."""
        return np.maximum(amounts @ self.parts(), 0.0)

    def carries(self, sent: Floats, amounts: Floats) -> float:
        """All that fits in every minute of what is sent, in parts of the limit."""
        return float(np.minimum((sent * self.amount) @ self.shape(), self.capacity(amounts)).mean())

    def full(self, carried: Floats, spilled: Floats, amounts: Floats) -> bool:
        """Whether what is carried is all that fits."""
        most = self.carries(carried + spilled, amounts)
        return float(carried @ self.amount) >= most - FULL * max(most, 1e-300)

    def order(self, sent: Floats, carried: Floats, amounts: Floats) -> tuple[list[int], float]:
        """Flows sent there, those that are refused first first, and how far what is carried is from that order's.

        The last of an order has what the others leave: carried[f] = f(E) − f(E without f).
        """
        load, capacity = (sent * self.amount)[:, None] * self.shape(), self.capacity(amounts)
        left, order, miss = np.flatnonzero(sent > 0).tolist(), list[int](), 0.0
        while left:
            full = load[left].sum(axis=0)
            most = np.minimum(full, capacity).mean()
            gaps = [
                carried[f] * self.amount[f] - (most - np.minimum(full - load[f], capacity).mean())
                for f in left
            ]
            at = min(range(len(left)), key=lambda i: (abs(gaps[i]), left[i]))
            miss = max(miss, abs(gaps[at]))
            order.append(left.pop(at))
        return order, float(miss)

    def by_turn(self, sent: Floats, amounts: Floats) -> Floats:
        """(n,) share of each cell that is carried where the first to come are the first to be served."""
        load = (sent * self.amount)[:, None] * self.shape()
        full = load.sum(axis=0)
        part = np.minimum(1.0, self.capacity(amounts) / np.maximum(full, 1e-300))
        mean = load.mean(axis=1)
        return np.asarray(
            np.divide((load * part).mean(axis=1), mean, where=mean > 0, out=np.ones_like(mean)) * sent
        )


def _sets(load: Floats, wanted: Floats, capacity: Floats) -> Iterator[Bools]:
    """Sets of flows among which the worst is: all of few, of many single ones, all together and the minimum cut's."""
    n = len(load)
    if n <= ALL_SETS:
        for bits in range(1, 2**n):
            yield (bits >> np.arange(n)) & 1 == 1
        return
    yield np.ones(n, dtype=bool)
    yield from np.eye(n, dtype=bool)
    yield _minimum_cut(load, wanted, capacity)


def _minimum_cut(load: Floats, wanted: Floats, capacity: Floats) -> Bools:
    """The flows on the source's side: source → flow (wanted) → minute (load / N) → sink (C / N)."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow  # here: few problems have so many

    n, minutes = load.shape
    scale = SCALE / max(float(wanted.sum()), 1e-300)
    flow, minute = np.nonzero(load)
    row = np.concatenate([np.zeros(n, dtype=np.int64), 1 + flow, 1 + n + np.arange(minutes)])
    column = np.concatenate([1 + np.arange(n), 1 + n + minute, np.full(minutes, 1 + n + minutes)])
    value = np.concatenate([wanted, load[flow, minute] / minutes, capacity / minutes])
    whole = np.minimum(np.round(value * scale), 2.0**31 - 1).astype(np.int32)
    graph = csr_matrix((whole, (row, column)), shape=(n + minutes + 2, n + minutes + 2))
    left = graph - maximum_flow(graph, 0, n + minutes + 1).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, 0, return_predecessors=False)
    own = np.zeros(n, dtype=bool)
    own[[node - 1 for node in reached.tolist() if 0 < node <= n]] = True
    return own


class SpillCut(Record):
    """A row over some flows into a limit and the minutes in which they are more than it carries."""

    limit: SpillLimit
    own: Ints  # places among the limit's flows
    beta: Floats  # part of what each flow brings that comes in other minutes
    alpha: Floats  # (1 + b,) of the limit's parts, what is in its minutes
    weight: Floats  # of each flow's shape: in the minutes of the row they sum to more than C over its mean
    boots: Floats  # (b,) of the instances, those that boot


class MinutesOfPeriod(Record):
    """N minutes that stand for a period: those of its own hours so many times over, or so many equal parts of it."""

    real: int
    times: int

    def tiled(self, figures: Floats) -> Floats:
        """(n, N) of (n, real)."""
        return figures if self.times == 1 else np.tile(figures, (1, self.times))


class Spilling(Record):
    """Offers that spill, what minutes bring, and the rows known so far."""

    offer: Bools  # (O,)
    minutes: MinutesOfPeriod
    shape: Callable[[Floats, int], Floats]
    """(W,) work of a period that does not move → (W, N) by the minute, of mean 1."""
    cuts: Mapping[int, tuple[SpillCut, ...]] = field(default_factory=dict)  # by scenario
