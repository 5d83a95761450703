"""What a decision costs in each scenario, scenario by scenario.

Given the first stage, scenarios are independent. Each is encoded and solved alone, with its integers, at the solver's
full accuracy; chunks of them are shared out among processes (see `cluster`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum

import numpy as np

from problems.core.admissible import Refusals, Routes, admissible
from problems.core.decision import Decision, committed_usd, with_room
from problems.core.encode import Encoded, encode
from problems.core.instance import Floats, Instance
from router.errors import Infeasible
from router.planning.decode import Decoded, decode
from router.planning.optimise import Found, optimise
from router.sizing.cluster import spread
from solvers import SolveOptions, Stop

CHUNKS_PER_WORKER = 4
FINISHING_S = 60.0
UNDER = "What is signed breaks a limit itself (groups, power, budgets, shares), or leaves too little to serve demand."


@dataclass(frozen=True)
class ScenarioOutcome:
    """One scenario under a decision, or under its own best one. cost None: no plan keeps every promise."""

    name: str
    cost_usd: float | None
    bound_usd: float
    unserved_usd: float = 0.0
    decoded: Decoded | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Task:
    """Some scenarios of an instance, to be solved in one process."""

    instance: Instance
    routed: tuple[Routes, Refusals]
    decision: Decision | None  # None: each scenario's own best
    decodes: bool
    solver: str
    options: SolveOptions
    named: bool  # rows say their scenario

    def run(self) -> list[ScenarioOutcome]:
        return [self._one(s) for s in range(len(self.instance.scenarios))]

    def _one(self, s: int) -> ScenarioOutcome:
        name = self.instance.scenarios.names[s]
        policy = replace(self.instance.policy, cvar_weight=0.0)  # one scenario has no tail
        alone = replace(self.instance, scenarios=self.instance.scenarios.only(s), policy=policy)
        try:
            encoded = encode(alone, routed=self.routed)
            found = search(encoded, self.solver, unhurried(self.options), hold=self.decision)
        except Infeasible as error:
            return ScenarioOutcome(name, None, np.inf, fault=str(error) if self.decision is None else UNDER)
        decoded = decode(found.encoded, found.point, named=self.named)
        return ScenarioOutcome(
            name=name,
            cost_usd=decoded.cost_usd,
            bound_usd=min(found.bound, decoded.cost_usd),
            unserved_usd=fsum(line.usd for line in decoded.cost_lines if line.kind == "unserved"),
            decoded=decoded if self.decodes else None,
        )


def unhurried(options: SolveOptions) -> SolveOptions:
    """What follows a decision is small: it is finished, whatever the time limit of a search for one."""
    limit = options.time_limit_s
    return replace(options, time_limit_s=None if limit is None else max(limit, FINISHING_S))


def outcomes(
    inst: Instance,
    decision: Decision | None,
    solver: str,
    options: SolveOptions,
    *,
    workers: int = 1,
    decodes: bool = False,
) -> list[ScenarioOutcome]:
    """Every scenario of the instance, in order, under a decision; without one each under its own best.

    Raises NoPlanInTime where a scenario is too hard: whether it can be served is not known then.
    """
    routed = admissible(inst)
    if decision is not None:
        if over := _over_budget(inst, decision):
            return [ScenarioOutcome(name, None, np.inf, fault=over) for name in inst.scenarios.names]
        policy = replace(inst.policy, max_committed_usd=np.inf)  # judged by its mean over the scenarios
        inst = with_room(replace(inst, policy=policy), decision)
    tasks = [
        Task(
            replace(inst, scenarios=part), routed, decision, decodes, solver, options, len(inst.scenarios) > 1
        )
        for part in chunks(inst, workers)
    ]
    return [outcome for chunk in spread(Task.run, tasks, workers) for outcome in chunk]


def _over_budget(inst: Instance, decision: Decision) -> str | None:
    """Why the money that a decision commits is too much; None where it is not."""
    limit = inst.policy.max_committed_usd
    if not np.isfinite(limit) or (usd := committed_usd(inst, decision)) <= limit * (1 + 1e-6) + 1e-6:
        return None
    return f"it commits {usd:,.2f} USD, more than policy.max_committed_usd, {limit:,.2f}"


def chunks(inst: Instance, workers: int) -> list:  # type: ignore[type-arg]
    """The scenario axis in pieces, a few per worker."""
    n = len(inst.scenarios)
    many = 1 if workers <= 1 else min(n, workers * CHUNKS_PER_WORKER)
    return [
        inst.scenarios.some(which, inst.scenarios.probability[which])
        for which in np.array_split(np.arange(n), many)
        if len(which)
    ]


def costs_of(found: Sequence[ScenarioOutcome]) -> Floats:
    """(S,) USD, inf where a scenario cannot be served."""
    return np.array([np.inf if one.cost_usd is None else one.cost_usd for one in found])


def search(encoded: Encoded, solver: str, options: SolveOptions, hold: Decision | None = None) -> Found:
    """`optimise`, except that Ctrl-C ends the whole study: what one search had by then is no answer to it."""
    found = optimise(encoded, solver, options, hold=hold)
    if found.stop is Stop.INTERRUPTED:
        raise KeyboardInterrupt
    return found
