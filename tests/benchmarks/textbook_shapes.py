"""Contract sizing in the shapes of textbooks: few things to sign, many futures. Equal arguments give equal problems.

    python tests/benchmarks/textbook_shapes.py SCENARIOS WORKLOADS OFFERS SEED > problem.yaml

One period of a month. Of the offers one sells everything at list price, a third count instances bought for the horizon,
and the others ask for a commitment whose volume is the buyer's own.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


def textbook_shape(scenarios: int, workloads: int, offers: int, seed: int) -> dict[str, Any]:
    """A problem file's content."""
    rng = np.random.default_rng(seed)
    models = [f"m{i}" for i in range(min(workloads, 5))]
    loads = [
        {
            "name": f"w{w}",
            "models": [models[w % len(models)]],
            "demand": {"tokens_per_month": float(10 ** rng.uniform(9, 10)), "completion_share": 0.25},
        }
        for w in range(workloads)
    ]
    sellers: list[dict[str, Any]] = [_list_price(models)]
    sellers += [(_pool if o % 3 == 1 else _contract)(rng, o, models) for o in range(1, offers)]
    return {
        "schema": "router/1",
        "name": f"textbook shape: {scenarios} scenarios × {workloads} workloads × {offers} offers, seed {seed}",
        "models": {name: {} for name in models},
        "workloads": loads,
        "offers": sellers,
        "scenarios": [_future(rng, s, scenarios, workloads) for s in range(scenarios)],
    }


def _list_price(models: list[str]) -> dict[str, Any]:
    price = {"prompt_usd_per_m": 3.0, "completion_usd_per_m": 3.0}
    return {"name": "list price", "models": {name: dict(price) for name in models}}


def _contract(rng: np.random.Generator, o: int, models: list[str]) -> dict[str, Any]:
    usd, volume = float(rng.uniform(0.8, 2.4)), float(10 ** rng.uniform(9, 10))
    price = {"prompt_usd_per_m": usd, "completion_usd_per_m": usd}
    commitment = {"min_tokens_per_month": volume, "max_tokens_per_month": 5 * volume, "term_months": 1}
    return {"name": f"o{o}", "models": {name: dict(price) for name in models}, "commitment": commitment}


def _pool(rng: np.random.Generator, o: int, models: list[str]) -> dict[str, Any]:
    rate = float(rng.uniform(500, 2500))
    usd = rate * 3600 / 1e6 * float(rng.uniform(0.5, 1.5))
    rented = {
        "usd_per_h": usd,
        "resize": "horizon",
        "shared_by_models": True,
        "max_utilisation": 0.8,
        "max": 60,
    }
    return {"name": f"o{o}", "models": {name: {"tokens_per_s": rate} for name in models}, "instances": rented}


def _future(rng: np.random.Generator, s: int, count: int, workloads: int) -> dict[str, Any]:
    """One level common to all, and one of each."""
    level, own = np.exp(rng.normal(0, 0.4)), np.exp(rng.normal(0, 0.3, workloads))
    demand = {f"w{w}": float(level * own[w]) for w in range(workloads)}
    return {"name": f"s{s:04d}", "probability": 1 / count, "demand": demand}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(textbook_shape(*(int(text) for text in sys.argv[1:5]))) + "\n")
