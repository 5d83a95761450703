"""What is billed under other agreements, and by offers, that counts towards an agreement's minimum."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.contract_rates import beside_rate, beyond_usd, billed_before
from problems.core.contracts import Counted
from problems.core.coverage import use_of
from problems.core.span_means import rate_usd
from problems.core.span_use import band_scale
from problems.core.view import View

type ByPeriod = tuple[Ints, Ints, Floats]
"""(period, column, USD of a column of 1)."""


def billed_elsewhere(view: View, cols: Columns, b: int) -> ByPeriod:
    """(span of contract `b`, column, USD that count for a column of 1), of spans that it has."""
    spans, parts = view.inst.contracts.spans, []
    for counted in view.inst.contracts.counts[b]:
        period, column, usd = _billed(view, cols, counted)
        for lot in spans.lots(b).tolist():
            span = spans.lot_span[lot][period]
            some = span >= 0
            own = span[some] - spans.of(b)[:1] if some.any() else span[some]
            parts.append((own, column[some], usd[some] * counted.share))
    none = np.empty(0, dtype=np.int64)
    row, column, usd = (np.concatenate([none, *(part[i] for part in parts)]) for i in range(3))
    return row, column, np.asarray(usd, dtype=float)


def _billed(view: View, cols: Columns, counted: Counted) -> ByPeriod:
    """Of an agreement by the first periods of its spans, of an offer what nobody else bills."""
    if counted.contract >= 0:
        return _under(view, cols, counted.contract)
    o, covered, paid = counted.offer, cols.covered, cols.paid_by
    b, credits = int(view.inst.offers.contract[o]), view.inst.credits
    use = [use_of(view, cols.charged, cols.counts.paid, o, rented=rented) for rented in (False, True)]
    used = [(each.period, each.column, each.usd) for each in use]
    own = np.flatnonzero((covered.offer == o) & (covered.rented | (b < 0)))
    free = np.flatnonzero((paid.offer == o) & (paid.rented | (b < 0)) & credits.allowance[paid.credit])
    if b >= 0:  # its commitment bills use of tokens, and one in tokens leaves what requests cost
        used[0] = _under(view, cols, b)
        if view.inst.contracts.in_tokens[b]:
            at = view.flows_of_contract[b]
            fees = view.flow_usd[at] * view.price[o]
            used.append((view.flows.period[at], cols.charged[at], fees))
    parts = [
        *used,
        (covered.period[own], covered.at[own], -covered.unit[own]),
        (paid.period[free], paid.at[free], -paid.unit[free]),  # is not billed at all
    ]
    period, column, usd = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return period, column, usd


def _under(view: View, cols: Columns, b: int) -> ByPeriod:
    """What is billed for all use, or what is committed and what goes beyond it; by the first period of each span."""
    inst, contracts, scale = view.inst, view.inst.contracts, float(cols.first.commit_scale[b])
    spans, mine = contracts.spans, contracts.spans.of(b)
    price = float(view.price[contracts.offer[b]]) if contracts.in_tokens[b] else 1.0
    unit, rate, tiers = scale * spans.share[mine] * price, rate_usd(inst)[mine] * price, contracts.tiers[b]
    parts: list[ByPeriod] = [beside_rate(view, cols, b)]
    if tiers is not None and contracts.in_tokens[b]:
        points = cols.band_points[b]
        usd = (band_scale(view, cols, b)[points.span] * points.weight)[:, None] * tiers.usd * price
        parts.append((np.repeat(points.span, len(tiers.usd)), cols.band_volume[b].ravel(), usd.ravel()))
    elif len(mine) and (cols.statements.contract == b).any():  # in dollars: no rate of any hour is another
        return _in_parts(view, cols, b, scale * spans.share[mine])
    elif len(mine) and cols.billed[mine[0]] >= 0:
        parts.append((np.arange(len(mine)), cols.billed[mine], rate * scale * spans.share[mine]))
    else:
        here = np.flatnonzero(contracts.start_contract[spans.force_start] == b)
        k = spans.force_span[here] - mine[:1]
        committed = cols.first.committed[spans.force_start[here]]
        parts.append((k, committed, spans.force_share[here] * scale * rate[k]))
        if len(mine) and cols.over[mine[0]] >= 0:
            parts.append((np.arange(len(mine)), cols.over[mine], beyond_usd(inst, b) * unit))
            earlier = ~cols.beyond[b].points.last
            points, at = cols.beyond[b].points.subset(earlier), cols.beyond[b].at[earlier]
            parts.append((points.span, at, points.weight * unit[points.span]))
    k, column, usd = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return spans.period[mine[k]], column, usd


def counted_usd(view: View, cols: Columns, b: int, point: Floats) -> Floats:
    """(n,) USD billed elsewhere that count in each span of a contract."""
    n = len(view.inst.contracts.spans.of(b))
    if not view.inst.contracts.counts[b]:
        return np.zeros(n)
    row, column, usd = billed_elsewhere(view, cols, b)
    return counted_before(view, b) + np.bincount(row, weights=usd * point[column], minlength=n)


def counted_before(view: View, b: int) -> Floats:
    """(n,) what counted before the horizon, less what of the bills of others in the span was billed by then."""
    contracts = view.inst.contracts
    spans, mine = contracts.spans, contracts.spans.of(b)
    total = np.zeros(len(mine))
    if not contracts.counts[b] or not len(mine):
        return total
    total[spans.share_before[mine] > 0] = contracts.counted_before[b]
    for other in contracts.counts[b]:
        c = other.contract if other.contract >= 0 else int(view.inst.offers.contract[other.offer])
        theirs = spans.of(c) if c >= 0 else mine[:0]
        price = float(view.price[contracts.offer[c]])
        for n in theirs[(spans.share_before[theirs] > 0) | (spans.used_before[theirs] > 0)].tolist():
            for lot in spans.lots(b).tolist():
                k = spans.lot_span[lot][spans.period[n]] - mine[0]
                if k >= 0:
                    total[k] -= other.share * billed_before(view.inst, n, price)
    return total


def _in_parts(view: View, cols: Columns, b: int, usd: Floats) -> tuple[Ints, Ints, Floats]:
    """(first period of what is counted at once, column, USD of 1) of bills of contract `b`; `usd` (n,) of their
    columns."""
    spans, table = view.inst.contracts.spans, cols.statements
    mine = spans.of(b)
    begins = spans.period[mine].copy()
    period, column, value = list[int](), list[int](), list[float]()
    for i in np.flatnonzero(table.contract == b).tolist():
        k, t = int(table.span[i]), int(table.before[i])
        period += [int(begins[k]), t]
        column += [int(table.at[i])] * 2
        value += [float(usd[k]), -float(usd[k])]
        begins[k] = t
    return (
        np.concatenate([begins, np.array(period, dtype=np.int64)]),
        np.concatenate([cols.billed[mine], np.array(column, dtype=np.int64)]),
        np.concatenate([usd, np.array(value)]),
    )
