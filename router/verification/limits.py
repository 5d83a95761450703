"""Limits over several routes or pools: quotas, groups of instances, power, and shares of providers.

quota    Σ requests, tokens of a kind, burndown units, USD ≤ cap · max_utilisation · span   see `base.quotas`
groups   min_units ≤ Σ units · count ≤ max_units, or Σ weights · count ≤ limit by resource    in every period
power    Σ power_kw · (paid + reserved) ≤ max_power_kw                                   in every period

max_share_per_provider   a provider's part of a workload's work ≤ max · all that is served     per period
the policy's             the same over the tokens of all workloads
min_mean_quality         Σ requests · quality ≥ floor · Σ requests of what is served             per workload and period
shares                   a model's, offer's or provider's part of these requests, min to max     likewise
min_providers            so many providers carry at least min_share of each cell with work: the same ones
                         throughout (per future)
splittable: false        one offer and model carries all that is served of a cell
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.verification.base.audit import Audit
from router.verification.base.case import Case
from router.verification.base.cells import Cell, CellKey
from router.verification.base.flows import Flow
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.parts import stated_name
from router.verification.base.pools import by_offer, in_force
from router.verification.base.quotas import Allowance

PRESENT = 1e-9
"""Share below which a route is rounding, not a second carrier."""


def check_quotas(audit: Audit, ledger: Ledger) -> None:
    """Every cap in every span: a period for those by the minute, a day of the clock, a billing month."""
    allowance = Allowance(audit.case)
    used: dict[tuple[str, str, int, str | None], list[float]] = defaultdict(list)
    caps: dict[tuple[str, str, int], float] = {}
    for flow in audit.flows if allowance.caps else ():
        if flow.entry is None:
            continue
        runs = flow.cell.runs.get(flow.row.period)
        period = flow.row.period
        at = (period, runs or audit.case.span(period))
        for cap in allowance.of(flow.row.workload, flow.offer.name, flow.row.model):
            for key, amount, most in allowance.taken(
                cap, flow.units, flow.unit, flow.future, flow.offer.name, flow.row.model, at
            ):
                caps[key] = most
                used[*key, flow.future.name].append(amount)
    for (name, kind, span, scenario), parts in used.items():
        most = caps[name, kind, span]
        scale = most or 1.0
        ledger.at_most(math.fsum(parts) / scale, most / scale, name, kind, span, scenario)


def check_groups(audit: Audit, ledger: Ledger) -> None:
    """Units of each group in every period and future, those without any instance included."""
    case = audit.case
    running = {key: math.fsum(row.count for row in rows) for key, rows in by_offer(audit.pools).items()}
    for group in case.problem.groups:
        for future in case.futures:
            for period in range(case.periods):
                counts = [running.get((name, period, future.name), 0.0) for name in group.offers]
                at = (group.name, "period", period, future.name)
                for resource, most in group.limits.items():
                    weights = [group.weight(name, resource) for name in group.offers]
                    ledger.at_most(math.sumprod(weights, counts), most, *at, resource)
                if group.weights:
                    continue
                units = math.sumprod([case.instances[name].units for name in group.offers], counts)
                ledger.at_least(units, group.min_units, *at, "units")
                if group.max_units is not None:
                    ledger.at_most(units, group.max_units, *at, "units")


def check_power(audit: Audit, ledger: Ledger) -> None:
    """Power drawn by everything paid for, reserved instances included, used or not."""
    case = audit.case
    most = case.problem.policy.max_power_kw
    if most is None:
        return
    paid = {key: math.fsum(row.paid_count for row in rows) for key, rows in by_offer(audit.pools).items()}
    earlier = () if audit.earlier is None else audit.earlier.purchases
    for name in case.instances:
        if case.off_grid(name):  # what is bought draws power, deployed or not
            terms = enumerate(in_force(case, audit.rows.purchases, earlier, name))
            paid |= {(name, t, future.name): count for t, count in terms for future in case.futures}
    for future in case.futures:
        for period in range(case.periods):
            drawn = math.fsum(
                rented.power_kw * _drawing(case, name, period, paid.get((name, period, future.name), 0.0))
                for name, rented in case.instances.items()
            )
            ledger.at_most(drawn, most, "period", period, future.name, "kW")


def _drawing(case: Case, offer: str, period: int, paid: float) -> float:
    """Instances that draw power: those paid for, and all reserved ones from its opening to its closing for good."""
    if case.instances[offer].term_hours is None and case.closed(offer, period):
        paid = 0.0
    due = case.times.due(offer, *case.span(period)) > 0
    return paid + (case.counted(offer, period, lambda each: each.reserved) if due else 0.0)


def check_provider_shares(audit: Audit, ledger: Ledger) -> None:
    """The most that one provider carries, of each workload and of all tokens, in every period."""
    own: dict[tuple[str, int, str | None], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    everything: dict[tuple[int, str | None], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for flow in audit.flows:
        period, scenario, provider = flow.row.period, flow.future.name, flow.offer.provider
        if flow.workload.routing.max_share_per_provider < 1:
            work = flow.units * flow.unit.measure
            own[stated_name(flow.workload), period, scenario][provider].append(work)
        everything[period, scenario][provider].append(flow.tokens)
    stated = {stated_name(load): load for load in audit.case.workloads.values()}  # any part
    for (workload, period, scenario), parts in own.items():
        most = stated[workload].routing.max_share_per_provider
        _shares(parts, most, ledger, workload, "period", period, scenario)
    most = audit.case.problem.policy.max_share_per_provider
    if most < 1:
        for (period, scenario), parts in everything.items():
            _shares(parts, most, ledger, "all workloads", "period", period, scenario)


def _shares(parts: dict[str, list[float]], most: float, ledger: Ledger, *where: object) -> None:
    total = math.fsum(value for values in parts.values() for value in values)
    if total <= 0:
        return
    for provider, values in parts.items():
        ledger.at_most(math.fsum(values) / total, most, *where, "share of", provider)


def check_shares(audit: Audit, ledger: Ledger) -> None:
    """Mean quality, and the parts of models, offers and providers, of what each period serves of a workload."""
    served: dict[tuple[str, int, str | None], list[Flow]] = defaultdict(list)
    for flow in audit.flows:
        if flow.units > 0:
            served[stated_name(flow.workload), flow.row.period, flow.future.name].append(flow)
    for (workload, period, scenario), flows in served.items():
        load, at = flows[0].workload, (workload, "period", period, scenario)
        whole = math.fsum(flow.units for flow in flows)
        least = load.needs.min_mean_quality
        if least is not None:
            models = audit.case.problem.models
            answers = [flow.units * audit.case.answered(flow.row.workload)[1] for flow in flows]
            values = [
                (
                    flow.workload.recipes[0].quality
                    if flow.workload.recipes
                    else models[flow.row.model].quality
                )
                or 0.0
                for flow in flows
            ]
            mean = math.sumprod(answers, values) / math.fsum(answers)
            ledger.at_least(mean, least, *at, "mean quality")
        parts = load.routing.shares
        for of, limits in (("model", parts.models), ("offer", parts.offers), ("provider", parts.providers)):
            for name, limit in limits.items():
                own = math.fsum(flow.units for flow in flows if _carrier(flow, of) == name) / whole
                ledger.at_least(own, limit.min, *at, "share of", of, name)
                ledger.at_most(own, limit.max, *at, "share of", of, name)


def _carrier(flow: Flow, of: str) -> str:
    return {"model": flow.row.model, "offer": flow.offer.name, "provider": flow.offer.provider}[of]


def check_min_providers(audit: Audit, ledger: Ledger) -> None:
    """Enough providers carry their least share in every cell with work; 1 asks for nothing."""
    carried: dict[CellKey, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for flow in audit.flows:
        if flow.workload.routing.min_providers > 1:
            carried[flow.cell.key][flow.offer.provider].append(flow.row.served_share)
    throughout: dict[tuple[str, str | None], set[str]] = {}
    for key, cell in audit.cells.items():
        routing = audit.case.workloads[cell.workload].routing
        if routing.min_providers <= 1 or cell.units <= 0:
            continue
        parts = carried.get(key, {})
        served = math.fsum(share for shares in parts.values() for share in shares)
        if served <= PRESENT:
            continue
        least = routing.min_share_per_provider * served * (1 - RELATIVE)
        enough = {provider for provider, shares in parts.items() if math.fsum(shares) >= least}
        at = (cell.workload, cell.future.name)
        throughout[at] = throughout[at] & enough if at in throughout else enough
    for (workload, scenario), providers in throughout.items():
        count, least = len(providers), audit.case.workloads[workload].routing.min_providers
        ledger.at_least(count, least, workload, scenario, "providers throughout")


def check_unsplittable(audit: Audit, ledger: Ledger) -> None:
    """One offer and model for all that is served of a cell of an unsplittable workload."""
    carriers: dict[CellKey, set[tuple[str, str]]] = defaultdict(set)
    named: dict[CellKey, Cell] = {}
    for flow in audit.flows:
        if not flow.workload.routing.splittable and flow.row.share > PRESENT and flow.units > 0:
            step = audit.case.steps.get(flow.row.workload)
            carriers[flow.cell.key].add((flow.row.offer, flow.row.model))
            named[flow.cell.key] = flow.cell
            if step is not None and step.step == 0:  # one recipe, or one model of the workload's own
                key = (step.whole, *flow.cell.key[1:])
                carriers[key].add((step.recipe, ""))
                named[key] = audit.cells[key]
    for key, used in carriers.items():
        ledger.require(len(used) == 1, named[key], "is split over", sorted(used))
