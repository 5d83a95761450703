"""Bounds that are our own, on random problems: `python tests/campaigns/proofs.py --problems 2000 --seed 1`.

Problems of up to 200 whole columns, with more workloads, offers and periods than tests draw. At least 95 % of the plans
have a bound of their own that meets the cost; and CBC and SciPy's HiGHS, given the same program, refute none.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures, arguments, seeds
from problem_factory import Data, load
from strategies import EVERYTHING, random_problem

import router
import solvers
from problems.core.encode import Encoded, encode
from router.errors import Infeasible, InputError, RouterError
from router.normalise import normalise
from router.plan.document import Plan
from solvers import SolveOptions, Stop

MOST_WHOLE = 200
OTHERS = ("pulp:COIN_CMD", "scipy")
LIMIT_S = 20.0


def drawn(seed: int) -> Data:
    """Up to four workloads, five offers and twelve periods."""
    rng = Random(seed)
    periods = rng.choice((1, 2, 3, 6, 12))
    features = EVERYTHING - {"scenarios", "slo"}
    return random_problem(
        rng, features, workloads=rng.choice((1, 2, 4)), offers=rng.choice((2, 3, 5)), periods=periods
    )


def refuted(encoded: Encoded, plan: Plan) -> list[str]:
    """What another solver says against a plan: a point that costs less than the bound, or a dearer optimum."""
    said = []
    for name in OTHERS:
        other = solvers.solve(encoded.program, name, SolveOptions(gap=1e-7, time_limit_s=LIMIT_S))
        near = 1e-5 * max(abs(plan.objective_usd), 1e-3)
        if other.objective is not None and other.objective < plan.bound_usd - near:
            said.append(f"{name} has {other.objective!r}, the bound is {plan.bound_usd!r}")
        if other.stop is Stop.INFEASIBLE:
            said.append(f"{name} says that there is no plan")
    return said


def campaign(count: int, first: int) -> Figures:
    """Solve, and ask the others."""
    figures, seed = Figures(), first
    for _ in seeds(count, first):
        while True:
            seed += 1
            try:
                problem = load(drawn(seed))
                encoded = encode(normalise(problem, None))
            except InputError:
                continue
            if 0 < int(encoded.program.integer.sum()) <= MOST_WHOLE:
                break
        try:
            plan = router.solve(problem)
        except Infeasible:
            figures.ends["infeasible"] += 1
            continue
        except RouterError as error:
            figures.faults.append(f"seed {seed}: {type(error).__name__} {str(error).splitlines()[0]}")
            continue
        figures.ends["nobody" if plan.proof is None else plan.proof.kind] += 1
        figures.faults += [f"seed {seed}: {words}" for words in refuted(encoded, plan)]
    return figures


def own_share(figures: Figures) -> float:
    """Part of the plans whose bound is their own."""
    plans = sum(figures.ends.values()) - figures.ends["infeasible"]
    return figures.ends["own"] / max(plans, 1)


if __name__ == "__main__":
    asked = arguments(__doc__, 2000)
    found = campaign(asked.problems, asked.seed * 1_000_000)
    if own_share(found) < 0.95:
        found.faults.append("fewer than 95 % of the plans have a bound of their own")
    sys.exit(found.printed(own=own_share(found)))
