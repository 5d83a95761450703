"""Scheduled re-optimisation: one bounded, idempotent run from the running plan.

    key       content hash of the inputs; those of the running plan give no new plan
    go on     the running plan under the new data: its cost, or which promises it breaks
    free      the best plan if change were free: no plan can gain more
    change    the best plan with churn priced and limited, started from the running one
    taken     if the running plan is broken, or cost(go on) − cost(change, churn included) > min_gain_usd

Contracts and terms that earlier plans signed are sunk, and instances that run need no start: in all three.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from router.loading.fingerprint import problem_sha256, problem_sha256_v1
from router.plan.document import Plan
from router.plan.proof import Proof
from router.plan.running import Break, Reoptimised, Replaced, Running
from router.planning.doubts.second_look import is_small, unconfirmed
from router.planning.proving import with_proof
from router.planning.publish import options_of, publish
from router.planning.solve import Search, checked, planned, scenario_of
from router.planning.two_steps import Incumbent
from router.reoptimisation.running import stored_problem
from router.reoptimisation.searches import Say, Searches, changed_by
from router.schema import Problem
from router.store import Entry, Outcome
from router.traces import recorded
from solvers import SolveOptions

if TYPE_CHECKING:
    from router.store.history import Store

SAME_USD, SAME = 1e-6, 1e-9  # gains below this are arithmetic
LEASE_S = 600.0
OPTIONS_V1 = frozenset(
    ("gap", "time_limit_s", "threads", "seed", "relax", "primal_tolerance", "dual_tolerance", "native")
)


@dataclass(frozen=True)
class Result:
    """What a run did. `plan` is the one in force now, number `id` in the store.

    outcome            first | same inputs | kept | cheaper | repair
    running_usd        the running plan under the new data; null: there was none, or it is broken
    unconstrained_usd  the best plan if change were free
    best_usd           the best plan with churn, churn included; null: not looked for, nothing could be gained
    gain_usd           running_usd − best_usd
    """

    outcome: str
    run_key: str
    id: int
    plan: Plan
    running_id: int | None = None
    running_usd: float | None = None
    unconstrained_usd: float | None = None
    best_usd: float | None = None
    gain_usd: float | None = None
    churn_usd: float | None = None
    moved_share: float | None = None
    resized: float | None = None
    broken: tuple[Break, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    unread: tuple[int, ...] = ()  # newer plans that do not read back whole

    @property
    def changed(self) -> bool:
        """A new plan is in force."""
        return self.outcome in ("first", "cheaper", "repair")


def reoptimise(
    problem: Problem,
    store: Store,
    search: Search,
    *,
    lease_s: float = LEASE_S,
    say: Say = lambda *_, **__: None,
) -> Result:
    """One run. Raises LockHeld where another is at work, and all that planning raises: the running plan then stays."""
    search = replace(search.begun(), scenario=scenario_of(problem, search.scenario))
    key = run_key(problem, search)
    with store.lease(problem.name, lease_s) as lease:
        entry = store.running(problem.name)
        unread = tuple(store.skipped)
        notes = tuple(
            f"plan {number} does not read back whole ({why}): what it signed, started or moved is not known"
            for number, why in store.skipped.items()
        )
        for number, note in zip(unread, notes, strict=True):
            say("damaged plan skipped", level="warning", id=number, note=note)
        if entry is not None and entry.run_key in (key, run_key_v1(problem, search)):
            same = Result("same inputs", entry.run_key, entry.id, entry.plan, running_id=entry.id)
            return replace(same, notes=notes, unread=unread)
        result = _first(problem, search, key) if entry is None else _again(problem, entry, search, key, say)
        result = replace(result, unread=unread, notes=(*notes, *result.notes))
        if not result.changed:
            return result
        result = replace(result, plan=replace(result.plan, notes=(*notes, *result.plan.notes)))
        stored = stored_problem(recorded(problem).problem)
        outcome = Outcome(
            key, result.outcome, result.running_usd, result.unconstrained_usd, result.moved_share
        )
        number = store.publish(lease, result.plan, stored, outcome)
        say("plan published", id=number, reason=result.outcome, cost_usd=result.plan.cost_usd)
        return replace(result, id=number)


def _first(problem: Problem, search: Search, key: str) -> Result:
    """Nothing runs yet: the best plan."""
    plan = replace(planned(problem, search), reoptimise=Reoptimised("first", key))
    return Result("first", key, 0, plan, unconstrained_usd=plan.cost_usd, best_usd=plan.cost_usd)


def _again(problem: Problem, entry: Entry, search: Search, key: str, say: Say) -> Result:
    """From the plan in force: it stays unless it is broken, or a change pays."""
    searches = Searches(problem, entry, search, say)
    going = searches.go_on()
    free = searches.free()
    result = Result(
        "kept",
        key,
        entry.id,
        entry.plan,
        running_id=entry.id,
        running_usd=going.cost_usd,
        unconstrained_usd=None if free is None else free.decoded.cost_usd,
        broken=going.broken,
        notes=tuple(searches.notes),
        seconds=searches.seconds,
    )
    least_usd = _least_usd(problem)
    if (
        going.cost_usd is not None
        and free is not None
        and not pays(going.cost_usd, free.bound, least_usd)
        and not unconfirmed(free)  # else what the search stated is not taken for the least
    ):
        return result
    best, running = searches.change(going, free)
    proof = None
    if going.cost_usd is None or is_small(best) or pays(going.cost_usd, best.decoded.cost_usd, least_usd):
        with searches.timed("proof"):  # it may meet a cheaper plan
            best, proof = with_proof(problem, best.encoded, best, running)

    def taken(other: Incumbent) -> Result:
        return _taken(searches, entry, result, other, (running, proof if other is best else None))

    return checked(best.encoded, best, taken)


def _taken(
    searches: Searches, entry: Entry, result: Result, best: Incumbent, beside: tuple[Running, Proof | None]
) -> Result:
    """The plan in force kept, or the best one. Raises CertificateFailed where that does not pass its check."""
    problem, before_usd, (running, proof) = searches.problem, result.running_usd, beside
    cost_usd, (moved, resized) = best.decoded.cost_usd, changed_by(best)
    result = replace(
        result,
        best_usd=cost_usd,
        gain_usd=None if before_usd is None else before_usd - cost_usd,
        churn_usd=best.decoded.churn_usd,
        moved_share=moved,
        resized=resized,
        notes=tuple(searches.notes),
    )
    if before_usd is not None and not pays(before_usd, cost_usd, _least_usd(problem)):
        return result
    why = Reoptimised(
        reason="repair" if result.broken else "cheaper",
        run_key=result.run_key,
        replaces=Replaced(entry.id, entry.plan.created, entry.run_key),
        running_usd=result.running_usd,
        unconstrained_usd=result.unconstrained_usd,
        gain_usd=result.gain_usd,
        churn_usd=result.churn_usd,
        moved_share=moved,
        resized=resized,
        broken=result.broken,
    )
    with searches.timed("check"):
        plan = publish(problem, best, running=running, reoptimise=why, proof=proof)
    return replace(result, outcome=why.reason, plan=replace(plan, notes=(*plan.notes, *searches.notes)))


def _least_usd(problem: Problem) -> float:
    return problem.reoptimise.min_gain_usd if problem.reoptimise else 0.0


def pays(before_usd: float, after_usd: float, least_usd: float) -> bool:
    """The gain is more than asked, beyond arithmetic."""
    return before_usd - after_usd > least_usd + SAME_USD + SAME * abs(before_usd)


def run_key(problem: Problem, search: Search) -> str:
    """Content hash of what decides a run: the problem, in whatever order it is written, and how it is solved.

    Options count where they are not at their default, so that a later release may add some.
    """
    return _key(problem_sha256(problem), search, _not_default(search.options))


def run_key_v1(problem: Problem, search: Search) -> str | None:
    """The key as release 0.1.0 made it, all its options written out; None for what it could not have been asked."""
    sha256, options = problem_sha256_v1(problem), options_of(search.options)
    if sha256 is None or _not_default(search.options).keys() - OPTIONS_V1:
        return None
    return _key(sha256, search, {name: value for name, value in options.items() if name in OPTIONS_V1})


def _key(sha256: str, search: Search, options: Mapping[str, Any]) -> str:
    content = {"problem": sha256, "solver": search.solver, "options": options, "scenario": search.scenario}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _not_default(options: SolveOptions) -> dict[str, Any]:
    usual = type(options)()
    asked = [item.name for item in fields(options) if item.compare and item.name != "log"]
    stated = {name: getattr(options, name) for name in asked}
    stated["native"] = dict(options.native)
    return {name: value for name, value in stated.items() if value != getattr(usual, name)}
