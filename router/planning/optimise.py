"""Solving in two steps: the integers first, then the flows again with the integers fixed.

A MILP is solved to within the solver's own tolerance (tightening that has given wrong optima), with whole instances
read with a relative tolerance at unit boundaries. Then its integers are fixed and the flows are solved again as an LP
at tight tolerance and without that allowance: its point is the plan, its duals are the prices.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from problems.core.decision import Decision, fixed_to
from problems.core.encode import Encoded, encode, fixed_integers
from problems.core.instance import Floats, Ints
from problems.throughput import BOUNDARY
from router.errors import Infeasible, InputError, Issue, NoPlanInTime, SolverFailed
from router.planning.infeasible import why_infeasible
from router.planning.structure import Before, solve_structured
from router.planning.tighten import (
    Broken,
    settled_by,
    short_of_capacity,
    tightened_by,
    waiting_flows,
    without_weights,
)
from solvers import (
    HandOverRefused,
    OptionRejected,
    Solution,
    SolveOptions,
    SolversError,
    SolverUnavailable,
    Stop,
    UnknownSolver,
)
from solvers import solve as solve_program

TIGHT = 1e-9
MOST_ROUNDS = 8  # of tightening, before counts are raised for flows as they are
LIMITS = {
    Stop.TIME_LIMIT,
    Stop.ITERATION_LIMIT,
    Stop.NODE_LIMIT,
    Stop.SOLUTION_LIMIT,
    Stop.MEMORY_LIMIT,
    Stop.INTERRUPTED,
}


@dataclass(frozen=True)
class Incumbent:
    """A point of the exact program, what is proven of it, and how it was found."""

    encoded: Encoded  # the program the point belongs to
    point: Floats
    integers: Floats  # the point before its flows were solved again
    stop: Stop
    bound: float  # no plan costs less
    row_duals: Floats | None
    prices_of: str  # what was fixed to get the duals
    seconds: Mapping[str, float]
    solver: str
    options: SolveOptions
    rounds: int = 0  # of tightening, until waiting kept within every SLO


def optimise(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    start: Floats | None = None,
    hold: Decision | None = None,
) -> Incumbent:
    """Solve, fix, solve again; where waiting is modelled, tighten and repeat until the formula holds.

    With `hold` the first stage is that decision. Raises Infeasible, NoPlanInTime, SolverFailed, and InputError for a
    bad solver or option.
    """
    began = time.perf_counter()
    found = _once(_holding(encoded, hold), solver, options, start, began, hold)
    bound, rounds, safe = found.bound, 0, None
    while broken := short_of_capacity(found.encoded, found.point):
        rounds += 1
        mine = _in_time_left(options, began)
        if safe is None or _usd(found) < _usd(safe):
            settled = _settled(found, broken, solver, mine, hold)
            safe = settled if settled is not None and (safe is None or _usd(settled) < _usd(safe)) else safe
        if safe is not None and (rounds > MOST_ROUNDS or _late(options, began) or _usd(safe) <= _usd(found)):
            found = safe
            break
        if rounds > 2 * MOST_ROUNDS:
            raise NoPlanInTime(
                f"waiting in {len(broken)} pools and periods was still above its SLO after {rounds - 1} rounds of "
                "tightening. max_utilisation on these offers may do."
            )
        found = _tightened(found, broken, solver, mine, hold)
    if safe is not None and _usd(safe) < _usd(found):
        found = safe
    # the first program bounds all the tighter ones
    stop = found.stop
    if rounds and stop is Stop.OPTIMAL and _usd(found) - bound > options.gap * max(abs(_usd(found)), 1e-12):
        stop = Stop.SOLUTION_LIMIT
    return replace(found, stop=stop, bound=bound, rounds=rounds, options=options)


def _usd(found: Incumbent) -> float:
    return found.encoded.program.objective(found.point)


def _tightened(
    found: Incumbent, broken: Broken, solver: str, options: SolveOptions, hold: Decision | None
) -> Incumbent:
    """The next round: the periods in which a pool was short are solved again."""
    tightened = tightened_by(found.encoded, broken)
    instance, began = found.encoded.instance, time.perf_counter()
    before = Before(found.integers, frozenset(one.period for _, one in broken))
    try:
        encoded = _holding(encode(instance, tightened=tightened), hold)
        return _once(encoded, solver, options, None, began, hold, before)
    except Infeasible:  # loads that count for more than they are may have left no room
        encoded = _holding(encode(instance, tightened=without_weights(tightened)), hold)
        return _once(encoded, solver, options, None, began, hold)


def _settled(
    found: Incumbent, broken: Broken, solver: str, options: SolveOptions, hold: Decision | None
) -> Incumbent | None:
    """A plan that holds: what waits stays where it is, and pools that are short get more instances, if they can."""
    encoded = encode(found.encoded.instance, tightened=settled_by(found.encoded, broken))
    pins = waiting_flows(encoded, found.point)
    before = Before(found.integers, frozenset(one.period for _, one in broken))
    held = _holding(encoded, hold, pins)
    try:
        made = _once(held, solver, options, None, time.perf_counter(), hold, before, pins)
    except (Infeasible, NoPlanInTime, SolverFailed):
        return None
    return None if short_of_capacity(made.encoded, made.point) else made


def _holding(encoded: Encoded, hold: Decision | None, pins: tuple[Ints, Floats] | None = None) -> Encoded:
    """The first stage held at a decision, and some columns at their values."""
    held = encoded if hold is None else replace(encoded, program=fixed_to(encoded, hold))
    return held if pins is None else replace(held, program=held.program.fix(*pins))


def _once(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    start: Floats | None,
    began: float,
    hold: Decision | None,
    before: Before | None = None,
    pins: tuple[Ints, Floats] | None = None,
) -> Incumbent:
    program = encoded.program.relax() if options.relax else encoded.program
    if not program.is_mip:
        return _linear(encoded, solver, options, began, hold)
    first = (
        solve_structured(encoded, lambda part, mine: run(part, solver, mine), options, before)
        if start is None
        else run(program, solver, options, start)
    )
    point = _point_of(first, encoded, options)
    solved = time.perf_counter()
    second = None
    tight = _tight(options)
    # allowances, at a unit boundary and the solver's own, are used only where they are needed
    for boundary, mine in ((0.0, tight), (BOUNDARY, tight), (BOUNDARY, options)):
        target = encoded if boundary else _exact(encoded, hold, pins)
        fixed, _ = fixed_integers(target.program, point)
        second = run(fixed, solver, mine)
        if second.point is not None:
            encoded = target
            break
    if second is None or second.point is None:
        raise SolverFailed(
            f"{solver}: with its integers rounded, the plan no longer satisfies all limits ({first.stats.raw}). "
            "Another solver (--solver), or a problem scaled less widely, may do."
        )
    return Incumbent(
        encoded=encoded,
        point=second.point,
        integers=point,
        stop=first.stop,
        bound=first.bound,
        row_duals=None if second.duals is None or pins is not None else second.duals.row,
        prices_of="instance counts, contracts and other integers fixed as planned",
        seconds={"integers": solved - began, "flows": time.perf_counter() - solved},
        solver=solver,
        options=options,
    )


def _exact(encoded: Encoded, hold: Decision | None, pins: tuple[Ints, Floats] | None = None) -> Encoded:
    """The same program without the allowance at unit boundaries."""
    return _holding(encode(encoded.instance, boundary=0.0, tightened=encoded.tightened), hold, pins)


def _linear(
    encoded: Encoded, solver: str, options: SolveOptions, began: float, hold: Decision | None
) -> Incumbent:
    """Without integers the first solve is the last, at tight tolerance."""
    exact = _exact(encoded, hold) if encoded.instance.fleets.pools else encoded
    program = exact.program.relax() if options.relax else exact.program
    solution = run(program, solver, _tight(options))
    return Incumbent(
        encoded=replace(exact, program=program),
        point=(point := _point_of(solution, exact, options)),
        integers=point,
        stop=solution.stop,
        bound=solution.bound,
        row_duals=None if solution.duals is None else solution.duals.row,
        prices_of="integrality relaxed"
        if options.relax and encoded.program.is_mip
        else "nothing fixed: a linear program",
        seconds={"flows": time.perf_counter() - began},
        solver=solver,
        options=options,
    )


def _late(options: SolveOptions, began: float) -> bool:
    return options.time_limit_s is not None and time.perf_counter() - began > options.time_limit_s


def _in_time_left(options: SolveOptions, began: float) -> SolveOptions:
    """What is left of the time, or a tenth of it: a plan that breaks a promise is no plan, so mending it goes on."""
    if options.time_limit_s is None:
        return options
    left = options.time_limit_s - (time.perf_counter() - began)
    return replace(options, time_limit_s=max(left, 0.1 * options.time_limit_s, 1.0))


def _tight(options: SolveOptions) -> SolveOptions:
    """LP tolerances at 1e-9; a plan found is finished, whatever time is left."""
    limit = options.time_limit_s
    return replace(
        options,
        primal_tolerance=TIGHT,
        dual_tolerance=TIGHT,
        time_limit_s=None if limit is None else max(limit, 60.0),
    )


def run(program, solver: str, options: SolveOptions, start: Floats | None = None) -> Solution:  # type: ignore[no-untyped-def]
    """Call a backend; its refusals become errors with an exit code."""
    try:
        return solve_program(program, solver, options, start)
    except (UnknownSolver, SolverUnavailable, OptionRejected) as error:
        raise InputError(Issue(("--solver",), str(error), value=solver)) from error
    except HandOverRefused as error:
        raise SolverFailed(str(error)) from error
    except SolversError as error:
        raise SolverFailed(str(error)) from error


def _point_of(solution: Solution, encoded: Encoded, options: SolveOptions) -> Floats:
    if solution.point is not None and np.isfinite(solution.point).all():
        return solution.point
    if solution.stop in (Stop.INFEASIBLE, Stop.INFEASIBLE_OR_UNBOUNDED):
        raise Infeasible(why_infeasible(encoded))
    if solution.stop is Stop.INTERRUPTED:
        raise KeyboardInterrupt
    if solution.stop in LIMITS:
        limit = f"{options.time_limit_s:g} s" if options.time_limit_s is not None else "the limits"
        raise NoPlanInTime(
            f"no plan was found within {limit} ({solution.stop.value}). Whether there is one is not known; "
            "a longer --time-limit, or a wider --gap, may do."
        )
    raise SolverFailed(f"the solver ended with {solution.stop.value} ({solution.stats.raw}) and no plan.")
