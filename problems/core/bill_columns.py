"""Columns of what contracts bill by span: use beyond what is committed, its price by bands, what is left for later."""

from __future__ import annotations

from functools import cache

import numpy as np

from problems.core.arrays import NONE, Ints
from problems.core.bill_points import BillPoints, above_is_cheaper, band_points, ordered, overage_points
from problems.core.blocks import ColumnSpace, at_places, numbered
from problems.core.inflated import exactly_billed
from problems.core.payable import beside_rests
from problems.core.statements import crossings
from problems.core.view import View
from solvers.core.record import Record


class Beyond(Record):
    """Use above what a contract commits to, where it has a price of its own, up to each point of a span."""

    points: BillPoints
    at: Ints  # (P,) own units, scaled as billed; the last of a span is its `over`
    exceeds: Ints  # (P,) 0/1: there is some; -1 where a solver would not state too much


def bill_columns(
    view: View, space: ColumnSpace
) -> tuple[
    tuple[Ints, Ints, tuple[Beyond, ...], Ints, Ints, Ints, Ints, Ints],
    tuple[tuple[BillPoints, ...], tuple[Ints, ...], tuple[Ints, ...]],
]:
    """Reserve them: fields of `Columns` from `billed` to `by_rests`, and those of bands."""
    contracts, block = view.inst.contracts, view.scenario + 1
    spans = contracts.spans
    billed, over, carry, exceeds, lapses, as_due, by_rests = (
        np.full(len(spans.contract), NONE, dtype=np.int64) for _ in range(7)
    )
    points, volumes, opens, beyond = [], [], [], []
    for b, o in enumerate(contracts.offer):
        label, tiers = numbered(view.inst.offers.names[o]), contracts.tiers[b]
        discounts = contracts.discounts[b]
        mine = spans.of(b)
        n = len(mine)
        agreed = bool((view.inst.agreements.contract == b).any())
        exact = exactly_billed(view.inst, b)
        as_used = exact or len(crossings(view.inst, b)[0]) > 0
        special = contracts.counts[b] or contracts.rollover[b] or spans.used_before[mine].any()
        if agreed and contracts.limited[b] and not special and not as_used:
            pass  # what it covers is cut at what is committed: nothing goes beyond
        elif np.isfinite(contracts.overage_stated[b] if as_used else contracts.overage_usd[b]):
            none = bool(contracts.limited[b] and contracts.rollover[b])
            over[mine] = space.take("over", n, label, upper=0.0 if none else np.inf, block=block)
        else:
            billed[mine] = space.take("billed", n, label, block=block)
            if exact:
                as_due[mine] = space.take("as_due", n, label, upper=1.0, integer=True, block=block)
        beyond.append(_beyond(view, space, b, over[mine]))
        if contracts.rollover[b]:
            carry[mine] = space.take("carry", n, label, block=block)
            # where rates rise, rests would be bought
            dearer = contracts.in_tokens[b] or np.isfinite(contracts.overage_stated[b])
            if dearer and view.inst.offers.ruled[o]:
                exceeds[mine] = space.take("exceeds", n, label, upper=1.0, integer=True, block=block)
            credited = beside_rests(view.inst, b)
            if credited:
                by_rests[mine] = space.take("by_rests", n, label, upper=1.0, integer=True, block=block)
            if credited or above_is_cheaper(view.inst, b).any():  # else nobody would throw rests away
                lapses[mine] = space.take("lapses", n, label, upper=1.0, integer=True, block=block)
        own = band_points(view.inst, b)
        needs = ordered(tiers, discounts, own)
        bands = 0 if tiers is None and discounts is None else needs.shape[1]
        points.append(own)
        size = len(own.span) * bands
        volumes.append(space.take("band_volume", size, label, block=block).reshape(len(own.span), bands))
        opened = np.full(needs.shape, NONE, dtype=np.int64)
        flat = np.flatnonzero(needs)
        opened.ravel()[flat] = space.take(
            "band_open",
            len(flat),
            at_places(label, flat),
            upper=1.0,
            integer=True,
            block=block,
        )
        opens.append(opened if needs.any() else opened[:, :0])
    return (billed, over, tuple(beyond), carry, exceeds, lapses, as_due, by_rests), (
        tuple(points),
        tuple(volumes),
        tuple(opens),
    )


@cache
def _nothing_beyond() -> Beyond:
    none = np.empty(0, dtype=np.int64)
    return Beyond(BillPoints(none, none, none > 0, np.empty(0)), none, none)


def _beyond(view: View, space: ColumnSpace, b: int, over: Ints) -> Beyond:
    """None but where the contract states a price of overage. Where later overage is dearer, more now would pay."""
    if not np.isfinite(view.inst.contracts.overage_stated[b]) or not len(over):
        return _nothing_beyond()
    points = overage_points(view.inst, b)
    label, block = numbered(view.inst.offers.names[view.inst.contracts.offer[b]]), view.scenario + 1
    at, exceeds = over[points.span].copy(), np.full(len(points.span), NONE, dtype=np.int64)
    earlier, pays = (
        np.flatnonzero(~points.last),
        np.flatnonzero((points.weight < 0) | exactly_billed(view.inst, b)),
    )
    at[earlier] = space.take("over_until", len(earlier), at_places(label, earlier), block=block)
    exceeds[pays] = space.take(
        "over_exceeds", len(pays), at_places(label, pays), upper=1.0, integer=True, block=block
    )
    return Beyond(points, at, exceeds)
