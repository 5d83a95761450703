"""The first stage of a sized plan: one big program, or cuts where that is too big.

Cuts relax the integers of the second stage: their optimum is a bound all the same, and the decision is then priced with
integers, scenario by scenario, so that the gap stated is the true one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from problems.core.admissible import Refusals, Routes, admissible
from problems.core.arrays import Floats
from problems.core.decision import Decision, decision_of
from problems.core.encode import Encoded, encode
from problems.core.instance import Instance, Scenarios
from router.errors import NoPlanInTime
from router.planning.doubts.second_look import better_of_two
from router.planning.settlement import settle
from router.planning.two_steps import Incumbent
from router.sizing.joint import LARGEST_MONOLITH, JointSearch
from router.sizing.options import Study
from router.sizing.outcomes import chunks, flows_of, search
from solvers import LinearProgram, Stop
from solvers.two_stage.benders import OutOfTime, l_shaped
from solvers.two_stage.recourse import Basis, Recourse
from solvers.two_stage.risk import NEUTRAL

PROGRAM, CUTS = "one program", "cuts"


@dataclass(frozen=True)
class BoundedDecision:
    """The decision, a bound on the objective of any, and how it was found."""

    decision: Decision
    bound_usd: float
    stop: Stop
    method: str  # "one program" | "cuts"
    rounds: int
    plan: Incumbent | None = None  # of all scenarios, where one program found it


def decide(inst: Instance, study: Study, *, twice: bool = False) -> BoundedDecision:
    """The best first stage over all scenarios of the instance. Raises Infeasible, NoPlanInTime.

    `twice`: what one program states is looked at again where it is small.

    Cuts may end where no plan follows the first stage that they see; then one program decides. It does where offers
    spill: cuts know no minutes.
    """
    routed = admissible(inst)
    many = len(inst.scenarios) > 1 and flows_of(inst, routed[0]) > LARGEST_MONOLITH
    if inst.spilling is None and (study.method == "cuts" or (study.method == "auto" and many)):
        try:
            return _by_cuts(inst, study, routed)
        except CutsEnd:
            pass
    encoded = encode(inst, routed=routed)
    joint = JointSearch.of(encoded, study)
    return (None if joint is None else decided_jointly(joint, study)) or _by_one_program(
        encoded, study, twice=twice
    )


def decided_jointly(joint: JointSearch, study: Study) -> BoundedDecision | None:
    """By cuts from one linear program of all second stages; None where these came to no end."""
    found = joint.found(study)
    return None if found is None else _of_plan(found[0], CUTS, found[1])


def _by_one_program(encoded: Encoded, study: Study, *, twice: bool) -> BoundedDecision:
    plan = search(encoded, study)
    if twice:
        plan = better_of_two(encoded, plan)
    return _of_plan(plan, PROGRAM, plan.rounds)


def _of_plan(plan: Incumbent, method: str, rounds: int) -> BoundedDecision:
    decision = decision_of(plan.encoded, plan.settled.point)
    return BoundedDecision(decision, max(plan.bound, 0.0), plan.stop, method, rounds, plan)


class CutsEnd(Exception):
    """Scenarios that cuts cannot join, or a first stage of which no cut tells what some scenario lacks in it."""


def settled_decision(encoded: Encoded, point: Floats) -> Decision:
    """The first stage of a solver's point, cleaned of its tolerance."""
    return decision_of(encoded, settle(encoded, point).point)


def envelope(scenarios: Scenarios) -> Scenarios:
    """One scenario no smaller than any: its program's first stage has room for every decision worth taking."""
    path = scenarios.path
    demand = scenarios.demand
    if path is not None:
        most = (demand[:, :, None] * path).max(axis=0)
        path, demand = most[None], np.ones((1, demand.shape[1]))
    return replace(
        scenarios,
        names=("envelope",),
        probability=np.ones(1),
        demand=demand.max(axis=0)[None],
        price=(scenarios.probability @ scenarios.price)[None],  # budgets are of expected money
        availability=np.where(scenarios.availability > 0, scenarios.availability, np.inf)
        .min(axis=0)[None]
        .clip(max=1.0),
        path=path,
    )


def _by_cuts(inst: Instance, watched: Study, routed: tuple[Routes, Refusals]) -> BoundedDecision:
    study = replace(watched, options=replace(watched.options, watch=None))  # of all scenarios, not of each
    plain = replace(inst, policy=replace(inst.policy, risk=NEUTRAL))
    widest = encode(replace(plain, scenarios=envelope(inst.scenarios)), routed=routed)
    master, scale = _master(widest)
    rough = replace(study, options=replace(study.options, gap=0.01))
    mean = search(encode(replace(plain, scenarios=inst.scenarios.mean()), routed=routed), rough)
    start = mean.point[: len(scale)] * own_scale(mean.encoded) / scale  # in the units of the master
    start = np.clip(start, master.col_lower, master.col_upper)
    roomy = replace(plain, room=widest.columns[0].counts.limit.max(axis=1, initial=0.0))
    stamp = uuid.uuid4().hex  # never that of another run on the same cluster
    parts = [_Chunk(stamp, i, part) for i, part in enumerate(chunks(roomy, study.workers.count))]
    bases: list[Bases] = [(None,) * len(part.instance.scenarios) for part in parts]

    def oracle(x: Floats) -> tuple[Floats, Floats, Floats]:
        try:
            values = study.each(partial(_values, own=x * scale), list(zip(parts, bases, strict=True)))
        except NoPlanInTime as error:
            raise OutOfTime from error
        bases[:] = [part[3] for part in values]
        cost, gradient, least = (np.concatenate([part[i] for part in values]) for i in range(3))
        return cost, gradient * scale, least

    result = l_shaped(
        master,
        inst.scenarios.probability,
        oracle,
        start=start,
        options=watched.options,
        risk=inst.policy.risk,
    )
    if result.stop is Stop.INFEASIBLE or (result.x is None and result.stop is Stop.ITERATION_LIMIT):
        raise CutsEnd
    if result.x is None and result.stop is not Stop.TIME_LIMIT:
        raise NoPlanInTime(
            f"no first stage was found within the limits ({result.stop.value}); try a longer --time-limit"
        )
    point = np.zeros(widest.program.n_columns)
    point[: len(scale)] = start if result.x is None else result.x  # the best for the mean is one too
    return BoundedDecision(settled_decision(widest, point), result.bound, result.stop, CUTS, result.rounds)


Bases = tuple[Basis | None, ...]


@dataclass(frozen=True)
class _Chunk:
    """Some scenarios of a search by cuts, known by the search and a number."""

    search: str
    number: int
    instance: Instance


def _values(study: Study, task: tuple[_Chunk, Bases], *, own: Floats) -> tuple[Floats, Floats, Floats, Bases]:
    """(cost (S,), subgradient (S, n), least (S,), bases) of a part's scenarios at a first stage in own units (n,).

    In these units cost is in USD; `least` as in `solvers.two_stage.benders.Oracle`. Raises NoPlanInTime.
    """

    def in_time[R](work: Callable[[], R]) -> R:
        if study.options.late:
            raise NoPlanInTime("no time was left to look at all scenarios; a longer --time-limit may help")
        return work()

    part, bases = task
    programs = _programs(part.search)
    if part.number not in programs:
        count = len(part.instance.scenarios)
        routed = admissible(part.instance)
        programs[part.number] = [
            in_time(partial(_second_stage, part.instance, routed, s, len(own))) for s in range(count)
        ]
    kept = programs[part.number]
    values = [
        in_time(partial(recourse.at, own / scale, basis))
        for (recourse, scale), basis in zip(kept, bases, strict=True)
    ]
    cost = np.array([np.inf if value.cost is None else value.cost for value in values])
    gradient = np.array([value.gradient / scale for value, (_, scale) in zip(values, kept, strict=True)])
    return cost, gradient, np.array([value.least for value in values]), tuple(v.basis for v in values)


@lru_cache(maxsize=1)
def _programs(search: str) -> dict[int, list[tuple[Recourse, Floats]]]:
    """This process's programs of a search, by part: kept from round to round, dropped when another search begins."""
    return {}


def _second_stage(
    inst: Instance, routed: tuple[Routes, Refusals], s: int, columns: int
) -> tuple[Recourse, Floats]:
    """A scenario's second stage, and the own units of the first-stage columns that it shares with the master."""
    encoded = encode(replace(inst, scenarios=inst.scenarios.only(s)), boundary=0.0, routed=routed)
    scale = own_scale(encoded)
    if len(scale) != columns:
        raise CutsEnd  # waiting is written differently in different scenarios
    return Recourse(encoded.program), scale


def own_scale(encoded: Encoded) -> Floats:
    """(n,) own units that each first-stage column of 1 stands for."""
    scale, first = np.ones(int(encoded.program.linking[0].sum())), encoded.first
    scale[first.committed] = first.commit_scale[encoded.instance.contracts.start_contract]
    for force, own in zip(first.force, first.commit_scale.tolist(), strict=True):
        scale[force] = own
    for item in first.owed.each:
        scale[item.volume] = item.scale
    return scale


def _master(widest: Encoded) -> tuple[LinearProgram, Floats]:
    """Columns and rows of the first stage alone."""
    return widest.program.take(*widest.program.linking).program, own_scale(widest)
