"""What agreements would cover if the highest discount came first, as vendors apply them, whatever the plan chose."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats
from problems.core.columns import Columns
from problems.core.coverage import use_of
from problems.core.view import View


def covered_by_discount(view: View, cols: Columns, point: Floats, due: Floats) -> Floats:
    """(N,) USD at list that each span's agreement would cover, of all pairs of agreement and use the best first.

    `due` (N,): USD that may be billed in each span: what is committed, inf where the discount holds for all use. What
    allowances in USD pay is taken off first. Of like discounts the agreement, the period and the offer that stand first
    are first.
    """
    covered, paid, spans = cols.covered, cols.paid_by, view.inst.contracts.spans
    left: dict[tuple[int, bool, int], float] = {}
    for o, rented in sorted({*zip(covered.offer.tolist(), covered.rented.tolist(), strict=True)}):
        use = use_of(view, cols.charged, cols.counts.paid, o, rented=rented)
        usd = np.bincount(use.period, weights=use.usd * point[use.column], minlength=view.inst.time.periods)
        own = np.flatnonzero((paid.offer == o) & (paid.rented == rented))
        np.subtract.at(usd, paid.period[own], paid.unit[own] * point[paid.at[own]])
        left |= {(o, rented, t): each for t, each in enumerate(usd.tolist())}
    rest, total = due.copy(), np.zeros(len(due))
    span_of = {b: spans.lot_span[spans.lots(b)[0]] for b in set(covered.contract.tolist())}
    order = covered.rented, covered.offer, covered.period, covered.contract, np.round(covered.rate, 12)
    for i in np.lexsort(order).tolist():
        key = int(covered.offer[i]), bool(covered.rented[i]), int(covered.period[i])
        n, rate = int(span_of[int(covered.contract[i])][key[2]]), float(covered.rate[i])
        taken = max(min(left[key], float(rest[n]) / rate), 0.0)
        left[key] -= taken
        rest[n] -= taken * rate
        total[n] += taken
    return total
