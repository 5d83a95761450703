"""Change against a running plan: what moves and what is resized, and its price.

    moved[c]   Σ over offers and models of max(0, share − running share)    of cells that the running plan knows
    resized    Σ over pools and periods |count − running count|             once for a count of the whole horizon
    churn      Σ tokens · moved · move_usd_per_m_tokens + resized · resize_usd, discounted as the period is

The plan's own section `running` says what ran, what was signed and bought by then, and which instances were up. Whether
it says so rightly is for whoever has the running plan.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from router.schema import Commitment, CommitmentLevel, FreeSoFar, Problem, SoFar, TermInForce
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.cells import Cell, CellKey
from router.verification.base.flows import Flow
from router.verification.base.ledger import Ledger
from router.verification.base.local_time import LocalTime
from router.verification.base.pools import EarlierPurchase, Pool, PoolKey
from router.verification.base.spans import by_billing_month, length_h, term_h
from router.verification.base.work import unit_of

if TYPE_CHECKING:
    from router.plan.rows import StandsAt
    from router.plan.running import Running, SunkContract, TakenAllowance

type Place = tuple[str, str | None]
"""Offer and model of a pool, or of a route."""

type Where = tuple[str, int | None, int | None]
"""Workload, period of ordinary work, occurrence of any other."""

LONGEST_H = 1e7

AMOUNTS = tuple(
    name
    for bound in ("min_usd", "max_usd", "step_usd", "min_tokens", "max_tokens")
    for name in (bound, f"{bound}_per_month")
)
"""Fields of what may be committed: what was signed takes their place."""


@dataclass(frozen=True, eq=False, repr=False)
class EarlierPlan:
    """What the plan says ran. Ends of contracts and purchases in hours from the start of the horizon."""

    freeze_h: float
    shares: Mapping[Where, Mapping[Place, float]]
    counts: Mapping[tuple[str, str | None, int], float]
    before: Mapping[Place, float]
    contracts: Mapping[str, tuple[SunkContract, ...]]
    purchases: tuple[EarlierPurchase, ...]
    credits: Mapping[str, float]
    allowances: tuple[TakenAllowance, ...]


NOTHING = EarlierPlan(0.0, {}, {}, {}, {}, (), {}, ())


def earlier_plan(running: Running | None, ledger: Ledger) -> EarlierPlan | None:
    """What ran, or None where the plan does not say. What cannot be is a fault, and then nothing ran."""
    if running is None:
        return None
    shares: dict[Where, dict[Place, float]] = defaultdict(dict)
    for row in running.shares:
        places = shares[row.workload, row.period, row.occurrence]
        ledger.require((row.offer, row.model) not in places, "running:", row, "is listed twice")
        places[row.offer, row.model] = row.share
    counts = {(row.offer, row.model, row.period): row.count for row in running.counts}
    before = {(row.offer, row.model): row.paid_count for row in running.before}
    contracts: dict[str, tuple[SunkContract, ...]] = {}
    for sunk in running.contracts:
        contracts[sunk.seller] = (*contracts.get(sunk.seller, ()), sunk)
    purchases = tuple(
        EarlierPurchase((row.offer, row.model), row.end_h, row.count, row.usd_per_h)
        for row in running.purchases
    )
    credits = {row.credit: row.used_usd for row in running.credits or ()}
    ends = [0.0 if _counts_on(row) else row.end_h for row in running.contracts] + [
        row.end_h for row in running.purchases
    ]
    hours = [running.freeze_h, *ends]
    amounts = [row.share for row in running.shares] + [row.count for row in running.purchases]
    amounts += [row.usd_per_h for row in running.purchases if row.usd_per_h is not None]
    for signed in running.contracts:
        committed = (signed.committed_tokens_per_month, signed.committed_usd_per_month, signed.discount)
        stands = signed.so_far
        stood = () if stands is None else (stands.used, -stands.since_h, *stands.unused)
        amounts += [amount for amount in (*committed, *stood) if amount is not None]
    for free in running.allowances or ():
        amounts += [-free.since_h, free.used_tokens, free.used_requests, free.used_usd]
    if (
        min((*hours, *amounts, *counts.values(), *before.values(), *credits.values())) < 0
        or max(hours) > LONGEST_H
    ):
        ledger.fault("running: amounts and hours are at least 0, and no term is longer than", LONGEST_H, "h")
        return NOTHING
    allowances = running.allowances or ()
    return EarlierPlan(running.freeze_h, shares, counts, before, contracts, purchases, credits, allowances)


def as_signed(problem: Problem, running: EarlierPlan | None, ledger: Ledger) -> Problem:
    """The problem with what earlier plans signed in force until its end, and what is left of the rest."""
    if running is not None and running.credits:
        problem = _left_of_credits(problem, running.credits, ledger)
    if running is not None and running.allowances:
        problem = _left_of_allowances(problem, running.allowances, ledger)
    if running is None or not running.contracts:
        return problem
    offers = {offer.name: offer for offer in problem.offers}
    agreements = {agreement.name: agreement for agreement in problem.commitments}
    for name, rows in running.contracts.items():
        offer, agreement = offers.get(name), agreements.get(name)
        if agreement is not None and all(row.agreement == name for row in rows):
            agreements[name] = agreement.on(_all_signed(problem, agreement.terms, rows, ledger))
        elif offer is not None and offer.commitment is not None and all(row.offer == name for row in rows):
            signed = _all_signed(problem, offer.commitment, rows, ledger)
            offers[name] = offer.model_copy(update={"commitment": signed})
        else:
            ledger.fault("running:", name, "has no commitment that an earlier plan could have signed")
    return problem.model_copy(
        update={"offers": tuple(offers.values()), "commitments": tuple(agreements.values())}
    )


def _left_of_credits(problem: Problem, used: Mapping[str, float], ledger: Ledger) -> Problem:
    for name in used.keys() - {credit.name for credit in problem.credits}:
        ledger.fault("running:", name, "is not a credit of the problem")
    left = [
        credit.model_copy(update={"usd": max(0.0, credit.usd - used.get(credit.name, 0.0))})
        for credit in problem.credits
    ]
    return problem.model_copy(update={"credits": tuple(left)})


def _left_of_allowances(problem: Problem, rows: tuple[TakenAllowance, ...], ledger: Ledger) -> Problem:
    zero, offers = LocalTime(problem.horizon).start, {offer.name: offer for offer in problem.offers}
    for row in rows:
        offer = offers.get(row.offer)
        if offer is None or offer.free is None:
            ledger.fault("running:", row.offer, "has no free allowance")
            continue
        stands = FreeSoFar(
            since=zero + timedelta(hours=row.since_h),
            used_tokens=row.used_tokens,
            used_requests=row.used_requests,
            used_usd=row.used_usd,
        )
        free = offer.free.model_copy(update={"so_far": stands})
        offers[row.offer] = offer.model_copy(update={"free": free})
    return problem.model_copy(update={"offers": tuple(offers.values())})


def _counts_on(row: SunkContract) -> bool:
    """Whether a term is over, and counts in the month that runs."""
    return row.so_far is not None and row.so_far.since_h < row.end_h <= 0


def _all_signed(
    problem: Problem, commitment: Commitment, rows: tuple[SunkContract, ...], ledger: Ledger
) -> Commitment:
    """Terms that add up are in force beside those of the file; of any other contract there is one."""
    if not commitment.stackable:
        ledger.require(len(rows) == 1, "running:", rows[0].seller, "is signed more than once")
        return _signed(problem, commitment, rows[0])
    zero, months = LocalTime(problem.horizon).start, length_h(commitment) / MONTH_H
    stacked = tuple(
        TermInForce(until=zero + timedelta(hours=row.end_h), **{unit: amount * months})
        for row in rows
        for unit, amount in (("usd", row.committed_usd_per_month), ("tokens", row.committed_tokens_per_month))
        if amount is not None
    )
    terms: dict[str, Any] = {"in_force": (*commitment.in_force, *stacked)}
    if commitment.settled in (None, "month") and not commitment.by_period:
        stood = [row.so_far for row in rows]
        ledger.require(
            all(each == stood[0] for each in stood), "running:", rows[0].seller, "stands in two places"
        )
        terms["so_far"] = None if stood[0] is None else _so_far(problem, commitment, rows[0], stood[0])
    return commitment.model_copy(update=terms)


def _so_far(problem: Problem, commitment: Commitment, row: SunkContract, stands: StandsAt) -> SoFar:
    counted = commitment.counts_tokens or row.committed_tokens_per_month is not None
    unit, zero = "tokens" if counted else "usd", LocalTime(problem.horizon).start
    amounts: dict[str, Any] = {f"used_{unit}": stands.used, f"unused_{unit}": stands.unused}
    amounts["counted_usd"] = stands.counted_usd
    return SoFar(since=zero + timedelta(hours=stands.since_h), **amounts)


def _signed(problem: Problem, commitment: Commitment, row: SunkContract) -> Commitment:
    horizon_h, zero = problem.horizon.periods * problem.horizon.period_h, LocalTime(problem.horizon).start
    ends, terms = zero + timedelta(hours=row.end_h), dict[str, Any]()
    if commitment.signed:  # by the file: what an earlier plan knows is where it stands
        if commitment.signed_until is None and term_h(commitment) is not None:
            terms["signed_until"] = ends
    else:
        months_h = math.ceil(row.end_h / MONTH_H - 1e-9) * MONTH_H
        to_the_end = term_h(commitment) is None and months_h >= horizon_h
        terms = dict.fromkeys(AMOUNTS)
        terms["signed"] = True
        terms["signed_until"] = None if to_the_end else ends
        if commitment.levels:
            usd = (row.committed_usd_per_month or 0.0) * length_h(commitment) / MONTH_H
            terms["levels"] = (CommitmentLevel(usd=usd, discount=row.discount or 0.0),)
        elif not commitment.ramp:
            terms["min_tokens_per_month"] = row.committed_tokens_per_month
            terms["min_usd_per_month"] = row.committed_usd_per_month
        if not by_billing_month(commitment):
            terms["settled"] = commitment.settled or "month"
    if row.so_far is not None:
        terms["so_far"] = _so_far(problem, commitment, row, row.so_far)
    return commitment.model_copy(update=terms)


def moved_of(cells: Mapping[CellKey, Cell], flows: list[Flow], running: EarlierPlan) -> dict[CellKey, float]:
    """The share of each known cell with work that runs where it did not run."""
    now: dict[CellKey, dict[Place, list[float]]] = defaultdict(lambda: defaultdict(list))
    for flow in flows:
        now[flow.cell.key][flow.row.offer, flow.row.model].append(flow.row.share)
    moved = {}
    for key, cell in cells.items():
        old = running.shares.get(where_of(cell))
        if old is not None and cell.units > 0:
            moved[key] = math.fsum(
                max(0.0, math.fsum(parts) - old.get(place, 0.0)) for place, parts in now[key].items()
            )
    return moved


def where_of(cell: Cell) -> Where:
    return (cell.workload, cell.period, cell.occurrence)


def churn_usd(
    case: Case,
    cells: Mapping[CellKey, Cell],
    moved: Mapping[CellKey, float],
    pools: Mapping[PoolKey, Pool],
    running: EarlierPlan | None,
) -> dict[str | None, float]:
    """Discounted cost of change by future."""
    change = case.problem.reoptimise
    if running is None or change is None:
        return {}
    parts: dict[str | None, list[float]] = defaultdict(list)
    for key, share in moved.items():
        cell = cells[key]
        tokens = cell.units * unit_of(case.workloads[cell.workload]).tokens
        usd = share * tokens / 1e6 * change.move_usd_per_m_tokens
        parts[cell.future.name].append(usd * case.period_weight[min(cell.runs)])
    for future in case.futures:
        for _, period, step in steps_of(case, pools, running, future):
            parts[future.name].append(step * change.resize_usd * case.period_weight[period])
    return {name: math.fsum(values) for name, values in parts.items()}


def steps_of(
    case: Case, pools: Mapping[PoolKey, Pool], running: EarlierPlan, future: Future
) -> list[tuple[Place, int, float]]:
    """(pool, period, instances more or less than ran) of every pool and period where they differ."""
    names = {(offer, model) for offer, model, _ in running.counts}
    names |= {(offer, model) for offer, model, _, _ in pools}
    steps = []
    for offer, model in sorted(names, key=str):
        for period in range(1 if case.bought_ahead(offer) is not None else case.periods):
            pool = pools.get((offer, model, period, future.name))
            count = pool.row.count if pool is not None else 0.0
            step = abs(count - running.counts.get((offer, model, period), 0.0))
            if step > 0:
                steps.append(((offer, model), period, step))
    return steps
