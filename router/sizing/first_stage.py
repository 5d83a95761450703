"""The first stage of a sized plan: one big program, or cuts where that is too big.

Cuts relax the integers of the second stage: their optimum is a bound all the same, and the decision is then priced with
integers, scenario by scenario, so that the gap stated is the true one.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

import numpy as np

from problems.core.admissible import admissible
from problems.core.decision import Decision, decision_of
from problems.core.encode import Encoded, encode
from problems.core.instance import Floats, Instance, Scenarios
from router.errors import NoPlanInTime
from router.planning.optimise import Found
from router.planning.settlement import settle
from router.sizing.cluster import spread
from router.sizing.outcomes import chunks, search
from solvers import LinearProgram, SolveOptions, Stop
from solvers.benders import Risk, l_shaped
from solvers.recourse import Basis, Recourse

PROGRAM, CUTS = "one program", "cuts"
LARGEST_MONOLITH = 150_000  # flow columns; beyond, cuts are faster (tests/benchmarks measures both)


@dataclass(frozen=True)
class BoundedDecision:
    """The decision, a bound on the objective of any, and how it was found."""

    decision: Decision
    bound_usd: float
    stop: Stop
    method: str  # "one program" | "cuts"
    rounds: int
    found: Found | None = None  # all scenarios' plan, where one program found it


def decide(
    inst: Instance, solver: str, options: SolveOptions, *, method: str = "auto", workers: int = 1
) -> BoundedDecision:
    """The best first stage over all scenarios of the instance. Raises Infeasible, NoPlanInTime.

    Cuts may end where no plan follows the first stage that they see; then one program decides.
    """
    if method == "cuts" or (method == "auto" and flows_of(inst) > LARGEST_MONOLITH):
        try:
            return _by_cuts(inst, solver, options, workers)
        except CutsEnd:
            pass
    found = search(encode(inst), solver, options)
    decision = settled_decision(found.encoded, found.point)
    return BoundedDecision(decision, found.bound, found.stop, PROGRAM, found.rounds, found)


class CutsEnd(Exception):
    """Scenarios that cuts cannot join, or a first stage of which no cut tells what some scenario lacks in it."""


def settled_decision(encoded: Encoded, point: Floats) -> Decision:
    """The first stage of a solver's point, cleaned of its tolerance."""
    return decision_of(encoded, settle(encoded, point).point)


def flows_of(inst: Instance) -> int:
    """Flow columns of the one program."""
    routes, _ = admissible(inst)
    many = np.bincount(routes.workload, minlength=len(inst.workloads.names))
    return int(many[inst.cells.workload[inst.cells.slot_cell]].sum()) * len(inst.scenarios)


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


def _by_cuts(inst: Instance, solver: str, options: SolveOptions, workers: int) -> BoundedDecision:
    policy = replace(inst.policy, cvar_weight=0.0)
    plain = replace(inst, policy=policy)
    widest = encode(replace(plain, scenarios=envelope(inst.scenarios)))
    master, scale = _master(widest)
    mean = search(encode(replace(plain, scenarios=inst.scenarios.mean())), solver, replace(options, gap=0.01))
    start = _start(mean.encoded, mean.point, widest, scale)
    roomy = replace(plain, room=widest.columns[0].counts.limit.max(axis=1, initial=0.0))
    parts = [replace(roomy, scenarios=part) for part in chunks(plain, workers)]
    bases: list[Bases] = [(None,) * len(part.scenarios) for part in parts]
    stamp = uuid.uuid4().hex  # never that of another run on the same cluster

    def oracle(x: Floats) -> tuple[Floats, Floats, Floats]:
        tasks = [
            _Values(part, x * scale, known, (stamp, i))
            for i, (part, known) in enumerate(zip(parts, bases, strict=True))
        ]
        found = spread(_Values.run, tasks, workers)
        bases[:] = [part[3] for part in found]
        cost, gradient, least = (np.concatenate([part[i] for part in found]) for i in range(3))
        return cost, gradient * scale, least

    result = l_shaped(
        master,
        inst.scenarios.probability,
        oracle,
        start=start,
        options=options,
        risk=Risk(inst.policy.cvar_level, inst.policy.cvar_weight),
    )
    if result.stop is Stop.INFEASIBLE or (result.x is None and result.stop is Stop.ITERATION_LIMIT):
        raise CutsEnd
    if result.x is None:
        raise NoPlanInTime(
            f"no first stage was found within the limits ({result.stop.value}); try a longer --time-limit"
        )
    point = np.zeros(widest.program.n_columns)
    point[: len(scale)] = result.x
    return BoundedDecision(settled_decision(widest, point), result.bound, result.stop, CUTS, result.rounds)


Bases = tuple[Basis | None, ...]
_KEPT: dict[tuple[str, int], list[tuple[Recourse, Floats]]] = {}  # per process: programs in the solver


@dataclass(frozen=True)
class _Values:
    """Costs and subgradients of some scenarios at a first stage in own units."""

    instance: Instance
    own: Floats
    bases: Bases
    key: tuple[str, int]

    def run(self) -> tuple[Floats, Floats, Floats, Bases]:
        kept = _KEPT.get(self.key)
        if kept is None:
            for old in [key for key in _KEPT if key[0] != self.key[0]]:
                del _KEPT[old]  # of an earlier search
            kept = _KEPT[self.key] = [self._build(s) for s in range(len(self.instance.scenarios))]
        cost, least = np.zeros(len(kept)), np.full(len(kept), -np.inf)
        gradient = np.zeros((len(kept), len(self.own)))
        bases: list[Basis | None] = []
        for s, (recourse, scale) in enumerate(kept):
            value = recourse.at(self.own / scale, self.bases[s])
            bases.append(value.basis)
            cost[s] = np.inf if value.cost is None else value.cost
            gradient[s] = value.gradient / scale
            least[s] = value.least
        return cost, gradient, least, tuple(bases)

    def _build(self, s: int) -> tuple[Recourse, Floats]:
        encoded = encode(replace(self.instance, scenarios=self.instance.scenarios.only(s)), boundary=0.0)
        scale = own_scale(encoded)
        if len(scale) != len(self.own):
            raise CutsEnd  # waiting is written differently in different scenarios
        return Recourse(encoded.program), scale


def own_scale(encoded: Encoded) -> Floats:
    """(n,) own units that each first-stage column of 1 stands for."""
    blocks = encoded.program.blocks
    if blocks is None:
        raise ValueError("the program has no block labels")
    scale = np.ones(int((blocks.columns < 0).sum()))
    first = encoded.first
    scale[first.committed] = first.commit_scale[encoded.instance.contracts.start_contract]
    return scale


def _master(widest: Encoded) -> tuple[LinearProgram, Floats]:
    """Columns and rows of the first stage alone."""
    program, blocks = widest.program, widest.program.blocks
    if blocks is None:
        raise ValueError("the program has no block labels")
    columns, rows = np.flatnonzero(blocks.columns < 0), np.flatnonzero(blocks.rows < 0)
    return LinearProgram(
        cost=np.zeros(len(columns)),
        matrix=program.matrix[rows][:, columns],
        row_lower=program.row_lower[rows],
        row_upper=program.row_upper[rows],
        col_lower=program.col_lower[columns],
        col_upper=program.col_upper[columns],
        integer=program.integer[columns],
        name=f"{program.name}, first stage",
    ), own_scale(widest)


def _start(encoded: Encoded, point: Floats, widest: Encoded, scale: Floats) -> Floats:
    """The first stage of the mean scenario's plan, in the master's units."""
    n = len(scale)
    return np.clip(
        point[:n] * own_scale(encoded) / scale, widest.program.col_lower[:n], widest.program.col_upper[:n]
    )
