"""A year by the hour under hourly agreements: six fleets of machines, five agreements over three of them each.

Seed 1. Each fleet serves its own workload, with a daily and a weekly rhythm and noise; agreements take 20 to 45 % off.
"""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

from router.loading.catalogue import load_text
from router.schema import Problem

HOURS = 8760
FLEETS, AGREEMENTS, EACH = 6, 5, 3


def market(hours: int = HOURS) -> Problem:
    """The problem of so many hours."""
    draw = Random(1)
    return load_text(json.dumps(_data(draw, hours)), "agreements.json")


def _data(draw: Random, hours: int) -> dict[str, Any]:
    names = [f"gpu{k}" for k in range(FLEETS)]
    price = {name: round(draw.uniform(4.0, 60.0), 2) for name in names}
    return {
        "schema": "router/1",
        "name": "hourly agreements",
        "horizon": {"periods": hours, "period_h": 1},
        "models": {f"m{k}": {} for k in range(FLEETS)},
        "workloads": [
            {
                "name": f"w{k}",
                "models": [f"m{k}"],
                "demand": {"requests_by_period": [_requests(draw, t, 4 + 3 * k) for t in range(hours)]},
                "prompt_tokens": 900,
                "completion_tokens": 100,
            }
            for k in range(FLEETS)
        ],
        "offers": [
            {
                "name": name,
                "models": {f"m{k}": {"requests_per_s": 1.0}},
                "instances": {"usd_per_h": price[name]},
            }
            for k, name in enumerate(names)
        ],
        "commitments": [_agreement(draw, g, names) for g in range(AGREEMENTS)],
    }


def _requests(draw: Random, t: int, machines: float) -> float:
    day = 1.0 + 0.5 * math.sin(2 * math.pi * (t % 24 - 9) / 24)
    week = 0.7 if t // 24 % 7 >= 5 else 1.0
    return round(3600 * machines * day * week * draw.uniform(0.85, 1.15), 1)


def _agreement(draw: Random, g: int, names: list[str]) -> dict[str, Any]:
    offers = sorted(names[(g + i) % FLEETS] for i in range(EACH))
    discount = {name: round(draw.uniform(0.2, 0.45), 2) for name in offers}
    terms = {"settled": "hour", "min_usd": 0, "max_usd": 400, "term_months": 12}
    return {"name": f"plan{g}", "provider": "cloud", "offers": offers, "discount": discount, **terms}
