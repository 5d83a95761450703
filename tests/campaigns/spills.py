"""What spills against every minute written out: `python tests/campaigns/spills.py --problems 300 --seed 1`.

Offers that refuse by the minute, caps and instances that are bought in whole numbers: the plan costs what the program
with a flow for every minute costs at least, through HiGHS and CBC in turn; bounds of our own are counted.
"""

from __future__ import annotations

import sys
from math import isclose, isinf
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures, arguments, seeds
from spill_cases import random_case

import router
from router.errors import Infeasible, RouterError

SOLVERS = ("highs", "pulp:COIN_CMD")


def campaign(count: int, first: int) -> Figures:
    """Solve, and solve every minute."""
    figures = Figures()
    for seed in seeds(count, first):
        case = random_case(Random(seed))
        least = case.least_usd()
        try:
            with TemporaryDirectory() as folder:
                plan = router.solve(router.load(case.written(Path(folder))), solver=SOLVERS[seed % 2])
        except Infeasible as error:
            figures.ends["infeasible"] += 1
            if not isinf(least):
                figures.faults.append(f"seed {seed}: {error}, and {least!r} USD are enough")
            continue
        except RouterError as error:
            figures.faults.append(f"seed {seed}: {type(error).__name__}: {error}")
            continue
        figures.ends["nobody" if plan.proof is None else plan.proof.kind] += 1
        figures.more["spill"] = figures.more.get("spill", 0) + any(row.spilled_share for row in plan.routes)
        if not isclose(plan.cost_usd, least, rel_tol=2e-6, abs_tol=1e-6):
            figures.faults.append(f"seed {seed}: {plan.cost_usd!r} USD where {least!r} are the least: {case}")
    return figures


if __name__ == "__main__":
    asked = arguments(__doc__, 300)
    sys.exit(campaign(asked.problems, asked.seed * 1_000_000).printed())
