"""Reserved minimum: take-or-pay contracts, settled span by span (hour, day, month, quarter, year or term).

    billed[n] ≥ used[n]                                            at least the use,
    billed[n] ≥ committed in force in span n − elsewhere[n]        at least the commitment, less what counts of others
    over[n]   ≥ used[n] + carry[n] − carry[n−1] − committed        or: the commitment, and what goes beyond it
    carry[n]  ≤ Σ committed in the last rollover_spans spans       left for later spans, oldest first
    over[n] ≤ U · exceeds[n],  carry[n] ≤ U · (1 − exceeds[n])     where rates change: else rests would be bought
    billed[n] ≤ used[n] + C · as_due[n]                            where a bill counts elsewhere for more than it costs:
    billed[n] ≤ committed + U · (1 − as_due[n])                    no more than the greater of the two
    used[n] ≤ committed                                            overage: none
    minimum · signed ≤ committed ≤ maximum · signed                no maximum: committed = minimum · signed
    committed = step · steps                                       sold in multiples
    Σ_(a in force) signed[a] ≤ 1                                   one term at a time, unless they add up:
    force[i] = force[i−1] + committed[starts] − committed[ends] ≤ maximum

    used[n] = used before the horizon + Σ_f own[f] · flow[f]       spans that all terms share, else term by term:
    used[n] = Σ_p part[a,p],   Σ_a part[a,p] = Σ_f own · flow,   part[a,p] ≤ U[p] · signed[a]

    so_far[n,t] = max(used until t, due until t)                   a bill that counts in spans which end within its own:
                   by so much as it grows in them              the 0/1 as above

    elsewhere[n]   Σ share · billed under other agreements, or by offers, in the span: `counts` of an agreement; of an
                   offer with a commitment its bill, and what that does not bill
    own[f]         tokens, or USD at contract rates, of the whole cell; what agreements cover of an offer's use, and
                   allowances in USD pay, is less of it: USD, or USD over the price of tokens in the period
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
from problems.core.span_use import (
    flow_terms,
    most_due,
    most_used,
    span_terms,
    timed_volume_terms,
    units_of_spans,
    used_before_own,
)
from problems.core.statement_rows import add_statements
from problems.core.taken_off import paid_at_rates, taken_off
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


def build(view: View, cols: Columns) -> Rows:
    """Per contract and span: at least the use, at least the commitment, and no more where there is no overage."""
    builder, contracts = RowBuilder(NAME), view.inst.contracts
    for b in range(len(contracts.offer)):
        spans = contracts.spans.of(b)
        n, at = len(spans), np.arange(len(spans))
        if contracts.spans.split(b):
            _split(builder, view, cols, b)
        if n and cols.billed[spans[0]] >= 0:
            use, committed = span_terms(view, cols, b)
            before, unit = used_before_own(view, cols, b), units_of_spans(view, cols, b)
            billed: Term = (at, cols.billed[spans], 1.0)
            builder.add(n, [billed, _minus(use)], _label(view, b, "use"), lower=before)
            minimum, counted = [billed, *map(_minus, committed)], np.zeros(n)
            if contracts.counts[b]:
                row, column, usd = billed_elsewhere(view, cols, b)
                minimum.append((row, column, usd / unit[row]))
                counted = counted_before(view, b) / unit
            builder.add(n, minimum, _label(view, b, "minimum"), lower=-counted)
            if cols.as_due[spans[0]] >= 0:
                _no_more(builder, view, cols, b)
            if (cols.statements.contract == b).any():
                add_statements(
                    builder,
                    view,
                    cols,
                    b,
                    timed_volume_terms(view, cols, b, tokens=False),
                    before,
                    unit,
                    (most_used(view, cols, b, tokens=False), most_due(view, b)),
                )
        elif n and cols.over[spans[0]] >= 0:
            _beyond(builder, view, cols, b)
    _limits(builder, view, cols, np.flatnonzero(contracts.limited))
    return builder.rows()


def _no_more(builder: RowBuilder, view: View, cols: Columns, b: int) -> None:
    """A bill that counts elsewhere for more than it costs is its use, or what is due, and no more."""
    spans, unit = view.inst.contracts.spans.of(b), units_of_spans(view, cols, b)
    use, committed = span_terms(view, cols, b)
    before, at = used_before_own(view, cols, b), np.arange(len(spans))
    due = most_due(view, b) / unit
    used = (most_used(view, cols, b, tokens=bool(view.inst.contracts.in_tokens[b])) / unit) + before
    billed, as_due = cols.billed[spans], cols.as_due[spans]
    as_used: list[Term] = [(at, billed, 1.0), _minus(use), (at, as_due, -due)]
    builder.add(len(spans), as_used, _label(view, b, "no more than used"), upper=before)
    as_committed: list[Term] = [(at, billed, 1.0), *map(_minus, committed), (at, as_due, used)]
    builder.add(len(spans), as_committed, _label(view, b, "no more than due"), upper=used)


def _beyond(builder: RowBuilder, view: View, cols: Columns, b: int) -> None:
    """What goes beyond the commitment, and what rolls over."""
    spans = view.inst.contracts.spans.of(b)
    use, committed = span_terms(view, cols, b)
    over: Term = (np.arange(len(spans)), cols.over[spans], 1.0)
    carried, credit = _carried(view, cols, b)
    terms = [over, _minus(use), *committed, *carried]
    least = used_before_own(view, cols, b) - credit
    builder.add(len(spans), terms, _label(view, b, "overage"), lower=least)
    if view.inst.contracts.rollover[b]:
        _rolling(builder, view, cols, b)


def limited_alone(inst: Instance) -> Ints:
    """Contracts of offers with `overage: none`: no loss of a provider may stretch them."""
    own = np.flatnonzero(inst.contracts.limited)
    return own[~np.isin(own, inst.agreements.contract)]


def limits(view: View, cols: Columns) -> Rows:
    """`overage: none` alone, of what is counted under a term that is signed and what spans leave for later ones."""
    builder, contracts, limited = RowBuilder(NAME), view.inst.contracts, limited_alone(view.inst)
    for b in limited.tolist():
        _as_planned(builder, view, cols, b)
        if contracts.spans.split(b):
            _split(builder, view, cols, b)
        if contracts.rollover[b]:
            _beyond(builder, view, cols, b)
    _limits(builder, view, cols, limited)
    return builder.rows()


def _as_planned(builder: RowBuilder, view: View, cols: Columns, b: int) -> None:
    """What is free, or billed elsewhere, in the plan is so after a loss, as far as it is used there."""
    planned = cols.planned
    if planned is None:
        return
    mine = view.flows_of_contract[b]
    free = mine[cols.charged[mine] != cols.flow[mine]]
    at = np.arange(len(free))
    terms: list[Term] = [
        (at, cols.charged[free], 1.0),
        (at, cols.flow[free], -1.0),
        (at, planned.flow[free], 1.0),
        (at, planned.charged[free], -1.0),
    ]
    builder.add(len(free), terms, _label(view, b, "not free"), lower=0.0)
    left, unit, off = planned.uncovered[b], planned.unit[b], taken_off(view, cols, b)
    if len(left):
        tokens = bool(view.inst.contracts.in_tokens[b])
        terms = [
            (np.arange(len(left)), left, 1.0),
            (view.flows.period[mine], cols.charged[mine], -view.own_use(b, tokens=tokens) / unit),
            (off.period, off.column, (off.tokens if tokens else off.usd) / unit),
        ]
        builder.add(len(left), terms, _label(view, b, "billed here"), lower=0.0)


def _limits(builder: RowBuilder, view: View, cols: Columns, limited: Ints) -> None:
    contracts = view.inst.contracts
    for b in limited.tolist():
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
    in_usd, paid = mine[parts.usd_at[mine] >= 0], paid_at_rates(view, cols, b)
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


def left_by_earlier(view: View, cols: Columns, b: int) -> tuple[list[Term], Floats]:
    """carry[n−1] in units of each span, and (n,) the credit that was brought in."""
    terms, credit = _carried(view, cols, b)
    return terms[1:], credit


def most_left(view: View, b: int) -> Floats:
    """(n,) own units that the spans before each one could leave for it."""
    contracts, mine = view.inst.contracts, view.inst.contracts.spans.of(b)
    kept = int(contracts.rollover[b])
    if not kept:
        return np.zeros(len(mine))
    recent = np.convolve(most_due(view, b), np.append(0.0, np.ones(kept)))[: len(mine)]
    return np.asarray(recent + contracts.credit[b].sum())


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
    _all_is_left(builder, view, cols, b, terms, left / unit)


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


def _all_is_left(
    builder: RowBuilder, view: View, cols: Columns, b: int, rolls: list[Term], left: Floats
) -> None:
    """What is left is all that is not used, or all that does not lapse. `rolls` − `left`: the latter, of which it is at
    most."""
    mine = view.inst.contracts.spans.of(b)
    lapses = cols.lapses[mine]
    if not len(mine) or lapses[0] < 0:
        return
    at, unit = np.arange(len(mine)), units_of_spans(view, cols, b)
    use, committed = span_terms(view, cols, b)
    carried, credit = _carried(view, cols, b)
    most = (most_due(view, b) + most_left(view, b)) / unit
    whole = [use, *map(_minus, committed), *map(_minus, carried), (at, lapses, most)]
    least = credit - used_before_own(view, cols, b)
    builder.add(len(mine), whole, _label(view, b, "leaves the rest"), lower=least)
    builder.add(len(mine), [*rolls, (at, lapses, -most)], _label(view, b, "lapses"), lower=left - most)


def _label(view: View, b: int, kind: str) -> Callable[[int], str]:
    offer = view.inst.offers.names[view.inst.contracts.offer[b]]
    return lambda span: f"{offer},{kind},span {span}"


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
