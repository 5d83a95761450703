"""What is billed under other agreements, and by offers, that counts towards an agreement's minimum."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.contract_rates import billed_before
from problems.core.contracts import Counted
from problems.core.coverage import use_of
from problems.core.view import View

type ByPeriod = tuple[Ints, Ints, Floats]
"""(period, column, USD of a column of 1)."""


def billed_elsewhere(view: View, cols: Columns, b: int) -> ByPeriod:
    """(span of contract `b`, column, USD that count for a column of 1), of spans that it has."""
    spans, parts = view.inst.contracts.spans, []
    for counted in view.inst.contracts.counts[b]:
        period, column, usd = _billed(view, cols, counted)
        span = spans.by_period(b)[period]
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
    used = [use_of(view, cols.charged, cols.counts.paid, o, rented=rented) for rented in (False, True)]
    own = np.flatnonzero(covered.offer == o)
    free = np.flatnonzero(
        (paid.offer == o) & view.inst.credits.allowance[paid.credit]
    )  # is not billed at all
    return (
        np.concatenate([*(use.period for use in used), covered.period[own], paid.period[free]]),
        np.concatenate([*(use.column for use in used), covered.at[own], paid.at[free]]),
        np.concatenate([*(use.usd for use in used), -covered.unit[own], -paid.unit[free]]),
    )


def _under(view: View, cols: Columns, b: int) -> ByPeriod:
    """What is billed for all use, or what is committed and what goes beyond it."""
    contracts, scale = view.inst.contracts, float(cols.first.commit_scale[b])
    spans, mine = contracts.spans, contracts.spans.of(b)
    unit = scale * spans.share[mine]
    if len(mine) and cols.billed[mine[0]] >= 0:
        return spans.period[mine], cols.billed[mine], unit
    here = np.flatnonzero(contracts.start_contract[spans.force_start] == b)
    beyond = np.flatnonzero(cols.over[mine] >= 0)
    return (
        np.concatenate([spans.period[mine[beyond]], spans.period[spans.force_span[here]]]),
        np.concatenate([cols.over[mine[beyond]], cols.first.committed[spans.force_start[here]]]),
        np.concatenate([unit[beyond], spans.force_share[here] * scale]),
    )


def counted_usd(view: View, cols: Columns, b: int, point: Floats) -> Floats:
    """(n,) USD billed elsewhere that count in each span of a contract."""
    row, column, usd = billed_elsewhere(view, cols, b)
    n = len(view.inst.contracts.spans.of(b))
    return counted_before(view, b) + np.bincount(row, weights=usd * point[column], minlength=n)


def counted_before(view: View, b: int) -> Floats:
    """(n,) what counted before the horizon, less what of the bills of others in the span was billed by then."""
    contracts = view.inst.contracts
    spans, mine = contracts.spans, contracts.spans.of(b)
    total = np.zeros(len(mine))
    if not contracts.counts[b] or not len(mine):
        return total
    total[spans.share_before[mine] > 0] = contracts.counted_before[b]
    place = spans.by_period(b)
    for other in contracts.counts[b]:
        theirs = spans.of(other.contract) if other.contract >= 0 else mine[:0]
        for n in theirs[(spans.share_before[theirs] > 0) | (spans.used_before[theirs] > 0)].tolist():
            k = place[spans.period[n]] - mine[0]
            if k >= 0:
                total[k] -= other.share * billed_before(view.inst, n, 1.0)
    return total
