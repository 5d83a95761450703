"""Parts of a problem that are looked at apart: workloads by origin and by step of a recipe, replicas by role.

A plan's rows are read as theirs.

chat from eu    the work of `chat` that comes from there: its share of the demand, with every promise
rtt, egress     of the way from the origin to a region of the offer, else of the way back; of several regions the
                one that is reached soonest; without a row 0 ms and 0 USD
chat by cascade step 1    the requests of a recipe's second step: so many for each of the workload's
own-pd          what prefills, with the offer's prices, limits and contract
own-pd, decode  what decodes: instances alone, loaded by the completions of the same routes; no route names it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from router.plan.document import Plan
from router.schema import (
    Group,
    Instances,
    NetworkLink,
    Offer,
    Problem,
    Quota,
    Recipe,
    RoleWeights,
    ScheduleRule,
    SharedQuota,
    Slo,
    Workload,
)
from router.verification.base.ledger import Ledger

BYTES_PER_GB = 1e9


def split_by_origin(problem: Problem) -> Problem:
    """The problem with a workload for each origin; quotas that count a workload count its parts."""
    if all(load.origin is None for load in problem.workloads):
        return problem
    parts: dict[str, list[Workload]] = {}
    for load in problem.workloads:
        parts[load.name] = [
            load.model_copy(
                update={
                    "name": f"{load.name} from {origin}",
                    "origin": {origin: share},
                    "demand": load.demand.model_copy(update={load.demand.way: _times(load, share)}),
                }
            )
            for origin, share in (load.origin or {}).items()
        ] or [load]
    quotas: list[SharedQuota] = []
    for quota in problem.quotas:
        names = tuple(part.name for name in quota.workloads for part in parts[name])
        quotas.append(quota.model_copy(update={"workloads": names}))
    workloads = tuple(part for own in parts.values() for part in own)
    return problem.model_copy(update={"workloads": workloads, "quotas": tuple(quotas)})


@dataclass(frozen=True, slots=True)
class RecipeStepPart:
    """A part that is a step of a recipe, of which part of the workload.

    whole      the part of the workload that it answers
    first      the part that is the recipe's first step
    requests   of the step for each request of the workload
    quality    of the recipe; None: not known
    """

    whole: str
    first: str
    recipe: str
    step: int
    requests: float
    quality: float | None


def split_by_recipe(problem: Problem) -> tuple[Problem, dict[str, RecipeStepPart]]:
    """The problem with a workload for each step of a recipe, and what each such workload is."""
    if not any(load.recipes for load in problem.workloads):
        return problem, {}
    loads: list[Workload] = []
    steps: dict[str, RecipeStepPart] = {}
    names: dict[str, list[str]] = {}
    for load in problem.workloads:
        names[load.name] = [load.name]
        loads.append(load.model_copy(update={"recipes": ()}))
        for recipe in load.recipes:
            for k, step in enumerate(recipe.steps):
                part = _step(load, recipe, k)
                loads.append(part)
                names[load.name].append(part.name)
                first = _step_name(load.name, recipe.name, 0)
                steps[part.name] = RecipeStepPart(
                    load.name, first, recipe.name, k, step.requests, recipe.quality
                )
    quotas = [
        quota.model_copy(
            update={"workloads": tuple(part for name in quota.workloads for part in names[name])}
        )
        for quota in problem.quotas
    ]
    return problem.model_copy(update={"workloads": tuple(loads), "quotas": tuple(quotas)}), steps


def _step_name(workload: str, recipe: str, step: int) -> str:
    return f"{workload} by {recipe} step {step}"


def _step(load: Workload, recipe: Recipe, k: int) -> Workload:
    """A step as a workload; it keeps the recipe, with that step alone, for its quality and its name."""
    step, demand = recipe.steps[k], load.demand
    stated = getattr(demand, demand.way)
    if isinstance(stated, tuple):
        counted: dict[str, Any] = {"requests_by_period": tuple(step.requests * each for each in stated)}
    else:
        size = (load.prompt_tokens or 0.0) + (load.completion_tokens or 0.0)
        way = demand.way.replace("tokens", "requests")
        counted = {way: step.requests * stated / (1.0 if way == demand.way else size)}
    own: dict[str, Any] = {"demand": type(demand)(**counted), "models": step.models}
    for name in ("prompt_tokens", "completion_tokens", "cached_prompt_share", "cache_write_share"):
        value = getattr(step, name)
        if value is not None:
            own[name] = value
    own |= {
        "name": _step_name(load.name, recipe.name, k),
        "recipes": (recipe.model_copy(update={"steps": (step,)}),),
        "slo": _promised_of(load.slo, recipe, k),
        "unserved_usd_per_m_tokens": None,
    }
    return load.model_copy(update=own)


def _promised_of(slo: Slo, recipe: Recipe, k: int) -> Slo:
    """The limits that a step keeps by itself: on further tokens where it counts, on the rest where no other does."""
    kept: dict[str, float] = {}
    for field in type(slo).model_fields:
        limit = getattr(slo, field)
        if limit is None:
            continue
        kind, statistic = field.split("_")[:2]
        waits = {j: waited(recipe, j, statistic) for j in range(len(recipe.steps))}
        waits = {j: times for j, times in waits.items() if times > 0}
        if k in waits and (kind == "tpot" or waits == {k: 1.0}):
            kept[field] = limit
    return Slo(**kept)


def waited(recipe: Recipe, k: int, statistic: str) -> float:
    """How many requests of a step, one after the other, a request of the workload waits for; 0: it does not count."""
    step = recipe.steps[k]
    if statistic == "mean":
        return min(step.requests, 1.0) if step.parallel else step.requests
    if step.requests <= 1.0 - int(statistic[1:]) / 100.0 + 1e-12:
        return 0.0
    return 1.0 if step.parallel else max(step.requests, 1.0)


def scaled(row: Any, share: float) -> Any:
    """A row whose shares are of so much of the whole, with shares of that part."""
    parts = ("share", "carried_share", "spilled_share", "taken_share", "free_share")
    after = getattr(row, "after_loss", None)
    if after is not None:
        row = replace(row, after_loss={name: value / share for name, value in after.items()})
    stated = {name: value for name in parts if (value := getattr(row, name, None)) is not None}
    return replace(row, **{name: value / share for name, value in stated.items()})


def of_steps(plan: Plan, steps: Mapping[str, RecipeStepPart], ledger: Ledger) -> Plan:
    """The plan with rows of the steps' parts; a row of no step that the problem has is a fault, and left out."""

    def read(table: str, rows: tuple[Any, ...]) -> tuple[Any, ...]:
        kept = []
        for i, row in enumerate(rows):
            if row.recipe is None and row.step is None:
                kept.append(row)
                continue
            name = _step_name(row.workload, row.recipe or "", row.step if row.step is not None else -1)
            if name not in steps:
                ledger.fault(f"{table}[{i}].recipe: {row.recipe!r}", "has no step", row.step, "there")
                continue
            if table == "routes":
                row = scaled(row, steps[name].requests)
            kept.append(replace(row, workload=name, recipe=None, step=None))
        return tuple(kept)

    return replace(plan, routes=read("routes", plan.routes), refused=read("refused", plan.refused))


def _times(load: Workload, share: float) -> object:
    stated = getattr(load.demand, load.demand.way)
    return tuple(each * share for each in stated) if isinstance(stated, tuple) else stated * share


def stated_name(load: Workload) -> str:
    """The name in the problem file of a workload, or of what it is a part of."""
    name = answered_name(load)
    if load.origin is None or len(load.origin) != 1:
        return name
    return name.removesuffix(f" from {next(iter(load.origin))}")


def answered_name(load: Workload) -> str:
    """The name of a workload or of an origin of it; of a step, of the work that it answers."""
    if len(load.recipes) == 1 and len(load.recipes[0].steps) == 1:  # a step's part keeps that alone
        whole, there, number = load.name.rpartition(f" by {load.recipes[0].name} step ")
        if there and number.isdecimal():
            return whole
    return load.name


def of_parts(plan: Plan, problem: Problem, ledger: Ledger) -> Plan:
    """The plan with rows of the parts; a row that names no origin of its workload is a fault, and left out."""
    shares = {load.name: load.origin for load in problem.workloads if load.origin is not None}

    def read(table: str, rows: tuple[Any, ...], part: Callable[[Any, float], Any]) -> tuple[Any, ...]:
        kept = []
        for i, row in enumerate(rows):
            origins = shares.get(row.workload)
            if origins is None and row.origin is None:
                kept.append(row)
            elif origins is not None and row.origin in origins:
                name = f"{row.workload} from {row.origin}"
                kept.append(replace(part(row, origins[row.origin]), workload=name, origin=None))
            else:
                ledger.fault(f"{table}[{i}].origin: {row.origin!r}", "is not an origin of the workload")
        return tuple(kept)

    return replace(
        plan,
        routes=read("routes", plan.routes, scaled),
        unserved=read("unserved", plan.unserved, scaled),
        refused=read("refused", plan.refused, lambda row, _: row),
    )


def way_to(problem: Problem, load: Workload, offer: Offer) -> tuple[float, float]:
    """Round trip in ms, and egress in USD per token, of a part's requests to an offer."""
    if not load.origin or not offer.limits.regions:
        return 0.0, 0.0
    origin = next(iter(load.origin))
    ways = []
    for region in offer.limits.regions:
        link = _row(problem, origin, region) or _row(problem, region, origin)
        usd = 0.0 if link is None else link.egress_usd_per_gb * link.bytes_per_token / BYTES_PER_GB
        ways.append((0.0 if link is None else link.rtt_ms, usd))
    return min(ways)


def _row(problem: Problem, origin: str, to: str) -> NetworkLink | None:
    return next((link for link in problem.network if link.from_ == origin and link.to == to), None)


def split_by_role(problem: Problem) -> tuple[Problem, dict[str, str]]:
    """The problem with each half of a replica as instances of its own, and the offer of each decoding half."""
    halves: dict[str, str] = {}
    prefilling: list[Offer] = []
    decoding: list[Offer] = []
    for offer in problem.offers:
        if offer.instances is None or offer.instances.roles is None:
            prefilling.append(offer)
            continue
        prefill, decode = _half(offer.instances, "prefill"), _half(offer.instances, "decode")
        memories = [each.memory_gb for each in (prefill, decode) if each.memory_gb is not None]
        prefill = prefill.model_copy(update={"memory_gb": min(memories) if memories else None})
        rules = {
            role: tuple(_rule_of(role, rule) for rule in offer.schedule) for role in ("prefill", "decode")
        }
        apart = {
            name: entry.model_copy(update={"disaggregated": True}) for name, entry in offer.models.items()
        }
        own = {"instances": prefill, "models": apart, "schedule": rules["prefill"]}
        prefilling.append(offer.model_copy(update=own))
        name = half_name(offer.name)
        halves[name] = offer.name
        alone = {
            "name": name,
            "instances": decode,
            "fee_usd_per_month": 0.0,
            "commitment": None,
            "free": None,
            "quota": Quota(),
            "schedule": rules["decode"],
        }
        decoding.append(offer.model_copy(update=alone))
    groups = [
        group.model_copy(
            update={
                "offers": group.offers + tuple(half_name(n) for n in group.offers if n in halves.values()),
                "weights": _weights(group),
            }
        )
        for group in problem.groups
    ]
    hosts = [
        host.model_copy(
            update={"offers": host.offers + tuple(half_name(n) for n in host.offers if n in halves.values())}
        )
        for host in problem.hosts
    ]
    split = {"offers": tuple(prefilling + decoding), "groups": tuple(groups), "hosts": tuple(hosts)}
    return (problem.model_copy(update=split), halves) if halves else (problem, halves)


def _weights(group: Group) -> dict[str, Mapping[str, float]]:
    """What each instance takes of the resources of a group, halves of replicas apart."""
    weights: dict[str, Mapping[str, float]] = {}
    for name, own in group.weights.items():
        if isinstance(own, RoleWeights):
            weights |= {name: own.prefill, half_name(name): own.decode}
        else:
            weights[name] = own
    return weights


def half_name(offer: str) -> str:
    """Of the decoding half."""
    return f"{offer}, decode"


def _half(instances: Instances, role: str) -> Instances:
    stated = getattr(instances.roles, role)
    own = {field: getattr(stated, field) for field in type(stated).model_fields}
    return instances.model_copy(update={"roles": None, **own})


def _rule_of(role: str, rule: ScheduleRule) -> ScheduleRule:
    """A rule as one half has it; prices of tokens and caps count with what prefills."""
    changes: dict[str, Any] = {}
    if rule.set_ is not None:
        by_role = rule.set_.instances.roles
        own = {} if by_role is None else getattr(by_role, role).model_dump(exclude_none=True)
        instances = type(rule.set_.instances)(availability=rule.set_.instances.availability, **own)
        beside = {} if role == "prefill" else {"models": {}, "quota": type(rule.set_.quota)()}
        changes["set_"] = rule.set_.model_copy(update={"instances": instances, **beside})
    if rule.series is not None and rule.series.role not in (None, role):
        changes["series"] = rule.series.model_copy(update={"usd_per_h_column": None})
    return rule.model_copy(update=changes)


def of_halves(plan: Plan, problem: Problem, ledger: Ledger) -> Plan:
    """The plan with its counts and purchases by half; a row without its role is a fault, and left out."""
    apart = {offer.name for offer in problem.offers if offer.instances is not None and offer.instances.roles}

    def read(table: str, rows: tuple[Any, ...]) -> tuple[Any, ...]:
        kept = []
        for i, row in enumerate(rows):
            if (row.role is not None) != (row.offer in apart):
                ledger.fault(f"{table}[{i}].role: {row.role!r}", "is not a role of the offer's instances")
            else:
                offer = half_name(row.offer) if row.role == "decode" else row.offer
                kept.append(replace(row, offer=offer, role=None))
        return tuple(kept)

    return replace(
        plan,
        instances=read("instances", plan.instances),
        purchases=read("purchases", plan.purchases),
    )
