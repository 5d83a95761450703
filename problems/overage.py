"""Overage at a price of its own, where prices change: what comes first within a span is within what is committed.

    over[n,i] ≥ used[n,i] − committed[n] − carry[n−1]                      every point i of span n
    over[n,i] ≤ U · exceeds[n,i]                                           where more of it would be worth more:
    over[n,i] ≤ used[n,i] − committed[n] − carry[n−1] + C · (1 − exceeds[n,i])     exactly that
    carry[n] ≥ carry[n−1] + committed[n] − used[n] − C · lapses[n]         where a token above is cheaper than within:
    carry[n] ≥ what the last spans committed to − C · (1 − lapses[n])      no rest is thrown away

    over[n,i]      own units above the commitment up to point i; at the end of the span `over` of the commitments
    used[n,i]      own units used up to point i: the end of the span, or where prices change before
    exceeds[n,i]   there is some                                           0/1
    carry[n]       what is left for later spans, where it rolls over: used first, and in order of time as all else
    lapses[n]      some of it lapses                                       0/1
    U, C           all that could be used in the span, and all that could be committed or left

The bill is mean rate · committed + Σ (rate of its hours − mean) · use + Σ_i (δ[i] − δ[i+1]) · over[n,i], with δ by how
much a unit is dearer above the commitment than within it (`core.bill_points`); of a commitment in dollars committed +
Σ_i (δ[i] − δ[i+1]) · over[n,i], with δ what a dollar's worth of tokens costs.
"""

from __future__ import annotations

import numpy as np

from problems.commitments import left_by_earlier, most_left
from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.family import Family
from problems.core.rows import RowBuilder, Rows, Term
from problems.core.span_use import (
    most_due,
    most_used,
    span_terms,
    timed_volume_terms,
    units_of_spans,
    used_before_own,
)
from problems.core.view import View

NAME = "overage"


def build(view: View, cols: Columns) -> Rows:
    """Rows per contract and point at which prices change; none where they do not."""
    builder, contracts = RowBuilder(NAME), view.inst.contracts
    for b, beyond in enumerate(cols.beyond):
        points = beyond.points
        if not len(points.span) or (points.last.all() and (beyond.exceeds < 0).all()):
            continue
        unit, in_tokens = units_of_spans(view, cols, b), bool(contracts.in_tokens[b])
        period, span, column, own = timed_volume_terms(view, cols, b, tokens=in_tokens)
        before, (_, committed) = used_before_own(view, cols, b), span_terms(view, cols, b)
        most = most_used(view, cols, b, tokens=in_tokens) / unit + before
        due = (most_due(view, b) + most_left(view, b)) / unit
        carried, credit = left_by_earlier(view, cols, b)
        for i, k in enumerate(points.span.tolist()):
            here = np.flatnonzero((span == k) & (period < points.before[i]))
            at = int(beyond.at[i])
            excess: list[tuple[Ints | int, Floats | float]] = [
                (at, 1.0),
                (column[here], -own[here] / unit[k]),
                *(_of_row(term, k) for term in committed),
                *(_of_row(term, k) for term in carried),
            ]
            name = f"{view.inst.offers.names[contracts.offer[b]]},span {k},before period {points.before[i]}"
            if not points.last[i]:
                builder.one(name, excess, lower=before[k] - credit[k])
            if beyond.exceeds[i] >= 0:
                some = int(beyond.exceeds[i])
                builder.one(f"{name},none", [(at, 1.0), (some, -most[k])], upper=0.0)
                builder.one(f"{name},some", [*excess, (some, due[k])], upper=before[k] - credit[k] + due[k])
    return builder.rows()


def _of_row(term: Term, k: int) -> tuple[Ints, Floats]:
    """Columns and coefficients of one row of a term."""
    row, column, value = term
    here = np.asarray(row) == k
    return np.asarray(column)[here], np.broadcast_to(value, here.shape)[here]


FAMILY = Family(NAME, build, in_a_loss=None)
