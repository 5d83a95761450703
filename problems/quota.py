"""Quota: a provider's caps per minute over all models of an offer, averaged over a period.

    Σ_f amount[f] · flow[f] / quota ≤ 1                           for every offer with a quota, kind and period

    amount[f]   requests, tokens, or burndown units of the whole cell, per second of the period
    quota       the provider's cap, per second

Divided by the quota, so that the dual is USD per quota-full.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from problems.core.columns import Columns
from problems.core.family import Family, Promise, Worth
from problems.core.rows import RowBuilder, Rows, enumerate_keys
from problems.core.view import View

NAME = "quota"
KINDS = ("requests", "tokens", "units")


def build(view: View, cols: Columns, kinds: Sequence[str] = KINDS) -> Rows:
    """A row per offer, period and kind of quota."""
    offers, routes, flows = view.inst.offers, view.routes, view.flows
    limits = {"requests": offers.quota_requests, "tokens": offers.quota_tokens, "units": offers.quota_units}
    amounts = {"requests": routes.requests, "tokens": routes.tokens, "units": routes.units}
    offer = routes.offer[flows.route]
    builder = RowBuilder(NAME)
    for kind in kinds:
        limit, amount = limits[kind], amounts[kind]
        at = np.flatnonzero(np.isfinite(limit[offer]))
        row, _, (o, t) = enumerate_keys(offer[at], flows.period[at])
        per_s = amount[flows.route[at]] * flows.work[at] / view.inst.time.seconds
        cap = limit[offer[at]]
        names = [f"{offers.names[i]},{kind},{period}" for i, period in zip(o, t, strict=True)]
        builder.add(
            len(names),
            [(row, cols.flow[at], per_s / np.where(cap > 0, cap, 1.0))],
            names.__getitem__,
            upper=np.where(limit[o] > 0, 1.0, 0.0),  # a quota of 0 lets nothing through
        )
    return builder.rows()


FAMILY = Family(
    NAME,
    build,
    in_a_loss=build,
    promises=tuple(
        Promise(
            f"offers[].quota.{kind}_per_minute",
            f"offers.quota_{kind}",
            relax=np.inf,
            text=f'quota of "{{name}}": {{limit:,.10g}} {kind} a minute',
            per=60.0,
            amount=partial(build, kinds=(kind,)),
            relative=True,
        )
        for kind in KINDS
    ),
    worth=Worth("USD per quota-full", "quota", "as much again"),
)
