"""One step of the replay: plan again or go on, then meet the demand that really came.

going on   the plan in force under the new forecast: its cost, or none where it breaks a promise
change     the best plan with change priced and limited, as `router.reoptimisation.run` looks for it
taken      if going on breaks a promise, or the gain is above min_gain_usd
then       counts stay as planned; each route carries its share of what came, as far as capacity reaches; the rest
           goes where room is left or to whoever sells by the token, at its price; what nobody can take is lost;
               limits on provider shares and min_providers bind plans, not overflow: serving comes first
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import encode
from problems.core.instance import Instance
from router.backtesting.actual import Actual
from router.backtesting.bought import Bought, beside_terms, bought, decision_for, under_term
from router.backtesting.carried import Carried
from router.backtesting.frame import LARGE, Frame, InForce, Rules
from router.errors import Infeasible, NoPlanInTime
from router.normalise import normalise
from router.normalise.running import running_arrays
from router.plan.document import Plan
from router.plan.running import Break, Reoptimised, Running, RunningCount
from router.planning.promises import for_one_offer
from router.planning.publish import publish
from router.planning.solve import Search, checked
from router.planning.two_steps import Incumbent
from router.reoptimisation.run import pays
from router.reoptimisation.searches import changed_by
from router.schema import Problem


@dataclass(frozen=True)
class Step:
    """What a step decided. `taken`: first | cheaper | repair | kept | no plan."""

    period: int
    taken: str
    going_usd: float | None = None  # over the frame, under the forecast
    best_usd: float | None = None
    churn_usd: float = 0.0
    moved_share: float = 0.0
    resized: float = 0.0


class Replay:
    """The state of a replay between steps."""

    def __init__(self, rules: Rules, search: Search) -> None:
        self.rules, self.search = rules, search
        problem = rules.record.problem
        self.actual = Actual.empty(problem, rules.record.periods)
        self.priced = tuple(load.unserved_usd_per_m_tokens is not None for load in problem.workloads)
        self.force: InForce | None = None
        self.decided: Bought | None = None
        self.carried: Carried | None = None
        self.steps: list[Step] = []

    def plan(self, frame: Frame, ahead: Floats) -> None:
        """Decide, from (W, end − now) requests expected."""
        if self.force is None:
            self._first(frame, ahead)
        else:
            self.steps.append(self._again(self.force, frame, ahead))

    def _first(self, frame: Frame, ahead: Floats) -> None:
        problem = self.rules.planning(frame, self.rules.requests(frame, self.actual, ahead), self.carried)
        encoded = encode(normalise(problem))
        incumbent = self.search.best(encoded)
        plan, incumbent = checked(encoded, incumbent, lambda best: (publish(problem, best), best))
        self._enforce(problem, incumbent, plan)
        if self.rules.carries and self.force is not None:
            record = self.rules.record
            self.carried = Carried.of(record.part(0, record.actual), self.force.plan)
        self.steps.append(Step(frame.now, "first"))

    def _enforce(self, problem: Problem, incumbent: Incumbent, plan: Plan) -> None:
        self.force = InForce(plan, problem)
        if self.rules.spanning:
            new = bought(incumbent.encoded, incumbent.decoded.settled.point)
            old = self.decided
            self.decided = (
                new
                if old is None
                else Bought(
                    {**old.signed, **new.signed}, new.active, new.ahead, {**old.terms, **new.terms}, new.hosts
                )
            )

    def _again(self, force: InForce, frame: Frame, ahead: Floats) -> Step:
        requests = self.rules.requests(frame, self.actual, ahead)
        problem = self.rules.planning(frame, requests, self.carried)
        inst = normalise(problem)
        running = self._running(frame, inst, problem, force)
        going = self._going(problem, inst, running)
        try:
            problem, running, incumbent = self._change(frame, requests, problem, inst, running, going is None)
        except (Infeasible, NoPlanInTime):
            return Step(frame.now, "no plan", going_usd=going)
        return checked(
            incumbent.encoded, incumbent, lambda best: self._taken(frame, problem, running, going, best)
        )

    def _taken(
        self, frame: Frame, problem: Problem, running: Running, going: float | None, incumbent: Incumbent
    ) -> Step:
        decoded = incumbent.decoded
        known = Step(frame.now, "kept", going_usd=going, best_usd=decoded.cost_usd)
        if going is not None and not self._pays(going, decoded.cost_usd):
            return known
        moved, resized = changed_by(incumbent)
        churn_usd = decoded.churn_usd
        broken = (Break("limits", "its promises under the forecast", 1.0),)
        why = Reoptimised(
            reason="repair" if going is None else "cheaper",
            running_usd=going,
            gain_usd=None if going is None else going - decoded.cost_usd,
            churn_usd=churn_usd,
            moved_share=moved,
            resized=resized,
            broken=broken if going is None else (),
        )
        plan = publish(problem, incumbent, running=running, reoptimise=why)
        self._enforce(problem, incumbent, plan)
        return replace(known, taken=why.reason, churn_usd=churn_usd, moved_share=moved, resized=resized)

    def _pays(self, before: float, after: float) -> bool:
        change = self.rules.record.problem.reoptimise
        least = change.min_gain_usd if change is not None else 0.0
        solved_to = self.search.options.gap * abs(before)  # a gain within the gap asked for may be none
        return pays(before, after, least + solved_to)

    def _running(self, frame: Frame, inst: Instance, problem: Problem, force: InForce) -> Running:
        freeze = problem.reoptimise.freeze_h if problem.reoptimise else 0.0
        running = self.rules.running(frame, inst, problem, force, self.actual, freeze)
        if self.decided is None:
            return running
        termed = under_term(inst, self.decided)  # a term that ends takes its instances with it
        counts = [row for row in running.counts if ((row.offer, row.model), row.period) not in termed]
        counts += [RunningCount(*pool, t, count) for (pool, t), count in termed.items() if count > 0]
        return replace(running, counts=tuple(counts))

    def _going(self, problem: Problem, inst: Instance, running: Running) -> float | None:
        arrays = replace(running_arrays(problem, inst, running), goes_on=True)
        try:
            incumbent = self._optimise(replace(inst, running=arrays), np.inf)
        except (Infeasible, NoPlanInTime):
            return None
        return incumbent.decoded.cost_usd

    def _change(
        self,
        frame: Frame,
        requests: Floats,
        problem: Problem,
        inst: Instance,
        running: Running,
        broken: bool,
    ) -> tuple[Problem, Running, Incumbent]:
        """The best change; a frozen time in which the running plan is broken thaws, as in the job."""
        open_from = frame.past * self.rules.record.period_h
        try:
            arrays = running_arrays(problem, inst, running)
            return problem, running, self._optimise(replace(inst, running=arrays), open_from)
        except Infeasible:
            if not broken or running.freeze_h <= open_from:
                raise
        problem = self.rules.planning(frame, requests, self.carried, thawed=True)
        running = replace(running, freeze_h=open_from)
        arrays = running_arrays(problem, inst, running)
        return problem, running, self._optimise(replace(inst, running=arrays), open_from)

    def _optimise(self, inst: Instance, open_from_h: float) -> Incumbent:
        fixed = None if self.decided is None else decision_for(inst, self.decided, open_from_h)
        return self.search.best(encode(inst), fixed=fixed)

    def meet(self, frame: Frame, arrived: Floats, ahead: Floats) -> None:
        """The demand that came, (W, commit − now), on the plan in force; `ahead` is what is expected after it."""
        if self.force is None:
            raise ValueError("nothing is in force yet")
        if not self.rules.spanning:
            frame, ahead = replace(frame, end=frame.commit), ahead[:, :0]
        coming = np.concatenate([arrived, ahead], axis=1)
        requests = self.rules.requests(frame, self.actual, coming)
        problem = self.rules.running_down(frame, requests, self.carried)
        incumbent, running = self._settled(frame, for_one_offer(problem), self.force)
        span = range(frame.now, frame.commit)
        if self.carried is not None:
            self.carried.add(incumbent, frame.first, span)
        self.actual.add(incumbent.decoded, frame.first, span, self.priced, list(running.shares))

    def _settled(self, frame: Frame, problem: Problem, force: InForce) -> tuple[Incumbent, Running]:
        inst = normalise(problem)
        weight = inst.time.weight.copy()
        weight[: frame.past] *= LARGE  # what is over is not lost afterwards to make room
        inst = replace(inst, time=replace(inst.time, weight=weight))
        running = self._running(frame, inst, problem, force)
        if self.decided is not None and len(inst.groups.names) and inst.fleets.pools:
            termed = under_term(inst, self.decided)
            running = replace(running, counts=beside_terms(inst, running.counts, termed, frame.past))
        arrays = running_arrays(problem, inst, running)
        arrays = replace(arrays, counts_stay=np.ones(len(inst.offers.names), dtype=np.bool_))
        incumbent = self._optimise(replace(inst, running=arrays), np.inf)
        return incumbent, running
