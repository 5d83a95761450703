"""What is signed, row by row: how much of it, what it owes whatever comes, its expected bill and use.

    least      contract: bill of the commitment alone, month by month     instances: rent, and upfront for its part
               fee: every month, hosts: rent                              inside the horizon, present value
    after      months of term left: the same bill, or rent and upfront's other part, as of today
    expected   contract: bills of its months     others: least            charge_in_full: `after` too, at the end
    use        contract: used / committed        instances: busy / rented hours of its pool
               hosts: units that instances take / units

At mean prices over the scenarios. With `end_of_horizon: charge_in_full` upfront money is owed inside, whole.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from router.plan.sizing import (
    Advised,
    Alternative,
    Amount,
    DemandStep,
    Evaluated,
    Flip,
    FrontierPoint,
    Signature,
    Sizing,
)
from router.schema import Commitment, Instances, Offer
from router.verification.base.bills import Bill
from router.verification.base.case import MONTH_H, Case
from router.verification.base.parts import half_name
from router.verification.base.spans import TermHours, of_offer, owed_after, spans_of, term_h, whole_month
from router.verification.base.tariffs import amount_owed, in_tokens, mean_rate, owed_beyond
from router.verification.sizing.section import Section

type Key = tuple[str, str, str | None, float]
"""Offer, kind, model, first hour."""

DUST = 1e-9  # of an instance


@dataclass(frozen=True, slots=True)
class Owed:
    """What a signature binds to: until which hour and month, and USD inside the horizon and after it."""

    end_h: float
    end_month: int
    least: float
    after: float = 0.0


def check_signs(section: Section) -> None:
    """The rows of `sign` and what the plan signs are the same things; what other decisions sign owes what it must."""
    ours = signed(section)
    theirs: Counter[Key] = Counter()
    for row in section.stated.sign:
        key = key_of(row)
        if key not in ours:
            section.ledger.fault("sign:", *key, "is not signed by the plan")
            continue
        theirs[key] += 1
        section.ledger.equal(_amount(row), ours[key], "sign:", *key)
        _check_row(section, row, key, ours[key])
    for key in ours:
        section.ledger.require(theirs[key] == 1, "sign:", *key, "is stated", theirs[key], "times")
    for where, other in _elsewhere(section.stated):
        owed = _owed(section.case, key_of(other), _amount(other))
        if owed is None:
            section.ledger.fault(where, *key_of(other), "cannot be signed")
        else:
            _check_owed(section, other, owed, where, other.offer)


def key_of(row: Signature | Amount) -> Key:
    """What is signed, whatever the amount."""
    return row.offer, row.kind, row.model, round(row.from_h, 6)


def signed(section: Section) -> dict[Key, float]:
    """What the plan's rows sign, and how much of it; 1 of a fee."""
    amounts: dict[Key, float] = {}
    for row in section.audit.rows.contracts:
        amount = row.committed_tokens_per_month
        amount = row.committed_usd_per_month if amount is None else amount
        if row.signed_by == "plan":
            amounts[row.seller, "contract", None, round(row.from_h, 6)] = amount or 0.0
    for purchase in section.audit.rows.purchases:
        amounts[purchase.offer, "instances", purchase.model, round(purchase.from_h, 6)] = purchase.count
    for (offer, model, _, _), pool in section.audit.pools.items():
        if section.case.bought_ahead(offer) is not None and pool.row.paid_count > DUST:
            amounts[offer, "instances", model, 0.0] = pool.row.paid_count
    for host in section.audit.rows.hosts or ():
        if section.case.hosts[host.host].resize == "horizon":
            rented = host.count - section.case.usable_hosts(host.host, host.period)[0]
            if rented > DUST:
                amounts[host.host, "hosts", None, 0.0] = rented
    for route in section.audit.rows.routes:
        if route.share > 0 and section.case.offers[route.offer].fee_usd_per_month > 0:
            amounts[route.offer, "fee", None, 0.0] = 1.0
    return amounts


def use_of_contract(section: Section, offer: str, from_h: float, until_h: float) -> float | None:
    """Expected use of what is committed between two hours."""
    commitment = section.case.commitments.get(offer)
    tokens = commitment is not None and in_tokens(commitment)
    used, committed = [], []
    for probability, bills in _bills(section, offer, from_h, until_h):
        used += [probability * (bill.used_tokens if tokens else bill.used_usd) for bill in bills]
        committed += [probability * bill.due for bill in bills]
    return math.fsum(used) / math.fsum(committed) if math.fsum(committed) > 0 else None


def _bills(section: Section, offer: str, from_h: float, until_h: float) -> Iterator[tuple[float, list[Bill]]]:
    """Bills of which some of the time is between two hours, those of a row of settlements together.

    With the probability of their future.
    """
    case, rows = section.case, dict[tuple[str | None, int], list[Bill]]()
    for (name, number, scenario), bill in section.audit.bills.items():
        if name == offer and bill.signed:
            hourly = case.commitments[name].settled == "hour"
            rows.setdefault((scenario, case.month_of[bill.first] if hourly else number), []).append(bill)
    for (scenario, _), bills in rows.items():
        begin, end = bills[0].first * case.period_h, bills[-1].end * case.period_h
        if begin + 1e-6 < until_h and from_h + 1e-6 < end:
            yield case.future(scenario).probability, bills


def _part_of(section: Section, offer: str, from_h: float, amount: float, bills: list[Bill]) -> float:
    """The part that a term has in bills: of what is due in them, else of the months that terms are in force."""
    case, commitment = section.case, section.case.commitments[offer]
    if not (commitment.stackable or commitment.settled == "hour"):
        return 1.0
    places = {t for bill in bills for t in range(bill.first, bill.end)}

    def months(start_h: float) -> float:
        length = term_h(commitment)
        end_h = math.inf if length is None else start_h + length
        term = of_offer(case, offer, TermHours(start_h, end_h, start_h))
        return math.fsum(
            each.part * each.ramped for each in spans_of(case, commitment, term) if each.first in places
        )

    due, own = math.fsum(bill.due for bill in bills), months(from_h)
    if due > 0:
        return amount * own / due
    every = math.fsum(
        months(row.from_h)
        for row in section.audit.rows.contracts
        if row.seller == offer and row.signed_by == "plan"
    )
    return own / every if every > 0 else 1.0


def use_of_pools(section: Section, pools: Iterable[tuple[str, str | None]]) -> float | None:
    """Expected use of the hours of pools, those of reserved instances too."""
    which = set(pools)
    rows = [
        (pool.future.probability, pool.row)
        for (offer, model, _, _), pool in section.audit.pools.items()
        if (offer, model) in which
    ]
    hours = math.fsum(p * row.count for p, row in rows)
    return math.fsum(p * row.count * row.utilisation for p, row in rows) / hours if hours > 0 else None


def use_of_hosts(section: Section, name: str) -> float | None:
    """Expected part of the units of a kind of host, free ones left out, that instances take."""
    case, taken, there = section.case, list[float](), list[float]()
    for row in section.audit.rows.hosts or ():
        if row.host != name:
            continue
        probability = case.future(row.scenario).probability
        there.append(probability * row.count * case.hosts[name].units)
        for pattern in row.patterns:
            for each in pattern.instances if not pattern.free else ():
                half = half_name(each.offer) if each.role == "decode" else each.offer
                units = case.instances[half].units if half in case.instances else 0.0
                taken.append(probability * pattern.hosts * each.count * units)
    return math.fsum(taken) / math.fsum(there) if math.fsum(there) > 0 else None


def _amount(row: Signature) -> float:
    """Tokens or USD a month, or instances; 1 of a fee, which states none."""
    stated = (row.committed_tokens_per_month, row.committed_usd_per_month, row.count)
    return next((value for value in stated if value is not None), 1.0)


def _check_row(section: Section, row: Advised, key: Key, amount: float) -> None:
    """Money and use of something that the plan signs."""
    case, at = section.case, ("sign:", *key)
    owed = _owed(case, key, amount)
    if owed is None:
        section.ledger.fault(*at, "cannot be signed")
        return
    _check_owed(section, row, owed, *at)
    offer, kind, model, start = key
    use, usd = None, owed.least
    if kind == "contract":
        hours = start, owed.end_h
        use = use_of_contract(section, offer, *hours)
        usd = math.fsum(
            p * _part_of(section, offer, start, amount, bills) * math.fsum(b.usd * b.weight for b in bills)
            for p, bills in _bills(section, offer, *hours)
        )
    elif kind == "instances":
        pools = {key[:2] for key in section.audit.pools if key[0] == offer and model in (None, key[1])}
        use = use_of_pools(section, pools)
    elif kind == "hosts":
        use = use_of_hosts(section, offer)
    if case.problem.policy.end_of_horizon == "charge_in_full":
        usd += owed.after * case.period_weight[-1]
    section.equal(row.expected_usd, usd, *at, "expected_usd")
    section.equal(row.expected_use, use, *at, "expected_use")
    lines = section.audit.costs.lines(case.futures)
    seller = case.halves.get(offer, offer)
    paid = math.fsum(usd for (name, _), usd in lines.items() if name == seller)
    section.equal(row.offer_usd, paid, *at, "offer_usd")


def _check_owed(section: Section, row: Signature, owed: Owed, *at: object) -> None:
    section.equal(row.end_month, owed.end_month, *at, "end_month")
    if row.end_h is not None:
        section.equal(row.end_h, owed.end_h, *at, "end_h")
    section.equal(row.least_usd, owed.least, *at, "least_usd")
    section.equal(row.beyond_horizon_usd, owed.after, *at, "beyond_horizon_usd")


def _elsewhere(stated: Sizing) -> Iterator[tuple[str, Signature]]:
    """What other decisions sign, wherever the section says so."""
    yield from (("eev_signs:", row) for row in stated.eev_signs or ())
    decisions: dict[str, Iterable[Alternative | Evaluated | Flip | DemandStep | FrontierPoint]] = {
        "alternatives:": stated.alternatives or (),
        "flips:": stated.flips or (),
        "steps of flips:": [step for flip in stated.flips or () for step in flip.steps],
        "frontier:": stated.frontier or (),
        "evaluated:": () if stated.evaluated is None else (stated.evaluated,),
    }
    for where, rows in decisions.items():
        yield from ((where, signature) for row in rows for signature in row.signs)


def _owed(case: Case, key: Key, amount: float) -> Owed | None:
    """By the problem alone; None where the problem sells no such thing."""
    name, kind, _, start = key
    offer = case.sellers.get(name)
    if offer is None or not 0 <= start < case.horizon_h or amount < 0:
        return None
    price = math.fsum(future.probability * future.price_of(offer.name) for future in case.futures)
    if kind == "contract" and offer.commitment is not None:
        return _of_contract(case, offer, offer.commitment, start, amount, price)
    if kind == "instances" and offer.instances is not None:
        return _of_instances(case, name, offer.instances, start, amount * price)
    if kind == "hosts" and name in case.hosts and case.hosts[name].resize == "horizon":
        rent = math.fsum(case.rent(name, t) * weight for t, weight in enumerate(case.period_weight))
        return Owed(case.horizon_h, case.months, amount * price * rent)
    if kind == "fee" and offer.fee_usd_per_month > 0:
        months = enumerate(case.month_weight)
        every = math.fsum(case.due_h(name, month) / MONTH_H * weight for month, weight in months)
        return Owed(case.horizon_h, case.months, offer.fee_usd_per_month * price * every)
    return None


def _of_contract(
    case: Case, offer: Offer, commitment: Commitment, from_h: float, amount: float, price: float
) -> Owed:
    length = term_h(commitment)
    end_h = math.inf if length is None else from_h + length
    term = TermHours(from_h, end_h, from_h)
    least = []
    term = of_offer(case, offer.name, term)
    for span in spans_of(case, commitment, term):
        mean = mean_rate(case, offer.name, span.first * case.period_h, span.end * case.period_h)
        usd = amount_owed(offer, amount * span.ramped * span.part, 0.0, 0.0, span.part, price, mean)
        first = span.first if term.months_h is None else whole_month(case, term, span)[0]  # when its bill is
        least.append(usd * case.period_weight[first])
    end_h = min(end_h, math.inf if length else case.horizon_h, term.until_h)
    end = math.ceil(end_h / MONTH_H - 1e-9)
    after = owed_after(case, commitment, term)
    return Owed(end_h, end, math.fsum(least), owed_beyond(case, offer, amount, after, term.until_h, price))


def _of_instances(case: Case, name: str, instances: Instances, from_h: float, priced: float) -> Owed:
    """`priced`: how many, times the mean price multiplier."""
    term_h = instances.term_hours
    end_h = case.horizon_h if term_h is None else case.bought_until_h(name, from_h, term_h)
    end = math.ceil(end_h / MONTH_H - 1e-9) if term_h is not None else case.months
    begin = math.ceil(from_h / case.period_h - 1e-9)
    last = math.ceil(end_h / case.period_h - 1e-9)
    hourly = instances.usd_per_h if term_h is None else case.term_usd_per_h(name, from_h)
    rent = hourly * case.term_hours_due(name, begin, last, weighed=True)
    first = min(begin, case.periods - 1)
    upfront = instances.upfront_usd * case.period_weight[first]
    if term_h is None:
        rent = math.fsum(case.rent(name, t) * weight for t, weight in enumerate(case.period_weight))
        return Owed(end_h, end, priced * (rent + upfront))
    beyond_h = max(0.0, end_h - case.horizon_h)
    in_full = case.problem.policy.end_of_horizon == "charge_in_full"
    later = 0.0 if in_full else beyond_h / (end_h - from_h)
    after = hourly * beyond_h + instances.upfront_usd * later
    return Owed(end_h, end, priced * (rent + upfront * (1.0 - later)), priced * after)
