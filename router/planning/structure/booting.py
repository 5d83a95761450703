"""Pools that boot: their whole numbers are searched on wider programs, whose points are points of the encoded one.

1  with sums of counts over time, theirs and those of other pools, as whole columns, which presolve would take out
   again: of a plan whose counts come to 55.5 at least, 56 are rented in any order; kept where that ends soon
2  with columns for each instance (`problems.core.each_instance`), and where work waits rows over some periods on end
   (`problems.core.over_windows`)
3  few decisions that hold all periods together, as contracts do, first (`solvers.deciding`), and in a case of them
   windows of periods where users wait and a tree does not end (`solvers.held_in_time`); where some case does not end,
   all at once after that; by windows too where many span periods and rows over longer ones say much more
4  where time ends that, a relaxation over states bounds it (`states`), and sums have what is left
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.each_instance import by_instance, on_columns, pools_that_boot
from problems.core.encode import Encoded
from problems.core.over_windows import MOST_COLUMNS, WindowRows, with_windows
from problems.core.steps import steps_of
from problems.core.waiting_states import WaitingStates, with_waiting_states
from router.planning.structure.states import bound_of_states
from solvers import LinearProgram, Solution, SolveOptions, Stop, get
from solvers.components import parts

SHARE, NODES = 0.1, 100  # of the time, and of the tree, for the search with sums
MOST_DECISIONS = 12
UNTIL_STATES = 0.7  # of the time
FOR_STATES, FOR_SUMS = 0.5, 0.8  # of what is left then, and of what is left by that
FOR_CASE = 0.8  # of the time, for the first case where users wait
LIFT = 0.01  # of the relaxation's cost, that rows over longer windows add where shorter ones cut off what boots are for
FOR_SEARCH = 0.9  # of the time, where the relaxation over longer windows may have a better bound than a tree
WIDEST = 13_000  # columns of that relaxation
TIGHT = 1e-6


def solve_booting(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    run: Callable[..., Solution],
    search: Callable[[Encoded, SolveOptions], Solution],
) -> Solution | None:
    """The whole numbers of a program whose pools boot; None where none does, or where columns for them are no help.

    run      calls the solver, from a point where one is given
    search   of the encoded program, or of the one that stands in its place
    """
    wide = by_instance(encoded)
    if wide is None:
        return None
    options = options.begun()
    short = options.within(SHARE)
    summed = _by_sums(encoded, solver, short, run, NODES)
    if summed is not None and summed.stop is Stop.OPTIMAL and summed.point is not None:
        return _encoded_alone(summed, encoded)
    share = options if _seen_from_outside(encoded) else options.within(UNTIL_STATES)
    first = _by_periods(encoded, wide, solver, share, run) or search(replace(encoded, program=wide), share)
    found = _encoded_alone(first, encoded)
    if summed is not None and summed.point is not None and found.stop is not Stop.OPTIMAL:
        found = better(found, _encoded_alone(summed, encoded), options.gap)
    return _later(encoded, found, solver, options, run)


def _seen_from_outside(encoded: Encoded) -> bool:
    """Whether regions of pools in which users wait are cut, for a bound; what else there is, a tree does better."""
    return bool(encoded.regions.cuts) and not encoded.regions.inner


def _encoded_alone(found: Solution, encoded: Encoded) -> Solution:
    return found if found.point is None else replace(found, point=found.point[: encoded.program.n_columns])


def _later(
    encoded: Encoded,
    found: Solution,
    solver: str,
    options: SolveOptions,
    run: Callable[[LinearProgram, str, SolveOptions], Solution],
) -> Solution:
    """What time ended, with the bound of states, and what sums find in the rest of it."""
    if solver != "highs" or found.stop is not Stop.TIME_LIMIT or found.objective is None:
        return found
    bound = bound_of_states(encoded, found.objective, options.within(FOR_STATES))
    if bound is not None:
        found = _bounded(found, bound, options.gap)
    if found.stop is Stop.OPTIMAL or options.late:
        return found
    summed = _by_sums(encoded, solver, options.within(FOR_SUMS), run)
    return found if summed is None else better(found, _encoded_alone(summed, encoded), options.gap)


def _by_periods(
    encoded: Encoded,
    wide: LinearProgram,
    solver: str,
    options: SolveOptions,
    run: Callable[..., Solution],
) -> Solution | None:
    """With what stands over some periods on end, and what spans all first; None where it has nothing of the kind."""
    from solvers.deciding import FOR_LEAF, solve_deciding  # here: few pools boot

    if solver != "highs" or len(parts(wide)) > 1:
        return None
    share, case, found = options.within(FOR_SEARCH), _over_windows(encoded, wide, options), None
    decisions = np.flatnonzero(encoded.program.integer & (steps_of(encoded) < 0))
    program = wide if case is None else case[0]
    if 0 < len(decisions) <= MOST_DECISIONS:
        states = with_waiting_states(encoded) if _seen_from_outside(encoded) else None
        for_leaf = FOR_LEAF if states is None else FOR_CASE
        found = solve_deciding(
            program,
            decisions,
            lambda part, own: _case(encoded, decisions, states, part, own, run),
            share,
            for_leaf,
        )
    if found is None and case is not None:
        found = by_longer_windows(encoded, wide, case[1], share, run)
        if found is not None and found.point is not None:
            return found
    given_up = found is not None and found.stop is Stop.EXHAUSTED
    if given_up or (case is not None and (found is None or found.point is None)):
        found = better(found, run(program, solver, share), options.gap)
    if found is None or case is None or found.stop is not Stop.TIME_LIMIT:
        return found
    root = _over_windows(encoded, wide, options, WIDEST)
    return found if root is None else _bounded(found, root[1], options.gap)


def _case(
    encoded: Encoded,
    decisions: Ints,
    states: WaitingStates | None,
    wide: LinearProgram,
    options: SolveOptions,
    run: Callable[..., Solution],
) -> Solution:
    """With its decisions held; `wide`: with more columns; `states`: where users wait, what is hard."""
    from solvers.held_in_time import solve_held_in_time  # here: few pools boot
    from solvers.strengthened import strengthened

    if states is None:
        return run(wide, "highs", options)
    held = states.program.fix(decisions, wide.col_lower[decisions])
    answer = strengthened(held, options, WindowRows(states.rows))
    if answer is None:
        return run(wide, "highs", options)
    tight = answer.added.matrix @ answer.point >= answer.added.upper - TIGHT
    held, step = answer.added.some(tight).added_to(held), np.append(steps_of(encoded), states.period)

    def begun(part: LinearProgram, own: SolveOptions, point: Floats | None) -> Solution:
        return run(part, "highs", own, point)

    return solve_held_in_time(held, step, begun, options)


def by_longer_windows(
    encoded: Encoded, wide: LinearProgram, shorter: float, options: SolveOptions, run: Callable[..., Solution]
) -> Solution | None:
    """Where a tree on rows over longer windows would not end; `shorter`: the relaxation's cost over shorter ones.

    None where the longer ones say little more.
    """
    from solvers.held_in_time import solve_by_windows  # here: few pools boot

    longer = _over_windows(encoded, wide, options, WIDEST)
    if longer is None or longer[1] - shorter <= LIFT * abs(longer[1]):
        return None
    step, periods = steps_of(encoded), longer[2]
    instances = [np.tile(np.repeat(np.arange(p.count.size), p.most), 2) for p in pools_that_boot(encoded)]

    def begun(part: LinearProgram, own: SolveOptions, point: Floats | None) -> Solution:
        return run(part, "highs", own, point)

    counts = np.flatnonzero(encoded.program.integer & (step >= 0))
    return solve_by_windows(longer[0], np.concatenate([step, *instances, periods]), counts, begun, options)


def _over_windows(
    encoded: Encoded, wide: LinearProgram, options: SolveOptions, most_columns: int = MOST_COLUMNS
) -> tuple[LinearProgram, float, Ints] | None:
    """The program with rows over some periods on end, those that its relaxation needs, and what that costs.

    Last comes the period of each column that these rows have of their own.
    """
    from solvers.strengthened import strengthened  # here: few pools boot

    pools = pools_that_boot(encoded)
    windows = with_windows(wide, pools, on_columns(encoded.program, pools), most_columns)
    answer = None if windows is None else strengthened(windows[0], options, windows[1])
    if windows is None or answer is None:
        return None
    tight = answer.added.matrix @ answer.point >= answer.added.upper - TIGHT
    return answer.added.some(tight).added_to(windows[0]), answer.bound, windows[2]


def better(first: Solution | None, second: Solution, gap: float) -> Solution:
    """The better point of two searches of one program, and the better bound."""
    if first is None or first.point is None or first.objective is None:
        return second
    if second.stop is Stop.INFEASIBLE:  # there is a point: that proves nothing
        return first
    ahead = second.objective is not None and second.objective <= first.objective
    found = second if ahead else replace(first, stats=second.stats)
    return _bounded(found, max(first.bound, second.bound), gap)


def _bounded(found: Solution, bound: float, gap: float) -> Solution:
    """With a bound that is better, if it is."""
    bound = min(max(found.bound, bound), np.inf if found.objective is None else found.objective)
    reached = found.objective is not None and found.objective - bound <= gap * abs(found.objective)
    return replace(found, bound=bound, stop=Stop.OPTIMAL if reached else found.stop)


def _whole_counts(encoded: Encoded) -> list[Ints]:
    """Columns of each pool that is counted by the period."""
    counts = [
        own
        for view, cols in zip(encoded.views, encoded.columns, strict=True)
        for own in cols.counts.count
        if len(set(own.tolist())) == view.inst.time.periods
    ]
    return [own for own in counts if encoded.program.integer[own].all()]


def _by_sums(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    run: Callable[[LinearProgram, str, SolveOptions], Solution],
    nodes: int | None = None,
) -> Solution | None:
    """None where the solver cannot leave presolve out."""
    from solvers.rounding import with_sums  # here: few pools boot

    plain = {**get(solver).WITHOUT_PRESOLVE, **({} if nodes is None else {"mip_max_nodes": nodes})}
    if solver != "highs" or set(plain) & set(options.native):
        return None
    native = {**options.native, **plain}
    program = with_sums(encoded.program, _whole_counts(encoded))
    return run(program, solver, replace(options, native=native, watch=None))
