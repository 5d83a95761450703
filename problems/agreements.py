"""Agreements: one commitment over what several offers bill.

    Σ_g covered[g,o,t] / (1 − discount[g,o]) + Σ_n paid[n,o,t] ≤ use[o,t]     per offer, kind of use and period; paid:
                                                                              see credits
    Σ_(o,t in n) covered[g,o,t] ≤ committed in force in n    overage: list; the family of commitments has it
    covered[g,o,t] ≤ U[o,t] · Σ_(a in force) signed[a]       overage: contract, where signing is decided

    use[o,t]         USD at the offer's own prices: Σ_f usd · work · flow[f] for tokens, requests and cache,
                     h · usd_per_h · Σ_q paid[q,t] for rented instances
    covered[g,o,t]   USD billed under agreement g, in `unit · (1 − discount)` of the column

What is covered is not paid to the offer, nor held against a commitment of its own; what is committed is due, used or
not; what goes beyond costs the offer's own price (`overage: list`), or has the discount too (`contract`). U is all
that could be used. Money is split, never machines: half an hour of an instance may be covered. What is reserved or
bought for a term, fees, starts, upfront and energy are no use. In a loss only flows move: nothing holds there. An
agreement in units covers rented instances alone, every period by itself, and bills units · usd_per_unit_h in place of
usd_per_h: 1 − discount is the one over the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.core.arrays import Bools, Ints
from problems.core.columns import Columns
from problems.core.coverage import use_of
from problems.core.family import Family
from problems.core.first_stage import covered_periods
from problems.core.rows import RowBuilder, Rows, Term, enumerate_keys
from problems.core.view import View

NAME = "agreements"


def build(view: View, cols: Columns) -> Rows:
    """One row per offer that is covered or paid for, kind of use and period."""
    builder, covered, paid = RowBuilder(NAME), cols.covered, cols.paid_by
    if not len(covered.at) + len(paid.at):
        return builder.rows()
    both = [
        np.concatenate([getattr(covered, name), getattr(paid, name)])
        for name in ("at", "offer", "rented", "period", "unit")
    ]
    row, first, (offer, rented, period) = enumerate_keys(both[1], both[2].astype(np.int64), both[3])
    unit = both[4][first]
    terms: list[Term] = [(row, both[0], both[4] / unit[row])]
    for o, kind in sorted({*zip(offer.tolist(), rented.tolist(), strict=True)}):
        use = use_of(view, cols.charged, cols.counts.paid, o, rented=bool(kind))
        place = np.full(view.inst.time.periods, -1, dtype=np.int64)
        mine = np.flatnonzero((offer == o) & (rented == kind))
        place[period[mine]] = mine
        some = np.flatnonzero(place[use.period] >= 0)
        at = place[use.period[some]]
        terms.append((at, use.column[some], -use.usd[some] / unit[at]))
    builder.add(len(first), terms, _label(view, offer, rented > 0, period), upper=0.0)
    _signed(builder, view, cols)
    return builder.rows()


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
