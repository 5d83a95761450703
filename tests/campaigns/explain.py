"""What `explain` says, tried again: `python tests/campaigns/explain.py --problems 500 --seed 1`.

Random problems, half of them made infeasible or nearly so. Where no plan exists: at least one repair is stated, every
repair, put into the problem file, makes a plan possible, and no repair by a number still does with a hundredth of its
change taken back. Where one exists: limits that are reached are stated, every saving is reached by solving the changed
problem from its file, and every price at which an offer leaves or enters does flip the plan when it is crossed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures, arguments, seeds
from problem_factory import Data, load
from strategies import EVERYTHING, random_problem

import router
from problems.core.encode import encode
from router.errors import Infeasible, InputError, NoPlanInTime
from router.explaining import Explanation, explain
from router.explaining.admission import FieldChange
from router.explaining.conflict import Repair
from router.explaining.moving import standing
from router.explaining.promises import StatedPromise, promises
from router.explaining.run import MAY_STAY
from router.explaining.savings import candidates
from router.explaining.together import with_another_offer
from router.normalise import normalise
from router.planning.optimise import optimise
from router.schema import Problem
from router.schema.paths import default_at, shown, with_value
from solvers import SolveOptions

LIMIT_S = 60.0
LESS = 0.01  # of a change, taken back
FINE = SolveOptions(gap=1e-9, time_limit_s=LIMIT_S)
WITHOUT = EVERYTHING - {"scenarios"}

GIVEN_UP = {"unserved_usd_per_m_tokens": 1.0}  # where it is no default that gives way


def drawn(seed: int) -> Data:
    """A random problem; half of them with a limit that is hard to keep."""
    rng = Random(seed)
    made = random_problem(rng, WITHOUT, workloads=rng.choice((1, 1, 2)), periods=rng.choice((1, 1, 2)))
    if rng.random() < 0.5:
        for _ in range(rng.choice((1, 1, 2))):
            _tightened(made, rng)
    return made


def _tightened(made: Data, rng: Random) -> None:
    way = rng.randrange(5)
    if way == 0 and len(made["offers"]) > 1:
        made["offers"] = [offer for offer in made["offers"] if offer["name"] != "spot-market"]
    elif way == 1:
        made["offers"][-1]["quota"] = {"tokens_per_minute": rng.choice((2e3, 1e4))}
    elif way == 2:
        made.setdefault("policy", {})["max_spend_usd"] = rng.choice((0.1, 5.0, 200.0))
    elif way == 3:
        for workload in made["workloads"]:
            workload["slo"] = rng.choice(({"ttft_p90_ms": 150}, {"ttft_p99_ms": 250}, {"tpot_p50_ms": 4}))
    else:
        for workload in made["workloads"]:
            workload.pop("unserved_usd_per_m_tokens", None)
        for offer in made["offers"]:
            if "instances" in offer:
                offer["instances"]["max"] = 1


def possible(problem: Problem) -> bool | None:
    """Whether it has any plan; None: not known in time."""
    try:
        optimise(encode(normalise(problem)), "highs", SolveOptions(gap=0.5, time_limit_s=LIMIT_S))
    except Infeasible:
        return False
    except NoPlanInTime:
        return None
    return True


def checked(seed: int) -> tuple[str, list[str]]:
    """How it ended, and what does not hold of what was said."""
    try:
        return checked_problem(load(drawn(seed)))
    except InputError:
        return "refused", []


def checked_problem(problem: Problem) -> tuple[str, list[str]]:
    """The same of a problem that is given."""
    try:
        said = explain(problem, options=SolveOptions(time_limit_s=LIMIT_S))
    except (InputError, NoPlanInTime) as error:
        return type(error).__name__, []
    if said.plan is None:
        return "infeasible", list(_of_repairs(problem, said))
    return "feasible", [*_of_limits(problem, said), *_of_savings(problem, said), *_of_prices(problem, said)]


def _of_repairs(problem: Problem, said: Explanation) -> Iterator[str]:
    if not said.repairs:
        yield "no repair is stated"
    for repair in said.repairs:
        if repair.left_out or repair.another_offer:
            yield from _of_several(problem, repair, minimal=MAY_STAY not in said.out_of_time)
        elif repair.changes:
            yield from _of_a_number(problem, repair)
        elif repair.text.startswith("without "):
            gone = [each for each in promises(normalise(problem)) if each.field == repair.field]
            if not gone or possible_without(problem, gone[0]) is False:
                yield f"{repair.text} does not repair"


def _of_several(problem: Problem, repair: Repair, *, minimal: bool) -> Iterator[str]:
    """Everything at once repairs, and no part of it that is put back alone does, where there was time to see."""
    stated = with_another_offer(problem) if repair.another_offer else problem
    changed = {change.path: change.value for change in repair.changes}
    changed |= {path: GIVEN_UP.get(path[-1], default_at(problem, path)) for path in repair.left_out}
    for kept in (None, *(changed if minimal else ())):
        trial = stated
        for path, value in changed.items():
            trial = trial if path == kept else with_value(trial, path, value)
        works = possible(trial)
        if works is (kept is not None):
            yield f"{repair.text}: {'does not repair' if kept is None else f'{shown(kept)} is not needed'}"


def possible_without(problem: Problem, stated: StatedPromise) -> bool | None:
    """Whether a plan exists where one promise is not in the file."""
    if stated.path[-1] == "demand":
        return possible(with_value(problem, (*stated.path[:-1], "unserved_usd_per_m_tokens"), 1.0))
    return possible(with_value(problem, stated.path, default_at(problem, stated.path)))


def _less(change: FieldChange) -> float:
    """A hundredth of the change taken back; of whole numbers one at least, as they come."""
    step = LESS * (change.value - change.was)
    if float(change.value).is_integer() and float(change.was).is_integer() and abs(step) < 1:
        step = 1.0 if step > 0 else -1.0
    return change.value - step


def _of_a_number(problem: Problem, repair: Repair) -> Iterator[str]:
    changed = {change.text_path: change.value for change in repair.changes}
    if possible(problem.with_(changed)) is False:
        yield f"{repair.text} does not repair"
    less = {change.text_path: _less(change) for change in repair.changes}
    if possible(problem.with_(less)):
        yield f"{repair.text} is more than is needed"


def _of_limits(problem: Problem, said: Explanation) -> Iterator[str]:
    """Capacity that is used up in every period must be among what binds."""
    assert said.plan is not None
    named = {binding.name.partition(",")[0] for binding in said.bindings}
    for offer in problem.offers:
        most = None if offer.instances is None else offer.instances.max
        if most is None or offer.instances is None or not offer.instances.integral or most != round(most):
            continue
        counts: dict[int, float] = {}
        for row in said.plan.instances:
            if row.offer == offer.name:
                counts[row.period] = counts.get(row.period, 0.0) + row.count
        if most > 0 and counts and min(counts.values()) >= most and offer.name not in named:
            yield f"{offer.name} is used up in every period, and is not among what binds"


def _of_savings(problem: Problem, said: Explanation) -> Iterator[str]:
    assert said.plan is not None
    stated = promises(normalise(problem))
    every = {each.text: each for each in candidates(problem, said.plan, said.bindings, stated)}
    for saving in said.savings:
        other = router.solve(every[saving.text].applied(problem), options=FINE)
        reached = said.plan.objective_usd - other.objective_usd
        open_usd = saving.within_usd + other.objective_usd - other.bound_usd
        if abs(reached - saving.usd) > open_usd + 1e-5 * max(abs(said.plan.objective_usd), 1e-3):
            yield f"{saving.text} saves {reached:.9g}, not {saving.usd:.9g}"


def _of_prices(problem: Problem, said: Explanation) -> Iterator[str]:
    for offer in said.offers:
        if offer.price_multiple is None or not offer.crossed:
            continue
        for side, carries in ((1 - 1e-3, True), (1 + 1e-3, False)):
            path, factor = f'offers."{offer.offer}".prices', offer.price_multiple * side
            plan = router.solve(problem.with_({path: f"x{factor!r}"}), options=FINE)
            if (offer.offer in standing(plan).carriers) is not carries:
                yield f"{offer.offer} at {factor:.9g} of its prices {'is not' if carries else 'is still'} used"


def campaign(count: int, first: int) -> Figures:
    """Explain each, and try what was said."""
    figures = Figures()
    for seed in seeds(count, first, 50):
        end, faults = checked(seed)
        figures.ends[end] += 1
        figures.faults += [f"seed {seed}: {fault}" for fault in faults]
    return figures


if __name__ == "__main__":
    given = arguments(__doc__, 500)
    sys.exit(campaign(given.problems, given.seed).printed())
