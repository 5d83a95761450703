"""A fleet packed in whole hosts, hour by hour: 12 models, 6 kinds of instances, 3 kinds of hosts.

    python tests/benchmarks/packed.py 168 --limit 120

Seed 1. A model runs on three of the kinds, by its size. A node of 6 GPUs has instances of 1, 2, 3 and 6, one of 8 those
of 1, 2, 4 and 8, one of 16 those of 3, 4, 6 and 8, where sizes do not all divide each other. Each workload has a daily
and a weekly rhythm and noise. Instances cost nothing but their host.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from random import Random
from typing import Any

import router
from router.loading.catalogue import load_text
from router.schema import Problem
from solvers import SolveOptions

MODELS = 12
KINDS = (1, 2, 3, 4, 6, 8)  # GPUs
HOSTS = {
    6: (15.0, (1, 2, 3, 6)),
    8: (24.0, (1, 2, 4, 8)),
    16: (44.0, (3, 4, 6, 8)),
}  # GPUs: USD an hour, its kinds
PER_GPU = 1000.0  # tokens a second of the smallest model


def fleet(hours: int) -> Problem:
    """The problem of so many hours."""
    draw = Random(1)
    runs = {m: KINDS[m // 3 : m // 3 + 3] for m in range(MODELS)}
    return load_text(
        json.dumps(
            {
                "schema": "router/1",
                "name": "a packed fleet",
                "horizon": {"periods": hours, "period_h": 1},
                "models": {f"m{m}": {} for m in range(MODELS)},
                "workloads": [_work(draw, m, hours) for m in range(MODELS)],
                "offers": [_kind(gpus, [m for m in range(MODELS) if gpus in runs[m]]) for gpus in KINDS],
                "hosts": [
                    {
                        "name": f"node-{gpus}",
                        "units": gpus,
                        "usd_per_h": usd,
                        "offers": [f"x{k}" for k in lives],
                    }
                    for gpus, (usd, lives) in HOSTS.items()
                ],
            }
        ),
        "packed.json",
    )


def _work(draw: Random, m: int, hours: int) -> dict[str, Any]:
    busy = draw.uniform(2.0, 12.0) * PER_GPU * 3.6  # requests an hour of a thousand tokens
    return {
        "name": f"w{m}",
        "models": [f"m{m}"],
        "demand": {"requests_by_period": [round(busy * _rhythm(draw, t), 1) for t in range(hours)]},
        "prompt_tokens": 900,
        "completion_tokens": 100,
    }


def _rhythm(draw: Random, t: int) -> float:
    day = 1.0 + 0.5 * math.sin(2 * math.pi * (t % 24 - 9) / 24)
    return day * (0.7 if t // 24 % 7 >= 5 else 1.0) * draw.uniform(0.85, 1.15)


def _kind(gpus: int, models: list[int]) -> dict[str, Any]:
    """More GPUs do a little more than as many alone: a model that is split over them has more room for its work."""
    rate = PER_GPU * gpus**1.05
    return {
        "name": f"x{gpus}",
        "models": {f"m{m}": {"tokens_per_s": round(rate / (1 + m / 12), 3)} for m in models},
        "instances": {"units": gpus},
    }


def main() -> None:
    """Solve and say how far from the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hours", type=int, nargs="?", default=168)
    parser.add_argument("--limit", type=float, default=120.0)
    asked = parser.parse_args()
    problem = fleet(asked.hours)
    began, cpu = time.perf_counter(), time.process_time()
    plan = router.solve(problem, options=SolveOptions(time_limit_s=asked.limit, gap=1e-4))
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    kind = None if plan.proof is None else plan.proof.kind
    hosts = sum(row.count for row in plan.hosts or ())
    sys.stdout.write(
        f"{asked.hours} h: {plan.cost_usd:,.0f} USD, none below {plan.bound_usd:,.0f}, gap {plan.gap:.2%} ({kind})\n"
    )
    sys.stdout.write(f"{hosts:,.0f} host hours, {plan.stop}, {seconds:.0f} s, {used:.0f} CPU s\n")


if __name__ == "__main__":
    main()
