"""Rates by the hour: what use of a commitment in tokens costs beside the mean rate of its span.

part_usd(offer,month k,t)   USD of use in period t at its rate that is counted under one term of several

Σ part_usd = Σ usd · flow − what others pay for,   part_usd ≤ most · signed
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from router.schema import Offer
from router.verification.base.case import Case, Future
from router.verification.bound.agreements import taken_in
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.serving import PossibleFlow, cell_name
from router.verification.bound.terms import SpanToBill

type Carried = Mapping[int, list[PossibleFlow]]
"""What an offer may carry, by period."""


def add_beside(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    span: SpanToBill,
    flows: list[PossibleFlow],
    mean: float,
    future: Future,
) -> None:
    """Use of a commitment in tokens is paid at the rate of its period, a shortfall at the mean of its span.

    What others pay for of it is not.
    """
    weight = case.period_weight[span.first]
    for flow in flows:
        usual = flow.tokens * mean * future.price_of(offer.name) / 1e6
        beside = flow.token_part - usual
        if abs(beside) > 1e-12 * usual:
            model.variables[flow.charged].usd += beside * weight
    for t in range(span.first, span.end):
        for name, usd, tokens in taken_in(model, case, offer.name, t, future):
            beside = usd - tokens * mean * future.price_of(offer.name) / 1e6
            if abs(beside) > 1e-12 * usd:
                model.variables[name].usd -= beside * weight


def add_paid(model: RelaxedProblem, case: Case, offer: Offer, span: SpanToBill, carried: Carried) -> None:
    """What use costs at the rates of its hours, where it is counted under one term of several."""
    for t in range(span.first, span.end):
        most = heaviest(carried.get(t, []), {flow.charged: flow.token_part for flow in carried.get(t, ())})
        if most > 0:
            paid = model.variable(
                f"part_usd({offer.name},{span.lot},{t})",
                most * (1 + 1e-9),
                usd=case.period_weight[span.first],
            )
            signed = (f"signed({offer.name},{span.lot})", -most)
            model.constraint(f"commitments({paid},signed)", [(paid, 1.0), signed], upper=0.0)


def add_paid_once(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    spans: list[SpanToBill],
    carried: Carried,
    future: Future,
) -> None:
    """All of it is paid under the terms in whose spans it may be counted."""
    for t, flows in carried.items():
        names = [f"part_usd({offer.name},{span.lot},{t})" for span in spans if span.first <= t < span.end]
        parts: Terms = [(name, 1.0) for name in names if name in model.variables]
        parts += [(name, usd) for name, usd, _ in taken_in(model, case, offer.name, t, future)]
        minus = [(flow.charged, -flow.token_part) for flow in flows]
        model.constraint(f"commitments({offer.name},paid,{t})", [*parts, *minus], lower=0.0, upper=0.0)


def heaviest(flows: list[PossibleFlow], amount: Mapping[str, float]) -> float:
    """The most of something that flows could bring together, each cell by its heaviest route."""
    most: dict[str, float] = defaultdict(float)
    for flow in flows:
        most[cell_name(flow.cell)] = max(most[cell_name(flow.cell)], amount.get(flow.charged, math.inf))
    return math.fsum(most.values())
