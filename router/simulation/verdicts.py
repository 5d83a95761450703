"""What simulated waits mean for a promise: kept, broken or undecided, and what would mend it.

A limit at percentile p is kept if at least p of the requests wait no longer than it leaves above the stated service
latency at p. The planner's formula promises the same, so the two are compared at the same statistic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from router.simulation import confidence
from router.simulation.report import PoolWaits, PromiseVerdict
from router.simulation.station import Period, RequestStream, Station
from router.verification.base import LEVEL, STATISTICS

INCLUSIVE_S = 1e-9  # a wait equal to its limit keeps it
MS = 1000.0
BURSTIER = 1.1  # times what is stated, from which it is worth stating


@dataclass(frozen=True)
class StreamWaits:
    """Waits of one workload's requests in a period, in order of arrival, with the route that each took."""

    stream: RequestStream
    wait_s: Floats
    route: Ints
    at_s: Floats

    @classmethod
    def together(cls, group: Sequence[StreamWaits]) -> StreamWaits:
        """Several streams of one workload as one."""
        first = group[0]
        if len(group) == 1:
            return first
        routes = tuple(route for waits in group for route in waits.stream.routes)
        offsets = np.cumsum([0] + [len(waits.stream.routes) for waits in group[:-1]])
        at = np.concatenate([waits.at_s for waits in group])
        order = np.argsort(at, kind="stable")
        rate = math.fsum(waits.stream.rate for waits in group)
        return cls(
            replace(first.stream, rate=rate, routes=routes),
            np.concatenate([waits.wait_s for waits in group])[order],
            np.concatenate([w.route + offset for w, offset in zip(group, offsets, strict=True)])[order],
            at[order],
        )


def promises_of(
    waits: StreamWaits, period: Period, margin: float, gaps: Mapping[str, float]
) -> Iterable[PromiseVerdict]:
    """A row for every limit on the first token and the whole request."""
    for part, statistic, limit_ms in waits.stream.promises:
        service = np.array([route.service_ms[part, statistic] for route in waits.stream.routes]) / MS
        value = waits.wait_s + service[waits.route]
        effect = confidence.design_effect(waits.wait_s)
        formula = _formula_s(waits.stream, period, statistic)
        limit = limit_ms / MS + INCLUSIVE_S
        within: float | None = None
        if statistic == "mean":
            figure, wait = confidence.mean(value), confidence.mean(waits.wait_s)
            low, high = figure.low * MS, figure.high * MS
            verdict = _verdict(figure.high <= limit, figure.low > limit)
        else:
            level = LEVEL[statistic]
            figure = confidence.percentile(value, level, effect)
            wait = confidence.percentile(waits.wait_s, level, effect)
            inside = confidence.share(value <= limit, _effect(value <= limit, effect))
            within, low, high = inside.value, inside.low, inside.high
            verdict = _verdict(low >= level, high < level)
        if len(value) < confidence.FEWEST:
            verdict = "undecided"
        remedy = (
            _remedy(_burstier(waits, period, gaps), wait, formula, margin) if verdict == "broken" else None
        )
        yield PromiseVerdict(
            workload=waits.stream.workload.name,
            period=period.index,
            promise=f"{part}_{statistic}",
            limit_ms=limit_ms,
            achieved_ms=figure.value * MS,
            wait_ms=wait.value * MS,
            formula_wait_ms=formula * MS,
            within=within,
            low=low,
            high=high,
            requests=len(value),
            verdict=verdict,
            optimistic=wait.low > formula * (1 + 1e-6) + 1e-6,
            remedy=remedy,
        )


def _effect(inside: Bools, effect: float) -> float:
    """Requests outside a limit come in clusters: the effect on the share itself, where there is something to see."""
    outside = int((~inside).sum())
    return confidence.design_effect(inside.astype(float)) if outside >= confidence.BATCHES else effect


def _verdict(kept: bool, broken: bool) -> str:
    return "kept" if kept else "broken" if broken else "undecided"


def _formula_s(stream: RequestStream, period: Period, statistic: str) -> float:
    """What the plan reckons with: the largest wait among the ways that the workload takes."""
    ways = {route.pools for route in stream.routes}
    return max(math.fsum(_planned_s(period.stations[name], statistic) for name in pools) for pools in ways)


def _planned_s(station: Station, statistic: str) -> float:
    """Waits of engines in a row are added, as the plan budgets them."""
    return math.fsum(queue.waits_s([statistic])[statistic] for queue in station.planned)


def _remedy(burstier: Sequence[str], wait: confidence.Interval, formula: float, margin: float) -> str:
    """What makes the next plan hold: say how bursty the arrivals are, or plan for longer waits."""
    remedies = [f"state {', '.join(burstier)}"] if burstier else []
    if formula > 0 and math.isfinite(wait.value) and wait.value > formula * (1 + margin):
        top = wait.high if math.isfinite(wait.high) else wait.value
        remedies.append(f"set policy.wait_margin: {_up(top / formula - 1):g}")
    elif formula <= 0:
        remedies.append(
            "set policy.load_margin, or instances.max_utilisation "
            "(the formula sees no wait here, so wait_margin changes nothing)"
        )
    return "; or ".join(remedies) or "more instances, or a looser limit"


def _burstier(waits: StreamWaits, period: Period, gaps: Mapping[str, float]) -> list[str]:
    """Workloads in the same pools whose requests come in stronger bursts than the plan reckons with."""
    pools = {pool for route in waits.stream.routes for pool in route.pools}
    burstier = {}
    for stream in period.streams:
        load = stream.workload
        observed = gaps.get(load.name, 0.0)
        together = any(not pools.isdisjoint(route.pools) for route in stream.routes)
        if together and observed > load.arrival_cv * BURSTIER + 0.05:
            stated = f"(the plan reckons with {load.arrival_cv:g})"
            burstier[load.name] = f"arrival_cv: {_up(observed):g} for {load.name} {stated}"
    return list(burstier.values())


def _up(value: float) -> float:
    """The next tenth."""
    return math.ceil(value * 10.0 - 1e-9) / 10.0


def gap_cv(at_s: Floats) -> float:
    """Coefficient of variation of the gaps between arrivals; 0 where there are too few."""
    gaps = np.diff(at_s)
    return float(gaps.std() / gaps.mean()) if len(gaps) > 1 and gaps.mean() > 0 else 0.0


def _simulated_s(wait_s: Floats, statistic: str) -> float:
    if len(wait_s) == 0:
        return 0.0
    if statistic == "mean":
        return float(wait_s.mean())
    return float(np.quantile(wait_s, LEVEL[statistic], method="inverted_cdf"))


def pool_row(
    station: Station, period: int, at_s: Floats, wait_s: Floats, busy_s: float, end_s: float
) -> PoolWaits:
    """A pool's waits beside the formula's."""
    return PoolWaits(
        offer=station.name[0],
        model=station.name[1],
        role=station.role,
        period=period,
        servers=station.servers,
        requests=len(wait_s),
        utilisation=busy_s / (station.servers * end_s) if station.servers and end_s > 0 else math.inf,
        planned_utilisation=station.utilisation,
        wait_ms={statistic: _simulated_s(wait_s, statistic) * MS for statistic in STATISTICS},
        formula_wait_ms={statistic: _planned_s(station, statistic) * MS for statistic in STATISTICS},
        arrival_cv=gap_cv(at_s),
        formula_arrival_cv=math.sqrt(station.arrivals),
    )
