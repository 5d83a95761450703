"""Tiers: price bands by monthly volume of all tokens. The bill is tiers(max(used, committed)).

incremental: each band's tokens at that band's price
    volume = Σ_i band[i],   0 ≤ band[i] ≤ width[i]
    where prices fall, bands fill in order:  band[i] ≤ width[i] · open[i],  band[i] ≥ width[i] · open[i+1]
all_units: the band reached sets the price of every token; unused units may be bought to reach it
    volume = Σ_i band[i],   from[i] · open[i] ≤ band[i] ≤ to[i] · open[i],   Σ_i open[i] = 1

    volume   billed volume of the month: at least the use and at least the commitment

Falling prices are concave: without the binaries the plain LP takes the last band's price from the first token.
The last band ends at the largest volume that could be used or committed.
"""

from __future__ import annotations

import numpy as np

from problems.commitments import band_scale, flow_terms, month_share
from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.family import Family
from problems.core.rows import RowBuilder, Rows
from problems.core.supply import Tiers
from problems.core.view import View

NAME = "tiers"
MARGIN = 4e-6  # in column units, above the MILP tolerance: how far a volume keeps below a dearer band


def build(view: View, cols: Columns) -> Rows:
    """Rows per contract with tiers, and month."""
    inst, contracts = view.inst, view.inst.contracts
    builder = RowBuilder(NAME)
    for b, tiers in enumerate(contracts.tiers):
        if tiers is None:
            continue
        scale, share = band_scale(view, b), month_share(inst)
        for k in range(inst.time.months):
            name = f"{inst.offers.names[contracts.offer[b]]},month {k}"
            volume = cols.band_volume[b][k]
            builder.one(name, _volume(view, cols, b, k, scale[k]), lower=0.0)
            top = _top(view, b, k)
            edges = (
                np.concatenate([tiers.from_tokens * share[k], [max(top, tiers.from_tokens[-1] * share[k])]])
                / scale[k]
            )
            opens = cols.band_open[b][k] if cols.band_open[b].shape[1] else None
            _bands(builder, name, tiers, edges, volume, opens)
    return builder.rows()


def _volume(view: View, cols: Columns, b: int, k: int, scale: float) -> list[tuple[Ints, Floats | float]]:
    """Σ band ≥ use, and = billed where the contract's own unit is the token."""
    parts: list[tuple[Ints, Floats | float]] = [(cols.band_volume[b][k], 1.0)]
    if view.inst.contracts.in_tokens[b]:
        unit = cols.first.commit_scale[b] * month_share(view.inst)[k]
        return [*parts, (cols.billed[b, [k]], -unit / scale)]
    month, column, tokens = flow_terms(view, cols, b, tokens=True)
    here = month == k
    return [*parts, (column[here], -tokens[here] / scale)]


def _top(view: View, b: int, k: int) -> float:
    """The largest volume of the month: all that could be routed there, or the largest commitment."""
    contracts, share = view.inst.contracts, month_share(view.inst)[k]
    flows = view.flows
    at = view.flows_of_contract[b]
    at = at[view.inst.time.month[flows.period[at]] == k]
    most = np.zeros(len(view.cells))
    np.maximum.at(most, flows.cell[at], view.flow_tokens[at])
    committed = 0.0
    if contracts.in_tokens[b]:
        high = contracts.max_per_month[b]
        committed = (high if np.isfinite(high) else contracts.min_per_month[b]) * share
    return float(max(most.sum(), committed)) * (1 + 1e-9)


def _bands(
    builder: RowBuilder, name: str, tiers: Tiers, edges: Floats, volume: Ints, opens: Ints | None
) -> None:
    """Which volumes the bands may hold; `edges` has one more than there are bands."""
    n = len(volume)
    if tiers.all_units and opens is not None:
        dearer = np.append(np.diff(tiers.usd) > 0, False)  # at its edge the dearer band has begun
        last = np.where(dearer, edges[1:] - MARGIN, edges[1:])
        for i in range(n):
            builder.one(name, [(volume[i], 1.0), (opens[i], -edges[i])], lower=0.0)
            builder.one(name, [(volume[i], 1.0), (opens[i], -last[i])], upper=0.0)
        builder.one(name, [(opens, 1.0)], lower=1.0, upper=1.0)
        return
    width = np.diff(edges)
    for i in range(n):
        if opens is None:
            builder.one(name, [(volume[i], 1.0)], upper=width[i])
            continue
        builder.one(name, [(volume[i], 1.0), (opens[i], -width[i])], upper=0.0)
        if i + 1 < n:
            builder.one(name, [(volume[i], 1.0), (opens[i + 1], -width[i])], lower=0.0)


FAMILY = Family(NAME, build, in_a_loss=None)
