"""Agreements: what is used of several offers is paid to them, or billed against what is committed.

covered(agreement,offer,t)   USD billed under the agreement
own_use(offer,t)             own units of use that an offer's own commitment bills: tokens, or USD at contract rates
at_list(offer,t)             USD of use that is paid at the offer's own prices, tokens and rented instances together

at_list + Σ covered / (1 − discount) ≥ Σ usd · flow + Σ h · usd_per_h · paid        per offer of an agreement and period
own_use + Σ covered / (1 − discount) + free_of ≥ Σ own · flow                       of tokens: over their price
Σ covered ≤ committed                                                               with the bills
billed ≥ committed − Σ share · billed elsewhere                                     where bills of others count
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.verification.base.case import Case, Future
from router.verification.base.spans import bill_name
from router.verification.base.tariffs import (
    billed_part,
    bills_dollars,
    in_tokens,
    mean_of,
    tokens_bought,
)
from router.verification.bound.allowances import dearest_tokens, free_name, free_of_name
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.renting import RentedPool
from router.verification.bound.serving import PossibleFlow
from router.verification.bound.terms import SpanToBill, spans_to_bill, terms_of


def add_coverage(
    model: RelaxedProblem,
    case: Case,
    flows: list[PossibleFlow],
    pools: list[RentedPool],
    future: Future,
) -> None:
    """In place of what flows and instances of covered offers cost: what is left of it at the offers' prices."""
    covering: dict[tuple[str, int], Terms] = defaultdict(list)
    for name, agreement in case.agreements.items():
        for t, committed in _most(model, case, name).items():
            for offer in agreement.offers:
                left = billed_part(case, agreement, offer, future, t)
                most = committed if agreement.overage == "list" else math.inf
                covered = model.variable(covered_name(name, offer, t), most)
                covering[offer, t].append((covered, 1.0 / left))
    used: dict[tuple[str, int], Terms] = defaultdict(list)
    own: dict[tuple[str, int], Terms] = defaultdict(list)
    for flow in flows:
        if (flow.offer.name, flow.period) in covering:
            of = used if flow.offer.commitment is None else own
            of[flow.offer.name, flow.period].append((flow.charged, flow.usd))
    for pool in pools:
        if pool.instances.term_hours is None:
            seller = case.halves.get(pool.offer, pool.offer)
            for t, paid in enumerate(pool.paid):
                if (seller, t) in covering:
                    usd = case.rent(pool.offer, t) * future.price_of(pool.offer)
                    used[seller, t].append((paid, usd))
    for (offer, t), covered_by in covering.items():
        weight = case.period_weight[t]
        for name, usd in used[offer, t]:  # what a row holds at 0 costs nothing by itself
            variable = model.variables[name]
            variable.usd = max(variable.usd - usd * weight, 0.0)
        paid_to_it = model.variable(f"at_list({offer},{t})", usd=weight)
        every = [*used[offer, t], *own[offer, t]]
        all_used = math.fsum(usd * model.variables[name].upper for name, usd in every)
        for name, per_usd in covered_by:  # what is covered is used
            variable = model.variables[name]
            variable.upper = min(variable.upper, all_used / per_usd * (1 + 1e-9))
        minus = [(name, -usd) for name, usd in used[offer, t]]
        model.constraint(f"agreements({offer},{t})", [(paid_to_it, 1.0), *covered_by, *minus], lower=0.0)


def own_use_name(offer: str, period: int) -> str:
    """What is left of an offer's use of tokens and requests for its own commitment."""
    return f"own_use({offer},{period})"


def add_own_use(model: RelaxedProblem, case: Case, flows: list[PossibleFlow], future: Future) -> None:
    """A row per offer with a commitment and period in which somebody else may pay."""
    own: dict[tuple[str, int], Terms] = defaultdict(list)
    for flow in flows:
        commitment = flow.offer.commitment
        if commitment is not None and not commitment.tiers:
            amount = flow.usd if bills_dollars(commitment) else flow.tokens
            own[flow.offer.name, flow.period].append((flow.charged, -amount))
    for (offer, t), minus in own.items():
        taken = taken_in(model, case, offer, t, future)
        if taken:
            in_dollars = bills_dollars(case.commitments[offer])
            less = [(name, usd if in_dollars else tokens) for name, usd, tokens in taken]
            most = math.fsum(-amount * model.variables[name].upper for name, amount in minus)
            left = model.variable(own_use_name(offer, t), most * (1 + 1e-9))
            model.constraint(f"agreements({left})", [(left, 1.0), *less, *minus], lower=0.0)


def taken_in(
    model: RelaxedProblem, case: Case, offer: str, period: int, future: Future
) -> list[tuple[str, float, float]]:
    """(variable, USD at list, tokens at their one price) of what may be paid otherwise."""
    names = [
        (covered_name(name, offer, period), 1.0 / billed_part(case, agreement, offer, future, period))
        for name, agreement in case.agreements.items()
        if offer in agreement.offers and not agreement.in_units
    ]
    names.append((free_of_name(offer, period), 1.0))
    price = future.price_of(offer)
    return [
        (name, usd, tokens_bought(case, offer, period, usd / price))
        for name, usd in names
        if name in model.variables
    ]


def covered_name(agreement: str, offer: str, period: int) -> str:
    """What the agreement bills of an offer's use in a period."""
    return f"covered({agreement},{offer},{period})"


def _most(model: RelaxedProblem, case: Case, agreement: str) -> dict[int, float]:
    """By period in which a term could be in force: all that could be committed in its span, or be left for it.

    Before the discounts of levels and bands: of these the highest could hold for all of it.
    """
    commitment, terms = case.commitments[agreement], terms_of(case, agreement)
    spans = spans_to_bill(case, commitment, terms)
    rate = min((term.rate for term in terms), default=1.0)
    rate *= 1.0 - max((band.discount for band in commitment.discount_tiers), default=0.0)
    uppers = [
        math.fsum(model.variables[f"committed({agreement},{label})"].upper * due for label, due in span.due)
        for span in spans
    ]
    stands = commitment.so_far
    left = 0.0 if stands is None else math.fsum(stands.unused_usd)
    most: dict[int, float] = defaultdict(float)
    for n, span in enumerate(spans):
        kept = uppers[max(0, n - commitment.rollover_spans) : n] if commitment.rollover_spans else []
        upper = math.fsum([uppers[n], left, *kept])
        for t in range(span.first, span.end):
            most[t] = max(most[t], upper / rate * (1 + 1e-9))
    return most


def add_counted(
    model: RelaxedProblem, case: Case, flows: list[PossibleFlow], pools: list[RentedPool], future: Future
) -> None:
    """What is billed elsewhere counts towards the minimum of a span, in the constraint that the bills made of it."""
    for name, agreement in case.agreements.items():
        commitment = case.commitments[name]
        spans = spans_to_bill(case, commitment, terms_of(case, name)) if agreement.counts else []
        for n, span in enumerate(spans):
            at = f"commitments({name},minimum,{bill_name(commitment, n)})"
            counted: dict[str, float] = defaultdict(float)
            for other, share in agreement.counts.items():
                for variable, usd in _billed_in(
                    model, case, other, (span.first, span.end), flows, pools, future
                ):
                    counted[variable] += usd * share
            known, stands = model.constraints.pop(at), commitment.so_far
            before = 0.0 if stands is None or span.first > 0 else stands.counted_usd or 0.0
            model.constraint(at, [*known.terms, *counted.items()], lower=known.lower - before)


def _most_of_unit(case: Case, offer: str, future: Future, periods: tuple[int, int], before: float) -> float:
    """The most USD that what is committed may be billed at, of an own unit."""
    commitment, price = case.commitments[offer], future.price_of(offer)
    if not in_tokens(commitment) or bills_dollars(commitment):
        return 1.0
    mean = mean_of(case, offer, *periods, before)  # with tiers the factor on their rates
    rate = max((tier.usd_per_m for tier in commitment.tiers), default=1.0)
    return mean * rate * price / 1e6


def _part_in(case: Case, seller: str, span: SpanToBill, periods: tuple[int, int]) -> float | None:
    """The part of a span's hours that lies in some periods; None: nothing of it does."""
    hours = [(t, case.times.due(seller, *case.span(t))) for t in range(span.first, span.end)]
    inside = math.fsum(each for t, each in hours if periods[0] <= t < periods[1])
    begins_there = periods[0] <= span.first < periods[1]
    if case.commitments[seller].stackable:
        return 1.0 if begins_there else None
    if begins_there and span.end <= periods[1]:
        return 1.0
    return inside / math.fsum(each for _, each in hours) if inside > 0 else None


def _billed_in(
    model: RelaxedProblem,
    case: Case,
    other: str,
    periods: tuple[int, int],
    flows: list[PossibleFlow],
    pools: list[RentedPool],
    future: Future,
) -> Terms:
    """USD billed under an agreement in spans that begin in some periods, or by an offer what nobody covers."""
    first, end = periods
    if other in case.agreements:
        billed: Terms = []
        for n, span in enumerate(spans_to_bill(case, case.commitments[other], terms_of(case, other))):
            part = _part_in(case, other, span, periods)
            if part is None:
                continue
            if part < 1:  # no more than is used there, and than is due by the hours
                offers, there = (
                    case.agreements[other].offers,
                    range(max(first, span.first), min(end, span.end)),
                )
                names = [covered_name(other, offer, t) for t in there for offer in offers]
                billed += [(name, 1.0) for name in names if name in model.variables]
                billed += [
                    (f"committed({other},{label})", (due - span.due_before.get(label, 0.0)) * part)
                    for label, due in span.due
                ]
                continue
            if f"billed({other},{n})" in model.variables:
                billed.append((f"billed({other},{n})", 1.0))
            else:
                billed += [(f"over({other},{n})", 1.0)] if f"over({other},{n})" in model.variables else []
                billed += [(f"committed({other},{label})", due) for label, due in span.due]
        return billed
    spent: Terms = []
    commitment = case.commitments.get(other)
    if commitment is not None:  # no more than its use at the dearest and what is committed come to
        for flow in flows:
            if flow.offer.name == other and first <= flow.period < end:
                spent.append((flow.charged, flow.fees + dearest_tokens(case, flow)))
        for pool in pools:
            if case.halves.get(pool.offer, pool.offer) == other and pool.instances.term_hours is None:
                price = future.price_of(pool.offer)
                spent += [(pool.paid[t], case.rent(pool.offer, t) * price) for t in range(first, end)]
        for span in spans_to_bill(case, commitment, terms_of(case, other)):
            part = _part_in(case, other, span, periods)
            if part is not None:
                usd = part * _most_of_unit(case, other, future, (span.first, span.end), span.before)
                spent += [(f"committed({other},{label})", due * usd) for label, due in span.due]
        return spent
    for t in range(first, end):
        paid = f"paid_by({free_name(case, other, t)},{other},{t})"
        spent += [(paid, -1.0)] if paid in model.variables else []
        if f"at_list({other},{t})" in model.variables:
            spent.append((f"at_list({other},{t})", 1.0))
            continue
        spent += [(flow.charged, flow.usd) for flow in flows if (flow.offer.name, flow.period) == (other, t)]
        spent += [
            (pool.paid[t], case.rent(pool.offer, t) * future.price_of(pool.offer))
            for pool in pools
            if case.halves.get(pool.offer, pool.offer) == other and pool.instances.term_hours is None
        ]
    return spent
