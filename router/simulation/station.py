"""What a plan lets happen in a period: streams of requests, and the pools that they come to.

A stream is a workload's work that runs in the period (one for each arrival period or occurrence it stems from). Its
requests go to routes at random by the plan's shares. Pools hold floor(serving instances · concurrency) servers; a
request keeps one for concurrency · its instance-seconds / availability: time lost to outages is spread evenly.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from router.errors import InputError, Issue
from router.plan.document import Plan
from router.schema import Problem, Workload
from router.traces import recorded
from router.verification.base import latency, queueing
from router.verification.base.case import Case, Future, futures_of
from router.verification.base.cells import cells_of
from router.verification.base.flows import Flow, flows_of
from router.verification.base.ledger import Ledger
from router.verification.base.pools import Pool, pools_of
from router.verification.base.queueing import Queue, Use
from router.verification.reading import Names, read

LUMP = 1000.0  # tokens of a request where the workload states no size; assumed

type PoolName = tuple[str, str | None]


@dataclass(frozen=True)
class Route:
    """One way that a stream's requests may go."""

    offer: str
    model: str
    pool: PoolName | None  # None: an offer without instances, whose stated latency holds its own queue
    share: float  # of the stream
    use: Use | None
    service_ms: Mapping[tuple[str, str], float]  # stated, by (ttft or request, statistic) that is promised


@dataclass(frozen=True)
class Stream:
    """Requests of one workload in one period."""

    workload: Workload
    key: str  # tells streams of one workload apart
    rate: float  # requests per second
    routes: tuple[Route, ...]
    promises: latency.Limits  # on the first token and the whole request


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
    streams: tuple[Stream, ...]
    stations: Mapping[PoolName, Station]

    @property
    def busiest(self) -> float:
        return max((station.utilisation for station in self.stations.values()), default=0.0)


@dataclass
class Floor:
    """A plan as it runs, in one future."""

    case: Case
    future: Future
    flows: Mapping[int, list[Flow]]
    pools: Mapping[int, dict[PoolName, Pool]]
    known: dict[tuple[str, str, str], tuple[Use | None, Mapping[tuple[str, str], float]]] = field(
        default_factory=dict
    )

    @classmethod
    def of(cls, problem: Problem, plan: Plan, scenario: str | None) -> Floor:
        """Raises InputError where the plan is none of this problem."""
        document = plan.to_dict()
        case = Case(recorded(problem).problem, futures_of(problem, document)[0])
        future = _future(case, scenario)
        ledger = Ledger("fields")
        names = Names(
            case.workloads, case.offers, problem.models, case.periods, case.months, case.row_scenarios
        )
        rows = read(document, names, ledger)
        moved, _ = flows_of(case, cells_of(case), rows, ledger)
        flows: dict[int, list[Flow]] = defaultdict(list)
        for flow in moved:
            if flow.future.name == future.name and flow.units > 0 and flow.entry is not None:
                flows[flow.row.period].append(flow)
        pools: dict[int, dict[PoolName, Pool]] = defaultdict(dict)
        for (offer, model, period, name), pool in pools_of(case, rows, ledger).items():
            if name == future.name:
                pools[period][offer, model] = pool
        if ledger.misses:
            raise InputError(Issue((), f"the plan cannot be read: {'; '.join(ledger.shown)}"))
        return cls(case, future, flows, pools)

    def period(self, index: int) -> Period:
        """What happens in a period."""
        by_cell: dict[str, list[Flow]] = defaultdict(list)
        for flow in self.flows.get(index, ()):
            by_cell[str(flow.cell.key)].append(flow)
        streams = tuple(self._stream(key, flows) for key, flows in sorted(by_cell.items()))
        uses: dict[PoolName, list[Use]] = defaultdict(list)
        for stream in streams:
            for route in stream.routes:
                if route.pool is not None and route.use is not None:
                    uses[route.pool].append(route.use)
        return Period(
            index, streams, {name: self._station(index, name, found) for name, found in uses.items()}
        )

    def _stream(self, key: str, flows: list[Flow]) -> Stream:
        first = flows[0]
        units = math.fsum(flow.units for flow in flows)
        hours = first.cell.runs.get(first.row.period, (0.0, self.case.period_h))
        lump = 1.0 if first.unit.requests is not None else LUMP
        rate = units / lump / (3600.0 * (hours[1] - hours[0]))
        promises = tuple(one for one in latency.limits(first.workload.slo) if one[0] != "tpot")
        routes = tuple(self._route(flow, flow.units / units, rate, lump, promises) for flow in flows)
        return Stream(first.workload, key, rate, routes, promises)

    def _route(self, flow: Flow, share: float, rate: float, lump: float, promises: latency.Limits) -> Route:
        row, entry = flow.row, flow.entry
        assert entry is not None  # flows without one are left out
        point = queueing.operating_point(self.case, flow, entry)
        values = latency.known(entry, point, self.case.problem.policy.p99_over_mean)
        service = {
            (part, statistic): latency.service_ms(part, statistic, values, flow.unit.completion) or 0.0
            for part, statistic, _ in promises
        }
        if flow.offer.instances is None:
            return Route(row.offer, row.model, None, share, None, service)
        one = queueing.use_of(self.case, flow, entry)
        if one is None:
            raise InputError(Issue((), f"{row.workload} on {row.offer} has no known throughput"))
        seconds = (one.seconds[0] * lump, one.seconds[1] * lump)
        use = Use(
            rate * share,
            seconds,
            one.concurrency,
            one.arrival_cv,
            one.service_cv,
            one.disaggregated,
            one.budget,
        )
        pool = (row.offer, self.case.pool_model(row.offer, row.model))
        return Route(row.offer, row.model, pool, share, use, service)

    def _station(self, index: int, name: PoolName, uses: Iterable[Use]) -> Station:
        uses = list(uses)
        instances = self.case.offers[name[0]].instances
        pool = self.pools.get(index, {}).get(name)
        available = 1.0
        if instances is not None:
            available = instances.availability * self.future.availability_of(name[0])
        serving = pool.usable / available if pool is not None and available > 0 else 0.0
        planned = queueing.queues(uses, serving, available)
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
