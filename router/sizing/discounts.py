"""What an agreement is worth: the least discount at which it is still signed, or the highest price of its units.

    V(k)   objective of the best plan with every discount of the agreement × k, of levels and bands too; V₀ without it
    k*     the least k with V(k) < V₀: all discounts are cut alike

A higher discount never makes a plan dearer, so that V falls and k* can be bracketed. The bracket is halved, and every
other time cut where the line through the last two savings says that nothing is left: near k* one plan stays the best,
and what it saves is nearly straight.

k* = 0 where it is signed without any discount too: its bill counts in another agreement, or what it covers is not use
of the offer's own commitment, and escapes that one's price of overage or its limit.

Of bands of all units beside discounts by offer that does not hold: a higher discount takes use below a band. There
ranges of k are halved from below, and left out where a bound says that no k in them saves anything: the bound of a plan
whose use has all discounts of the range's end, and is in any band that it reaches at some k of the range. Where credits
pay some of that use a lower bill is no bound: then no least discount is stated, nor of an agreement whose bill counts
in others for more than it costs, where a higher discount may make plans dearer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum

import numpy as np

from problems.core.arrays import Bools, Ints
from problems.core.inflated import exactly_billed
from problems.core.instance import Instance
from router.plan.sizing import QuotedDiscount
from router.sizing.best import Best, best_plan
from router.sizing.first_stage import decide
from router.sizing.options import Study

CLOSE = 1e-5  # of the discounts
LEFT = 0.01  # of its price, what the highest discount tried leaves


def rows_of(inst: Instance, seller: int) -> Ints:
    """The rows of an agreement, by its index among the sellers."""
    contract = inst.agreements.contract
    return np.flatnonzero(inst.contracts.offer[contract] == seller)


def is_agreement(inst: Instance) -> Bools:
    """(O,) sellers that are agreements."""
    marked = np.zeros(len(inst.offers.names), dtype=bool)
    marked[inst.contracts.offer[inst.agreements.contract]] = True
    return marked


def in_units(inst: Instance, seller: int) -> bool:
    """Whether it is an agreement in units, which has a price in place of discounts."""
    b = int(inst.offers.contract[seller])
    return b >= 0 and bool(np.isfinite(inst.contracts.usd_per_unit_h[b]))


def units_priced(inst: Instance, seller: int, multiple: float) -> Instance:
    """The problem with the price of an agreement's units multiplied: the same units cost so much more."""
    contracts, at = inst.contracts, rows_of(inst, seller)
    factor = np.where(contracts.offer == seller, multiple, 1.0)
    starts = factor[contracts.start_contract]
    hourly = inst.agreements.unit_usd_per_h.copy()
    hourly[at] *= multiple
    changed = replace(
        contracts,
        min_per_month=contracts.min_per_month * factor,
        max_per_month=contracts.max_per_month * factor,
        step_per_month=contracts.step_per_month * factor,
        usd_per_unit_h=contracts.usd_per_unit_h * factor,
        start_min=contracts.start_min * starts,
        start_max=contracts.start_max * starts,
    )
    agreements = replace(inst.agreements, unit_usd_per_h=hourly)
    return replace(inst, contracts=changed, agreements=agreements)


def discounted(inst: Instance, seller: int, factor: float) -> Instance:
    """The problem with all discounts of an agreement multiplied."""
    rate, at, contracts = inst.agreements.rate.copy(), rows_of(inst, seller), inst.contracts
    rate[at] = 1.0 - factor * (1.0 - rate[at])
    own = contracts.offer == seller
    off = 1.0 - contracts.start_rate
    starts = 1.0 - np.where(own[contracts.start_contract], factor, 1.0) * off
    bands = tuple(
        replace(each, rate=1.0 - factor * (1.0 - each.rate)) if each is not None and mine else each
        for each, mine in zip(contracts.discounts, own.tolist(), strict=True)
    )
    changed = replace(contracts, start_rate=starts, discounts=bands)
    return replace(inst, agreements=replace(inst.agreements, rate=rate), contracts=changed)


def _by_amount(inst: Instance, seller: int) -> list[tuple[float, float]]:
    """(USD a month, discount) of levels, or of bands where they begin; the same once."""
    contracts, b = inst.contracts, int(inst.offers.contract[seller])
    bands = contracts.discounts[b] if b >= 0 else None
    if bands is not None:
        return [*zip(bands.from_usd.tolist(), (1.0 - bands.rate).tolist(), strict=True)]
    mine = np.flatnonzero(contracts.start_contract == b) if b >= 0 and contracts.levelled[b] else ()
    return [
        *dict.fromkeys((float(contracts.start_min[a]), float(1.0 - contracts.start_rate[a])) for a in mine)
    ]


def quoted_discounts(inst: Instance, seller: int, factor: float | None) -> tuple[QuotedDiscount, ...] | None:
    """By offer: as stated, and the least at which the agreement is signed; None: it has none."""
    if in_units(inst, seller):
        return None
    names, agreements = inst.offers.names, inst.agreements
    stated = [(names[agreements.offer[i]], float(1.0 - agreements.rate[i])) for i in rows_of(inst, seller)]
    every: list[tuple[str | None, float, float | None]] = [(offer, off, None) for offer, off in stated]
    every += [(None, off, usd) for usd, off in _by_amount(inst, seller)]
    quoted = (
        QuotedDiscount(offer, off, None if factor is None else off * factor, usd) for offer, off, usd in every
    )
    return tuple(quoted) or None


def break_even_use(has: Best, seller: int) -> float | None:
    """1 − discount: of what it covers, the part that it bills; where it covers nothing, at its highest discount.

    None for units that cover nothing: what these bill of an instance hangs on which it is; and for levels and bands.
    """
    if _by_amount(has.inst, seller):
        return None
    inst, name = has.inst, has.inst.offers.names[seller]
    rows = has.about(name).coverage
    listed = fsum(has.weight[row.scenario] * row.list_usd for row in rows)
    if listed > 0:
        return fsum(has.weight[row.scenario] * row.covered_usd for row in rows) / listed
    rates = inst.agreements.rate[rows_of(inst, seller)]
    return float(rates.min()) if len(rates) and not in_units(inst, seller) else None


@dataclass(frozen=True)
class LeastDiscount:
    """The search for k* of one agreement."""

    study: Study
    inst: Instance
    seller: int
    losing: Best  # without it

    def factor(self, best: Best, taken: bool) -> float | None:
        """k*; None where not even the highest discount enters, or it is not sure that today's does."""
        saves = self._saves(best)
        most = float(1.0 - self.inst.agreements.rate[rows_of(self.inst, self.seller)].min(initial=1.0))
        most = max([most, *(off for _, off in _by_amount(self.inst, self.seller))])
        if most <= 0:
            return None if saves is None else 0.0
        low, high = 0.0, 1.0
        if saves is not None and self._at(0.0) is not None:
            return 0.0
        if saves is None:
            low, high = 1.0, (1.0 - LEFT) / most
            saves = None if taken or high <= low else self._at(high)
            if saves is None:
                return None
        if not self.is_told:
            return None
        return self._bracketed(low, high, saves) if self._falls else self._least(low, high, enters=True)

    @property
    def is_told(self) -> bool:
        """Whether a least discount can be stated, beside that none is needed."""
        b = int(self.inst.offers.contract[self.seller])
        credited = self.inst.credits.offer[:, self.inst.agreements.offer[rows_of(self.inst, self.seller)]]
        return not (b >= 0 and exactly_billed(self.inst, b)) and (self._falls or not bool(credited.any()))

    @property
    def _falls(self) -> bool:
        """Whether a higher discount makes no plan dearer."""
        b = int(self.inst.offers.contract[self.seller])
        bands = self.inst.contracts.discounts[b] if b >= 0 else None
        rates = self.inst.agreements.rate[rows_of(self.inst, self.seller)]
        return bands is None or not bands.all_units or bool((rates >= 1.0).all())

    def _least(self, low: float, high: float, enters: bool) -> float | None:
        """The least k of a range at which the agreement is signed, to `CLOSE`; `enters`: at its end it is."""
        if high - low <= CLOSE or not (enters or self._may_enter(low, high)):
            return high if enters else None
        middle = (low + high) / 2.0
        first = self._least(low, middle, self._at(middle) is not None)
        return first if first is not None else self._least(middle, high, enters)

    def _may_enter(self, low: float, high: float) -> bool:
        """Whether no bound says that nothing is saved at any k of a range."""
        inst = discounted(self.inst, self.seller, high)
        contracts, b = inst.contracts, int(inst.offers.contract[self.seller])
        rows = rows_of(inst, self.seller)
        most = discounted(self.inst, self.seller, low).agreements.rate[rows] / inst.agreements.rate[rows]
        bands = tuple(
            replace(each, leeway=float(most.max(initial=1.0))) if each is not None and i == b else each
            for i, each in enumerate(contracts.discounts)
        )
        least = decide(replace(inst, contracts=replace(contracts, discounts=bands)), self.study).bound_usd
        return least < self.losing.objective_usd - self.losing.doubt_usd

    def _bracketed(self, low: float, high: float, saves: float) -> float:
        before: tuple[float, float] | None = None
        straight = False
        while high - low > CLOSE:
            middle = (low + high) / 2.0
            if straight and before is not None and before[1] > saves:
                ends = high - saves * (before[0] - high) / (before[1] - saves)
                middle = max(
                    min(ends, high - CLOSE), (low + middle) / 2.0
                )  # what it says is tested from below
            straight = not straight
            now = self._at(middle)
            if now is None:
                low = middle
            else:
                before, high, saves = (high, saves), middle, now
        return high

    def _at(self, factor: float) -> float | None:
        return self._saves(best_plan(self.study, discounted(self.inst, self.seller, factor)))

    def _saves(self, point: Best) -> float | None:
        """What the plan saves by the agreement; None where that is within what two solves may differ by."""
        saves = self.losing.objective_usd - point.objective_usd
        return saves if saves > point.doubt_usd + self.losing.doubt_usd else None
