"""Everybody agrees on random problems over all fields: `python tests/campaigns/agreement.py --problems 10000 --seed 1`.

Problems with what the market sells beside all older fields. The plan and its bound are compared with CBC, SciPy's HiGHS
and SCIP (where it is installed: how many it was asked is counted), which get the same program; with the brute force and
with a third reading (`market_model`), which get the file alone, where they know all of its fields; and every fifth
problem is one of sizing, compared with the reference of that. None ends in a bug of the planner or a failed check.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from random import Random

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

import random_sizing
from brute_force import TooLarge, cheapest
from campaigns.figures import Figures, arguments, seeds
from market_model import Unknown, optimum
from market_problems import PLAIN, market_problem
from problem_factory import Data, load
from reference_sizing import optimum as sized_optimum
from strategies import EVERYTHING, billed_otherwise, random_problem

import router
import solvers
from router.errors import Infeasible, InputError, NoPlanInTime
from router.planning.solve import encode_problem
from router.schema import Problem
from router.sizing.options import SizeOptions
from solvers import SolveOptions, Stop

OTHERS = ("pulp:COIN_CMD", "scipy", *(["pulp:SCIP_PY"] if find_spec("pyscipopt") else []))
LIMIT_S = 20.0
NEAR, DUST = 1e-5, 1e-5
MOST_PLANS = 300
DECISION_ALONE = SizeOptions(measures=False, alternatives=0, questions=False)
NOT_BRUTE = {"window", "slo", "needs", "points", "discount", "scenarios", "allow", "groups", "power"}


def drawn(seed: int) -> Data:
    """All fields; those that the third reading knows; those that brute force knows."""
    way = seed % 5
    if way in (0, 1):
        return market_problem(seed)
    if way in (2, 3):
        return market_problem(seed, PLAIN)
    data = billed_otherwise(random_problem(Random(seed), EVERYTHING - NOT_BRUTE), Random(seed))
    for offer in data["offers"]:
        if "instances" in offer:
            offer["instances"].setdefault("max", 3)
    return data


def by_program(problem: Problem, plan: router.Plan | None, figures: Figures) -> list[str]:
    """What other solvers say of the same program.

    A solver that ends above the plan, which is verified, is wrong itself where another has what the plan costs.
    """
    program, said, above, agree = encode_problem(problem).program, [], {}, 0
    for name in OTHERS:
        other = solvers.solve(program, name, SolveOptions(gap=1e-7, time_limit_s=LIMIT_S))
        if other.stop is Stop.INFEASIBLE and plan is not None:
            said.append(f"{name} says that there is no plan, the plan costs {plan.objective_usd!r}")
        if other.objective is None or other.stop is not Stop.OPTIMAL:
            figures.ends[f"{name}: {other.stop.value}"] += 1
        elif plan is None:
            said.append(f"called infeasible, {name} has {other.objective!r}")
        elif other.objective < plan.bound_usd - NEAR * abs(plan.bound_usd) - DUST:
            said.append(f"the bound is {plan.bound_usd!r}, {name} has {other.objective!r}")
        elif plan.objective_usd < other.objective - NEAR * abs(other.objective) - DUST:
            above[name] = other.objective
        else:
            figures.ends[f"{name}: agrees"] += 1
            agree += 1
    for name, usd in above.items():
        if agree:
            figures.ends[f"{name}: above the plan, which another has"] += 1
        else:
            said.append(f"the plan costs {plan and plan.objective_usd!r}, {name} has no less than {usd!r}")
    return said


def by_file(data: Data, plan: router.Plan | None, figures: Figures) -> list[str]:
    """What readers of their own say of the file."""
    said = []
    for name, read in (("third reading", optimum), ("brute force", lambda d: cheapest(d, MOST_PLANS))):
        if (name == "brute force") != brute(data):
            continue
        try:
            usd = read(data)
        except (Unknown, TooLarge):
            figures.ends[f"{name}: not compared"] += 1
            continue
        figures.ends[f"{name}: compared"] += 1
        if name == "third reading" and plan is not None and usd is not None and usd > plan.cost_usd:
            again = optimum(data, plan.cost_usd * (1 + NEAR) + DUST)  # its solver may miss what is there
            if again is not None and apart_of(plan, usd) and not apart_of(plan, again):
                figures.ends["third reading: found what the plan costs when it was asked for it"] += 1
                continue
        if (usd is None) != (plan is None) or (usd is not None and plan is not None and apart_of(plan, usd)):
            said.append(f"{name} has {usd!r}, the plan costs {None if plan is None else plan.cost_usd!r}")
    return said


def apart_of(plan: router.Plan, usd: float) -> bool:
    """Not between the plan's bound and its cost."""
    near = NEAR * max(abs(usd), abs(plan.cost_usd)) + DUST
    return not plan.bound_usd - near <= usd <= plan.cost_usd + near


def brute(data: Data) -> bool:
    return "start" not in data["horizon"]


def told(seed: int, figures: Figures) -> list[str]:
    """What is wrong with a problem's plan."""
    data = drawn(seed)
    plan: router.Plan | None = None
    try:
        problem = load(data)
        plan = router.solve(problem, options=SolveOptions(time_limit_s=LIMIT_S))
        end = f"plan, {'nobody' if plan.proof is None else plan.proof.kind}"
    except InputError:
        figures.ends["refused as input"] += 1
        return []
    except NoPlanInTime:
        figures.ends["not known"] += 1
        return []
    except Infeasible:
        end = "infeasible"
    except Exception as error:  # whatever it is, it is what is looked for
        figures.ends[type(error).__name__] += 1
        return [f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"]
    figures.ends[end] += 1
    if plan is not None and plan.gap > 1e-3:
        figures.ends["gap above 0.1 %"] += 1
    return by_program(problem, plan, figures) + by_file(data, plan, figures)


def of_sizing(seed: int, figures: Figures) -> list[str]:
    """`router.size` against its reference."""
    data = random_sizing.with_agreements(random_sizing.random_problem(Random(seed)), Random(-seed))
    best = sized_optimum(data).objective
    figures.ends["sizing: compared"] += 1
    try:
        plan = router.size(load(data), how=SizeOptions() if seed % 100 == 99 else DECISION_ALONE)
    except NoPlanInTime:
        figures.ends["sizing: not known"] += 1
        return []
    except Infeasible:
        return (
            [] if best is None or "max_spend_usd" in data.get("policy", {}) else ["sizing called infeasible"]
        )
    except Exception as error:  # whatever it is, it is what is looked for
        return [f"sizing: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"]
    if best is None:
        return [f"sizing: reference infeasible, plan {plan.objective_usd!r}"]
    low, high = plan.bound_usd, plan.objective_usd
    near = 1e-4 * max(abs(best), 1.0)
    return [] if low - near <= best <= high + near else [f"sizing: {best!r}, plan from {low!r} to {high!r}"]


def campaign(count: int, first: int) -> Figures:
    """Every tenth problem is one of sizing."""
    figures = Figures()
    for seed in seeds(count, first):
        wrong = of_sizing(seed, figures) if seed % 10 == 9 else told(seed, figures)
        for words in wrong:
            sys.stderr.write(f"seed {seed}: {words}\n")
        figures.faults += [f"seed {seed}: {words}" for words in wrong]
    return figures


if __name__ == "__main__":
    asked = arguments(__doc__, 10_000)
    sys.exit(campaign(asked.problems, asked.seed * 1_000_000).printed())
