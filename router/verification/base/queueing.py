"""Waiting under load: requests that find every server busy wait, and must still keep their promise.

Every (pool, period) whose offer states no `max_utilisation` and that serves somebody with a limit on the first token
or the whole request. What one pool serves in a period is one queue, first come, first served:

    S     mean time a request holds a server       s    Σ λ S_i / Σ λ,  S_i = concurrency · instance-seconds
    c     servers                                       floor(serving instances · concurrency)
    a     servers kept busy                             concurrency · load / availability
    v     variability                                   (Ca² + Cs²) / 2, arrivals and service times of the mix
    C     probability of waiting, Erlang's formula      1 / ((1 − a/c) / B + a/c),  B the loss formula
    1/B   Σ_(j ≤ c) c (c−1) … (c−j+1) / a^j             all terms positive, summed until they no longer count

    mean wait  C · v · S / (c − a)          wait at percentile p  v · S / (c − a) · ln(C / (1 − p)), at least 0

The wait at 1 + `policy.load_margin` times the load, times 1 + `policy.wait_margin`, may take what limits leave above
the service latency. Prompt and completion engines of a disaggregated entry are two queues in a row, and each may take
half of it. M/G/c by Allen and Cunneen (Allen, Probability, Statistics and Queueing Theory, 2nd ed. 1990, section 5.3);
exact for M/M/c.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from router.schema import Offer, OfferModel, Point, Workload
from router.verification.base import latency
from router.verification.base.case import Case
from router.verification.base.flows import Flow
from router.verification.base.pools import PoolKey
from router.verification.base.work import Unit

NEGLIGIBLE = 1e-17  # terms below this part of their sum are left out
SURE = 1e40  # 1 / B from which nobody ever waits

type Budget = Mapping[str, float]
"""Seconds left for waiting, by statistic (mean, p50, …); nothing is promised at those that are absent."""


class RoutedWork(Protocol):
    """Work of a kind, that runs or may."""

    @property
    def workload(self) -> Workload: ...

    @property
    def unit(self) -> Unit: ...

    @property
    def offer(self) -> Offer: ...


@dataclass(frozen=True, slots=True)
class PoolUse:
    """One route's part in a pool: its rate, how long a request keeps an instance, and what it promises."""

    rate: float  # requests (or tokens, where no size is stated) per second
    seconds: tuple[float, float]  # of an instance, on the prompt and on the completion side
    concurrency: float
    arrival_cv: float
    service_cv: float
    disaggregated: bool
    budget: Budget


@dataclass(frozen=True, slots=True)
class Queue:
    """What a pool serves in a period, on one side."""

    servers: float
    busy: float
    service_s: float
    variability: float
    budget: Budget

    def waits_s(self, statistics: Iterable[str], part: float = 1.0) -> dict[str, float]:
        """Waits at this load, or at a part of it."""
        busy = self.busy * part
        return {
            name: wait_s(name, self.servers, busy, self.service_s, self.variability) for name in statistics
        }


def erlang_c(servers: float, busy: float) -> float:
    """Probability that a request finds all of `servers` (whole, ≥ 0) occupied; `busy` is the offered load."""
    if busy <= 0:
        return 0.0
    if busy >= servers:
        return 1.0
    total = term = 1.0
    remaining = servers
    while remaining > 0 and total < SURE and (term > NEGLIGIBLE * total or remaining > busy):
        term *= remaining / busy
        total += term
        remaining -= 1.0
    used = busy / servers
    return 1.0 / ((1.0 - used) * total + used)


def wait_s(statistic: str, servers: float, busy: float, service_s: float, variability: float) -> float:
    """The wait at a percentile, or the mean one; infinite where the load reaches the servers."""
    if busy <= 0:
        return 0.0
    if busy >= servers:
        return math.inf
    waits = erlang_c(servers, busy)
    once_waiting = variability * service_s / (servers - busy)
    if statistic == "mean":
        return waits * once_waiting
    beyond = 1.0 - latency.LEVEL[statistic]
    return once_waiting * math.log(waits / beyond) if waits > beyond else 0.0


def queues(uses: Iterable[PoolUse], serving: float, availability: float) -> tuple[Queue, ...]:
    """The queue on each side of a pool (only one where prompt and completion share the engine)."""
    uses = list(uses)
    rate = math.fsum(use.rate for use in uses)
    concurrency = min(use.concurrency for use in uses)
    servers = math.floor(serving * concurrency + 1e-9)
    apart = any(use.disaggregated for use in uses)
    budget = strictest([use.budget for use in uses], 0.5 if apart else 1.0)
    arrivals = math.fsum(use.rate * use.arrival_cv**2 for use in uses) / rate
    sides = []
    for side in (0, 1) if apart else (0,):
        load = math.fsum(use.rate * use.seconds[side] for use in uses)
        mean = load / rate * concurrency
        squares = math.fsum(
            use.rate * (use.seconds[side] * concurrency) ** 2 * (1 + use.service_cv**2) for use in uses
        )
        spread = max(squares / rate / mean**2 - 1.0, 0.0) if mean > 0 else 0.0
        busy = (math.inf if load > 0 else 0.0) if availability <= 0 else concurrency * load / availability
        sides.append(Queue(servers, busy, mean, (arrivals + spread) / 2, budget))
    return tuple(sides)


def strictest(budgets: Iterable[Budget], part: float) -> Budget:
    """The least of several budgets at every statistic, and the part of it that one queue may take."""
    least: dict[str, float] = {}
    for budget in budgets:
        for statistic, seconds in budget.items():
            least[statistic] = min(least.get(statistic, math.inf), seconds * part)
    return least


def uses_of(case: Case, flows: Iterable[Flow]) -> dict[PoolKey, list[PoolUse]]:
    """What every pool without `max_utilisation` carries, by period and future."""
    uses: dict[PoolKey, list[PoolUse]] = defaultdict(list)
    by_candidate: dict[tuple[str, str, str], PoolUse | None] = {}
    for flow in flows:
        row, instances, entry = flow.row, flow.offer.instances, flow.entry
        if instances is None or instances.max_utilisation is not None or entry is None or flow.units <= 0:
            continue
        candidate = (row.workload, row.offer, row.model)
        if candidate not in by_candidate:
            by_candidate[candidate] = use_of(case, flow, entry)
        use = by_candidate[candidate]
        hours = flow.cell.runs.get(row.period)
        if use is None or hours is None:
            continue  # `throughput` and `windows` say so
        rate = flow.units / (3600.0 * (hours[1] - hours[0]))
        key = (row.offer, case.pool_model(row.offer, row.model), row.period, flow.future.name)
        uses[key].append(replace(use, rate=rate))
    return uses


def use_of(case: Case, flow: RoutedWork, entry: OfferModel) -> PoolUse | None:
    """A route's part at a rate of 0; None where its throughput is unknown."""
    factor, load = case.problem.policy.p99_over_mean, flow.workload
    rtt_ms = case.rtt_ms(flow.workload.name, flow.offer.name)
    each = latency.seconds(load, flow.unit, entry, factor, rtt_ms)
    if each is None:
        return None
    point = operating_point(case, flow, entry)
    concurrency = (point.concurrency if point is not None else None) or entry.concurrency or 1.0
    promised = latency.promised_at(load.slo, rtt_ms)
    budget = _budget(promised, latency.stated_ms(entry, point, factor), flow.unit.completion)
    return PoolUse(0.0, each, concurrency, load.arrival_cv, load.service_cv, entry.disaggregated, budget)


def operating_point(case: Case, flow: RoutedWork, entry: OfferModel) -> Point | None:
    """The fastest measured point of the workload's size that keeps its promise; None where the entry states a rate."""
    points = (
        latency.applicable_points(
            flow.workload,
            flow.unit,
            entry,
            case.problem.policy.p99_over_mean,
            case.rtt_ms(flow.workload.name, flow.offer.name),
        )
        if entry.points
        else []
    )
    return max(points, key=lambda point: point.requests_per_s, default=None)


def _budget(promised: latency.Limits, values: latency.Stated, completion_tokens: float) -> Budget:
    """Seconds that limits on the first token and the whole request leave above the service latency, by statistic."""
    budget: dict[str, float] = {}
    for part, statistic, limit in promised:
        if part == "tpot":
            continue
        value = latency.service_ms(part, statistic, values, completion_tokens)
        room = 0.0 if value is None else max(limit - value, 0.0) / 1000.0
        budget[statistic] = min(budget.get(statistic, math.inf), room)
    return budget
