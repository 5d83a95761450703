"""What spills of a plan, as a person reads it."""

from __future__ import annotations

from math import fsum

from router.plan.document import Plan
from router.plan.rows import RouteRow
from router.reports.document import ReportTable, columns
from router.reports.words import percent

type Sent = dict[str, list[RouteRow]]


def spilling_table(plan: Plan) -> ReportTable:
    """A row for each workload sent to an offer that refuses: shares of the workload's work over the plan, expected.

    Of an order of refusing that is the same throughout the number says who is refused first; else there is none.
    """
    p, orders = plan.probabilities(), dict[str, set[tuple[str, ...]]]()
    for order in plan.spill_order or ():
        orders.setdefault(order.offer, set()).add(order.workloads)
    whole = {
        name: fsum(p[row.scenario] * _volume(row) for row in plan.routes if row.workload == name)
        for name in {row.workload for row in plan.routes}
    }
    rows = []
    for offer, own in sorted(orders.items()):
        sent: Sent = {}
        for row in plan.routes:
            if row.offer == offer and row.share > 0:
                sent.setdefault(row.workload, []).append(row)
        for name, routes in sorted(sent.items()):
            carried = fsum(p[row.scenario] * _volume(row) for row in routes)
            refused = fsum(p[row.scenario] * _refused(plan, row) for row in routes)
            total = whole[name] or 1.0
            ranked = next(iter(own)) if len(own) == 1 else ()
            place = str(ranked.index(name) + 1) if name in ranked else "varies"
            shares = ((carried + refused) / total, carried / total, refused / total)
            rows.append((offer, name, *map(percent, shares), place))
    heads = columns("offer", "workload", ">sent first", ">carried", ">spilled", ">refused")
    return ReportTable("What spills", heads, tuple(rows))


def _volume(row: RouteRow) -> float:
    return row.tokens or row.requests or 0.0


def _refused(plan: Plan, row: RouteRow) -> float:
    """What a route refuses, in the measure of what the routes of its workload in the period serve."""
    spilled = row.spilled_share or 0.0
    if not spilled:
        return 0.0
    served = [
        other
        for other in plan.routes
        if (other.workload, other.period, other.scenario, other.origin)
        == (row.workload, row.period, row.scenario, row.origin)
    ]
    share = fsum(other.served_share for other in served)
    return spilled * fsum(_volume(other) for other in served) / share if share > 0 else 0.0
