"""Many workloads of few kinds in one period: what is alike but for its name and its volume is a kind.

    python tests/benchmarks/kinds.py                     100,000 workloads of 2,000 kinds
    python tests/benchmarks/kinds.py 2000 200 --alone    fewer, each by itself
    python tests/benchmarks/kinds.py 1000 50 --periods 24 --gap 0.01

Twenty offers of ten models: by the token, with quotas, under commitments, instances by the hour.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from router import api
from router.planning.kinds import alike
from router.schema import Problem
from solvers import SolveOptions

MODELS, OFFERS = 10, 20


def kinds_problem(
    workloads: int = 100_000, kinds: int = 2_000, seed: int = 1, *, periods: int = 1
) -> Problem:
    """The problem; equal arguments give equal problems. In several periods each workload has a list of its own."""
    rng = np.random.default_rng(seed)
    kind = [_kind(rng) for _ in range(kinds)]
    volume = (10 ** rng.uniform(2, 5, workloads)).round(3)
    return Problem.model_validate(
        {
            "schema": "router/1",
            "name": f"{workloads} workloads of {kinds} kinds, seed {seed}",
            "horizon": {"periods": periods, "period_h": 730 / periods},
            "models": {f"model-{m}": {} for m in range(MODELS)},
            "workloads": [
                {
                    "name": f"workload-{w}",
                    **kind[w % kinds],
                    "demand": {"requests_per_month": float(volume[w])}
                    if periods == 1
                    else {"requests_by_period": _list(w, float(volume[w]), periods)},
                }
                for w in range(workloads)
            ],
            "offers": [_offer(rng, o) for o in range(OFFERS)],
        }
    )


def _list(w: int, volume: float, periods: int) -> list[float]:
    """A wave that begins elsewhere in each workload."""
    wave = 1 + 0.6 * np.sin(2 * np.pi * (np.arange(periods) / periods + 0.618 * w))
    each: list[float] = (volume / periods * wave).round(2).tolist()
    return each


def _kind(rng: np.random.Generator) -> dict[str, Any]:
    models = rng.choice(MODELS, size=int(rng.integers(1, 4)), replace=False)
    kind: dict[str, Any] = {
        "models": [f"model-{m}" for m in sorted(models.tolist())],
        "prompt_tokens": float(rng.integers(200, 3000)),
        "completion_tokens": float(rng.integers(20, 800)),
    }
    if rng.random() < 0.05:
        kind["routing"] = {"max_share_per_provider": 0.6}
    return kind


def _offer(rng: np.random.Generator, o: int) -> dict[str, Any]:
    price, kind = round(rng.uniform(0.2, 3.0), 3), o % 5
    entry: dict[str, Any] = {"prompt_usd_per_m": price, "completion_usd_per_m": 3 * price}
    offer: dict[str, Any] = {"name": f"offer-{o}", "provider": f"provider-{o % 7}"}
    if kind == 1:
        offer["quota"] = {"tokens_per_minute": round(rng.uniform(1e7, 1e8), 0)}
    if kind == 2:
        entry = {name: value * 0.6 for name, value in entry.items()}
        offer["commitment"] = {"min_usd_per_month": round(rng.uniform(1e5, 1e6), 0)}
    if kind >= 3:
        entry = {"tokens_per_s": round(rng.uniform(5e3, 5e4), 0)}
        offer["instances"] = {"usd_per_h": round(rng.uniform(2, 12), 2), "max_utilisation": 0.8}
    sold = range(MODELS) if kind == 0 else rng.choice(MODELS, size=4, replace=False).tolist()
    return offer | {"models": {f"model-{m}": dict(entry) for m in sold}}


def main() -> None:
    """Print what a plan takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", nargs="*", type=int, default=[100_000, 2_000], help="workloads, kinds")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    parser.add_argument("--gap", type=float, default=1e-4, help="relative, at which a plan will do")
    parser.add_argument("--periods", type=int, default=1, help="of the month")
    parser.add_argument("--alone", action="store_true", help="each workload by itself")
    given = parser.parse_args()
    clock, cpu = perf_counter(), process_time()
    problem = kinds_problem(*given.size, periods=given.periods)
    if given.alone:
        alike.FEWEST = len(problem.workloads)
    sys.stdout.write(f"loading {perf_counter() - clock:.2f} s, {process_time() - cpu:.2f} CPU s\n")
    clock, cpu = perf_counter(), process_time()
    plan = api.solve(problem, options=SolveOptions(time_limit_s=given.limit, gap=given.gap))
    own = None if plan.proof is None else plan.proof.bound_usd
    sys.stdout.write(
        f"plan {perf_counter() - clock:.2f} s, {process_time() - cpu:.2f} CPU s: {plan.cost_usd:,.2f} USD, bound "
        f"{plan.bound_usd:,.2f}, own {own}, gap {plan.gap:.2e}, {plan.stop}, {len(plan.routes):,} routes\n"
    )


if __name__ == "__main__":
    main()
