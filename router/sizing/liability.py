"""What a signature binds to, whatever comes: money owed inside the horizon without any use, and after it.

    contract    months in force · committed a month · rate, or the bill of its tiers     after: months of term left
    instances   rent, and upfront by the part of the term inside the horizon             after: rent and upfront left
    fee         every month of the horizon                                               after: nothing

Inside the horizon as present value, after it as stated; at mean prices over the scenarios. With
`end_of_horizon: charge_in_full` upfront money counts inside, whole.
"""

from __future__ import annotations

from problems.commitments import force_share, month_share
from problems.core.instance import HOURS_PER_MONTH, Instance
from problems.pricing import beyond_months, purchase_usd


def price_of(inst: Instance, offer: int) -> float:
    """Mean price multiplier over the scenarios."""
    return float(inst.scenarios.probability @ inst.scenarios.price[:, offer])


def unused_usd(inst: Instance, offer: int, volume: float) -> float:
    """USD a month that a commitment of so much (own units) costs without any use."""
    contracts, b = inst.contracts, int(inst.offers.contract[offer])
    if not contracts.in_tokens[b]:
        return volume
    tiers = contracts.tiers[b]
    usd = volume * float(contracts.unit_usd[b]) if tiers is None else tiers.bill(volume)
    return price_of(inst, offer) * usd


def of_contract(inst: Instance, start: int, volume: float) -> tuple[float, float]:
    """(inside, after) of a commitment in own units a month, by its start."""
    offer = int(inst.contracts.offer[inst.contracts.start_contract[start]])
    monthly = unused_usd(inst, offer, volume)
    months = float(force_share(inst)[start] @ inst.time.month_weight)
    return monthly * months, monthly * float(beyond_months(inst)[start])


def of_held(inst: Instance, fleet: int, count: float) -> tuple[float, float]:
    """(inside, after) of instances held for the whole horizon."""
    fleets, time = inst.fleets, inst.time
    rent = fleets.usd_per_h[fleet] * time.period_h * float(time.weight.sum())
    price = price_of(inst, int(fleets.offer[fleet]))
    return float(count * price * (rent + fleets.upfront_usd[fleet])), 0.0


def of_purchase(inst: Instance, fleet: int, month: int, count: float) -> tuple[float, float]:
    """(inside, after) of instances bought for a term from a billing month on."""
    fleets = inst.fleets
    term_h = int(fleets.term_months[fleet]) * HOURS_PER_MONTH
    beyond_h = max(month * HOURS_PER_MONTH + term_h - inst.time.horizon_h, 0.0)
    rent = float(fleets.usd_per_h[fleet]) * beyond_h
    left = 0.0 if inst.policy.charge_in_full else float(fleets.upfront_usd[fleet]) * beyond_h / term_h
    inside = purchase_usd(inst, fleet, month)
    if inst.policy.charge_in_full:
        inside -= rent * float(inst.time.weight[-1])
    each = count * price_of(inst, int(fleets.offer[fleet]))
    return each * inside, each * (rent + left)


def of_fee(inst: Instance, offer: int) -> tuple[float, float]:
    """(inside, after) of a fee."""
    months = float(month_share(inst) @ inst.time.month_weight)
    return float(inst.offers.fee_usd_per_month[offer]) * price_of(inst, offer) * months, 0.0
