"""A plan by every road there is: by hand first where the search is long, by other solvers where one fails.

    over time   where much work waits, a rounded relaxation that is made better window by window, and nothing else
    by hand     beyond `LARGE` columns, of like parts those of one, before the search, else where the search found none:
                the cheaper one counts, and there is no search where it is within the gap asked for
    elsewhere   where the solver fails, or its plan does not pass the check: without presolve, from another seed, by a
                tree of our own, by another solver

"No plan in time" is left for what no hand can serve, "the solver failed" for what fails by every road; the plan says by
which one it was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from problems.core.arrays import Floats
from problems.core.decision import Decision
from problems.core.encode import Encoded
from router.errors import Infeasible, NoPlanInTime, RouterError, SolverFailed
from router.planning.by_hand import made_by_hand
from router.planning.deferred.over_time import planned_over_time
from router.planning.doubts.no_plan import EFFORT, LARGEST
from router.planning.fixed import Fixed
from router.planning.optimise import optimise
from router.planning.two_steps import Incumbent, finished
from router.planning.waits.tighten import short_of_capacity
from solvers import Solution, SolveOptions, SolverUnavailable, Stop, get
from solvers.components import different_columns
from solvers.proof import WorkLimits, prove

LARGE = 10_000  # columns: below, a hand needs no more than moments after the search
OTHERS = ("highs", "scipy", "pulp:COIN_CMD")
BY_HAND = "made by hand: no search found one in time"


def best_by_any_road(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    start: Floats | None = None,
    fixed: Decision | None = None,
) -> Incumbent:
    """See `optimise`; raises as it does, where no other road leads to a plan."""
    options, held = options.begun(), Fixed(fixed)
    whole = encoded.program.is_mip and not options.relax
    running = encoded.instance.running
    settled = running is not None and running.goes_on  # next to nothing is left to choose
    large = whole and not settled and _is_large(encoded)
    if large and start is None and solver == "highs":
        over_time = planned_over_time(encoded, options, held)
        if over_time is not None:
            return over_time
    by_hand = _by_hand(encoded, solver, options.within(0.5), held) if large else None
    if large and start is not None and encoded.instance.spilling is None:
        by_hand = _cheaper(by_hand, encoded, start, (solver, options.within(0.5)), held)
        start = start if by_hand is None else by_hand.point
    if by_hand is not None and options.watch is not None:
        options.watch(by_hand.objective_usd, by_hand.bound)
    if by_hand is not None and by_hand.stop is Stop.OPTIMAL:  # within the gap asked for
        return by_hand
    if by_hand is not None and options.late:
        return replace(by_hand, stop=Stop.TIME_LIMIT, found_by=BY_HAND)
    try:
        best = optimise(encoded, solver, options, start, fixed)
    except NoPlanInTime as late:
        if by_hand is None and whole:
            by_hand = _by_hand(encoded, solver, options.finishing, held)
        if by_hand is None:
            raise
        return replace(by_hand, bound=max(by_hand.bound, late.bound_usd), found_by=BY_HAND)
    except Infeasible:
        if by_hand is None:
            raise
        return replace(by_hand, found_by=f"made by hand: {solver} said that there is none")
    except SolverFailed as failed:
        if by_hand is not None and options.late:
            return replace(by_hand, found_by=BY_HAND)
        best = _elsewhere(encoded, (solver, options), start, fixed, failed)
    if by_hand is None:
        return best
    best = replace(best, bound=max(best.bound, min(by_hand.bound, best.objective_usd)))
    if by_hand.objective_usd >= best.objective_usd:
        return best
    # the search was stopped before it came so far, or what it states of its bound is not so
    stop = Stop.EXHAUSTED if best.stop is Stop.OPTIMAL else best.stop
    bound = min(best.bound, by_hand.objective_usd)
    proof = replace(by_hand, prices=best.prices, leaves=best.leaves)
    return replace(proof, bound=bound, stop=stop, rounds=best.rounds)


def _is_large(encoded: Encoded) -> bool:
    """Whether the parts of a program that are to be searched have so many columns together, like ones counted once."""
    return encoded.program.n_columns > LARGE and different_columns(encoded.program) > LARGE


def _by_hand(encoded: Encoded, solver: str, options: SolveOptions, held: Fixed) -> Incumbent | None:
    """None where an offer spills: no hand looks at minutes."""
    return None if encoded.instance.spilling is not None else made_by_hand(encoded, solver, options, held)


def _cheaper(
    by_hand: Incumbent | None,
    encoded: Encoded,
    start: Floats,
    search: tuple[str, SolveOptions],
    held: Fixed,
) -> Incumbent | None:
    """The plan by hand, or that of the whole numbers to start from where it costs less."""
    usd = encoded.program.objective(start)
    if by_hand is not None and by_hand.objective_usd <= usd:
        return by_hand
    try:
        begun = finished(encoded, Solution(Stop.TIME_LIMIT, start, usd, -inf), search, held, 0.0)
    except RouterError:
        return by_hand
    if short_of_capacity(begun.encoded, begun.point):
        return by_hand
    bound = -inf if by_hand is None else min(by_hand.bound, begun.objective_usd)
    return replace(begun, bound=bound)


def _elsewhere(
    encoded: Encoded,
    search: tuple[str, SolveOptions],
    start: Floats | None,
    fixed: Decision | None,
    failed: SolverFailed,
) -> Incumbent:
    """The best point by the first road that leads to one; raises the failure where none does."""
    why = f"for {search[0]} failed: {str(failed).splitlines()[0]}"
    found = next(by_other_roads(encoded, search, why, start, fixed), None)
    if found is None:
        raise failed
    return found


def by_other_roads(
    encoded: Encoded,
    search: tuple[str, SolveOptions],
    why: str,
    start: Floats | None = None,
    fixed: Decision | None = None,
) -> Iterator[Incumbent]:
    """A point by each road that leads to one, beside the search asked for. `why`: what the plan says of its road."""
    own_tree_is_left = True
    for solver, options, road in _roads(*search):
        if solver != search[0] and own_tree_is_left:
            own_tree_is_left = False
            own = _by_own_tree(encoded, search, Fixed(fixed))
            if own is not None:
                yield replace(own, found_by=f"found by a tree of our own, {why}")
        try:
            best = optimise(encoded, solver, options, start, fixed)
        except RouterError:
            continue
        yield replace(best, found_by=f"found by {road}, {why}")
    by_hand = _by_hand(encoded, "highs", replace(search[1].finishing, native={}), Fixed(fixed))
    if by_hand is not None:
        yield replace(by_hand, found_by=f"made by hand, {why}")


def _by_own_tree(encoded: Encoded, search: tuple[str, SolveOptions], held: Fixed) -> Incumbent | None:
    """Its points keep to every row more closely than those of a solver's integer program."""
    from solvers.highs_relaxation import HighsRelaxation  # here: few searches come so far

    options, case = search[1].finishing, held.applied(encoded)
    if case.program.n_columns > LARGEST or options.relax or encoded.instance.spilling is not None:
        return None
    work = WorkLimits(effort=EFFORT, late=lambda: options.late)
    tree = prove(case.program, HighsRelaxation, work=work)
    if tree.point is None:
        return None
    stop = Stop.OPTIMAL if tree.complete else Stop.EXHAUSTED
    first = Solution(stop, tree.point, tree.objective, tree.bound)
    try:
        best = finished(case, first, ("highs", replace(options, native={})), held, 0.0)
    except RouterError:
        return None
    return None if short_of_capacity(best.encoded, best.point) else best


def _roads(solver: str, options: SolveOptions) -> Iterator[tuple[str, SolveOptions, str]]:
    """Other ways to ask, the most alike first: with an option changed, then other solvers."""
    finishing = options.finishing
    if without := get(solver).WITHOUT_PRESOLVE:
        yield solver, replace(finishing, native={**options.native, **without}), f"{solver} without presolve"
    plain = replace(finishing, native={})
    yield solver, replace(plain, seed=options.seed + 1), f"{solver} from seed {options.seed + 1}"
    for other in OTHERS:
        try:
            get(other)
        except SolverUnavailable:
            continue
        if other != solver:
            yield other, plain, other
