"""Agreements: one commitment over what several offers bill.

    Σ_g covered[g,o,t] / (1 − discount[g,o]) + free[o,t] ≤ use[o,t]      per offer, kind of use and period; free: what
                                                             an allowance in USD pays, never an agreement's bill
    Σ_n paid[n,o,t] ≤ use[o,t] − Σ_g discount · covered / (1 − discount)      paid: see credits; of all that is billed
    Σ_(o,t in n) covered[g,o,t] ≤ committed in force in n    overage: list; the family of commitments has it
    covered[g,o,t] ≤ U[o,t] · Σ_(a in force) signed[a]       overage: contract, where signing is decided

    use[o,t]         USD at the offer's own prices: Σ_f usd · work · flow[f] for tokens, requests and cache,
                     h · usd_per_h · Σ_q paid[q,t] for rented instances
    covered[g,o,t]   USD billed under agreement g, in `unit · (1 − discount)` of the column

What is covered is not paid to the offer, nor held against a commitment of its own (of one in tokens, what it buys at
their price in the period); what is committed is due, used or
not; what goes beyond costs the offer's own price (`overage: list`), or has the discount too (`contract`). U is all
that could be used. Money is split, never machines: half an hour of an instance may be covered. What is reserved or
bought for a term, fees, starts, upfront and energy are no use. In a loss what is covered stays so, as far as it is
used. An agreement in units covers rented instances alone, every period by itself, and bills units · usd_per_unit_h in
place of usd_per_h: 1 − discount is the one over the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from problems.core.columns import Columns
from problems.core.coverage import use_of
from problems.core.family import Family
from problems.core.first_stage import covered_periods
from problems.core.rows import RowBuilder, Rows, Term, enumerate_keys, no_rows
from problems.core.view import View

NAME = "agreements"


def build(view: View, cols: Columns) -> Rows:
    """One row per offer that is covered, kind of use and period, and one where it is paid for."""
    builder, covered, paid = RowBuilder(NAME), cols.covered, cols.paid_by
    if not len(covered.at) and not len(paid.at):
        return no_rows(NAME)
    free = view.inst.credits.allowance[paid.credit]  # pays what is left, no bill of an agreement
    sides = zip(
        (covered.at, covered.offer, covered.rented, covered.period, covered.unit),
        (paid.at[free], paid.offer[free], paid.rented[free], paid.period[free], paid.unit[free]),
        strict=True,
    )
    at, offer, rented, period, unit = (np.concatenate(pair) for pair in sides)
    _within_use(builder, view, cols, (at, offer, rented, period), unit)
    apart = positions_of(view, cols.payable.offer, cols.payable.rented, cols.payable.period)
    plain = ~np.isin(positions_of(view, paid.offer, paid.rented, paid.period), apart)  # else: see credits
    paid, own = paid.subset(plain), np.zeros(len(covered.at), dtype=bool)
    if len(paid.at):  # of what is covered a credit pays what is billed for it
        key = positions_of(view, paid.offer, paid.rented, paid.period)
        own = np.isin(positions_of(view, covered.offer, covered.rented, covered.period), key)
    _within_use(
        builder,
        view,
        cols,
        (
            np.concatenate([paid.at, covered.at[own]]),
            np.concatenate([paid.offer, covered.offer[own]]),
            np.concatenate([paid.rented, covered.rented[own]]),
            np.concatenate([paid.period, covered.period[own]]),
        ),
        np.concatenate([paid.unit, covered.unit[own] * (1.0 - covered.rate[own])]),
    )
    _signed(builder, view, cols)
    return builder.rows()


def positions_of(view: View, offer: Ints, rented: Bools, period: Ints) -> Ints:
    """(n,) one number for each offer, kind of use and period."""
    return np.asarray((offer * 2 + rented) * view.inst.time.periods + period)


def _within_use(
    builder: RowBuilder, view: View, cols: Columns, of: tuple[Ints, Ints, Bools, Ints], usd: Floats
) -> None:
    """Σ usd · column ≤ use, of columns that are of an offer, a kind of use and a period."""
    at, offers, kinds, periods = of
    if not len(at):
        return
    row, first, (offer, rented, period) = enumerate_keys(offers, kinds.astype(np.int64), periods)
    unit = np.maximum(np.abs(usd[first]), 1e-9)
    terms: list[Term] = [(row, at, usd / unit[row])]
    for o, kind in sorted({*zip(offer.tolist(), rented.tolist(), strict=True)}):
        use = use_of(view, cols.charged, cols.counts.paid, o, rented=bool(kind))
        place = np.full(view.inst.time.periods, -1, dtype=np.int64)
        mine = np.flatnonzero((offer == o) & (rented == kind))
        place[period[mine]] = mine
        some = np.flatnonzero(place[use.period] >= 0)
        at = place[use.period[some]]
        terms.append((at, use.column[some], -use.usd[some] / unit[at]))
    builder.add(len(first), terms, _label(view, offer, rented > 0, period), upper=0.0)


def _signed(builder: RowBuilder, view: View, cols: Columns) -> None:
    """Nothing is billed under what is not signed, also where no amount limits it."""
    contracts, covered = view.inst.contracts, cols.covered
    begin, end = covered_periods(view.inst)
    open_ = contracts.decided & ~contracts.limited
    at = np.flatnonzero(open_[covered.contract])
    terms: list[Term] = [(np.arange(len(at)), cols.covered.at[at], covered.unit[at] / covered.most[at])]
    for a in np.flatnonzero(open_[contracts.start_contract]).tolist():
        mine = covered.contract[at] == contracts.start_contract[a]
        some = np.flatnonzero(mine & (covered.period[at] >= begin[a]) & (covered.period[at] < end[a]))
        terms.append((some, cols.first.signed[[a]], -1.0))
    names = view.inst.offers.names

    def label(i: int) -> str:
        agreement = names[contracts.offer[covered.contract[at[i]]]]
        return f"{agreement},signed,{names[covered.offer[at[i]]]},{covered.period[at[i]]}"

    builder.add(len(at), terms, label, upper=0.0)


def _label(view: View, offer: Ints, rented: Bools, period: Ints) -> Callable[[int], str]:
    names = view.inst.offers.names
    return lambda i: f"{names[offer[i]]},{'instances' if rented[i] else 'tokens'},{period[i]}"


FAMILY = Family(NAME, build, in_a_loss=None)
