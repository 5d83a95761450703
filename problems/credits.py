"""Credits: money that pays use of some offers while it lasts, and allowances in USD, which are credits of a month.

    Σ_(o,t) paid[n,o,t] ≤ most[n]                          per credit; per allowance and billing month
    paid[n,o,t] ≤ part[n,t] · billed[o,t]                  where its dates begin or end within a period
    Σ_n paid[n,o,t] ≤ billed[o,t]                          per offer, kind of use and period: the family of agreements

    paid[n,o,t]   USD of use that is paid for, in `unit` of the column
    use[o,t]      as agreements count it: tokens, requests, cache and rented instance hours, of what is not free
    billed[o,t]   use[o,t], of what an agreement covers what that bills for it; of a bill whose prices hang on what is
                  signed or used a column of its own, payable:
    payable[b,o,t] ≤ rate · use + U · (1 − chosen)                   of every level, and band of all units
    Σ_(o,t in n) payable[b,o,t] ≤ Σ_i rate · band[n,i]               of bands each at its price, and use above a
                                                                     commitment: what the span's use is billed at
    Σ_(o,t in n) payable[b,o,t] ≤ use of the span − carry[n−1] + C · by_rests[n],  ≤ U · (1 − by_rests[n])
                                                                     where rests roll over: they pay first, and what
                                                                     they pay is not billed again
    part[n,t]     hours of the period inside the dates / its hours

What a credit pays is use of the offer's own commitment all the same. Unused, it lapses. Divided by `most`, so that the
dual is USD per whole credit.
"""

from __future__ import annotations

import numpy as np

from problems.commitments import most_left
from problems.core.arrays import Floats, Ints, distinct
from problems.core.columns import Columns
from problems.core.family import Family, Worth
from problems.core.first_stage import covered_periods
from problems.core.payable import by_span, highest_rate
from problems.core.rows import RowBuilder, Rows
from problems.core.span_means import rate_usd
from problems.core.view import View
from problems.core.worth import billed, span_worth, worth

NAME = "credits"


def build(view: View, cols: Columns) -> Rows:
    """A row per credit, then those of periods in which only a part of the use may be paid."""
    builder, paid, credits = RowBuilder(NAME), cols.paid_by, view.inst.credits
    for n, most in enumerate(credits.most.tolist()):
        mine = np.flatnonzero(paid.credit == n)
        value = paid.unit[mine] / (most if most > 0 else 1.0)
        builder.one(credits.names[n], [(paid.at[mine], value)], upper=1.0 if most > 0 else 0.0)
    part = credits.part[paid.credit, paid.period] if len(paid.at) else np.empty(0)
    some = np.flatnonzero((part < 1.0) & ~credits.allowance[paid.credit])
    for i in some.tolist():
        of = int(paid.offer[i]), bool(paid.rented[i]), int(paid.period[i])
        column, usd = billed(view, cols, of)
        terms: list[tuple[Ints, Floats | float]] = [
            (paid.at[[i]], 1.0),
            (column, -float(part[i]) * usd / paid.unit[i]),
        ]
        builder.one(f"{credits.names[paid.credit[i]]},{_name(view, of)}", terms, upper=0.0)
    _payable(builder, view, cols)
    return builder.rows()


def _payable(builder: RowBuilder, view: View, cols: Columns) -> None:
    """What is paid is billed, where that hangs on a level, a band or what goes beyond a commitment."""
    paid, rows = cols.paid_by, cols.payable
    own = ~view.inst.credits.allowance[paid.credit]
    keys = zip(rows.offer.tolist(), rows.rented.tolist(), rows.period.tolist(), strict=True)
    for of in sorted({*keys}):
        o, rented, t = of
        mine = np.flatnonzero(own & (paid.offer == o) & (paid.rented == rented) & (paid.period == t))
        column, usd = billed(view, cols, of)
        unit = float(np.abs(usd).max(initial=1e-9))
        terms: list[tuple[Ints, Floats | float]] = [
            (paid.at[mine], paid.unit[mine] / unit),
            (column, -usd / unit),
        ]
        builder.one(f"{_name(view, of)},paid", terms, upper=0.0)
    for i in range(len(rows.at)):
        _at_its_rate(builder, view, cols, i)
    for b in sorted({*rows.contract.tolist()}):
        if by_span(view.inst.contracts, b):
            _over_the_span(builder, view, cols, b)


def _at_its_rate(builder: RowBuilder, view: View, cols: Columns, i: int) -> None:
    """At the rate of the level that is signed, or of the band that is reached; by the span at most at the highest."""
    contracts, rows = view.inst.contracts, cols.payable
    b, t, most = int(rows.contract[i]), int(rows.period[i]), float(rows.unit[i])
    column, usd = worth(view, cols, i)
    of = int(rows.offer[i]), bool(rows.rented[i]), t
    name = f"{_name(view, of)},{view.inst.offers.names[contracts.offer[b]]}"
    begin, end = covered_periods(view.inst)

    def at(rate: float, chosen: list[int], label: str) -> None:
        terms: list[tuple[Ints | int, Floats | float]] = [
            (int(rows.at[i]), 1.0),
            (column, -rate * usd / most),
        ]
        terms += [(each, 1.0) for each in chosen]
        builder.one(f"{name},{label}", terms, upper=float(len(chosen)))

    at(float(highest_rate(view, b)[t]), [], "at most")
    if by_span(contracts, b):
        return
    for a in np.flatnonzero((contracts.start_contract == b) & contracts.levelled[b]).tolist():
        if begin[a] <= t < end[a]:
            at(float(contracts.start_rate[a]), [int(cols.first.signed[a])], contracts.start_label(a))
    discounts, spans = contracts.discounts[b], contracts.spans
    if discounts is None or not cols.band_open[b].shape[1]:
        return
    for lot in spans.lots(b).tolist():
        span, start = int(spans.lot_span[lot][t]), int(spans.lot_start[lot])
        if span >= 0:
            signed = [int(cols.first.signed[start])] if start >= 0 else []
            opened = cols.band_open[b][span - spans.of(b)[0]]
            for j, rate in enumerate(discounts.rate.tolist()):
                at(rate, [int(opened[j]), *signed], f"span {span},band {j}")


def _over_the_span(builder: RowBuilder, view: View, cols: Columns, b: int) -> None:
    """Σ payable ≤ what is billed for the use of a span, where no period has a part of its own."""
    contracts, rows, spans = view.inst.contracts, cols.payable, view.inst.contracts.spans
    first = spans.of(b)[0]
    for lot in spans.lots(b).tolist():
        start = int(spans.lot_start[lot])
        for n in distinct(spans.lot_span[lot][spans.lot_span[lot] >= 0]).tolist():
            mine = np.flatnonzero((rows.contract == b) & (spans.lot_span[lot][rows.period] == n))
            if not len(mine):
                continue
            terms, constant = span_worth(view, cols, b, n - first, mine)
            unit, most = float(rows.unit[mine].max()), float(rows.unit[mine].sum())
            row: list[tuple[Ints | int, Floats | float]] = [(rows.at[mine], rows.unit[mine] / unit)]
            row += [(column, -usd / unit) for column, usd in terms]
            upper = constant / unit
            if start >= 0:
                row.append((int(cols.first.signed[start]), most / unit))
                upper += most / unit
            name = f"{view.inst.offers.names[contracts.offer[b]]},span {n - first}"
            if cols.by_rests[n] >= 0:
                rests = float(most_left(view, b)[n - first]) * _usd_of_unit(view, b, n)
                row.append((int(cols.by_rests[n]), -rests / unit))
                none: list[tuple[Ints | int, Floats | float]] = [
                    (rows.at[mine], rows.unit[mine] / unit),
                    (int(cols.by_rests[n]), most / unit),
                ]
                builder.one(f"{name},by rests", none, upper=most / unit)
            builder.one(name, row, upper=upper)


def _usd_of_unit(view: View, b: int, n: int) -> float:
    """USD of an own unit in a span."""
    contracts = view.inst.contracts
    return float(rate_usd(view.inst)[n] * view.price[contracts.offer[b]]) if contracts.in_tokens[b] else 1.0


def _name(view: View, of: tuple[int, bool, int]) -> str:
    o, rented, t = of
    return f"{view.inst.offers.names[o]},{'instances' if rented else 'tokens'},{t}"


FAMILY = Family(NAME, build, in_a_loss=None, worth=Worth("USD per whole credit", "credit", "as much again"))
