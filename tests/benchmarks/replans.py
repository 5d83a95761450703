"""A drifting day planned again every hour: models × configurations × regions, availability and a cost of starting.

    python tests/benchmarks/replans.py                       6 × 20 × 3, some 100,000 columns, 24 plans
    python tests/benchmarks/replans.py --plans 2 --workloads 12

Each plan is of the 24 hours ahead and starts from the one before: what runs goes on, a change costs what a start costs,
and demand, prices and availability have moved a little.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from router import api
from router.errors import RouterError
from router.schema import Problem
from solvers import SolveOptions

MODELS, CONFIGURATIONS, REGIONS, HOURS = 6, 20, 3, 24


def replan(workloads: int = 72, hour: int = 0, seed: int = 1) -> Problem:
    """The problem as it is at an hour; equal arguments give equal problems."""
    rng, drift = np.random.default_rng(seed), np.random.default_rng([seed, hour])
    names = [f"model-{m}" for m in range(MODELS)]
    rate = rng.uniform(2e3, 2e4, (CONFIGURATIONS, MODELS)).round(0)
    usd = rng.uniform(2, 12, (CONFIGURATIONS, REGIONS)).round(2)
    loads = [_workload(rng, drift, w, names[w % MODELS], hour) for w in range(workloads)]
    offers = [
        _offer(k, r, rate[k].tolist(), names, float(usd[k, r]), float(drift.uniform(0.7, 1.0)))
        for k in range(CONFIGURATIONS)
        for r in range(REGIONS)
    ]
    return Problem.model_validate(
        {
            "schema": "router/1",
            "name": f"replans, seed {seed}",
            "horizon": {
                "periods": HOURS,
                "period_h": 1,
                "start": f"2026-09-{1 + hour // 24:02d}T{hour % 24:02d}:00",
            },
            "models": {name: {} for name in names},
            "workloads": loads,
            "offers": offers,
        }
    )


def _workload(
    rng: np.random.Generator, drift: np.random.Generator, w: int, model: str, hour: int
) -> dict[str, Any]:
    scale, phase = 10 ** rng.uniform(4, 6), rng.integers(24)
    hours = np.arange(hour, hour + HOURS)
    cycle = 1 + 0.6 * np.sin(2 * np.pi * (hours - phase) / 24)
    load = scale * cycle * drift.uniform(0.9, 1.1)
    return {
        "name": f"workload-{w}",
        "models": [model],
        "prompt_tokens": float(rng.integers(200, 3000)),
        "completion_tokens": float(rng.integers(20, 800)),
        "demand": {"requests_by_period": load.round(1).tolist()},
    }


def _offer(
    k: int, r: int, rate: list[float], names: list[str], usd: float, available: float
) -> dict[str, Any]:
    return {
        "name": f"configuration-{k}-region-{r}",
        "models": {name: {"tokens_per_s": each} for name, each in zip(names, rate, strict=True)},
        "instances": {
            "usd_per_h": usd,
            "start_usd": round(0.5 * usd, 2),
            "availability": round(available, 3),
            "max_utilisation": 0.85,
            "max": 100,
        },
    }


def main() -> None:
    """Print a row a plan."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plans", type=int, default=24)
    parser.add_argument("--workloads", type=int, default=72)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of each")
    parser.add_argument("--gap", type=float, default=5e-3)
    given = parser.parse_args()
    options = SolveOptions(time_limit_s=given.limit, gap=given.gap)
    sys.stdout.write(
        "| hour | run | plan, USD | own bound, USD | gap | s | CPU s |\n|---|---|---:|---:|---:|---:|---:|\n"
    )
    with TemporaryDirectory() as folder:
        for hour in range(given.plans):
            problem = replan(given.workloads, hour)
            clock, cpu = perf_counter(), process_time()
            try:
                result = api.reoptimise(problem, f"sqlite:///{folder}/store.db", options=options)
            except RouterError as error:
                sys.stdout.write(f"| {hour} | {type(error).__name__}: {str(error).splitlines()[0]} |\n")
                continue
            plan = result.plan
            own = float("nan") if plan.proof is None else plan.proof.bound_usd
            gap = (plan.objective_usd - own) / plan.objective_usd
            spent = f"{perf_counter() - clock:.1f} | {process_time() - cpu:.1f}"
            usd = f"{plan.objective_usd:,.2f} | {own:,.2f} | {gap:.3%}"
            sys.stdout.write(f"| {hour} | {result.outcome} | {usd} | {spent} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
