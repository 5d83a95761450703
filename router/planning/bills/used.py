"""What spans use and owe in a plan: by contract, in own units, in bands, and above what is committed."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Floats, Ints, distinct
from problems.core.columns import Columns
from problems.core.contracts import Discounts
from problems.core.first_stage import covered_periods
from problems.core.rests import rests
from problems.core.span_use import flow_terms
from problems.core.view import View


def span_in_force(view: View, cols: Columns, b: int, point: Floats) -> Ints:
    """(T,) the span of each period under a term that is signed; −1: none is."""
    contracts, spans = view.inst.contracts, view.inst.contracts.spans
    found = np.full(view.inst.time.periods, NONE, dtype=np.int64)
    runs = np.zeros(len(found), dtype=bool)
    begin, end = covered_periods(view.inst)
    decided = bool(contracts.decided[b])
    for a in np.flatnonzero(contracts.start_contract == b).tolist():
        if not decided or point[cols.first.signed[a]] > 0.5:
            runs[begin[a] : end[a]] = True
    for lot in spans.lots(b).tolist():
        start, span = int(spans.lot_start[lot]), spans.lot_span[lot]
        if start < 0 or not decided or point[cols.first.signed[start]] > 0.5:
            found = np.where(span >= 0, span, found)
    return np.where(runs, found, NONE)


def start_rates(view: View, span: Ints) -> Floats:
    """(n,) what the level of each span's term leaves of a dollar; 1 where spans are shared."""
    spans = view.inst.contracts.spans
    start = spans.lot_start[spans.lot[span]]
    return np.where(start >= 0, view.inst.contracts.start_rate[start], 1.0)


def before_own(view: View, b: int) -> Floats:
    """(n,) own units used before the horizon, at the rates of what was signed."""
    contracts = view.inst.contracts
    signed = (contracts.start_contract == b) & contracts.start_signed
    return np.asarray(
        contracts.spans.used_before[contracts.spans.of(b)] * contracts.start_rate[signed].max(initial=0.0)
    )


def committed_own(view: View, cols: Columns, b: int, point: Floats) -> Floats:
    """(n,) own units that are due in each span, by the hours in force."""
    contracts = view.inst.contracts
    volume = np.where(
        contracts.start_contract == b, point[cols.first.committed] * cols.first.commit_scale[b], 0.0
    )
    return np.asarray((contracts.due_in @ volume)[contracts.spans.of(b)])


def used_tokens(view: View, cols: Columns, b: int, point: Floats) -> Floats:
    """(n,) tokens that the contract carries in each span of a term that is signed."""
    return _used(view, cols, b, point, tokens=True)


def used_own(view: View, cols: Columns, b: int, point: Floats) -> Floats:
    """(n,) own units that the contract carries: tokens, or dollars at contract rates (what is in tiers apart)."""
    return _used(view, cols, b, point, tokens=bool(view.inst.contracts.in_tokens[b]))


def used_until(view: View, cols: Columns, b: int, point: Floats, t: int) -> Floats:
    """(n,) the same before a period, in dollars."""
    return _used(view, cols, b, point, tokens=False, before=t)


def _used(
    view: View, cols: Columns, b: int, point: Floats, *, tokens: bool, before: int | None = None
) -> Floats:
    """`before`: a period from which on nothing counts."""
    spans, rates = view.inst.contracts.spans, view.inst.contracts.start_rate
    mine = spans.of(b)
    period, column, own = flow_terms(view, cols, b, tokens=tokens)
    total = np.zeros(len(mine))
    for lot in spans.lots(b).tolist() if len(mine) else ():  # none: never in force in the horizon
        start = int(spans.lot_start[lot])
        if start >= 0 and point[cols.first.signed[start]] <= 0.5:
            continue
        span = spans.lot_span[lot][period]
        some = span >= 0 if before is None else (span >= 0) & (period < before)
        rate = 1.0 if start < 0 or tokens else rates[start]
        np.add.at(total, span[some] - mine[0], own[some] * point[column[some]] * rate)
    return total


def covered_usd(view: View, cols: Columns, b: int, point: Floats) -> Floats | None:
    """(n,) what an agreement bills in each span, at the offers' own prices; None for a contract of one offer."""
    if not (view.inst.agreements.contract == b).any():
        return None
    covered, spans = cols.covered, view.inst.contracts.spans
    mine, own = covered.of(b), spans.of(b)
    span = span_in_force(view, cols, b, point)[covered.period[mine]]
    mine, span = mine[span >= 0], span[span >= 0] - (own[0] if len(own) else 0)
    return np.bincount(span, weights=covered.unit[mine] * point[covered.at[mine]], minlength=len(own))


def discounted(discounts: Discounts, usd: Floats, share: Floats) -> Floats:
    """(n, bands) use of each span by the band that prices it."""
    return np.array([discounts.fill(float(u), float(s)) for u, s in zip(usd, share, strict=True)]).reshape(
        len(usd), len(discounts.rate)
    )


def in_bands(view: View, cols: Columns, b: int, point: Floats, committed: Floats) -> Floats:
    """(points, bands) tokens up to each point by the band that prices them, with so many due in each span (n,)."""
    contracts, points = view.inst.contracts, cols.band_points[b]
    tiers, spans = contracts.tiers[b], contracts.spans.of(b)
    assert tiers is not None  # the caller has looked
    volume = contracts.spans.used_before[spans][points.span]
    for t in distinct(points.before).tolist():
        at = np.flatnonzero(points.before == t)
        volume[at] += _used(view, cols, b, point, tokens=True, before=t)[points.span[at]]
    if contracts.in_tokens[b]:
        volume = np.where(points.last, np.maximum(volume, committed[points.span]), volume)
    share = contracts.spans.share[spans]
    bands = np.zeros((len(volume), len(tiers.usd)))
    for k in range(len(spans)):
        own = np.flatnonzero(points.span == k)
        bands[own] = tiers.fill(volume[own], points.weight[own], float(share[k]))
    return bands


def beyond_until(view: View, cols: Columns, b: int, point: Floats, committed: Floats) -> Floats:
    """(points,) own units used above what is committed in each span (n,) and left for it, up to each priced point."""
    points, in_tokens = cols.beyond[b].points, bool(view.inst.contracts.in_tokens[b])
    volume = before_own(view, b)[points.span] if len(points.span) else np.empty(0)
    for t in distinct(points.before).tolist():
        at = np.flatnonzero(points.before == t)
        volume[at] += _used(view, cols, b, point, tokens=in_tokens, before=t)[points.span[at]]
    within = committed.copy()
    if view.inst.contracts.rollover[b] and len(points.span):
        total = used_own(view, cols, b, point) + before_own(view, b)
        for k, left, _ in rests(view, b, total, committed):
            within[k] += sum(left)
    return np.asarray(np.maximum(volume - within[points.span], 0.0))


def tiered_usd(view: View, cols: Columns, b: int, bands: Floats) -> Floats:
    """(n,) USD of each span by what each of its points has in the bands."""
    contracts, points = view.inst.contracts, cols.band_points[b]
    tiers = contracts.tiers[b]
    assert tiers is not None  # the caller has looked
    usd = bands @ tiers.usd * points.weight * view.price[contracts.offer[b]]
    return np.bincount(points.span, weights=usd, minlength=len(contracts.spans.of(b))).astype(float)
