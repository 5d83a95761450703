"""Signing asked for: an offer that must be bought now, whatever the best plan would do.

    signed[a] ≥ 1                               offers with a contract to sign, from its first month on
    Σ_q paid[q] + Σ_q bought[q,first] ≥ least   else offers with instances bought ahead; least = 1, or what the problem
                                                allows where fractions are sold
    active[o] ≥ 1                               else offers with a fee

A question, not a promise of the problem: what would the plan cost with this quote signed? (`router size` asks it.) Now,
because that is what a quote asks: the cheapest way of signing it late is a term of which the horizon sees one month.
"""

from __future__ import annotations

import numpy as np

from problems.core.blocks import Rows, Term, rows
from problems.core.columns import FirstStage
from problems.core.instance import Floats, Instance, Ints

NAME = "signing"


def build_first_stage(inst: Instance, first: FirstStage) -> Rows:
    """One row per offer asked for; none where nothing is asked."""
    terms: list[Term] = []
    least: list[float] = []
    names: list[str] = []
    for o in np.flatnonzero(inst.must_sign) if inst.must_sign is not None else ():
        columns, amount = _ways(inst, first, int(o))
        terms.append((len(least), columns, np.ones(len(columns))))
        least.append(amount)
        names.append(inst.offers.names[o])
    lower: Floats = np.array(least)
    return rows(NAME, len(least), terms, names.__getitem__, lower=lower)


def _ways(inst: Instance, first: FirstStage, offer: int) -> tuple[Ints, float]:
    """Columns of which some must be bought, and how much."""
    contracts, fleets = inst.contracts, inst.fleets
    b = int(inst.offers.contract[offer])
    if b >= 0 and contracts.decided[b]:
        mine = (contracts.start_contract == b) & ~contracts.start_signed
        if mine.any():
            return first.signed[mine & (contracts.start_month == contracts.start_month[mine].min())], 1.0
    if fleets.pools:
        mine = fleets.offer[fleets.pool_fleet] == offer
        paid, bought = first.held.paid[mine, 0], first.bought[mine]
        sold = np.flatnonzero((bought >= 0).any(axis=0))
        begins = bought[:, sold[0]] if len(sold) else np.empty(0, dtype=np.int64)
        columns = np.concatenate([paid[paid >= 0], begins[begins >= 0]])
        if len(columns):
            fleet = int(inst.offers.fleet[offer])
            fraction = max(float(fleets.min[fleet] - fleets.reserved[fleet]), 0.0)
            return columns, 1.0 if fleets.integral[fleet] else fraction
    return first.active[[offer]][first.active[[offer]] >= 0], 1.0
