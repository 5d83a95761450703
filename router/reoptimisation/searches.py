"""The three searches of one run over the same instance: go on as it runs, change for nothing, change at its price."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from problems.churn import moved_share, resized_count
from problems.core.arrays import Floats
from problems.core.encode import Encoded, encode
from problems.core.instance import Instance
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.normalise import normalise
from router.normalise.running import running_arrays
from router.normalise.spilling import with_spilling
from router.plan.running import Break, Running
from router.planning.fixed import Fixed
from router.planning.solve import Search
from router.planning.two_steps import Incumbent, finished
from router.planning.waits.tighten import short_of_capacity
from router.reoptimisation.alignment import Alignment
from router.reoptimisation.allowances import notes_on_allowances, taken, with_taken
from router.reoptimisation.breaks import breaks
from router.reoptimisation.credits import notes_on_credits, spent, with_spent
from router.reoptimisation.running import bought_before, horizon_of, laid_on, problem_of
from router.reoptimisation.standing import Uses
from router.reoptimisation.sunk import notes_on, sunk, with_sunk
from router.schema import Problem
from router.store import Entry
from router.traces import recorded
from solvers import Solution, Stop, clock_s, is_feasible

FREE: Mapping[str, Any] = {
    "move_usd_per_token": 0.0,
    "resize_usd": 0.0,
    "max_moved_share": float("inf"),
    "freeze_h": 0.0,
}

Say = Callable[..., None]
HALF = 0.5  # of the time left, for each search but the last
NEAR = 1e-6  # how well a point keeps to rows from which its flows are chosen again


@dataclass(frozen=True)
class GoingOn:
    """The running plan under the new data: priced, or the promises that it breaks."""

    broken: tuple[Break, ...] = ()
    incumbent: Incumbent | None = None

    @property
    def cost_usd(self) -> float | None:
        """None where it is broken."""
        return None if self.incumbent is None else self.incumbent.decoded.cost_usd


class Searches:
    """Of one run from the plan in force; notes and seconds gather as they are made."""

    def __init__(self, problem: Problem, entry: Entry, search: Search, say: Say) -> None:
        self.problem, self.search, self.say = problem, search, say
        self.seconds: dict[str, float] = {}
        self.notes: list[str] = []
        counted = recorded(problem).problem
        align = Alignment(counted.model_copy(update={"horizon": horizon_of(entry)}), counted)
        uses = Uses(lambda: normalise(counted, search.scenario), problem_of(entry), search.scenario)
        contracts = sunk(entry.plan, align, uses)
        self.notes += notes_on(contracts, align, uses)
        used = spent(entry.plan, align, uses.problem)
        self.notes += notes_on_credits(entry.plan, align, uses.problem, used)
        allowances = taken(entry.plan, align, uses.problem)
        self.notes += notes_on_allowances(allowances, align)
        self.sunk = with_taken(with_spent(with_sunk(counted, contracts), used), allowances)
        self.inst = with_spilling(problem, normalise(self.sunk, search.scenario))  # minutes are of the traces
        freeze_h = problem.reoptimise.freeze_h if problem.reoptimise else 0.0
        laid = laid_on(entry.plan, uses.problem, align, self.inst, freeze_h, contracts)
        self.running = replace(laid, credits=used, allowances=allowances)
        gone = {row.seller for row in entry.plan.contracts} - {offer.name for offer in problem.sellers}
        if gone:
            names = ", ".join(sorted(gone))
            self.notes.append(f"signed by an earlier plan and no longer in the problem: {names}")
        carried = {(row.offer, row.end_h) for row in laid.purchases}
        for row in bought_before(entry.plan, align):
            if (row.offer, row.end_h) not in carried:
                self.notes.append(
                    f"{row.count:g} instances of {row.offer}, bought for a term by an earlier plan, are owed for "
                    f"another {row.end_h:g} h and not counted: the problem no longer has them so"
                )

    def go_on(self) -> GoingOn:
        """What it costs to leave shares and counts as they are; all else is settled at least cost."""
        encoded = encode(self._instance(self.running, goes_on=True))
        with self.timed("go on"):
            try:
                going = GoingOn(incumbent=self.search.within(HALF).best(encoded))
            except Infeasible:
                broken = breaks(self.problem, encoded, self.running)
                self.say("running plan is broken", promises=broken)
                return GoingOn(broken)
        self.say("running plan priced", cost_usd=going.cost_usd)
        return going

    def free(self) -> Incumbent | None:
        """The best plan if change were free; None where none was found in time.

        Change is measured all the same, so that the plan can be a start for the search that prices it.
        """
        workloads, offers = len(self.inst.workloads.names), len(self.inst.offers.names)
        no_pins = {
            "stays": np.zeros((workloads, offers), dtype=bool),
            "counts_stay": np.zeros(offers, dtype=bool),
        }
        with self.timed("free"):
            try:
                best = self.search.within(HALF).best(encode(self._instance(self.running, **FREE, **no_pins)))
            except NoPlanInTime:
                self.notes.append("no plan without limits on change was found in time")
                return None
        self.say("best plan if change were free", bound_usd=best.bound)
        return best

    def change(self, going: GoingOn, free: Incumbent | None = None) -> tuple[Incumbent, Running]:
        """The best plan with churn, started from going on, or where that is broken from the best if change were free.

        The latter itself where all its change costs no more than the gap asked for. A frozen time in which the running
        plan is broken thaws; caps and pins do not.
        """
        start = None if free is None else free.decoded.settled.point
        if going.incumbent is not None:
            start = going.incumbent.point
        with self.timed("change"):
            try:
                return self._change(self.running, start, free), self.running
            except Infeasible as error:
                if not going.broken or self.running.freeze_h == 0:
                    raise self._stuck(error, going) from error
            thawed = replace(self.running, freeze_h=0.0)
            try:
                best = self._change(thawed, start, free)
            except Infeasible as error:
                raise self._stuck(error, going) from error
        self.notes.append(
            "freeze_h gave way: the running plan breaks a promise there, and nothing else repairs it"
        )
        return best, thawed

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Seconds of a stage, however it ends."""
        began = clock_s()
        try:
            yield
        finally:
            self.seconds[stage] = clock_s() - began

    def _instance(self, running: Running, **modes: Any) -> Instance:
        return replace(self.inst, running=replace(running_arrays(self.sunk, self.inst, running), **modes))

    def _change(self, running: Running, start: Floats | None, free: Incumbent | None) -> Incumbent:
        encoded = encode(self._instance(running))
        best = None if free is None else self._near_enough(encoded, free)
        best = best or self.search.best(encoded, start)
        self.say("best plan with change priced", bound_usd=best.bound)
        return best

    def _near_enough(self, encoded: Encoded, free: Incumbent) -> Incumbent | None:
        """The best plan if change were free, where its change is allowed and costs no more than the gap asked for."""
        if encoded.instance.spilling is not None:  # what minutes refuse is not in the rows
            return None
        program, point, options = encoded.program, free.decoded.settled.point, self.search.options
        usd = program.objective(point)
        if usd - free.bound > options.gap * abs(usd) or not is_feasible(program, point, tolerance=NEAR):
            return None
        first = Solution(Stop.OPTIMAL, point, usd, free.bound)
        try:
            best = finished(encoded, first, (self.search.solver, options), Fixed(), 0.0)
        except (SolverFailed, NoPlanInTime):
            return None
        return None if short_of_capacity(best.encoded, best.point) else best

    def _stuck(self, error: Infeasible, going: GoingOn) -> Infeasible:
        """The running plan stays although it is broken, because change is limited."""
        if not going.broken:
            return error
        lines = [f"{error}", "  The running plan stays, and breaks promises under the new data:"]
        lines += [f"    {broken}" for broken in going.broken]
        change = self.problem.reoptimise
        if change is not None and (change.max_moved_share is not None or change.pins):
            lines.append(
                "  reoptimise.max_moved_share and reoptimise.pins limit what may change to repair them."
            )
        return Infeasible("\n".join(lines))


def changed_by(best: Incumbent) -> tuple[float, float]:
    """(share of all tokens that moves, Σ over periods of instances more or less than run)."""
    view, cols = best.encoded.views[0], best.encoded.columns[0]
    point = best.decoded.settled.point
    return moved_share(view, cols, point), resized_count(cols, point)
