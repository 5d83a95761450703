"""The best point of a program whose waiting keeps within every SLO: two programs that close in on each other.

    outer   the regions of waiting pools from outside: its optimum bounds every plan
    inner   the same regions from inside: its points keep every promise

    1  solve outer; where its point keeps every promise it is the best plan
    2  cut the regions at the mixes and counts of its broken pools
    3  solve inner: a plan, and of a large program the best one near it, with the regions cut at its own mixes, or part
       by part where it falls apart with what spans periods held (`waits.parted`); end where it costs no more than the
       bound, within the gap asked
    4  back to 1

Cuts depend on points alone: the clock decides when the search ends, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.decision import Decision
from problems.core.each_instance import few_boot
from problems.core.encode import Encoded, Regions, encode
from problems.physics.waiting import margin_of
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.planning.fixed import Fixed, Spanning, spanning_whole
from router.planning.gates import find
from router.planning.structure.in_parts import SMALL, Before, small_parts
from router.planning.two_steps import Incumbent
from router.planning.waits.tighten import (
    Broken,
    CutsByScenario,
    alike,
    cut_at,
    cut_finely,
    cut_near,
    mixes_by_name,
    short_of_capacity,
    unused_pools,
    waiting_flows,
)
from solvers import SolveOptions, Stop, clock_s

MOST_TRIES = 6  # of the inner program in a round, while pools without a region are found short
IDLE = 3  # rounds of a large program in which neither plan nor bound gets better: nothing is left to cut
IDLE_SMALL = 10  # the same of a small one: a bound may stand still until every mix of a pool is cut off
ROUGH, PART = 1e-3, 0.1  # of the gap of a program, at most and of what is left between plan and bound
BETTER = 1e-7  # relative
SPARED, MOST_SPARED = 1.2, 0.05  # times what was too much; beyond, a point says little of the best plan
DECIDED = 0.7  # of the time, for periods that fall apart once what spans them is held
DECIDED_GAP = 1e-5  # of a part's cost
FIRST = 0.4  # of the time, for the first bound of a large program: what it says is then mended
FIRST_BOOTING = 0.25  # the same where pools boot, and no region is cut


def optimise(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    start: Floats | None = None,
    fixed: Decision | None = None,
) -> Incumbent:
    """Solve in two steps; where waiting breaks a promise, cut and repeat until plan and bound meet.

    With `fixed` the first stage is that decision. "Infeasible" is the solver's word, and looked at again before it is
    raised. Raises Infeasible, NoPlanInTime, SolverFailed, and InputError for a bad solver or option.
    """
    options, decided = options.begun(), Fixed(fixed)
    if encoded.instance.spilling is None:
        return _optimise(encoded, solver, options, start, decided)
    from router.planning.minutes.closing import kept_by_the_minute  # here: few offers spill

    search = options
    if (watch := options.watch) is not None:  # a point that minutes break is not a plan
        search = replace(options, watch=lambda _, bound: watch(inf, bound))
    return kept_by_the_minute(
        encoded, solver, options, lambda program: _optimise(program, solver, search, None, decided), decided
    )


def _optimise(
    encoded: Encoded, solver: str, options: SolveOptions, start: Floats | None, decided: Fixed
) -> Incumbent:
    waits = bool(encoded.columns[0].capacity.waits.any())
    large, search = encoded.program.n_columns > SMALL and waits, options
    if waits and (watch := options.watch) is not None:  # a point in which users wait too long is not a plan
        search = replace(options, watch=lambda _, bound: watch(inf, bound))
    booting, first = waits and not large and few_boot(encoded), search
    if large:
        first = replace(search.within(FIRST), gap=max(options.gap, ROUGH))
    elif booting:
        first = search.within(FIRST_BOOTING)
    try:
        try:
            outer = find(encoded, solver, first, decided, start=start, rough=large)
        except NoPlanInTime:
            if not booting:
                raise
            outer = find(encoded, solver, search, decided, start=start)
    except Infeasible as word:
        from router.planning.doubts.no_plan import in_doubt  # here: most problems have a plan

        outer = in_doubt(encoded, solver, options, decided, word)
    if options.relax:
        return outer
    broken = short_of_capacity(outer.encoded, outer.point)
    if not broken and (large or (booting and outer.stop is Stop.TIME_LIMIT)):
        outer = find(encoded, solver, search, decided, start=outer.point)
        broken = short_of_capacity(outer.encoded, outer.point)
    outer = replace(outer, options=options)
    return _ClosingIn(outer, solver, options, decided).run(broken) if broken else outer


class _ClosingIn:
    """Plan and bound so far."""

    def __init__(self, outer: Incumbent, solver: str, options: SolveOptions, fixed: Fixed) -> None:
        self.outer, self.solver, self.fixed = outer, solver, fixed
        self.options, self.watch = (
            replace(options, watch=None),
            options.watch,
        )  # of plan and bound, not of a round
        self.instance = outer.encoded.instance
        self.cuts: CutsByScenario = {}
        self.newest: CutsByScenario = {}  # the last of each pool: a plan near them is what the inner side is for
        self.best: Incumbent | None = None
        self.bound, self.rounds, self.idle, self.exact = outer.bound, 0, 0, False
        self.large = outer.encoded.program.n_columns > SMALL
        self.boots = not self.large and few_boot(outer.encoded)
        self.small_parts = self.large and small_parts(outer.encoded)
        self.cut_short = False
        self.share_was_up = False  # of the time, before all parts were at their best, or a bound was found
        self.inner_s = 0.0  # what the inner side has taken
        self.decided: set[bytes] = set()  # what spans periods, as it was held
        self.inner_is_best = True  # no plan with less load than the outer side lets through was cheaper

    def run(self, broken: Broken) -> Incumbent:
        """Cut and solve until plan and bound meet, the time is up, or nothing is left to cut."""
        while True:
            self.rounds += 1
            bound, usd = self.bound, None if self.best is None else self.best.objective_usd
            self._cut(self.outer, broken)
            if broken and (self.best is None or (self.rounds % 2 == 0 and self.inner_is_best)):
                before = self.best
                self._take(self._inner(broken))
                self.inner_is_best = self.best is not before
                better = self.best is not None and self.best is not before
                if better and self.best is not None and not self._short_of_time():
                    self._take(self._near(self.best))
            elif broken:
                self._take(self._sparing(broken))
            if self._met() or self.options.late or self._short_of_time():
                break
            gap = self._gap()
            outer = self._find(Regions(self.cuts), rough=self.large)
            if outer is None:
                self.share_was_up |= self.options.ended_by_clock
                break
            self.outer, self.bound = outer, max(self.bound, outer.bound)
            broken = short_of_capacity(outer.encoded, outer.point)
            if not broken:
                self._take(self._finished(outer) if self.large else outer)
                if self._met() or gap <= self.options.gap:
                    break
                self.exact = True
            self.idle = 0 if self._moved(bound, usd) else self.idle + 1
            if self.idle >= (IDLE if self.large else IDLE_SMALL):
                if self.exact:
                    break
                self.idle, self.exact = 0, True
        return self._end(broken)

    def _short_of_time(self) -> bool:
        """Whether one more plan of a large program would take longer than there is time for."""
        self.cut_short |= self.large and self.options.short_of(self.inner_s)
        return self.cut_short

    def _cut(self, point: Incumbent, broken: Broken) -> None:
        self.cuts = cut_at(self.cuts, point.encoded, broken)
        fresh = cut_at({}, point.encoded, broken)
        self.newest = {s: {**self.newest.get(s, {}), **fresh.get(s, {})} for s in self.cuts}
        if self.boots:
            self.cuts = alike(self.cuts, self.instance.time.periods)
            self.newest = alike(self.newest, self.instance.time.periods)

    def _end(self, broken: Broken) -> Incumbent:
        if self.best is None:
            raise NoPlanInTime(
                f"waiting in {len(broken)} pools and periods was still above its SLO when the search ended. "
                "A longer --time-limit, or max_utilisation on these offers, may help."
            )
        stop = self.outer.stop
        if stop in (
            Stop.OPTIMAL,
            Stop.TIME_LIMIT,
            Stop.EXHAUSTED,
        ):  # of the last program, within a share of the time
            late = self.options.late or self.cut_short or self.share_was_up
            stop = Stop.OPTIMAL if self._met() else Stop.TIME_LIMIT if late else Stop.EXHAUSTED
        mixes = (
            mixes_by_name(self.instance, self.cuts.get(0, {})) if len(self.outer.encoded.views) == 1 else None
        )
        best = replace(self.best, stop=stop, bound=self.bound, rounds=self.rounds, options=self.options)
        return replace(best, mixes=mixes)

    def _inner(self, broken: Broken) -> Incumbent | None:
        """The best plan of the inner side; pools found short on the way get a region too."""
        plan: Incumbent | None = self.outer
        began = clock_s()
        for _ in range(MOST_TRIES):
            assert plan is not None
            before, shut = None, None
            if self.large and self.small_parts:
                shut = unused_pools(plan.encoded, plan.point)
            elif self.large:  # a plan to start from, which windows make better
                settled = self._settled(plan)
                changed = frozenset(pool.period for _, pool in broken)
                before = None if settled is None else Before(settled.integers, changed)
                self._take(settled)
            plan = self._find(Regions(self.newest, inner=True), before=before, shut=shut)
            broken = [] if plan is None else short_of_capacity(plan.encoded, plan.point)
            if plan is None or not broken:
                break
            self._cut(plan, broken)
        else:
            plan = None
        self.inner_s = clock_s() - began
        return plan if plan is not None or self.best is not None else self._settled(self.outer)

    def _near(self, plan: Incumbent) -> Incumbent | None:
        """The best plan near one of a large program; small ones come there by their rounds."""
        if not self.large:
            return None
        if self.small_parts:
            regions = Regions(cut_near(plan.encoded, plan.point), inner=True)
            return self._find(regions, shut=unused_pools(plan.encoded, plan.point))
        if (apart := self._decided(plan)) is not None:
            return apart
        near = self._from(plan, cut_near(plan.encoded, plan.point), narrow=False)
        if near is None or self._short_of_time():
            return near
        self._take(near)
        best = self.best or near
        return self._from(best, cut_finely(best.encoded, best.point), narrow=True)

    def _decided(self, plan: Incumbent) -> Incumbent | None:
        """The best plan with what spans periods as it is in this one; None where that leaves them in one part."""
        from router.planning.waits.parted import Parted  # here: few problems wait

        values = np.round(plan.point[spanning_whole(plan.encoded)])
        if values.tobytes() in self.decided:
            return None
        self.decided.add(values.tobytes())
        search = (self.solver, replace(self.options.within(DECIDED), gap=max(self.options.gap, DECIDED_GAP)))
        parted = Parted.of(plan, search, replace(self.fixed, spanning=Spanning(values)))
        if parted is None:
            return None
        found = parted.run()
        self.share_was_up |= parted.late
        for flows, cuts in found:
            regions = Regions(cuts, inner=True)
            staying = (waiting_flows(plan.encoded, plan.point)[0], flows)
            same = self._find(regions, replace(parted.fixed, columns=staying))
            if same is not None:
                return self._find(regions, before=Before(same.integers, frozenset()))
        return None

    def _from(self, plan: Incumbent, cuts: CutsByScenario, *, narrow: bool) -> Incumbent | None:
        """A plan made better a window at a time, its regions cut so."""
        regions = Regions(cuts, inner=True)
        staying = replace(self.fixed, columns=waiting_flows(plan.encoded, plan.point))
        same = self._find(regions, staying)
        if same is None:
            return None
        every = frozenset(range(self.instance.time.periods))
        return self._find(regions, before=Before(same.integers, every, narrow))

    def _sparing(self, broken: Broken) -> Incumbent | None:
        """The best plan of the outer side with less load in pools, by as much as the last point had too much."""
        margin = margin_of(self.instance.policy)
        most = max(record.excess(margin) for _, record in broken)
        if most > MOST_SPARED or self.large:
            return None
        return self._find(Regions(self.cuts, spare=SPARED * most))

    def _settled(self, plan: Incumbent) -> Incumbent | None:
        """What waits stays where it is, and pools that are short get more instances, if they can."""
        staying = replace(self.fixed, columns=waiting_flows(plan.encoded, plan.point))
        return self._find(Regions(self.newest, inner=True), staying)

    def _finished(self, outer: Incumbent) -> Incumbent | None:
        """The same point with its flows solved again."""
        return self._find(outer.encoded.regions, before=Before(outer.integers, frozenset()))

    def _find(
        self,
        regions: Regions,
        fixed: Fixed | None = None,
        before: Before | None = None,
        *,
        rough: bool = False,
        shut: Ints | None = None,
    ) -> Incumbent | None:
        # a plan that breaks a promise is of no use, so mending it goes on into the overtime
        left = replace(self.options.finishing if self.options.late else self.options, gap=self._gap())
        program = encode(self.instance, regions=regions)
        try:
            return find(
                program, self.solver, left, fixed or self.fixed, before=before, rough=rough, shut=shut
            )
        except Infeasible as word:
            if (
                fixed is None and self.best is None and not regions.inner and not regions.spare
            ):  # nor is there a plan that waits
                from router.planning.doubts.no_plan import in_doubt  # here: most problems have a plan

                return in_doubt(program, self.solver, left, self.fixed, word)
            return None
        except (NoPlanInTime, SolverFailed):
            return None

    def _take(self, plan: Incumbent | None) -> None:
        if plan is None or short_of_capacity(plan.encoded, plan.point):
            return
        if self.best is None or plan.objective_usd < self.best.objective_usd:
            self.best = plan
            if self.watch is not None:
                self.watch(plan.objective_usd, self.bound)

    def _gap(self) -> float:
        """How near to their optima the programs are solved: a part of what is between plan and bound so far."""
        if self.exact:
            return self.options.gap
        usd = 0.0 if self.best is None else abs(self.best.objective_usd)
        gap = (self.best.objective_usd - self.bound) / usd if self.best is not None and usd > 0 else ROUGH
        return max(self.options.gap, min(ROUGH, PART * gap))

    def _met(self) -> bool:
        if self.best is None:
            return False
        usd = self.best.objective_usd
        return usd - self.bound <= self.options.gap * max(abs(usd), 1e-12)

    def _moved(self, bound: float, usd: float | None) -> bool:
        if self.best is None or usd is None:
            return self.best is not None or self.bound > bound
        step = BETTER * abs(usd)
        return self.bound > bound + step or self.best.objective_usd < usd - step
