"""The objective: every dollar of a plan, by kind, as (columns, USD per column unit) terms.

    tokens        usd[f] · work · price multiplier                          per flow, of what no contract bills
    commitment    rate · billed, or rate · committed + overage · over       per contract and span, or by band of tiers,
                  (usd[f] − rate · tokens[f]) · flow                        where the rate changes within the span,
                                                                            less the bill as it stood at the start
    fee           fee · months, if the offer is used at all                 per offer
    instances     rent[t] · paid + h · reserved rate · reserved             per pool and period; upfront, terms on top
    hosts         h · (usd_per_h · host + reserved rate · reserved)         per kind of host and period
    credit        − paid by a credit; by an allowance in USD it is tokens and instances that are less
    starts        start_usd · started
                  − covered / (1 − discount), of tokens or instances         what an agreement bills, see agreements
    energy        usd_per_kwh[t] · power_kw · h · (paid + reserved)
    network       egress[r] · work                                          per flow, of what is sent over the network
    unserved      usd · tokens
    churn         move_usd · tokens · moved + resize_usd · resized          against a running plan

Prices are means over the hours in which an offer is open; rent is of these hours, all else is due from its first
opening to its last closing. Each is weighed by `time.weight`, the present value of a dollar of its period, or of its
month's first period.
"""

from __future__ import annotations

import numpy as np

from problems import churn
from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.contract_rates import beside_rate, beyond_usd, billed_before, span_weight
from problems.core.contracts import Contracts
from problems.core.costs import (
    CHURN,
    COMMITMENT,
    CREDIT,
    ENERGY,
    FEE,
    HOSTS,
    INSTANCES,
    NETWORK,
    STARTS,
    TOKENS,
    UNSERVED,
    CostKind,
)
from problems.core.counts import bought_for
from problems.core.first_stage import FirstStage, due_months, due_part
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.span_means import rate_usd
from problems.core.span_use import band_scale
from problems.core.view import View, first_period
from solvers.core.record import Record


class Cost(Record):
    """USD per unit of each column, and the offer (−1: none) that the money goes to; plus a constant per offer."""

    kind: CostKind
    at: Ints  # (n,) columns
    usd: Floats  # (n,)
    offer: Ints  # (n,)
    fixed: Floats | None = None  # (O,) USD whatever the plan does

    @property
    def constant(self) -> float:
        return 0.0 if self.fixed is None else float(self.fixed.sum())


def _cost(
    kind: CostKind, at: Ints, usd: Floats | float, offer: Ints | int, fixed: Floats | None = None
) -> Cost:
    return Cost(
        kind,
        at.ravel(),
        np.full(at.shape, usd, dtype=float).ravel(),
        np.full(at.shape, offer, dtype=np.int64).ravel(),
        fixed,
    )


def first_stage(inst: Instance, first: FirstStage, price: Floats) -> list[Cost]:
    """What is bought before demand is known, at a scenario's prices (O,): it is paid in every scenario."""
    months = due_months(inst)
    fee = np.flatnonzero(first.active >= 0)
    costs = [_cost(FEE, first.active[fee], (inst.offers.fee_usd_per_month * price * months)[fee], fee)]
    costs += _counts_ahead(inst, first, price)
    costs += _purchases(inst, first, price)
    costs.append(_beyond(inst, first, price))
    fleets, weight = inst.fleets, inst.time.weight
    rent, power = np.zeros(len(price)), np.zeros(len(price))
    rent[fleets.offer] = fleets.reserved_usd @ weight * price[fleets.offer]
    if inst.running is not None and fleets.pools:  # earlier terms are paid to their end
        f = fleets.pool_fleet
        np.add.at(rent, fleets.offer[f], inst.running.carried_usd @ weight * price[fleets.offer[f]])
    power[fleets.offer] = fleets.reserved_energy_usd @ weight
    none = np.empty(0, dtype=np.int64)
    held = np.zeros(len(price))
    hosts = inst.hosts
    held[hosts.seller] = hosts.reserved_usd @ weight * price[hosts.seller]
    costs += [_cost(INSTANCES, none, 0.0, none, rent), _cost(ENERGY, none, 0.0, none, power)]
    costs.append(_cost(HOSTS, none, 0.0, none, held))
    ahead = np.flatnonzero(hosts.horizon)
    rented = (hosts.rent_usd @ weight * price[hosts.seller])[ahead]
    costs.append(_cost(HOSTS, first.hosts[ahead], rented, hosts.seller[ahead]))
    return costs


def commitments(view: View, cols: Columns) -> list[Cost]:
    """The bills of contracts with a rate, and with tiers."""
    inst, contracts = view.inst, view.inst.contracts
    spans, rates, all_months = contracts.spans, rate_usd(inst), _due_usd(inst)
    costs = []
    for b, o in enumerate(contracts.offer):
        tiers, price = contracts.tiers[b], view.price[o] if contracts.in_tokens[b] else 1.0
        mine = spans.of(b)
        weight = span_weight(inst)[mine]
        unit = cols.first.commit_scale[b] * spans.share[mine] * weight
        if tiers is not None and contracts.in_tokens[b]:
            points = cols.band_points[b]
            scale = (band_scale(view, cols, b) * weight)[points.span] * points.weight
            usd = price * tiers.usd[None, :] * scale[:, None]
            costs.append(_cost(COMMITMENT, cols.band_volume[b], usd, o))
        elif len(mine) and cols.billed[mine[0]] >= 0:
            costs.append(_cost(COMMITMENT, cols.billed[mine], rates[mine] * price * unit, o))
        else:
            if len(mine) and cols.over[mine[0]] >= 0:
                costs.append(_cost(COMMITMENT, cols.over[mine], beyond_usd(inst, b) * price * unit, o))
                earlier = ~cols.beyond[b].points.last
                points, at = cols.beyond[b].points.subset(earlier), cols.beyond[b].at[earlier]
                costs.append(_cost(COMMITMENT, at, points.weight * price * unit[points.span], o))
            starts = np.flatnonzero(contracts.start_contract == b)
            committed = price * cols.first.commit_scale[b] * all_months[starts]
            costs.append(_cost(COMMITMENT, cols.first.committed[starts], committed, o))
        span, flow, usd = beside_rate(view, cols, b)
        if usd.any():
            costs.append(_cost(COMMITMENT, flow, usd * weight[span], o))
    none = np.empty(0, dtype=np.int64)
    fixed = np.zeros(len(inst.offers.names))
    for n in np.flatnonzero((spans.share_before > 0) | (spans.used_before > 0)).tolist():
        o = contracts.offer[spans.contract[n]]
        fixed[o] -= billed_before(inst, n, float(view.price[o])) * span_weight(inst)[n]
    return [*costs, _cost(COMMITMENT, none, 0.0, none, fixed)] if fixed.any() else costs


@once
def _due_usd(inst: Instance) -> Floats:
    """(A,) present USD, before a scenario's prices, of a unit a month of the commitment of each start."""
    return np.asarray(inst.contracts.due_share @ (span_weight(inst) * rate_usd(inst)))


def recourse(view: View, cols: Columns) -> list[Cost]:
    """What a scenario costs beyond the first stage."""
    inst, time, flows, routes = view.inst, view.inst.time, view.flows, view.routes
    contract = view.flow_contract
    in_dollars = contract >= 0
    if inst.contracts.offer.size:  # a contract in dollars bills all use, one in tokens leaves fees a request
        in_dollars &= ~inst.contracts.in_tokens[contract]
    plain = np.flatnonzero(~in_dollars)
    route = flows.route[plain]
    usd = view.flow_usd[plain] * view.price[routes.offer[route]] * time.weight[flows.period[plain]]
    costs = [_cost(TOKENS, cols.charged[plain], usd, routes.offer[route])]
    sent = np.flatnonzero(routes.egress_usd[flows.route] > 0)
    egress = routes.egress_usd[flows.route[sent]] * flows.work[sent] * time.weight[flows.period[sent]]
    costs.append(_cost(NETWORK, cols.flow[sent], egress, routes.offer[flows.route[sent]]))
    hosts = inst.hosts
    hourly = ~hosts.horizon
    rent = (hosts.rent_usd * view.price[hosts.seller][:, None] * time.weight)[hourly]
    costs.append(_cost(HOSTS, cols.hosts.count[hourly], rent, hosts.seller[hourly, None]))
    costs += commitments(view, cols)
    costs += _covered(view, cols)
    costs += _paid_by(view, cols)
    costs += _hourly_counts(view, cols)
    costs += _changes(view, cols)
    dropped = np.flatnonzero(cols.unserved >= 0)
    w = view.cells.workload[dropped]
    worth = inst.workloads.unserved_usd_per_token[w] * inst.workloads.tokens[w] * view.cells.work[dropped]
    costs.append(
        _cost(UNSERVED, cols.unserved[dropped], worth * time.weight[first_period(view)[dropped]], -1)
    )
    return costs


def _covered(view: View, cols: Columns) -> list[Cost]:
    """What agreements bill is not paid to the offers: it is taken off, at their own prices."""
    covered = cols.covered
    usd = -covered.unit * view.inst.time.weight[covered.period]
    alone = (
        view.inst.offers.contract[covered.offer] < 0
    )  # else less is billed under the offer's own commitment
    kinds = ((TOKENS, np.flatnonzero(~covered.rented & alone)), (INSTANCES, np.flatnonzero(covered.rented)))
    return [
        _cost(kind, covered.at[mine], usd[mine], covered.offer[mine]) for kind, mine in kinds if len(mine)
    ]


def _paid_by(view: View, cols: Columns) -> list[Cost]:
    """What credits pay is taken off under the offer's name; what an allowance pays is not charged at all."""
    paid = cols.paid_by
    usd = -paid.unit * view.inst.time.weight[paid.period]
    free = view.inst.credits.allowance[paid.credit] if len(paid.at) else np.empty(0, dtype=bool)
    alone = view.inst.offers.contract[paid.offer] < 0  # else less is billed under the offer's own commitment
    kinds = ((TOKENS, free & ~paid.rented & alone), (INSTANCES, free & paid.rented))
    costs = [_cost(kind, paid.at[mine], usd[mine], paid.offer[mine]) for kind, mine in kinds if mine.any()]
    if not free.all():
        costs.append(_cost(CREDIT, paid.at[~free], usd[~free], paid.offer[~free]))
    return costs


def _changes(view: View, cols: Columns) -> list[Cost]:
    """What leaving the running plan costs: moved = flow − kept, of the cells that it knows."""
    running, changed = view.inst.running, cols.changes
    if running is None or changed is None:
        return []
    usd = np.where(changed.known, churn.move_usd(view, running), 0.0)
    q, t = np.nonzero(changed.resized >= 0)
    return [
        _cost(CHURN, cols.flow, usd[view.flows.cell], -1),
        _cost(CHURN, changed.kept, -usd[changed.cell], -1),
        _cost(CHURN, changed.resized[q, t], running.resize_usd * view.inst.time.weight[t], -1),
    ]


def _hourly_counts(view: View, cols: Columns) -> list[Cost]:
    """Rent and energy of counts decided per period, and starts."""
    time, fleets = view.inst.time, view.inst.fleets
    f = fleets.pool_fleet
    ahead = cols.first.ahead.count[:, 0] >= 0
    hourly = np.where(fleets.term_h[f] > 0, 0.0, view.price[fleets.offer[f]])
    rent = fleets.rent_usd[f] * hourly[:, None] * time.weight
    energy = fleets.energy_usd[f] * time.weight
    own, offer = np.flatnonzero(~ahead), fleets.offer[f]
    paid = cols.counts.paid[own]
    q, t = np.nonzero(cols.started >= 0)
    start = (fleets.start_usd * view.price[fleets.offer])[f[q]]
    return [
        _cost(INSTANCES, paid, rent[own], offer[own][:, None]),
        _cost(ENERGY, paid, energy[own], offer[own][:, None]),
        _cost(STARTS, cols.started[q, t], start * time.weight[t], offer[q]),
    ]


def _counts_ahead(inst: Instance, first: FirstStage, price: Floats) -> list[Cost]:
    """Rent, upfront and energy of horizon-wide counts."""
    fleets = inst.fleets
    q = np.flatnonzero(first.ahead.count[:, 0] >= 0)
    f = fleets.pool_fleet[q]
    weight = inst.time.weight
    money = (fleets.rent_usd[f] @ weight + fleets.upfront_usd[f]) * price[fleets.offer[f]]
    energy = fleets.energy_usd[f] @ weight
    paid, offer = first.ahead.paid[q, 0], fleets.offer[f]
    return [_cost(INSTANCES, paid, money, offer), _cost(ENERGY, paid, energy, offer)]


def purchase_usd(inst: Instance, fleet: int, start: int) -> float:
    """Present value of one instance bought for its term, by the number of its start: rent in the horizon, and upfront.

    A term that outlasts the horizon is prorated, upfront included, or charged in full (`end_of_horizon`). One that ends
    where its offer closes is as long as that, and its upfront is paid all the same.
    """
    fleets, time = inst.fleets, inst.time
    begin, end = bought_for(inst, fleet)
    until_h = float(fleets.bought_until_h(fleet)[start])
    term_h = until_h - float(fleets.buy_h[start])
    first = min(int(begin[start]), time.periods - 1)
    usd_per_h = float(fleets.bought_usd_per_h[fleet, first])
    covers = slice(int(begin[start]), int(end[start]))
    hours = due_part(inst)[fleets.offer[fleet], covers] * time.period_h  # where it closes, until then
    rent = usd_per_h * float(hours @ time.weight[covers])
    upfront = float(fleets.upfront_usd[fleet] * time.weight[first])
    beyond_h = max(until_h - time.horizon_h, 0.0)
    if inst.policy.charge_in_full:
        return float(rent + upfront + usd_per_h * beyond_h * time.weight[-1])
    return float(rent + upfront * (1.0 - beyond_h / term_h))


def purchase_parts(inst: Instance, fleet: int, start: int) -> tuple[float, float]:
    """(inside, after) USD of one instance bought for its term, undiscounted: what falls into the horizon, and later."""
    fleets, time = inst.fleets, inst.time
    begin, end = bought_for(inst, fleet)
    until_h = float(fleets.bought_until_h(fleet)[start])
    term_h, beyond_h = until_h - float(fleets.buy_h[start]), max(until_h - time.horizon_h, 0.0)
    first = min(int(begin[start]), time.periods - 1)
    rent, upfront = float(fleets.bought_usd_per_h[fleet, first]), float(fleets.upfront_usd[fleet])
    later = 0.0 if inst.policy.charge_in_full else upfront * beyond_h / term_h
    hours = due_part(inst)[fleets.offer[fleet], begin[start] : end[start]].sum() * time.period_h
    inside = rent * float(hours) + upfront - later
    return inside, rent * beyond_h + later


def _purchases(inst: Instance, first: FirstStage, price: Floats) -> list[Cost]:
    q, k = np.nonzero(first.bought >= 0)
    fleet = inst.fleets.pool_fleet[q] if len(q) else q
    each = [
        purchase_usd(inst, int(f), int(m)) * price[inst.fleets.offer[f]]
        for f, m in zip(fleet, k, strict=True)
    ]
    return [_cost(INSTANCES, first.bought[q, k], np.array(each), inst.fleets.offer[fleet])] if each else []


def _beyond(inst: Instance, first: FirstStage, price: Floats) -> Cost:
    """With `charge_in_full`, what terms owe beyond the horizon counts today."""
    contracts = inst.contracts
    b = contracts.start_contract
    if not inst.policy.charge_in_full or not len(b):
        none = np.empty(0, dtype=np.int64)
        return _cost(COMMITMENT, none, 0.0, none)
    o = contracts.offer[b]
    rate = contracts.beyond_unit_usd * np.where(contracts.in_tokens[b], price[o], 1.0)
    months = contracts.beyond_months * inst.time.weight[-1]
    banded = months * price[o] * contracts.factor_beyond
    fixed = np.array([_least_by_tiers(contracts, i) for i in b]) * banded * (first.owed.of_start < 0)
    at, usd, offer = (
        [first.committed, first.signed],
        [months * rate * first.commit_scale[b], fixed],
        [o, o],
    )
    for a in np.flatnonzero(first.owed.of_start >= 0).tolist():
        column, each = owed_usd(inst, first, int(first.owed.of_start[a]))
        at.append(column)
        usd.append(each * banded[a])
        offer.append(np.full(len(column), o[a]))
    return _cost(COMMITMENT, np.concatenate(at), np.concatenate(usd), np.concatenate(offer))


def owed_usd(inst: Instance, first: FirstStage, number: int) -> tuple[Ints, Floats]:
    """(columns, USD of each) at the rates of the tiers, of a volume that is owed without use."""
    item = first.owed.each[number]
    tiers = inst.contracts.tiers[item.contract]
    assert tiers is not None  # what they price alone
    return item.volume, tiers.usd * item.scale


def _least_by_tiers(contracts: Contracts, b: int) -> float:
    """USD a month of the least commitment, where tiers set the price; else 0."""
    tiers, least = contracts.tiers[b], float(contracts.min_per_month[b])
    return 0.0 if tiers is None or not contracts.in_tokens[b] else tiers.bill(least)
