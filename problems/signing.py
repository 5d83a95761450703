"""Signing asked for, or ruled out: what is bought ahead whatever the best plan would do.

    signed[a] ≥ 1                               asked for: offers with a contract to sign, from its first month on
    Σ_q paid[q] + Σ_q bought[q,first] ≥ least   else offers with instances bought ahead; least = 1, or what the problem
                                                allows where fractions are sold
    active[o] ≥ 1                               else offers with a fee
    host[h] ≥ 1                                 hosts that are one number for the horizon

    Σ_a signed[a] + Σ_q paid[q] + Σ_(q,k) bought[q,k] ≤ 0       ruled out: nothing beyond what is there already

Questions, not promises of the problem: what would the plan cost with this quote signed, or without? (`router size` asks
them.) Signed now, because that is what a quote asks: the cheapest way of signing it late is a term of which the horizon
sees one month.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Ints
from problems.core.family import Family
from problems.core.first_stage import FirstStage
from problems.core.instance import Instance
from problems.core.rows import RowBuilder, Rows

NAME = "signing"


def build_first_stage(inst: Instance, first: FirstStage) -> Rows:
    """One row per offer asked for or ruled out; none where there is no such question."""
    builder, names = RowBuilder(NAME), inst.offers.names
    for o in np.flatnonzero(inst.must_sign).tolist() if inst.must_sign is not None else ():
        columns, least = _ways(inst, first, o)
        builder.one(names[o], [(columns, 1.0)], lower=least)
    for o in np.flatnonzero(inst.must_not_sign).tolist() if inst.must_not_sign is not None else ():
        builder.one(names[o], [(_new(inst, first, o), 1.0)], upper=0.0)
    return builder.rows()


def _new(inst: Instance, first: FirstStage, offer: int) -> Ints:
    """Columns of all that could be bought ahead of an offer."""
    contracts, fleets = inst.contracts, inst.fleets
    mine = contracts.offer[contracts.start_contract] == offer
    found = [first.signed[mine & ~contracts.start_signed]]
    if fleets.pools:
        pools = fleets.offer[fleets.pool_fleet] == offer
        found += [first.ahead.paid[pools].ravel(), first.bought[pools].ravel()]
    found.append(first.hosts[inst.hosts.seller == offer])
    columns = np.concatenate(found)
    return columns[columns >= 0]


def _ways(inst: Instance, first: FirstStage, offer: int) -> tuple[Ints, float]:
    """Columns of which some must be bought, and how much."""
    contracts, fleets = inst.contracts, inst.fleets
    b = int(inst.offers.contract[offer])
    if (inst.hosts.seller == offer).any():
        return first.hosts[inst.hosts.seller == offer], 1.0
    if b >= 0 and contracts.decided[b]:
        mine = (contracts.start_contract == b) & ~contracts.start_signed
        if mine.any():
            return first.signed[mine & (contracts.start_month == contracts.start_month[mine].min())], 1.0
    if fleets.pools:
        mine = inst.offers.seller_of_halves[fleets.offer[fleets.pool_fleet]] == offer
        paid, bought = first.ahead.paid[mine, 0], first.bought[mine]
        sold = np.flatnonzero((bought >= 0).any(axis=0))
        begins = bought[:, sold[0]] if len(sold) else np.empty(0, dtype=np.int64)
        columns = np.concatenate([paid[paid >= 0], begins[begins >= 0]])
        if len(columns):
            of = fleets.pool_fleet[mine]
            fraction = float((fleets.pool_min[mine] - fleets.reserved[of].max(axis=1)).min())
            return columns, 1.0 if fleets.integral[of].all() else max(fraction, 0.0)
    return first.active[[offer]][first.active[[offer]] >= 0], 1.0


FAMILY = Family(NAME, None, in_a_loss=None)
