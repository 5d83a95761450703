"""Reserved minimum: take-or-pay contracts, settled span by span (hour, day, month, quarter, year or term).

    billed[n] ≥ used[n]                                            at least the use,
    billed[n] ≥ committed in force in span n − elsewhere[n]        at least the commitment, less what counts of others
    over[n]   ≥ used[n] + carry[n] − carry[n−1] − committed        or: the commitment, and what goes beyond it
    carry[n]  ≤ Σ committed in the last rollover_spans spans       left for later spans, oldest first
    over[n] ≤ U · exceeds[n],  carry[n] ≤ U · (1 − exceeds[n])     where rates change: else rests would be bought
    used[n] ≤ committed                                            overage: none
    minimum · signed ≤ committed ≤ maximum · signed                no maximum: committed = minimum · signed
    committed = step · steps                                       sold in multiples
    Σ_(a in force) signed[a] ≤ 1                                   one term at a time, unless they add up:
    force[i] = force[i−1] + committed[starts] − committed[ends] ≤ maximum

    used[n] = used before the horizon + Σ_f own[f] · flow[f]       spans that all terms share, else term by term:
    used[n] = Σ_p part[a,p],   Σ_a part[a,p] = Σ_f own · flow,   part[a,p] ≤ U[p] · signed[a]

    elsewhere[n]   Σ share · billed under other agreements, or by offers, in the span: `counts` of an agreement
    own[f]         tokens, or USD at contract rates, of the whole cell
    signed[a]      a term of the contract starts            0/1; fixed to 1 where signed before
    committed[a]   commitment of that start                 own units a month / commit_scale
    part[a,p]      use in a run of periods p that is counted under start a; U: all that could be used then. Where rates
                   change and dollars weigh by their span, what it costs at the rates of its hours likewise

Money and volume per month are prorated by hours in force / 730. Columns are scaled by `commit_scale` so that they stay
near 1. Which contract may carry what is the linking family's matter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.core.arrays import NONE, Floats, Ints, distinct
from problems.core.columns import Columns
from problems.core.elsewhere import billed_elsewhere, counted_before
from problems.core.family import Family, Promise
from problems.core.first_stage import FirstStage, covered_periods, force_slots
from problems.core.instance import Instance
from problems.core.rows import RowBuilder, Rows, Term
from problems.core.view import View

NAME = "commitments"


def build_first_stage(inst: Instance, first: FirstStage) -> Rows:
    """What may be committed: rows per start, then which terms may run together, then what adds up."""
    contracts, builder = inst.contracts, RowBuilder(NAME)
    for a, b in enumerate(contracts.start_contract):
        scale, least, most = first.commit_scale[b], contracts.start_min[a], contracts.start_max[a]
        name = f"{inst.offers.names[contracts.offer[b]]},{contracts.start_label(a)}"
        signed, committed = first.signed[a], first.committed[a]
        if contracts.start_signed[a] or not np.isfinite(most):
            builder.one(name, [(committed, 1.0), (signed, -least / scale)], lower=0.0, upper=0.0)
            continue
        builder.one(name, [(committed, 1.0), (signed, -least / scale)], lower=0.0)
        builder.one(name, [(committed, 1.0), (signed, -most / scale)], upper=0.0)
        if first.commit_steps[a] != NONE:
            step = contracts.step_per_month[b] / scale
            builder.one(name, [(committed, 1.0), (first.commit_steps[a], -step)], lower=0.0, upper=0.0)
    begin, end = covered_periods(inst)
    for b, o in enumerate(contracts.offer):
        mine = np.flatnonzero(contracts.start_contract == b)
        name = inst.offers.names[o]
        if contracts.stackable[b]:
            _adding_up(builder, inst, first, b, name)
            continue
        for t in distinct(begin[mine]).tolist():
            together = mine[(begin[mine] <= t) & (end[mine] > t)]
            if len(together) > 1:
                when = contracts.start_label(int(together[-1])).partition(",")[0]
                builder.one(f"{name},one term in {when}", [(first.signed[together], 1.0)], upper=1.0)
    return builder.rows()


def _adding_up(builder: RowBuilder, inst: Instance, first: FirstStage, b: int, name: str) -> None:
    """force[i] = force[i−1] + what starts − what ends."""
    begin, end = covered_periods(inst)
    mine, slots = np.flatnonzero(inst.contracts.start_contract == b), force_slots(inst, b)
    for i, t in enumerate(slots.tolist()):
        starts, ends = mine[begin[mine] == t], mine[end[mine] == t]
        terms: list[tuple[Ints | int, Floats | float]] = [
            (first.force[b][[i]], 1.0),
            (first.committed[starts], -1.0),
            (first.committed[ends], 1.0),
        ]
        if i:
            terms.append((first.force[b][[i - 1]], -1.0))
        builder.one(f"{name},in force from period {t}", terms, lower=0.0, upper=0.0)


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
    at = view.flows_of_contract[b]
    period, column, own = view.flows.period[at], cols.charged[at], view.own_use(b, tokens=tokens)
    o = int(view.inst.contracts.offer[b])
    elsewhere = cols.covered.billed_elsewhere(o)
    free = cols.paid_by.free_of(o, view.inst.credits.allowance)
    if not len(elsewhere) + len(free):
        return period, column, own
    usd = -np.concatenate([cols.covered.unit[elsewhere], cols.paid_by.unit[free]])
    return (
        np.concatenate([period, cols.covered.period[elsewhere], cols.paid_by.period[free]]),
        np.concatenate([column, cols.covered.at[elsewhere], cols.paid_by.at[free]]),
        np.concatenate([own, np.zeros(len(usd)) if tokens else usd]),
    )


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


def build(view: View, cols: Columns) -> Rows:
    """Per contract and span: at least the use, at least the commitment, and no more where there is no overage."""
    builder, contracts = RowBuilder(NAME), view.inst.contracts
    for b in range(len(contracts.offer)):
        spans = contracts.spans.of(b)
        n, at = len(spans), np.arange(len(spans))
        if contracts.spans.split(b):
            _split(builder, view, cols, b)
        use, committed = span_terms(view, cols, b)
        before = used_before_own(view, cols, b)
        if n and cols.billed[spans[0]] >= 0:
            billed: Term = (at, cols.billed[spans], 1.0)
            builder.add(n, [billed, _minus(use)], _label(view, b, "use"), lower=before)
            row, column, usd = billed_elsewhere(view, cols, b)
            elsewhere: Term = (row, column, usd / units_of_spans(view, cols, b)[row])
            minimum = [billed, *map(_minus, committed), elsewhere]
            counted = counted_before(view, b) / units_of_spans(view, cols, b)
            builder.add(n, minimum, _label(view, b, "minimum"), lower=-counted)
        elif n and cols.over[spans[0]] >= 0:
            over: Term = (at, cols.over[spans], 1.0)
            carried, credit = _carried(view, cols, b)
            terms = [over, _minus(use), *committed, *carried]
            builder.add(n, terms, _label(view, b, "overage"), lower=before - credit)
            if contracts.rollover[b]:
                _rolling(builder, view, cols, b)
    _limits(builder, view, cols)
    return builder.rows()


def most_due(view: View, b: int) -> Floats:
    """(n,) own units that could be due in each span."""
    contracts = view.inst.contracts
    sold = np.where(np.isfinite(contracts.start_max), contracts.start_max, contracts.start_min)
    sold = np.where(contracts.start_contract == b, sold, 0.0)
    return np.asarray((contracts.due_share.T @ sold)[contracts.spans.of(b)])


def limits(view: View, cols: Columns) -> Rows:
    """`overage: none` alone: what a loss of a provider may not stretch."""
    builder = RowBuilder(NAME)
    _limits(builder, view, cols)
    return builder.rows()


def _limits(builder: RowBuilder, view: View, cols: Columns) -> None:
    contracts = view.inst.contracts
    for b in np.flatnonzero(contracts.limited).tolist():
        if contracts.rollover[b]:  # what goes beyond all that is left is none
            continue
        spans = contracts.spans.of(b)
        use, committed = span_terms(view, cols, b)
        terms = [use, *map(_minus, committed)]
        due = _due_before_end(view.inst, b)
        if contracts.discounts[b] is None:
            most = -np.minimum(used_before_own(view, cols, b), due / units_of_spans(view, cols, b))
        else:  # the bands count what was used before
            most = np.maximum(_discounted_before(view.inst, b) - due, 0.0) / units_of_spans(view, cols, b)
        builder.add(len(spans), terms, _label(view, b, "limit"), upper=most)


def _due_before_end(inst: Instance, b: int) -> Floats:
    """(n,) own units that what was signed before commits to in each span."""
    contracts = inst.contracts
    signed = np.where(contracts.start_signed, contracts.start_min, 0.0)
    return np.asarray((contracts.due_share.T @ signed)[contracts.spans.of(b)])


def _discounted_before(inst: Instance, b: int) -> Floats:
    """(n,) USD of what was used before the horizon, less its discount."""
    spans, discounts = inst.contracts.spans, inst.contracts.discounts[b]
    mine = spans.of(b)
    if discounts is None:
        return np.zeros(len(mine))
    used = zip(spans.used_before[mine].tolist(), spans.share[mine].tolist(), strict=True)
    return np.array([discounts.bill(usd, share) for usd, share in used])


def _split(builder: RowBuilder, view: View, cols: Columns, b: int) -> None:
    """Use is counted under a term that is signed, all of it, each part once."""
    spans, parts = view.inst.contracts.spans, cols.parts
    mine = np.flatnonzero(spans.lot_contract[parts.lot] == b)
    tiered = view.inst.contracts.tiers[b] is not None
    tokens = tiered or bool(view.inst.contracts.in_tokens[b])
    counted = flow_terms(view, cols, b, tokens=tokens)
    in_usd, flows = mine[parts.usd_at[mine] >= 0], view.flows_of_contract[b]
    paid = view.flows.period[flows], cols.charged[flows], view.flow_token_usd[flows]
    for part, columns, units, (period, column, own), kinds in (
        (mine, parts.at, parts.unit, counted, ("counted", "signed")),
        (in_usd, parts.usd_at, parts.usd, paid, ("paid", "paid if signed")),
    ):
        runs = int(parts.run[part].max(initial=NONE)) + 1
        unit = np.ones(runs)
        unit[parts.run[part]] = units[part]
        run = parts.run_of[b][period]
        some = np.flatnonzero((run >= 0) & (run < runs))
        terms: list[Term] = [
            (parts.run[part], columns[part], 1.0),
            (run[some], column[some], -own[some] / unit[run[some]]),
        ]
        builder.add(runs, terms, _label(view, b, kinds[0]), lower=0.0, upper=0.0)
        at, signed = np.arange(len(part)), cols.first.signed[spans.lot_start[parts.lot[part]]]
        under: list[Term] = [(at, columns[part], 1.0), (at, signed, -1.0)]
        builder.add(len(part), under, _label(view, b, kinds[1]), upper=0.0)


def _carried(view: View, cols: Columns, b: int) -> tuple[list[Term], Floats]:
    """carry[n−1] − carry[n] in units of each span, and (n,) the credit that was brought in."""
    spans = view.inst.contracts.spans
    mine = spans.of(b)
    credit = np.zeros(len(mine))
    if not view.inst.contracts.rollover[b]:
        return [], credit
    unit, at = units_of_spans(view, cols, b), np.arange(len(mine))
    first = spans.from_h[mine] <= 0.0
    credit[first] = view.inst.contracts.credit[b].sum() / unit[first]
    later = np.flatnonzero(np.diff(spans.lot[mine], prepend=NONE) == 0)
    carry = cols.carry[mine]
    return [(at, carry, -1.0), (later, carry[later - 1], unit[later - 1] / unit[later])], credit


def _rolling(builder: RowBuilder, view: View, cols: Columns, b: int) -> None:
    """carry[n] ≤ what the last spans committed to: what they left unused, at most."""
    spans, rollover = view.inst.contracts.spans, int(view.inst.contracts.rollover[b])
    mine, unit = spans.of(b), units_of_spans(view, cols, b)
    at = np.arange(len(mine))
    place = at - np.searchsorted(spans.lot[mine], spans.lot[mine])  # in its lot
    credit = view.inst.contracts.credit[b]
    left = np.array([credit[max(len(credit) - max(rollover - 1 - int(i), 0), 0) :].sum() for i in place])
    left = np.where(spans.from_h[mine[at - place]] <= 0.0, left, 0.0)
    terms: list[Term] = [(at, cols.carry[mine], 1.0)]
    due, scale = view.inst.contracts.due_share, cols.first.commit_scale[b]
    for a in np.flatnonzero(view.inst.contracts.start_contract == b).tolist():
        total = np.append(0.0, np.cumsum(due[[a]].toarray()[0, mine]))
        recent = np.maximum(at + 1 - rollover, at - place)
        terms.append((at, cols.first.committed[[a]], -(total[at + 1] - total[recent]) * scale / unit))
    builder.add(len(mine), terms, _label(view, b, "rolls over"), upper=left / unit)
    _leaving_or_exceeding(builder, view, cols, b, left)


def _leaving_or_exceeding(builder: RowBuilder, view: View, cols: Columns, b: int, left: Floats) -> None:
    """A span that goes beyond all that is committed and left leaves nothing."""
    contracts, mine = view.inst.contracts, view.inst.contracts.spans.of(b)
    exceeds = cols.exceeds[mine]
    if not len(mine) or exceeds[0] < 0:
        return
    at, unit = np.arange(len(mine)), units_of_spans(view, cols, b)
    used = (most_used(view, cols, b, tokens=True) + contracts.spans.used_before[mine]) / unit
    due = most_due(view, b)
    recent = np.convolve(due, np.ones(int(contracts.rollover[b])))[: len(mine)]
    most = np.maximum((recent + left) / unit, 0.0)
    over: list[Term] = [(at, cols.over[mine], 1.0), (at, exceeds, -used)]
    builder.add(len(mine), over, _label(view, b, "exceeds"), upper=0.0)
    rest: list[Term] = [(at, cols.carry[mine], 1.0), (at, exceeds, most)]
    builder.add(len(mine), rest, _label(view, b, "leaves nothing"), upper=most)


def _label(view: View, b: int, kind: str) -> Callable[[int], str]:
    offer = view.inst.offers.names[view.inst.contracts.offer[b]]
    return lambda span: f"{offer},{kind},span {span}"


def units_of_spans(view: View, cols: Columns, b: int) -> Floats:
    """(n,) own units that a billed column of 1 stands for."""
    spans = view.inst.contracts.spans
    return np.asarray(cols.first.commit_scale[b] * spans.share[spans.of(b)])


def used_before_own(view: View, cols: Columns, b: int) -> Floats:
    """(n,) what was used before the horizon, in units of a billed column of 1; with bands their rows count it."""
    contracts = view.inst.contracts
    if contracts.discounts[b] is not None or (contracts.tiers[b] is not None and not contracts.in_tokens[b]):
        return np.zeros(len(contracts.spans.of(b)))
    starts = np.flatnonzero((contracts.start_contract == b) & contracts.start_signed)
    rate = float(contracts.start_rate[starts[0]]) if len(starts) else 1.0
    return np.asarray(
        contracts.spans.used_before[contracts.spans.of(b)] * rate / units_of_spans(view, cols, b)
    )


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
    here = np.flatnonzero(inst.contracts.start_contract[spans.force_start] == b)
    at = spans.force_span[here] - (mine[0] if len(mine) else 0)
    share = spans.force_share[here] * cols.first.commit_scale[b] / unit[at]
    committed: list[Term] = [(at, cols.first.committed[spans.force_start[here]], share)]
    return (row, column, own / unit[row]), committed


def _minus(term: Term) -> Term:
    row, column, value = term
    return row, column, -np.asarray(value, dtype=float)


OVERAGE = Promise(
    "offers[].commitment.overage",
    "contracts.limited",
    relax=False,
    text='"{name}" is used up to its commitment only',
)
FAMILY = Family(NAME, build, in_a_loss=limits, promises=(OVERAGE,))
