"""Contracts: what is signed may be signed, and the plan states what each span uses and owes.

committed   min ≤ committed ≤ max (no max: = min), in tokens or in USD a month, in multiples of the step; or a level
term        start + its length; without one the whole horizon; signed before: until its end
routes      an offer with a commitment carries nothing in a period without a contract
none        `overage: none`: used ≤ committed · months of the span
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.plan.rows import ContractRow, Settlement
from router.schema import Commitment
from router.verification.base.audit import Audit
from router.verification.base.bills import Bill, covered
from router.verification.base.case import MONTH_H, Case
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.base.spans import (
    begins_at,
    by_billing_month,
    length_h,
    signed_end_h,
    signed_term,
    stacked_terms,
    starts_h,
    term_h,
)
from router.verification.base.tariffs import (
    beyond_usd,
    committed_of,
    in_tokens,
    least_of,
    most_of,
    other_unit_of,
)
from router.verification.settled import settled_in

SLACK_H = 1e-6


def check_contracts(audit: Audit, ledger: Ledger) -> None:
    """What is signed may be signed, what was signed is there, and nothing runs without a contract."""
    case = audit.case
    terms: dict[str, list[tuple[float, float]]] = defaultdict(list)
    signed_before: set[str] = set()
    for i, row in enumerate(audit.rows.contracts):
        commitment = case.commitments.get(row.seller)
        at = (f"contracts[{i}]:", row.seller)
        if commitment is None:
            ledger.fault(*at, "has no commitment to sign")
            continue
        until_h = (
            math.ceil(row.until_h / MONTH_H - 1e-9) * MONTH_H if by_billing_month(commitment) else row.until_h
        )
        both = any(
            row.from_h < end - SLACK_H and start < until_h - SLACK_H for start, end in terms[row.seller]
        )
        if both and not commitment.stackable:
            ledger.fault(*at, "overlaps another contract of the offer")
        terms[row.seller].append((row.from_h, until_h))
        fault = _term_fault(case, commitment, row)
        ledger.require(fault is None, *at, fault)
        _check_committed(case, commitment, row, at, ledger)
        agreement = case.agreements.get(row.seller)
        hourly = None if agreement is None else agreement.usd_per_unit_h
        if hourly is None:
            ledger.require(row.committed_units is None, *at, "states units of what is not in units")
        else:
            units = (row.committed_usd_per_month or 0.0) / MONTH_H / hourly
            ledger.equal(row.committed_units or 0.0, units, *at, "committed_units")
        if row.signed_by == "before":
            signed_before.add(row.seller)
    for name, commitment in case.commitments.items():
        life = case.times.life(name)
        lives = life[0] < case.horizon_h and life[1] > 0
        if commitment.signed and signed_term(case, commitment) is not None and lives:
            ledger.require(name in signed_before, name, "is signed already, but the plan does not list it")
        if commitment.stackable:
            _check_sum(audit, name, commitment, ledger)
        if lives:
            _check_stacked(audit, name, commitment, ledger)
    force = covered(case, audit.rows)
    for flow in audit.flows:
        if flow.offer.commitment is not None and flow.units > 0:
            key = (flow.offer.name, flow.row.period)
            ledger.require(key in force, key[0], "carries work without a contract in period", key[1])
    for name, period, _ in audit.sums.used:
        ledger.require((name, period) in force, name, "carries work without a contract in period", period)


def _check_stacked(audit: Audit, name: str, commitment: Commitment, ledger: Ledger) -> None:
    """Terms in force that the file states, and no others, are listed as signed before."""
    closes = audit.case.times.life(name)[1]
    ours = [(min(term.until_h, closes), usd) for term, usd in stacked_terms(audit.case, commitment)]
    listed = [
        (row.until_h, committed_of(row, commitment) or 0.0)
        for row in audit.rows.contracts
        if row.seller == name and row.signed_by == "before"
    ]
    for until_h, usd in ours:
        same = [
            row
            for row in listed
            if abs(row[0] - until_h) <= SLACK_H and abs(row[1] - usd) <= RELATIVE * max(usd, 1.0)
        ]
        ledger.require(bool(same), name, f"is in force until {until_h:.10g} h, but the plan does not list it")
        if same:
            listed.remove(same[0])
    if commitment.in_force:
        ledger.require(
            len(listed) <= int(commitment.signed), name, "lists more as signed before than is in force"
        )


def _check_sum(audit: Audit, name: str, commitment: Commitment, ledger: Ledger) -> None:
    """Of what adds up, the maximum is of all that is in force."""
    most = most_of(commitment)
    rows = [row for row in audit.rows.contracts if row.seller == name]
    before = math.fsum(committed_of(row, commitment) or 0.0 for row in rows if row.signed_by == "before")
    for now in rows:
        together = [row for row in rows if row.from_h <= now.from_h < row.until_h - SLACK_H]
        amount = math.fsum(committed_of(row, commitment) or 0.0 for row in together)
        if most is not None:
            ledger.at_most(amount, max(most, before), name, "in force from hour", now.from_h)


def _is_stacked(case: Case, commitment: Commitment, row: ContractRow) -> bool:
    """Whether a row signed before is one of the terms in force that the file states."""
    closes, usd = case.times.life(row.seller)[1], committed_of(row, commitment) or 0.0
    return any(
        abs(min(term.until_h, closes) - row.until_h) <= SLACK_H and abs(own - usd) <= RELATIVE * max(own, 1.0)
        for term, own in stacked_terms(case, commitment)
    )


def _term_fault(case: Case, commitment: Commitment, row: ContractRow) -> str | None:
    length, from_h, until_h = term_h(commitment), row.from_h, row.until_h
    before = signed_term(case, commitment) if commitment.signed else None
    if row.signed_by == "before":
        if from_h == 0 and _is_stacked(case, commitment, row):
            return None
        if before is None:
            return "is not signed before"
        stated, closes = signed_end_h(case, commitment), case.times.life(row.seller)[1]
        ends = [case.horizon_h if stated is None else stated]
        if by_billing_month(commitment) and stated is not None:
            ends = [
                max(min(before.until_h, case.horizon_h), stated),
                before.until_h,
            ]  # version 1 stated the latter
        ends = [min(end, closes) for end in ends]
        right = from_h == 0 and any(abs(until_h - end_h) <= SLACK_H for end_h in ends)
        return (
            None if right else f"runs from {from_h:.10g} h to {until_h:.10g} h, not from 0 to {ends[0]:.10g}"
        )
    if before is not None and not commitment.stackable and from_h < before.until_h - SLACK_H:
        return "is signed already"
    starts = starts_h(case, commitment)
    if not begins_at(starts, from_h):
        if from_h >= case.horizon_h or from_h < 0 or len(starts) > 1:
            return f"starts at {from_h:.10g} h, when no term may begin"
        if length is None:
            return "has no term, so it covers the whole horizon"
        return "may only start with the horizon"
    end_h = min(case.horizon_h if length is None else from_h + length, case.times.life(row.seller)[1])
    return None if abs(until_h - end_h) <= SLACK_H else f"runs until {until_h:.10g} h, not {end_h:.10g}"


def _check_unit(
    commitment: Commitment, row: ContractRow | Settlement, at: tuple[object, ...], ledger: Ledger
) -> None:
    field = "committed_usd_per_month" if in_tokens(commitment) else "committed_tokens_per_month"
    ledger.require(other_unit_of(row, commitment) is None, *at, field, "is of the other unit")


def _check_committed(
    case: Case, commitment: Commitment, row: ContractRow, at: tuple[object, ...], ledger: Ledger
) -> None:
    tokens, stated = in_tokens(commitment), committed_of(row, commitment)
    _check_unit(commitment, row, at, ledger)
    if stated is None:
        ledger.fault(*at, "states no committed", "tokens" if tokens else "usd", "per month")
        return
    if commitment.levels:
        amounts = [
            (level.usd * MONTH_H / length_h(commitment), level.discount) for level in commitment.levels
        ]
        found = any(
            abs(stated - usd) <= RELATIVE * max(usd, 1.0) and abs((row.discount or 0.0) - off) <= RELATIVE
            for usd, off in amounts
        )
        ledger.require(found, *at, f"committed {stated:.10g} at {row.discount} is none of its levels")
        return
    ledger.require(row.discount is None, *at, "states a discount of no level")
    least = least_of(commitment)
    if row.signed_by == "before" and _is_stacked(case, commitment, row):
        return
    if row.signed_by == "before":  # bought already: its minimum says how much
        ledger.equal(stated, least, *at, "committed per month")
        return
    most = most_of(commitment)
    ledger.at_least(stated, least, *at, "committed per month")
    ledger.at_most(stated, least if most is None else most, *at, "committed per month")
    step = commitment.per_month("step_usd")
    if step is not None and not tokens:
        steps = stated / step
        whole = abs(steps - round(steps)) <= RELATIVE * max(1.0, steps)
        ledger.require(whole, *at, f"committed {stated:.10g} is not a multiple of {step:.10g}")


def check_overage(audit: Audit, ledger: Ledger) -> None:
    """`overage: none`: no more is used than is committed."""
    for (name, span, scenario), bill in audit.bills.items():
        if audit.case.commitments[name].overage == "none":
            ledger.at_most(
                bill.beyond,
                0.0,
                name,
                "span",
                span,
                scenario,
                "use above the commitment",
                slack=1e-6 + RELATIVE * bill.due,
            )


def check_settlements(audit: Audit, ledger: Ledger) -> None:
    """The plan's `settlements` state our bills, and no signed span lacks its row."""
    case, bills = audit.case, settled_in(audit.case, audit.bills)
    rows: dict[tuple[str, float, str | None], Settlement] = {}
    spans: dict[tuple[str, str | None], list[tuple[str, float, str | None]]] = defaultdict(list)
    for key in bills:
        spans[key[0], key[2]].append(key)
    for i, row in enumerate(audit.rows.settlements):
        future = case.future(row.scenario).name
        if row.seller not in case.commitments:
            ledger.fault(f"settlements[{i}]:", row.seller, "has no commitment")
            continue
        near = [key for key in spans[row.seller, future] if abs(key[1] - row.from_h) <= SLACK_H]
        if not near:
            ledger.fault(f"settlements[{i}]:", row.seller, "settles no span from", row.from_h, "h")
        elif near[0] in rows:
            ledger.fault(f"settlements[{i}]:", *near[0], "is listed twice")
        else:
            rows[near[0]] = row
            _check_settlement(case, row, bills[near[0]], near[0], ledger)
    for key in bills:
        ledger.require(key in rows, *key, "is signed but has no row of settlements")
    _check_beyond(audit, rows, bills, ledger)


def _check_settlement(
    case: Case, row: Settlement, bill: Bill, key: tuple[str, float, str | None], ledger: Ledger
) -> None:
    commitment = case.commitments[row.seller]
    ledger.require(row.signed, *key, "signed is", row.signed)
    ledger.equal(row.until_h, bill.end * case.period_h, *key, "hours billed")
    ledger.equal(committed_of(row, commitment) or 0.0, bill.committed, *key, "committed per month")
    _check_unit(commitment, row, key, ledger)
    ledger.equal(row.used_tokens, bill.used_tokens, *key, "used_tokens")
    ledger.money(row.used_usd, bill.used_usd, *key, "used_usd")
    ledger.money(row.billed_usd, bill.usd, *key, "billed_usd")
    if row.rolled_usd is not None:
        ledger.money(row.rolled_usd, bill.rolled_usd, *key, "rolled_usd")
    if row.unused_usd is not None:
        ledger.money(row.unused_usd, bill.unused_usd, *key, "unused_usd")
    if row.spans is not None:
        ledger.require(row.spans == bill.spans, *key, "spans are", bill.spans)
        ledger.require(row.spans_short == bill.short, *key, "spans_short are", bill.short)
    _check_so_far(case, row, bill, key, ledger)
    if bill.utilisation is None:
        ledger.require(not row.utilisation, *key, "states a utilisation of no commitment")
    elif row.utilisation is None:
        ledger.fault(*key, "states no utilisation")
    else:
        ledger.equal(row.utilisation, bill.utilisation, *key, "utilisation")


def _check_so_far(
    case: Case, row: Settlement, bill: Bill, key: tuple[str, float, str | None], ledger: Ledger
) -> None:
    """Where the contract stands at the end of the horizon: in its span, or at the start of the next."""
    stands = row.so_far
    if stands is None:
        return
    ledger.require(bill.end == case.periods, *key, "states where it stands before the end")
    cut = bill.end_h > case.horizon_h + SLACK_H
    since_h, left = (bill.begin_h, bill.left) if cut else (case.horizon_h, bill.left_after)
    ledger.equal(stands.since_h, since_h, *key, "so_far.since_h")
    ledger.equal(stands.used, bill.counted if cut else 0.0, *key, "so_far.used")
    ledger.money(stands.counted_usd or 0.0, bill.counted_usd if cut else 0.0, *key, "so_far.counted_usd")
    ledger.equal(math.fsum(stands.unused), math.fsum(left), *key, "so_far.unused")
    for stated, ours in zip(reversed(stands.unused), reversed(left), strict=False):
        ledger.equal(stated, ours, *key, "so_far.unused")


def _check_beyond(
    audit: Audit,
    rows: dict[tuple[str, float, str | None], Settlement],
    bills: dict[tuple[str, float, str | None], Bill],
    ledger: Ledger,
) -> None:
    """What terms owe beyond the horizon stands in the row of the last period; the rows before say 0, or what those owe
    that are in force at some moment of theirs, whichever is most."""
    case = audit.case
    rows_of: dict[str | None, list[tuple[tuple[str, float, str | None], Settlement]]] = defaultdict(list)
    for key, row in rows.items():
        rows_of[key[2]].append((key, row))
    for future in case.futures:
        owed: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        for contract in audit.rows.contracts:
            usd = beyond_usd(case, case.sellers[contract.seller], contract, future)
            owed[contract.seller].append((contract.from_h, contract.until_h, usd))
        for key, row in rows_of[future.name]:
            if bills[key].end == case.periods or row.beyond_horizon_usd != 0:
                terms = owed[key[0]]
                moments = {
                    row.from_h,
                    *(from_h for from_h, _, _ in terms if row.from_h < from_h < row.until_h),
                }
                most = max(
                    math.fsum(usd for from_h, until_h, usd in terms if from_h <= moment + SLACK_H < until_h)
                    for moment in moments
                )
                ledger.money(row.beyond_horizon_usd, most, *key, "beyond_horizon_usd")
