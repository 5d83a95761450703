"""What a plan lets happen in a period: streams of requests, and the pools that they come to.

A stream is a workload's work that runs in the period (one for each arrival period or occurrence it stems from). Its
requests go to routes at random by the plan's shares. Pools hold floor(serving instances · concurrency) servers; a
request keeps one for concurrency · its instance-seconds / availability: time lost to outages is spread evenly.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from router.errors import InputError, Issue
from router.loading.unplanned import refuse_unplanned
from router.normalise.minutes import LUMP
from router.plan.document import Plan
from router.schema import Problem, Workload
from router.traces import recorded
from router.verification.base import (
    BY_MINUTE,
    Allowance,
    Audit,
    Case,
    Flow,
    Future,
    Limits,
    Pool,
    PoolUse,
    Queue,
    limits,
    operating_point,
    queues,
    service_ms,
    stated_ms,
    use_of,
)

type PoolName = tuple[str, str | None]

type CapName = tuple[str, str]
"""A quota and what it counts."""


@dataclass(frozen=True)
class StreamRoute:
    """One way that a stream's requests may go."""

    offer: str
    model: str
    pool: PoolName | None  # None: an offer without instances, whose stated latency holds its own queue
    share: float  # of the stream
    use: PoolUse | None
    taken: Mapping[CapName, float]  # of caps by the minute, by a request
    service_ms: Mapping[tuple[str, str], float]  # stated, by (ttft or request, statistic) that is promised


@dataclass(frozen=True)
class RequestStream:
    """Requests of one workload in one period."""

    workload: Workload
    key: str  # tells streams of one workload apart
    rate: float  # requests per second
    routes: tuple[StreamRoute, ...]
    promises: Limits  # on the first token and the whole request


@dataclass(frozen=True)
class Station:
    """One pool in one period."""

    name: PoolName
    servers: int
    concurrency: float
    availability: float
    apart: bool  # prompt and completion are served by engines of their own
    planned: tuple[Queue, ...]  # what the planner's formula sees, by engine
    utilisation: float  # planned
    arrivals: float  # squared coefficient of variation of the gaps, as the formula mixes it


@dataclass(frozen=True)
class Period:
    """Everything that is simulated together."""

    index: int
    streams: tuple[RequestStream, ...]
    stations: Mapping[PoolName, Station]
    caps: Mapping[CapName, float]  # by the minute, those that any stream counts in


@dataclass
class Floor:
    """A plan as it runs, in one future."""

    case: Case
    future: Future
    flows: Mapping[int, list[Flow]]
    pools: Mapping[int, dict[PoolName, Pool]]
    allowance: Allowance

    @classmethod
    def of(cls, problem: Problem, plan: Plan, scenario: str | None) -> Floor:
        """Raises InputError where the plan is not one of this problem."""
        refuse_unplanned(problem, "router simulate")
        audit = Audit(recorded(problem).problem, plan)
        future = _future(audit.case, scenario)
        flows: dict[int, list[Flow]] = defaultdict(list)
        for flow in audit.flows:
            if flow.future.name == future.name and flow.units > 0 and flow.entry is not None:
                flows[flow.row.period].append(flow)
        pools: dict[int, dict[PoolName, Pool]] = defaultdict(dict)
        for (offer, model, period, name), pool in audit.pools.items():
            if name == future.name:
                pools[period][offer, model] = pool
        fields = audit.ledgers["fields"]
        if fields.misses:
            raise InputError(Issue((), f"the plan cannot be read: {'; '.join(fields.shown)}"))
        return cls(audit.case, future, flows, pools, Allowance(audit.case))

    def period(self, index: int) -> Period:
        """What happens in a period."""
        by_cell: dict[str, list[Flow]] = defaultdict(list)
        for flow in self.flows.get(index, ()):
            by_cell[str(flow.cell.key)].append(flow)
        streams = tuple(self._stream(key, flows) for key, flows in sorted(by_cell.items()))
        uses: dict[PoolName, list[PoolUse]] = defaultdict(list)
        for stream in streams:
            for route in stream.routes:
                if route.pool is not None and route.use is not None:
                    uses[route.pool].append(route.use)
        stations = {name: self._station(index, name, users) for name, users in uses.items()}
        return Period(index, streams, stations, self._caps(index, streams))

    def _caps(self, index: int, streams: Sequence[RequestStream]) -> dict[CapName, float]:
        """The provider's own caps, on average over the period."""
        taken = {name for stream in streams for route in stream.routes for name in route.taken}
        caps = {}
        for cap in self.allowance.caps:
            if (cap.name, cap.kind) in taken:
                most = self.allowance.mean(cap, *self.case.span(index)) / cap.utilisation
                caps[cap.name, cap.kind] = most
        return caps

    def _stream(self, key: str, flows: list[Flow]) -> RequestStream:
        first = flows[0]
        units = math.fsum(flow.units for flow in flows)
        hours = first.cell.runs.get(first.row.period, (0.0, self.case.period_h))
        lump = 1.0 if first.unit.requests is not None else LUMP
        rate = units / lump / (3600.0 * (hours[1] - hours[0]))
        promises = tuple(limit for limit in limits(first.workload.slo) if limit[0] != "tpot")
        routes = tuple(self._route(flow, flow.units / units, rate, lump, promises) for flow in flows)
        return RequestStream(first.workload, key, rate, routes, promises)

    def _route(self, flow: Flow, share: float, rate: float, lump: float, promises: Limits) -> StreamRoute:
        row, entry = flow.row, flow.entry
        assert entry is not None  # flows without one are left out
        point = operating_point(self.case, flow, entry)
        values = stated_ms(entry, point, self.case.problem.policy.p99_over_mean)
        rtt_ms = self.case.rtt_ms(row.workload, row.offer)
        service = {
            (part, statistic): rtt_ms
            + (service_ms(part, statistic, values, flow.unit.completion, flow.offer.turnaround_h) or 0.0)
            for part, statistic, _ in promises
        }
        taken = {
            (cap.name, cap.kind): lump * cap.amount(flow.unit, entry)
            for cap in self.allowance.of(row.workload, row.offer, row.model)
            if cap.kind in BY_MINUTE
        }
        if flow.offer.instances is None:
            return StreamRoute(row.offer, row.model, None, share, None, taken, service)
        use = use_of(self.case, flow, entry)
        if use is None:
            raise InputError(Issue((), f"{row.workload} on {row.offer} has no known throughput"))
        use = replace(use, rate=rate * share, seconds=(use.seconds[0] * lump, use.seconds[1] * lump))
        pool = (row.offer, self.case.pool_model(row.offer, row.model))
        return StreamRoute(row.offer, row.model, pool, share, use, taken, service)

    def _station(self, index: int, name: PoolName, uses: Sequence[PoolUse]) -> Station:
        pool = self.pools.get(index, {}).get(name)
        serving, available = (pool.serving, pool.available) if pool is not None else (0.0, 1.0)
        planned = queues(uses, serving, available)
        concurrency = min(use.concurrency for use in uses)
        servers = int(planned[0].servers)
        busy = max(queue.busy for queue in planned)
        used = busy / (serving * concurrency) if serving > 0 else math.inf
        rate = math.fsum(use.rate for use in uses)
        gaps = math.fsum(use.rate * use.arrival_cv**2 for use in uses) / rate
        return Station(name, servers, concurrency, available, len(planned) > 1, planned, used, gaps)


def _future(case: Case, scenario: str | None) -> Future:
    names = [future.name for future in case.futures]
    if scenario is None and len(names) > 1:
        rule = f"one of several scenarios must be chosen: {', '.join(map(str, names))}"
        raise InputError(Issue(("scenarios",), rule, hint="--scenario NAME"))
    if scenario is not None and scenario not in names:
        raise InputError(Issue(("scenarios",), "the plan has no such scenario", value=scenario))
    return case.future(scenario)
