"""`survive_loss_of`: when any one provider, or any one offer, is gone, what is left still meets demand.

    Σ flow + short = 1                     every cell that may not be left unserved
    Σ flow of step k = Σ flow of step 0    of every recipe, in every period; its first step serves the cell
    Σ load · flow  ≤  what is left         pools, with the counts planned; quotas; contracts with `overage: none`
    bill of a span ≤ what is committed     of `overage: none` whose bill is no sum over cells: where the plan says that
                                           work goes, billed again as the plan itself is
    Σ adapters of who goes to a pool ≤ slots · count
    short = 0 is possible                  by linear programming (HiGHS through scipy), least Σ short; by whole numbers
                                           where adapters need slots

After a loss only flows move: counts, purchases and contracts stay as planned, cells keep to their slots, and
refused routes stay refused. An offer with a minimum carries only while the plan has it signed; one
without is free to use. Shares of providers do not bind in a loss, nor does waiting: plain capacity does, with
`max_utilisation` where it is stated. So do promises on times of several steps of a recipe; but answers are due.

Cells that have a route without any limit are served by it; the others are solved together, per loss and future.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from router.plan.rows import CoverageRow, CreditRow
from router.schema import Commitment, Instances, Offer, OfferModel
from router.verification.answers import batch_h
from router.verification.base import latency
from router.verification.base.audit import Audit
from router.verification.base.bills import Bill, bills_of
from router.verification.base.case import Case, Future
from router.verification.base.cells import Cell, CellKey, share_limit
from router.verification.base.flows import Flow, usd_of_unit
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.local_time import Interval
from router.verification.base.parts import stated_name
from router.verification.base.pools import Pool, PoolKey
from router.verification.base.quotas import Allowance, Cap
from router.verification.base.tariffs import in_tokens, least_of, tiered_usd, used_before
from router.verification.base.work import Unit, unit_of
from router.verification.least_short import LeastShort, Limit, Slots, Way, whole_of

ROUNDS = 200  # halvings when a spend is turned into a volume
HOPELESS = 1e-12  # share below which a route counts as none

NOT_SIGNED = Bill(False, 0.0, 0.0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

type Use = tuple[Limit, float, float]
"""A limit, what all of a cell would take of it on one route in one period, and how much there is of it."""


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """An admissible route of a workload."""

    offer: Offer
    model: str
    entry: OfferModel
    unit: Unit
    seconds: latency.Seconds | None
    caps: list[Cap]


def check_survival(audit: Audit, ledger: Ledger) -> None:
    """Every loss of a provider (or offer) that carries something, in every future."""
    case, of = audit.case, audit.case.problem.policy.survive_loss_of
    _check_insurance(audit, of, ledger)
    if of == "none":
        return

    def who(offer: Offer) -> str:
        return offer.provider if of == "provider" else offer.name

    carriers: dict[str | None, set[str]] = defaultdict(set)
    for flow in audit.flows:
        if flow.units > 0:
            carriers[flow.future.name].add(who(flow.offer))
    routes = _routes(audit)
    for future in case.futures:
        every = [cell for cell in audit.cells.values() if cell.future is future and cell.units > 0]
        cells = [
            cell
            for cell in every
            if case.workloads[whole_of(case, cell.workload)].unserved_usd_per_m_tokens is None
        ]
        for lost in sorted(carriers[future.name]):
            remaining = {
                name: [way for way in ways if who(way.offer) != lost] for name, ways in routes.items()
            }
            rest = Rest(case, future, audit.pools, _bills_at(audit, future), _spans(every), Allowance(case))
            _check_stated(audit, ledger, lost, rest, remaining)
            for cell, short in rest.unserved(cells, remaining):
                ledger.at_most(short, 0.0, of, lost, "lost:", cell, "share not served", slack=RELATIVE)


def _check_stated(
    audit: Audit, ledger: Ledger, lost: str, rest: Rest, remaining: Mapping[str, list[OpenRoute]]
) -> None:
    """Where the plan says that work goes: all of each cell, on what is left, within every limit.

    A cell of which nothing is said stays where it is. Plans of releases before this one say nothing of any.
    """
    of = audit.case.problem.policy.survive_loss_of
    flows = [flow for flow in audit.flows if flow.future.name == rest.future.name and flow.cell.units > 0]
    case = audit.case
    billed = {
        name for name in case.commitments if name in case.offers and _limited_by_bill(case, case.offers[name])
    }
    if not billed and not any(flow.row.after_loss for flow in flows):
        return

    def answered(flow: Flow) -> CellKey:
        return (whole_of(case, flow.row.workload), *flow.cell.key[1:])

    moved = {answered(flow) for flow in flows if flow.row.after_loss and lost in flow.row.after_loss}
    used: dict[Limit, list[float]] = defaultdict(list)
    most: dict[Limit, float] = {}
    total: dict[CellKey, list[float]] = defaultdict(list)
    carried: dict[tuple[CellKey, int], list[float]] = defaultdict(list)
    adapters: dict[Slots, dict[str, int]] = defaultdict(dict)
    batches: dict[tuple[str, CellKey, int], dict[str, float]] = defaultdict(dict)
    left_h: dict[tuple[str, CellKey, int], float] = {}
    carrying: list[Flow] = []
    for flow in flows:
        row, key, step = flow.row, answered(flow), case.steps.get(flow.row.workload)
        share = (row.after_loss or {}).get(lost, 0.0) if key in moved else row.served_share
        carried[flow.cell.key, row.period].append(share)
        if step is None or step.step == 0:
            total[key].append(share)
        if share <= HOPELESS:
            continue
        ways = remaining[row.workload]
        route = next((way for way in ways if (way.offer.name, way.model) == (row.offer, row.model)), None)
        hours = flow.cell.runs.get(row.period)
        if route is None or hours is None or not rest.carries(route.offer, row.period):
            ledger.fault(of, lost, "lost:", flow.cell, "goes on", row.offer, row.model, "all the same")
            continue
        if row.offer in billed:
            stays = replace(row, free_share=min(row.free_share or 0.0, share))
            carrying.append(replace(flow, units=share * flow.cell.units, row=stays))
        for limit, amount, limited in rest.uses(flow.cell, route, row.period, hours):
            used[limit].append(amount * share)
            most[limit] = limited
        for pool in rest.slots(flow.cell, route, row.period):
            adapters[pool][stated_name(flow.workload)] = flow.workload.adapters
        if step is not None and flow.cell.due_h < math.inf:
            own = batches[step.first, (step.whole, *flow.cell.key[1:]), row.period]
            own[row.workload] = max(
                own.get(row.workload, 0.0), batch_h(flow.workload.recipes[0], 0, route.offer)
            )
            left_h[step.first, (step.whole, *flow.cell.key[1:]), row.period] = flow.cell.left_h(row.period)
    for limit, amounts in used.items():
        ledger.at_most(math.fsum(amounts), most[limit], of, lost, "lost:", *limit)
    _check_bills(audit, ledger, lost, rest.future, billed, carrying)
    for pool, needed in adapters.items():
        ledger.at_most(sum(needed.values()), rest.held(pool), of, lost, "lost:", *pool, "adapters")
    for answer, longest in batches.items():
        taken = math.fsum(longest.values())
        ledger.at_most(taken, left_h[answer], of, lost, "lost:", *answer, "batches of all steps, h")
    for (cell_key, period), shares in list(carried.items()):
        step = case.steps.get(cell_key[0])
        if step is not None and (step.whole, *cell_key[1:]) in moved:
            for name, other in case.steps.items():
                if other.first == step.first:
                    there = math.fsum(carried.get(((name, *cell_key[1:]), period), ()))
                    ledger.equal(math.fsum(shares), there, of, lost, "lost:", *cell_key, "share, as of", name)
    for key in moved:
        free = case.workloads[key[0]].unserved_usd_per_m_tokens is not None
        whole = math.fsum(total[key])
        ledger.at_most(whole, 1.0, of, lost, "lost:", *key, "shares")
        if not free:
            ledger.at_least(whole, 1.0, of, lost, "lost:", *key, "shares")


def _limited_by_bill(case: Case, offer: Offer) -> bool:
    """Whether what an offer may carry is told by a bill alone.

    By bands of dollars, by what earlier spans have left, or less what is free or billed under an agreement.
    """
    terms = offer.commitment
    if terms is None or terms.overage != "none":
        return False
    in_time = bool(terms.tiers and offer.schedule and not in_tokens(terms))
    elsewhere = offer.free is not None or any(offer.name in each.offers for each in case.agreements.values())
    return bool(terms.rollover_spans or terms.discount_tiers or in_time or elsewhere)


def _check_bills(
    audit: Audit, ledger: Ledger, lost: str, future: Future, names: set[str], flows: list[Flow]
) -> None:
    """What is carried after a loss, billed again: no more is used than is committed.

    What agreements cover and free money pays is as planned, as far as it is used.
    """
    case, of = audit.case, audit.case.problem.policy.survive_loss_of
    used: dict[tuple[str, int], float] = defaultdict(float)
    for flow in flows:
        usd = flow.charged * (flow.token_usd + flow.fee_usd) * future.price_of(flow.offer.name)
        used[flow.offer.name, flow.row.period] += usd
    coverage = [row for row in audit.plan.coverage or () if _of_tokens(case, row, future)]
    credits = [
        row for row in audit.plan.credits or () if row.credit is None and _of_tokens(case, row, future)
    ]
    planned: dict[tuple[str, int], float] = defaultdict(float)
    for covered in coverage:
        planned[covered.offer, covered.period] += covered.list_usd
    for free in credits:
        planned[free.offer, free.period] += free.paid_usd
    part = {at: min(1.0, used[at] / usd) if usd > 0 else 1.0 for at, usd in planned.items()}
    plan = replace(
        audit.plan,
        coverage=tuple(replace(row, list_usd=row.list_usd * part[row.offer, row.period]) for row in coverage),
        credits=tuple(replace(row, paid_usd=row.paid_usd * part[row.offer, row.period]) for row in credits),
    )
    for (name, span, scenario), bill in bills_of(case, plan, flows).items():
        if name in names and scenario == future.name:
            slack = 1e-6 + RELATIVE * bill.due
            what = (of, lost, "lost:", name, "span", span, "use above the commitment")
            ledger.at_most(bill.beyond, 0.0, *what, slack=slack)


def _of_tokens(case: Case, row: CoverageRow | CreditRow, future: Future) -> bool:
    return row.kind == "tokens" and case.future(row.scenario).name == future.name


def _bills_at(audit: Audit, future: Future) -> dict[tuple[str, int], Bill]:
    """By offer and period, those of contracts in force."""
    return {
        (name, period): bill
        for (name, _, scenario), bill in audit.bills.items()
        if bill.signed and scenario == future.name
        for period in range(bill.first, bill.end)
    }


def _check_insurance(audit: Audit, of: str, ledger: Ledger) -> None:
    """usd = cost − without, never below 0. This plan too does without the policy: without ≤ cost."""
    stated, cost = audit.plan.insurance, audit.rows.cost_usd
    if stated is None:
        return  # a note says why
    ledger.require(stated.survive_loss_of == of, "insurance.survive_loss_of is", stated.survive_loss_of)
    ledger.at_least(stated.without_usd, 0.0, "insurance.without_usd")
    ledger.at_most(stated.without_usd, cost, "insurance.without_usd", slack=1e-6)
    ledger.money(stated.usd, max(cost - stated.without_usd, 0.0), "insurance.usd")


def _routes(audit: Audit) -> dict[str, list[OpenRoute]]:
    """Admissible routes by workload."""
    case = audit.case
    routes: dict[str, list[OpenRoute]] = {name: [] for name in case.workloads}
    factor, allowance = case.problem.policy.p99_over_mean, Allowance(case)
    for (workload, name, model), reasons in audit.verdicts.items():
        offer, load = case.offers[name], case.workloads[workload]
        entry = offer.models.get(model)
        if reasons or entry is None:
            continue
        unit = unit_of(load)
        each = (
            latency.seconds(load, unit, entry, factor, case.rtt_ms(workload, name))
            if offer.instances is not None
            else None
        )
        caps = allowance.of(workload, name, model)
        routes[workload].append(OpenRoute(offer, model, entry, unit, each, caps))
    return routes


def _spans(cells: Iterable[Cell]) -> dict[int, tuple[list[float], list[float]]]:
    """By period, where pieces of work may begin and must end."""
    starts: dict[int, set[float]] = defaultdict(set)
    ends: dict[int, set[float]] = defaultdict(set)
    for cell in cells:
        for period, (start, end) in cell.runs.items():
            starts[period].add(round(start, 9))
            ends[period].add(round(end, 9))
    return {period: (sorted(starts[period]), sorted(ends[period])) for period in starts}


@dataclass(slots=True)
class Rest:
    """What is left in one future after a loss; `limits` fills up as routes ask for them."""

    case: Case
    future: Future
    pools: Mapping[PoolKey, Pool]
    bills: Mapping[tuple[str, int], Bill]
    spans: Mapping[int, tuple[list[float], list[float]]]
    allowance: Allowance
    limits: dict[Limit, float] = field(default_factory=dict)

    def unserved(
        self, cells: Iterable[Cell], routes: Mapping[str, list[OpenRoute]]
    ) -> list[tuple[Cell, float]]:
        """Every cell with the share of it that has nowhere to go; a step of a recipe with 0."""
        steps, short = self.case.steps, list[tuple[Cell, float]]()
        by_recipe = {step.whole for step in steps.values()}
        bound: list[tuple[Cell, list[Way]]] = []
        for cell in cells:
            ways, free = self._ways(cell, routes[cell.workload])
            if free and cell.workload not in steps:
                short.append((cell, 0.0))
            elif not ways and cell.workload not in steps and cell.workload not in by_recipe:
                short.append((cell, 1.0))
            else:
                bound.append((cell, ways))
        if bound:
            missing = LeastShort(self.case, self.limits, self.held, bound).solved()
            short += [(cell, share) for (cell, _), share in zip(bound, missing, strict=True)]
        return short

    def _ways(self, cell: Cell, routes: Iterable[OpenRoute]) -> tuple[list[Way], bool]:
        """Where a cell may go, and whether some route would take all of it whatever the others do."""
        ways, free = list[Way](), False
        for route in routes:
            for period, hours in cell.runs.items():
                if self.carries(route.offer, period) and cell.answered_in_time(route.offer, period):
                    uses = list(self.uses(cell, route, period, hours))
                    free = free or not uses
                    self.limits |= {limit: most for limit, _, most in uses}
                    if all(most > HOPELESS * amount for _, amount, most in uses):
                        slots = tuple(self.slots(cell, route, period))
                        load = self.case.workloads[cell.workload]
                        step = cell.workload in self.case.steps
                        batch = batch_h(load.recipes[0], 0, route.offer) if step else 0.0
                        ways.append(Way(period, {limit: amount for limit, amount, _ in uses}, slots, batch))
        return ways, free

    def slots(self, cell: Cell, route: OpenRoute, period: int) -> Iterator[Slots]:
        """Pools that must hold the adapters of a cell on a route."""
        name, model = route.offer.name, self.case.pool_model(route.offer.name, route.model)
        if route.offer.instances is not None and self.case.workloads[cell.workload].adapters > 0:
            for offer in dict.fromkeys((name, self.case.decoding.get(name, name))):
                if self.case.instances[offer].adapter_slots is not None:
                    yield offer, model, period

    def held(self, pool: Slots) -> float:
        """Adapters that the instances of a pool hold."""
        there, slots = self.pools.get((*pool, self.future.name)), self.case.instances[pool[0]].adapter_slots
        return 0.0 if there is None else there.row.count * (slots or 0)

    def carries(self, offer: Offer, period: int) -> bool:
        """Whether an offer may carry work: contracts with a minimum only where they are signed."""
        if offer.commitment is None or least_of(offer.commitment) == 0:
            return True
        return (offer.name, period) in self.bills

    def uses(self, cell: Cell, route: OpenRoute, period: int, hours: Interval) -> Iterator[Use]:
        """What all of a cell would take of each limit on a route in a period."""
        offer, terms = route.offer, route.offer.commitment
        share = share_limit(self.case, cell, offer, period)
        if share < 1.0:
            yield (offer.name, "open", period, cell.key), 1.0, share
        for cap in route.caps:
            for key, amount, most in self.allowance.taken(
                cap, cell.units, route.unit, self.future, offer.name, route.model, (period, hours)
            ):
                if amount > 0:
                    yield ("quota", *key), amount, most
        if terms is not None and terms.overage == "none" and not _limited_by_bill(self.case, offer):
            bill = self.bills.get((offer.name, period))
            first = period if bill is None else bill.first
            yield (offer.name, "contract", first), *self._of_contract(cell, route, terms, bill, hours)
        if offer.instances is not None:
            yield from self._of_pool(cell, route, offer.instances, period, hours)

    def _of_contract(
        self, cell: Cell, route: OpenRoute, terms: Commitment, bill: Bill | None, hours: Interval
    ) -> tuple[float, float]:
        """What the cell would use of a contract's span, and what is committed in it."""
        if bill is None:
            bill = NOT_SIGNED
        due, before = bill.due, used_before(terms, bill.first)
        tokens, price = cell.units * route.unit.tokens, self.future.price_of(route.offer.name)
        if in_tokens(terms):
            return tokens, max(due - before, 0.0)
        if not terms.tiers:
            usd = math.fsum(usd_of_unit(self.case, route.unit, route.offer.name, route.model, hours))
            return cell.units * usd * price * bill.rate, max(due - before * bill.rate, 0.0)
        low, high = 0.0, 1e30  # the volume that the committed spend buys by bands
        for _ in range(ROUNDS):
            middle = 0.5 * (low + high)
            fits = tiered_usd(terms, middle, bill.part) * price <= due
            low, high = (middle, high) if fits else (low, middle)
        return tokens, max(low - before, 0.0)

    def _of_pool(
        self, cell: Cell, route: OpenRoute, instances: Instances, period: int, hours: Interval
    ) -> Iterator[Use]:
        """Instance-periods in every part [x, y] of the period that the work must run inside."""
        h, name = self.case.period_h, route.offer.name
        model = self.case.pool_model(name, route.model)
        most = 1.0 if instances.max_utilisation is None else instances.max_utilisation
        own = [(name, model, period), (self.case.decoding.get(name, name), model, period)]
        pools = [self.pools.get((*place, self.future.name)) for place in own]
        known = route.seconds is not None
        serving = [pool.serving if pool is not None and known else 0.0 for pool in pools]
        loads = route.seconds or (1.0, 1.0)
        two = any(entry.disaggregated for entry in route.offer.models.values())
        starts, ends = self.spans[period]
        for x in (x for x in starts if x <= round(hours[0], 9)):
            for y in (y for y in ends if y >= round(hours[1], 9)):
                for side in (0, 1) if two else (0,):
                    load = loads[side] * cell.units / (3600.0 * h)
                    if load > 0:  # what has nothing to do for it need not be there
                        part = self.case.available(name, self.future, x, y) * (y - x) / h
                        yield (*own[side], x, y, side), load, serving[side] * part * most
