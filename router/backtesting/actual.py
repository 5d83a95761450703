"""What happened: shares and counts of the periods that are over, and the work that no capacity was left for.

Requests that a recipe answers are counted once, by its first step; each step keeps its routes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from problems.core.arrays import Floats
from router.backtesting.bought import Pool
from router.normalise.network import origin_of
from router.normalise.recipes import part_name
from router.normalise.roles import half_name
from router.plan.rows import RouteRow
from router.plan.running import RunningBefore, RunningCount, RunningShare
from router.planning.decode import Decoded
from router.schema import Problem, Workload

Route = tuple[str, str]  # offer and model
LEEWAY = 5e-7  # of a share: what happened fits its own program in spite of rounding


@dataclass(frozen=True)
class RoutedPart:
    """What of a workload is routed by itself: its own requests, or a step of a recipe."""

    name: str
    workload: int  # place in the problem
    recipe: str | None
    requests: float  # for each of the workload
    answers: bool  # what goes there is answered there, or by further steps
    route: Route  # any that may serve it


def parts_of(problem: Problem) -> dict[str, RoutedPart]:
    """By name, those of each workload after each other; the problem has each origin apart."""
    parts = []
    for w, load in enumerate(problem.workloads):
        origin = origin_of(load)
        own = part_name(load.name, origin, None, None)
        parts.append(RoutedPart(own, w, None, 1.0, True, _route(problem, load, load.models)))
        for recipe in load.recipes:
            for k, step in enumerate(recipe.steps):
                name = part_name(load.name, origin, recipe.name, k)
                route = _route(problem, load, step.models)
                parts.append(RoutedPart(name, w, recipe.name, step.requests, k == 0, route))
    return {part.name: part for part in parts}


def part_of_row(row: RouteRow) -> str:
    """The name of the part that a route serves."""
    return part_name(row.workload, row.origin, row.recipe, row.step)


def _route(problem: Problem, load: Workload, models: tuple[str, ...]) -> Route:
    known = ((offer.name, model) for model in models for offer in problem.offers if model in offer.models)
    return next(known, (load.name, models[0]))


def _came(routes: Sequence[RouteRow]) -> dict[tuple[str, int], float]:
    """Requests of which the shares of a part are, by part and period; those of a step for each of the workload."""
    requests, served = defaultdict[tuple[str, int], float](float), defaultdict[tuple[str, int], float](float)
    for row in routes:
        key = part_of_row(row), row.period
        requests[key] += row.requests or 0.0
        served[key] += row.served_share
    return {key: amount / served[key] if served[key] > 0 else 0.0 for key, amount in requests.items()}


@dataclass
class Actual:
    """Grows by the periods that each step commits. Requests by workload and period (W, N).

    served     ran on some offer
    dropped    left unserved at its stated price
    lost       left unserved where it should have been served
    displaced  served where the plan in force had not put it: overflow
    """

    parts: dict[str, RoutedPart]
    served: Floats
    dropped: Floats
    lost: Floats
    displaced: Floats
    sent: dict[tuple[str, int], dict[Route, float]] = field(
        default_factory=dict
    )  # by part: work that goes there first, in requests
    count: dict[tuple[Pool, int], float] = field(default_factory=dict)
    paid: dict[tuple[Pool, int], float] = field(default_factory=dict)

    @classmethod
    def empty(cls, problem: Problem, periods: int) -> Actual:
        served, dropped, lost, displaced = (np.zeros((len(problem.workloads), periods)) for _ in range(4))
        return cls(parts_of(problem), served, dropped, lost, displaced)

    def add(
        self, decoded: Decoded, first: int, span: range, priced: tuple[bool, ...], planned: list[RunningShare]
    ) -> None:
        """What ran in the periods of `span`, read from a program whose period 0 is `first`."""
        came = _came(decoded.routes)
        for row in decoded.routes:
            t, part = first + row.period, self.parts[part_of_row(row)]
            if t in span:
                work = (row.requests or 0.0) / part.requests
                sent = row.share * came[part.name, row.period] / part.requests if row.spills else work
                self.sent.setdefault((part.name, t), {})[row.offer, row.model] = sent
                self.served[part.workload, t] += work if part.answers else 0.0
        for left in decoded.unserved:
            t = first + left.period
            if t in span:
                w = self.parts[part_name(left.workload, left.origin, None, None)].workload
                (self.dropped if priced[w] else self.lost)[w, t] += left.requests or 0.0
        for inst in decoded.instances:
            t = first + inst.period
            if t in span:
                pool = half_name(inst.offer, inst.role), inst.model
                self.count[pool, t] = inst.count
                self.paid[pool, t] = inst.paid_count
        self._displaced(first, span, planned)

    def _displaced(self, first: int, span: range, planned: list[RunningShare]) -> None:
        """Of a recipe the step of which most is."""
        share: dict[tuple[str, int], dict[Route, float]] = {}
        for row in planned:
            if row.period is not None and first + row.period in span:
                there = share.setdefault((row.workload, first + row.period), {})
                there[row.offer, row.model] = row.share
        most: dict[tuple[int, int, str | None], float] = {}
        for (name, t), routes in self.sent.items():
            if t in span and (name, t) in share:
                w, known = self.parts[name].workload, share[name, t]
                arrived = self.served[w, t] + self.dropped[w, t] + self.lost[w, t]
                moved = sum(
                    max(0.0, requests - known.get(route, 0.0) * arrived) for route, requests in routes.items()
                )
                key = w, t, self.parts[name].recipe
                most[key] = max(most.get(key, 0.0), moved)
        for (w, t, _), moved in most.items():
            self.displaced[w, t] += moved

    def shares(self, first: int, until: int) -> list[RunningShare]:
        """Shares of the work served, of the periods from `first` on, as what runs."""
        rows = []
        for t in range(first, until):
            for part in self.parts.values():
                total = float(self.served[part.workload, t])
                routes = self.sent.get((part.name, t), {part.route: 0.0})
                if total > 0:
                    rows += [
                        RunningShare(
                            part.name, offer, model, t - first, None, requests / total * (1 + LEEWAY)
                        )
                        for (offer, model), requests in routes.items()
                    ]
        return rows

    def shares_of_arrivals(self, arrived: Floats, leeway: float = LEEWAY) -> list[RunningShare]:
        """Shares of (W, N) requests, over the whole replay."""
        return [
            RunningShare(
                name, offer, model, t, None, requests / arrived[self.parts[name].workload, t] * (1 + leeway)
            )
            for (name, t), routes in self.sent.items()
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
