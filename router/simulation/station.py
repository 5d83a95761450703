"""What a plan lets happen in a period: streams of requests, and the pools that they come to.

A stream is a workload's work that runs in the period (one for each arrival period or occurrence it stems from). Its
requests go to routes at random by the plan's shares; what one of them refuses goes on to others. Pools hold
floor(serving instances · concurrency) servers; a request keeps one for concurrency · its instance-seconds /
availability: time lost to outages is spread evenly. Replicas in two roles are two pools in a row: a request comes to
what decodes when what prefills is done with it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from router.errors import InputError, Issue
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
    WholeCell,
    booting_by_minute,
    carried_by_minute,
    first_to_boot,
    limits,
    operating_point,
    queues,
    service_ms,
    stated_ms,
    use_of,
)

type PoolName = tuple[str, str | None]

type Role = Literal["prefill", "decode"]

type SpillName = tuple[str, str | None]
"""An offer that spills; of instances with the model whose pool it is, None where one serves all."""

type CapName = tuple[str, str]
"""A quota and what it counts."""


@dataclass(frozen=True)
class StreamRoute:
    """One way that a stream's requests may go."""

    offer: str
    model: str
    pools: tuple[
        PoolName, ...
    ]  # in the order it comes to them; none: the stated latency holds the offer's own queue
    share: float  # of the stream, sent there first
    use: PoolUse | None
    taken: Mapping[CapName, float]  # of caps by the minute, by a request
    service_ms: Mapping[tuple[str, str], float]  # stated, by (ttft or request, statistic) that is promised
    takes: float = 0.0  # of the stream, what spills elsewhere
    limit: SpillName | None = None  # of an offer that spills
    amount: float = 0.0  # of that limit in a minute, by a request


@dataclass(frozen=True)
class RequestStream:
    """Requests of one workload in one period."""

    workload: Workload
    key: str  # tells streams of one workload apart
    rate: float  # requests per second
    routes: tuple[StreamRoute, ...]
    promises: Limits  # on the first token and the whole request

    @property
    def moves(self) -> bool:
        """Whether it may be served at another time than it comes."""
        return self.workload.window is not None or self.workload.deferrable_h is not None


@dataclass(frozen=True)
class Station:
    """One pool in one period."""

    name: PoolName
    role: Role | None
    servers: int
    concurrency: float
    availability: float
    sides: tuple[int, ...]  # engines that a request comes to here: 0 prompt (or both kinds), 1 completion
    planned: tuple[Queue, ...]  # what the planner's formula sees, by engine
    utilisation: float  # planned
    arrivals: float  # squared coefficient of variation of the gaps, as the formula mixes it


@dataclass(frozen=True)
class SpillingLimit:
    """What carries so much in a minute and refuses the rest, in one period."""

    capacity: tuple[float, ...]  # in each minute of the period
    steady: float  # of it, what work takes that moves in time
    order: tuple[str, ...]  # workloads, those refused first first


@dataclass(frozen=True)
class Period:
    """Everything that is simulated together."""

    index: int
    streams: tuple[RequestStream, ...]
    stations: Mapping[PoolName, Station]
    caps: Mapping[CapName, float]  # by the minute, those that any stream counts in
    limits: Mapping[SpillName, SpillingLimit]


@dataclass
class Floor:
    """A plan as it runs, in one future."""

    case: Case
    future: Future
    flows: Mapping[int, list[Flow]]
    pools: Mapping[int, dict[PoolName, Pool]]
    allowance: Allowance
    orders: Mapping[tuple[int, SpillName], tuple[str, ...]]

    @classmethod
    def of(cls, problem: Problem, plan: Plan, scenario: str | None) -> Floor:
        """Raises InputError where the plan is not one of this problem."""
        audit = Audit(recorded(problem).problem, plan)
        future = _future(audit.case, scenario)
        flows: dict[int, list[Flow]] = defaultdict(list)
        for flow in audit.flows:
            if (
                flow.future.name == future.name
                and flow.entry is not None
                and max(flow.units, flow.row.share) > 0
            ):
                flows[flow.row.period].append(flow)
        pools: dict[int, dict[PoolName, Pool]] = defaultdict(dict)
        for (offer, model, period, name), pool in audit.pools.items():
            if name == future.name:
                pools[period][offer, model] = pool
        fields = audit.ledgers["fields"]
        if fields.misses:
            raise InputError(Issue((), f"the plan cannot be read: {'; '.join(fields.shown)}"))
        orders = {
            (row.period, (row.offer, row.model)): row.workloads
            for row in plan.spill_order or ()
            if row.scenario in (None, future.name)
        }
        return cls(audit.case, future, flows, pools, Allowance(audit.case), orders)

    def period(self, index: int) -> Period:
        """What happens in a period."""
        by_cell: dict[str, list[Flow]] = defaultdict(list)
        for flow in self.flows.get(index, ()):
            by_cell[str(flow.cell.key)].append(flow)
        streams = tuple(self._stream(key, flows) for key, flows in sorted(by_cell.items()))
        uses: dict[PoolName, list[PoolUse]] = defaultdict(list)
        for stream in streams:
            for route in stream.routes:
                if route.use is not None:
                    for pool in route.pools:
                        uses[pool].append(route.use)
        decoding = self.case.halves.keys()  # each after what prefills for it
        names = sorted(uses, key=lambda name: name[0] in decoding)
        stations = {name: self._station(index, name, uses[name]) for name in names}
        return Period(index, streams, stations, self._caps(index, streams), self._limits(index))

    def _limits(self, index: int) -> dict[SpillName, SpillingLimit]:
        """What spills, with what each carries in a minute: 1 of a cap, or instances."""
        steady: dict[SpillName, float] = defaultdict(float)
        for flow in self.flows.get(index, ()):
            if flow.offer.spills:
                moves = flow.workload.window is not None or flow.workload.deferrable_h is not None
                taken = (
                    flow.row.share * WholeCell.of(flow).amount(self.case, self.allowance) if moves else 0.0
                )
                steady[self._limit(flow)] += taken
        limits = {}
        for name, taken in steady.items():
            limits[name] = SpillingLimit(
                self._carried(index, name), taken, self.orders.get((index, name), ())
            )
        return limits

    def _carried(self, index: int, name: SpillName) -> tuple[float, ...]:
        """In each minute: of a cap over its mean, or instances that have booted."""
        case, offer, real = self.case, self.case.offers[name[0]], max(1, round(60.0 * self.case.period_h))
        each = carried_by_minute(case, self.allowance, offer, self.future, index, real)
        if offer.instances is None:
            return tuple(each)
        pool = self.pools.get(index, {}).get(name)
        count = [0.0 if pool is None else pool.row.count] * real
        for since in range(first_to_boot(case, name[0], index), index + 1):
            begun = self.pools.get(since, {}).get(name)
            if begun is not None and begun.row.started > 0:
                boots = booting_by_minute(case, name[0], since, index, real)
                count = [n - begun.row.started * part for n, part in zip(count, boots, strict=True)]
        return tuple(usable * max(n, 0.0) for usable, n in zip(each, count, strict=True))

    def _limit(self, flow: Flow) -> SpillName:
        instances, name = flow.offer.instances, flow.offer.name
        return name, None if instances is None else self.case.pool_model(name, flow.row.model)

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
        routes = tuple(self._route(flow, units, rate, lump, promises) for flow in flows)
        return RequestStream(first.workload, key, rate, routes, promises)

    def _route(self, flow: Flow, units: float, rate: float, lump: float, promises: Limits) -> StreamRoute:
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
            if cap.kind in BY_MINUTE and not flow.offer.spills
        }
        first, takes = (part * flow.cell.units / units for part in (row.share, row.taken_share or 0.0))
        if flow.offer.spills:
            whole = WholeCell.of(flow).amount(self.case, self.allowance)
            amount = whole * 60.0 * self.case.period_h * lump / flow.cell.units
            limit = self._limit(flow)
            return StreamRoute(row.offer, row.model, (), first, None, taken, service, 0.0, limit, amount)
        if flow.offer.instances is None:
            return StreamRoute(row.offer, row.model, (), first, None, taken, service, takes)
        use = use_of(self.case, flow, entry)
        if use is None:
            raise InputError(Issue((), f"{row.workload} on {row.offer} has no known throughput"))
        served = flow.units / units
        use = replace(use, rate=rate * served, seconds=(use.seconds[0] * lump, use.seconds[1] * lump))
        model, half = self.case.pool_model(row.offer, row.model), self.case.decoding.get(row.offer)
        pools = ((row.offer, model),) if half is None else ((row.offer, model), (half, model))
        return StreamRoute(row.offer, row.model, pools, first, use, taken, service, takes)

    def _station(self, index: int, name: PoolName, uses: Sequence[PoolUse]) -> Station:
        pool = self.pools.get(index, {}).get(name)
        serving, available = (pool.serving, pool.steady) if pool is not None else (0.0, 1.0)
        engines = queues(uses, serving, available)
        role, sides = self._role(name[0]), tuple(range(len(engines)))
        if role is not None:
            sides = (1,) if role == "decode" else (0,)
        planned = tuple(engines[side] for side in sides)
        concurrency = min(use.concurrency for use in uses)
        busy = max(queue.busy for queue in planned)
        used = busy / (serving * concurrency) if serving > 0 else math.inf
        rate = math.fsum(use.rate for use in uses)
        gaps = math.fsum(use.rate * use.arrival_cv**2 for use in uses) / rate
        named = (self.case.halves.get(name[0], name[0]), name[1])
        return Station(
            named, role, int(planned[0].servers), concurrency, available, sides, planned, used, gaps
        )

    def _role(self, offer: str) -> Role | None:
        if offer in self.case.halves:
            return "decode"
        return "prefill" if offer in self.case.decoding else None


def _future(case: Case, scenario: str | None) -> Future:
    names = [future.name for future in case.futures]
    if scenario is None and len(names) > 1:
        rule = f"one of several scenarios must be chosen: {', '.join(map(str, names))}"
        raise InputError(Issue(("scenarios",), rule, hint="--scenario NAME"))
    if scenario is not None and scenario not in names:
        raise InputError(Issue(("scenarios",), "the plan has no such scenario", value=scenario))
    return case.future(scenario)
