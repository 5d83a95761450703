"""Means by hours over spans: of what contracts charge, as far as their offers are due, also before the horizon."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats
from problems.core.instance import Instance
from problems.core.once import once


def span_mean(inst: Instance, at: Floats, before: Floats) -> Floats:
    """(N,) the mean in each span of figures of contracts: by stretch (B, J), and before the horizon (B,)."""
    contracts, spans = inst.contracts, inst.contracts.spans
    offer = contracts.offer[spans.contract]
    opens_h = inst.offers.opens_h[offer]
    from_h = np.maximum(spans.from_h, opens_h)
    until_h = np.minimum(spans.until_h, inst.offers.closes_h[offer])
    never = until_h <= from_h
    from_h, until_h = np.where(never, spans.from_h, from_h), np.where(never, spans.until_h, until_h)
    inside = inst.time.mean(at, spans.contract, from_h, until_h)
    begun = (spans.share_before > 0) & ~never
    before_h = np.where(begun, -np.maximum(spans.begins_h, opens_h), 0.0)
    hours = np.where(begun, until_h - from_h, 1.0)
    return np.asarray((inside * hours + before[spans.contract] * before_h) / (hours + before_h))


@once
def rate_usd(inst: Instance) -> Floats:
    """(N,) USD per own unit in each span: the mean of the contract rate."""
    return span_mean(inst, inst.contracts.unit_usd_at, inst.contracts.unit_usd_before)


@once
def span_factors(inst: Instance) -> Floats:
    """(N,) the same of the factor on the rates of price bands."""
    return span_mean(inst, inst.contracts.factor_at, inst.contracts.factor_before)


@once
def paid_by_hours(inst: Instance, b: int) -> bool:
    """Whether use of a contract in tokens has the rates of its hours."""
    contracts = inst.contracts
    plain = contracts.in_tokens[b] and contracts.tiers[b] is None
    return bool(plain and inst.offers.ruled[contracts.offer[b]])
