"""Where contracts stand when a new horizon begins: what the span that runs has used, what earlier ones left.

Use is what the running plan routes until then, at the contract rates of the problem; beyond the end of its horizon,
what stands for each hour in `Alignment`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from problems.core.admissible import admissible
from problems.core.instance import Instance
from router.normalise.demand import time_of
from router.normalise.spans import ContractTerm, laid_out
from router.plan.document import Plan
from router.plan.rows import ContractRow, RouteRow, StandsAt
from router.planning.settlement import use_up
from router.reoptimisation.alignment import Alignment
from router.schema import Commitment

NEAR_H = 1e-6


@dataclass(frozen=True)
class UnitUse:
    """Of a unit of work on a route: tokens, and USD at contract rates; tokens of a unit as the workload states them."""

    tokens: float
    usd: float


def unit_uses(inst: Instance) -> dict[tuple[str, str, str], UnitUse]:
    """By workload, offer and model."""
    routes, _ = admissible(inst)
    loads, offers, models = inst.workloads.names, inst.offers.names, inst.models.names
    price = inst.scenarios.price[0]
    return {
        (loads[w], offers[o], models[m]): UnitUse(float(tokens), float(usd * price[o]))
        for w, o, m, tokens, usd in zip(
            routes.workload, routes.offer, routes.model, routes.tokens, routes.usd, strict=True
        )
    }


def standing(
    plan: Plan,
    align: Alignment,
    commitment: Commitment,
    row: ContractRow,
    units: Mapping[tuple[str, str, str], UnitUse],
) -> StandsAt | None:
    """Of a contract row of the running plan; hours count from the new start. None where it keeps billing months."""
    if commitment.by_billing_month:
        return None
    before = None if plan.running is None else _earlier(plan, row.seller)
    stood = before if row.signed_by == "before" else None
    term_h, began_h = commitment.term_hours, row.from_h
    if row.signed_by == "before":
        began_h = 0.0 if stood is None else stood.since_h
        began_h = began_h if term_h is None else row.until_h - term_h
    since_h = None if stood is None else stood.since_h
    term = ContractTerm(row.from_h, row.until_h, row.until_h, began_h, signed=True, since_h=since_h)
    now_h = align.shift_h
    old = align.old.horizon
    periods = math.ceil(now_h / old.period_h - 1e-9) + 1
    time = time_of(align.old.model_copy(update={"horizon": old.model_copy(update={"periods": periods})}))
    committed = row.committed_tokens_per_month
    committed = (row.committed_usd_per_month or 0.0) if committed is None else committed
    counted = bool(commitment.tiers) or row.committed_tokens_per_month is not None
    use = _use(plan, align, row.seller, units, periods, counted=counted)
    rate = 1.0 - (row.discount or 0.0)
    left: list[float] = [] if stood is None else list(stood.unused)
    for span in laid_out(commitment, term, time, align.clock_before, in_full=False):
        used = stood.used if stood is not None and span.from_h <= 0.0 else 0.0
        for t in range(span.first, span.end):
            part = (now_h - t * time.period_h) / time.period_h
            used += use[t] * min(max(part, 0.0), 1.0)
        left = left[-commitment.rollover_spans :] if commitment.rollover_spans else []
        if now_h < span.until_h - NEAR_H:
            return StandsAt(min(span.from_h - now_h, 0.0), used, tuple(left))
        left = use_up([*left, committed * span.share * span.ramped], used * (1.0 if counted else rate))
    return None


def _earlier(plan: Plan, offer: str) -> StandsAt | None:
    running = plan.running
    rows = () if running is None else running.contracts
    return next((row.so_far for row in rows if row.offer == offer), None)


def _use(
    plan: Plan,
    align: Alignment,
    offer: str,
    units: Mapping[tuple[str, str, str], UnitUse],
    periods: int,
    *,
    counted: bool,
) -> list[float]:
    """Tokens, or USD at contract rates, by period from the running plan's start on."""
    stated = [0.0] * align.old.horizon.periods
    for row in plan.routes:
        if row.offer == offer:
            stated[row.period] += _amount(row, units.get((row.workload, row.offer, row.model)), counted)
    return [stated[align.period_before(t)] for t in range(periods)]


def _amount(row: RouteRow, unit: UnitUse | None, counted: bool) -> float:
    if unit is None:
        return row.tokens if counted else 0.0
    work = row.tokens / unit.tokens if unit.tokens else row.requests or 0.0
    return work * (unit.tokens if counted else unit.usd)
