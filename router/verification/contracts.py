"""Contracts: what is signed may be signed, and the plan states what each month uses and owes.

committed   min ≤ committed ≤ max (no max: = min), in tokens or in USD a month, in multiples of the step
term        start + term_months; without one the whole horizon; signed before: until its end
routes      an offer with a commitment carries nothing in a month without a contract
none        `overage: none`: used ≤ committed · month's hours / 730
"""

from __future__ import annotations

from collections import defaultdict

from router.plan.rows import ContractRow, Settlement
from router.schema import Commitment
from router.verification.base.audit import Audit
from router.verification.base.bills import (
    Bill,
    BillKey,
    beyond_usd,
    committed_of,
    in_force,
    in_tokens,
    least_of,
    signed_end,
    signed_until_h,
)
from router.verification.base.case import MONTH_H, Case
from router.verification.base.ledger import RELATIVE, Ledger

SLACK_H = 1e-6


def check_contracts(audit: Audit, ledger: Ledger) -> None:
    """What is signed may be signed, what was signed is there, and nothing runs without a contract."""
    case = audit.case
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    signed_before: set[str] = set()
    for i, row in enumerate(audit.rows.contracts):
        commitment = case.commitments.get(row.offer)
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
            signed_before.add(row.offer)
    for name, commitment in case.commitments.items():
        if commitment.signed and signed_end(case, commitment) > 0:
            ledger.require(name in signed_before, name, "is signed already, but the plan does not list it")
    force = in_force(case, audit.rows)
    for flow in audit.flows:
        if flow.offer.commitment is not None and flow.units > 0:
            key = (flow.offer.name, case.month_of[flow.row.period])
            ledger.require(key in force, key[0], "carries work without a contract in month", key[1])


def _term_fault(case: Case, commitment: Commitment, row: ContractRow) -> str | None:
    term, from_h, until_h = commitment.term_months, row.from_h, row.until_h
    if row.signed_by == "before":
        if not commitment.signed:
            return "is not signed before"
        until = signed_until_h(case, commitment)
        month_end_h = signed_end(case, commitment) * MONTH_H  # which version 1 stated
        end_h = case.horizon_h if until is None else max(min(month_end_h, case.horizon_h), until)
        ends = (end_h, month_end_h)
        right = from_h == 0 and any(abs(until_h - end_h) <= SLACK_H for end_h in ends)
        return (
            None if right else f"runs from {from_h:.10g} h to {until_h:.10g} h, not from 0 to {ends[0]:.10g}"
        )
    if commitment.signed and row.start_month < signed_end(case, commitment):
        return "is signed already"
    begin_h = row.start_month * MONTH_H
    if not 0 <= row.start_month < case.months or abs(from_h - begin_h) > SLACK_H:
        return f"starts at {from_h:.10g} h, not with a month of the horizon"
    end_h = case.horizon_h if term is None else begin_h + term * MONTH_H
    if abs(until_h - end_h) > SLACK_H:
        return f"runs until {until_h:.10g} h, not {end_h:.10g}"
    if term is None:
        return None if row.start_month == 0 else "has no term, so it covers the whole horizon"
    first_only = commitment.start == "first" or (
        commitment.start is None and term * MONTH_H >= case.horizon_h
    )
    if first_only and row.start_month != 0:
        return "may only start with the horizon"
    return None


def _check_committed(
    commitment: Commitment, row: ContractRow, at: tuple[object, ...], ledger: Ledger
) -> None:
    tokens, stated = in_tokens(commitment), committed_of(row, commitment)
    if stated is None:
        ledger.fault(*at, "states no committed", "tokens" if tokens else "usd", "per month")
        return
    least = least_of(commitment)
    if row.signed_by == "before":  # bought already: its minimum says how much
        ledger.equal(stated, least, *at, "committed per month")
        return
    most = commitment.max_tokens_per_month if tokens else commitment.max_usd_per_month
    ledger.at_least(stated, least, *at, "committed per month")
    ledger.at_most(stated, least if most is None else most, *at, "committed per month")
    step = commitment.step_usd_per_month
    if step is not None and not tokens:
        steps = stated / step
        whole = abs(steps - round(steps)) <= RELATIVE * max(1.0, steps)
        ledger.require(whole, *at, f"committed {stated:.10g} is not a multiple of {step:.10g}")


def check_overage(audit: Audit, ledger: Ledger) -> None:
    """`overage: none`: no more is used than is committed."""
    for (name, month, scenario), bill in audit.bills.items():
        commitment = audit.case.commitments[name]
        if commitment.overage == "none":
            due = bill.committed * audit.case.month_h[month] / MONTH_H
            used = bill.used_tokens if in_tokens(commitment) else bill.used_usd
            ledger.at_most(used, due, name, "month", month, scenario, "use", slack=1e-6)


def check_settlements(audit: Audit, ledger: Ledger) -> None:
    """The plan's `settlements` state our bills, and no signed month lacks its row."""
    case, bills = audit.case, audit.bills
    rows: dict[BillKey, Settlement] = {}
    for i, row in enumerate(audit.rows.settlements):
        key = (row.offer, row.month, case.future(row.scenario).name)
        if key not in bills:
            ledger.fault(f"settlements[{i}]:", row.offer, "has no commitment")
        elif key in rows:
            ledger.fault(f"settlements[{i}]:", *key, "is listed twice")
        else:
            rows[key] = row
            _check_settlement(case, row, bills[key], key, ledger)
    for key, bill in bills.items():
        if bill.signed:
            ledger.require(key in rows, *key, "is signed but has no row of settlements")
    _check_beyond(audit, rows, ledger)


def _check_settlement(case: Case, row: Settlement, bill: Bill, key: BillKey, ledger: Ledger) -> None:
    commitment = case.commitments[row.offer]
    ledger.require(row.signed == bill.signed, *key, "signed is", row.signed)
    for stated, hour in zip((row.from_h, row.until_h), case.month_span_h(row.month), strict=True):
        ledger.equal(stated, hour, *key, "hours billed")
    ledger.equal(committed_of(row, commitment) or 0.0, bill.committed, *key, "committed per month")
    ledger.equal(row.used_tokens, bill.used_tokens, *key, "used_tokens")
    ledger.money(row.used_usd, bill.used_usd, *key, "used_usd")
    ledger.money(row.billed_usd, bill.usd, *key, "billed_usd")
    if bill.utilisation is None:
        ledger.require(not row.utilisation, *key, "states a utilisation of no commitment")
    elif row.utilisation is None:
        ledger.fault(*key, "states no utilisation")
    else:
        ledger.equal(row.utilisation, bill.utilisation, *key, "utilisation")


def _check_beyond(audit: Audit, rows: dict[BillKey, Settlement], ledger: Ledger) -> None:
    """What terms owe beyond the horizon stands in the last month's row; the rows before say the same or 0."""
    case = audit.case
    for future in case.futures:
        owed: dict[str, float] = defaultdict(float)
        for contract in audit.rows.contracts:
            offer = case.offers[contract.offer]
            owed[contract.offer] += beyond_usd(case, offer, contract, future)
        for (name, month, scenario), row in rows.items():
            if scenario == future.name and (month == case.months - 1 or row.beyond_horizon_usd != 0):
                ledger.money(
                    row.beyond_horizon_usd, owed[name], name, "month", month, scenario, "beyond_horizon_usd"
                )
