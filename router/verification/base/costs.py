"""The whole cost, from the problem and the plan's rows: one amount per future, offer and kind.

    tokens       Σ tokens · price                                       offers without a commitment
    fee          fee · month's hours / 730, every month              if the offer carries anything, ever
    commitment   the month's bill                                       offers with a commitment
    instances    h · (usd_per_h · Σ paid + reserved_usd_per_h · reserved) + upfront · bought
    starts       start_usd · started
    energy       usd_per_kwh · power_kw · h · (Σ paid + reserved)
    unserved     tokens · unserved_usd_per_m_tokens
    churn        see `churn`

A period's costs are discounted by its start, a month's by the start of its first period. A scenario's price
multiplier scales an offer's prices, not a committed amount of USD and not energy. Terms that outlast the
horizon are charged for their part inside it, or in full (`policy.end_of_horizon`), the rest with the last
period.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from router.schema import Instances
from router.verification.base.bills import Bill, BillKey, amount_owed, beyond_usd, in_force
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.flows import Flow, UnservedWork
from router.verification.base.pools import Pool, PoolKey
from router.verification.base.work import unit_usd
from router.verification.rows import InstanceCount, PlanRows

type LineKey = tuple[str | None, str]
"""Offer (None: of no offer) and kind."""

type Parts = dict[LineKey, list[float]]


@dataclass(frozen=True, slots=True)
class Costs:
    """Discounted cost by future, offer and kind; `committed` is its first-stage part by future."""

    by_future: dict[str | None, dict[LineKey, float]]
    committed: dict[str | None, float]

    def of(self, future: Future) -> float:
        return math.fsum(self.by_future[future.name].values())

    def lines(self, futures: Iterable[Future]) -> dict[LineKey, float]:
        """Expected cost by offer and kind."""
        parts: Parts = defaultdict(list)
        for future in futures:
            for key, usd in self.by_future[future.name].items():
                parts[key].append(future.probability * usd)
        return {key: math.fsum(values) for key, values in parts.items()}


def costs_of(
    case: Case,
    plan: PlanRows,
    flows: list[Flow],
    left: list[UnservedWork],
    pools: dict[PoolKey, Pool],
    bills: dict[BillKey, Bill],
    churn: Mapping[str | None, float],
) -> Costs:
    """Price everything. First-stage money: fees, committed minima, horizon and term purchases, reserved."""
    by_future: dict[str | None, dict[LineKey, float]] = {}
    committed: dict[str | None, float] = {}
    carrying = {flow.offer.name for flow in flows if flow.units > 0}
    for future in case.futures:
        parts: Parts = defaultdict(list)
        first: list[float] = []
        _tokens(case, future, flows, parts)
        _fees(case, future, carrying, parts, first)
        _bills(case, future, bills, parts)
        _minima(case, future, plan, parts, first)
        _instances(case, future, plan, pools, parts, first)
        for gap in left:
            if gap.cell.future is future:
                period = gap.row.period if gap.row.period is not None else min(gap.cell.runs)
                parts[None, "unserved"].append(gap.usd * case.period_weight[period])
        if churn.get(future.name):
            parts[None, "churn"].append(churn[future.name])
        by_future[future.name] = {key: math.fsum(values) for key, values in parts.items()}
        committed[future.name] = math.fsum(first)
    return Costs(by_future, committed)


def _tokens(case: Case, future: Future, flows: Iterable[Flow], parts: Parts) -> None:
    for flow in flows:
        if flow.future is future and flow.offer.commitment is None and flow.entry is not None:
            usd = flow.units * unit_usd(flow.unit, flow.entry) * future.price_of(flow.offer.name)
            parts[flow.offer.name, "tokens"].append(usd * case.period_weight[flow.row.period])


def _fees(case: Case, future: Future, carrying: set[str], parts: Parts, first: list[float]) -> None:
    for name in carrying:
        fee = case.offers[name].fee_usd_per_month * future.price_of(name)
        for month in range(case.months):
            usd = fee * case.month_h[month] / MONTH_H * case.month_weight[month]
            parts[name, "fee"].append(usd)
            first.append(usd)


def _bills(case: Case, future: Future, bills: dict[BillKey, Bill], parts: Parts) -> None:
    for (name, month, scenario), bill in bills.items():
        if scenario == future.name:
            parts[name, "commitment"].append(bill.usd * case.month_weight[month])


def _minima(case: Case, future: Future, plan: PlanRows, parts: Parts, first: list[float]) -> None:
    """What contracts owe at least, inside the horizon, and beyond it where that is charged in full."""
    for (name, month), committed in in_force(case, plan).items():
        offer, part = case.offers[name], case.month_h[month] / MONTH_H
        price = future.price_of(name)
        first.append(amount_owed(offer, committed * part, 0.0, 0.0, part, price) * case.month_weight[month])
    if case.problem.policy.end_of_horizon == "charge_in_full":
        for row in plan.contracts:
            usd = beyond_usd(case, case.offers[row.offer], row, future) * case.period_weight[-1]
            parts[row.offer, "commitment"].append(usd)
            first.append(usd)


def _instances(
    case: Case,
    future: Future,
    plan: PlanRows,
    pools: dict[PoolKey, Pool],
    parts: Parts,
    first: list[float],
) -> None:
    for name, offer in case.offers.items():
        if offer.instances is not None and offer.instances.reserved > 0:
            _reserved(case, name, offer.instances, future, parts, first)
    for pool in pools.values():
        if pool.future is future:
            _paid(case, pool.row, future, parts, first)
    _upfront_for_the_horizon(case, future, pools, parts, first)
    _terms(case, future, plan, parts, first)


def _reserved(
    case: Case, name: str, instances: Instances, future: Future, parts: Parts, first: list[float]
) -> None:
    """Held instances are paid in every hour, used or not, and draw power."""
    price = instances.usd_per_h if instances.reserved_usd_per_h is None else instances.reserved_usd_per_h
    hourly = price * future.price_of(name) * instances.reserved
    for weight in case.period_weight:
        usd = hourly * case.period_h * weight
        parts[name, "instances"].append(usd)
        first.append(usd)
        parts[name, "energy"].append(_energy(case, instances, instances.reserved) * weight)


def _energy(case: Case, instances: Instances, count: float) -> float:
    return case.problem.policy.energy_usd_per_kwh * instances.power_kw * case.period_h * count


def _paid(case: Case, row: InstanceCount, future: Future, parts: Parts, first: list[float]) -> None:
    """Hours, starts and energy of the instances above those held."""
    instances = case.offers[row.offer].instances
    assert instances is not None  # it has a pool
    weight, price = case.period_weight[row.period], future.price_of(row.offer)
    usd = instances.usd_per_h * price * case.period_h * row.paid_count * weight
    parts[row.offer, "instances"].append(usd)
    if instances.resize == "horizon" or instances.term_months is not None:
        first.append(usd)
    parts[row.offer, "starts"].append(instances.start_usd * price * row.started * weight)
    parts[row.offer, "energy"].append(_energy(case, instances, row.paid_count) * weight)


def _upfront_for_the_horizon(
    case: Case, future: Future, pools: dict[PoolKey, Pool], parts: Parts, first: list[float]
) -> None:
    """Bought once, at the start, for the whole horizon: what is paid in any period is what was bought."""
    bought: dict[tuple[str, str | None], float] = defaultdict(float)
    for (offer, model, _, scenario), pool in pools.items():
        if scenario == future.name:
            bought[offer, model] = max(bought[offer, model], pool.row.paid_count)
    for (offer, _), count in bought.items():
        instances = case.offers[offer].instances
        if instances is not None and instances.resize == "horizon" and instances.term_months is None:
            usd = instances.upfront_usd * future.price_of(offer) * count
            parts[offer, "instances"].append(usd)
            first.append(usd)


def _terms(case: Case, future: Future, plan: PlanRows, parts: Parts, first: list[float]) -> None:
    """Upfront money of instances bought for a term, and their hours beyond the horizon if charged in full."""
    in_full = case.problem.policy.end_of_horizon == "charge_in_full"
    for row in plan.purchases:
        instances = case.offers[row.offer].instances
        if instances is None or instances.term_months is None:
            continue
        term_h = instances.term_months * MONTH_H
        beyond_h = case.beyond_h(row.month + instances.term_months)
        price = future.price_of(row.offer) * row.count
        upfront = instances.upfront_usd * price * case.month_weight[row.month]
        if in_full:
            amounts = [upfront, instances.usd_per_h * price * beyond_h * case.period_weight[-1]]
        else:
            amounts = [upfront * (1.0 - beyond_h / term_h)]
        parts[row.offer, "instances"] += amounts
        first += amounts


def expected(case: Case, costs: Costs) -> float:
    """Σ probability · cost."""
    return math.fsum(future.probability * costs.of(future) for future in case.futures)


def cvar(weighted: list[tuple[float, float]], level: float) -> float:
    """Mean cost of the worst 1 − level of the probability, from (probability, cost)."""
    left = 1.0 - level
    parts = []
    for probability, cost in sorted(weighted, key=lambda pair: -pair[1]):
        taken = min(probability, left)
        parts.append(taken * cost)
        left -= taken
        if left <= 0:
            break
    return math.fsum(parts) / (1.0 - level - max(left, 0.0))


def mix(mean: float, tail: float, weight: float) -> float:
    """The objective of an expected cost and a CVaR."""
    return (1.0 - weight) * mean + weight * tail


def mixed(case: Case, usd: Sequence[float]) -> float:
    """The objective of one amount per future."""
    risk = case.problem.risk
    weighted = [(future.probability, each) for future, each in zip(case.futures, usd, strict=True)]
    mean = math.fsum(probability * each for probability, each in weighted)
    if risk.cvar_weight == 0 or len(weighted) == 1:
        return mean
    return mix(mean, cvar(weighted, risk.cvar_level), risk.cvar_weight)
