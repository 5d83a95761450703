"""Models × kinds of instance × classes of request in one period: rates and prices drawn independently.

    python tests/benchmarks/matching.py                          20 × 20 × 20
    python tests/benchmarks/matching.py 20 20 20 --seed 2 --limit 10 --beside 60

Every class may be served by every model, an instance serves one model, and no kind of instance is as dear as another
and slower for everything.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.measured import measured
from router.schema import Problem


def matching(models: int = 20, kinds: int = 20, classes: int = 20, seed: int = 1) -> Problem:
    """The problem; equal arguments give equal problems."""
    rng = np.random.default_rng(seed)
    names = [f"model-{m}" for m in range(models)]
    size = [(100.0 * (c + 1), 20.0 * (c + 1)) for c in range(classes)]
    rate = rng.uniform(0.5, 5.0, (kinds, models, classes)).round(3)
    usd = rng.uniform(1.0, 10.0, kinds).round(2)
    return Problem.model_validate(
        {
            "schema": "router/1",
            "name": f"{models} models × {kinds} kinds × {classes} classes, seed {seed}",
            "models": {name: {} for name in names},
            "workloads": [
                {
                    "name": f"class-{c}",
                    "models": names,
                    "prompt_tokens": size[c][0],
                    "completion_tokens": size[c][1],
                    "demand": {"requests_per_month": float(round(rng.uniform(2, 40) * 730 * 3600))},
                }
                for c in range(classes)
            ],
            "offers": [
                {
                    "name": f"kind-{k}",
                    "instances": {"usd_per_h": float(usd[k])},
                    "models": {name: _entry(size, rate[k, m].tolist()) for m, name in enumerate(names)},
                }
                for k in range(kinds)
            ],
        }
    )


def _entry(size: list[tuple[float, float]], rate: list[float]) -> dict[str, Any]:
    keys = ("prompt_tokens", "completion_tokens", "requests_per_s")
    return {"points": [dict(zip(keys, (*each, r), strict=True)) for each, r in zip(size, rate, strict=True)]}


def main() -> None:
    """Print its row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("size", nargs="*", type=int, default=[20, 20, 20], help="models, kinds, classes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=10.0, help="seconds")
    parser.add_argument("--beside", type=float, help="seconds for HiGHS alone")
    given = parser.parse_args()
    measured(matching(*given.size, seed=given.seed), given.limit, beside_s=given.beside)


if __name__ == "__main__":
    main()
