"""Price bands: what the volume of a span costs, counted at its end and wherever prices change before.

band_volume(offer,i)       tokens in each price band, up to each point of each span one after the other
band_open(offer,i)         0/1: the band is reached, where a solver would not fill the bands in order by itself

cost = Σ_points (factor until then − factor after) · Σ_bands rate · band
Σ band = tokens used up to a point;  of a span's last point ≥ billed (≥ the tokens used, if committed in dollars)
bands within their edges, in order;  all units: those of every point in the band that the last one is in
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from router.schema import Commitment, Offer
from router.verification.base.case import Case, Future
from router.verification.base.spans import bill_name
from router.verification.base.tariffs import (
    bills_dollars,
    least_of,
    mean_of,
    mean_rate,
    most_of,
    period_factor,
    rate_before,
    used_before,
)
from router.verification.bound.in_time.points import BillPoint, Timed, points_at, until
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.terms import PossibleTerm, SpanToBill


def points_of(
    case: Case, offer: Offer, commitment: Commitment, span: SpanToBill, number: int
) -> list[BillPoint]:
    """The points of a span, in order; none without tiers. `number`: of the first."""
    if not commitment.tiers:
        return []
    if not offer.schedule:
        return [BillPoint(number, None, 1.0)]
    mean = mean_of(case, offer.name, span.first, span.end, span.before)
    figures = [(t + 1, period_factor(case, offer.name, t)) for t in range(span.first, span.end)]
    if used_before(commitment, span.first) > 0:
        figures.insert(0, (span.first, rate_before(case, offer, mean)))
    beyond = not bills_dollars(commitment) and (least_of(commitment) > 0 or most_of(commitment) is not None)
    if beyond or commitment.tier_kind == "all_units":  # what is billed and not used has the mean
        figures.append((span.end, mean))
    return points_at(figures, number)


def add_bands(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    commitment: Commitment,
    n: int,
    span: SpanToBill,
    points: Sequence[BillPoint],
    used: Timed,
    most: float,
    future: Future,
) -> Terms:
    """The bands of a span's points: variables, and USD per token of each. `most`: tokens that could be used."""
    tokens, part, before = not bills_dollars(commitment), span.part, used_before(commitment, span.first)
    price, weight = future.price_of(offer.name), case.period_weight[span.first]
    tiers = sorted(commitment.tiers, key=lambda tier: tier.from_tokens_per_month)
    high = (most_of(commitment) or least_of(commitment)) * part if tokens else 0.0
    edges = [tier.from_tokens_per_month * part for tier in tiers]
    edges.append(max((most + before) * (1 + 1e-9), high * (1 + 1e-9), edges[-1]))
    whole_units, last = commitment.tier_kind == "all_units", points[-1]
    reached = _opens(model, offer, last, len(tiers)) if whole_units else []
    priced: Terms = []
    for point in points:
        name = _label(offer, commitment, n, point)
        usd = [tier.usd_per_m / 1e6 * point.weight for tier in tiers]
        bands = [
            model.variable(band, end, usd=each * price * weight if tokens else 0.0)
            for band, end, each in zip(_names(offer, point, len(tiers)), edges[1:], usd, strict=True)
        ]
        priced += zip(bands, usd, strict=True)
        if whole_units:
            for i, band in enumerate(bands):
                if point is last:
                    model.constraint(f"{name},from {i})", [(band, 1.0), (reached[i], -edges[i])], lower=0.0)
                model.constraint(f"{name},to {i})", [(band, 1.0), (reached[i], -edges[i + 1])], upper=0.0)
        else:
            _fill(model, offer, point, name, bands, edges, usd)
        if not tokens or point is not last:
            volume = [(variable, -amount) for _, variable, amount in until(used, point)]
            parts: Terms = [*((band, 1.0) for band in bands), *volume]
            if point is last:
                model.constraint(f"{name},volume)", parts, lower=before)
            else:
                model.constraint(f"{name},volume)", parts, lower=before, upper=before)
    if whole_units:
        name = _label(offer, commitment, n, last)
        model.constraint(f"{name},one band)", [(each, 1.0) for each in reached], lower=1.0, upper=1.0)
    return priced


def add_billed(
    model: RelaxedProblem, offer: Offer, commitment: Commitment, n: int, last: BillPoint, billed: Terms
) -> None:
    """The last point of a span has all that is billed."""
    bands: Terms = [(band, 1.0) for band in _names(offer, last, len(commitment.tiers))]
    minus = [(name, -own) for name, own in billed]
    model.constraint(f"{_label(offer, commitment, n, last)},volume)", [*bands, *minus], lower=0.0)


def add_owed(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    commitment: Commitment,
    term: PossibleTerm,
    months: float,
    price: float,
) -> None:
    """What a volume to decide owes for some months after the horizon, by bands of a month; `months` weighed."""
    tiers = sorted(commitment.tiers, key=lambda tier: tier.from_tokens_per_month)
    whole_units, at = commitment.tier_kind == "all_units", f"{offer.name},{term.label}"
    until_h = max(term.term.until_h, case.horizon_h + 1e-6)
    mean = mean_rate(case, offer.name, case.horizon_h, until_h) * price * months
    edges = [*(tier.from_tokens_per_month for tier in tiers)]
    edges.append(max(term.most * (1 + 1e-9), edges[-1]))
    usd = [tier.usd_per_m / 1e6 * mean for tier in tiers]
    bands = [
        model.variable(f"owed_volume({at},{i})", end, usd=each)
        for i, (end, each) in enumerate(zip(edges[1:], usd, strict=True))
    ]
    ordered = not whole_units and all(a <= b for a, b in pairwise(usd))
    opens = [
        model.variable(f"owed_open({at},{i})", 1.0, whole=True) for i in range(0 if ordered else len(tiers))
    ]
    for i, band in enumerate(bands):
        width = edges[i + 1] - edges[i]
        if ordered:
            model.constraint(f"tiers({at},owed to {i})", [(band, 1.0)], upper=width)
            continue
        top = edges[i + 1] if whole_units else width
        model.constraint(f"tiers({at},owed to {i})", [(band, 1.0), (opens[i], -top)], upper=0.0)
        if whole_units:
            model.constraint(f"tiers({at},owed from {i})", [(band, 1.0), (opens[i], -edges[i])], lower=0.0)
        elif i + 1 < len(bands):
            model.constraint(f"tiers({at},owed fills {i})", [(band, 1.0), (opens[i + 1], -width)], lower=0.0)
    if whole_units:
        each_open = [(name, 1.0) for name in opens]
        model.constraint(f"tiers({at},one band owed)", each_open, lower=1.0, upper=1.0)
    volume: Terms = [*((band, 1.0) for band in bands), (f"committed({at})", -1.0)]
    model.constraint(f"tiers({at},owed)", volume, lower=0.0, upper=math.inf if whole_units else 0.0)


def _fill(
    model: RelaxedProblem,
    offer: Offer,
    point: BillPoint,
    name: str,
    bands: list[str],
    edges: list[float],
    usd: list[float],
) -> None:
    """Each band up to its edge; where what is dearer to come would be filled first, in order."""
    opens = [] if all(a <= b for a, b in pairwise(usd)) else _opens(model, offer, point, len(bands))
    for i, band in enumerate(bands):
        width = edges[i + 1] - edges[i]
        if not opens:
            model.constraint(f"{name},to {i})", [(band, 1.0)], upper=width)
            continue
        model.constraint(f"{name},to {i})", [(band, 1.0), (opens[i], -width)], upper=0.0)
        if i + 1 < len(bands):
            model.constraint(f"{name},fills {i})", [(band, 1.0), (opens[i + 1], -width)], lower=0.0)


def _opens(model: RelaxedProblem, offer: Offer, point: BillPoint, n: int) -> list[str]:
    at = range(point.number * n, (point.number + 1) * n)
    return [model.variable(f"band_open({offer.name},{i})", 1.0, whole=True) for i in at]


def _names(offer: Offer, point: BillPoint, n: int) -> list[str]:
    return [f"band_volume({offer.name},{i})" for i in range(point.number * n, (point.number + 1) * n)]


def _label(offer: Offer, commitment: Commitment, n: int, point: BillPoint) -> str:
    name = f"tiers({offer.name},{bill_name(commitment, n)}"
    return name if point.before is None else f"{name},before period {point.before}"
