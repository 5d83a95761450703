"""Hosts against every packing: `python tests/campaigns/packing.py --problems 2000 --seed 1`.

Replicas of sizes that mostly do not divide each other, in one or two kinds of hosts, some free of charge or few: the
cost of the plan is the least of all packings, tried one by one; bounds of our own are counted.
"""

from __future__ import annotations

import sys
from math import isclose
from pathlib import Path
from random import Random

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures, arguments, seeds
from packings import random_packing
from problem_factory import load

import router
from router.errors import RouterError


def campaign(count: int, first: int) -> Figures:
    """Solve, and try every packing."""
    figures = Figures()
    for seed in seeds(count, first):
        packing = random_packing(Random(seed))
        try:
            plan = router.solve(load(packing.data))
        except RouterError as error:
            figures.faults.append(f"seed {seed}: {type(error).__name__}: {error}")
            continue
        figures.ends["nobody" if plan.proof is None else plan.proof.kind] += 1
        least = packing.least_usd()
        if not isclose(plan.cost_usd, least, rel_tol=1e-6):
            figures.faults.append(f"seed {seed}: {plan.cost_usd!r} USD where {least!r} are enough: {packing}")
    return figures


if __name__ == "__main__":
    asked = arguments(__doc__, 2000)
    sys.exit(campaign(asked.problems, asked.seed * 1_000_000).printed())
