"""Cost by workload and by billing month, from a plan's rows: each line of cost is laid to where its offer is used.

    tokens, commitment, fee      by the tokens that a workload, or a month, sends to the offer
    instances, energy, starts    likewise; by month by the instances paid
    hosts                        by what instances take of them, each offer's likewise; by month by the hosts paid
    unserved                     by what is dropped

That is exact by offer; within an offer it is an allocation by tokens, and the page says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from math import fsum

from router.plan.document import Plan
from router.plan.rows import RouteRow, UnservedRow, month_at

OTHER = "not of a workload"


def by_workload(plan: Plan) -> dict[str, float]:
    """USD by workload; the sum is the plan's cost."""
    return _laid(plan, lambda row: row.workload, OTHER, _housed(plan))


def _housed(plan: Plan) -> dict[str, dict[str, float]]:
    """By kind of host and workload: units that instances take there, each offer's by the tokens that it serves."""
    p = plan.probabilities()
    units: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in plan.hosts or ():
        for pattern in row.patterns:
            for each in pattern.instances:
                taken = pattern.hosts * each.count * (1.0 if each.units is None else each.units)
                units[row.host][each.offer] += p[row.scenario] * taken
    tokens: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for route in plan.routes:
        tokens[route.offer][route.workload] += p[route.scenario] * (route.tokens or route.requests or 0.0)
    parts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for host, offers in units.items():
        for offer, taken in offers.items():
            whole = fsum(tokens[offer].values())
            if whole <= 0:
                parts[host][OTHER] += taken
            for workload, amount in tokens[offer].items() if whole > 0 else ():
                parts[host][workload] += taken * amount / whole
    return parts


def by_month(plan: Plan) -> dict[int, float]:
    """USD by billing month, from 0; the sum is the plan's cost."""
    period_h = plan.horizon_h / max(plan.periods, 1)
    p = plan.probabilities()
    paid: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for row in plan.instances:
        month = month_at(row.period * period_h)
        paid[row.offer][month] += p[row.scenario] * row.count
    for host in plan.hosts or ():
        month = month_at(host.period * period_h)
        paid[host.host][month] += p[host.scenario] * host.count
    for bill in plan.settlements:
        paid[f"bill {bill.seller}"][bill.month] += p[bill.scenario] * bill.billed_usd
    return dict(sorted(_laid(plan, lambda row: month_at(row.period * period_h), 0, paid).items()))


def _laid[K](
    plan: Plan,
    key: Callable[[RouteRow | UnservedRow], K],
    otherwise: K,
    weights: Mapping[str, Mapping[K, float]],
) -> dict[K, float]:
    p = plan.probabilities()
    work: dict[str, dict[K, float]] = defaultdict(lambda: defaultdict(float))
    for row in plan.routes:
        work[row.offer][key(row)] += p[row.scenario] * (row.tokens or row.requests or 0.0)
    dropped: dict[K, float] = defaultdict(float)
    for lost in plan.unserved:
        dropped[key(lost)] += p[lost.scenario] * lost.usd
    usd: dict[K, float] = defaultdict(float)
    for line in plan.cost_lines:
        parts: Mapping[K, float] = work.get(line.offer or "", {})
        if line.kind == "unserved":
            parts = dropped
        elif line.kind in ("instances", "hosts", "energy", "starts"):
            parts = weights.get(line.offer or "", parts)
        elif line.kind == "commitment":
            parts = weights.get(f"bill {line.offer}", parts)
        whole = fsum(parts.values())
        if whole <= 0:
            usd[otherwise] += line.usd
        for each, amount in parts.items():
            if whole > 0:
                usd[each] += line.usd * amount / whole
    return dict(usd)
