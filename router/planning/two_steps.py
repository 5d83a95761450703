"""A program to a point in two steps: the integers first, then the flows again with the integers fixed.

A MILP is solved to within the solver's own tolerance (tightening that has given wrong optima), with whole instances
read with a relative tolerance at unit boundaries. Then its integers are fixed and the flows are solved again as an LP
at tight tolerance and without that allowance: its point is the plan, its duals are the prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.encode import Encoded, fixed_integers
from router.errors import InputError, Issue, SolverFailed
from router.planning.answers import late, point_of
from router.planning.decode import Decoded, decode
from router.planning.deferred.pooling import solved_smaller
from router.planning.fixed import Fixed
from router.planning.second_step import (
    DEARER,
    TIGHT,
    FlowSearch,
    by_interior_point,
    through_open_ways,
    tight,
    with_allowance,
    with_integers,
)
from router.planning.settlement import Settled, settle
from router.planning.structure.booting import solve_booting
from router.planning.structure.in_parts import Before, solve_structured
from router.verification.base.audit import Audit
from solvers import (
    LinearProgram,
    OptionRejected,
    PiecePrices,
    SimplexBasis,
    Solution,
    SolveOptions,
    SolversError,
    SolverUnavailable,
    Stop,
    SummedLeaves,
    UnknownSolver,
    clock_s,
)
from solvers import solve as solve_program
from solvers.forced import forced, gates

BEGINNING_S = 1e-6  # for each column and each number of a program
PRICES_OF = "instance counts, contracts and other integers fixed as planned"


@dataclass(frozen=True, eq=False, repr=False)
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
    mixes: Mapping[str, tuple[float, ...]] | None = None  # at which pools that wait were cut, by name
    minutes: Mapping[str, Mapping[str, float]] | None = None  # rows over sets of minutes, by name
    prices: PiecePrices | None = None  # under which pieces of the program prove the bound
    leaves: SummedLeaves | None = None  # of a tree over sums that proves it
    nodes: int | None = None  # of the solver's tree; None: it does not say
    iterations: int | None = None  # of its simplex method, the same
    equal_plans: str = ""  # why another plan of the same cost was not looked for
    found_by: str = ""  # the road, where it was another than the search asked for
    out_of_time: tuple[str, ...] = ()  # what was left out
    audit: Audit | None = None  # what the verifier has worked out of the problem

    def saying(self, **changes: Any) -> Incumbent:
        """The same point with other things said of it: what was worked out of the point is not worked out again."""
        said = replace(self, **changes)
        for name in ("objective_usd", "settled", "decoded"):
            if name in self.__dict__:
                said.__dict__[name] = self.__dict__[name]
        return said

    @cached_property
    def objective_usd(self) -> float:
        """Of the program: with the weights of scenarios and risk, and as the solver's point has it."""
        return self.encoded.program.objective(self.point)

    @cached_property
    def settled(self) -> Settled:
        """The point, cleaned of the solver's tolerance."""
        return settle(self.encoded, self.point)

    @cached_property
    def decoded(self) -> Decoded:
        """The point as a plan's rows, rounded."""
        return decode(self.encoded, self.point)


class Closed(SolverFailed):
    """Flows that keep all promises go through what is closed.

    point   (n,)
    gates   by what goes through, the most first: whole columns that close its way
    bound   of the search that found it
    """

    def __init__(self, message: str, point: Floats, gates: tuple[Ints, ...], bound: float) -> None:
        super().__init__(message)
        self.point, self.gates, self.bound = point, gates, bound
        self.plan: Incumbent | None = None

    def beside(self, plan: Incumbent) -> Closed:
        """The same with a plan whose whole columns are these, and that costs more than the point does."""
        self.plan = plan
        return self


def find(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    fixed: Fixed,
    *,
    start: Floats | None = None,
    before: Before | None = None,
    rough: bool = False,
    shut: Ints | None = None,
) -> Incumbent:
    """The best point, from `start` or what was found before (see `gates.find`, which mends what is `Closed`).

    rough   its flows are not solved again: it is looked at, and no plan
    shut    columns that are not used while its whole numbers are looked for

    Raises Infeasible, NoPlanInTime, SolverFailed, and InputError for a bad solver or option.
    """
    began, encoded = clock_s(), fixed.applied(encoded)
    program = encoded.program.relax() if options.relax else encoded.program
    if not program.is_mip:
        return _linear(encoded, solver, options, fixed, began)
    if start is None:
        first = _whole_numbers(encoded, solver, options, fixed, before, shut)
    else:
        first = solved_smaller(
            encoded, program, lambda part, share, begun: run(part, solver, share, begun), options, start
        )
    point, spent = point_of(first, encoded, options), clock_s() - began
    if rough:
        return Incumbent(
            encoded=encoded,
            point=point,
            integers=point,
            stop=first.stop,
            bound=first.bound,
            row_duals=None,
            prices_of=PRICES_OF,
            seconds={"integers": spent},
            solver=solver,
            options=options,
        )
    return finished(encoded, first, (solver, options), fixed, spent, first.objective)


def _whole_numbers(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    fixed: Fixed,
    before: Before | None,
    shut: Ints | None,
) -> Solution:
    """The first step, by what the program is made of. See `find`."""

    def search(case: Encoded, options: SolveOptions) -> Solution:
        def solve(part: LinearProgram, share: SolveOptions) -> Solution:
            own = _of_part(part, case.program, solver, share)
            if fixed.spanning is None:
                return run(part, solver, own)
            return fixed.spanning.remembered(part, own, lambda: run(part, solver, own))

        return solve_structured(case, solve, options, before, by_pieces=solver == "highs")

    if shut is not None:
        return search(replace(encoded, program=encoded.program.fix(shut, np.zeros(len(shut)))), options)
    free = before is None and fixed.spanning is None
    booting = solve_booting(encoded, solver, options, run, search) if free else None
    return booting or search(encoded, options)


def finished(
    encoded: Encoded,
    first: Solution,
    search: tuple[str, SolveOptions],
    fixed: Fixed,
    seconds: float,
    claimed: float | None = None,
) -> Incumbent:
    """The second step: the integers of a solution fixed, the flows solved again.

    seconds   the first step's
    claimed   what the solution costs, where its flows go with its integers: the plan is to cost no more

    Raises SolverFailed where no flows go with these integers, `Closed` where some go through what is closed,
    NoPlanInTime where there was no time to find them.
    """
    (solver, options), began = search, clock_s()
    point = point_of(first, encoded, options)
    flows = FlowSearch(run, solver, options, first.basis)
    step = with_integers(encoded, point, fixed, flows)
    if step.found.point is None:
        if step.found.stop is Stop.TIME_LIMIT:
            raise late(step.found, options)
        raise _closed(encoded, first, point, (solver, first.stats.raw))
    if claimed is not None:
        step = with_allowance(step, encoded, point, fixed, flows, claimed)
    target, second = step.target, step.found
    assert second.point is not None
    third = through_open_ways(step, flows)
    if third is None:
        closed = _closed(target, first, second.point, (solver, first.stats.raw))
        if isinstance(closed, Closed):
            raise closed
        third = second  # nothing closes the way: the check decides
    assert third.point is not None
    plan = Incumbent(
        encoded=target,
        point=third.point,
        integers=point,
        stop=first.stop,
        bound=first.bound,
        row_duals=None if second.duals is None or fixed.columns is not None else second.duals.row,
        prices_of=PRICES_OF,
        seconds={"integers": seconds, "flows": clock_s() - began},
        solver=solver,
        options=options,
        prices=first.prices,
        leaves=first.leaves,
        nodes=first.stats.nodes,
        iterations=first.stats.iterations,
    )
    before = (
        target.program.objective(second.point) if claimed is None else min(claimed, second.objective or inf)
    )
    if plan.objective_usd <= before + max(options.gap, DEARER) * abs(plan.objective_usd):
        return plan
    closed = _closed(encoded, first, point, (solver, first.stats.raw))
    if isinstance(closed, Closed):
        raise closed.beside(plan)
    return replace(plan, stop=Stop.EXHAUSTED if plan.stop is Stop.OPTIMAL else plan.stop)


def _closed(encoded: Encoded, first: Solution, point: Floats, said: tuple[str, str]) -> SolverFailed:
    """Why no flows go with the whole columns of a point: some go through what these close, or one is not whole.

    said   solver, and its own word
    """
    program, (solver, word) = encoded.program, said
    room = forced(fixed_integers(program, point)[0])
    ways = [gates(program, room, j) for j in room.through(point).tolist()]
    off = np.where(program.integer, np.abs(point - np.round(point)), 0.0)
    ways += [np.array([j]) for j in np.argsort(-off, kind="stable") if off[j] > TIGHT]
    failed = (
        f"{solver}: with its integers rounded, the plan no longer satisfies all limits ({word}). "
        "Another solver (--solver), or a problem scaled less widely, may help."
    )
    ways = [way for way in ways if len(way)]
    return Closed(failed, point, tuple(ways), first.bound) if ways else SolverFailed(failed)


def _linear(encoded: Encoded, solver: str, options: SolveOptions, fixed: Fixed, began: float) -> Incumbent:
    """Without integers the first solve is the last, at tight tolerance."""
    target = fixed.exact(encoded) if encoded.instance.fleets.pools else encoded
    program = target.program.relax() if options.relax else target.program
    solution = solved_smaller(
        target, program, lambda part, share, _: run(part, solver, share), tight(options)
    )
    point = point_of(solution, target, options)
    relaxed = options.relax and encoded.program.is_mip
    return Incumbent(
        encoded=replace(target, program=program),
        point=point,
        integers=point,
        stop=solution.stop,
        bound=solution.bound,
        row_duals=None if solution.duals is None else solution.duals.row,
        prices_of="integrality relaxed" if relaxed else "nothing fixed: a linear program",
        seconds={"flows": clock_s() - began},
        solver=solver,
        options=options,
    )


def _of_part(part: LinearProgram, program: LinearProgram, solver: str, options: SolveOptions) -> SolveOptions:
    """Options of a part of a program: nobody watches it, and one without integers has them fixed."""
    if part is program:
        return options
    options = replace(options, watch=None)
    return options if part.is_mip else by_interior_point(part, solver, options)


def beginning_s(program: LinearProgram) -> float:
    """Seconds before a solver looks at its clock for the first time: with less left it is not asked."""
    return BEGINNING_S * float(program.n_columns + program.matrix.nnz)


def run(
    program: LinearProgram, solver: str, options: SolveOptions, start: Floats | SimplexBasis | None = None
) -> Solution:
    """Call a backend; its refusals become errors with an exit code."""
    try:
        return solve_program(program, solver, options, start)
    except (UnknownSolver, SolverUnavailable, OptionRejected) as error:
        raise InputError(Issue(("--solver",), str(error), value=solver)) from error
    except SolversError as error:
        raise SolverFailed(str(error)) from error
