"""Capacity that spills: the program solved again with rows for sets of minutes and flows until none is broken.

    1  the relaxation, with the rows that its point breaks, until there are none
    2  the program: its optimum bounds every plan; where it breaks no row it is the best plan
    3  its whole numbers fixed, and rows added to the flows until none is broken: a plan; back to 2

Every plan keeps every row, so that each program's bound is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from problems.core.arrays import Floats
from problems.core.encode import Encoded, encode, fixed_integers
from problems.core.instance import Instance
from problems.core.overflow import SpillCut
from problems.spilling import SpillLimits
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.planning.fixed import Fixed
from router.planning.gates import find
from router.planning.two_steps import Incumbent, run
from solvers import Solution, SolveOptions, Stop

NEAR = 1e-7  # relative, by which a row may be missed
MOST_ROUNDS = 200
MOST_PROGRAMS = 30

type Cuts = Mapping[int, tuple[SpillCut, ...]]
type Search = Callable[[Encoded], Incumbent]


def broken(encoded: Encoded, point: Floats) -> Cuts:
    """The rows that a point breaks most, by scenario; none where it is a plan."""
    found: dict[int, tuple[SpillCut, ...]] = {}
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        limits, own = SpillLimits(view), list[SpillCut]()
        for limit in limits.all:
            carried = point[cols.flow[limit.flows]].clip(0.0)
            spilled = cols.spilled[limit.flows]
            sent = carried + (spilled >= 0) * point[spilled].clip(0.0)
            own += limit.cuts(sent, carried, limits.amounts(limit, point, cols), NEAR)
        if own:
            found[view.scenario] = tuple(own)
    return found


def with_rows(encoded: Encoded, more: Cuts) -> Encoded:
    """The program with rows more; its columns stay as they are."""
    inst, spilling = encoded.instance, encoded.instance.spilling
    assert spilling is not None
    scenarios = spilling.cuts.keys() | more.keys()
    cuts = {s: (*spilling.cuts.get(s, ()), *more.get(s, ())) for s in scenarios}
    routed = (encoded.views[0].routes, encoded.refusals)
    inst = replace(inst, spilling=replace(spilling, cuts=cuts))
    return encode(inst, boundary=encoded.views[0].boundary, routed=routed, regions=encoded.regions)


def closed(encoded: Encoded, solve: Callable[[Encoded], Solution]) -> Solution:
    """What `solve` says of the program once its point breaks no row; without a point where that takes too long."""
    for _ in range(MOST_ROUNDS):
        answer = solve(encoded)
        more = {} if answer.point is None else broken(encoded, answer.point)
        if not more:
            return answer
        encoded = with_rows(encoded, more)
    return Solution(Stop.EXHAUSTED)


def kept_by_the_minute(
    encoded: Encoded, solver: str, options: SolveOptions, search: Search, decided: Fixed
) -> Incumbent:
    """The best plan that keeps every row, with what is `decided`. Raises as `search` does."""
    program = _of_relaxation(encoded, options)
    best: Incumbent | None = None
    bound = float("-inf")
    for _ in range(MOST_PROGRAMS):
        try:
            outer = search(program)
        except (NoPlanInTime, SolverFailed):
            if best is None:
                raise
            break
        bound = max(bound, outer.bound)
        more = broken(outer.encoded, outer.point)
        if not more:
            return replace(outer, bound=max(bound, outer.bound), minutes=rows_by_name(program))
        program = with_rows(program, more)
        program, plan = _of_whole_numbers(program, outer, (solver, options), decided)
        if plan is not None and (best is None or plan.objective_usd < best.objective_usd):
            best = plan
        if best is not None:
            room = options.gap * max(abs(best.objective_usd), 1e-12)
            if best.objective_usd - bound <= room:
                return replace(best, bound=bound, stop=Stop.OPTIMAL, minutes=rows_by_name(program))
            if options.late:
                break
    if best is None:
        raise NoPlanInTime(
            "no plan that keeps within its limits in every minute was found in time. "
            "A longer --time-limit, or a wider --gap, may help."
        )
    stop = Stop.TIME_LIMIT if options.late else Stop.EXHAUSTED
    return replace(best, bound=bound, stop=stop, minutes=rows_by_name(program))


def rows_by_name(encoded: Encoded) -> dict[str, dict[str, float]] | None:
    """The rows of a program, as a proof names them: by their flows, and the weights of their minutes; and by what
    boots, with its part of the instances.

    Those of one of several futures begin with its name and a bar.
    """
    spilling, names = encoded.instance.spilling, encoded.program.column_names
    if spilling is None or names is None:
        return None
    column_names, offers = names(), encoded.instance.offers.names
    rows: dict[str, dict[str, float]] = {}
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        of = f"{view.inst.scenarios.names[view.scenario]}|" if len(encoded.views) > 1 else ""
        for k, cut in enumerate(spilling.cuts.get(view.scenario, ())):
            flows = (column_names[j] for j in cols.flow[cut.limit.flows[cut.own]].tolist())
            key = f"{of}{offers[cut.limit.offer]},{cut.limit.period},{k}"
            boots = (column_names[j] for j in SpillLimits(view).booting(cut.limit, cols).tolist())
            rows[key] = dict(zip([*flows, *boots], [*cut.weight.tolist(), *cut.boots.tolist()], strict=True))
    return rows


def rows_of_relaxation(inst: Instance, options: SolveOptions) -> dict[str, dict[str, float]] | None:
    """Those that the relaxation of all futures together needs; None where nothing spills."""
    return None if inst.spilling is None else rows_by_name(_of_relaxation(encode(inst), options))


def _of_relaxation(encoded: Encoded, options: SolveOptions) -> Encoded:
    for _ in range(MOST_ROUNDS):
        if options.late:
            break
        point = run(encoded.program.relax(), "highs", options).point
        more = broken(encoded, point) if point is not None else {}
        if not more:
            break
        encoded = with_rows(encoded, more)
    return encoded


def _of_whole_numbers(
    encoded: Encoded, outer: Incumbent, asked: tuple[str, SolveOptions], decided: Fixed
) -> tuple[Encoded, Incumbent | None]:
    """Rows for the flows that go with whole numbers, and the plan of them; None where they have none."""
    solver, options = asked
    program, columns = fixed_integers(encoded.program, outer.integers)
    values = program.col_lower[columns]
    for _ in range(MOST_ROUNDS):
        case = decided.applied(encoded).program
        point = run(fixed_integers(case, outer.integers)[0], "highs", options.finishing).point
        if point is None:
            return encoded, None
        more = broken(encoded, point)
        if not more:
            break
        encoded = with_rows(encoded, more)
    try:
        plan = find(encoded, solver, options.finishing, replace(decided, columns=(columns, values)))
    except (Infeasible, NoPlanInTime, SolverFailed):
        return encoded, None
    return encoded, None if broken(plan.encoded, plan.point) else plan
