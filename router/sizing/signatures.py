"""What a first stage signs, in people's words, and what it binds to: contracts, instances bought ahead, fees.

A signature binds to money owed inside the horizon without any use, and after it:

    contract    months in force · committed a month · rate, or the bill of its tiers     after: months of term left
    instances   rent, and upfront by the part of the term inside the horizon             after: rent and upfront left
    hosts       rent of the horizon                                                      after: nothing
    fee         every month of the horizon                                               after: nothing

Inside the horizon as present value, after it as stated; at mean prices over the scenarios. With
`end_of_horizon: charge_in_full` upfront money counts inside, whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, Bools
from problems.core.contract_rates import owed_in_horizon, owed_months, span_weight
from problems.core.counts import bought_for
from problems.core.decision import Decision
from problems.core.first_stage import due_months
from problems.core.instance import Instance
from problems.core.span_means import span_factors
from problems.pricing import purchase_usd
from router.plan.sizing import Signature, within_month

DUST = 1e-9  # of the least that could be committed: the solver's tolerance

Advice = frozenset[tuple[str, str, str | None, bool]]
Used = Set[tuple[str, float]]
"""Contracts that carry something, by offer and first hour."""


def signed_by(inst: Instance, decision: Decision, used: Used = frozenset()) -> tuple[Signature, ...]:
    """All that a decision signs, but not what was signed before the plan.

    A contract that commits to nothing counts where it is used.
    """
    ahead = (*_instances(inst, decision), *_hosts(inst, decision))
    return (*_contracts(inst, decision, used), *ahead, *_fees(inst, decision))


def advice(signs: Iterable[Signature]) -> Advice:
    """What is signed now and what later, whatever the volume and month: equal advice differs in amounts only."""
    return frozenset((row.offer, row.kind, row.model, row.from_h > 0) for row in signs)


def quoted(inst: Instance) -> Bools:
    """(O,) offers that ask for a signature: something may be bought ahead."""
    contracts, fleets = inst.contracts, inst.fleets
    quotes = inst.offers.fee_usd_per_month > 0
    asks = contracts.decided | (np.isfinite(contracts.max_per_month) & (contracts.max_per_month > 0))
    open_ = contracts.start_contract[~contracts.start_signed]
    quotes[contracts.offer[open_[asks[open_]]]] = True
    ahead = (fleets.horizon | (fleets.term_h > 0)) & (fleets.max > fleets.reserved).any(axis=1)
    quotes[inst.offers.seller_of_halves[fleets.offer[ahead]]] = True
    quotes[inst.hosts.seller[inst.hosts.horizon & (inst.hosts.most_throughout() > 0)]] = True
    return np.asarray(quotes, dtype=bool)


def in_hand(inst: Instance) -> Bools:
    """(O,) offers, and halves of offers, of which something is reserved or signed before the plan."""
    contracts, fleets = inst.contracts, inst.fleets
    owned = np.zeros(len(inst.offers.names), dtype=bool)
    whole = inst.offers.seller_of_halves
    owned[whole[fleets.offer[(fleets.reserved > 0).any(axis=1)]]] = True
    owned[contracts.offer[contracts.start_contract[contracts.start_signed]]] = True
    owned[inst.hosts.seller[(inst.hosts.reserved > 0).any(axis=1)]] = True
    return np.asarray(owned[whole], dtype=bool)


def can_be_required(inst: Instance) -> Bools:
    """(O,) offers that can be signed whatever they are worth; a contract of no minimum is only used or not."""
    contracts, fleets = inst.contracts, inst.fleets
    possible = inst.offers.fee_usd_per_month > 0
    possible[contracts.offer[contracts.decided]] = True
    possible[inst.offers.seller_of_halves[fleets.offer[fleets.horizon | (fleets.term_h > 0)]]] = True
    possible[inst.hosts.seller[inst.hosts.horizon]] = True
    return np.asarray(possible, dtype=bool)


def _contracts(inst: Instance, decision: Decision, used: Used) -> list[Signature]:
    contracts, rows = inst.contracts, []
    for a, b in enumerate(contracts.start_contract):
        most, least = float(contracts.max_per_month[b]), float(contracts.min_per_month[b])
        volume = float(decision.committed[a])
        size = least or (most if np.isfinite(most) else 1.0)
        offer, month = inst.offers.names[contracts.offer[b]], int(contracts.start_month[a])
        volume = volume if volume > DUST * size else 0.0
        unsigned = bool(contracts.levelled[b]) and decision.signed[a] < 0.5  # another level is, perhaps
        start_h, end_h = float(contracts.start_h[a]), float(contracts.end_h[a])
        if contracts.start_signed[a] or unsigned or (volume == 0 and (offer, round(start_h, 6)) not in used):
            continue
        tokens = bool(contracts.stated_in_tokens[b])
        end = int(np.ceil(end_h / HOURS_PER_MONTH - 1e-9)) if np.isfinite(end_h) else inst.time.months
        least_usd, beyond_usd = owed_by_contract(inst, a, volume)
        rows.append(
            Signature(
                offer=offer,
                kind="contract",
                model=None,
                start_month=month,
                end_month=end,
                committed_tokens_per_month=volume if tokens else None,
                committed_usd_per_month=None if tokens else volume,
                count=None,
                least_usd=least_usd,
                beyond_horizon_usd=beyond_usd,
                start_h=within_month(start_h),
                end_h=within_month(end_h) if np.isfinite(end_h) else None,
            )
        )
    return rows


def _instances(inst: Instance, decision: Decision) -> list[Signature]:
    fleets, rows = inst.fleets, []
    for q, (offer, name) in enumerate(inst.pool_names):
        fleet = int(fleets.pool_fleet[q])
        ahead = float(decision.paid[q])
        if ahead > DUST:
            owed = owed_by_instances(inst, fleet, ahead)
            rows.append(Signature(offer, "instances", name, 0, inst.time.months, None, None, ahead, *owed))
        for k in np.flatnonzero(decision.bought[q] > DUST).tolist():
            count, from_h = float(decision.bought[q, k]), float(fleets.buy_h[k])
            until_h, model = float(fleets.bought_until_h(fleet)[k]), None if fleets.pooled[fleet] else name
            end = int(np.ceil(until_h / HOURS_PER_MONTH - 1e-9))
            start, owed = int(fleets.buy_month[k]), owed_by_purchase(inst, fleet, k, count)
            hours = within_month(from_h), within_month(until_h)
            rows.append(Signature(offer, "instances", model, start, end, None, None, count, *owed, *hours))
    return rows


def _hosts(inst: Instance, decision: Decision) -> list[Signature]:
    rows, months = [], inst.time.months
    for h in np.flatnonzero(decision.hosts > DUST).tolist():
        count = float(decision.hosts[h])
        owed = owed_by_hosts(inst, h, count)
        rows.append(Signature(inst.hosts.names[h], "hosts", None, 0, months, None, None, count, *owed))
    return rows


def _fees(inst: Instance, decision: Decision) -> list[Signature]:
    months = inst.time.months
    return [
        Signature(inst.offers.names[o], "fee", None, 0, months, None, None, None, *owed_by_fee(inst, int(o)))
        for o in np.flatnonzero(decision.active > 0.5)
    ]


def price_of(inst: Instance, offer: int) -> float:
    """Mean price multiplier over the scenarios."""
    return float(inst.scenarios.probability @ inst.scenarios.price[:, offer])


def factored_months(inst: Instance, start: int) -> float:
    """Months of a start's commitment that are due in the horizon, by the mean factor of each span, at present value."""
    spans = inst.contracts.spans
    here = spans.force_start == start
    months, n = (spans.force_share - spans.force_before)[here], spans.force_span[here]
    return float(months @ (span_weight(inst) * span_factors(inst))[n])


def unused_usd(inst: Instance, offer: int, volume: float) -> float:
    """USD a month that a commitment of so much (own units) costs without any use, at the rates stated."""
    contracts, b = inst.contracts, int(inst.offers.contract[offer])
    if not contracts.in_tokens[b]:
        return volume
    tiers = contracts.tiers[b]
    usd = volume * float(contracts.unit_usd[b]) if tiers is None else tiers.bill(volume)
    return price_of(inst, offer) * usd


def owed_by_contract(inst: Instance, start: int, volume: float) -> tuple[float, float]:
    """(inside, after) USD of a commitment in own units (tokens or USD) a month, by the index of its start."""
    contracts, b = inst.contracts, int(inst.contracts.start_contract[start])
    offer = int(contracts.offer[b])
    monthly = unused_usd(inst, offer, volume)
    tiers = contracts.tiers[b]
    if tiers is not None and contracts.in_tokens[b]:
        price = price_of(inst, offer) * tiers.bill(volume)
        after = float(contracts.factor_beyond[start] * contracts.beyond_months[start])
        return price * factored_months(inst, start), price * after
    if contracts.in_tokens[b]:
        price = price_of(inst, offer) * volume
        after = price * float(contracts.beyond_unit_usd[start] * contracts.beyond_months[start])
        return price * float(owed_in_horizon(inst)[start]), after
    return monthly * float(owed_months(inst)[start]), monthly * float(contracts.beyond_months[start])


def owed_by_instances(inst: Instance, fleet: int, count: float) -> tuple[float, float]:
    """(inside, after) USD of instances bought for the whole horizon."""
    fleets = inst.fleets
    rent = float(fleets.rent_usd[fleet] @ inst.time.weight)
    price = price_of(inst, int(fleets.offer[fleet]))
    return float(count * price * (rent + fleets.upfront_usd[fleet])), 0.0


def owed_by_purchase(inst: Instance, fleet: int, start: int, count: float) -> tuple[float, float]:
    """(inside, after) USD of instances bought for a term, by the number of its start."""
    fleets = inst.fleets
    until_h = float(fleets.bought_until_h(fleet)[start])
    term_h = until_h - float(fleets.buy_h[start])
    beyond_h = max(until_h - inst.time.horizon_h, 0.0)
    first = min(int(bought_for(inst, fleet)[0][start]), inst.time.periods - 1)
    rent = float(fleets.bought_usd_per_h[fleet, first]) * beyond_h
    upfront = 0.0 if inst.policy.charge_in_full else float(fleets.upfront_usd[fleet]) * beyond_h / term_h
    inside = purchase_usd(inst, fleet, start)
    if inst.policy.charge_in_full:
        inside -= rent * float(inst.time.weight[-1])
    each = count * price_of(inst, int(fleets.offer[fleet]))
    return each * inside, each * (rent + upfront)


def owed_by_hosts(inst: Instance, kind: int, count: float) -> tuple[float, float]:
    """(inside, after) USD of hosts rented for the whole horizon."""
    rent = float(inst.hosts.rent_usd[kind] @ inst.time.weight)
    return count * price_of(inst, int(inst.hosts.seller[kind])) * rent, 0.0


def owed_by_fee(inst: Instance, offer: int) -> tuple[float, float]:
    """(inside, after) USD of a fee."""
    months = float(due_months(inst)[offer])
    return float(inst.offers.fee_usd_per_month[offer]) * price_of(inst, offer) * months, 0.0


def is_sold(inst: Instance, pool: int, count: float) -> bool:
    """Whether so many may run with those reserved: none, or the least and whole steps above it, up to the most."""
    fleets, fleet = inst.fleets, int(inst.fleets.pool_fleet[pool])
    least, step = float(fleets.pool_min[pool]), float(fleets.pool_step[pool])
    most, running = float(fleets.max[fleet].min()), float(fleets.reserved[fleet].min()) + count
    if fleets.pooled[fleet]:  # off the grids of its pools
        least, step, running = 0.0, 1.0, count
        most -= float(fleets.reserved[fleet].max())
    steps = (running - least) / step
    whole = not fleets.integral[fleet] or abs(steps - round(steps)) <= 1e-6
    return running == 0 or (least <= running <= most and whole)


def unsold_month(inst: Instance, decision: Decision, fleet: int) -> tuple[int, float] | None:
    """The first billing month in which what was bought for terms adds up to a number that is not sold."""
    fleets = inst.fleets
    pools = fleets.pool_fleet == fleet
    for hour, month in zip(fleets.buy_h.tolist(), fleets.buy_month.tolist(), strict=True):
        running = (fleets.buy_h <= hour + 1e-9) & (fleets.bought_until_h(fleet) > hour + 1e-9)
        count = float(np.nansum(decision.bought[pools][:, running]))
        if count and not is_sold(inst, int(np.flatnonzero(pools)[0]), count):
            return month, count
    return None
