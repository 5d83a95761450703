"""What a decision costs in each scenario, scenario by scenario.

Given the first stage, scenarios are independent. Each is encoded and solved alone, with its integers, at the solver's
full accuracy; where no whole number hangs on demand, some of them together, in one linear program. Chunks of them are
shared out among the study's workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import fsum

import numpy as np

from problems.core.admissible import Routes, admissible
from problems.core.arrays import Floats
from problems.core.costs import UNSERVED
from problems.core.decision import Decision, committed_usd, with_room
from problems.core.encode import Encoded, encode, exact, fixed_integers
from problems.core.instance import Instance
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.plan.rows import usd_of
from router.planning.decode import Decoded, cost_rows, decode
from router.planning.fixed import Fixed
from router.planning.roads import best_by_any_road
from router.planning.second_step import tight
from router.planning.settlement import settle
from router.planning.two_steps import Incumbent, beginning_s, finished, run
from router.sizing.options import Study
from solvers import Stop, clock_s, get
from solvers.forced import forced
from solvers.two_stage.risk import NEUTRAL
from solvers.two_stage.small_tree import least

CHUNKS_PER_WORKER = 4
KEPT = 20_000  # flow columns of all scenarios: up to here, some 40 MB, their programs are kept
ROOMS = 3  # programs are kept for so many
BLOCK, BLOCKS = 4_000, 8
"""Flow columns, at most, of scenarios priced together; and programs, at least, of all."""
WHOLE = 1e-6  # how far from whole a number may be that follows from whole ones
UNDER = "What is signed breaks a limit itself (groups, power, budgets, shares), or leaves too little to serve demand."


@dataclass(frozen=True)
class ScenarioOutcome:
    """One scenario under a decision, or under its own best one. cost None: no plan keeps every promise."""

    name: str
    cost_usd: float | None
    unserved_usd: float = 0.0
    decoded: Decoded | None = None
    fault: str | None = None


def search(encoded: Encoded, study: Study, fixed: Decision | None = None) -> Incumbent:
    """`best_by_any_road`, except that Ctrl-C ends the whole study: what one search had by then is no answer to it."""
    plan = best_by_any_road(encoded, study.solver, study.options, fixed=fixed)
    if plan.stop is Stop.INTERRUPTED:
        raise KeyboardInterrupt
    return plan


def outcomes(
    inst: Instance, decision: Decision | None, study: Study, *, decodes: bool = False
) -> list[ScenarioOutcome]:
    """Every scenario of the instance, in order, under a decision; without one each under its own best.

    `decodes`: with the rows of each plan. Raises NoPlanInTime where a scenario is too hard: whether it can be served is
    not known then.
    """
    (answer,) = outcomes_under(inst, (decision,), study, decodes=decodes)
    return answer


def outcomes_under(
    inst: Instance, decisions: Sequence[Decision | None], study: Study, *, decodes: bool = False
) -> list[list[ScenarioOutcome]]:
    """The same of each of several decisions: a scenario's program is written once for all of them."""
    over = [None if decision is None else _over_budget(inst, decision) for decision in decisions]
    asked = tuple(decision for decision, why in zip(decisions, over, strict=True) if why is None)
    step, whole = _programs(inst).in_a_block, None in asked and not decodes and _is_whole(inst, study)
    work = partial(
        _outcomes, decisions=asked, decodes=decodes, named=len(inst.scenarios) > 1, step=step, whole=whole
    )
    parts = study.each(work, chunks(inst, study.workers.count, whole=step)) if asked else []
    answers = iter([outcome for part in each for outcome in part] for each in zip(*parts, strict=True))
    names = inst.scenarios.names
    return [
        next(answers) if why is None else [ScenarioOutcome(name, None, fault=why) for name in names]
        for why in over
    ]


def _outcomes(
    study: Study,
    inst: Instance,
    *,
    decisions: tuple[Decision | None, ...],
    decodes: bool,
    named: bool,  # rows say their scenario
    step: int,  # scenarios priced together
    whole: bool,  # the relaxation of one that is its own best is tried first
) -> list[list[ScenarioOutcome]]:
    programs, n = _programs(inst), len(inst.scenarios)
    answers: list[list[ScenarioOutcome]] = [[] for _ in decisions]
    for first in range(0, n, step):
        which = range(first, min(first + step, n))
        for decision, each in zip(decisions, answers, strict=True):
            first_relaxed = whole and decision is None
            each += _of_block(
                programs, which, study, decision, decodes=decodes, named=named, relaxed=first_relaxed
            )
        programs.forget()
    return answers


def _of_block(
    programs: _Programs,
    which: range,
    study: Study,
    decision: Decision | None,
    *,
    decodes: bool,
    named: bool,
    relaxed: bool,
) -> list[ScenarioOutcome]:
    each: list[ScenarioOutcome] = []
    blocks = [which]
    while blocks:
        which = blocks.pop(0)
        if study.options.late:
            name = programs.inst.scenarios.names[which[0]]
            raise NoPlanInTime(f'no time was left for scenario "{name}"; a longer --time-limit may help')
        plans = None if decision is None or len(which) == 1 else _together(programs, which, decision, study)
        if plans is not None:
            each += (_outcome(*plan, study, decodes=decodes, named=named) for plan in plans)
        elif len(which) == 1:
            each.append(
                _alone(programs, which[0], study, decision, decodes=decodes, named=named, relaxed=relaxed)
            )
        else:
            half = which[len(which) // 2]
            blocks[:0] = [range(which[0], half), range(half, which[-1] + 1)]
    return each


def _alone(
    programs: _Programs,
    s: int,
    study: Study,
    decision: Decision | None,
    *,
    decodes: bool,
    named: bool,
    relaxed: bool,
) -> ScenarioOutcome:
    name = programs.inst.scenarios.names[s]
    if relaxed:
        exactly = exact(programs.of(range(s, s + 1), None))
        point = relaxed_point(exactly, study)
        if point is not None:
            return _outcome(name, exactly, point, study, decodes=decodes, named=named)
    encoded = programs.of(range(s, s + 1), decision)
    try:
        plan = None if decision is not None else _by_small_tree(encoded, study)
        plan = plan or search(encoded, study, fixed=decision)
    except Infeasible as error:
        return ScenarioOutcome(name, None, fault=str(error) if decision is None else UNDER)
    return _outcome(name, plan.encoded, plan.point, study, decodes=decodes, named=named)


def _by_small_tree(encoded: Encoded, study: Study) -> Incumbent | None:
    """The best plan of a scenario by itself, where its program is small and says all; None elsewhere."""
    if study.solver != "highs" or study.options.relax or encoded.after_losses:
        return None
    if encoded.instance.spilling is not None or any(cols.capacity.waits.any() for cols in encoded.columns):
        return None
    began, first = clock_s(), least(encoded.program)
    if first is None:
        return None
    try:
        return finished(encoded, first, (study.solver, study.options), Fixed(), clock_s() - began)
    except SolverFailed:  # the solver's tolerance is all that serves some load: see `gates`
        return None


def _together(
    programs: _Programs, which: range, decision: Decision, study: Study
) -> list[tuple[str, Encoded, Floats]] | None:
    """(name, its part of their program, point) of scenarios that one linear program has: no whole number of theirs
    hangs on demand. None where they are not so, or one of them cannot be served.
    """
    if not is_linear(programs.of(which[:1], decision)):  # it tells of most
        return None
    block = programs.of(which, decision)
    if not is_linear(block):
        return None
    exactly = Fixed(decision).exact(block)
    point = relaxed_point(exactly, study)
    if point is None:
        return None
    names = programs.inst.scenarios.names
    return [(names[s], _of_one(exactly, at), point) for at, s in enumerate(which)]


def relaxed_point(exactly: Encoded, study: Study) -> Floats | None:
    """(n,) where that is a plan: its whole numbers come out whole, and nothing goes through what these close."""
    program = exactly.program
    options = replace(tight(study.options), deadline=study.options.deadline)  # overtime is for who has it
    if options.short_of(beginning_s(program)):
        return None
    if len(exactly.views) == 1:  # it takes longer than what it saves
        options = replace(options, native={**get(study.solver).WITHOUT_PRESOLVE, **options.native})
    solution = run(program.relax(), study.solver, options)
    if solution.stop is Stop.INTERRUPTED:
        raise KeyboardInterrupt
    if solution.stop is not Stop.OPTIMAL or solution.point is None:
        return None
    whole = solution.point[program.integer]
    if np.abs(whole - np.round(whole)).max(initial=0.0) > WHOLE:
        return None
    held = fixed_integers(program, solution.point)[0]
    return None if len(forced(held).through(solution.point)) else solution.point


def _is_whole(inst: Instance, study: Study) -> bool:
    """Whether the first scenario's relaxation is its own best plan: that of the others then hardly ever is not.

    Not looked for where users wait, or minutes count: rows alone do not say all.
    """
    if inst.spilling is not None or study.options.relax:
        return False
    first = _programs(inst).of(range(1), None)
    if any(cols.capacity.waits.any() for cols in first.columns) or not first.program.is_mip:
        return False
    return relaxed_point(exact(first), study) is not None


def is_linear(encoded: Encoded) -> bool:
    """Whether, with its first stage decided, a program is linear and says all: nothing waits, and nothing is lost."""
    program = encoded.program
    return (
        encoded.instance.spilling is None
        and not program.integer[~program.linking[0]].any()
        and not any(cols.capacity.waits.any() for cols in encoded.columns)
        and not encoded.after_losses
    )


def _of_one(encoded: Encoded, s: int) -> Encoded:
    """What is needed to read a scenario's plan in a point of several."""
    alone = replace(encoded.instance, scenarios=encoded.instance.scenarios.only(s))
    views, columns, costs = encoded.views[s], encoded.columns[s], encoded.costs[s]
    return replace(encoded, instance=alone, views=(views,), columns=(columns,), costs=(costs,))


def _outcome(
    name: str, encoded: Encoded, point: Floats, study: Study, *, decodes: bool, named: bool
) -> ScenarioOutcome:
    decoded = None
    if decodes:
        decoded = decode(encoded, point, named=named, stating=study.options.finishing)
        lines = decoded.cost_lines
    else:
        lines, _ = cost_rows(encoded, settle(encoded, point).point)
    return ScenarioOutcome(name, fsum(line.usd for line in lines), usd_of(lines, UNSERVED.name), decoded)


class _Programs:
    """The programs of an instance's scenarios, each alone or some together. Those of a small problem are kept, for
    decision after decision is priced in them; what they make room for is a matter of the decision."""

    def __init__(self, inst: Instance) -> None:
        self.inst, self.routed = inst, admissible(inst)
        self.kept: dict[bytes, dict[range, Encoded]] = {}  # by room and limit
        flows = flows_of(inst, self.routed[0])
        self.keeps = flows <= KEPT
        # however many share them out, so that the answers are the same
        n = len(inst.scenarios)
        self.in_a_block = max(min(BLOCK * n // max(flows, 1), -(-n // BLOCKS)), 1)

    def of(self, which: range, decision: Decision | None) -> Encoded:
        """Some scenarios, with room for a decision."""
        inst = self.inst if decision is None else with_room(self.inst, decision)
        policy = replace(inst.policy, risk=NEUTRAL)  # one scenario has no tail
        if decision is not None:  # judged by its mean over the scenarios
            policy = replace(policy, max_committed_usd=np.inf)
        room = b"" if inst.room is None else inst.room.tobytes()
        alike = self.kept.setdefault(room + np.float64(policy.max_committed_usd).tobytes(), {})
        if (encoded := alike.get(which)) is None:
            # each as if it were certain
            some = inst.scenarios.some(np.array(which), np.ones(len(which)))
            encoded = encode(replace(inst, scenarios=some, policy=policy), routed=self.routed)
            alike[which] = encoded
        return encoded

    def forget(self) -> None:
        """All programs of a large problem, and of a small one those for other decisions than the last few."""
        if not self.keeps:
            self.kept.clear()
        while len(self.kept) > ROOMS:
            del self.kept[next(iter(self.kept))]


_programs = lru_cache(maxsize=2)(_Programs)  # of the study's own scenarios, and of those drawn afresh


def flows_of(inst: Instance, routes: Routes) -> int:
    """Flow columns of the one program of all scenarios."""
    many = np.bincount(routes.workload, minlength=len(inst.workloads.names))
    return int(many[inst.cells.workload[inst.cells.slot_cell]].sum()) * len(inst.scenarios)


def _over_budget(inst: Instance, decision: Decision) -> str | None:
    """Why the money that a decision commits is too much; None where it is not."""
    limit = inst.policy.max_committed_usd
    if not np.isfinite(limit) or (usd := committed_usd(inst, decision)) <= limit * (1 + 1e-6) + 1e-6:
        return None
    return f"it commits {usd:,.2f} USD, more than policy.max_committed_usd, {limit:,.2f}"


def chunks(inst: Instance, workers: int, whole: int = 1) -> list[Instance]:
    """The instance with its scenarios in pieces, a few per worker, each of whole blocks of so many."""
    scenarios = inst.scenarios
    if workers <= 1:
        return [inst]
    blocks = np.array_split(np.arange(len(scenarios)), range(whole, len(scenarios), whole))
    many = min(len(blocks), workers * CHUNKS_PER_WORKER)
    shares = np.array_split(np.arange(len(blocks)), many)
    parts = (np.concatenate([blocks[i] for i in share]) for share in shares)
    return [replace(inst, scenarios=scenarios.some(which, scenarios.probability[which])) for which in parts]


def costs_of(outcomes: Sequence[ScenarioOutcome]) -> Floats:
    """(S,) USD, inf where a scenario cannot be served."""
    return np.array([np.inf if outcome.cost_usd is None else outcome.cost_usd for outcome in outcomes])
