"""A synthetic market of any size, seeded: the shape of a large planning problem without anyone's data.

1,000 workloads × 100 offers × 24 hours give about 310,000 admissible (workload, offer, model, hour). Every model is
offered by some thirteen sellers: plain APIs, some with a quota, a fee or a provider share to keep, contracts with
a monthly minimum, and rented instances with a group limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from router.schema import Problem

SELLERS = 13


def market(
    workloads: int = 1000, offers: int = 100, periods: int = 24, seed: int = 1, volume: float = 1.0
) -> Problem:
    """The problem; equal arguments give equal problems. `volume`: times as many requests, all else as it is."""
    rng = np.random.default_rng(seed)
    n_models = max(1, offers // 2)
    sellers = min(SELLERS, offers)
    sold = {o: [] for o in range(offers)}  # type: dict[int, list[int]]
    for m in range(n_models):
        # an API first, so that everything can be served; then whoever drew the model
        others = rng.permutation(offers)[:sellers].tolist()
        for o in {*others[: sellers - 1], _api(m, offers)}:
            sold[o].append(m)
    return Problem.model_validate(
        {
            "schema": "router/1",
            "name": f"synthetic market {workloads} × {offers} × {periods}, seed {seed}",
            "horizon": {"periods": periods, "period_h": 1},
            "models": {f"model-{m}": {} for m in range(n_models)},
            "workloads": [_workload(rng, w, n_models, periods, volume) for w in range(workloads)],
            "offers": [_offer(rng, o, sold[o] or [o % n_models]) for o in range(offers)],
            "groups": [
                {
                    "name": "cards",
                    "offers": [f"offer-{o}" for o in range(offers) if o % 10 >= 7],
                    "max_units": 20.0 * workloads,
                }
            ],
        }
    )


def _api(m: int, offers: int) -> int:
    """An offer without instances and without a quota."""
    tens = max(1, offers // 10)
    return (m % tens) * 10 if offers >= 10 else 0


def _workload(rng: np.random.Generator, w: int, n_models: int, periods: int, volume: float) -> dict[str, Any]:
    """A daily cycle with noise; sizes and volumes over two powers of ten."""
    hours = np.arange(periods)
    cycle = 1 + 0.6 * np.sin(2 * np.pi * (hours - rng.integers(24)) / 24) + 0.1 * rng.standard_normal(periods)
    scale = 10 ** rng.uniform(2, 4)
    load: dict[str, Any] = {
        "name": f"workload-{w}",
        "models": [f"model-{rng.integers(n_models)}"],
        "prompt_tokens": float(rng.integers(200, 3000)),
        "completion_tokens": float(rng.integers(20, 800)),
        "demand": {"requests_by_period": (np.maximum(scale * cycle, 1.0) * volume).round(3).tolist()},
    }
    if rng.random() < 0.05:
        load["routing"] = {"max_share_per_provider": 0.6}
    return load


def _offer(rng: np.random.Generator, o: int, sold: list[int]) -> dict[str, Any]:
    kind = o % 10
    price = round(rng.uniform(0.2, 3.0), 3)
    entry: dict[str, Any] = {"prompt_usd_per_m": price, "completion_usd_per_m": price}
    offer: dict[str, Any] = {"name": f"offer-{o}", "provider": f"provider-{o % 25}"}
    if 1 <= kind <= 2:
        offer["quota"] = {"tokens_per_minute": round(rng.uniform(1e6, 1e7), 0)}
    if kind == 3:
        offer["fee_usd_per_month"] = round(rng.uniform(100, 5000), 0)
    if 4 <= kind <= 6:  # take-or-pay
        entry = {name: value * 0.6 for name, value in entry.items()}
        offer["commitment"] = {"min_usd_per_month": round(rng.uniform(1e3, 5e4), 0)}
    if kind >= 7:
        entry = {"tokens_per_s": round(rng.uniform(2e3, 2e4), 0)}
        offer["instances"] = {
            "usd_per_h": round(rng.uniform(2, 12), 2),
            "units": int(rng.choice([1, 8])),
            "max_utilisation": 0.8,
        }
    return offer | {"models": {f"model-{m}": dict(entry) for m in sold}}
