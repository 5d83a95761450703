"""What agreements would cover if the highest discount came first, as vendors apply them, whatever the plan chose."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints, distinct
from problems.core.columns import Columns
from problems.core.coverage import use_of
from problems.core.view import View


def covered_by_discount(view: View, cols: Columns, point: Floats, due: Floats) -> Floats:
    """(N,) USD at list that each span's agreement would cover, of all pairs of agreement and use the best first.

    `due` (N,): USD that may be billed in each span: what is committed, inf where the discount holds for all use, 0
    where nothing is signed. What allowances in USD pay is taken off first. Of like discounts the agreement, the period
    and the offer that stand first are first.
    """
    covered, paid, spans = cols.covered, cols.paid_by, view.inst.contracts.spans
    free = view.inst.credits.allowance[paid.credit]
    left: dict[tuple[int, bool, int], float] = {}
    for o, rented in sorted({*zip(covered.offer.tolist(), covered.rented.tolist(), strict=True)}):
        use = use_of(view, cols.charged, cols.counts.paid, o, rented=rented)
        usd = np.bincount(use.period, weights=use.usd * point[use.column], minlength=view.inst.time.periods)
        own = np.flatnonzero(free & (paid.offer == o) & (paid.rented == rented))
        np.subtract.at(usd, paid.period[own], paid.unit[own] * point[paid.at[own]])
        left |= {(o, rented, t): each for t, each in enumerate(usd.tolist())}
    rest, total = due.copy(), np.zeros(len(due))
    span_of = {b: _in_force(view, due, b) for b in distinct(covered.contract).tolist()}
    span = np.array(
        [span_of[b][t] for b, t in zip(covered.contract.tolist(), covered.period.tolist(), strict=True)],
        dtype=np.int64,
    )
    start = spans.lot_start[spans.lot[span]]
    rates = covered.rate * np.where(start >= 0, np.append(view.inst.contracts.start_rate, 1.0)[start], 1.0)
    order = covered.rented, covered.offer, covered.period, covered.contract, np.round(rates, 12)
    for i in np.lexsort(order).tolist():
        key = int(covered.offer[i]), bool(covered.rented[i]), int(covered.period[i])
        n, rate = int(span[i]), float(rates[i])
        taken = max(min(left[key], float(rest[n]) / rate), 0.0)
        left[key] -= taken
        rest[n] -= taken * rate
        total[n] += taken
    return total


def _in_force(view: View, due: Floats, b: int) -> Ints:
    """(T,) the span of each period under the term that is signed then; under any where none is."""
    spans = view.inst.contracts.spans
    span = spans.lot_span[spans.lots(b)]
    best = np.where(span >= 0, due[span], -1.0).argmax(axis=0)
    return np.asarray(span[best, np.arange(span.shape[1])])
