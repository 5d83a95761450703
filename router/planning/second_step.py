"""The second step to a plan: whole numbers fixed, and flows that go with them, as nearly without allowances as goes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded, fixed_integers
from router.planning.deferred.pooling import solved_smaller
from router.planning.fixed import Fixed, part_lent
from router.planning.structure.in_parts import SMALL
from solvers import LinearProgram, SimplexBasis, Solution, SolveOptions, Stop, get, is_feasible
from solvers.components import parts, solve_linear_parts
from solvers.forced import Forced, forced

TIGHT = 1e-9
LOOSE = 1e-6  # as much as a promise lets go of
DEARER = (
    1e-6  # relative: flows that cost so much more than the point of a search are not the ones that it found
)
PRIMAL = 4  # of HiGHS's simplex strategies
INTERIOR_POINT = 50_000  # columns; at 80,000 of hourly agreements 5 s of CPU in place of 14


class CallsSolver(Protocol):
    """See `two_steps.run`."""

    def __call__(
        self,
        program: LinearProgram,
        solver: str,
        options: SolveOptions,
        start: Floats | SimplexBasis | None,
    ) -> Solution: ...


class FlowSearch(NamedTuple):
    """How flows are looked for; `basis`: of nearly the same program, to go on from."""

    run: CallsSolver
    solver: str
    options: SolveOptions
    basis: SimplexBasis | None = None


class SecondStep(NamedTuple):
    """Flows that go with whole numbers, and the program that they are of, with these fixed."""

    target: Encoded
    program: LinearProgram
    found: Solution
    tolerances: SolveOptions
    exact: bool  # without the allowance at unit boundaries
    room: Forced | None = None  # columns that the program leaves no room for, where they are known


def with_integers(encoded: Encoded, point: Floats, fixed: Fixed, search: FlowSearch) -> SecondStep:
    """Without allowances, at a unit boundary and the solver's own, where that goes; presolve has none.

    `found` has no point where no flows go with the whole numbers of `point` (n,), or none were found in time.
    """
    solver, options = search.solver, search.options
    plain = get(solver).WITHOUT_PRESOLVE
    exactly, close = fixed.exact(encoded), tight(options)
    ways = [(exactly, close), (encoded, close), (encoded, options.finishing)]
    if plain and set(plain) - set(options.native):
        ways.append((encoded, replace(options.finishing, native={**options.native, **plain})))
    # as the search itself; what it allows is checked
    ways.append((encoded, replace(options.finishing, primal_tolerance=LOOSE)))
    for target, tolerances in ways:
        program, room = fixed_integers(target.program, point)[0], None
        if search.basis is None:
            found = _flows(target, program, search, tolerances)
        else:  # a few steps from there, what is closed being so from the start
            room = forced(program)
            begun = _by_primal_simplex(solver, tolerances)
            shut = room.applied(program)
            found = _on_bounds(shut, room, _flows(target, shut, search, begun, search.basis))
        step = SecondStep(target, program, found, tolerances, target is exactly, room)
        if found.point is not None:
            break
    return step


def with_allowance(
    step: SecondStep, encoded: Encoded, point: Floats, fixed: Fixed, search: FlowSearch, claimed: float
) -> SecondStep:
    """With as much of the allowance as lets the flows cost what a proof may leave open; see `part_lent`."""
    options, exactly = search.options, step.found.point
    if not step.exact or exactly is None:
        return step
    usd = step.target.program.objective(exactly)
    left = max(options.gap, DEARER) * abs(usd)  # for a proof
    part = part_lent(usd, claimed, left)
    if part <= 0.0:
        return step
    lent, close = fixed.exact(encoded, part), tight(options)
    program = fixed_integers(lent.program, point)[0]
    flows = _flows(lent, program, search, close)
    if flows.point is None or lent.program.objective(flows.point) > claimed + left:
        return step
    return SecondStep(lent, program, flows, step.tolerances, exact=False)


def _flows(
    encoded: Encoded,
    program: LinearProgram,
    search: FlowSearch,
    options: SolveOptions,
    basis: SimplexBasis | None = None,
) -> Solution:
    """A linear program of the encoded one's rows and columns, from a basis of it, or of the smaller one.

    A large one whose whole columns share nothing is solved part by part.
    """

    run, solver = search.run, search.solver

    def solve(part: LinearProgram, share: SolveOptions, start: Floats | SimplexBasis | None) -> Solution:
        plain = part is program and start is None
        if plain and part.n_columns > INTERIOR_POINT:
            groups = parts(encoded.program)
            if len(groups) > 1 and max(map(len, groups)) <= SMALL:
                return solve_linear_parts(part, groups, lambda own, left: run(own, solver, left, None), share)
        return run(part, solver, by_interior_point(part, solver, share) if plain else share, start)

    return solved_smaller(encoded, program, solve, options, basis)


def through_open_ways(step: SecondStep, search: FlowSearch) -> Solution | None:
    """The flows, with nothing on what is closed: a solver lets a billionth of each row through, which may be all of a
    tiny load. None where no flows are left.
    """
    room, second = step.room or forced(step.program), step.found
    assert second.point is not None
    if not len(room.through(second.point)):
        return second
    third = _flows(step.target, room.applied(step.program), search, step.tolerances, search.basis)
    if third.point is None:
        return None if third.stop is Stop.INFEASIBLE else second
    return third


def _on_bounds(program: LinearProgram, room: Forced, found: Solution) -> Solution:
    """What a solver has left on what is shut, within its tolerance, put back: where all rows hold without it too."""
    if found.point is None or not len(room.through(found.point)):
        return found
    point = np.clip(found.point, program.col_lower, program.col_upper)
    if np.abs(point - found.point).max() > TIGHT or not is_feasible(program, point, tolerance=TIGHT):
        return found
    return replace(found, point=point, objective=program.objective(point))


def tight(options: SolveOptions) -> SolveOptions:
    """LP tolerances at 1e-9; what is found is finished in the overtime if need be."""
    return replace(options.finishing, primal_tolerance=TIGHT, dual_tolerance=TIGHT)


def by_interior_point(program: LinearProgram, solver: str, options: SolveOptions) -> SolveOptions:
    """Of a large linear program with its integers fixed, whose simplex steps hardly gain: the same point, sooner."""
    if solver != "highs" or program.n_columns <= INTERIOR_POINT or "solver" in options.native:
        return options
    return replace(options, native={**options.native, "solver": "ipm"})


def _by_primal_simplex(solver: str, options: SolveOptions) -> SolveOptions:
    """From the basis of nearly the same program: tens of steps, where the dual simplex takes thousands."""
    if solver != "highs" or "simplex_strategy" in options.native:
        return options
    return replace(options, native={**options.native, "simplex_strategy": PRIMAL})
