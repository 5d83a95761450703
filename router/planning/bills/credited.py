"""What credits pay of bills whose prices hang on what is signed or used: no more than these come to."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, distinct
from problems.core.bill_points import level_rates
from problems.core.columns import Columns
from problems.core.payable import by_span, highest_rate
from problems.core.span_use import band_scale
from problems.core.view import View
from problems.core.worth import billed, span_worth, worth
from router.planning.bills.used import span_in_force, used_tokens


def settle_payable(view: View, cols: Columns, point: Floats) -> None:
    """What is billed of each use, then what credits pay of it. Bills are settled by now."""
    rows, paid, credits = cols.payable, cols.paid_by, view.inst.credits
    _use_bands(view, cols, point)
    for b in distinct(rows.contract).tolist():
        _of_contract(view, cols, point, b)
    own = ~credits.allowance[paid.credit]
    for of in sorted({*zip(rows.offer.tolist(), rows.rented.tolist(), rows.period.tolist(), strict=True)}):
        o, rented, t = of
        mine = np.flatnonzero(own & (paid.offer == o) & (paid.rented == rented) & (paid.period == t))
        column, usd = billed(view, cols, of)
        most = max(float(usd @ point[column]), 0.0)
        pays = np.minimum(point[paid.at[mine]] * paid.unit[mine], credits.part[paid.credit[mine], t] * most)
        pays *= min(1.0, most / pays.sum()) if pays.sum() > 0 else 1.0
        point[paid.at[mine]] = pays / paid.unit[mine]


def _use_bands(view: View, cols: Columns, point: Floats) -> None:
    """What is used alone, by the bands that price it."""
    contracts = view.inst.contracts
    for b, tiers in enumerate(contracts.tiers):
        if tiers is None or not cols.use_band[b].size:
            continue
        mine = contracts.spans.of(b)
        volume = used_tokens(view, cols, b, point) + contracts.spans.used_before[mine]
        edges = tiers.begins * contracts.spans.share[mine][:, None]
        top = np.diff(edges, axis=1, append=np.inf)
        bands = np.clip(volume[:, None] - edges, 0.0, top)
        point[cols.use_band[b]] = bands / band_scale(view, cols, b)[:, None]
        point[cols.use_open[b]] = bands > 0


def _of_contract(view: View, cols: Columns, point: Floats, b: int) -> None:
    contracts, rows = view.inst.contracts, cols.payable
    spans, mine = contracts.spans, np.flatnonzero(rows.contract == b)
    span = span_in_force(view, cols, b, point)[rows.period[mine]]
    usd = np.array(
        [float(each @ point[column]) for column, each in (worth(view, cols, i) for i in mine.tolist())]
    )
    usd = np.where(span >= 0, np.maximum(usd, 0.0), 0.0)
    if not by_span(contracts, b):
        usd = usd * _rates(view, cols, point, b)[rows.period[mine]]
        point[rows.at[mine]] = usd / rows.unit[mine]
        return
    usd = np.minimum(point[rows.at[mine]] * rows.unit[mine], usd * highest_rate(view, b)[rows.period[mine]])
    for n in distinct(span[span >= 0]).tolist():
        here = np.flatnonzero(span == n)
        terms, most = span_worth(view, cols, b, n - int(spans.of(b)[0]), mine[here])
        most += sum(float(each @ point[column]) for column, each in terms)
        if cols.by_rests[n] >= 0:
            point[cols.by_rests[n]] = most < 0
        total = float(usd[here].sum())
        usd[here] *= min(1.0, max(most, 0.0) / total) if total > 0 else 1.0
    point[rows.at[mine]] = usd / rows.unit[mine]


def _rates(view: View, cols: Columns, point: Floats, b: int) -> Floats:
    """(T,) what the level that is signed, or the band that is reached, leaves of a dollar."""
    contracts = view.inst.contracts
    span, discounts = span_in_force(view, cols, b, point), contracts.discounts[b]
    k = np.maximum(span - int(contracts.spans.of(b)[0]), 0)
    if discounts is None:
        return level_rates(view.inst, b)[k]
    return np.asarray(discounts.rate[point[cols.band_volume[b]].argmax(axis=1)[k]])
