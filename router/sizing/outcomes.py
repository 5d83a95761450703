"""What a decision costs in each scenario, scenario by scenario.

Given the first stage, scenarios are independent. Each is encoded and solved alone, with its integers, at the solver's
full accuracy; chunks of them are shared out among the study's workers.
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
from problems.core.encode import Encoded, encode
from problems.core.instance import Instance
from router.errors import Infeasible, NoPlanInTime
from router.plan.rows import usd_of
from router.planning.decode import Decoded, cost_rows, decode
from router.planning.roads import best_by_any_road
from router.planning.settlement import settle
from router.planning.two_steps import Incumbent
from router.sizing.options import Study
from solvers import Stop
from solvers.risk import NEUTRAL

CHUNKS_PER_WORKER = 4
KEPT = 20_000  # flow columns of all scenarios: up to here, some 40 MB, their programs are kept
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
    if decision is not None and (over := _over_budget(inst, decision)):
        return [ScenarioOutcome(name, None, fault=over) for name in inst.scenarios.names]
    work = partial(_outcomes, decision=decision, decodes=decodes, named=len(inst.scenarios) > 1)
    parts = study.each(work, chunks(inst, study.workers.count))
    return [outcome for part in parts for outcome in part]


def _outcomes(
    study: Study,
    inst: Instance,
    *,
    decision: Decision | None,
    decodes: bool,
    named: bool,  # rows say their scenario
) -> list[ScenarioOutcome]:
    each: list[ScenarioOutcome] = []
    programs = _programs(inst)
    for s, name in enumerate(inst.scenarios.names):
        if study.options.late:
            raise NoPlanInTime(f'no time was left for scenario "{name}"; a longer --time-limit may help')
        try:
            plan = search(programs.of(s, decision), study, fixed=decision)
        except Infeasible as error:
            fault = str(error) if decision is None else UNDER
            each.append(ScenarioOutcome(name, None, fault=fault))
            continue
        decoded = None
        if decodes:
            decoded = decode(plan.encoded, plan.point, named=named, stating=plan.options.finishing)
            lines = decoded.cost_lines
        else:
            lines, _ = cost_rows(plan.encoded, settle(plan.encoded, plan.point).point)
        cost_usd = fsum(line.usd for line in lines)
        each.append(ScenarioOutcome(name, cost_usd, usd_of(lines, UNSERVED.name), decoded))
    return each


class _Programs:
    """The programs of an instance's scenarios, each alone. Those of a small problem are kept, for decision after
    decision is priced in them; what they make room for is a matter of the decision."""

    def __init__(self, inst: Instance) -> None:
        self.inst, self.routed = inst, admissible(inst)
        self.kept: dict[tuple[int, bool], Encoded] = {}
        self.room: bytes | None = None
        self.keeps = flows_of(inst, self.routed[0]) <= KEPT

    def of(self, s: int, decision: Decision | None) -> Encoded:
        """Scenario `s`, with room for a decision."""
        inst = self.inst if decision is None else with_room(self.inst, decision)
        room = None if inst.room is None else inst.room.tobytes()
        if room != self.room:
            self.kept.clear()
            self.room = room
        key = (s, decision is None)
        if (encoded := self.kept.get(key)) is None:
            policy = replace(inst.policy, risk=NEUTRAL)  # one scenario has no tail
            if decision is not None:  # judged by its mean over the scenarios
                policy = replace(policy, max_committed_usd=np.inf)
            alone = replace(inst, scenarios=inst.scenarios.only(s), policy=policy)
            encoded = encode(alone, routed=self.routed)
            if self.keeps:
                self.kept[key] = encoded
        return encoded


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


def chunks(inst: Instance, workers: int) -> list[Instance]:
    """The instance with its scenarios in pieces, a few per worker."""
    scenarios = inst.scenarios
    if workers <= 1:
        return [inst]
    many = min(len(scenarios), workers * CHUNKS_PER_WORKER)
    return [
        replace(inst, scenarios=scenarios.some(which, scenarios.probability[which]))
        for which in np.array_split(np.arange(len(scenarios)), many)
        if len(which)
    ]


def costs_of(outcomes: Sequence[ScenarioOutcome]) -> Floats:
    """(S,) USD, inf where a scenario cannot be served."""
    return np.array([np.inf if outcome.cost_usd is None else outcome.cost_usd for outcome in outcomes])
