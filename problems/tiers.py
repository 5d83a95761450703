"""Tiers: price bands by the volume of all tokens in a span. The bill is tiers(max(used, committed)).

incremental: each band's tokens at that band's price
    volume = Σ_i band[i],   0 ≤ band[i] ≤ width[i]
    where prices fall, bands fill in order:  band[i] ≤ width[i] · open[i],  band[i] ≥ width[i] · open[i+1]
all_units: the band reached sets the price of every token; unused units may be bought to reach it
    volume = Σ_i band[i],   from[i] · open[i] ≤ band[i] ≤ to[i] · open[i],   Σ_i open[i] = 1

    volume   billed volume of the span: at least the use and at least the commitment

prices that change in time: a volume for each point of a span at which they do, see `core.band_points`
    volume of a point = what is used up to it;   all_units: band[i] ≤ to[i] · open[i] of the last point

discount_tiers: bands of what a span uses at contract rates; the bill is max(committed, Σ_i (1 − discount[i]) · band[i])
    use = Σ_i band[i], bands as above; nothing is bought to reach a band

use alone, where a credit pays what it is billed at and more may be due: incremental bands of their own
    use = Σ_i use_band[i],   bands fill in order by use_open

what is owed of a volume to decide, used or not, after the horizon or in money that is limited: see `core.owed`
    Σ_a months[a] · committed[a] = Σ_i owed[i], bands as above

Falling prices are concave: without the binaries the plain LP takes the last band's price from the first token.
The last band ends at the largest volume that could be used or committed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from problems.commitments import limited_alone
from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.contracts import Discounts, Tiers
from problems.core.family import Family
from problems.core.first_stage import FirstStage
from problems.core.instance import Instance
from problems.core.rows import RowBuilder, Rows
from problems.core.span_use import band_scale, most_used, timed_volume_terms
from problems.core.view import View

NAME = "tiers"
MARGIN = 4e-6  # in column units, above the MILP tolerance: how far a volume keeps below a dearer band


def build(view: View, cols: Columns) -> Rows:
    """Rows per contract with tiers, and span."""
    builder = RowBuilder(NAME)
    _rows(builder, view, cols, range(len(view.inst.contracts.offer)))
    _of_use(builder, view, cols)
    return builder.rows()


def build_first_stage(inst: Instance, first: FirstStage) -> Rows:
    """The bands of volumes that are owed without use."""
    builder, contracts = RowBuilder(NAME), inst.contracts
    for number, item in enumerate(first.owed.each):
        tiers, b = contracts.tiers[item.contract], item.contract
        if tiers is None:
            continue
        sold = np.where(np.isfinite(contracts.start_max), contracts.start_max, contracts.start_min)
        before = contracts.start_signed & (contracts.start_contract == b)
        most = max(float(sold[item.starts].max()), float(contracts.start_min[before].sum()))
        top = min(float(item.months @ sold[item.starts]), item.share * most)
        begins = tiers.begins * item.share
        edges = np.append(begins, max(top * (1 + 1e-9), begins[-1])) / item.scale
        name = f"{inst.offers.names[contracts.offer[b]]},owed {number}"
        own = item.months * first.commit_scale[b] / item.scale
        parts: list[tuple[Ints, Floats | float]] = [
            (item.volume, 1.0),
            (first.committed[item.starts], -own),
        ]
        builder.one(name, parts, lower=0.0, upper=np.inf if tiers.all_units else 0.0)
        _bands(builder, name, tiers, edges, item.volume, item.opens if len(item.opens) else None)
    return builder.rows()


def limited(view: View) -> Ints:
    """Contracts whose use in USD, which bands price, may not go beyond the commitment: their bands count in a loss."""
    contracts = view.inst.contracts
    pairs = zip(contracts.tiers, contracts.discounts, strict=True)
    banded = [tiers is not None or discounts is not None for tiers, discounts in pairs]
    alone = limited_alone(view.inst)
    return np.asarray(alone[(~contracts.in_tokens & np.array(banded, dtype=bool))[alone]])


def limits(view: View, cols: Columns) -> Rows:
    """What a loss of a provider may not stretch: the bands of `limited` contracts."""
    builder = RowBuilder(NAME)
    _rows(builder, view, cols, limited(view).tolist())
    return builder.rows()


def _rows(builder: RowBuilder, view: View, cols: Columns, which: Iterable[int]) -> None:
    inst, contracts = view.inst, view.inst.contracts
    for b in which:
        tiers, discounts = contracts.tiers[b], contracts.discounts[b]
        priced = discounts if tiers is None else tiers
        if priced is None:
            continue
        spans, points = contracts.spans.of(b), cols.band_points[b]
        scale, share = band_scale(view, cols, b), contracts.spans.share[spans]
        top = _top(view, cols, b) * (1.0 if discounts is None else discounts.leeway)
        volume = timed_volume_terms(view, cols, b, tokens=discounts is None)
        has_opens = cols.band_open[b].shape[1] > 0
        for i, k in enumerate(points.span.tolist()):
            n, last = spans[k], bool(points.last[i])
            name = f"{inst.offers.names[contracts.offer[b]]},span {k}"
            if not last:
                name += f",before period {points.before[i]}"
            bands = cols.band_volume[b][i]
            begins = priced.begins * share[k]
            edges = np.append(begins, max(top[k], begins[-1])) / scale[k]
            before = contracts.spans.used_before[n] / scale[k]
            parts: list[tuple[Ints, Floats | float]] = [(bands, 1.0)]
            if contracts.in_tokens[b] and last:
                parts.append((cols.billed[[n]], -cols.first.commit_scale[b] * share[k] / scale[k]))
                before = 0.0  # what is billed has it
            else:
                here = (volume[1] == k) & (volume[0] < points.before[i])
                parts.append((volume[2][here], -volume[3][here] / scale[k]))
            more = np.inf if tiers is not None and last else before
            if discounts is not None and discounts.leeway > 1.0:
                used = -volume[3][here] * discounts.leeway / scale[k]
                builder.one(f"{name},at most", [(bands, 1.0), (volume[2][here], used)], upper=before)
                more = np.inf
            builder.one(name, parts, lower=before, upper=more)
            opens = cols.band_open[b][i] if has_opens and cols.band_open[b][i, 0] >= 0 else None
            if tiers is None and discounts is not None:
                _discount_bands(builder, name, discounts, edges, bands, opens)
            elif tiers is not None and tiers.all_units and not last:
                of = cols.band_open[b][points.last_of[i]]
                for band, opened, end in zip(bands, of, edges[1:], strict=True):
                    builder.one(name, [(int(band), 1.0), (int(opened), -end)], upper=0.0)
            elif tiers is not None:
                _bands(builder, name, tiers, edges, bands, opens)


def _of_use(builder: RowBuilder, view: View, cols: Columns) -> None:
    """What is used fills the bands in their order, whatever else is due."""
    contracts = view.inst.contracts
    for b, tiers in enumerate(contracts.tiers):
        if tiers is None or not cols.use_band[b].size:
            continue
        spans, top, scale = contracts.spans.of(b), _top(view, cols, b), band_scale(view, cols, b)
        _, span, column, own = timed_volume_terms(view, cols, b, tokens=True)
        for k, n in enumerate(spans.tolist()):
            here, bands = np.flatnonzero(span == k), cols.use_band[b][k]
            begins = tiers.begins * contracts.spans.share[n]
            edges = np.append(begins, max(top[k], begins[-1])) / scale[k]
            name = f"{view.inst.offers.names[contracts.offer[b]]},span {k},use"
            parts: list[tuple[Ints, Floats | float]] = [(bands, 1.0), (column[here], -own[here] / scale[k])]
            before = float(contracts.spans.used_before[n] / scale[k])
            builder.one(name, parts, lower=before, upper=before)
            _bands(builder, name, tiers, edges, bands, cols.use_open[b][k])


def _top(view: View, cols: Columns, b: int) -> Floats:
    """(n,) the largest volume of each span: all that could be routed there, or the largest commitment."""
    contracts = view.inst.contracts
    spans = contracts.spans.of(b)
    most = most_used(view, cols, b, tokens=contracts.discounts[b] is None)
    most = most + contracts.spans.used_before[spans]
    committed = 0.0
    if contracts.in_tokens[b]:
        high = contracts.max_per_month[b]
        committed = high if np.isfinite(high) else contracts.min_per_month[b]
    return np.asarray(np.maximum(most, committed * contracts.spans.share[spans]) * (1 + 1e-9))


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


def _discount_bands(
    builder: RowBuilder, name: str, discounts: Discounts, edges: Floats, use: Ints, opens: Ints | None
) -> None:
    """Which use the bands may hold: all of it in the band that it reaches, or each band up to its edge, in order."""
    if opens is None:
        return
    width, n = np.diff(edges), len(use)
    if not discounts.all_units:
        for i in range(n):
            builder.one(name, [(use[i], 1.0), (opens[i], -width[i])], upper=0.0)
            if i + 1 < n:
                builder.one(name, [(use[i], 1.0), (opens[i + 1], -width[i])], lower=0.0)
        return
    dearer = np.append(np.diff(discounts.rate) > 0, False)
    last = np.where(dearer, edges[1:] - MARGIN, edges[1:])
    for i in range(n):
        builder.one(name, [(use[i], 1.0), (opens[i], -edges[i])], lower=0.0)
        builder.one(name, [(use[i], 1.0), (opens[i], -last[i])], upper=0.0)
    builder.one(name, [(opens, 1.0)], lower=1.0, upper=1.0)


FAMILY = Family(NAME, build, in_a_loss=limits)
