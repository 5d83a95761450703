"""Workloads by origin: each part is a workload of its own here, and a plan's rows are read as rows of the parts.

chat from eu    the work of `chat` that comes from there: its share of the demand, with every promise
rtt, egress     of the way from the origin to a region of the offer, else of the way back; of several regions the
                one that is reached soonest; without a row 0 ms and 0 USD
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from router.plan.document import Plan
from router.schema import NetworkLink, Offer, Problem, SharedQuota, Workload
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
