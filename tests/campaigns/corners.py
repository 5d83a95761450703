"""Where planners break: `python tests/campaigns/corners.py --problems 5000 --seed 1`.

Random problems with waiting, boots, tiny loads and long horizons. None ends in a bug of the planner (exit 1), in a
failed solver (5) or in a plan that fails its own check (6); where it says that no plan exists (3), a second solver
agrees; and nothing gets cheaper by forbidding something.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures, arguments, seeds
from problem_factory import Data, load
from strategies import EVERYTHING, random_problem

import router
import solvers
from problems.core.encode import encode
from router.errors import Infeasible, InputError, NoPlanInTime, RouterError
from router.normalise import normalise
from router.reports.words import A_CENT
from router.schema import Problem
from solvers import SolveOptions, Stop

SECOND = "pulp:COIN_CMD"
LIMIT_S = 30.0
FORBIDDEN = 5  # of so many problems, one is solved again with an offer denied
TINY = (1e-9, 1e-6, 1e-4, 1e-2)


def drawn(seed: int) -> Data:
    """A random problem, some of whose loads are made tiny, some pools made to wait, some horizons long."""
    rng = Random(seed)
    long = rng.random() < 0.3
    periods = rng.choice((8, 12, 24, 48)) if long else None
    made = random_problem(rng, EVERYTHING - {"scenarios"}, periods=periods)
    for load_ in made["workloads"]:
        if rng.random() < 0.3:
            _shrunk(load_["demand"], rng)
        if rng.random() < 0.3 and "prompt_tokens" in load_:
            load_["slo"] = rng.choice(({"ttft_p99_ms": 800}, {"ttft_p90_ms": 2000}, {"ttft_mean_ms": 500}))
    for offer in made["offers"]:
        instances = offer.get("instances")
        if instances is not None and rng.random() < 0.4:
            instances.pop("max_utilisation", None)
        if instances is not None and rng.random() < 0.2:
            instances["start_h"] = made["horizon"]["period_h"] * rng.choice((0.5, 1, 2.5, 60))
    return made


def _shrunk(demand: Data, rng: Random) -> None:
    for name, value in demand.items():
        if isinstance(value, list):
            demand[name] = [each * rng.choice((1, *TINY)) for each in value]
        elif name != "completion_share":
            demand[name] = value * rng.choice(TINY)


def contradicted(problem: Problem) -> bool:
    """Whether a second solver has a plan where none is said to exist: a point of the program, which makes a plan.

    Where users wait, a point of the program is only near what may become one.
    """
    options = SolveOptions(time_limit_s=LIMIT_S)
    if solvers.solve(encode(normalise(problem, None)).program, SECOND, options).stop is Stop.INFEASIBLE:
        return False
    try:
        router.solve(problem, solver=SECOND, options=options)
    except Infeasible:
        return False
    except RouterError:  # it does not agree either
        return True
    return True


def cheaper_without(data: Data, usd: float, seed: int) -> str:
    """The offer without which a plan costs less, if there is one: one is drawn and denied to every workload."""
    rng = Random(seed)
    name = rng.choice([offer["name"] for offer in data["offers"]])
    denied = deepcopy(data)
    for load_ in denied["workloads"]:
        routing = load_.setdefault("routing", {})
        routing["deny_offers"] = sorted({*routing.get("deny_offers", ()), name})
    try:
        plan = router.solve(load(denied), options=SolveOptions(time_limit_s=LIMIT_S))
    except RouterError:  # by far the most: nobody else can serve
        return ""
    return name if plan.cost_usd < usd - 1e-5 * abs(usd) - 1e-9 else ""


def campaign(
    count: int,
    first: int,
    draw: Callable[[int], Data] = drawn,
    known: Callable[[Problem], bool] = lambda _: False,
) -> Figures:
    """Solve what is drawn, each under a limit; `known`: problems of which it must be known in time."""
    figures = Figures()
    for seed in seeds(count, first):
        try:
            data = draw(seed)
            problem = load(data)
            plan = router.solve(problem, options=SolveOptions(time_limit_s=LIMIT_S))
            end = f"plan, {'nobody' if plan.proof is None else plan.proof.kind}"
            if seed % FORBIDDEN == 0 and (name := cheaper_without(data, plan.cost_usd, seed)):
                figures.faults.append(f"seed {seed}: costs less with {name} denied to all")
            if plan.gap > 1e-3 and plan.objective_usd >= A_CENT:
                figures.ends["gap above 0.1 %" if plan.gap <= 1e-2 else "gap above 1 %"] += 1
                figures.worth_a_look.append(f"seed {seed}: a gap of {100 * plan.gap:.3g} % ({plan.stop})")
        except InputError:
            end = "refused as input"
        except Infeasible:
            end = "infeasible"
            if contradicted(problem):
                figures.faults.append(f"seed {seed}: called infeasible, {SECOND} does not agree")
        except NoPlanInTime:
            end = "not known"
            figures.worth_a_look.append(f"seed {seed}: not known within {LIMIT_S:g} s")
            if known(problem):
                figures.faults.append(f"seed {seed}: not known within {LIMIT_S:g} s")
        except Exception as error:  # whatever it is, it is what is looked for
            end = type(error).__name__
            figures.faults.append(f"seed {seed}: {end}: {(str(error).splitlines() or [''])[0]}")
        figures.ends[end] += 1
    return figures


if __name__ == "__main__":
    asked = arguments(__doc__, 5000)
    sys.exit(campaign(asked.problems, asked.seed * 1_000_000).printed())
