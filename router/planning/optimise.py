"""The best point of a program whose waiting keeps within every SLO: solve, tighten what was short, and repeat."""

from __future__ import annotations

from dataclasses import replace

from problems.core.arrays import Floats
from problems.core.decision import Decision
from problems.core.encode import Encoded, encode
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.planning.structure import Before
from router.planning.tighten import (
    Broken,
    settled_by,
    short_of_capacity,
    tightened_by,
    waiting_flows,
    without_weights,
)
from router.planning.two_steps import Fixed, Incumbent, find
from solvers import SolveOptions, Stop

MOST_ROUNDS = 8  # of tightening, before counts are raised for flows as they are


def optimise(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    start: Floats | None = None,
    fixed: Decision | None = None,
) -> Incumbent:
    """Solve in two steps; where waiting is modelled, tighten and repeat until the formula holds.

    With `fixed` the first stage is that decision. "Infeasible" is the solver's word, and looked at again before it is
    raised. Raises Infeasible, NoPlanInTime, SolverFailed, and InputError for a bad solver or option.
    """
    options, decided = options.begun(), Fixed(fixed)
    try:
        best = find(encoded, solver, options, decided, start=start)
    except Infeasible as word:
        from router.planning.doubting import in_doubt  # here: most problems have a plan

        best = in_doubt(encoded, solver, options, decided, word)
    bound, rounds, safe = best.bound, 0, None
    while broken := short_of_capacity(best.encoded, best.point):
        rounds += 1
        # a plan that breaks a promise is of no use, so mending it goes on into the overtime
        left = options.finishing if options.late else options
        if safe is None or best.objective_usd < safe.objective_usd:
            safe = _cheaper(safe, _settled(best, broken, solver, left, decided))
        if safe is not None and (
            rounds > MOST_ROUNDS or options.late or safe.objective_usd <= best.objective_usd
        ):
            best = safe
            break
        if rounds > 2 * MOST_ROUNDS:
            raise NoPlanInTime(
                f"waiting in {len(broken)} pools and periods was still above its SLO after {rounds - 1} rounds of "
                "tightening. max_utilisation on these offers may help."
            )
        best = _tightened(best, broken, solver, left, decided)
    best = _cheaper(best, safe) or best
    # the first program bounds all the tighter ones
    gap_usd, usd = best.objective_usd - bound, abs(best.objective_usd)
    stop = best.stop
    if rounds and stop is Stop.OPTIMAL and gap_usd > options.gap * max(usd, 1e-12):
        stop = Stop.SOLUTION_LIMIT
    return replace(best, stop=stop, bound=bound, rounds=rounds, options=options)


def _cheaper(one: Incumbent | None, other: Incumbent | None) -> Incumbent | None:
    """The first unless the other costs less."""
    if one is None or other is None:
        return one or other
    return other if other.objective_usd < one.objective_usd else one


def _tightened(
    best: Incumbent, broken: Broken, solver: str, options: SolveOptions, fixed: Fixed
) -> Incumbent:
    """The next round: the periods in which a pool was short are solved again."""
    instance, tightened = best.encoded.instance, tightened_by(best.encoded, broken)
    before = Before(best.integers, frozenset(pool.period for _, pool in broken))
    try:
        return find(encode(instance, tightened=tightened), solver, options, fixed, before=before)
    except Infeasible:  # loads that count for more than they are may have left no room
        return find(encode(instance, tightened=without_weights(tightened)), solver, options, fixed)


def _settled(
    best: Incumbent, broken: Broken, solver: str, options: SolveOptions, fixed: Fixed
) -> Incumbent | None:
    """A plan that holds: what waits stays where it is, and pools that are short get more instances, if they can."""
    encoded = encode(best.encoded.instance, tightened=settled_by(best.encoded, broken))
    before = Before(best.integers, frozenset(pool.period for _, pool in broken))
    staying = replace(fixed, columns=waiting_flows(encoded, best.point))
    try:
        settled = find(encoded, solver, options, staying, before=before)
    except (Infeasible, NoPlanInTime, SolverFailed):
        return None
    return None if short_of_capacity(settled.encoded, settled.point) else settled
