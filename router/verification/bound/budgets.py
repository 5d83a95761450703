"""Budgets: what is spent in a future, and what is committed before any of them.

max_spend_usd       Σ usd · variable ≤ max_spend − constant        in each future, where there are several
max_committed_usd   Σ_s p_s · (Σ owed · committed + Σ fee · active + Σ paid · ahead + Σ upfront · bought)
                    ≤ max_committed − what is reserved

Every coefficient is at most what a plan is charged. Left out are bills in tokens by bands or at prices that change in
time, and what earlier purchases cost and earlier contracts owe after the horizon: that lets more through, never less.
A plan is let through that misses a limit by what its check allows.
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.schema import Commitment, Offer
from router.verification.base.case import Case
from router.verification.base.ledger import MONEY_USD, RELATIVE
from router.verification.base.spans import owed_after, spans_of
from router.verification.base.tariffs import in_tokens, mean_of, owed_beyond
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.renting import served_by
from router.verification.bound.serving import pool_name
from router.verification.bound.terms import PossibleTerm, terms_of

PAID_AHEAD = ("active", "bought", "hosts_ahead")
"""Kinds of variables all of whose cost is of the first stage."""


def add_spending(model: RelaxedProblem, case: Case) -> None:
    """What a future costs, once all of its cost is written; of one alone it says no more than its cost does."""
    most_usd = case.problem.policy.max_spend_usd
    if most_usd is None or len(case.futures) == 1:
        return
    terms = [(name, each.usd) for name, each in model.variables.items()]
    model.constraint("budget(max_spend_usd)", terms, upper=_allowed(most_usd) - model.constant)


def add_committed(model: RelaxedProblem, case: Case) -> None:
    """Money of the first stage as expected over the futures, once they are one relaxation."""
    most_usd = case.problem.policy.max_committed_usd
    if most_usd is None:
        return
    usd: dict[str, float] = defaultdict(float)
    for name, offer in case.sellers.items():
        if offer.commitment is None:
            continue
        for term in terms_of(case, name):
            owed = _owed(case, offer, offer.commitment, term)
            if owed is None:
                return
            usd[f"committed({name},{term.label})"] += owed
    for name, each in model.variables.items():
        if name.partition("(")[0] in PAID_AHEAD:
            usd[name] += each.usd
    _ahead(model, case, usd)
    terms = [(name, each) for name, each in usd.items() if name in model.variables]
    model.constraint("budget(max_committed_usd)", terms, upper=_allowed(most_usd) - _reserved(case))


def _allowed(limit: float) -> float:
    return limit + RELATIVE * abs(limit) + MONEY_USD


def _price(case: Case, offer: str) -> float:
    """Of an offer, as expected."""
    return math.fsum(future.probability * future.price_of(offer) for future in case.futures)


def _owed(case: Case, offer: Offer, commitment: Commitment, term: PossibleTerm) -> float | None:
    """USD owed without any use, for each own unit a month of a term; 0 where that is not so simple.

    None where it could be below 0: what stood when the horizon began was at other prices.
    """
    tokens, begun = in_tokens(commitment), False
    owed: list[float] = []
    for span in spans_of(case, commitment, term.term):
        rate = 1.0
        if tokens:
            mean = mean_of(case, offer.name, span.first, span.end, span.before)
            rate = mean * _price(case, offer.name) / 1e6
        begun = begun or span.before > 0
        owed.append(span.ramped * (span.part - span.before) * rate * case.period_weight[span.first])
    if tokens and (commitment.tiers or offer.schedule):
        return None if begun else 0.0
    if case.problem.policy.end_of_horizon == "charge_in_full" and commitment.term_hours and not term.due:
        months = owed_after(case, commitment, term.term)
        later = owed_beyond(case, offer, 1.0, months, term.term.until_h, _price(case, offer.name))
        owed.append(later * case.period_weight[-1])
    return math.fsum(owed)


def _ahead(model: RelaxedProblem, case: Case, usd: dict[str, float]) -> None:
    """Rent of counts for the horizon, above what is reserved; energy is paid as it is drawn."""
    for name, offer in case.offers.items():
        instances = case.bought_ahead(name)
        if instances is None:
            continue
        rent = math.fsum(case.rent(name, t) * weight for t, weight in enumerate(case.period_weight))
        each = (rent + instances.upfront_usd) * _price(case, name)
        for served in served_by(offer):
            at = f"({pool_name(name, served)},0)"
            usd[f"ahead_paid{at}" if f"ahead_paid{at}" in model.variables else f"ahead{at}"] += each


def _reserved(case: Case) -> float:
    """Rent of what is reserved, instances and hosts, used or not."""
    return math.fsum(
        case.reserved_charges(name, t)[0] * weight * _price(case, name)
        for name in (*case.instances, *case.hosts)
        for t, weight in enumerate(case.period_weight)
    )
