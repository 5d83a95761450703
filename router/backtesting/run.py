"""The replay from its first period to its last, and what it is measured against.

backtest(problem, Settings(forecast="same-hour-yesterday"), search)

regret         cost of the replay − cost of the hindsight plan, both for the work that was served
staying put    the first plan kept throughout, beyond its end as the same clock time of its last day
single offer   the cheapest one that could have served everything alone
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.costs import UNSERVED
from problems.core.encode import encode
from router.backtesting.actual import LEEWAY, part_of_row, parts_of
from router.backtesting.bought import decision_for
from router.backtesting.foresight import Method, expected, least_history
from router.backtesting.frame import Rules, rules_of, tokens_of
from router.backtesting.record import DemandHistory, record_of
from router.backtesting.result import Backtest, Execution, Hindsight
from router.backtesting.series import series
from router.backtesting.step import Replay
from router.comparison import compare
from router.errors import Infeasible, InputError, Issue, NoPlanInTime
from router.normalise import normalise
from router.normalise.recipes import part_name
from router.normalise.running import running_arrays
from router.plan.document import Plan
from router.plan.rows import usd_of
from router.plan.running import Running
from router.planning.promises import as_settled, for_one_offer
from router.planning.solve import Search, best_plan
from router.schema import Problem
from router.traces.forecast import DAY_H
from solvers import clock_s

STEP_S, STEP_GAP = 5.0, 1e-3  # most time and least gap of a step's searches; hindsight has what was asked for

WIDE = 1e-5  # where a solver finds no room within LEEWAY

Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How the job would have run. Counts of periods; None: a day ahead, and as much warm-up as the forecast takes."""

    forecast: Method = "same-hour-last-week"
    every: int = 1
    lookahead: int | None = None
    warm_up: int | None = None
    offers_alone: bool = True


def backtest(problem: Problem, settings: Settings, search: Search, say: Say = lambda _: None) -> Backtest:
    """Replay, settle, compare. Raises InputError, and Infeasible or NoPlanInTime where there is no first plan."""
    periods, period_h = problem.horizon.periods, problem.horizon.period_h
    warm_up = settings.warm_up
    if warm_up is None:
        warm_up = least_history(settings.forecast, period_h, periods)
        if warm_up >= periods:
            rule = f"takes {warm_up} periods of history, and the horizon has {periods}"
            raise InputError(Issue(("--forecast",), rule, settings.forecast, "lengthen horizon.periods"))
    record = record_of(problem, warm_up)
    lookahead = settings.lookahead or max(settings.every, round(DAY_H / period_h), 1)
    lookahead = min(lookahead, record.periods)
    if settings.every < 1 or lookahead < min(settings.every, record.periods):
        rule = f"must be from 1 to the lookahead of {lookahead} periods"
        raise InputError(Issue(("--every",), rule, value=settings.every))
    whole = record.part(0, record.actual, happened=True)
    rules = rules_of(record, normalise(whole), foreseen=settings.forecast == "perfect")
    course = _Course(record, rules, settings, lookahead, _of_a_step(search), search, say)
    seconds: dict[str, float] = {}

    def timed[T](name: str, work: Callable[[], T]) -> T:
        began = clock_s()
        result = work()
        seconds[name] = clock_s() - began
        return result

    replay, forecast = timed("replay", lambda: course.run(replan=True))
    staying, _ = timed("staying put", lambda: course.run(replan=False))
    say("hindsight")
    freed = not (replay.spread_kept and staying.spread_kept)
    hindsight, of_all = timed("hindsight", lambda: course.hindsights(replay, freed))
    alone = None
    if settings.offers_alone:
        alone = timed("offers alone", lambda: _cheapest(whole, search, say))
    error = float(np.abs(forecast - record.actual).sum() / max(record.actual.sum(), 1e-300))
    return Backtest(
        name=problem.name,
        forecast=settings.forecast,
        every=settings.every,
        lookahead=lookahead,
        warm_up=warm_up,
        periods=record.periods,
        period_h=record.period_h,
        forecast_error=error,
        replay=replay,
        hindsight=hindsight,
        staying=staying,
        hindsight_of_all=of_all,
        cheapest_offer=alone,
        series=series(record, forecast, replay, hindsight, staying),
        notes=(*record.notes, *replay.notes),
        seconds=seconds,
    )


def _of_a_step(search: Search) -> Search:
    limit = search.options.time_limit_s
    options = replace(
        search.options,
        time_limit_s=STEP_S if limit is None else min(limit, STEP_S),
        gap=max(search.options.gap, STEP_GAP),
    )
    return replace(search, options=options)


@dataclass(frozen=True)
class _Course:
    record: DemandHistory
    rules: Rules
    settings: Settings
    lookahead: int
    step: Search
    search: Search
    say: Say

    def run(self, replan: bool) -> tuple[Execution, Floats]:
        """Through the whole replay; with it the demand that was expected for each period when it was last planned."""
        replay, record = Replay(self.rules, self.step), self.record
        forecast = np.zeros_like(record.actual)
        for now in range(0, record.periods, self.settings.every):
            commit = min(now + self.settings.every, record.periods)
            frame = self.rules.frame(now, commit, min(now + self.lookahead, record.periods))
            if replan or now == 0 or self.rules.spanning:
                ahead = expected(record, self.settings.forecast, now, frame.end)
            else:  # nobody looks ahead
                ahead = record.actual[:, now : frame.commit]
            if replan or now == 0:
                self.say(f"period {now + 1} of {record.periods}")
                replay.plan(frame, ahead)
            forecast[:, now:commit] = ahead[:, : commit - now]
            replay.meet(frame, record.actual[:, now:commit], ahead[:, commit - now :])
        return self._settle(replay), forecast

    def _settle(self, replay: Replay) -> Execution:
        """What happened as one plan over the whole replay, with its bills month by month, checked by `verify`."""
        actual = replay.actual
        arrived = actual.served + actual.dropped
        problem = self.settled_problem(arrived)
        notes = []
        for last, (rules, leeway) in enumerate(
            (rules, share) for rules in (problem, for_one_offer(problem)) for share in (LEEWAY, WIDE)
        ):
            try:
                plan = self._happened(rules, arrived, replay, leeway)
                break
            except Infeasible:
                if last == 3:
                    raise
        if last > 1:
            notes.append(
                "limits on provider shares and min_providers did not hold throughout: overflow went elsewhere, or "
                "later plans chose other providers; hindsight is freed of them too"
            )
        tokens = tokens_of(problem)
        whole = max(float((tokens @ self.record.actual).sum()), 1e-300)
        churn = sum(step.churn_usd for step in replay.steps)
        return Execution(
            cost_usd=plan.cost_usd + churn,
            churn_usd=churn,
            overflow_share=float((tokens @ actual.displaced).sum()) / whole,
            lost_share=float((tokens @ actual.lost).sum()) / whole,
            lost_requests=float(actual.lost.sum()),
            dropped_share=float((tokens @ actual.dropped).sum()) / whole,
            dropped_usd=usd_of(plan.cost_lines, UNSERVED.name),
            plan=plan,
            steps=tuple(replay.steps),
            spread_kept=not notes,
            notes=tuple(notes),
        )

    def _happened(self, problem: Problem, arrived: Floats, replay: Replay, leeway: float) -> Plan:
        """The plan in which shares, counts and purchases are those that happened; shares may differ by `leeway`."""
        inst = normalise(problem)
        shares = tuple(replay.actual.shares_of_arrivals(arrived, leeway))
        counts = tuple(replay.actual.counts(0, self.record.periods))
        happened = Running("time", 0.0, 0.0, shares, counts, (), (), ())
        arrays = replace(running_arrays(problem, inst, happened), goes_on=True)
        fixed = None if replay.decided is None else decision_for(inst, replay.decided)
        return best_plan(problem, self.search, encode(replace(inst, running=arrays)), fixed)

    def settled_problem(self, arrived: Floats) -> Problem:
        """The problem of work that was served; a limit on spending is a plan's, not a bill's."""
        return as_settled(self.record.part(0, arrived, happened=True))

    def hindsights(self, replay: Execution, freed: bool) -> tuple[Hindsight, Hindsight | None]:
        """For the work that was served, and for all of it where some was lost; `freed` of limits on provider shares."""
        if replay.lost_requests <= 0:
            whole = self.record.part(0, self.record.actual, happened=True)
            return self._hindsight(for_one_offer(whole) if freed else whole), None
        served, parts = np.zeros_like(self.record.actual), parts_of(self.record.problem)
        for row in replay.plan.routes:
            part = parts[part_of_row(row)]
            served[part.workload, row.period] += (
                (row.requests or 0.0) / part.requests if part.answers else 0.0
            )
        for left in replay.plan.unserved:
            w = parts[part_name(left.workload, left.origin, None, None)].workload
            served[w, left.period] += left.requests or 0.0
        problem = self.settled_problem(served)
        of_served = self._hindsight(for_one_offer(problem) if freed else problem)
        try:
            return of_served, self._hindsight(self.record.part(0, self.record.actual, happened=True))
        except (Infeasible, NoPlanInTime):
            return of_served, None

    def _hindsight(self, problem: Problem) -> Hindsight:
        plan = best_plan(problem, self.search, encode(normalise(problem)))
        return Hindsight(plan.cost_usd, plan.bound_usd, plan.gap, plan.stop, plan)


def _cheapest(problem: Problem, search: Search, say: Say) -> tuple[str, float] | None:
    table = compare(
        problem, solver=search.solver, options=search.options, progress=lambda name: say(f"{name} alone")
    )
    row = table.offers[0]
    return None if row.cost_usd is None else (row.seller, row.cost_usd)
