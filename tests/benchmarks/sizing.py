"""A contract-sizing problem of any size, seeded: some offers ask for a commitment; scenarios of correlated demand."""

from __future__ import annotations

from typing import Any

import numpy as np

from router.schema import Problem

MODELS = 10


def year(
    scenarios: int = 1000, workloads: int = 50, offers: int = 20, months: int = 12, seed: int = 0
) -> Problem:
    """Every second offer asks for a commitment, half of these of the buyer's own size, the rest for 3, 6 or 12 months.

    One more offer sells everything at list price. Equal arguments give equal problems.
    """
    rng = np.random.default_rng(seed)
    loads = [_workload(rng, w) for w in range(workloads)]
    sellers = [_offer(rng, o, months) for o in range(offers - 1)]
    list_price = {"prompt_usd_per_m": 4.0, "completion_usd_per_m": 4.0}
    sellers.append({"name": "list price", "models": {f"m{j}": dict(list_price) for j in range(MODELS)}})
    return Problem.model_validate(
        {
            "schema": "router/1",
            "name": f"a year: {scenarios} scenarios × {workloads} × {months} × {offers}, seed {seed}",
            "horizon": {"periods": months, "period_h": 730},
            "models": {f"m{i}": {} for i in range(MODELS)},
            "workloads": loads,
            "offers": sellers,
            "scenarios": [_scenario(rng, s, scenarios, workloads) for s in range(scenarios)],
        }
    )


def _workload(rng: np.random.Generator, w: int) -> dict[str, Any]:
    demand = {
        "tokens_per_month": float(10 ** rng.uniform(8, 10.5)),
        "completion_share": float(rng.uniform(0.1, 0.5)),
    }
    return {"name": f"w{w}", "models": [f"m{w % MODELS}"], "demand": demand}


def _offer(rng: np.random.Generator, o: int, months: int) -> dict[str, Any]:
    sold = rng.choice(MODELS, size=6, replace=False)
    usd = float(rng.uniform(0.5, 3))
    commitment: dict[str, Any] = {}
    if o % 2 == 0:
        usd *= 0.5
        volume = float(10 ** rng.uniform(9, 11))
        commitment = {"min_tokens_per_month": volume}
        if o % 4 == 0:
            commitment |= {"max_tokens_per_month": 4 * volume, "term_months": months}
        else:
            commitment |= {"term_months": int(rng.choice([3, 6, 12]))}
    price = {"prompt_usd_per_m": usd, "completion_usd_per_m": usd}
    offer = {"name": f"o{o}", "provider": f"p{o % 7}", "models": {f"m{j}": dict(price) for j in sold}}
    return offer | ({"commitment": commitment} if commitment else {})


def _scenario(rng: np.random.Generator, s: int, count: int, workloads: int) -> dict[str, Any]:
    """One level common to all, and one of each."""
    level = np.exp(rng.normal(0, 0.4))
    own = np.exp(rng.normal(0, 0.3, workloads))
    demand = {f"w{i}": float(level * own[i]) for i in range(workloads)}
    return {"name": f"s{s:04d}", "probability": 1 / count, "demand": demand}
