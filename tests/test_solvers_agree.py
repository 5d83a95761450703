"""Two solvers, one cost: HiGHS and CBC through the public API, on random problems with every feature."""

from __future__ import annotations

from random import Random

import pytest
from campaign import times
from problem_factory import SOLVERS, plan_of
from strategies import EVERYTHING, random_problem

from router.errors import Infeasible, InputError

pytestmark = pytest.mark.usefixtures("short_proofs")

SEEDS = times(4)


@pytest.mark.parametrize("block", range(4))
def test_highs_and_cbc_agree(block: int) -> None:
    """On the cost, not on the plan: optima tie. And on whether there is a plan at all."""
    compared = 0
    for seed in range(5000 + SEEDS * block, 5000 + SEEDS * (block + 1)):
        data = random_problem(Random(seed), EVERYTHING - {"scenarios"})
        costs = []
        for solver in SOLVERS:
            try:
                costs.append(plan_of(data, solver).cost_usd)
            except Infeasible:
                costs.append(None)
            except InputError:  # drawn, but not yet planned for
                break
        else:
            compared += 1
            assert (costs[0] is None) == (costs[1] is None), f"seed {seed}: {costs}"
            assert costs[0] is None or costs[0] == pytest.approx(costs[1], rel=2e-6, abs=1e-6), f"seed {seed}"
    assert compared >= 0.6 * SEEDS
