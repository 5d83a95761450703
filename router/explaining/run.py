"""One explanation, whichever way the problem turns out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from problems.core.encode import encode
from router.errors import Infeasible
from router.explaining.admission import Admission, admissions
from router.explaining.commitments import CommitmentUse, commitment_uses, worth_of_more
from router.explaining.conflict import Conflict, Questions, Repair, conflict, repairs
from router.explaining.marginal import Binding, bindings
from router.explaining.mending import Mending, Trials, least_multiple, long_enough, mendings
from router.explaining.minutes import FullMinutes, full_minutes, limits_by_the_minute
from router.explaining.moving import Moving
from router.explaining.origins import OriginWay, origin_ways
from router.explaining.promises import promises
from router.explaining.savings import Saving, candidates, savings
from router.explaining.schedules import RuleInForce, rules_of_schedules
from router.explaining.thresholds import Offered, thresholds
from router.explaining.together import together
from router.loading.catalogue import load
from router.normalise import normalise
from router.plan.document import Plan
from router.planning.decode import refused_rows
from router.planning.proving import looked_at_again
from router.planning.publish import publish
from router.planning.roads import best_by_any_road
from router.planning.solve import DEFAULT_SOLVER, Search, checked, scenario_of
from router.schema import Problem
from solvers import SolveOptions

FOR_THE_PLAN = 0.5  # of the time at most; the rest is for questions about it
FOR_RANGES = 0.1  # of what is left then
FOR_SAVINGS = 0.6  # likewise; the rest is for prices of offers
FOR_QUESTIONS = 0.9  # of the time, plan included: an answer that comes late has an overtime
FOR_FIELDS = 0.4  # where there is no plan
FOR_REPAIRS = 0.7  # where there is no plan
FOR_COMBINED = 0.7  # of what is left then, where no change of one kind repairs; the rest is for the conflict
MOST_COMBINED = 150  # trials
FIRST_STEP = 1.25  # times a quota by the minute, from which on it grows
MAY_STAY = "whether some of the fields that change together may stay as they are"


@dataclass(frozen=True)
class Explanation:
    """Feasible: the plan, what binds, what unused offers would have to cost. Infeasible: repairs and a conflict."""

    name: str
    plan: Plan | None
    why: str | None
    repairs: tuple[Repair, ...] = ()
    conflict: Conflict | None = None
    bindings: tuple[Binding, ...] = ()
    savings: tuple[Saving, ...] = ()
    offers: tuple[Offered, ...] = ()
    refused: tuple[Admission, ...] = ()
    out_of_time: tuple[str, ...] = ()  # what the limit left untried
    moving: tuple[Moving, ...] = ()  # inputs that move, where that was asked
    schedules: tuple[RuleInForce, ...] = ()  # rules of offers in time
    commitments: tuple[CommitmentUse, ...] = ()  # of the plan, which bind
    spills: tuple[FullMinutes, ...] = ()  # limits that spill
    origins: tuple[OriginWay, ...] = ()  # where each origin's work goes

    def as_dict(self) -> dict[str, Any]:
        """Machine output."""
        return {
            "name": self.name,
            "feasible": self.plan is not None,
            "cost_usd": None if self.plan is None else self.plan.cost_usd,
            "gap": None if self.plan is None else self.plan.gap,
            "why": self.why,
            "repairs": [
                {
                    "promise": one.promise,
                    "field": one.field,
                    "needed": one.needed,
                    "text": one.text,
                }
                for one in self.repairs
            ],
            "conflict": None
            if self.conflict is None
            else {
                "promises": [{"promise": one.name, "field": one.field} for one in self.conflict.promises],
                "proven_minimal": self.conflict.proven_minimal,
            },
            "binding": [asdict(binding) for binding in self.bindings],
            "commitments": [asdict(use) for use in self.commitments],
            "spills": [asdict(each) for each in self.spills],
            "origins": [asdict(way) for way in self.origins],
            "schedules": [asdict(rule) for rule in self.schedules],
            "savings": [asdict(saving) for saving in self.savings],
            "offers": [asdict(offer) for offer in self.offers],
            "refused": [asdict(route) for route in self.refused],
            "out_of_time": list(self.out_of_time),
            "moving": [moving.to_dict() for moving in self.moving],
        }


def _repair_of(mending: Mending) -> Repair:
    """Fields changed together, as one repair."""
    changes = mending.changes
    return Repair(
        promise="routes refused are admitted",
        field=" and ".join(change.text_path for change in changes),
        needed=changes[0].value if len(changes) == 1 else None,
        text=" and ".join(change.text for change in changes),
        size=mending.size,
        changes=changes,
    )


def _longer(repair: Repair, trials: Trials) -> Repair:
    """Where work would have to wait for longer, by how much; any other repair as it is."""
    for workload in trials.problem.workloads:
        if repair.field == f"workloads.{workload.name}.deferrable_h":
            change = long_enough(trials.problem, workload, trials)
            if change is not None:
                return replace(
                    repair, needed=change.value, text=change.text, size=change.size, changes=(change,)
                )
    return repair


def _tried(repair: Repair, trials: Trials, untried: list[str]) -> Repair:
    """The repair, or that its promise must go where its number, put into the file, is found not to do."""
    if not repair.changes:
        return _longer(repair, trials)
    works = trials(repair.changes)
    if works is None:
        untried.append(f"a try of {repair.text}")
    if works is not False:
        return repair
    if any(offer.spills for offer in trials.problem.offers) and "quota" in repair.changes[0].path:
        (change,) = repair.changes  # it is by the mean, and minutes bring more
        least = replace(change, value=max(change.value, change.was * FIRST_STEP))
        if (grown := least_multiple([least], trials, grows=True)) is not None:
            most = grown[0]
            return replace(repair, needed=most.value, text=most.text, size=most.size, changes=grown)
    return Repair(repair.promise, repair.field, None, f"without {repair.field}")


def in_order(found: Sequence[Repair]) -> tuple[Repair, ...]:
    """The smallest change of a number first, then what is left out; less service last of all."""
    return tuple(sorted(found, key=lambda repair: (repair.field.endswith(".demand"), repair.size)))


def explain(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
    most_offers: int = 20,
) -> Explanation:
    """Why no plan exists and what would make one possible; or what binds in the best, and what changes would save.

    problem       a `Problem`, or the path of its file
    solver        a name of `router solvers`
    options       as for `solve`; `time_limit_s`, in seconds, holds for all of it: what it left untried is listed
    scenario      the future to explain, needed where the problem has several
    most_offers   used and unused offers whose prices are looked into, so many of either

    Gives an `Explanation`. Without a plan: `repairs`, the smallest change first, each tried, and a `conflict`. With
    one: `bindings` with marginal prices and their ranges, `savings` in USD over the horizon, each the difference of two
    solved plans, and `offers` with the multiple of their prices at which they leave or enter, crossed by 0.1 %.

    Raises InputError, NoPlanInTime, SolverFailed.
    """
    watched = (options or SolveOptions()).begun()
    chosen = replace(watched, watch=None)  # who watches is told of the plan that is explained, not of others
    loaded = load(problem)
    inst = normalise(loaded, scenario_of(loaded, scenario))
    encoded = encode(inst)
    refused = tuple(admissions(loaded, refused_rows(encoded)))
    try:
        found = best_by_any_road(encoded, solver, watched.within(FOR_THE_PLAN))
        found = looked_at_again(loaded, encoded, found)
    except Infeasible as error:
        stated = promises(inst)
        questions = Questions(inst, solver, chosen.within(FOR_REPAIRS))
        trials = Trials(loaded, solver, chosen.within(FOR_FIELDS))
        untried = list[str]()
        by_fields = [_repair_of(mending) for mending in mendings(refused, trials)]
        mended = in_order(
            [*by_fields, *(_tried(repair, trials, untried) for repair in repairs(questions, stated))]
        )
        if not mended:
            search = Search(solver, chosen.within(FOR_COMBINED), scenario_of(loaded, scenario))
            combined = Trials(loaded, solver, search.options, MOST_COMBINED)
            several = together(loaded, stated, combined, search)
            mended = () if several is None else (several,)
            if combined.over:
                untried.append(MAY_STAY)
        contradiction = conflict(Questions(inst, solver, chosen), stated)
        return Explanation(
            loaded.name,
            None,
            str(error),
            mended,
            contradiction,
            refused=refused,
            out_of_time=(*questions.undecided, *untried),
        )
    plan, found = checked(encoded, found, lambda best: (publish(loaded, best), best))
    rest = Search(solver, chosen.within(FOR_QUESTIONS), scenario_of(loaded, scenario))
    reached = bindings(found, rest.within(FOR_RANGES).options)
    full = full_minutes(found)
    every = candidates(loaded, plan, [*reached, *limits_by_the_minute(inst, full)], promises(inst))
    saved, untried = savings(loaded, plan, every, rest.within(FOR_SAVINGS))
    offers, undecided = thresholds(loaded, found, rest, most_offers)
    return Explanation(
        name=loaded.name,
        plan=plan,
        why=None,
        bindings=tuple(reached),
        commitments=commitment_uses(plan, worth_of_more(found)),
        schedules=rules_of_schedules(loaded),
        spills=full,
        origins=origin_ways(found),
        savings=tuple(saved),
        offers=tuple(offers),
        refused=refused,
        out_of_time=(*untried, *undecided),
    )
