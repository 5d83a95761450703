"""What is billed for use of an offer in a period, as terms: at its prices, under agreements, by levels and bands."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.bill_points import level_rates
from problems.core.columns import Columns
from problems.core.contracts import Tiers
from problems.core.coverage import Coverage, Payments, use_of
from problems.core.payable import Payable
from problems.core.span_means import rate_usd
from problems.core.span_use import band_scale, units_of_spans
from problems.core.view import View

type Use = tuple[int, bool, int]
"""Offer, whether of rented instances, period."""


def at_list(view: View, cols: Columns, of: Use) -> tuple[Ints, Floats]:
    """(column, USD of a column of 1) of use at an offer's own prices: what no agreement covers, and nobody gives."""
    o, rented, t = of
    use = use_of(view, cols.charged, cols.counts.paid, o, rented=rented)
    here, covered, paid = use.period == t, _rows(cols.covered, of), _rows(cols.paid_by, of)
    free = paid[view.inst.credits.allowance[cols.paid_by.credit[paid]]]
    return (
        np.concatenate([use.column[here], cols.covered.at[covered], cols.paid_by.at[free]]),
        np.concatenate([use.usd[here], -cols.covered.unit[covered], -cols.paid_by.unit[free]]),
    )


def billed(view: View, cols: Columns, of: Use) -> tuple[Ints, Floats]:
    """(column, USD of a column of 1) of all that is billed for use of an offer in a period: what credits may pay."""
    apart, covered = _rows(cols.payable, of), _rows(cols.covered, of)
    other = np.isin(cols.covered.contract[covered], cols.payable.contract[apart], invert=True)
    plain = covered[other]
    parts = [
        (cols.payable.at[apart], cols.payable.unit[apart]),
        (cols.covered.at[plain], cols.covered.unit[plain] * cols.covered.rate[plain]),
    ]
    own = apart[cols.payable.own[apart]]
    parts.append(
        _requests(view, cols, of, int(cols.payable.contract[own[0]])) if len(own) else at_list(view, cols, of)
    )
    column, usd = (np.concatenate([part[i] for part in parts]) for i in range(2))
    return column, usd


def _requests(view: View, cols: Columns, of: Use, b: int) -> tuple[Ints, Floats]:
    """The same of what requests cost beside a commitment in tokens, which has no part in its bill."""
    at = view.flows_of_contract[b] if view.inst.contracts.in_tokens[b] else np.empty(0, dtype=np.int64)
    at = at[(view.flows.period[at] == of[2]) & (view.flow_usd[at] > 0)]
    return cols.charged[at], view.flow_usd[at] * view.price[of[0]]


def worth(view: View, cols: Columns, i: int) -> tuple[Ints, Floats]:
    """The same of what column `i` is about, before what a level or a band takes off."""
    rows, covered = cols.payable, cols.covered
    of = int(rows.offer[i]), bool(rows.rented[i]), int(rows.period[i])
    if rows.own[i]:
        column, usd = at_list(view, cols, of)
        fees, less = _requests(view, cols, of, int(rows.contract[i]))
        return np.concatenate([column, fees]), np.concatenate([usd, -less])
    mine = _rows(covered, of)
    mine = mine[covered.contract[mine] == rows.contract[i]]
    return covered.at[mine], covered.unit[mine] * covered.rate[mine]


def _rows(table: Payable | Coverage | Payments, of: Use) -> Ints:
    o, rented, t = of
    return np.flatnonzero((table.offer == o) & (table.rented == rented) & (table.period == t))


def span_worth(
    view: View, cols: Columns, b: int, k: int, mine: Ints
) -> tuple[list[tuple[Ints, Floats]], float]:
    """What is billed for the use of span `k` of a contract in the horizon: (column, USD of 1 each), and a constant.

    `mine`: all payable columns in it.
    """
    inst, contracts = view.inst, view.inst.contracts
    discounts, n = contracts.discounts[b], int(contracts.spans.of(b)[k])
    if discounts is not None:
        scale = float(band_scale(view, cols, b)[k])
        before = discounts.bill(float(contracts.spans.used_before[n]), float(contracts.spans.share[n]))
        return [(cols.band_volume[b][k], scale * discounts.rate)], -before
    tiers = contracts.tiers[b]
    if tiers is not None:
        return _of_tiers(view, cols, b, k, tiers)
    rate, points = float(level_rates(inst, b)[k]), cols.beyond[b].points
    terms = [(column, rate * usd) for column, usd in (worth(view, cols, i) for i in mine.tolist())]
    tokens, here = bool(contracts.in_tokens[b]), np.flatnonzero(points.span == k)
    within = float(rate_usd(inst)[n]) if tokens else 1.0
    price = float(view.price[contracts.offer[b]]) if tokens else 1.0
    if contracts.rollover[b]:
        left, brought = _left(view, cols, b, k)
        used = float(contracts.spans.used_before[n]) * rate
        return [*terms, *left], -max(brought - used, 0.0) * price * within
    weight = points.weight[here] - np.where(points.last[here], within, 0.0)
    usd = float(units_of_spans(view, cols, b)[k]) * price
    terms.append((cols.beyond[b].at[here], weight * usd))
    return terms, -_dearer_before(view, b, n)


def _left(view: View, cols: Columns, b: int, k: int) -> tuple[list[tuple[Ints, Floats]], float]:
    """What earlier spans leave for span `k`, less of what is billed: as (column, − USD of 1), and own units of before
    the horizon."""
    contracts, spans = view.inst.contracts, view.inst.contracts.spans
    mine, tokens = spans.of(b), bool(contracts.in_tokens[b])
    if k and spans.lot[mine[k]] == spans.lot[mine[k - 1]]:
        rate = float(rate_usd(view.inst)[mine[k]] * view.price[contracts.offer[b]]) if tokens else 1.0
        usd = np.array([-float(units_of_spans(view, cols, b)[k - 1]) * rate])
        return [(cols.carry[mine[[k - 1]]], usd)], 0.0
    return [], float(contracts.credit[b].sum()) if spans.from_h[mine[k]] <= 0 else 0.0


def _of_tiers(
    view: View, cols: Columns, b: int, k: int, tiers: Tiers
) -> tuple[list[tuple[Ints, Floats]], float]:
    """What the bands of a span come to, and of one in USD its requests."""
    contracts, spans, points = view.inst.contracts, view.inst.contracts.spans, cols.band_points[b]
    n, price, here = (
        int(spans.of(b)[k]),
        float(view.price[contracts.offer[b]]),
        np.flatnonzero(points.span == k),
    )
    scale = float(band_scale(view, cols, b)[k]) * price * points.weight[here]
    at = view.flows_of_contract[b][: 0 if contracts.in_tokens[b] else None]
    at = at[spans.lot_span[spans.lot[n]][view.flows.period[at]] == n]
    before = tiers.bill(float(spans.used_before[n]), float(spans.share[n]))
    if cols.use_band[b].size:  # more may be due than is used
        usd = float(band_scale(view, cols, b)[k]) * price * tiers.usd
        fees = (cols.charged[at], view.flow_usd[at] * price)
        return [(cols.use_band[b][k], usd), fees], -before * price
    return [
        (cols.band_volume[b][here].ravel(), (scale[:, None] * tiers.usd).ravel()),
        (cols.charged[at], view.flow_usd[at] * price),
    ], -before * price * float(contracts.factor_before[b])


def _dearer_before(view: View, b: int, n: int) -> float:
    """By how much use above the commitment was dearer when the horizon began."""
    contracts, spans = view.inst.contracts, view.inst.contracts.spans
    here = (spans.force_span == n) & contracts.start_signed[spans.force_start]
    starts = spans.force_start[here]
    due = float(spans.force_share[here] @ contracts.start_min[starts]) + float(contracts.credit[b].sum())
    rate = float(contracts.start_rate[starts].max(initial=0.0))
    above = max(float(spans.used_before[n]) * rate - due, 0.0)
    over, within = float(contracts.overage_before[b]), float(contracts.token_usd_before[b])
    if above <= 0:
        return 0.0
    if contracts.in_tokens[b]:
        return above * (over - within) * float(view.price[contracts.offer[b]])
    return above * (over / within / rate - 1.0)
