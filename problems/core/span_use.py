"""What contracts carry and what is committed, by span: as terms of rows, and at most.

(row, column, coefficient)   a row for each span of a contract, in own units or in units of a billed column of 1
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.columns import Columns
from problems.core.first_stage import force_slots
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.rows import Term
from problems.core.taken_off import taken_off
from problems.core.view import View


def use_terms(view: View, cols: Columns, b: int) -> tuple[Ints, Ints, Floats]:
    """(span of the contract, column, own units per column unit) of what contract `b` carries in the horizon."""
    contracts = view.inst.contracts
    tiers, discounts = contracts.tiers[b], contracts.discounts[b]
    rate = None
    if discounts is not None:
        rate = discounts.rate
    elif tiers is not None and not contracts.in_tokens[b]:
        # dollars of use are what the bands cost, and fees a request
        rate = tiers.usd * view.price[contracts.offer[b]]
    if rate is None:
        return volume_terms(view, cols, b, tokens=bool(contracts.in_tokens[b]))
    points = cols.band_points[b]
    row, weight = np.repeat(points.span, len(rate)), np.repeat(points.weight, len(rate))
    usd = band_scale(view, cols, b)[row] * weight * np.tile(rate, len(points.span))
    bands = (row, cols.band_volume[b].ravel(), usd)
    if tiers is None or contracts.spans.split(b):
        return bands
    own = volume_terms(view, cols, b, tokens=False)
    fees = own[2] > 0
    if not fees.any():
        return bands
    joined = (np.concatenate([band, fee[fees]]) for band, fee in zip(bands, own, strict=True))
    row, column, usd = joined
    return row, column, usd


def volume_terms(view: View, cols: Columns, b: int, *, tokens: bool) -> tuple[Ints, Ints, Floats]:
    """(span of the contract, column, tokens or dollars at contract rates per column unit): flows, or parts of them."""
    _, span, column, own = timed_volume_terms(view, cols, b, tokens=tokens)
    return span, column, own


def timed_volume_terms(view: View, cols: Columns, b: int, *, tokens: bool) -> tuple[Ints, Ints, Ints, Floats]:
    """The same, each with its period: of parts the first of their run."""
    spans = view.inst.contracts.spans
    first = int(spans.of(b)[0]) if len(spans.of(b)) else 0
    if spans.split(b):
        parts = cols.parts
        mine = np.flatnonzero(spans.lot_contract[parts.lot] == b)
        rate = view.inst.contracts.start_rate[spans.lot_start[parts.lot[mine]]]
        run_of = parts.run_of[b]
        begins = np.full(int(run_of.max(initial=NONE)) + 2, len(run_of))  # the last is of periods in no run
        np.minimum.at(begins, run_of, np.arange(len(run_of)))
        return (
            begins[parts.run[mine]],
            parts.span[mine] - first,
            parts.at[mine],
            parts.unit[mine] * rate,
        )
    period, column, own = flow_terms(view, cols, b, tokens=tokens)
    span = spans.by_period(b)[period]
    some = span >= 0
    return period[some], span[some] - first, column[some], own[some]


def flow_terms(view: View, cols: Columns, b: int, *, tokens: bool) -> tuple[Ints, Ints, Floats]:
    """(period, column, tokens or dollars at contract rates of the whole cell) of contract `b`, of what is not free.

    What an agreement bills of an offer's use, or an allowance in USD pays, is not held against its own commitment.
    """
    mine = cols.covered.of(b)
    if len(mine):  # an agreement has no flows of its own, and counts no tokens
        usd = cols.covered.unit[mine] * cols.covered.rate[mine]
        return cols.covered.period[mine], cols.covered.at[mine], np.zeros(len(mine)) if tokens else usd
    at, off = view.flows_of_contract[b], taken_off(view, cols, b)
    if len(off.usd) and cols.planned is not None:
        left = cols.planned.uncovered[b]
        return np.arange(len(left)), left, np.full(len(left), cols.planned.unit[b])
    own: tuple[Ints, Ints, Floats] = view.flows.period[at], cols.charged[at], view.own_use(b, tokens=tokens)
    if not len(off.usd):
        return own
    others = off.period, off.column, -(off.tokens if tokens else off.usd)
    period, column, value = (np.concatenate(pair) for pair in zip(own, others, strict=True))
    return period, column, value


def band_scale(view: View, cols: Columns, b: int) -> Floats:
    """(n,) tokens, or dollars of use, that a band column of 1 stands for: the most that a span could carry."""
    contracts = view.inst.contracts
    tiers, discounts = contracts.tiers[b], contracts.discounts[b]
    top = float(tiers.from_tokens[-1]) if tiers is not None else 0.0
    if discounts is not None:
        top = float(discounts.from_usd[-1])
    floor = max(top, float(contracts.min_per_month[b]) if contracts.in_tokens[b] else 0.0, 1.0)
    spans = contracts.spans
    most = np.maximum(most_used(view, cols, b, tokens=discounts is None), floor * spans.share[spans.of(b)])
    return np.asarray(2.0 ** np.round(np.log2(most)))


def most_used(view: View, cols: Columns, b: int, *, tokens: bool) -> Floats:
    """(n,) the most tokens, or dollars, that each span of a contract could carry, each cell counted once."""
    spans, flows, at = view.inst.contracts.spans, view.flows, view.flows_of_contract[b]
    mine, covered, own = spans.of(b), cols.covered.of(b), view.own_use(b, tokens=tokens)
    total = np.zeros(len(mine))
    for lot in spans.lots(b).tolist() if len(mine) else ():
        if len(covered):
            span = spans.lot_span[lot][cols.covered.period[covered]]
            some = np.flatnonzero(span >= 0)
            np.add.at(total, span[some] - mine[0], cols.covered.most_billed[covered[some]])
            continue
        span = spans.lot_span[lot][flows.period[at]]
        some = np.flatnonzero(span >= 0)
        key = span[some] * len(view.cells) + flows.cell[at[some]]
        distinct, row = np.unique(key, return_inverse=True)
        heaviest = np.zeros(len(distinct))
        np.maximum.at(heaviest, row, own[some])
        np.add.at(total, distinct // max(len(view.cells), 1) - mine[0], heaviest)
    return total


def most_due(view: View, b: int) -> Floats:
    """(n,) own units that could be due in each span."""
    return _most_due(view.inst, b)


@once
def _most_due(inst: Instance, b: int) -> Floats:
    contracts = inst.contracts
    sold = np.where(np.isfinite(contracts.start_max), contracts.start_max, contracts.start_min)
    sold = np.where(contracts.start_contract == b, sold, 0.0)
    return np.asarray((contracts.due_share.T @ sold)[contracts.spans.of(b)])


def units_of_spans(view: View, cols: Columns, b: int) -> Floats:
    """(n,) own units that a billed column of 1 stands for."""
    spans = view.inst.contracts.spans
    return np.asarray(cols.first.commit_scale[b] * spans.share[spans.of(b)])


def used_before_own(view: View, cols: Columns, b: int) -> Floats:
    """(n,) what was used before the horizon, in units of a billed column of 1; with bands their rows count it."""
    contracts = view.inst.contracts
    if contracts.discounts[b] is not None or (contracts.tiers[b] is not None and not contracts.in_tokens[b]):
        return np.zeros(len(contracts.spans.of(b)))
    if not contracts.spans.used_before[contracts.spans.of(b)].any():
        return np.zeros(len(contracts.spans.of(b)))
    starts = np.flatnonzero((contracts.start_contract == b) & contracts.start_signed)
    rate = float(contracts.start_rate[starts[0]]) if len(starts) else 1.0
    return np.asarray(
        contracts.spans.used_before[contracts.spans.of(b)] * rate / units_of_spans(view, cols, b)
    )


@once
def _in_force(inst: Instance, b: int) -> Ints:
    """Where terms of a contract stand among those in force in spans."""
    return np.flatnonzero(inst.contracts.start_contract[inst.contracts.spans.force_start] == b)


def span_terms(view: View, cols: Columns, b: int) -> tuple[Term, list[Term]]:
    """What a contract carries and what is committed, by span, in units of a billed column of 1."""
    inst, spans = view.inst, view.inst.contracts.spans
    mine = spans.of(b)
    row, column, own = use_terms(view, cols, b)
    unit = units_of_spans(view, cols, b)
    if cols.first.force[b].size and inst.contracts.by_hour[b]:
        slots = np.append(force_slots(inst, b), inst.time.periods)
        period = np.arange(inst.time.periods)
        span, slot = spans.by_period(b), np.searchsorted(slots, period, side="right") - 1
        some = np.flatnonzero((span >= 0) & (slot >= 0) & (slot < len(slots) - 1))
        at = span[some] - mine[0]
        periods = np.round((spans.until_h - spans.from_h)[mine] / inst.time.period_h)
        part = spans.share[mine[at]] / periods[at] * cols.first.commit_scale[b] / unit[at]
        return (row, column, own / unit[row]), [(at, cols.first.force[b][slot[some]], part)]
    here = _in_force(inst, b)
    at = spans.force_span[here] - (mine[0] if len(mine) else 0)
    share = spans.force_share[here] * cols.first.commit_scale[b] / unit[at]
    committed: list[Term] = [(at, cols.first.committed[spans.force_start[here]], share)]
    return (row, column, own / unit[row]), committed
