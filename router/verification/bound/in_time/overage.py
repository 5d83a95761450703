"""Use above what is committed, where that has a price of its own: what comes first in a span is within.

over_until(offer,i)     own units above the commitment up to a point at which prices change, spans one after the other
over_exceeds(offer,i)   0/1: there are some, at points where more of them would be worth more

over ≥ used until the point − committed;  over ≤ U · exceeds,  over ≤ used − committed + C · (1 − exceeds)
"""

from __future__ import annotations

import math

from router.schema import Commitment, Offer
from router.verification.base.case import Case
from router.verification.base.tariffs import (
    bills_dollars,
    mean_of,
    period_factor,
    period_rate,
    rate_before,
    used_before,
)
from router.verification.bound.in_time.points import BillPoint, Timed, points_at, until
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.terms import SpanToBill


def overage_points(
    case: Case, offer: Offer, commitment: Commitment, span: SpanToBill, number: int, level: float
) -> list[BillPoint]:
    """The points of a span, weights in USD per own unit before a scenario's prices. `level`: of contract rates."""
    over = commitment.overage_usd_per_m
    if over is None:
        return []
    mean = mean_of(case, offer.name, span.first, span.end, span.before)
    periods = range(span.first, span.end) if offer.schedule else range(span.end - 1, span.end)
    hours = [
        (t + 1, over * period_factor(case, offer.name, t), period_rate(case, offer.name, t)) for t in periods
    ]
    if used_before(commitment, span.first) > 0:
        then, factor = rate_before(case, offer, mean), rate_before(case, offer, 1.0, factor=True)
        hours.insert(0, (span.first, over * factor, then))
    if not bills_dollars(commitment):
        return points_at([(t, (usd - rate) / 1e6) for t, usd, rate in hours], number, mean / 1e6)
    figures: list[tuple[int, float]] = []
    for t, usd, rate in hours:  # where tokens cost nothing, no dollar is used
        last = figures[-1][1] if figures else 0.0
        figures.append((t, usd / rate / level if rate > 0 else last))
    return points_at(figures, number)


def add_overage(
    model: RelaxedProblem,
    offer: Offer,
    at: str,
    points: list[BillPoint],
    over: str,
    used: Timed,
    committed: Terms,
    opened: float,
    usd: float,
) -> None:
    """The rows of a span. `over`: what is above at its end; `committed`: what others left too; `usd`: at a weight of 1.

    opened   used before the horizon, less what was left to it
    """
    most = max(math.fsum(own * model.variables[name].upper for _, name, own in used) + opened, 0.0)
    due = math.fsum(own * model.variables[name].upper for name, own in committed)
    for point in points:
        last = point is points[-1]
        name = over if last else f"over_until({offer.name},{point.number})"
        if not last:
            model.variable(name, math.inf if point.weight >= 0 else most, usd=point.weight * usd)
        minus = [(variable, -own) for _, variable, own in until(used, point)]
        excess: Terms = [(name, 1.0), *minus, *committed]
        label = f"overage({at},point {point.number}"
        if not last:
            model.constraint(f"{label})", excess, lower=opened)
        if point.weight < 0:
            some = model.variable(f"over_exceeds({offer.name},{point.number})", 1.0, whole=True)
            model.variables[name].upper = min(model.variables[name].upper, most)
            model.constraint(f"{label},none)", [(name, 1.0), (some, -most)], upper=0.0)
            model.constraint(f"{label},some)", [*excess, (some, due)], upper=opened + due)
