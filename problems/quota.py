"""Quota: a provider's caps per minute over all models of an offer, averaged over a period.

    Σ_f amount[f] · flow[f] / quota ≤ 1                           for every offer with a quota, kind and period

    amount[f]   requests, tokens, or burndown units of the whole cell, per second of the period
    quota       the provider's cap, per second

Divided by the quota, so that the dual is USD per quota-full.
"""

from __future__ import annotations

import numpy as np

from problems.core.blocks import Rows, Term, enumerate_keys, rows
from problems.core.columns import Columns
from problems.core.view import View

NAME = "quota"
KINDS = ("requests", "tokens", "units")


def build(view: View, cols: Columns) -> Rows:
    """A row per offer, period and kind of quota."""
    offers, routes, flows = view.inst.offers, view.routes, view.flows
    limits = (offers.quota_requests, offers.quota_tokens, offers.quota_units)
    amounts = (routes.requests, routes.tokens, routes.units)
    offer = routes.offer[flows.route]
    terms: list[Term] = []
    names: list[str] = []
    upper: list[float] = []
    for kind, limit, amount in zip(KINDS, limits, amounts, strict=True):
        at = np.flatnonzero(np.isfinite(limit[offer]))
        row, _, (o, t) = enumerate_keys(offer[at], flows.period[at])
        per_s = amount[flows.route[at]] * flows.work[at] / view.inst.time.seconds
        cap = limit[offer[at]]
        terms.append((row + len(names), cols.flow[at], per_s / np.where(cap > 0, cap, 1.0)))
        upper += np.where(limit[o] > 0, 1.0, 0.0).tolist()  # a quota of 0 lets nothing through
        names += [f"{offers.names[i]},{kind},{p}" for i, p in zip(o, t, strict=True)]
    return rows(NAME, len(names), terms, names.__getitem__, upper=np.array(upper))
