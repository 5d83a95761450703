"""Contracts: what may be signed and committed, what a month's bill is at least, and fees.

signed(offer,month k)      0/1: a term begins with month k; 1 where signed before
committed(offer,month k)   own units a month: tokens, or USD at contract rates
billed(offer,k)            own units of month k that are paid for at contract rates
over(offer,k)              own units above the commitment, where they have a price of their own
band_volume(offer,i)       tokens in each price band, months one after the other

billed ≥ Σ own · flow,  billed ≥ Σ committed · hours in force / 730        the same for `over`, see the names
least · signed ≤ committed ≤ most · signed,  committed = step · steps,  Σ signed in force ≤ 1
Σ band ≥ billed (or ≥ the tokens used, where the own unit is the dollar), bands within their edges
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise

from router.schema import Commitment, Offer
from router.verification.base.bills import bills_dollars, least_of, signed_end, tiered_usd
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.work import rate_of
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.serving import PossibleFlow, cell_name


def end_month(case: Case, offer: str, start: int) -> int:
    """First month that a term which begins with month `start` no longer covers."""
    commitment = case.offers[offer].commitment
    assert commitment is not None  # the caller has looked
    if commitment.signed and start == 0 and signed_end(case, commitment) > 0:
        return signed_end(case, commitment)
    return start + commitment.term_months if commitment.term_months is not None else case.months


def in_force(case: Case, model: RelaxedProblem, offer: str, month: int) -> list[str]:
    """`signed` of the terms that cover hours of a month."""
    return [
        name
        for start in range(month + 1)
        for name in (f"signed({offer},month {start})",)
        if name in model.variables and force_h(case, offer, start, month) > 0
    ]


def force_h(case: Case, offer: str, start: int, month: int) -> float:
    """Hours of a month that a term which begins with month `start` covers."""
    return case.month_h[month] if start <= month < end_month(case, offer, start) else 0.0


def add_signatures(model: RelaxedProblem, case: Case, future: Future) -> None:
    """What may be signed, and fees that are due once anything is used."""
    for name, offer in case.offers.items():
        if offer.fee_usd_per_month > 0:
            months = math.fsum(h * w for h, w in zip(case.month_h, case.month_weight, strict=True)) / MONTH_H
            usd = offer.fee_usd_per_month * future.price_of(name) * months
            model.variable(f"active({name})", 1.0, whole=True, usd=usd)
        if offer.commitment is not None:
            _terms(model, case, offer, offer.commitment, future)


def _terms(model: RelaxedProblem, case: Case, offer: Offer, commitment: Commitment, future: Future) -> None:
    tokens = not bills_dollars(commitment)
    least = least_of(commitment)
    most = commitment.max_tokens_per_month if tokens else commitment.max_usd_per_month
    before = signed_end(case, commitment) if commitment.signed else 0
    starts = [0] if before > 0 else []
    if commitment.term_months is not None or not commitment.signed:
        any_month = commitment.starts_in_any_month(case.horizon_h)
        starts += [k for k in range(case.months if any_month else 1) if k >= before]
    decided = least > 0 or len(starts) > 1  # else there is nothing to pay for signing
    price = future.price_of(offer.name)
    rate = rate_of(offer) * price / 1e6 if tokens else 1.0
    as_such = (
        rate if commitment.overage_usd_per_m is not None else 0.0
    )  # what is committed is paid for as such
    in_full = case.problem.policy.end_of_horizon == "charge_in_full" and commitment.term_months is not None
    tiered = tiered_usd(commitment, least, 1.0) * price if commitment.tiers and tokens else None
    for start in starts:
        at = f"{offer.name},month {start}"
        due = start == 0 and before > 0
        top = least if due or most is None else most
        hours = [(force_h(case, offer.name, start, k), w) for k, w in enumerate(case.month_weight)]
        usd = as_such * math.fsum(h * w for h, w in hours) / MONTH_H
        later = 0.0  # months owed after the horizon, where that is charged in full
        if in_full and not due:
            later = case.beyond_h(end_month(case, offer.name, start)) / MONTH_H * case.period_weight[-1]
        usd += later * rate if tiered is None else 0.0
        signed = model.variable(
            f"signed({at})", 1.0, lower=1.0 if due else 0.0, whole=decided, usd=later * (tiered or 0.0)
        )
        committed = model.variable(f"committed({at})", top, usd=usd)
        exact = top == least
        model.constraint(
            f"commitments({at},least)",
            [(committed, 1.0), (signed, -least)],
            lower=0.0,
            upper=0.0 if exact and (due or most is None) else math.inf,
        )
        if due or most is None:
            continue
        model.constraint(f"commitments({at},most)", [(committed, 1.0), (signed, -most)], upper=0.0)
        if commitment.step_usd_per_month is not None and not tokens:
            step = commitment.step_usd_per_month
            steps = model.variable(f"commit_steps({at})", math.floor(most / step + 1e-9), whole=True)
            parts = [(committed, 1.0), (steps, -step)]
            model.constraint(f"commitments({at},steps)", parts, lower=0.0, upper=0.0)
    for k in range(case.months):
        together = in_force(case, model, offer.name, k)
        if len(together) > 1:
            name = f"commitments({offer.name},one term in month {k})"
            model.constraint(name, [(signed, 1.0) for signed in together], upper=1.0)


def add_bills(model: RelaxedProblem, case: Case, flows: list[PossibleFlow], future: Future) -> None:
    """What a month's bill is at least, by its use and by what is committed."""
    carried: dict[tuple[str, int], list[PossibleFlow]] = defaultdict(list)
    for flow in flows:
        if flow.offer.commitment is not None:
            carried[flow.offer.name, case.month_of[flow.period]].append(flow)
    for name, offer in case.offers.items():
        if offer.commitment is None:
            continue
        for k in range(case.months):
            _month(model, case, offer, offer.commitment, k, carried[name, k], future)


def _month(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    commitment: Commitment,
    k: int,
    flows: list[PossibleFlow],
    future: Future,
) -> None:
    tokens, price, weight = not bills_dollars(commitment), future.price_of(offer.name), case.month_weight[k]
    used: Terms = [(flow.name, flow.tokens if tokens else flow.usd(future)) for flow in flows]
    if commitment.tiers:
        bands = _bands(model, case, offer, commitment, k, flows, future)
        if not tokens:
            fees = [(flow.name, flow.fees(future)) for flow in flows]
            used = [*((band, usd * price) for band, usd in bands), *fees]
    minus = [(variable, -own) for variable, own in used]
    committed: Terms = [
        (f"committed({offer.name},month {start})", force_h(case, offer.name, start, k) / MONTH_H)
        for start in range(k + 1)
        if f"signed({offer.name},month {start})" in in_force(case, model, offer.name, k)
    ]
    at = f"commitments({offer.name},%s,month {k})"
    beyond = commitment.overage_usd_per_m
    if beyond is None:
        rate = (0.0 if commitment.tiers else rate_of(offer) * price / 1e6) if tokens else 1.0
        heaviest = _heaviest(flows, {} if commitment.tiers and not tokens else dict(used))
        most = max(heaviest, sum(model.variables[c].upper * own for c, own in committed))
        billed = model.variable(f"billed({offer.name},{k})", most * (1 + 1e-9), usd=rate * weight)
        model.constraint(at % "use", [(billed, 1.0), *minus], lower=0.0)
        due = [(variable, -own) for variable, own in committed]
        model.constraint(at % "minimum", [(billed, 1.0), *due], lower=0.0)
        if commitment.tiers and tokens:
            parts = [(billed, -1.0), *((band, 1.0) for band, _ in bands)]
            model.constraint(f"tiers({offer.name},month {k},volume)", parts, lower=0.0)
    else:
        rate = beyond * price / 1e6 if tokens else beyond / rate_of(offer)
        over = model.variable(f"over({offer.name},{k})", usd=rate * weight)
        model.constraint(at % "overage", [(over, 1.0), *minus, *committed], lower=0.0)
    if commitment.overage == "none":
        due = [(variable, -own) for variable, own in committed]
        model.constraint(at % "limit", [*used, *due], upper=0.0)


def _heaviest(flows: list[PossibleFlow], amount: Mapping[str, float]) -> float:
    """The most of something that flows could bring together, each cell by its heaviest route."""
    most: dict[str, float] = defaultdict(float)
    for flow in flows:
        most[cell_name(flow.cell)] = max(most[cell_name(flow.cell)], amount.get(flow.name, math.inf))
    return math.fsum(most.values())


def _bands(
    model: RelaxedProblem,
    case: Case,
    offer: Offer,
    commitment: Commitment,
    k: int,
    flows: list[PossibleFlow],
    future: Future,
) -> Terms:
    """The bands of a month: variables, and USD per token of each."""
    tokens, part = not bills_dollars(commitment), case.month_h[k] / MONTH_H
    price, weight = future.price_of(offer.name), case.month_weight[k]
    tiers = sorted(commitment.tiers, key=lambda tier: tier.from_tokens_per_month)
    most = _heaviest(flows, {flow.name: flow.tokens for flow in flows})
    high = (commitment.max_tokens_per_month or least_of(commitment)) * part if tokens else 0.0
    top = max(most, high) * (1 + 1e-9)
    edges = [tier.from_tokens_per_month * part for tier in tiers]
    edges.append(max(top, edges[-1]))
    n, name = len(tiers), f"tiers({offer.name},month {k}"
    whole_units = commitment.tier_kind == "all_units"
    ordered = whole_units or any(b.usd_per_m < a.usd_per_m for a, b in pairwise(tiers))
    bands: Terms = []
    opens: list[str] = []
    for i, tier in enumerate(tiers):
        usd = tier.usd_per_m / 1e6
        billed = usd * price * weight if tokens else 0.0
        bands.append(
            (model.variable(f"band_volume({offer.name},{k * n + i})", edges[i + 1], usd=billed), usd)
        )
        if ordered:
            opens.append(model.variable(f"band_open({offer.name},{k * n + i})", 1.0, whole=True))
    for i, (band, _) in enumerate(bands):
        width = edges[i + 1] - edges[i]
        if whole_units:
            model.constraint(f"{name},from {i})", [(band, 1.0), (opens[i], -edges[i])], lower=0.0)
            model.constraint(f"{name},to {i})", [(band, 1.0), (opens[i], -edges[i + 1])], upper=0.0)
        elif ordered:
            model.constraint(f"{name},to {i})", [(band, 1.0), (opens[i], -width)], upper=0.0)
            if i + 1 < n:
                model.constraint(f"{name},fills {i})", [(band, 1.0), (opens[i + 1], -width)], lower=0.0)
        else:
            model.constraint(f"{name},to {i})", [(band, 1.0)], upper=width)
    if whole_units:
        model.constraint(f"{name},one band)", [(each, 1.0) for each in opens], lower=1.0, upper=1.0)
    if not tokens:
        used = [(flow.name, -flow.tokens) for flow in flows]
        model.constraint(f"{name},volume)", [*((band, 1.0) for band, _ in bands), *used], lower=0.0)
    return bands
