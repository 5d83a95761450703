"""The whole cost, from the problem and the plan's rows: one amount per future, offer and kind.

    tokens       Σ tokens · price + requests · price                offers without a commitment; one in tokens: requests
    fee          fee · month's hours in which it is due / 730        if the offer carries anything, ever
    commitment   the bill of each span                                   offers with a commitment
    instances    open hours · usd_per_h · Σ paid + due hours · reserved_usd_per_h · reserved + upfront · bought
    hosts        h · (usd_per_h · rented + reserved_usd_per_h · reserved)
    covered      − what agreements bill, of tokens and of instances      see `verification.agreements`
    credit       − what credits pay                                        see `verification.allowances`
    starts       start_usd · started
    energy       usd_per_kwh · power_kw · h · (Σ paid + reserved)
    network      tokens · egress                                    of the way from the work's origin
    unserved     tokens · unserved_usd_per_m_tokens
    churn        see `base.change`

A period's costs are discounted by its start, a month's or a span's by the start of its first period. A scenario's price
multiplier scales an offer's prices, not a committed amount of USD and not energy. Terms that outlast the
horizon are charged for their part inside it, or in full (`policy.end_of_horizon`), the rest with the last
period.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from router.plan.document import Plan
from router.verification.base.bills import Bill, BillKey, Use
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.flows import Flow, UnservedWork
from router.verification.base.pools import EarlierPurchase, Pool, PoolKey, in_force
from router.verification.base.tariffs import beyond_usd, bills_dollars

type LineKey = tuple[str | None, str]
"""Offer (None: of no offer) and kind."""

# kinds that are at the offer's prices
SCALED = frozenset(("tokens", "fee", "commitment", "instances", "hosts", "starts"))
UNSCALED = frozenset(("energy", "network", "credit", "unserved", "churn"))


@dataclass(frozen=True, slots=True)
class Costs:
    """Discounted cost by future, offer and kind; `committed` is its first-stage part by future."""

    by_future: dict[str | None, dict[LineKey, float]]
    committed: dict[str | None, float]

    def of(self, future: Future) -> float:
        return math.fsum(self.by_future[future.name].values())

    def lines(self, futures: Iterable[Future]) -> dict[LineKey, float]:
        """Expected cost by offer and kind."""
        parts: dict[LineKey, list[float]] = defaultdict(list)
        for future in futures:
            for key, usd in self.by_future[future.name].items():
                parts[key].append(future.probability * usd)
        return {key: math.fsum(values) for key, values in parts.items()}


@dataclass(frozen=True, eq=False, repr=False)
class Sums:
    """What rows come to that were read before, some periods at a time: what the horizon as a whole is judged by.

    used         what commitments count, by offer, period and future
    usd          money by offer and kind, without that of contracts and fees
    committed    the first-stage part of it
    carrying     offers that carry anything
    """

    used: dict[tuple[str, int, str | None], list[Use]] = field(default_factory=lambda: defaultdict(list))
    usd: dict[LineKey, list[float]] = field(default_factory=lambda: defaultdict(list))
    committed: list[float] = field(default_factory=list)
    carrying: set[str] = field(default_factory=set)


NO_SUMS = Sums()


class Charge(NamedTuple):
    """One amount in one future: USD, discounted, and whether it is owed whatever future comes (first stage)."""

    future: Future
    offer: str | None
    kind: str
    usd: float
    first: bool = False


def costs_of(
    case: Case,
    plan: Plan,
    flows: list[Flow],
    unserved: list[UnservedWork],
    pools: dict[PoolKey, Pool],
    bills: dict[BillKey, Bill],
    churn: Mapping[str | None, float],
    earlier: Iterable[EarlierPurchase],
    sums: Sums = NO_SUMS,
) -> Costs:
    """Price everything. First-stage money: fees, committed minima, horizon and term purchases, reserved.

    sums   of rows that were read before: of one future, and what is reserved is in it
    """
    parts: dict[str | None, dict[LineKey, list[float]]] = {f.name: defaultdict(list) for f in case.futures}
    for key, usd in sums.usd.items():
        parts[case.futures[0].name][key] += usd
    first: dict[str | None, list[float]] = {future.name: list(sums.committed) for future in case.futures}
    for (_, _, scenario), bill in bills.items():  # what contracts owe inside the horizon, used or not
        first[scenario].append(bill.least_usd * bill.weight if bill.signed else 0.0)
    carrying = {flow.offer.name for flow in flows if flow.units > 0} | sums.carrying
    for charge in chain(
        _tokens(case, flows),
        _fees(case, carrying),
        _network(case, flows),
        _unserved(case, unserved),
        _bills(case, bills),
        _covered(case, plan),
        _paid_by(case, plan),
        _contracts_beyond(case, plan),
        _reserved(case) if sums is NO_SUMS else (),
        _paid(case, pools),
        _hosts(case, plan),
        _upfront_for_the_horizon(case, pools),
        _terms(case, plan),
        _earlier_terms(case, tuple(earlier)),
        _for_all_models(case, plan, tuple(earlier)),
        (Charge(f, None, "churn", churn[f.name]) for f in case.futures if churn.get(f.name)),
    ):
        seller = case.halves.get(charge.offer or "", charge.offer)
        parts[charge.future.name][seller, charge.kind].append(charge.usd)
        if charge.first:
            first[charge.future.name].append(charge.usd)
    return Costs(
        {name: {key: math.fsum(usd) for key, usd in lines.items()} for name, lines in parts.items()},
        {name: math.fsum(usd) for name, usd in first.items()},
    )


def _tokens(case: Case, flows: Iterable[Flow]) -> Iterator[Charge]:
    for flow in flows:
        if flow.entry is None or (flow.offer.commitment is not None and bills_dollars(flow.offer.commitment)):
            continue
        usd = flow.fee_usd if flow.offer.commitment is not None else flow.fee_usd + flow.token_usd
        if usd > 0:
            usd *= flow.charged * flow.future.price_of(flow.offer.name)
            yield Charge(flow.future, flow.offer.name, "tokens", usd * case.period_weight[flow.row.period])


def _fees(case: Case, carrying: Iterable[str]) -> Iterator[Charge]:
    for name in carrying:
        for future in case.futures:
            fee = case.offers[name].fee_usd_per_month * future.price_of(name)
            for month, weight in enumerate(case.month_weight):
                yield Charge(future, name, "fee", fee * case.due_h(name, month) / MONTH_H * weight, True)


def _network(case: Case, flows: Iterable[Flow]) -> Iterator[Charge]:
    for flow in flows:
        usd = flow.tokens * case.egress_usd(flow.workload.name, flow.offer.name)
        if usd > 0:
            yield Charge(flow.future, flow.offer.name, "network", usd * case.period_weight[flow.row.period])


def _unserved(case: Case, unserved: Iterable[UnservedWork]) -> Iterator[Charge]:
    for work in unserved:
        yield Charge(work.cell.future, None, "unserved", work.usd * case.period_weight[work.row.period])


def _bills(case: Case, bills: dict[BillKey, Bill]) -> Iterator[Charge]:
    for (name, _, scenario), bill in bills.items():
        yield Charge(case.future(scenario), name, "commitment", bill.usd * bill.weight)


def _covered(case: Case, plan: Plan) -> Iterator[Charge]:
    """What agreements bill is not paid to the offers; under a commitment of their own their bills are the less."""
    for row in plan.coverage or ():
        if row.kind == "tokens" and row.offer in case.commitments:
            continue
        usd = -row.list_usd * case.period_weight[row.period]
        yield Charge(case.future(row.scenario), row.offer, row.kind, usd)


def _paid_by(case: Case, plan: Plan) -> Iterator[Charge]:
    """What credits pay; what an allowance pays is not charged at all."""
    for row in plan.credits or ():
        usd = -row.paid_usd * case.period_weight[row.period]
        if row.credit is None and row.kind == "tokens" and row.offer in case.commitments:
            continue  # under a commitment of its own the bill is the less
        if row.credit is None:
            yield Charge(case.future(row.scenario), row.offer, row.kind, usd)
        else:
            yield Charge(case.future(row.scenario), row.offer, "credit", usd)


def _contracts_beyond(case: Case, plan: Plan) -> Iterator[Charge]:
    """What contracts owe beyond the horizon, where that is charged in full."""
    if case.problem.policy.end_of_horizon == "charge_in_full":
        for row in plan.contracts:
            for future in case.futures:
                usd = beyond_usd(case, case.sellers[row.seller], row, future) * case.period_weight[-1]
                yield Charge(future, row.seller, "commitment", usd, True)


def _reserved(case: Case) -> Iterator[Charge]:
    """Reserved instances are paid in every hour, used or not, and draw power."""
    for name in case.instances:
        for period, weight in enumerate(case.period_weight):
            rent, energy = case.reserved_charges(name, period)
            for future in case.futures if rent or energy else ():
                yield Charge(future, name, "instances", rent * future.price_of(name) * weight, True)
                yield Charge(future, name, "energy", energy * weight)


def _paid(case: Case, pools: dict[PoolKey, Pool]) -> Iterator[Charge]:
    """Hours, starts and energy of the instances above those reserved."""
    for pool in pools.values():
        row, future, rented = pool.row, pool.future, case.instances[pool.row.offer]
        weight, price = case.period_weight[row.period], future.price_of(row.offer)
        ahead = rented.resize == "horizon" or rented.term_hours is not None
        if case.off_grid(row.offer):  # by what was bought
            continue
        if rented.term_hours is None or not case.sellers[row.offer].schedule:  # else by what was bought
            usd = case.rent(row.offer, row.period) * price * row.paid_count * weight
            yield Charge(future, row.offer, "instances", usd, ahead)
        yield Charge(future, row.offer, "starts", rented.start_usd * price * row.started * weight)
        energy = case.energy(row.offer, row.period, gaps=rented.term_hours is not None) * row.paid_count
        yield Charge(future, row.offer, "energy", energy * weight)


def _hosts(case: Case, plan: Plan) -> Iterator[Charge]:
    """Hosts rented, by the plan's rows, and those reserved in every period."""
    for row in plan.hosts or ():
        future, reserved = case.future(row.scenario), case.usable_hosts(row.host, row.period)[0]
        usd = case.rent(row.host, row.period) * future.price_of(row.host) * max(row.count - reserved, 0.0)
        ahead = case.hosts[row.host].resize == "horizon"
        yield Charge(future, row.host, "hosts", usd * case.period_weight[row.period], ahead)
    for name in case.hosts:
        usd = math.fsum(
            case.reserved_charges(name, t)[0] * weight for t, weight in enumerate(case.period_weight)
        )
        for future in case.futures:
            yield Charge(future, name, "hosts", usd * future.price_of(name), True)


def _upfront_for_the_horizon(case: Case, pools: dict[PoolKey, Pool]) -> Iterator[Charge]:
    """Bought once, at the start, for the whole horizon: what is paid in any period is what was bought."""
    bought: dict[tuple[str, str | None, str | None], float] = defaultdict(float)
    for (offer, model, _, scenario), pool in pools.items():
        bought[offer, model, scenario] = max(bought[offer, model, scenario], pool.row.paid_count)
    for (offer, _, scenario), count in bought.items():
        instances, future = case.bought_ahead(offer), case.future(scenario)
        if instances is not None:
            usd = instances.upfront_usd * future.price_of(offer) * count
            yield Charge(future, offer, "instances", usd, True)


def _terms(case: Case, plan: Plan) -> Iterator[Charge]:
    """Upfront money of instances bought for a term, and their hours beyond the horizon if charged in full.

    Their hours inside too where prices change: each has that of its start.
    """
    in_full = case.problem.policy.end_of_horizon == "charge_in_full"
    for row in plan.purchases:
        instances = case.instances.get(row.offer)
        term_h = None if instances is None else instances.term_hours
        if instances is None or term_h is None:
            continue
        end_h = case.bought_until_h(row.offer, row.from_h, term_h)
        term_h, beyond_h = max(end_h - row.from_h, 1e-9), max(0.0, end_h - case.horizon_h)
        inside = 1.0 if in_full else 1.0 - beyond_h / term_h
        first = min(math.ceil(row.from_h / case.period_h - 1e-9), case.periods - 1)
        hourly = case.term_usd_per_h(row.offer, row.from_h)
        for future in case.futures:
            price = future.price_of(row.offer) * row.count
            usd = instances.upfront_usd * price * case.period_weight[first] * inside
            if case.sellers[row.offer].schedule or case.off_grid(row.offer):
                end = math.ceil(end_h / case.period_h - 1e-9)
                usd += hourly * price * case.term_hours_due(row.offer, first, end, weighed=True)
            yield Charge(future, row.offer, "instances", usd, True)
            if in_full:
                usd = hourly * price * beyond_h * case.period_weight[-1]
                yield Charge(future, row.offer, "instances", usd, True)


def _earlier_terms(case: Case, earlier: tuple[EarlierPurchase, ...]) -> Iterator[Charge]:
    """Rent of what was bought before, at the price of its term: beside what is charged for all that is paid for."""
    for row in earlier:
        name = row.place[0]
        stated = case.instances[name].usd_per_h
        apart = case.sellers[name].schedule or case.off_grid(name)
        usd = row.rent(stated) - (0.0 if apart else stated)
        if usd != 0.0:
            runs = enumerate(in_force(case, (), [row], name))
            hours = (count * case.term_hours_due(name, t, t + 1, weighed=True) for t, count in runs)
            present = math.fsum(hours) * usd
            for future in case.futures:
                yield Charge(future, name, "instances", present * future.price_of(name), True)


def _for_all_models(case: Case, plan: Plan, earlier: tuple[EarlierPurchase, ...]) -> Iterator[Charge]:
    """Energy of what is bought for an offer, deployed or not."""
    for name in case.instances:
        if not case.off_grid(name):
            continue
        here = in_force(case, plan.purchases, earlier, name)
        for future in case.futures:
            for period, weight in enumerate(case.period_weight):
                yield Charge(
                    future, name, "energy", here[period] * case.energy(name, period, gaps=True) * weight
                )


def cvar(weighted: list[tuple[float, float]], level: float) -> float:
    """Mean cost of the worst 1 − level of the probability, from (probability, cost)."""
    remaining = 1.0 - level
    parts = []
    for probability, cost in sorted(weighted, key=lambda pair: -pair[1]):
        taken = min(probability, remaining)
        parts.append(taken * cost)
        remaining -= taken
        if remaining <= 0:
            break
    return math.fsum(parts) / (1.0 - level - max(remaining, 0.0))


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
