"""Take-or-pay contracts: what is signed, what it commits to, and what each billing month owes.

    committed   min ≤ committed ≤ max (no max: = min), in tokens or in USD a month, in multiples of the step
    C           committed · month's hours / 730, in a month in which the contract is in force
    bill        tokens: rate · max(used, C)            USD: max(used_usd, C)           at contract rates
                tiers:  tiers(max(used, C)), thresholds prorated by hours / 730
                overage price p: rate · C + p · max(0, used − C)   USD: C + p · max(0, used − C / rate)
    none        `overage: none`: used ≤ C

An offer carries nothing in a month without a contract. All-units bands may be bought up into: the bill is
the least over volumes of at least max(used, C).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from router.schema import Commitment, Offer, Tier
from router.verify.case import MONTH_H, Case, Future
from router.verify.cells import Clock
from router.verify.checks import RELATIVE, Ledger
from router.verify.flows import Flow
from router.verify.prices import rate_of, unit_usd
from router.verify.rows import Contract, PlanRows, Settlement

type BillKey = tuple[str, int, str | None]
"""Offer, month, scenario."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What an offer with a commitment owes for one month of one future, undiscounted."""

    signed: bool
    committed: float
    used_tokens: float
    used_usd: float
    usd: float
    utilisation: float | None


def in_tokens(commitment: Commitment) -> bool:
    """Whether the commitment is a volume; one that states neither is a volume of 0."""
    return commitment.min_usd_per_month is None and commitment.max_usd_per_month is None


def committed_of(row: Contract, commitment: Commitment) -> float:
    """What a contract commits to a month, in the commitment's own unit."""
    value = row.committed_tokens_per_month if in_tokens(commitment) else row.committed_usd_per_month
    return value if value is not None else 0.0


def least_of(commitment: Commitment) -> float:
    least = commitment.min_tokens_per_month if in_tokens(commitment) else commitment.min_usd_per_month
    return least or 0.0


def in_force(case: Case, plan: PlanRows) -> dict[tuple[str, int], float]:
    """Committed a month by offer and month. A contract already signed is due even if the plan forgets it."""
    found: dict[tuple[str, int], float] = {}
    for name, offer in case.offers.items():
        if offer.commitment is not None and offer.commitment.signed:
            for month in range(min(signed_end(case, offer.commitment), case.months)):
                found[name, month] = least_of(offer.commitment)
    planned: dict[tuple[str, int], float] = defaultdict(float)
    for row in plan.contracts:
        commitment = case.offers[row.offer].commitment
        if commitment is not None:
            for month in range(max(row.start_month, 0), min(row.end_month, case.months)):
                planned[row.offer, month] += committed_of(row, commitment)
    return {**found, **planned}


def signed_end(case: Case, commitment: Commitment) -> int:
    """First month no longer covered by a contract already signed: the first to start at or after its end."""
    if commitment.signed_until is None:
        return case.months
    clock = Clock(case.problem.horizon)
    until = commitment.signed_until
    if until.tzinfo is None:
        until = until.replace(tzinfo=clock.zone)
    hours = (until - clock.start) / timedelta(hours=1)
    return max(0, math.ceil(hours / MONTH_H - 1e-9))


def bills_of(case: Case, plan: PlanRows, flows: Iterable[Flow]) -> dict[BillKey, Bill]:
    """Every month's bill of every offer with a commitment, in every future."""
    used: dict[BillKey, list[tuple[float, float]]] = defaultdict(list)
    for flow in flows:
        if flow.offer.commitment is not None and flow.entry is not None:
            price = flow.future.price_of(flow.offer.name)
            usd = flow.units * unit_usd(flow.unit, flow.entry) * price
            key = (flow.offer.name, case.month_of[flow.row.period], flow.future.name)
            used[key].append((flow.tokens, usd))
    force = in_force(case, plan)
    bills = {}
    for name, offer in case.offers.items():
        if offer.commitment is None:
            continue
        for month in range(case.months):
            for future in case.futures:
                parts = used.get((name, month, future.name), [])
                tokens, usd = math.fsum(p[0] for p in parts), math.fsum(p[1] for p in parts)
                committed = force.get((name, month))
                bills[name, month, future.name] = _bill(case, offer, future, month, committed, tokens, usd)
    return bills


def _bill(
    case: Case, offer: Offer, future: Future, month: int, committed: float | None, tokens: float, usd: float
) -> Bill:
    commitment = offer.commitment
    assert commitment is not None  # the caller has looked
    part = case.month_h[month] / MONTH_H
    price = future.price_of(offer.name)
    due = (committed or 0.0) * part
    if commitment.tiers:
        usd = tiered_usd(commitment, tokens, part) * price
    owed = amount_owed(offer, due, tokens, usd, part, price)
    own = tokens if in_tokens(commitment) else usd
    return Bill(committed is not None, committed or 0.0, tokens, usd, owed, own / due if due > 0 else None)


def amount_owed(offer: Offer, due: float, tokens: float, usd: float, part: float, price: float) -> float:
    """The bill for `tokens` that are worth `usd` at contract rates, with `due` committed."""
    commitment = offer.commitment
    assert commitment is not None  # the caller has looked
    beyond = commitment.overage_usd_per_m
    if not in_tokens(commitment):
        if beyond is None:
            return max(usd, due)
        rate = rate_of(offer) * price
        volume = due / rate * 1e6 if rate > 0 else 0.0
        return due + beyond * price * max(0.0, tokens - volume) / 1e6
    if commitment.tiers:
        return tiered_usd(commitment, max(tokens, due), part) * price
    if beyond is not None:
        shortfall_rate = rate_of(offer) * price if due > 0 else 0.0
        return shortfall_rate * due / 1e6 + beyond * price * max(0.0, tokens - due) / 1e6
    return usd if tokens >= due else rate_of(offer) * price * due / 1e6


def tiered_usd(commitment: Commitment, tokens: float, part: float) -> float:
    """Price of a month's tokens by bands whose thresholds are prorated by `part`."""
    tiers = sorted(commitment.tiers, key=lambda tier: tier.from_tokens_per_month)
    return (_incremental if commitment.tier_kind == "incremental" else _all_units)(tiers, tokens, part)


def _incremental(tiers: Sequence[Tier], tokens: float, part: float) -> float:
    ends = [tier.from_tokens_per_month * part for tier in tiers[1:]] + [math.inf]
    return math.fsum(
        max(0.0, min(tokens, end) - tier.from_tokens_per_month * part) * tier.usd_per_m / 1e6
        for tier, end in zip(tiers, ends, strict=True)
    )


def _all_units(tiers: Sequence[Tier], tokens: float, part: float) -> float:
    if tokens <= 0:
        return 0.0
    return min(
        max(tokens, tier.from_tokens_per_month * part) * tier.usd_per_m / 1e6
        for tier, following in zip(tiers, [*tiers[1:], None], strict=True)
        if following is None or tokens < following.from_tokens_per_month * part
    )


def beyond_usd(case: Case, offer: Offer, row: Contract, future: Future) -> list[tuple[float, float]]:
    """What a term owes after the horizon: (hours to the month's start, USD), the rest of a cut month first.

    A contract without a term ends with the horizon, and so does one signed before that states no later end.
    """
    commitment = offer.commitment
    if commitment is None or commitment.term_months is None or row.end_month < case.months:
        return []
    if row.signed_by == "before" and row.end_month == case.months:
        return []
    committed, price = committed_of(row, commitment), future.price_of(offer.name)
    monthly = amount_owed(offer, committed, 0.0, 0.0, 1.0, price)
    last = case.months - 1
    rest = max(0.0, 1.0 - case.month_h[last] / MONTH_H)
    owed = [(case.horizon_h, monthly * rest)] if rest > 1e-12 else []
    owed += [(month * MONTH_H, monthly) for month in range(case.months, row.end_month)]
    return owed


def check_contracts(case: Case, plan: PlanRows, flows: Iterable[Flow], ledger: Ledger) -> None:
    """What is signed may be signed, what was signed is there, and nothing runs without a contract."""
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    kept: set[str] = set()
    for i, row in enumerate(plan.contracts):
        commitment = case.offers[row.offer].commitment
        at = (f"contracts[{i}]:", row.offer)
        if commitment is None:
            ledger.fault(*at, "has no commitment to sign")
            continue
        if any(row.start_month < end and start < row.end_month for start, end in spans[row.offer]):
            ledger.fault(*at, "overlaps another contract of the offer")
        spans[row.offer].append((row.start_month, row.end_month))
        fault = _term_fault(case, commitment, row)
        ledger.require(fault is None, *at, fault)
        _check_committed(commitment, row, at, ledger)
        if row.signed_by == "before":
            kept.add(row.offer)
    for name, offer in case.offers.items():
        if (
            offer.commitment is not None
            and offer.commitment.signed
            and signed_end(case, offer.commitment) > 0
        ):
            ledger.require(name in kept, name, "is signed already, but the plan does not list it")
    force = in_force(case, plan)
    for flow in flows:
        if flow.offer.commitment is not None and flow.units > 0:
            month = case.month_of[flow.row.period]
            ledger.require(
                (flow.offer.name, month) in force, flow.offer.name, "carries work unsigned in month", month
            )


def _term_fault(case: Case, commitment: Commitment, row: Contract) -> str | None:
    if row.signed_by not in ("plan", "before"):
        return f"signed_by {row.signed_by!r} is neither plan nor before"
    if row.signed_by == "before":
        end = signed_end(case, commitment)
        if not commitment.signed:
            return "is not signed before"
        right = row.end_month == end or (end >= case.months and row.end_month >= case.months)
        return None if row.start_month <= 0 and right else f"runs to month {row.end_month}, not {end}"
    if commitment.signed and row.start_month < signed_end(case, commitment):
        return "is signed already"
    if not 0 <= row.start_month < case.months:
        return f"starts in month {row.start_month}, outside the horizon"
    term = commitment.term_months
    if term is None:
        whole = row.start_month == 0 and row.end_month >= case.months
        return None if whole else "has no term, so it covers the whole horizon"
    if row.end_month != row.start_month + term:
        return f"runs from month {row.start_month} to {row.end_month}, its term is {term}"
    if term >= case.months and row.start_month != 0:
        return "covers the whole horizon, so it starts with it"
    return None


def _check_committed(commitment: Commitment, row: Contract, at: tuple[object, ...], ledger: Ledger) -> None:
    tokens = in_tokens(commitment)
    stated = row.committed_tokens_per_month if tokens else row.committed_usd_per_month
    if stated is None:
        ledger.fault(*at, "states no committed", "tokens" if tokens else "usd", "per month")
        return
    least = least_of(commitment)
    most = commitment.max_tokens_per_month if tokens else commitment.max_usd_per_month
    ledger.at_least(stated, least, *at, "committed per month")
    ledger.at_most(stated, least if most is None else most, *at, "committed per month")
    step = commitment.step_usd_per_month
    if step is not None and not tokens:
        steps = stated / step
        whole = abs(steps - round(steps)) <= RELATIVE * max(1.0, steps)
        ledger.require(whole, *at, f"committed {stated:.10g} is no multiple of {step:.10g}")


def check_overage(case: Case, bills: dict[BillKey, Bill], ledger: Ledger) -> None:
    """`overage: none`: no more is used than is committed."""
    for (name, month, scenario), bill in bills.items():
        commitment = case.offers[name].commitment
        if commitment is not None and commitment.overage == "none":
            due = bill.committed * case.month_h[month] / MONTH_H
            used = bill.used_tokens if in_tokens(commitment) else bill.used_usd
            ledger.at_most(used, due, name, "month", month, scenario, "use", slack=1e-6)


def check_settlements(case: Case, plan: PlanRows, bills: dict[BillKey, Bill], ledger: Ledger) -> None:
    """The plan's rows of `commitments` state our bills, and no signed month lacks its row."""
    rows: dict[BillKey, Settlement] = {}
    for i, row in enumerate(plan.commitments):
        key = (row.offer, row.month, case.future(row.scenario).name)
        if key not in bills:
            ledger.fault(f"commitments[{i}]:", row.offer, "has no commitment")
        elif key in rows:
            ledger.fault(f"commitments[{i}]:", *key, "is listed twice")
        else:
            rows[key] = row
            _check_settlement(case, row, bills[key], key, ledger)
    for key, bill in bills.items():
        if bill.signed:
            ledger.require(key in rows, *key, "is signed but has no row of commitments")
    _check_beyond(case, plan, rows, ledger)


def _check_settlement(case: Case, row: Settlement, bill: Bill, key: BillKey, ledger: Ledger) -> None:
    commitment = case.offers[row.offer].commitment
    assert commitment is not None  # it has a bill
    ledger.require(row.signed == bill.signed, *key, "signed is", row.signed)
    stated = row.committed_tokens_per_month if in_tokens(commitment) else row.committed_usd_per_month
    ledger.equal(stated or 0.0, bill.committed, *key, "committed per month")
    ledger.equal(row.used_tokens, bill.used_tokens, *key, "used_tokens")
    ledger.money(row.used_usd, bill.used_usd, *key, "used_usd")
    ledger.money(row.billed_usd, bill.usd, *key, "billed_usd")
    if bill.utilisation is None:
        ledger.require(not row.utilisation, *key, "states a utilisation of no commitment")
    elif row.utilisation is None:
        ledger.fault(*key, "states no utilisation")
    else:
        ledger.equal(row.utilisation, bill.utilisation, *key, "utilisation")


def _check_beyond(case: Case, plan: PlanRows, rows: dict[BillKey, Settlement], ledger: Ledger) -> None:
    """What terms owe beyond the horizon stands in the last month's row; the rows before say the same or 0."""
    for future in case.futures:
        owed: dict[str, float] = defaultdict(float)
        for contract in plan.contracts:
            offer = case.offers[contract.offer]
            owed[contract.offer] += math.fsum(usd for _, usd in beyond_usd(case, offer, contract, future))
        for (name, month, scenario), row in rows.items():
            if scenario == future.name and (month == case.months - 1 or row.beyond_horizon_usd != 0):
                ledger.money(
                    row.beyond_horizon_usd, owed[name], name, "month", month, scenario, "beyond_horizon_usd"
                )
