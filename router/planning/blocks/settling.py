"""Contracts and fees of a plan by blocks, from the sums of all of them.

bill of a month   max(use, minimum · hours / 730)            of every contract that anything runs under
fee               fee · hours / 730                          of every offer that carries anything
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import floor, fsum

from router.plan.rows import ContractRow, CostLine, Settlement
from router.plan.values import MONTH_H
from router.schema import Offer, Problem

NEAR = 1e-9

type Used = Mapping[tuple[str, int], tuple[float, float]]
"""Tokens and USD at contract rates, by offer and period."""


def settled(problem: Problem, used: Used) -> tuple[list[ContractRow], list[Settlement]]:
    """Contracts that carry anything, for the whole horizon, and their bills by billing month."""
    carrying = {name for name, _ in used}
    offers = [offer for offer in problem.offers if offer.commitment is not None and offer.name in carrying]
    months = _months(problem)
    contracts = [_contract(problem, offer) for offer in offers]
    bills = []
    by_month: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    month_of = {t: k for k, (first, end) in enumerate(months) for t in range(first, end)}
    for (name, period), both in used.items():
        by_month[name, month_of[period]].append(both)
    for offer, contract in zip(offers, contracts, strict=True):
        for k in range(len(months)):
            parts = by_month[offer.name, k]
            last = k == len(months) - 1
            bills.append(_bill(problem, contract, months[k], parts, contract.until_h if last else None))
    return contracts, bills


def _contract(problem: Problem, offer: Offer) -> ContractRow:
    assert offer.commitment is not None
    months, horizon_h = (
        offer.commitment.term_months,
        problem.horizon.periods * float(problem.horizon.period_h),
    )
    return ContractRow(
        offer=offer.name,
        from_h=0.0,
        until_h=horizon_h if months is None else months * MONTH_H,
        signed_by="plan",
        committed_tokens_per_month=None,
        committed_usd_per_month=float(offer.commitment.min_usd_per_month or 0.0),
    )


def _bill(
    problem: Problem,
    contract: ContractRow,
    month: tuple[int, int],
    parts: list[tuple[float, float]],
    until_h: float | None,
) -> Settlement:
    """`until_h`: where the term ends, of the last month."""
    h, (first, end) = float(problem.horizon.period_h), month
    least = contract.committed_usd_per_month or 0.0
    due, usd = least * (end - first) * h / MONTH_H, fsum(usd for _, usd in parts)
    beyond_h = 0.0 if until_h is None else max(0.0, until_h - end * h)
    return Settlement(
        offer=contract.offer,
        from_h=first * h,
        until_h=end * h,
        scenario=None,
        signed=True,
        committed_tokens_per_month=None,
        committed_usd_per_month=least,
        used_tokens=fsum(tokens for tokens, _ in parts),
        used_usd=usd,
        billed_usd=max(usd, due),
        beyond_horizon_usd=least * beyond_h / MONTH_H,
        utilisation=usd / due if due > 0 else None,
        unused_usd=max(0.0, due - usd),
    )


def _months(problem: Problem) -> list[tuple[int, int]]:
    """First and end of the periods of each billing month."""
    h, months = float(problem.horizon.period_h), dict[int, list[int]]()
    for t in range(problem.horizon.periods):
        months.setdefault(floor(t * h / MONTH_H + NEAR), []).append(t)
    return [(own[0], own[-1] + 1) for own in months.values()]


def cost_lines(
    problem: Problem,
    lines: Mapping[tuple[str | None, str], list[float]],
    bills: list[Settlement],
    carrying: set[str],
) -> tuple[CostLine, ...]:
    """What the plan costs, by offer and kind, in the order of offers."""
    total = {key: fsum(parts) for key, parts in lines.items()}
    hours = problem.horizon.periods * float(problem.horizon.period_h)
    for offer in problem.offers:
        billed = [bill.billed_usd for bill in bills if bill.offer == offer.name]
        if billed:
            total[offer.name, "commitment"] = fsum(billed)
        if offer.fee_usd_per_month > 0 and offer.name in carrying:
            total[offer.name, "fee"] = offer.fee_usd_per_month * hours / MONTH_H
    place = {offer.name: i for i, offer in enumerate(problem.offers)}
    ordered = sorted(total.items(), key=lambda item: (place.get(item[0][0] or "", len(place)), item[0][1]))
    return tuple(CostLine(offer, kind, usd) for (offer, kind), usd in ordered if usd)
