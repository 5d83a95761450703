"""How far a quote is used, and from which use on it pays.

    break-even use = owed unused / (avoided cost · committed)          fees: owed / (avoided cost − price) tokens
    avoided cost   = (E₁ − (E − bill)) / used, E: expected costs; per token, or per busy hour of instances
    E₁             without the offer, all else signed as it is: its work goes where nothing is signed for it;
                   where that cannot serve, of the best plan without the offer
    committed      in tokens: what a commitment in dollars buys, by its tiers or at the mean rate of its use

Below that use paying as you go is the cheaper way; above 100 % there is no such use. Above it the offer may still lose
to another quote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, Floats
from problems.core.costs import COMMITMENT, ENERGY, FEE, INSTANCES, KINDS, STARTS, CostKind
from problems.core.instance import Instance
from problems.core.span_means import span_factors
from problems.core.variants import rows_read_prices
from router.plan.rows import InstanceRow, Settlement
from router.sizing.best import Best, only, without
from router.sizing.joint import JointSearch
from router.sizing.options import Study
from router.sizing.outcomes import costs_of, outcomes
from router.sizing.signatures import price_of, unused_usd

NEAR_H = 1e-6


@dataclass(frozen=True)
class QuoteUse:
    """Parts of what is committed, and the volume at which it breaks even; None where that is not defined."""

    expected: float | None = None
    break_even: float | None = None
    break_even_tokens_per_month: float | None = None


def use_of(has: Best, elsewhere_usd: float | None, offer: int) -> QuoteUse:
    """Of an offer, by its index: the best plan with it against what all costs where its work goes elsewhere (E₁)."""
    rows = has.settlements(has.inst.offers.names[offer])
    if any(own_volumes(row)[1] > 0 for row in rows):
        return _of_commitment(has, elsewhere_usd, offer, rows)
    if has.instances(has.inst.offers.names[offer]):
        return _of_instances(has, elsewhere_usd, offer)
    if (has.inst.hosts.seller == offer).any():
        return _of_hosts(has, elsewhere_usd, offer)
    return _of_fee(has, elsewhere_usd, offer)


def priced_elsewhere(
    study: Study, inst: Instance, has: Best, offer: int, search: JointSearch | None = None
) -> float | None:
    """Expected cost of a plan without one of its offers, all else signed as it is; None where that cannot serve.

    search  of the problem itself: its program serves without another being written
    """
    decision, fleets = has.decision, inst.fleets
    ours = inst.contracts.offer[inst.contracts.start_contract] == offer
    pools = only(inst, offer)[fleets.offer[fleets.pool_fleet]]
    remaining = replace(
        decision,
        signed=np.where(ours, 0.0, decision.signed),
        committed=np.where(ours, 0.0, decision.committed),
        active=np.where(only(inst, offer), 0.0, decision.active),
        ahead=np.where(pools, 0.0, decision.ahead),
        paid=np.where(pools, 0.0, decision.paid),
        bought=np.where(pools[:, None], 0.0, decision.bought) if decision.bought.size else decision.bought,
        hosts=np.where(inst.hosts.seller == offer, 0.0, decision.hosts),
    )
    rest = without(inst, only(inst, offer))
    limited = None if search is None or rows_read_prices(inst) else search.limited(rest)
    cost = None if limited is None else limited.costs_under(remaining, study)
    if cost is None:
        cost = costs_of(outcomes(rest, remaining, study))
    return float(inst.scenarios.probability @ cost) if np.isfinite(cost).all() else None


def bill_of(point: Best, offer: str) -> float:
    """Expected USD that go to the offer at its prices."""
    return fsum(line.usd for line in point.lines() if line.offer == offer and KINDS[line.kind].scaled)


def _avoided_usd(has: Best, elsewhere_usd: float | None, bill_usd: float) -> float | None:
    """What the work would cost elsewhere."""
    return None if elsewhere_usd is None else elsewhere_usd - (has.expected_usd - bill_usd)


def _lines_usd(has: Best, offer: str, *kinds: CostKind) -> float:
    return fsum(line.usd for line in has.lines() if line.offer == offer and KINDS[line.kind] in kinds)


def _of_commitment(has: Best, elsewhere_usd: float | None, offer: int, rows: list[Settlement]) -> QuoteUse:
    inst, name = has.inst, has.inst.offers.names[offer]
    used = fsum(has.weight[row.scenario] * own_volumes(row)[0] for row in rows)
    tokens = fsum(has.weight[row.scenario] * row.used_tokens for row in rows)
    rate = fsum(has.weight[row.scenario] * row.used_usd for row in rows) / tokens if tokens > 0 else 0.0
    terms = {
        (row.from_h, row.until_h): row for row in rows
    }  # what is committed is the same in every scenario
    volume = [(own_volumes(row)[1], months_due(has, row), weight_of(inst, row)) for row in terms.values()]
    committed = fsum(months * each for each, months, _ in volume)
    # instances bought ahead are owed unused as the commitment is; all else is the price of using it
    pools = {inst.offers.names[o] for o in np.flatnonzero(only(inst, offer))}
    ahead = any(row.offer in pools and row.kind == "instances" for row in has.signs)
    besides = FEE, *((INSTANCES, STARTS, ENERGY) if ahead else ())
    avoided = _avoided_usd(has, elsewhere_usd, _lines_usd(has, name, COMMITMENT, *besides))
    if avoided is None or avoided <= 0 or tokens <= 0:
        return QuoteUse(used / committed)
    bought = fsum(months * _tokens(inst, offer, each, rate) for each, months, _ in volume)
    owed = fsum(months * weight * unused_usd(inst, offer, each) for each, months, weight in volume)
    owed *= factor_of(inst, int(inst.offers.contract[offer]))
    owed += _lines_usd(has, name, *besides)
    if inst.policy.charge_in_full:
        signed = [row for row in has.signs if (row.offer, row.kind) == (name, "contract")]
        owed += fsum(row.beyond_horizon_usd for row in signed) * float(inst.time.weight[-1])
    if bought <= 0:
        return QuoteUse(used / committed)
    break_even, months = owed / (avoided / tokens * bought), fsum(each for _, each, _ in volume)
    return QuoteUse(used / committed, break_even, break_even * bought / months)


def _tokens(inst: Instance, offer: int, volume: float, rate: float) -> float:
    """Tokens a month that a commitment buys; `rate`: mean USD of a token where tiers do not set it."""
    contracts, b = inst.contracts, int(inst.offers.contract[offer])
    tiers = contracts.tiers[b]
    if contracts.in_tokens[b]:
        return volume
    if tiers is None:
        return volume / rate if rate > 0 else 0.0
    low, high = 0.0, float(tiers.from_tokens[-1]) + 1.0
    factor = factor_of(inst, b)
    usd = volume / price_of(inst, offer) / factor if factor > 0 else np.inf
    while tiers.bill(high) <= usd and high < 1e30:
        high *= 2.0
    for _ in range(100):  # the bill never falls with the volume
        middle = (low + high) / 2.0
        low, high = (middle, high) if tiers.bill(middle) <= usd else (low, middle)
    return low


def factor_of(inst: Instance, b: int) -> float:
    """The mean factor of the rules on what a contract's tiers ask, over its spans; 1 without tiers."""
    spans = inst.contracts.spans.of(b)
    return float(span_factors(inst)[spans].mean()) if len(spans) else 1.0


def _of_instances(has: Best, elsewhere_usd: float | None, offer: int) -> QuoteUse:
    """Energy is drawn by what is bought, used or not."""
    name = has.inst.offers.names[offer]
    busy, running = instance_hours(has, has.instances(name))
    if running <= 0:
        return QuoteUse()
    energy = _lines_usd(has, name, ENERGY)
    owed = _lines_usd(has, name, INSTANCES, FEE) + energy
    avoided = _avoided_usd(has, elsewhere_usd, bill_of(has, name) + energy)
    if avoided is None or avoided <= 0 or busy <= 0:
        return QuoteUse(busy / running)
    return QuoteUse(busy / running, owed / (avoided / busy * running))


def _of_hosts(has: Best, elsewhere_usd: float | None, offer: int) -> QuoteUse:
    """Of the units that they hold, in place of hours."""
    name = has.inst.offers.names[offer]
    use = host_use(has, name)
    avoided = _avoided_usd(has, elsewhere_usd, bill_of(has, name))
    if avoided is None or avoided <= 0 or not use:
        return QuoteUse(use)
    return QuoteUse(use, bill_of(has, name) / avoided * use)


def host_use(has: Best, name: str) -> float | None:
    """Expected part of the units of a kind of host, free ones left out, that instances take; None of none."""
    units = float(has.inst.hosts.units[has.inst.hosts.names.index(name)])
    taken, there = [], []
    for row in has.about(name).hosts:
        paid = (pattern for pattern in row.patterns if not pattern.free)
        each = fsum(p.hosts * fsum(one.count * (one.units or 0.0) for one in p.instances) for p in paid)
        taken.append(has.weight[row.scenario] * each)
        there.append(has.weight[row.scenario] * row.count * units)
    return fsum(taken) / fsum(there) if fsum(there) > 0 else None


def instance_hours(has: Best, rows: Sequence[InstanceRow]) -> tuple[float, float]:
    """(busy, running) expected hours of instances."""
    hours = [has.weight[row.scenario] * has.inst.time.period_h * row.count for row in rows]
    return fsum(each * row.utilisation for each, row in zip(hours, rows, strict=True)), fsum(hours)


def _of_fee(has: Best, elsewhere_usd: float | None, offer: int) -> QuoteUse:
    inst, name = has.inst, has.inst.offers.names[offer]
    fee = _lines_usd(has, name, FEE)
    tokens = has.tokens(name)
    avoided = _avoided_usd(has, elsewhere_usd, bill_of(has, name))
    if fee <= 0 or tokens <= 0 or avoided is None:
        return QuoteUse()
    saved = (avoided - (bill_of(has, name) - fee)) / tokens  # of each token, once the fee is paid
    months = inst.time.horizon_h / HOURS_PER_MONTH
    return QuoteUse(break_even_tokens_per_month=fee / saved / months if saved > 0 else None)


def own_volumes(row: Settlement) -> tuple[float, float]:
    """(used, committed a month) of a settlement, in the commitment's own unit: tokens or USD."""
    if row.committed_tokens_per_month is None:
        return row.used_usd, row.committed_usd_per_month or 0.0
    return row.used_tokens, row.committed_tokens_per_month


def months_due(has: Best, row: Settlement) -> float:
    """The same of the hours that a plan signs, where a row sums up hours or terms add up."""
    inst, contracts = has.inst, has.inst.contracts
    b, rate = int(inst.offers.contract[inst.offers.names.index(row.seller)]), own_volumes(row)[1]
    if not (contracts.stackable[b] or contracts.by_hour[b]) or rate <= 0:
        return due_months(inst, row)
    mine = np.flatnonzero(contracts.start_contract == b)
    return float(months_in(inst, b, row) @ has.decision.committed[mine]) / rate


def months_in(inst: Instance, b: int, row: Settlement) -> Floats:
    """(n,) months that each term of a contract is due for in a settlement."""
    contracts, spans = inst.contracts, inst.contracts.spans
    inside = (spans.from_h >= row.from_h - NEAR_H) & (spans.until_h <= row.until_h + NEAR_H)
    inside &= spans.contract == b
    return np.asarray(
        contracts.due_share[np.flatnonzero(contracts.start_contract == b)][:, inside].sum(axis=1)
    )


def due_months(inst: Instance, row: Settlement) -> float:
    """Months of 730 h that a settlement's commitment is due for: those of its span, or of the spans that it sums up."""
    contracts = inst.contracts
    spans = contracts.spans
    mine = contracts.offer[spans.contract] == inst.offers.names.index(row.seller)
    inside = (spans.from_h >= row.from_h - NEAR_H) & (spans.until_h <= row.until_h + NEAR_H)
    at = np.flatnonzero(mine & inside)
    if row.spans is None:  # of spans that overlap, the one itself
        at = at[spans.until_h[at] - spans.from_h[at] >= row.until_h - row.from_h - NEAR_H][:1]
    else:  # the same hours under another level or term are not due too
        at = at[np.unique(spans.from_h[at], return_index=True)[1]]
    return float(spans.share[at].sum())


def weight_of(inst: Instance, row: Settlement) -> float:
    """Present value of a dollar of a settlement."""
    return float(inst.time.weight[min(int(row.from_h / inst.time.period_h + NEAR_H), inst.time.periods - 1)])
