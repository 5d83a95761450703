"""Contracts: what may be signed and committed, and fees.

signed(offer,month k)      0/1: a term begins with month k, or with an hour; 1 where signed before
committed(offer,month k)   own units a month: tokens, or USD at contract rates

least · signed ≤ committed ≤ most · signed,  committed = step · steps,  Σ signed in force ≤ 1
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.schema import Commitment, Offer
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.spans import by_billing_month, owed_after
from router.verification.base.tariffs import bills_dollars, least_of, mean_of, most_of, owed_beyond
from router.verification.bound.in_time.bands import add_owed
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.terms import PossibleTerm, running, spans_to_bill, terms_of


def add_signatures(model: RelaxedProblem, case: Case, future: Future) -> None:
    """What may be signed, and fees that are due once anything is used."""
    for name, offer in case.sellers.items():
        if offer.fee_usd_per_month > 0:
            due = enumerate(case.month_weight)
            months = math.fsum(case.due_h(name, month) * weight for month, weight in due) / MONTH_H
            usd = offer.fee_usd_per_month * future.price_of(name) * months
            model.variable(f"active({name})", 1.0, whole=True, usd=usd)
        if offer.commitment is not None:
            _terms(model, case, offer, offer.commitment, future)


def _terms(model: RelaxedProblem, case: Case, offer: Offer, commitment: Commitment, future: Future) -> None:
    tokens, terms = not bills_dollars(commitment), terms_of(case, offer.name)
    decided = (
        least_of(commitment) > 0 or len(terms) > 1 or bool(commitment.levels)
    )  # else signing costs nothing
    price = future.price_of(offer.name)
    owed: dict[str, float] = defaultdict(float)
    for span in spans_to_bill(case, commitment, terms):
        rate = 1.0
        if tokens:
            mean = mean_of(case, offer.name, span.first, span.end, span.before)
            rate = mean * price / 1e6
        for label, due in span.due:
            owed[label] += due * case.period_weight[span.first] * rate
    in_full = case.problem.policy.end_of_horizon == "charge_in_full" and commitment.term_hours is not None
    tiered = bool(commitment.tiers) and tokens
    for each in terms:
        at = f"{offer.name},{each.label}"
        usd = (
            owed[each.label] if paid_as_such(commitment) and not counting(case, offer.name) else 0.0
        )  # what is committed is paid for as such
        later = 0.0  # months owed after the horizon, where that is charged in full
        if in_full and not each.due:
            later = owed_after(case, commitment, each.term) * case.period_weight[-1]
        least = 0.0  # of tiers, with the minimum as a whole
        decided_later = later and tiered and most_of(commitment) is not None
        if later and not decided_later:
            owed_usd = owed_beyond(
                case, offer, least_of(commitment) if tiered else 1.0, later, each.term.until_h, price
            )
            usd, least = (usd, owed_usd) if tiered else (usd + owed_usd, 0.0)
        signed = model.variable(
            f"signed({at})", 1.0, lower=1.0 if each.due else 0.0, whole=decided, usd=least
        )
        committed = model.variable(f"committed({at})", each.most, usd=usd)
        if decided_later:
            add_owed(model, case, offer, commitment, each, later, price)
        exact = each.due or most_of(commitment) is None or bool(commitment.levels)
        model.constraint(
            f"commitments({at},least)",
            [(committed, 1.0), (signed, -each.least)],
            lower=0.0,
            upper=0.0 if exact else math.inf,
        )
        if exact:
            continue
        model.constraint(f"commitments({at},most)", [(committed, 1.0), (signed, -each.most)], upper=0.0)
        step = commitment.per_month("step_usd")
        if step is not None and not tokens:
            steps = model.variable(f"commit_steps({at})", math.floor(each.most / step + 1e-9), whole=True)
            parts = [(committed, 1.0), (steps, -step)]
            model.constraint(f"commitments({at},steps)", parts, lower=0.0, upper=0.0)
    _at_once(model, case, offer, commitment, terms)


def counting(case: Case, name: str) -> bool:
    """Whether bills of others count in an agreement's."""
    return name in case.agreements and bool(case.agreements[name].counts)


def paid_as_such(commitment: Commitment) -> bool:
    """Whether a bill is what is committed, and what goes beyond it."""
    if commitment.overage_usd_per_m is not None:
        return True
    return not (by_billing_month(commitment) or commitment.tiers or commitment.discount_tiers)


def _at_once(
    model: RelaxedProblem, case: Case, offer: Offer, commitment: Commitment, terms: list[PossibleTerm]
) -> None:
    """One term at a time; of those that add up no more than the most."""
    starts = dict.fromkeys(math.ceil(each.term.from_h / case.period_h - 1e-9) for each in terms)
    for t in starts:
        together = running(case, terms, t)
        when = next((each.label.partition(",")[0] for each in reversed(together)), "")
        if commitment.stackable:
            before = math.fsum(each.least for each in terms if each.due)
            most = max(most_of(commitment) or math.inf, before)
            amounts = [(f"committed({offer.name},{each.label})", 1.0) for each in together]
            if math.isfinite(most):
                model.constraint(f"commitments({offer.name},in force in {when})", amounts, upper=most)
        elif len(together) > 1:
            signed = [(f"signed({offer.name},{each.label})", 1.0) for each in together]
            model.constraint(f"commitments({offer.name},one term in {when})", signed, upper=1.0)
