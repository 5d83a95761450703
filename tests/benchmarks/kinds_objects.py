"""The problem of `kinds.py` in PuLP objects, as one would write it: a variable for each workload and route; CBC solves.

What it has: shares, quotas by the minute, commitments that are signed or not, whole instances, most of a provider. It
knows no kinds, and checks nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import ceil
from time import process_time
from typing import Any

import pulp

from router.schema import Offer, Problem, Workload

MONTH_S = 730 * 3600.0
MINUTES = 730 * 60.0
BOUNDARY = 1e-6  # how far instances may be overrun, as in the planner


@dataclass(frozen=True)
class ObjectsModel:
    """The model, and how long it took to build, CPU s."""

    model: Any
    variables: int
    seconds: float


def objects_model(problem: Problem) -> ObjectsModel:
    """One period of a month, prices of tokens, as `kinds.py` has them."""
    began = process_time()
    model = pulp.LpProblem("kinds", pulp.LpMinimize)
    cost: list[tuple[Any, float]] = []
    use: dict[str, list[tuple[Any, float]]] = defaultdict(list)  # of a quota, a commitment or a pool
    signed = {
        offer.name: model.add_variable(f"signed_{offer.name}", cat="Binary")
        for offer in problem.offers
        if offer.commitment is not None
    }
    variables = len(signed)
    for w, load in enumerate(problem.workloads):
        by_provider: dict[str, list[Any]] = defaultdict(list)
        for o, offer in enumerate(problem.offers):
            for model_name in load.models:
                if model_name not in offer.models:
                    continue
                share = model.add_variable(f"x_{w}_{o}_{model_name}", 0.0)
                variables += 1
                by_provider[offer.provider].append(share)
                tokens, usd = _of(load, offer, model_name)
                if offer.instances is not None:
                    rate = offer.models[model_name].tokens_per_s or 0.0
                    use[f"pool {offer.name} {model_name}"].append((share, tokens / MONTH_S / rate))
                elif offer.commitment is not None:
                    use[f"bill {offer.name}"].append((share, usd))
                    model += share <= signed[offer.name]
                else:
                    cost.append((share, usd))
                    if offer.quota.tokens_per_minute is not None:
                        part = tokens / MINUTES / offer.quota.tokens_per_minute
                        use[f"quota {offer.name}"].append((share, part))
        every = [share for shares in by_provider.values() for share in shares]
        model += pulp.lpSum(every) == 1
        if load.routing.max_share_per_provider < 1:
            for shares in by_provider.values():
                model += pulp.lpSum(shares) <= load.routing.max_share_per_provider
    for name, terms in use.items():
        kind, offer_name, *_ = name.split()
        offer = next(offer for offer in problem.offers if offer.name == offer_name)
        load_of = pulp.lpSum_vars_coefs(terms)
        if kind == "quota":
            model += load_of <= 1
        elif kind == "bill":
            billed = model.add_variable(f"billed_{offer_name}", 0.0)
            variables += 1
            model += billed >= load_of
            model += billed >= (offer.commitment.min_usd_per_month or 0.0) * signed[offer_name]
            cost.append((billed, 1.0))
        else:
            most = offer.instances.max_utilisation or 1.0
            limit = ceil(sum(part for _, part in terms) / most)
            count = model.add_variable(f"count_{name.replace(' ', '_')}", 0, limit, cat="Integer")
            variables += 1
            model += load_of <= most * (1 + BOUNDARY) * count
            cost.append((count, offer.instances.usd_per_h * 730))
    model.setObjective(pulp.lpSum_vars_coefs(cost))
    return ObjectsModel(model, variables, process_time() - began)


def _of(load: Workload, offer: Offer, model: str) -> tuple[float, float]:
    """Tokens and USD of all of a workload's work."""
    entry, requests = offer.models[model], load.demand.requests_per_month or 0.0
    prompt, completion = load.prompt_tokens or 0.0, load.completion_tokens or 0.0
    prices = (entry.prompt_usd_per_m or 0.0, entry.completion_usd_per_m or 0.0)
    usd = requests * (prompt * prices[0] + completion * prices[1]) / 1e6
    return requests * (prompt + completion), usd
