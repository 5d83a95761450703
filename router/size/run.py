"""`router size`: decide the first stage, price it in every scenario, ask what else it could be, publish it verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import fsum
from pathlib import Path
from typing import Any

from problems.core.admissible import admissible
from problems.core.decision import with_room
from problems.core.encode import encode
from problems.core.instance import Instance
from router.api import DEFAULT_SOLVER, load
from router.catalogue import problem_sha256
from router.decode import cvar, refused_rows
from router.errors import Infeasible
from router.normalise import normalise
from router.notes import notes_of
from router.optimise import optimise
from router.plan import CommitmentRow, Plan, ScenarioCost, plain
from router.publish import checked, gap_of, options_of, versions
from router.schema import Problem
from router.size.alternatives import Weighed, alternatives, flips, weigh
from router.size.cluster import cluster
from router.size.first_stage import decide, flows_of, settled_decision
from router.size.frontier import frontier
from router.size.given import Order, complete, decision_given
from router.size.measures import Measures, measure, objective
from router.size.outcomes import Outcome, costs_of, outcomes
from router.size.quotes import quotes
from router.size.sample import out_of_sample
from router.size.sections import rows, sign_rows, signed_rows, worst_rows
from router.size.signed import quoted
from router.size.study import Best, Study
from solvers import SolveOptions

QUICK = 20_000  # flow columns: up to here alternatives, flips and quotes, some forty solves, are looked into unasked
SHOWN = 3  # alternatives


@dataclass(frozen=True)
class SizeOptions:
    """How a sized plan is found and how much is reported.

    `alternatives` and `questions` (quotes and flips) are None where the size of the problem decides.
    """

    method: str = "auto"  # "program" | "cuts"
    workers: int = 1
    backend: str = "loky"  # "dask" | "ray"
    measures: bool = True  # WS, EV and EEV cost a solve per scenario each
    alternatives: int | None = None
    questions: bool | None = None
    frontier: int = 0
    evaluate: tuple[Order, ...] = ()
    out_of_sample: int = 0
    seed: int = 0  # of the scenarios drawn afresh


def size(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    how: SizeOptions | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Plan:
    """The plan that is best over all scenarios, with what it costs in each, verified scenario by scenario.

    Raises InputError, Infeasible, NoPlanInTime, SolverFailed, CertificateFailed.
    """
    loaded, how = load(problem), how or SizeOptions()
    inst = normalise(loaded)
    study = Study(solver, options or SolveOptions(), how.method, how.workers)
    with cluster(how.backend, how.workers):
        best, planned = _best(study, inst, progress)
        sections = _Sections(loaded, study, how, best, planned, progress).all()
    progress("checking the plan")
    return checked(loaded, _plan(loaded, best, planned, sections, study))


def _best(study: Study, inst: Instance, progress: Callable[[str], None]) -> tuple[Best, Sequence[Outcome]]:
    """The first stage, and its plan in every scenario."""
    progress("what to sign")
    first = decide(inst, study.solver, study.options, method=study.method, workers=study.workers)
    progress("its plan in every scenario")
    planned = outcomes(inst, first.decision, study.solver, study.options, workers=study.workers, decodes=True)
    failing = [one for one in planned if one.decoded is None]
    if failing:
        raise Infeasible(
            f'scenario "{failing[0].name}" cannot be served under the first stage found: {failing[0].fault}'
        )
    cost = costs_of(planned)
    parts = tuple(one.decoded for one in planned if one.decoded is not None)
    return Best(inst, replace(first, found=None), cost, parts, objective(cost, inst)), planned


@dataclass(frozen=True)
class _Sections:
    """What `sizing` holds, part by part."""

    problem: Problem
    study: Study
    how: SizeOptions
    best: Best
    planned: Sequence[Outcome]
    progress: Callable[[str], None]

    def all(self) -> dict[str, Any]:
        how, best, policy = self.how, self.best, self.best.inst.policy
        measures = self._measures()
        found: dict[str, Any] = {
            "rp_usd": best.objective_usd,
            "objective_usd": best.objective_usd,
            "expected_usd": best.expected_usd,
            "cvar_usd": best.cvar_usd,
            "cvar_level": policy.cvar_level,
            "cvar_weight": policy.cvar_weight,
            **({} if measures is None else measures.as_dict()),
            "sign": sign_rows(best),
            "worst": worst_rows(best, None if measures is None else measures.regret_usd),
        }
        small = flows_of(best.inst) <= QUICK
        asked = small if how.questions is None else how.questions
        many = (SHOWN if small else 0) if how.alternatives is None else how.alternatives
        weighed = Weighed({}, {}, None)
        if many or asked:
            self.progress("alternatives")
            weighed = weigh(self.study, best)
            found["alternatives"] = rows(alternatives(best, weighed, many))
        if asked:
            self.progress("quotes")
            found["quotes"] = rows(quotes(self.study, best, weighed))
            self.progress("when the advice flips")
            found["flips"] = rows(flips(self.study, best)) if quoted(best.inst).any() else []
        if how.evaluate:
            self.progress("the commitment given")
            found["evaluated"] = self._evaluated()
        if how.frontier:
            self.progress("the frontier of cost and risk")
            found["frontier"] = rows(frontier(self.study, best.inst, how.frontier))
        if how.out_of_sample:
            self.progress("fresh scenarios")
            found["out_of_sample"] = self._fresh()
        return found

    def _measures(self) -> Measures | None:
        if not self.how.measures:
            return None
        self.progress("what planning with scenarios is worth")
        study = self.study
        return measure(self.best.inst, self.planned, study.solver, study.options, study.workers)

    def _evaluated(self) -> dict[str, Any]:
        """The buyer's own commitment in every scenario."""
        inst, study = self.best.inst, self.study
        decision = decision_given(inst, self.how.evaluate)
        if not complete(decision):
            roomy = encode(with_room(inst, decision))
            found = optimise(roomy, study.solver, study.options, hold=decision)
            decision = settled_decision(found.encoded, found.point)
        tried = outcomes(inst, decision, study.solver, study.options, workers=study.workers)
        cost = costs_of(tried)
        fails = [one for one in tried if one.cost_usd is None]
        signs = signed_rows(inst, decision)
        if fails:
            why = {"fails_in": [one.name for one in fails], "why": fails[0].fault}
            return {"expected_usd": None, "cvar_usd": None, "more_usd": None, "signs": signs, **why}
        probability = inst.scenarios.probability
        return {
            "expected_usd": float(probability @ cost),
            "cvar_usd": cvar(cost, probability, inst.policy.cvar_level),
            "objective_usd": objective(cost, inst),
            "more_usd": objective(cost, inst) - self.best.objective_usd,
            "signs": signs,
            "fails_in": [],
            "by_scenario_usd": dict(zip(inst.scenarios.names, cost.tolist(), strict=True)),
        }

    def _fresh(self) -> dict[str, Any]:
        study, best = self.study, self.best
        found: dict[str, Any] = plain(
            out_of_sample(
                self.problem,
                best.inst,
                best.decision,
                best.expected_usd,
                study.solver,
                study.options,
                count=self.how.out_of_sample,
                seed=self.how.seed,
                workers=study.workers,
            )
        )
        return found


def _plan(
    problem: Problem, best: Best, planned: Sequence[Outcome], sizing: dict[str, Any], study: Study
) -> Plan:
    """All scenarios' rows under one decision, as one plan."""
    inst, parts, lines = best.inst, best.parts, best.lines()
    bound = max(min(best.first.bound_usd, best.objective_usd), 0.0)
    one = encode(replace(inst, scenarios=inst.scenarios.only(0)), routed=admissible(inst))
    costs = (
        ScenarioCost(name, float(p), float(usd))
        for name, p, usd in zip(inst.scenarios.names, inst.scenarios.probability, best.cost, strict=True)
    )
    return Plan(
        name=problem.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        problem_sha256=problem_sha256(problem),
        versions=versions(study.solver),
        solver={
            "name": study.solver,
            "options": options_of(study.options),
            "method": best.first.method,
            "rounds": best.first.rounds,
        },
        stop=best.first.stop.value,
        cost_usd=fsum(line.usd for line in lines),
        objective_usd=best.objective_usd,
        bound_usd=bound,
        gap=gap_of(best.objective_usd, bound),
        horizon_h=inst.time.horizon_h,
        periods=inst.time.periods,
        cost_lines=lines,
        routes=tuple(row for part in parts for row in part.routes),
        instances=tuple(row for part in parts for row in part.instances),
        purchases=parts[0].purchases,
        contracts=tuple({row: None for part in parts for row in part.contracts}),
        commitments=_settlements(best),
        unserved=tuple(row for part in parts for row in part.unserved),
        refused=refused_rows(one),
        prices={
            "fixed": "a sized plan has prices per scenario only; solve one scenario to see them",
            "rows": [],
        },
        scenarios=tuple(costs) if inst.scenarios.listed else (),
        notes=notes_of(problem),
        extra={"sizing": plain(sizing)},
    )


def _settlements(best: Best) -> tuple[CommitmentRow, ...]:
    """Every scenario's months; a contract without a minimum that others use stands idle where it is not used."""
    found = [row for part in best.parts for row in part.commitments]
    known = {(row.offer, row.month): row for row in found}
    idle: list[CommitmentRow] = []
    for part, name in zip(best.parts, best.inst.scenarios.names, strict=True):
        mine = {(row.offer, row.month) for row in part.commitments}
        idle += [
            replace(row, scenario=name, used_tokens=0.0, used_usd=0.0, billed_usd=0.0, utilisation=None)
            for key, row in known.items()
            if key not in mine
        ]
    return (*found, *idle)
