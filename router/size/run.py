"""`router size`: decide the first stage, price it in every scenario, measure it, publish it verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import fsum
from pathlib import Path

from problems.core.admissible import admissible
from problems.core.encode import encode
from problems.core.instance import Instance
from router.api import DEFAULT_SOLVER, load
from router.catalogue import problem_sha256
from router.decode import Decoded, refused_rows
from router.errors import Infeasible
from router.normalise import normalise
from router.plan import CostLine, Plan, ScenarioCost
from router.publish import checked, gap_of, notes_of, options_of, versions
from router.schema import Problem
from router.size.first_stage import FirstStage, decide
from router.size.measures import Measures, measure, objective
from router.size.outcomes import Outcome, costs_of, outcomes
from router.size.sample import out_of_sample
from solvers import SolveOptions


@dataclass(frozen=True)
class SizeOptions:
    """How a sized plan is found and how much is reported."""

    method: str = "auto"  # "one program" | "cuts"
    workers: int = 1
    measures: bool = True  # WS, EV and EEV cost a solve per scenario each
    fresh: int = 0  # scenarios drawn afresh, in which the plan is priced again; of generated ones only
    fresh_seed: int = 1


def size(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    how: SizeOptions | None = None,
) -> Plan:
    """The plan that is best over all scenarios, with what it costs in each, verified scenario by scenario.

    Raises InputError, Infeasible, NoPlanInTime, SolverFailed, CertificateFailed.
    """
    loaded, asked, how = load(problem), options or SolveOptions(), how or SizeOptions()
    inst = normalise(loaded)
    first = decide(inst, solver, asked, method=how.method, workers=how.workers)
    planned = outcomes(inst, first.decision, solver, asked, workers=how.workers, decodes=True)
    failing = [one for one in planned if one.decoded is None]
    if failing:
        raise Infeasible(
            f'scenario "{failing[0].name}" cannot be served under the first stage found: {failing[0].fault}'
        )
    measures = measure(inst, planned, solver, asked, how.workers) if how.measures else None
    plan = _plan(loaded, inst, first, planned, measures, solver, asked)
    if how.fresh:
        again = out_of_sample(
            loaded,
            inst,
            first.decision,
            plan.cost_usd,
            solver,
            asked,
            count=how.fresh,
            seed=how.fresh_seed,
            workers=how.workers,
        )
        plan = replace(plan, extra={"sizing": {**plan.extra.get("sizing", {}), "out_of_sample": again}})
    return checked(loaded, plan)


def _plan(
    problem: Problem,
    inst: Instance,
    first: FirstStage,
    planned: Sequence[Outcome],
    measures: Measures | None,
    solver: str,
    options: SolveOptions,
) -> Plan:
    """All scenarios' rows under one decision, as one plan."""
    parts = [one.decoded for one in planned if one.decoded is not None]
    probability = inst.scenarios.probability
    lines = _expected_lines(parts, probability.tolist())
    total = objective(costs_of(planned), inst)
    bound = min(first.bound_usd, total)
    routed = admissible(inst)
    one = encode(replace(inst, scenarios=inst.scenarios.only(0)), routed=routed)
    sizing = {} if measures is None else measures.as_dict()
    return Plan(
        name=problem.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        problem_sha256=problem_sha256(problem),
        versions=versions(solver),
        solver={
            "name": solver,
            "options": options_of(options),
            "method": first.method,
            "rounds": first.rounds,
        },
        stop=first.stop.value,
        cost_usd=fsum(line.usd for line in lines),
        objective_usd=total,
        bound_usd=bound,
        gap=gap_of(total, bound),
        horizon_h=inst.time.horizon_h,
        cost_lines=lines,
        routes=tuple(row for part in parts for row in part.routes),
        instances=tuple(row for part in parts for row in part.instances),
        purchases=parts[0].purchases,
        contracts=tuple({row: None for part in parts for row in part.contracts}),
        commitments=tuple(row for part in parts for row in part.commitments),
        unserved=tuple(row for part in parts for row in part.unserved),
        refused=refused_rows(one),
        prices={
            "fixed": "a sized plan has prices per scenario only; solve one scenario to see them",
            "rows": [],
        },
        scenarios=tuple(
            ScenarioCost(name, float(p), part.cost_usd)
            for name, p, part in zip(inst.scenarios.names, probability, parts, strict=True)
        ),
        notes=notes_of(problem),
        extra={"sizing": sizing} if sizing else {},
    )


def _expected_lines(parts: Sequence[Decoded], probability: Sequence[float]) -> tuple[CostLine, ...]:
    """Expected USD by offer and kind."""
    money: dict[tuple[str | None, str], list[float]] = {}
    for part, p in zip(parts, probability, strict=True):
        for line in part.cost_lines:
            money.setdefault((line.offer, line.kind), []).append(p * line.usd)
    keys = sorted(money, key=lambda key: (key[0] is None, key[0] or "", key[1]))
    return tuple(CostLine(offer, kind, fsum(money[offer, kind])) for offer, kind in keys)
