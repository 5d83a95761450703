"""How near plan and bound come where people wait: `python tests/campaigns/waiting.py --problems 300 --seed 1`.

Random problems in which pools wait: promises on the first token or the whole request, servers per instance, bursts,
long and short requests in one pool. Each is solved, and again with one offer of its plan forbidden: that never makes it
cheaper than the bound. Ends say how wide the gap is, and whose word the bound is where whole columns are at most 200.
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
from router.errors import Infeasible, InputError, NoPlanInTime
from router.planning.solve import encode_problem
from router.schema import Problem
from solvers import SolveOptions

FEW = 200  # whole columns
PROMISES = (
    {"ttft_p99_ms": 800},
    {"ttft_p90_ms": 1500},
    {"ttft_mean_ms": 500},
    {"ttft_p95_ms": 600, "request_p99_ms": 8000},
)


def drawn(seed: int) -> Data:
    """A random problem with instances, whose users mind waiting."""
    rng = Random(seed)
    periods = rng.choice((1, 2, 3, 5, 8, 24))
    made = random_problem(
        rng, EVERYTHING - {"scenarios"}, workloads=rng.choice((1, 2, 2, 3)), periods=periods
    )
    for load_ in made["workloads"]:
        if rng.random() < 0.8 and "prompt_tokens" in load_:
            load_["slo"] = dict(rng.choice(PROMISES))
        if rng.random() < 0.4:
            load_["arrival_cv"] = rng.choice((0.5, 2, 4))
        if rng.random() < 0.4:
            load_["service_cv"] = rng.choice((0.5, 1, 2))
    for offer in made["offers"]:
        if (instances := offer.get("instances")) is None:
            continue
        instances.pop("max_utilisation", None)
        for entry in offer["models"].values():
            entry |= {"ttft_mean_ms": 100, "ttft_p99_ms": 200, "tpot_p99_ms": 10}
            if rng.random() < 0.6 and "points" not in entry:
                entry["concurrency"] = rng.choice((2, 4, 16))
    return made


def solved(problem: Problem, limit_s: float = 60.0) -> router.Plan:
    return router.solve(problem, options=SolveOptions(time_limit_s=limit_s))


def cheaper_without(problem: Problem, plan: router.Plan, offer: str) -> bool:
    """Whether the plan with an offer denied to everybody costs less than the bound."""
    denied = [
        each.model_copy(
            update={
                "routing": each.routing.model_copy(update={"deny_offers": [*each.routing.deny_offers, offer]})
            }
        )
        for each in problem.workloads
    ]
    try:
        without = solved(problem.model_copy(update={"workloads": denied}))
    except (Infeasible, NoPlanInTime):
        return False
    return without.objective_usd < plan.bound_usd * (1 - 1e-6) - 1e-9


def width(gap: float) -> str:
    return "at most 0.1 %" if gap <= 1e-3 else "at most 1 %" if gap <= 1e-2 else "above 1 %"


def campaign(count: int, first: int) -> Figures:
    """Ends by gap and kind; problems without a pool that waits are left out."""
    figures = Figures()
    for seed in seeds(count, first, 20):
        try:
            problem = load(drawn(seed))
            encoded = encode_problem(problem)
        except InputError:
            continue
        if not any(cols.capacity.waits.any() for cols in encoded.columns):
            continue
        try:
            plan = solved(problem)
        except Infeasible:
            figures.ends["infeasible"] += 1
            continue
        except Exception as error:  # whatever it is, it is what is looked for
            figures.ends[type(error).__name__] += 1
            figures.faults.append(
                f"seed {seed}: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            )
            continue
        kind = "nobody" if plan.proof is None else plan.proof.kind
        few = int(encoded.program.integer.sum()) <= FEW
        figures.ends[f"gap {width(plan.gap)}"] += 1
        figures.ends[f"{'at most' if few else 'above'} {FEW} whole columns: {kind}"] += 1
        if plan.gap > 1e-3:
            figures.faults.append(f"seed {seed}: gap {plan.gap:.2%}, {plan.stop}")
        used = sorted({row.offer for row in plan.routes})
        offer = Random(seed).choice(used) if used else ""
        if used and cheaper_without(problem, plan, offer):
            figures.faults.append(f"seed {seed}: cheaper without {offer}")
    return figures


if __name__ == "__main__":
    asked = arguments(__doc__, 300)
    sys.exit(campaign(asked.problems, asked.seed * 1_000_000).printed())
