"""Credits: money that pays use of some offers while it lasts, and allowances in USD, which are credits of a month.

    Σ_(o,t) paid[n,o,t] ≤ most[n]                          per credit; per allowance and billing month
    paid[n,o,t] ≤ part[n,t] · billed[o,t]                  where its dates begin or end within a period
    Σ_n paid[n,o,t] ≤ billed[o,t]                          per offer, kind of use and period: the family of agreements

    paid[n,o,t]   USD of use that is paid for, in `unit` of the column
    use[o,t]      as agreements count it: tokens, requests, cache and rented instance hours, of what is not free
    billed[o,t]   use[o,t], of what an agreement covers what that bills for it
    part[n,t]     hours of the period inside the dates / its hours

What a credit pays is use of the offer's own commitment all the same. Unused, it lapses. Divided by `most`, so that the
dual is USD per whole credit.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.coverage import use_of
from problems.core.family import Family, Worth
from problems.core.rows import RowBuilder, Rows
from problems.core.view import View

NAME = "credits"


def build(view: View, cols: Columns) -> Rows:
    """A row per credit, then those of periods in which only a part of the use may be paid."""
    builder, paid, credits = RowBuilder(NAME), cols.paid_by, view.inst.credits
    for n, most in enumerate(credits.most.tolist()):
        mine = np.flatnonzero(paid.credit == n)
        value = paid.unit[mine] / (most if most > 0 else 1.0)
        builder.one(credits.names[n], [(paid.at[mine], value)], upper=1.0 if most > 0 else 0.0)
    part = credits.part[paid.credit, paid.period] if len(paid.at) else np.empty(0)
    some = np.flatnonzero(part < 1.0)
    names = view.inst.offers.names
    for i in some.tolist():
        o, rented, t = int(paid.offer[i]), bool(paid.rented[i]), int(paid.period[i])
        use = use_of(view, cols.charged, cols.counts.paid, o, rented=rented)
        here = use.period == t
        share = -float(part[i]) * use.usd[here] / paid.unit[i]
        covered = cols.covered
        agreed = (covered.offer == o) & (covered.rented == rented) & (covered.period == t)
        off = float(part[i]) * (covered.unit * (1.0 - covered.rate))[agreed] / paid.unit[i]
        terms: list[tuple[Ints, Floats | float]] = [
            (paid.at[[i]], 1.0),
            (use.column[here], share),
            (covered.at[agreed], off),
        ]
        label = f"{credits.names[paid.credit[i]]},{names[o]},{'instances' if rented else 'tokens'},{t}"
        builder.one(label, terms, upper=0.0)
    return builder.rows()


FAMILY = Family(NAME, build, in_a_loss=None, worth=Worth("USD per whole credit", "credit", "as much again"))
