"""A second search of a small program, by another path: what the first called the least may not be.

HiGHS without presolve, from another seed and from the first one's point; of another solver's word HiGHS too. It is no
more work than the first, counted in nodes, and what costs less is the plan. After a long search there is none, nor
where a proof that came to no end has taken much of what the first search took.
"""

from __future__ import annotations

from dataclasses import replace

from problems.core.encode import Encoded
from router.errors import RouterError
from router.planning.fixed import Fixed
from router.planning.gates import find
from router.planning.two_steps import Closed, Incumbent, finished, run
from router.planning.waits.tighten import short_of_capacity
from solvers import Solution, SolveOptions, Stop, get

GAP = 1e-9  # relative, at which a part counts as proven
OWN = 1e-6  # relative: no more than this may lie between our bound and what the solver claims
CHEAP = 3_000  # columns: beyond, the root alone may take longer without presolve than all did with it
SECOND, NODE_LIMIT, LOOKED_AT = "highs", "mip_max_nodes", 500
"""Who looks again, what it calls a limit on the nodes of its tree, and how many where the first does not count its own:
a second look is no more work than the first."""

STEPS, SOON, LONG = 3, 2_000, 10_000
"""Iterations of a tree over relaxations that cost as much as one of a solver's search (which has cuts, probing and
heuristics beside); a search of so few, about a third of a second, is looked at again in any case; one of so many,
some two seconds, is not: without presolve one to two and a half times as many may be needed, and HiGHS has no limit
on them."""


def is_small(incumbent: Incumbent) -> bool:
    """Whether to look twice costs next to nothing."""
    return incumbent.encoded.program.n_columns <= CHEAP


def unconfirmed(incumbent: Incumbent) -> bool:
    """Whether another path does not end with what a search stated, of a program small enough to be looked at again."""
    return (
        is_small(incumbent)
        and incumbent.nodes is not None
        and not agree(incumbent, by_another_path(incumbent.encoded, incumbent))
    )


def agree(incumbent: Incumbent, second: Solution | None) -> bool:
    """Whether a search by another path ends with the same cost."""
    value = incumbent.encoded.program.objective(incumbent.integers)
    near = max(incumbent.options.gap, OWN) * abs(value) + GAP
    if second is None or second.objective is None:
        return False
    return second.stop is Stop.OPTIMAL and second.objective >= value - near and second.bound <= value + near


def by_another_path(encoded: Encoded, incumbent: Incumbent, spent: int = 0) -> Solution | None:
    """What another search of a small program states; None where there is none.

    HiGHS without presolve, from another seed and from the point of the first, with no more nodes than that; of another
    solver's word HiGHS too, with no more than it says that it took, or `LOOKED_AT`.

    spent   simplex iterations of a proof
    """
    said = incumbent.stop is Stop.OPTIMAL and not incumbent.rounds
    again = incumbent.solver == SECOND
    if not said or (again and incumbent.nodes is None) or encoded.program.n_columns > CHEAP:
        return None
    first = incumbent.iterations
    if again and first is not None and (first > LONG or (first > SOON and 2 * spent > STEPS * first)):
        return None
    options, nodes = incumbent.options, incumbent.nodes or (0 if again else LOOKED_AT)
    own = options.native if again else {}
    native = {**own, **get(SECOND).WITHOUT_PRESOLVE, NODE_LIMIT: max(nodes, 1)}
    try:
        other = replace(options, seed=options.seed + 1, native=native, watch=None)
        return run(encoded.program, SECOND, other, incumbent.integers)
    except RouterError:
        return None


def better_of_two(encoded: Encoded, incumbent: Incumbent) -> Incumbent:
    """The incumbent, or the plan of a second search of a small program where that costs less.

    What the first stated to be the least was not: of both bounds the lower one counts, and nothing is called optimal
    that the second search did not end.
    """
    return cheaper_of(encoded, incumbent, by_another_path(encoded, incumbent))


def cheaper_of(encoded: Encoded, incumbent: Incumbent, second: Solution | None) -> Incumbent:
    """The incumbent, or the plan of what the second search found where that costs less."""
    if second is None or second.point is None or second.objective is None:
        return incumbent
    value = encoded.program.objective(incumbent.integers)
    if second.objective >= value - max(incumbent.options.gap, OWN) * abs(value) - GAP:
        return incumbent
    options = incumbent.options if incumbent.solver == SECOND else replace(incumbent.options, native={})
    try:
        better = finished(encoded, second, (SECOND, options), Fixed(), 0.0, second.objective)
    except Closed:  # a tiny load goes through what its point closes
        better = _by_the_second(encoded, options, incumbent)
    except RouterError:
        return incumbent
    if better.objective_usd >= incumbent.objective_usd or promises_broken(better):
        return incumbent
    road = (
        ""
        if incumbent.solver == SECOND
        else f"found by {SECOND}, after {incumbent.solver} had called a dearer one optimal"
    )
    return replace(better, bound=min(incumbent.bound, second.bound), found_by=road or better.found_by)


def _by_the_second(encoded: Encoded, options: SolveOptions, incumbent: Incumbent) -> Incumbent:
    """What the second solver's own search ends with; the incumbent where it ends with none."""
    try:
        return find(encoded, SECOND, replace(options, watch=None), Fixed())
    except RouterError:
        return incumbent


def promises_broken(plan: Incumbent) -> bool:
    if plan.encoded.instance.spilling is not None:
        from router.planning.minutes.closing import broken  # here: few offers spill

        if broken(plan.encoded, plan.point):
            return True
    return bool(short_of_capacity(plan.encoded, plan.point))
