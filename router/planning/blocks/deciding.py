"""What spans the horizon, decided on some hours of it: which contracts are signed and which fees are paid.

    hours    G of T, spread evenly: floor((i + ½) · T / G); contracts and fees count by their hours
    λ        part of a contract's minimum, per dollar of its use, that the relaxation of these hours would pay for:
             1 − (price of the row billed ≥ use) / (cost of what is billed)

With what is signed and paid for held, blocks of periods share nothing but a price: a dollar of use of a contract costs
1 − λ. What is signed on so few hours may not be worth it on whole blocks: see `planning`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from problems.commitments import NAME as COMMITMENTS
from problems.core.encode import Encoded
from router.planning.solve import Search, before_proof, encode_problem
from router.planning.two_steps import run
from router.schema import Demand, Problem

SAMPLE = 24  # hours
SHARE_S = 0.25  # of the time limit
TOTALS = ("requests_total", "tokens_total")


@dataclass(frozen=True)
class HeldDecision:
    """What is decided for the whole horizon.

    shut       offers that carry nothing: their contract is not signed, or their fee not paid
    shares     λ by contract
    cost_usd   of a plan of these hours, as if of the whole horizon
    """

    shut: frozenset[str]
    shares: dict[str, float]
    cost_usd: float


def decided(problem: Problem, search: Search) -> HeldDecision:
    """See the module; the problem has counts in place of traces. Raises as `optimise`."""
    periods = problem.horizon.periods
    hours = [int((i + 0.5) * periods / min(SAMPLE, periods)) for i in range(min(SAMPLE, periods))]
    sample = of_periods(problem, hours)
    encoded = encode_problem(sample)
    best = before_proof(encoded, search.within(SHARE_S))
    signed = {row.offer for row in best.decoded.contracts}
    paid = {line.offer for line in best.decoded.cost_lines if line.kind == "fee" and line.usd > 0}
    shut = frozenset(
        offer.name
        for offer in problem.offers
        if (offer.commitment is not None and offer.name not in signed)
        or (offer.fee_usd_per_month > 0 and offer.name not in paid)
    )
    return HeldDecision(shut, _shares(encoded, search), best.decoded.cost_usd * periods / len(hours))


def _shares(encoded: Encoded, search: Search) -> dict[str, float]:
    duals = run(encoded.program.relax(), "highs", replace(search.options.finishing, native={})).duals
    if duals is None:
        return {}
    labels = {
        encoded.row_label(i): i
        for family, first, end, _ in encoded.row_families
        if family == COMMITMENTS
        for i in range(first, end)
    }
    inst, billed = encoded.instance, encoded.columns[0].billed
    shares = {}
    for b, o in enumerate(inst.contracts.offer.tolist()):
        name, spans = inst.offers.names[o], inst.contracts.spans.of(b)
        row = labels.get(f"{COMMITMENTS}({name},use,span 0)")
        if not len(spans) or row is None or billed[spans[0]] < 0:
            continue
        usd = float(encoded.program.cost[billed[spans[0]]])
        if usd > 0:
            shares[name] = float(np.clip(1.0 - duals.row[row] / usd, 0.0, 1.0))
    return shares


def of_periods(problem: Problem, periods: Iterable[int], shut: frozenset[str] | None = None) -> Problem:
    """The problem of some of its periods, in turn. `shut`: without contracts and fees, and without these offers."""
    some = list(periods)
    part = len(some) / problem.horizon.periods
    loads = []
    for load in problem.workloads:
        update: dict[str, object] = {"demand": _demand(load.demand, some, part)}
        if shut:
            denied = (*load.routing.deny_offers, *sorted(shut))
            update["routing"] = load.routing.model_copy(update={"deny_offers": denied})
        loads.append(load.model_copy(update=update))
    update = {
        "horizon": problem.horizon.model_copy(update={"periods": len(some), "start": None}),
        "workloads": tuple(loads),
    }
    if shut is not None:
        bare = {"commitment": None, "fee_usd_per_month": 0.0}
        update["offers"] = tuple(offer.model_copy(update=bare) for offer in problem.offers)
    return problem.model_copy(update=update)


def _demand(demand: Demand, periods: list[int], part: float) -> Demand:
    counts = demand.requests_by_period
    if counts is not None:
        return demand.model_copy(update={"requests_by_period": tuple(counts[t] for t in periods)})
    return demand.model_copy(
        update={name: total * part for name in TOTALS if (total := getattr(demand, name)) is not None}
    )
