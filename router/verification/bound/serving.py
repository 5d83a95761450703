"""Work: where each cell may run, that it is served, and what its routes share.

    flow(w,n,offer,model,t)   share of the cell that runs there and then; n is its period or occurrence
    unserved(w,n)             share that is dropped, where that has a price

    demand         Σ flow + unserved = 1
    throughput     Σ load · flow − usable · (count − booting) ≤ 0      per pool and period, and part of a period
    quota          Σ amount · flow / cap ≤ 1                            per cap and span
    recipes        Σ flow of step k − Σ flow of the first step = 0      per cell and period; the first counts in demand
    unsplittable   Σ_t flow ≤ pick,  Σ pick ≤ 1

Counts that are whole carry 1e-6 more than they could, as `throughput` allows a plan.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from router.schema import Offer, OfferModel, Workload
from router.verification.base import latency
from router.verification.base.audit import Audit
from router.verification.base.case import Case, Future
from router.verification.base.cells import Cell, share_limit
from router.verification.base.flows import usd_of_unit
from router.verification.base.ledger import RELATIVE
from router.verification.base.local_time import Interval
from router.verification.base.quotas import Allowance
from router.verification.base.tariffs import bills_dollars
from router.verification.base.work import Unit, request_usd, tokens_usd, unit_of
from router.verification.bound.deferred import RunningCell, add_running, by_running_period
from router.verification.bound.relaxation import RelaxedProblem, Terms

type PoolAt = tuple[str, str | None, int]
"""Offer, model (None where one count serves all), period."""


@dataclass(frozen=True, slots=True)
class PossibleFlow:
    """A cell on an admissible route in a period.

    load       instances that all of the cell would keep busy, by side
    token_usd  per unit, for its tokens at the prices of its hours
    fee_usd    per unit, for its request, likewise
    most       of the cell, by when the offer is open
    egress_usd  of all the cell, for what is sent over the network
    price      what the future makes of prices of tokens and requests
    """

    name: str
    cell: Cell
    workload: Workload
    unit: Unit
    offer: Offer
    model: str
    entry: OfferModel
    period: int
    hours: Interval
    load: tuple[float, float]
    token_usd: float
    fee_usd: float
    most: float
    egress_usd: float
    price: float

    @property
    def charged(self) -> str:
        """The variable of what is paid for: its own where some of it may be free."""
        return self.name if not may_be_free(self.offer) else f"charged{self.name.removeprefix('flow')}"

    @property
    def tokens(self) -> float:
        return self.cell.units * self.unit.tokens

    @property
    def route(self) -> str:
        return f"{self.workload.name},{self.offer.name},{self.model}"

    @property
    def fees(self) -> float:
        """USD for the requests of all the cell."""
        return self.cell.units * self.fee_usd * self.price

    @property
    def usd(self) -> float:
        """Of all the cell at the prices of tokens and requests."""
        return self.token_part + self.fees

    @property
    def token_part(self) -> float:
        """Of that for tokens."""
        return self.cell.units * self.token_usd * self.price

    @property
    def unbilled(self) -> float:
        """USD of it that no commitment bills."""
        if self.offer.commitment is None:
            return self.usd
        return 0.0 if bills_dollars(self.offer.commitment) else self.fees


def may_be_free(offer: Offer) -> bool:
    """Whether it has an allowance of tokens or of requests."""
    free = offer.free
    return free is not None and not (free.tokens_per_month is None and free.requests_per_month is None)


def cell_name(cell: Cell) -> str:
    """`workload,n`; `workload,in t` of all that may run in a period."""
    if isinstance(cell, RunningCell):
        return f"{cell.workload},in {cell.occurrence}"
    return f"{cell.workload},{cell.period if cell.occurrence is None else cell.occurrence}"


def pool_name(offer: str, model: str | None) -> str:
    """`offer,model`, or the offer alone where one count serves all its models."""
    return offer if model is None else f"{offer},{model}"


@dataclass(frozen=True, slots=True)
class PossibleRoute:
    """An admissible route of a workload, with what is the same of all its flows.

    unit_usd     per unit, for its tokens and for its request; None: by the hour
    """

    offer: Offer
    model: str
    entry: OfferModel
    seconds: tuple[float, float]
    turnaround_h: float
    unit_usd: tuple[float, float] | None
    egress_usd: float
    price: float


def possible_flows(audit: Audit, future: Future, *, by_arrivals: bool = False) -> list[PossibleFlow]:
    """Every way to serve something in a future, in the order of cells.

    by_arrivals   work that may run later has flows for each arrival, however large the problem
    """
    case, flows = audit.case, list[PossibleFlow]()
    units = {name: unit_of(load) for name, load in case.workloads.items()}
    routes = _routes(audit, units, future)
    cells = with_work(audit, future)
    if not by_arrivals:
        slow = {name for name, own in routes.items() if any(route.turnaround_h > 0 for route in own)}
        cells = by_running_period(audit, cells, {name: len(own) for name, own in routes.items()}, slow)
    for cell in cells:
        workload, unit, at = case.workloads[cell.workload], units[cell.workload], cell_name(cell)
        part, tokens = cell.units / (3600.0 * case.period_h), cell.units * unit.tokens
        for t, hours in cell.runs.items():
            left_h = cell.left_h(t)
            for route in routes[cell.workload]:
                if route.turnaround_h > left_h:
                    continue
                offer, model, (prompt_s, completion_s) = route.offer, route.model, route.seconds
                usd = route.unit_usd or usd_of_unit(case, unit, offer.name, model, hours)
                flows.append(
                    PossibleFlow(
                        f"flow({at},{offer.name},{model},{t})",
                        cell,
                        workload,
                        unit,
                        offer,
                        model,
                        route.entry,
                        t,
                        hours,
                        (prompt_s * part, completion_s * part),
                        *usd,
                        _most(case, cell, offer, t) if offer.schedule else 1.0,
                        tokens * route.egress_usd,
                        route.price,
                    )
                )
    return flows


def _most(case: Case, cell: Cell, offer: Offer, t: int) -> float:
    """What may wait for the offer to open again is not limited by how long it is open."""
    part = share_limit(case, cell, offer, t)
    return 1.0 if isinstance(cell, RunningCell) and part > 0 else part


def _routes(audit: Audit, units: dict[str, Unit], future: Future) -> dict[str, list[PossibleRoute]]:
    """Those that nothing is said against, by workload."""
    case, factor = audit.case, audit.case.problem.policy.p99_over_mean
    routes: dict[str, list[PossibleRoute]] = defaultdict(list)
    for (load, name, model), reasons in audit.verdicts.items():
        offer, unit = case.offers[name], units[load]
        entry = offer.models.get(model)
        if reasons or entry is None:
            continue
        each = None
        if offer.instances is not None:
            each = latency.seconds(case.workloads[load], unit, entry, factor, case.rtt_ms(load, name))
        usd = None if offer.schedule else (tokens_usd(unit, entry), request_usd(unit, entry))
        routes[load].append(
            PossibleRoute(
                offer,
                model,
                entry,
                each or (0.0, 0.0),
                offer.turnaround_h or 0.0,
                usd,
                case.egress_usd(load, name),
                future.price_of(name),
            )
        )
    return routes


def with_work(audit: Audit, future: Future) -> list[Cell]:
    """Cells of a future that bring something."""
    return [cell for cell in audit.cells.values() if cell.units > 0 and cell.future.name == future.name]


def add_flows(model: RelaxedProblem, audit: Audit, flows: list[PossibleFlow], future: Future) -> None:
    """Variables of flows and of what is dropped, and that every cell is served."""
    weight = audit.case.period_weight
    for flow in flows:
        egress, paid = flow.egress_usd * weight[flow.period], flow.unbilled * weight[flow.period]
        if flow.charged != flow.name:
            model.variable(flow.name, flow.most, usd=egress)
            model.variable(flow.charged, flow.most, usd=paid)
        else:
            model.variable(flow.name, flow.most, usd=egress + paid)
        model.runs[flow.name] = (flow.workload.name, flow.period)
    add_demand(model, audit, flows, future)
    _picks(model, audit.case, flows)


def add_demand(
    model: RelaxedProblem,
    audit: Audit,
    flows: list[PossibleFlow],
    future: Future,
    lost: str | None = None,
) -> None:
    """That every cell is served, and steps of a recipe alike; after a loss what may be left costs nothing."""
    weight, steps, cells = audit.case.period_weight, audit.case.steps, with_work(audit, future)
    running = {flow.cell.key: flow.cell for flow in flows if isinstance(flow.cell, RunningCell)}
    by_period = {cell.workload for cell in running.values()}
    cells = [cell for cell in cells if cell.workload not in by_period] + list(running.values())
    served: dict[str, Terms] = {cell_name(cell): [] for cell in cells}
    for flow in flows:
        served[cell_name(flow.cell)].append((flow.name, 1.0))
    for cell in cells:
        if cell.workload in steps and steps[cell.workload].step == 0:
            served[cell_name(replace(cell, workload=steps[cell.workload].whole))] += served[cell_name(cell)]
    for cell in cells:
        if cell.workload in steps:
            continue
        name, load = cell_name(cell), audit.case.workloads[cell.workload]
        if isinstance(cell, RunningCell):
            add_running(model, name, cell, served[name])
            continue
        if load.unserved_usd_per_m_tokens is not None:
            usd = cell.units * unit_of(load).tokens / 1e6 * load.unserved_usd_per_m_tokens
            usd *= weight[min(cell.runs)]
            left = model.variable(
                f"unserved({name})" if lost is None else f"unserved({lost} lost,{name})", 1.0
            )
            model.variables[left].usd = usd if lost is None else 0.0
            served[name].append((left, 1.0))
        model.constraint(f"demand({name})", served[name], lower=1.0, upper=1.0)
    _follow(model, audit.case, flows)


def _follow(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """Further steps of a recipe carry as much as the first in every period of a cell."""
    carried: dict[tuple[str, str, int], Terms] = defaultdict(list)
    names: dict[tuple[str, str, int], str] = {}
    for flow in flows:
        if flow.workload.name in case.steps:
            n = cell_name(flow.cell).removeprefix(flow.cell.workload)
            carried[flow.workload.name, n, flow.period].append((flow.name, 1.0))
            for name, step in case.steps.items():
                if step.step > 0 and step.first == case.steps[flow.workload.name].first:
                    names[name, n, flow.period] = step.first
    for (name, n, period), first in names.items():
        led = [(flow, -1.0) for flow, _ in carried.get((first, n, period), ())]
        terms = [*carried.get((name, n, period), ()), *led]
        model.constraint(f"recipes({name}{n},{period})", terms, lower=0.0, upper=0.0)


def _picks(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    by_route: dict[tuple[str, str], list[PossibleFlow]] = defaultdict(list)
    for flow in flows:
        if not flow.workload.routing.splittable:
            by_route[cell_name(flow.cell), f"{flow.offer.name},{flow.model}"].append(flow)
    picked: dict[str, Terms] = defaultdict(list)
    for (cell, route), own in by_route.items():
        pick = model.variable(f"pick({cell},{route},{own[0].period})", 1.0, whole=True)
        terms = [(flow.name, 1.0) for flow in own]
        model.constraint(f"unsplittable({cell},{route})", [*terms, (pick, -1.0)], upper=0.0)
        step = case.steps.get(own[0].workload.name)
        if step is not None and step.step == 0:
            cell = cell_name(replace(own[0].cell, workload=step.whole))
        picked[cell].append((pick, 1.0))
    for cell, terms in picked.items():
        model.constraint(f"unsplittable({cell})", terms, upper=1.0)


def add_quotas(model: RelaxedProblem, case: Case, flows: list[PossibleFlow], future: Future) -> None:
    """In parts of what each cap allows in a span."""
    allowance = Allowance(case)
    used: dict[tuple[str, str, int], Terms] = defaultdict(list)
    caps: dict[tuple[str, str, int], float] = {}
    for flow in flows if allowance.caps else ():
        at = (flow.period, flow.hours)
        for cap in allowance.of(flow.workload.name, flow.offer.name, flow.model):
            for key, amount, most in allowance.taken(
                cap, flow.cell.units, flow.unit, future, flow.offer.name, flow.model, at
            ):
                caps[key] = most
                used[key].append((flow.name, amount / most if most else amount))
    for (name, kind, span), terms in used.items():
        upper = 1.0 if caps[name, kind, span] > 0 else 0.0
        model.constraint(f"quota({name},{kind},{span})", terms, upper=upper)


def usable_of(case: Case, offer: str, future: Future, start: float, end: float) -> float:
    """Usable share of an instance between two hours: availability · highest planned utilisation."""
    most = case.instances[offer].max_utilisation
    return case.available(offer, future, start, end) * (1.0 if most is None else most)


def by_pool(case: Case, flows: list[PossibleFlow]) -> dict[PoolAt, list[PossibleFlow]]:
    """Flows by the pool and period that they load."""
    pools: dict[PoolAt, list[PossibleFlow]] = defaultdict(list)
    for flow in flows:
        if flow.offer.instances is None:
            continue
        at = (case.pool_model(flow.offer.name, flow.model), flow.period)
        half = case.decoding.get(flow.offer.name)
        if half is None:
            pools[flow.offer.name, *at].append(flow)
        else:
            prompt, completion = flow.load
            pools[flow.offer.name, *at].append(replace(flow, load=(prompt, prompt)))
            pools[half, *at].append(replace(flow, load=(completion, completion)))
    return pools


def add_throughput(
    model: RelaxedProblem, case: Case, pools: dict[PoolAt, list[PossibleFlow]], future: Future
) -> None:
    """What is routed to a pool fits in what serves there, in the whole period and in parts of it."""
    intervals = _intervals(case, pools)
    for (offer, served, t), flows in pools.items():
        instances = case.offers[offer].instances
        assert instances is not None  # it has a pool
        pool = pool_name(offer, served)
        room = 1.0 + RELATIVE * instances.integral
        serving = list(serving_parts(model, case, offer, pool, t))
        usable = case.usable(offer, future, t) * room
        capacity = [(name, -usable * part) for name, part in serving]
        sides = (0, 1) if any(flow.entry.disaggregated for flow in flows) else (0,)
        for side in sides:
            kind = ",completion" if side else ""
            loads = [(flow.name, flow.load[side]) for flow in flows if not side or flow.entry.disaggregated]
            model.constraint(f"throughput({pool},{t}{kind})", [*loads, *capacity], upper=0.0)
            for start, end in intervals:
                inside = [
                    (flow.name, flow.load[side])
                    for flow in flows
                    for own in [_part(case, flow)]
                    if own != (0.0, 1.0) and own[0] >= start - 1e-12 and own[1] <= end + 1e-12
                    if not side or flow.entry.disaggregated
                ]
                if inside:
                    within = ((t + start) * case.period_h, (t + end) * case.period_h)
                    usable = usable_of(case, offer, future, *within) * room * (end - start)
                    part = [(name, -usable * factor) for name, factor in serving]
                    name = f"throughput({pool},{t}{kind},{start:.6g}-{end:.6g})"
                    model.constraint(name, [*inside, *part], upper=0.0)


def serving_parts(
    model: RelaxedProblem, case: Case, offer: str, pool: str, t: int
) -> Iterator[tuple[str, float]]:
    """The count of a pool in a period, less the parts of what has started that still boots; closing ends that."""
    instances = case.instances[offer]
    ahead = f"ahead({pool},0)"
    yield (ahead if ahead in model.variables else f"count({pool},{t})"), 1.0
    boots = math.ceil(instances.start_h / case.period_h)
    for since in range(max(t - boots, 0), t + 1):
        part = min(instances.start_h - (t - since) * case.period_h, case.period_h) / case.period_h
        if part > 0 and any(case.closed(offer, u) for u in range(since, t + 1)):
            continue
        if part > 0 and f"started({pool},{since})" in model.variables:
            yield f"started({pool},{since})", -part


def _part(case: Case, flow: PossibleFlow) -> tuple[float, float]:
    """From and to, in parts of the period."""
    start, end = (round(hour / case.period_h - flow.period, 9) for hour in flow.hours)
    return (start if start > 1e-9 else 0.0), (end if end < 1 - 1e-9 else 1.0)


def _intervals(case: Case, pools: dict[PoolAt, list[PossibleFlow]]) -> list[tuple[float, float]]:
    """Every stretch between ends of windows that covers part of a period."""
    hours = {(flow.period, flow.hours): flow for flows in pools.values() for flow in flows}
    parts = {_part(case, flow) for flow in hours.values()} - {(0.0, 1.0)}
    starts, ends = ({part[side] for part in parts} for side in (0, 1))
    return [(x, y) for x in sorted(starts) for y in sorted(ends) if x < y and (x > 0 or y < 1)]
