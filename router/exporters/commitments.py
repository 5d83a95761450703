"""The order in which commitments are to be used, and up to where each is paid already.

What lapses soonest is used first: instances and hosts that are reserved, or bought ahead, are lost hour by hour; a
contract's volume month by month. Everything else is paid as it is used and comes last.

    json        rows by order: kind, from and until, the ceiling with its unit
    karpenter   NodePools (karpenter.sh/v1): `weight` is the order, `limits` the ceiling, in cards; a second NodePool is
                of the rest that the plan runs at most
    litellm     the router's configuration with `order` in place of weights and, for contracts, `max_budget` in
                `budget_duration: 730h`: LiteLLM leaves a deployment out once its budget is spent

Nodes are of hosts where instances live in some, and of each role's workers where replicas have two.

Amounts are those in force in one period.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any

import yaml

from router.errors import InputError, Issue
from router.exporters.counts import whole
from router.exporters.exported import Exported, belongs, head, of_scenario, to_yaml
from router.exporters.litellm import litellm
from router.exporters.prices import mixed_prices
from router.exporters.shares import group_of, splits
from router.exporters.targets import Targets, distinct, kubernetes_name
from router.normalise.recipes import alone
from router.normalise.roles import half_name
from router.plan.document import Plan
from router.plan.start import stated_time
from router.plan.values import to_json
from router.schema import Problem

INSTANCES, CONTRACT = 1, 2
PAID_AS_USED = 3
MONTH = "730h"
MOST_WEIGHT = 100  # Karpenter's
NODE_CLASS = "karpenter.k8s.aws/EC2NodeClass/default"


@dataclass(frozen=True, slots=True)
class PaidAhead:
    """One commitment in force: `ceiling` of `unit` cost nothing more."""

    order: int
    kind: str  # reserved | bought | contract
    offer: str
    model: str | None
    from_h: float
    until_h: float | None
    ceiling: float
    unit: str  # instances | prefill workers | decode workers | hosts | tokens a month | USD a month


def commitments(
    plan: Plan,
    problem: Problem,
    *,
    form: str = "json",
    targets: Targets | None = None,
    period: int | None = None,
    scenario: str | None = None,
    resource: str = "nvidia.com/gpu",
    node_class: str = NODE_CLASS,
) -> Exported:
    """Commitments in one of three forms; `period`: the one in which they are in force, the first. Raises InputError."""
    problem, at = belongs(plan, problem), period or 0
    rows = sorted(
        _paid_ahead(plan, problem, at, scenario), key=lambda row: (row.order, row.offer, row.model or "")
    )
    if form == "karpenter":
        return _karpenter(plan, problem, rows, at, scenario, resource, node_class)
    if form == "litellm":
        return _litellm(plan, problem, rows, targets, period, scenario)
    remarks = () if rows else ("nothing is paid ahead: everything is paid as it is used",)
    return Exported(
        to_json({"name": plan.name, "commitments": [_row(row, problem) for row in rows]}), remarks
    )


def _paid_ahead(plan: Plan, problem: Problem, at: int, scenario: str | None) -> Iterator[PaidAhead]:
    hour, end_h = at * problem.horizon.period_h, plan.horizon_h
    rented = {offer.name: offer.instances for offer in problem.offers if offer.instances is not None}
    here = [row for row in of_scenario(plan, plan.instances, scenario) if row.period == at]
    for machine in _machines(problem):
        if machine.reserved > 0:
            name, reserved = machine.offer, machine.reserved
            yield PaidAhead(INSTANCES, "reserved", name, None, 0.0, end_h, reserved, machine.unit)
    for row in here:
        if (
            rented[row.offer].resize == "horizon"
            and rented[row.offer].term_months is None
            and row.paid_count > 0
        ):
            unit = _unit(row.role)
            yield PaidAhead(INSTANCES, "bought", row.offer, row.model, 0.0, end_h, row.paid_count, unit)
    ahead = {host.name: host.reserved for host in problem.hosts if host.resize == "horizon"}
    for host in of_scenario(plan, plan.hosts or (), scenario):
        rented_ahead = host.count - ahead.get(host.host, host.count)
        if host.period == at and rented_ahead > 0:
            yield PaidAhead(INSTANCES, "bought", host.host, None, 0.0, end_h, rented_ahead, "hosts")
    names = {half_name(machine.offer, machine.role): machine for machine in _machines(problem)}
    earlier = () if plan.running is None else plan.running.purchases
    bought = [
        (half_name(row.offer, row.role), row.model, row.from_h, row.until_h, row.count)
        for row in plan.purchases
    ]
    bought += [(row.offer, row.model, 0.0, row.end_h, row.count) for row in earlier]
    for name, model, from_h, until_h, count in bought:
        if from_h <= hour and (until_h is None or hour < until_h):
            machine = names[name]
            yield PaidAhead(INSTANCES, "bought", machine.offer, model, from_h, until_h, count, machine.unit)
    for contract in plan.contracts:
        tokens, usd = contract.committed_tokens_per_month, contract.committed_usd_per_month
        if contract.from_h <= hour < contract.until_h and (tokens or usd):
            ceiling, unit = (tokens, "tokens a month") if tokens is not None else (usd or 0.0, "USD a month")
            terms_h = contract.from_h, contract.until_h
            yield PaidAhead(CONTRACT, "contract", contract.seller, None, *terms_h, ceiling, unit)


@dataclass(frozen=True, slots=True)
class CountedMachine:
    """What is counted: an offer's instances, its workers in one role, or a kind of host (in the place of `offer`)."""

    offer: str
    role: str | None
    unit: str
    units: float
    reserved: float
    housed: bool = False  # lives in hosts, which are the nodes


def _unit(role: str | None) -> str:
    return "instances" if role is None else f"{role} workers"


def _machines(problem: Problem) -> Iterator[CountedMachine]:
    housed = {name for host in problem.hosts for name in host.offers}
    for offer in problem.offers:
        if offer.instances is None:
            continue
        roles = (None,) if offer.instances.roles is None else ("prefill", "decode")
        for role in roles:
            half = offer.instances if role is None else offer.instances.of_role(role)
            yield CountedMachine(
                offer.name, role, _unit(role), half.units, half.reserved, offer.name in housed
            )
    for host in problem.hosts:
        yield CountedMachine(host.name, None, "hosts", host.units, host.reserved)


def _row(row: PaidAhead, problem: Problem) -> dict[str, Any]:
    horizon = problem.horizon

    def time(hour: float | None) -> str | float | None:
        return hour if hour is None or horizon.start is None else stated_time(horizon.clock.local(hour))

    return {
        "order": row.order,
        "kind": row.kind,
        "offer": row.offer,
        "model": row.model,
        "from": time(row.from_h),
        "until": time(row.until_h),
        "ceiling": row.ceiling,
        "unit": row.unit,
    }


def _karpenter(
    plan: Plan,
    problem: Problem,
    rows: list[PaidAhead],
    at: int,
    scenario: str | None,
    resource: str,
    node_class: str,
) -> Exported:
    """Per kind of machine what is paid ahead, and the rest of the most that the plan runs from that period on."""
    if node_class.count("/") != 2:
        raise InputError(Issue(("--node-class",), "must be GROUP/KIND/NAME", node_class, NODE_CLASS))
    group, kind, name = node_class.split("/")
    reference = {"group": group, "kind": kind, "name": name}
    counts: dict[tuple[str, str | None], dict[int, float]] = {}
    for row in of_scenario(plan, plan.instances, scenario):
        by_period = counts.setdefault((row.offer, row.role), {})
        by_period[row.period] = by_period.get(row.period, 0.0) + row.count
    for host in of_scenario(plan, plan.hosts or (), scenario):
        counts.setdefault((host.host, None), {})[host.period] = host.count
    documents, uncounted = [], []
    names: dict[tuple[str, ...], str] = {}
    for machine in _machines(problem):
        if machine.housed:
            continue
        key = machine.offer, machine.role
        mine = [row for row in rows if row.offer == machine.offer and row.unit == machine.unit]
        ahead = fsum(row.ceiling for row in mine)
        most = max((count for t, count in counts.get(key, {}).items() if t >= at), default=0.0)
        for suffix, count, order in (
            ("paid-ahead", ahead, 1),
            ("as-used", max(most - ahead, 0.0), PAID_AS_USED),
        ):
            if count > 0:
                own = [machine.offer, *filter(None, [machine.role])]
                label = kubernetes_name(*own, suffix)
                names[(*own, suffix)] = label
                cards = str(whole(count * machine.units))
                documents.append(
                    _node_pool(
                        label, kubernetes_name(*own), {resource: cards}, MOST_WEIGHT // order, reference
                    )
                )
        if machine.units == 1 and machine.role is None and key in counts:
            uncounted.append(machine.offer)
    distinct(names)
    remarks = [f"nodes are made by {node_class}; --node-class names yours"] if documents else ["no instances"]
    if uncounted:
        remarks.append(f"one card an instance, as the offer states no units: {', '.join(uncounted)}")
    text = to_yaml(*documents) if documents else ""
    return Exported(head(plan, "Karpenter NodePools, what is paid ahead first,") + text, tuple(remarks))


def _node_pool(
    name: str, offer: str, limits: Mapping[str, str], weight: int, reference: Mapping[str, str]
) -> dict[str, Any]:
    on_demand = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]}
    labels = {"llm-inference-planner/offer": offer}
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "weight": weight,
            "limits": dict(limits),
            "template": {
                "metadata": {"labels": labels},
                "spec": {"nodeClassRef": dict(reference), "requirements": [on_demand]},
            },
        },
    }


def _litellm(
    plan: Plan,
    problem: Problem,
    rows: list[PaidAhead],
    targets: Targets | None,
    period: int | None,
    scenario: str | None,
) -> Exported:
    configuration = litellm(plan, problem, targets=targets, period=period, scenario=scenario)
    config = yaml.safe_load(configuration.text)
    order = {row.offer: row.order for row in reversed(rows)}
    budgets = _budgets(plan, problem, rows, period, scenario)
    parts = {
        f"{split.workload}/{part.offer}/{part.model}": part.offer
        for split in splits(plan, period, scenario)[0]
        for part in split.parts
    }
    for entry in config["model_list"]:
        key, params = entry["model_info"]["id"], entry["litellm_params"]
        if key in parts:
            del params["weight"]
            params["order"] = order.get(parts[key], PAID_AS_USED)
            if key in budgets:
                params |= {"max_budget": budgets[key], "budget_duration": MONTH}
    remarks = [remark for remark in configuration.remarks if "--weights" not in remark]
    remarks.append(
        "budgets are counted by LiteLLM from its first request on, not from the start of a billing month"
    )
    if INSTANCES in order.values():
        remarks.append("instances have no budget: what they can take is what router export headroom says")
    text = head(plan, "LiteLLM router configuration, what is paid ahead first,") + to_yaml(config)
    return Exported(text, tuple(remarks))


def _budgets(
    plan: Plan, problem: Problem, rows: list[PaidAhead], period: int | None, scenario: str | None
) -> dict[str, float]:
    """USD a month of each deployment under a contract: its part of the commitment, as its use is of the contract's."""
    loads = {load.name: load for load in problem.workloads}
    offers = {offer.name: offer for offer in problem.offers}
    use: dict[str, dict[tuple[str, str], tuple[float, float]]] = {}
    for route in of_scenario(plan, plan.routes, scenario):
        if period in (None, route.period):
            entry, load = offers[route.offer].models[route.model], loads[route.workload]
            if route.recipe is not None and route.step is not None:
                load = alone(
                    load, next(each for each in load.recipes if each.name == route.recipe), route.step
                )
            prompt, completion = (usd or 0.0 for usd in mixed_prices(entry, load))
            usd = (route.prompt_tokens * prompt + route.completion_tokens * completion) / 1e6
            parts = use.setdefault(route.offer, {})
            before = parts.get((group_of(route), route.model), (0.0, 0.0))
            parts[group_of(route), route.model] = (before[0] + route.tokens, before[1] + usd)
    budgets = {}
    for row in rows:
        if row.order != CONTRACT:
            continue
        parts = use.get(row.offer, {})
        by = 0 if row.unit.startswith("tokens") else 1
        total = fsum(part[by] for part in parts.values())
        for (workload, model), (tokens, usd) in parts.items():
            if total > 0 and usd > 0:  # USD = ceiling · its part, at what its own mix of tokens costs
                part = tokens / total * usd / tokens if by == 0 else usd / total
                budgets[f"{workload}/{row.offer}/{model}"] = round(row.ceiling * part, 6)
    return budgets
