"""Parts of a problem that are looked at apart: workloads by origin, replicas by role. A plan's rows are read as theirs.

chat from eu    the work of `chat` that comes from there: its share of the demand, with every promise
rtt, egress     of the way from the origin to a region of the offer, else of the way back; of several regions the
                one that is reached soonest; without a row 0 ms and 0 USD
own-pd          what prefills, with the offer's prices, limits and contract
own-pd, decode  what decodes: instances alone, loaded by the completions of the same routes; no route names it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from router.plan.document import Plan
from router.plan.rows import InstanceRow
from router.schema import Instances, NetworkLink, Offer, Problem, Quota, SharedQuota, Workload
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


def _times(load: Workload, share: float) -> object:
    stated = getattr(load.demand, load.demand.way)
    return tuple(each * share for each in stated) if isinstance(stated, tuple) else stated * share


def stated_name(load: Workload) -> str:
    """The name in the problem file of a workload, or of what it is a part of."""
    if load.origin is None or len(load.origin) != 1:
        return load.name
    return load.name.removesuffix(f" from {next(iter(load.origin))}")


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

    def scaled(row: Any, share: float) -> Any:
        free = getattr(row, "free_share", None)
        if free is not None:
            row = replace(row, free_share=free / share)
        return replace(row, share=row.share / share)

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
        apart = {
            name: entry.model_copy(update={"disaggregated": True}) for name, entry in offer.models.items()
        }
        prefilling.append(offer.model_copy(update={"instances": prefill, "models": apart}))
        name = half_name(offer.name)
        halves[name] = offer.name
        alone = {
            "name": name,
            "instances": decode,
            "fee_usd_per_month": 0.0,
            "commitment": None,
            "free": None,
            "quota": Quota(),
        }
        decoding.append(offer.model_copy(update=alone))
    groups = [
        group.model_copy(
            update={
                "offers": group.offers + tuple(half_name(n) for n in group.offers if n in halves.values())
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


def half_name(offer: str) -> str:
    """Of the decoding half."""
    return f"{offer}, decode"


def _half(instances: Instances, role: str) -> Instances:
    stated = getattr(instances.roles, role)
    own = {field: getattr(stated, field) for field in type(stated).model_fields}
    return instances.model_copy(update={"roles": None, **own})


def of_halves(plan: Plan, problem: Problem, ledger: Ledger) -> Plan:
    """The plan with its counts by half; a row without its role is a fault, and left out."""
    apart = {offer.name for offer in problem.offers if offer.instances is not None and offer.instances.roles}
    kept: list[InstanceRow] = []
    for i, row in enumerate(plan.instances):
        if (row.role is not None) != (row.offer in apart):
            ledger.fault(f"instances[{i}].role: {row.role!r}", "is not a role of the offer's instances")
        elif row.role == "decode":
            kept.append(replace(row, offer=half_name(row.offer), role=None))
        else:
            kept.append(replace(row, role=None))
    return replace(plan, instances=tuple(kept))
