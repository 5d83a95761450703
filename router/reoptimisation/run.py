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
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from problems.core.encode import Encoded, encode
from problems.core.instance import Instance
from router.errors import Infeasible, NoPlanInTime
from router.loading.fingerprint import problem_sha256, problem_sha256_v1
from router.normalise import normalise
from router.normalise.running import running_arrays
from router.plan.document import Plan
from router.plan.running import Break, Reoptimised, Replaced, Running
from router.planning.decode import decode
from router.planning.optimise import Incumbent, optimise
from router.planning.publish import options_of, publish
from router.planning.solve import planned, scenario_of
from router.reoptimisation.breaks import breaks
from router.reoptimisation.running import Alignment, horizon_of, laid_on, sunk, with_sunk
from router.schema import Problem
from router.store import Entry, Outcome
from router.traces import recorded
from solvers import SolveOptions

if TYPE_CHECKING:
    from router.store.history import Store

FREE: Mapping[str, Any] = {
    "move_usd_per_token": 0.0,
    "resize_usd": 0.0,
    "max_moved_share": float("inf"),
    "freeze_h": 0.0,
}
SAME_USD, SAME = 1e-6, 1e-9  # gains below this are arithmetic
LEASE_S = 600.0
OPTIONS_V1 = frozenset(
    ("gap", "time_limit_s", "threads", "seed", "relax", "primal_tolerance", "dual_tolerance", "native")
)

Say = Callable[..., None]


@dataclass(frozen=True)
class Search:
    """How plans are looked for; part of the run key."""

    solver: str
    options: SolveOptions
    scenario: str | None = None


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

    @property
    def changed(self) -> bool:
        """A new plan is in force."""
        return self.outcome in ("first", "cheaper", "repair")


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
    stated = {item.name: getattr(options, item.name) for item in fields(options) if item.name != "log"}
    stated["native"] = dict(options.native)
    return {name: value for name, value in stated.items() if value != getattr(usual, name)}


def reoptimise(
    problem: Problem,
    store: Store,
    search: Search,
    *,
    lease_s: float = LEASE_S,
    say: Say = lambda *_, **__: None,
) -> Result:
    """One run. Raises LockHeld where another is at work, and all that planning raises: the running plan then stays."""
    search = replace(search, scenario=scenario_of(problem, search.scenario))
    key = run_key(problem, search)
    with store.lease(problem.name, lease_s) as lease:
        entry = store.running(problem.name)
        for number in store.skipped:
            say("damaged plan skipped", id=number)
        if entry is not None and entry.run_key in (key, run_key_v1(problem, search)):
            return Result("same inputs", entry.run_key, entry.id, entry.plan, running_id=entry.id)
        result = _first(problem, search, key) if entry is None else _again(problem, entry, search, key, say)
        if not result.changed:
            return result
        stored = recorded(problem).problem.model_dump(mode="json", by_alias=True, exclude_none=True)
        outcome = Outcome(
            key, result.outcome, result.running_usd, result.unconstrained_usd, result.moved_share
        )
        number = store.publish(lease, result.plan, stored, outcome)
        say("plan published", id=number, reason=result.outcome, cost_usd=result.plan.cost_usd)
        return replace(result, id=number)


def _first(problem: Problem, search: Search, key: str) -> Result:
    """Nothing runs yet: the best plan."""
    plan = planned(problem, search.solver, search.options, search.scenario)
    plan = replace(plan, reoptimise=Reoptimised("first", key))
    return Result("first", key, 0, plan, unconstrained_usd=plan.cost_usd, best_usd=plan.cost_usd)


def _again(problem: Problem, entry: Entry, search: Search, key: str, say: Say) -> Result:
    run = _Run(problem, entry, search, say)
    going = run.go_on()
    free = run.free()
    unconstrained = None if free is None else decode(free.encoded, free.point).cost_usd
    known = Result(
        "kept",
        key,
        entry.id,
        entry.plan,
        running_id=entry.id,
        running_usd=going.cost_usd,
        unconstrained_usd=unconstrained,
        broken=going.broken,
    )
    least_gain = problem.reoptimise.min_gain_usd if problem.reoptimise else 0.0
    if going.cost_usd is not None and free is not None and not _pays(going.cost_usd, free.bound, least_gain):
        return replace(known, seconds=run.seconds, notes=tuple(run.notes))
    found, running = run.change(going, free)
    decoded = decode(found.encoded, found.point)
    gain = None if going.cost_usd is None else going.cost_usd - decoded.cost_usd
    moved, resized = changed_by(found, running)
    churn = sum(line.usd for line in decoded.cost_lines if line.kind == "churn")
    known = replace(
        known,
        best_usd=decoded.cost_usd,
        gain_usd=gain,
        churn_usd=churn,
        moved_share=moved,
        resized=resized,
        notes=tuple(run.notes),
    )
    if going.cost_usd is not None and not _pays(going.cost_usd, decoded.cost_usd, least_gain):
        return replace(known, seconds=run.seconds)
    why = Reoptimised(
        reason="repair" if going.broken else "cheaper",
        run_key=key,
        replaces=Replaced(entry.id, entry.plan.created, entry.run_key),
        running_usd=going.cost_usd,
        unconstrained_usd=unconstrained,
        gain_usd=gain,
        churn_usd=churn,
        moved_share=moved,
        resized=resized,
        broken=going.broken,
    )
    with run.timed("check"):
        plan = publish(problem, found.encoded, found, running=running, reoptimise=why)
    plan = replace(plan, notes=(*plan.notes, *run.notes))
    return replace(known, outcome=why.reason, plan=plan, seconds=run.seconds)


def _pays(before: float, after: float, least_gain: float) -> bool:
    """The gain is more than asked, beyond arithmetic."""
    return before - after > least_gain + SAME_USD + SAME * abs(before)


def changed_by(found: Incumbent, running: Running) -> tuple[float, float]:
    """(share of all tokens that moves, Σ over periods of instances more or less than run)."""
    from problems.churn import moved_share, resized_count

    view, cols = found.encoded.views[0], found.encoded.columns[0]
    point = decode(found.encoded, found.point).settled.point
    return moved_share(view, cols, point), resized_count(cols, point)


@dataclass(frozen=True)
class GoingOn:
    """The running plan under the new data."""

    cost_usd: float | None
    broken: tuple[Break, ...]
    found: Incumbent | None


class _Run:
    """The searches of one run, over the same instance."""

    def __init__(self, problem: Problem, entry: Entry, search: Search, say: Say) -> None:
        self.problem, self.search, self.say = problem, search, say
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []
        read = recorded(problem).problem
        before = read.model_copy(update={"horizon": horizon_of(entry)})
        self.align = Alignment(before, read)
        contracts = sunk(entry.plan, self.align, read)
        self.sunk = with_sunk(read, contracts)
        self.entry = entry
        self.inst = normalise(self.sunk, search.scenario)
        freeze = problem.reoptimise.freeze_h if problem.reoptimise else 0.0
        self.running = laid_on(entry.plan, self.align, self.inst, freeze)
        self._note_gone()

    def instance(self, running: Running, **modes: Any) -> Instance:
        arrays = running_arrays(self.sunk, self.inst, running)
        return replace(self.inst, running=replace(arrays, **modes))

    def timed(self, stage: str) -> _Timer:
        return _Timer(stage, self.seconds)

    def go_on(self) -> GoingOn:
        """What it costs to leave shares and counts as they are; all else is settled at least cost."""
        encoded = encode(self.instance(self.running, goes_on=True))
        with self.timed("go on"):
            try:
                found = optimise(encoded, self.search.solver, self.search.options)
            except Infeasible:
                why = breaks(self.problem, encoded, self.running)
                self.say("running plan is broken", promises=why)
                return GoingOn(None, why, None)
        cost = decode(found.encoded, found.point).cost_usd
        self.say("running plan priced", cost_usd=cost)
        return GoingOn(cost, (), found)

    def free(self) -> Incumbent | None:
        """The best plan if change were free; None where none was found in time.

        Change is measured all the same, so that the plan can be a start for the search that prices it.
        """
        encoded = encode(self.instance(self.running, **FREE, **self._no_pins()))
        with self.timed("free"):
            try:
                found = optimise(encoded, self.search.solver, self.search.options)
            except NoPlanInTime:
                self.notes.append("no plan without limits on change was found in time")
                return None
        self.say("best plan if change were free", bound_usd=found.bound)
        return found

    def _no_pins(self) -> dict[str, Any]:
        inst = self.inst
        return {
            "stays": np.zeros((len(inst.workloads.names), len(inst.offers.names)), dtype=np.bool_),
            "counts_stay": np.zeros(len(inst.offers.names), dtype=np.bool_),
        }

    def change(self, going: GoingOn, free: Incumbent | None = None) -> tuple[Incumbent, Running]:
        """The best plan with churn, started from going on, or where that is broken from the best if change were free.

        A frozen time in which the running plan is broken thaws; caps and pins do not.
        """
        start = None
        if going.found is not None:
            start = going.found.point
        elif free is not None:
            start = decode(free.encoded, free.point).settled.point
        with self.timed("change"):
            try:
                return self._change(self.running, start), self.running
            except Infeasible as error:
                if not going.broken or self.running.freeze_h == 0:
                    raise self._told(error, going) from error
            thawed = replace(self.running, freeze_h=0.0)
            try:
                found = self._change(thawed, start)
            except Infeasible as error:
                raise self._told(error, going) from error
        self.notes.append(
            "freeze_h gave way: the running plan breaks a promise there, and nothing else repairs it"
        )
        return found, thawed

    def _change(self, running: Running, start: Any) -> Incumbent:
        encoded: Encoded = encode(self.instance(running))
        found = optimise(encoded, self.search.solver, self.search.options, start)
        self.say("best plan with change priced", bound_usd=found.bound)
        return found

    def _told(self, error: Infeasible, going: GoingOn) -> Infeasible:
        """The running plan stays although it is broken, because change is limited."""
        if not going.broken:
            return error
        lines = [f"{error}", "  The running plan stays, and breaks promises under the new data:"]
        lines += [f"    {one}" for one in going.broken]
        change = self.problem.reoptimise
        if change is not None and (change.max_moved_share is not None or change.pins):
            lines.append(
                "  reoptimise.max_moved_share and reoptimise.pins limit what may change to repair them."
            )
        return Infeasible("\n".join(lines))

    def _note_gone(self) -> None:
        """Contracts that are still due with offers that the problem no longer has."""
        ours = {offer.name for offer in self.problem.offers}
        gone = sorted({row.offer for row in self.entry.plan.contracts} - ours)
        if gone:
            self.notes.append(f"signed by an earlier plan and no longer in the problem: {', '.join(gone)}")


class _Timer:
    def __init__(self, stage: str, into: dict[str, float]) -> None:
        self.stage, self.into = stage, into

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.into[self.stage] = time.perf_counter() - self.began
