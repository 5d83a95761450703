"""Contracts and agreements that a new horizon begins with: what was signed stays signed, and settles where it stands.

Signed by an earlier plan: in force until its end, at the volume it was signed for. Signed in the file: as the file
says; where it stands is carried as long as the file says the same as the one before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isclose

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH
from router.errors import InputError, Issue
from router.plan.document import Plan
from router.plan.rows import ContractRow, StandsAt
from router.plan.running import SunkContract
from router.reoptimisation.alignment import SLACK_H, Alignment
from router.reoptimisation.standing import Uses, months_stand, standing
from router.schema import Commitment, CommitmentLevel, Problem, SoFar, TermInForce
from router.schema.commitments import PER_SPAN
from router.verification.sofar import counted_by

AS_PRINTED = 1e-3  # amounts that someone has copied from a plan


def commitments_of(problem: Problem) -> dict[str, Commitment]:
    """By offer, or agreement."""
    return {offer.name: offer.commitment for offer in problem.sellers if offer.commitment is not None}


def sunk(plan: Plan, align: Alignment, uses: Uses) -> tuple[SunkContract, ...]:
    """Contracts in force at the new start: those that an earlier plan signed, and where those of the file stand."""
    ours = commitments_of(align.new)
    earlier = {} if plan.running is None else {row.seller: row.end_h for row in plan.running.contracts}
    contracts = []

    def month_began(seller: str) -> float:
        """When the month began that terms which add up share: one that is over since then still counts in it."""
        if not ours[seller].shares_months:
            return 0.0
        stands = months_stand(plan, align, seller, ours[seller], uses)
        return 0.0 if stands is None else stands.since_h

    for row in plan.contracts:
        commitment = ours.get(row.seller)
        if commitment is None or row.from_h > align.shift_h + SLACK_H:
            continue
        if commitment.stackable:  # those signed before are the file's, or carried below
            end = None if row.signed_by == "before" else row.until_h
        elif commitment.signed:
            end = _end_in_file(row, align, commitment, uses)
        else:  # one that the file of that time called signed was its own
            end = earlier.get(row.seller) if row.signed_by == "before" else row.until_h
        if (
            end is None
            or end - align.shift_h <= (month_began(row.seller) if commitment.stackable else 0.0) + SLACK_H
        ):
            continue
        stands = None if commitment.stackable else standing(plan, align, commitment, row, uses)
        if stands is not None or commitment.stackable or not commitment.signed or commitment.by_period:
            contracts.append(
                SunkContract(
                    offer=row.offer,
                    end_h=end - align.shift_h,
                    committed_tokens_per_month=row.committed_tokens_per_month,
                    committed_usd_per_month=row.committed_usd_per_month,
                    discount=row.discount,
                    so_far=stands,
                    agreement=row.agreement,
                )
            )
    for known in () if plan.running is None else plan.running.contracts:
        own = ours.get(known.seller)
        sold = (known.committed_usd_per_month, known.committed_tokens_per_month) != (None, None)
        still = known.end_h - align.shift_h > month_began(known.seller) + SLACK_H
        if own is not None and own.stackable and sold and still:
            contracts.append(replace(known, end_h=known.end_h - align.shift_h))
    contracts = list(_not_restated(contracts, align, uses))
    contracts = [
        *_in_months(contracts, plan, align, uses),
        *_months_of_the_file(contracts, plan, align, uses),
    ]
    return tuple(_with_counted(contracts, plan, align, uses))


def _with_counted(
    contracts: list[SunkContract], plan: Plan, align: Alignment, uses: Uses
) -> Iterator[SunkContract]:
    """With what counts of what was billed elsewhere in the spans that run."""
    counting = {agreement.name for agreement in align.new.commitments if agreement.counts}
    begun = [row for row in contracts if row.agreement in counting and row.so_far is not None]
    if not begun:
        yield from contracts
        return
    if uses.problem is None:
        rule = "counts what is billed elsewhere, and what was billed under the running plan is not known"
        raise InputError([Issue(("commitments",), rule, hint="state it as signed, with so_far.counted_usd")])
    counted = counted_by(uses.problem, plan, align.shift_h)
    for row in contracts:
        if row in begun and row.so_far is not None:
            yield replace(row, so_far=replace(row.so_far, counted_usd=counted.get(row.seller, 0.0)))
        else:
            yield row


def _in_months(
    contracts: list[SunkContract], plan: Plan, align: Alignment, uses: Uses
) -> Iterator[SunkContract]:
    """With where the months stand that terms of stackable contracts share."""
    ours = commitments_of(align.new)
    before = {} if uses.problem is None else commitments_of(uses.problem)
    stands: dict[str, StandsAt | None] = {}
    for name in dict.fromkeys(row.seller for row in contracts if ours[row.seller].shares_months):
        said, was = ours[name].so_far, before.get(name)
        if said is not None and (was is None or was.so_far != said):  # from the bill
            stands[name] = StandsAt(
                align.clock.hour(said.since), said.used_usd or said.used_tokens or 0.0, ()
            )
        else:
            stands[name] = months_stand(plan, align, name, ours[name], uses)
    for row in contracts:
        yield replace(row, so_far=stands[row.seller]) if row.seller in stands else row


def _months_of_the_file(
    contracts: list[SunkContract], plan: Plan, align: Alignment, uses: Uses
) -> Iterator[SunkContract]:
    """Where those months stand of what the file alone has in force, as long as it says the same: no term is signed."""
    before = {} if uses.problem is None else commitments_of(uses.problem)
    agreed = {agreement.name for agreement in align.new.commitments}
    for name, commitment in commitments_of(align.new).items():
        ends = [align.clock.hour(term.until) for term in commitment.in_force]
        until = commitment.signed_until
        if commitment.signed:
            ends.append(align.new.horizon.hours if until is None else align.clock.hour(until))
        carried = any(row.seller == name for row in contracts)
        if not commitment.shares_months or not ends or carried or before.get(name) != commitment:
            continue
        stands = months_stand(plan, align, name, commitment, uses)
        if max(ends) > (0.0 if stands is None else stands.since_h) + SLACK_H:
            offer, agreement = (None, name) if name in agreed else (name, None)
            yield SunkContract(offer, max(ends), None, None, so_far=stands, agreement=agreement)


def _not_restated(contracts: list[SunkContract], align: Alignment, uses: Uses) -> Iterator[SunkContract]:
    """Without terms of stackable contracts that the file states by now: their end and amount say which they are."""
    ours = commitments_of(align.new)
    stated = {name: _newly_stated(name, terms, uses) for name, terms in ours.items()}
    for row in contracts:
        amount = _amount_a_span(row, ours[row.seller])
        same = [
            term
            for term in stated[row.seller]
            if abs(align.clock.hour(term.until) - row.end_h) <= SLACK_H
            and isclose(term.amount, amount, rel_tol=AS_PRINTED)
        ]
        if same:
            stated[row.seller].remove(same[0])
        else:
            yield row


def _newly_stated(name: str, commitment: Commitment, uses: Uses) -> list[TermInForce]:
    """Terms in force that the running plan's file did not state."""
    before = None if uses.problem is None else commitments_of(uses.problem).get(name)
    terms = list(commitment.in_force)
    for term in () if before is None else before.in_force:
        if term in terms:
            terms.remove(term)
    return terms


def _amount_a_span(row: SunkContract, commitment: Commitment) -> float:
    """What a term commits to, in its own unit."""
    tokens, usd = row.committed_tokens_per_month, row.committed_usd_per_month
    return ((usd if tokens is None else tokens) or 0.0) * commitment.span_h / HOURS_PER_MONTH


def notes_on(contracts: tuple[SunkContract, ...], align: Alignment, uses: Uses) -> Iterator[str]:
    """What is assumed of where contracts stand."""
    if align.shift_h > align.old.horizon.hours + SLACK_H:
        for row in contracts:
            if row.so_far is not None and row.so_far.used > 0:
                yield (
                    f"where {row.seller} stands counts the running plan's last day over again after the end of its "
                    "horizon; signed: true with so_far, from the bill, says it exactly"
                )
    carried, before = {row.seller for row in contracts}, uses.problem
    was = {} if before is None else commitments_of(before)
    for name, commitment in commitments_of(align.new).items():
        if commitment.stackable and _newly_stated(name, commitment, uses):
            yield (
                f"{name} states terms in force that the running plan's file did not: they add to those that the plan "
                "signed, but for any with the same end and amount"
            )
        moved = align.shift_h > SLACK_H and not commitment.by_billing_month
        if commitment.signed and moved and name not in carried and was.get(name) != commitment:
            yield f"{name} is signed in the file, which has changed: it stands where the file says, now"
        elif commitment.signed and moved and name not in carried and _is_unknown(commitment, align):
            yield f"{name} is signed in the file without so_far: what it has used of the span that runs is not known"


def _is_unknown(commitment: Commitment, align: Alignment) -> bool:
    """Whether a contract that the file signs runs on, and nothing says what it has used."""
    until = commitment.signed_until
    runs = until is None or align.clock.hour(until) > SLACK_H
    return runs and commitment.so_far is None and not (commitment.stackable or commitment.by_period)


def _end_in_file(row: ContractRow, align: Alignment, commitment: Commitment, uses: Uses) -> float | None:
    """When a contract that the file signs ends, on the running plan's clock; None where the file says something new."""
    before = commitments_of(uses.problem).get(row.seller) if uses.problem is not None else None
    if before != commitment or row.signed_by != "before" or commitment.stackable:
        return None
    lasts = commitment.signed_until is None and commitment.term_hours is None
    return align.shift_h + align.new.horizon.hours if lasts else row.until_h


def with_sunk(problem: Problem, contracts: tuple[SunkContract, ...]) -> Problem:
    """The problem in which earlier contracts are signed, at the volume they were signed for, until their end."""
    by_seller: dict[str, tuple[SunkContract, ...]] = {}
    for row in contracts:
        by_seller[row.seller] = (*by_seller.get(row.seller, ()), row)
    offers = tuple(
        offer.model_copy(update={"commitment": _all_signed(problem, offer.commitment, by_seller[offer.name])})
        if offer.commitment is not None and offer.name in by_seller
        else offer
        for offer in problem.offers
    )
    agreements = tuple(
        agreement.on(_all_signed(problem, agreement.terms, by_seller[agreement.name]))
        if agreement.name in by_seller
        else agreement
        for agreement in problem.commitments
    )
    return problem.model_copy(update={"offers": offers, "commitments": agreements})


def _all_signed(problem: Problem, commitment: Commitment, rows: tuple[SunkContract, ...]) -> Commitment:
    """Terms that add up are in force beside those of the file; of any other contract there is one."""
    if not commitment.stackable:
        return _signed(problem, commitment, rows[0])
    clock = problem.horizon.clock
    stacked = tuple(
        TermInForce(until=clock.local(row.end_h), **{unit: _amount_a_span(row, commitment)})
        for row in rows
        for unit, stated in (("usd", row.committed_usd_per_month), ("tokens", row.committed_tokens_per_month))
        if stated is not None
    )
    terms: dict[str, object] = {"in_force": (*commitment.in_force, *stacked)}
    if commitment.shares_months:
        stands = rows[0].so_far
        terms["so_far"] = None if stands is None else _so_far(problem, commitment, stands, rows[0])
    return commitment.model_copy(update=terms)


def _signed(problem: Problem, commitment: Commitment, row: SunkContract) -> Commitment:
    stands = None if row.so_far is None else _so_far(problem, commitment, row.so_far, row)
    end = problem.horizon.clock.local(row.end_h)
    if commitment.signed:
        until = commitment.signed_until
        until = end if until is None and commitment.term_hours is not None else until
        return commitment.model_copy(update={"so_far": stands, "signed_until": until})
    months = np.ceil(row.end_h / HOURS_PER_MONTH - 1e-9)
    lasts = commitment.term_hours is None and months * HOURS_PER_MONTH >= problem.horizon.hours
    ramped = bool(commitment.ramp)
    amounts = dict.fromkeys(PER_SPAN) | {f"{name}_per_month": None for name in PER_SPAN}
    if not ramped and not commitment.levels:
        amounts["min_tokens_per_month"] = row.committed_tokens_per_month
        amounts["min_usd_per_month"] = row.committed_usd_per_month
    level = row.committed_usd_per_month, row.discount
    return commitment.model_copy(
        update={
            **amounts,
            "signed": True,
            "signed_until": None if lasts else problem.horizon.clock.local(row.end_h),
            "settled": None if commitment.by_billing_month else commitment.settled or "month",
            "levels": tuple(_level(commitment, *level) for _ in commitment.levels[:1]),
            "so_far": stands,
        }
    )


def _level(commitment: Commitment, per_month: float | None, discount: float | None) -> CommitmentLevel:
    return CommitmentLevel(
        usd=(per_month or 0.0) * commitment.span_h / HOURS_PER_MONTH, discount=discount or 0.0
    )


def _so_far(problem: Problem, commitment: Commitment, stands: StandsAt, row: SunkContract) -> SoFar:
    counted = commitment.counts_tokens or row.committed_tokens_per_month is not None
    return SoFar(
        since=problem.horizon.clock.local(stands.since_h),
        used_usd=None if counted else stands.used,
        used_tokens=stands.used if counted else None,
        unused_usd=() if counted else stands.unused,
        unused_tokens=stands.unused if counted else (),
        counted_usd=stands.counted_usd,
    )
