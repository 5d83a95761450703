"""Budgets, and the price of risk.

    Σ cost of the first stage + Σ cost of scenario s ≤ max_spend                       in every scenario
    Σ money of the first stage ≤ max_committed
    excess[s] ≥ cost[s] − threshold                                                    with cvar_weight > 0

    objective = (1 − ω) · Σ_s p[s] · cost[s] + ω · (threshold + Σ_s p[s] · excess[s] / (1 − α))

CVaR in the form of Rockafellar and Uryasev (2000): the mean cost of the worst 1 − α of the probability.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.contract_rates import owed_in_horizon, span_weight
from problems.core.family import Family, Promise
from problems.core.first_stage import FirstStage
from problems.core.instance import Instance
from problems.core.owed import priced
from problems.core.rows import Rows, Term, no_rows, rows
from problems.core.span_means import span_factors
from problems.pricing import Cost, owed_usd

NAME = "budget"
RISK = "risk"


def spending(inst: Instance, costs: Sequence[Cost], scenario: str) -> Rows:
    """One row: the whole cost of a scenario within max_spend_usd."""
    limit = inst.policy.max_spend_usd
    if not np.isfinite(limit):
        return no_rows(NAME)
    scale = _scale(limit)
    terms: list[Term] = [(0, cost.at, cost.usd / scale) for cost in costs]
    spent = sum(cost.constant for cost in costs)
    return rows(NAME, 1, terms, lambda _: f"max_spend_usd,{scenario}", upper=(limit - spent) / scale)


def committed(inst: Instance, first: FirstStage, costs: Sequence[Cost], price: Floats) -> Rows:
    """One row: money decided before demand is known (fees, minima, horizon purchases, reserved) within its limit.

    `costs` and `price` (O,) are those expected over the scenarios.
    """
    limit = inst.policy.max_committed_usd
    if not np.isfinite(limit):
        return no_rows(NAME)
    contracts = inst.contracts
    b = contracts.start_contract
    scale = _scale(limit)
    terms: list[Term] = [(0, cost.at, cost.usd / scale) for cost in costs if cost.kind.scaled]
    if len(b):
        price_of = np.where(contracts.in_tokens[b], price[contracts.offer[b]], 1.0)
        owed = np.where([priced(inst, i) for i in b], 0.0, price_of * owed_in_horizon(inst))
        terms.append((0, first.committed, owed * first.commit_scale[b] / scale))
    spent = sum(cost.constant for cost in costs if cost.kind.scaled)
    for column, usd, constant in _by_tiers(inst, first, price):
        terms.append((0, column, usd / scale))
        spent += constant
    return rows(NAME, 1, terms, lambda _: "max_committed_usd", upper=(limit - spent) / scale)


def _by_tiers(inst: Instance, first: FirstStage, price: Floats) -> Iterator[tuple[Ints, Floats, float]]:
    """(columns, USD of each, USD besides) of what tiers charge for each span without use, less what stood before."""
    contracts, spans, weight, factor = (
        inst.contracts,
        inst.contracts.spans,
        span_weight(inst),
        span_factors(inst),
    )
    for n, b in enumerate(spans.contract.tolist()):
        tiers = contracts.tiers[b]
        here = np.flatnonzero(spans.force_span == n)
        if tiers is None or not priced(inst, b) or not len(here):
            continue
        starts = spans.force_start[here]
        usd = float(price[contracts.offer[b]] * weight[n])
        signed = np.where(contracts.start_signed[starts], contracts.start_min[starts], 0.0)
        before = tiers.bill(float(spans.force_before[here] @ signed), float(spans.share_before[n]))
        stood = before * float(contracts.factor_before[b]) * usd
        number = int(first.owed.of_span[n])
        if number >= 0:
            column, each = owed_usd(inst, first, number)
            yield column, each * usd * factor[n] * first.owed.times[n], -stood
            continue
        due = float(spans.force_share[here] @ contracts.start_min[starts])  # of one term, as it is sold
        owed = tiers.bill(due, float(spans.share[n])) * usd * factor[n]
        yield first.signed[starts], np.full(len(starts), owed), -stood


def _scale(limit: float) -> float:
    return limit if limit > 0 else 1.0


def risk(
    inst: Instance, space: ColumnSpace, by_scenario: Sequence[Sequence[Cost]]
) -> tuple[Rows, list[tuple[Ints, Floats]]]:
    """CVaR columns and rows; returns the rows, and the CVaR in USD as (columns, USD per unit of each)."""
    policy, probability = inst.policy, inst.scenarios.probability
    n = len(probability)
    threshold = space.take("cvar_threshold", 1, str, lower=-np.inf)
    excess = space.take("cvar_excess", n, lambda s: inst.scenarios.names[s], block=0)
    # dollars, scaled by a typical coefficient so that the columns stay near those of the rest
    scale = _typical([float(np.abs(cost.usd).max(initial=0.0)) for costs in by_scenario for cost in costs])
    at = np.arange(n)
    terms: list[Term] = [(at, excess, 1.0), (at, np.repeat(threshold, n), 1.0)]
    lower = np.zeros(n)
    for s, costs in enumerate(by_scenario):
        terms += [(s, cost.at, -cost.usd / scale) for cost in costs]
        lower[s] = sum(cost.constant for cost in costs) / scale
    tail = scale / (1.0 - policy.risk.level)
    own = [(threshold, np.array([scale])), (excess, probability * tail)]
    return rows(RISK, n, terms, lambda s: inst.scenarios.names[s], lower=lower), own


def _typical(sizes: list[float]) -> float:
    largest = max(sizes, default=1.0)
    return 2.0 ** round(np.log2(largest)) if largest > 0 else 1.0


def expected(costs: Sequence[Sequence[Cost]], probability: Floats, n: int) -> tuple[Floats, float]:
    """Σ_s p[s] · cost[s] as a dense objective (n,) and its constant."""
    objective, constant = np.zeros(n), 0.0
    at, usd = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for p, scenario in zip(probability.tolist(), costs, strict=True):
        for cost in scenario:
            at.append(cost.at)
            usd.append(p * cost.usd)
            constant += p * cost.constant
    np.add.at(objective, np.concatenate(at), np.concatenate(usd))
    return objective, float(constant)


SPENT = Promise(
    "policy.max_spend_usd",
    "policy.max_spend_usd",
    relax=np.inf,
    text="the whole plan costs at most {limit:,.2f} USD",
    settled=False,
)
COMMITTED = Promise(
    "policy.max_committed_usd",
    "policy.max_committed_usd",
    relax=np.inf,
    text="at most {limit:,.2f} USD are committed",
)
FAMILY = Family(NAME, None, in_a_loss=None, promises=(SPENT, COMMITTED))
