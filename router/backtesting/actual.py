"""What happened: shares and counts of the periods that are over, and the work that no capacity was left for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from problems.core.arrays import Floats
from router.backtesting.bought import Pool
from router.plan.running import RunningBefore, RunningCount, RunningShare
from router.planning.decode import Decoded

Route = tuple[str, str]  # offer and model
LEEWAY = 5e-7  # of a share: what happened fits its own program in spite of rounding


@dataclass
class Actual:
    """Grows by the periods that each step commits. Requests by workload and period (W, N).

    served     ran on some offer
    dropped    left unserved at its stated price
    lost       left unserved where it should have been served
    displaced  served where the plan in force had not put it: overflow
    """

    workloads: tuple[str, ...]
    served: Floats
    dropped: Floats
    lost: Floats
    displaced: Floats
    carried: dict[tuple[str, int], dict[Route, float]] = field(default_factory=dict)  # requests
    count: dict[tuple[Pool, int], float] = field(default_factory=dict)
    paid: dict[tuple[Pool, int], float] = field(default_factory=dict)

    @classmethod
    def empty(cls, workloads: tuple[str, ...], periods: int) -> Actual:
        served, dropped, lost, displaced = (np.zeros((len(workloads), periods)) for _ in range(4))
        return cls(workloads, served, dropped, lost, displaced)

    def add(
        self, decoded: Decoded, first: int, span: range, priced: tuple[bool, ...], planned: list[RunningShare]
    ) -> None:
        """What ran in the periods of `span`, read from a program whose period 0 is `first`."""
        w_of = {name: w for w, name in enumerate(self.workloads)}
        for row in decoded.routes:
            t = first + row.period
            if t in span:
                there = self.carried.setdefault((row.workload, t), {})
                there[row.offer, row.model] = row.requests or 0.0
                self.served[w_of[row.workload], t] += row.requests or 0.0
        for left in decoded.unserved:
            t = first + left.period
            if t in span:
                w = w_of[left.workload]
                (self.dropped if priced[w] else self.lost)[w, t] += left.requests or 0.0
        for inst in decoded.instances:
            t = first + inst.period
            if t in span:
                self.count[(inst.offer, inst.model), t] = inst.count
                self.paid[(inst.offer, inst.model), t] = inst.paid_count
        self._displaced(w_of, first, span, planned)

    def _displaced(self, w_of: dict[str, int], first: int, span: range, planned: list[RunningShare]) -> None:
        share: dict[tuple[str, int], dict[Route, float]] = {}
        for row in planned:
            if row.period is not None and first + row.period in span:
                there = share.setdefault((row.workload, first + row.period), {})
                there[row.offer, row.model] = row.share
        for (name, t), routes in self.carried.items():
            if t in span and (name, t) in share:
                w, known = w_of[name], share[name, t]
                arrived = self.served[w, t] + self.dropped[w, t] + self.lost[w, t]
                self.displaced[w, t] = sum(
                    max(0.0, requests - known.get(route, 0.0) * arrived) for route, requests in routes.items()
                )

    def shares(self, first: int, until: int) -> list[RunningShare]:
        """Shares of the work served, of the periods from `first` on, as what runs."""
        rows = []
        for (name, t), routes in self.carried.items():
            total = sum(routes.values())
            if first <= t < until and total > 0:
                rows += [
                    RunningShare(name, offer, model, t - first, None, requests / total * (1 + LEEWAY))
                    for (offer, model), requests in routes.items()
                ]
        return rows

    def shares_of_arrivals(self, arrived: Floats, leeway: float = LEEWAY) -> list[RunningShare]:
        """Shares of (W, N) requests, over the whole replay."""
        w_of = {name: w for w, name in enumerate(self.workloads)}
        return [
            RunningShare(name, offer, model, t, None, requests / arrived[w_of[name], t] * (1 + leeway))
            for (name, t), routes in self.carried.items()
            for (offer, model), requests in routes.items()
        ]

    def counts(self, first: int, until: int) -> list[RunningCount]:
        """Instances of the periods from `first` on, as what runs."""
        return [
            RunningCount(offer, model, t - first, count)
            for ((offer, model), t), count in self.count.items()
            if first <= t < until
        ]

    def before(self, first: int) -> tuple[RunningBefore, ...]:
        """Instances paid for in the period before `first`."""
        return tuple(
            RunningBefore(offer, model, paid)
            for ((offer, model), t), paid in self.paid.items()
            if t == first - 1 and paid > 0
        )
