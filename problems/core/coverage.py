"""Coverage: which part of what an offer bills in a period is billed under an agreement instead.

A column of 1 stands for `unit` USD of use at the offer's own prices; the agreement bills `unit · rate` for it. Use of
tokens and of rented instances are apart, so that each is taken off the kind of cost that it would be.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from problems.core.arrays import ArrayTable, Bools, Floats, Ints, distinct
from problems.core.bill_points import period_factors
from problems.core.blocks import ColumnSpace
from problems.core.view import View


class Coverage(ArrayTable):
    """Columns of use that agreements bill, those of an agreement together."""

    at: Ints  # (V,) column
    contract: Ints  # (V,) of the agreement
    offer: Ints  # (V,) whose use it is
    rented: Bools  # (V,) use of rented instances; else of tokens and requests
    period: Ints  # (V,)
    unit: Floats  # (V,) USD at the offer's prices that a column of 1 stands for
    most: Floats  # (V,) USD at the offer's prices that could be used in the period at all
    rate: Floats  # (V,) what is billed for a dollar: 1 − discount, or what units cost over what instances do

    @property
    def most_billed(self) -> Floats:
        """(V,) USD that could be billed for it, before the discount of a level or band."""
        return self.most * self.rate

    def of(self, b: int) -> Ints:
        """The rows of a contract."""
        return np.flatnonzero(self.contract == b)

    def billed_elsewhere(self, offer: int) -> Ints:
        """The rows of an offer's use of tokens and requests."""
        return np.flatnonzero((self.offer == offer) & ~self.rented)


class Payments(ArrayTable):
    """Columns of use that credits pay."""

    at: Ints  # (V,) column
    credit: Ints  # (V,)
    offer: Ints  # (V,) whose use it is
    rented: Bools  # (V,) use of rented instances; else of tokens and requests
    period: Ints  # (V,)
    unit: Floats  # (V,) USD that a column of 1 stands for

    def free_of(self, offer: int, allowance: Bools) -> Ints:
        """The rows of tokens and requests of an offer that an allowance in USD pays; `allowance`: of all credits."""
        if not len(self.at):
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero((self.offer == offer) & ~self.rented & allowance[self.credit])


class OfferUse(NamedTuple):
    """What an offer bills by period, at its own prices: USD of a column of 1."""

    period: Ints
    column: Ints
    usd: Floats


def tokens_used(view: View, charged: Ints, offer: int) -> OfferUse:
    """Tokens, requests and cache, of what is not free; those that a contract in tokens counts at its rate.

    Of tiers at the dearest of their rates: no token has a price of its own.
    """
    at, b = (
        np.flatnonzero(view.routes.offer[view.flows.route] == offer),
        int(view.inst.offers.contract[offer]),
    )
    usd, contracts = view.flow_usd[at], view.inst.contracts
    tiers = contracts.tiers[b] if b >= 0 else None
    if tiers is not None:
        factor = period_factors(view.inst, b)[view.flows.period[at]]
        usd = usd + view.flow_tokens[at] * float(tiers.usd.max()) * factor
    elif b >= 0 and contracts.in_tokens[b]:
        usd = usd + view.flow_token_usd[at]
    usd = usd * view.price[offer]
    some = usd > 0
    return OfferUse(view.flows.period[at][some], charged[at][some], usd[some])


def instances_rented(view: View, paid: Ints, offer: int) -> OfferUse:
    """Instance hours above those reserved, where they are not bought for a term; of replicas in roles both halves."""
    fleets, periods = view.inst.fleets, view.inst.time.periods
    if not fleets.pools:
        none = np.empty(0, dtype=np.int64)
        return OfferUse(none, none, np.empty(0))
    f = fleets.pool_fleet
    own = view.inst.offers.seller_of_halves[fleets.offer[f]]
    q = np.flatnonzero((own == offer) & (fleets.term_h[f] == 0) & (fleets.usd_per_h[f] > 0))
    usd = fleets.rent_usd[f[q]] * view.price[offer]
    return OfferUse(np.tile(np.arange(periods), len(q)), paid[q].ravel(), usd.ravel())


def use_of(view: View, charged: Ints, paid: Ints, offer: int, *, rented: bool) -> OfferUse:
    """What an agreement may cover of an offer, by kind."""
    return instances_rented(view, paid, offer) if rented else tokens_used(view, charged, offer)


def coverage(view: View, space: ColumnSpace, charged: Ints, paid: Ints, limit: Floats) -> Coverage:
    """Reserve the columns: per agreement, offer, kind of use and period in which a term could be in force.

    `limit` (Q, T): the largest count of each pool that can be of use.
    """
    agreements, spans = view.inst.agreements, view.inst.contracts.spans
    if not len(agreements.contract):
        return _nothing_covered()
    parts: list[tuple[Ints, int, int, bool, Floats, Floats, Floats]] = []
    for v, (b, o) in enumerate(zip(agreements.contract, agreements.offer, strict=True)):
        inside = (spans.lot_span[spans.lots(int(b))] >= 0).any(axis=0)
        in_units = bool(np.isfinite(agreements.unit_usd_per_h[v]))
        for rented in (True,) if in_units else (False, True):
            use = use_of(view, charged, paid, int(o), rented=rented)
            most = np.bincount(use.period, weights=use.usd, minlength=view.inst.time.periods)
            period = np.flatnonzero(inside & (most > 0))
            counts = _most_counted(view, limit, int(o)) if rented else 1.0
            rate = np.full(len(period), agreements.rate[v])
            if in_units:
                hourly = agreements.unit_usd_per_h[v] * view.inst.time.period_h
                rate = hourly / _list_usd(view, int(o))[period]
            parts.append((period, int(b), int(o), rented, rate, most[period], most[period] * counts))
    sizes = np.array([len(part[0]) for part in parts], dtype=np.int64)
    none = np.empty(0, dtype=np.int64)

    def each(i: int, kind: type) -> np.ndarray:
        return np.repeat(np.array([part[i] for part in parts], dtype=kind), sizes)

    period = np.concatenate([none, *(part[0] for part in parts)])
    contract, offer, of_instances = each(1, np.int64), each(2, np.int64), each(3, np.bool_)
    at = space.take(
        "covered", len(period), _label(view, contract, offer, of_instances, period), block=view.scenario + 1
    )
    rates, one, most = (np.concatenate([np.empty(0), *(part[i] for part in parts)]) for i in (4, 5, 6))
    unit = 2.0 ** np.round(np.log2(np.maximum(one, 1e-9)))
    return Coverage(at, contract, offer, of_instances, period, unit, most, rates)


@cache
def _nothing_covered() -> Coverage:
    none, usd = np.empty(0, dtype=np.int64), np.empty(0)
    return Coverage(none, none, none, np.empty(0, dtype=bool), none, usd, usd, usd)


def _list_usd(view: View, offer: int) -> Floats:
    """(T,) what an instance costs in each period; of replicas in roles the half that prefills, as units of both do."""
    return np.asarray(view.inst.fleets.rent_usd[view.inst.offers.fleet[offer]] * view.price[offer])


def _most_counted(view: View, limit: Floats, offer: int) -> float:
    """The largest count of use of any pool of an offer, at least 1."""
    fleets, offers = view.inst.fleets, view.inst.offers
    pools = offers.seller_of_halves[fleets.offer[fleets.pool_fleet]] == offer
    return float(limit[pools].max(initial=1.0)) * (2.0 if (offers.decodes_for == offer).any() else 1.0)


def _label(view: View, contract: Ints, offer: Ints, rented: Bools, period: Ints) -> Callable[[int], str]:
    names, owner = view.inst.offers.names, view.inst.contracts.offer

    def label(i: int) -> str:
        kind = "instances" if rented[i] else "tokens"
        return f"{names[owner[contract[i]]]},{names[offer[i]]},{kind},{period[i]}"

    return label


def payments(view: View, space: ColumnSpace, charged: Ints, paid: Ints) -> Payments:
    """Reserve the columns: per credit, offer, kind of use and period in which there could be some."""
    credits, names = view.inst.credits, view.inst.offers.names
    if not credits.offer.any():
        return _nothing_paid()
    rows: list[tuple[int, int, bool, int, float]] = []
    for n, o in np.argwhere(credits.offer).tolist():
        for rented in (False, True):
            use = use_of(view, charged, paid, o, rented=rented)
            most = np.bincount(use.period, weights=use.usd, minlength=view.inst.time.periods)
            rows += [
                (n, o, rented, t, float(2.0 ** np.round(np.log2(max(most[t], 1e-9)))))
                for t in np.flatnonzero((most > 0) & (credits.part[n] > 0)).tolist()
            ]

    def label(i: int) -> str:
        n, o, rented, t, _ = rows[i]
        return f"{credits.names[n]},{names[o]},{'instances' if rented else 'tokens'},{t}"

    def each(i: int, kind: type) -> np.ndarray:
        return np.array([row[i] for row in rows], dtype=kind)

    at = space.take("paid_by", len(rows), label, block=view.scenario + 1)
    return Payments(
        at, each(0, np.int64), each(1, np.int64), each(2, np.bool_), each(3, np.int64), each(4, np.float64)
    )


@cache
def _nothing_paid() -> Payments:
    none = np.empty(0, dtype=np.int64)
    return Payments(none, none, none, np.empty(0, dtype=bool), none, np.empty(0))


def paid_earliest(paid: Payments, usd: Floats, room: Floats, cap: Floats, moves: Bools) -> Floats:
    """(V,) the same sums by credit, each paying use as it comes: what could be paid earlier is not paid later.

    `moves` (V,): what may; not what is less of the use of a commitment, which settles it span by span.

    `room` (V,): USD of use that all credits together may pay of that offer, kind and period; `cap`: each of them.
    """
    usd = usd.copy()
    _, key = np.unique(np.stack([paid.offer, paid.rented, paid.period]), axis=1, return_inverse=True)
    key = key.ravel()
    left = np.zeros(int(key.max()) + 1)
    left[key] = room
    np.subtract.at(left, key, usd)
    for n in distinct(paid.credit).tolist():
        mine = np.flatnonzero((paid.credit == n) & moves)
        order = mine[np.argsort(paid.period[mine], kind="stable")].tolist()
        i, j = 0, len(order) - 1
        while i < j:
            early, late = order[i], order[j]
            free = min(left[key[early]], cap[early] - usd[early])
            if paid.period[early] == paid.period[late] or usd[late] <= 0.0:
                j -= 1
            elif free <= 0.0:
                i += 1
            else:
                moved = min(free, usd[late])
                usd[early] += moved
                usd[late] -= moved
                left[key[early]] -= moved
                left[key[late]] += moved
    return usd
