"""Trees over the verifier's relaxation as it stands, and with rows that make them short, within so much work.

    plain      the relaxation
    rounded    with the cuts that it breaks, and with sums of its promises rounded as its own basis says: of 12,300
               nodes some 120 are left where few contracts share a budget

A proof is no more work than the search was, or `FLOOR` where that is more: of a small problem a proof of its own goes
first. Work is counted (`solvers.proof.tree.effort`), not timed, so that two runs find the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from problems.core.arrays import Floats
from router.plan.proof import ProofPart, Rounding
from router.planning.proofs.cutting import with_cuts
from router.planning.proofs.rounding import stated_roundings
from router.planning.proofs.scaled import ScaledRelaxation, parts_by_name
from router.planning.two_steps import Incumbent
from router.verification.bound.roundings import rounding_name
from solvers import LinearProgram, SolveOptions, Stop
from solvers.proof import ProgramProof, WorkLimits, effort, prove

GAP = 1e-9  # relative, at which a part counts as proven
FLOOR = 1_000_000.0  # see `WorkLimits`: about half a second to one
PLAIN = 0.2  # of that, a plain tree's part
PATIENT = 10_000_000.0  # the most
PER_NODE = 250  # of that, a relaxation takes at least
DIGITS = 17  # of weights, all: what is rounded round by round multiplies what they are off by
ROUNDS, CELLS = 4, 1_000_000.0  # of roundings; and of the tableau that they are read from, at most
MORE, NEAR = 2 / 3, 5e-3  # of the search's work, for a tree so near after `FLOOR`: no other comes to an end
A_LITTLE = 1e-5  # relative: as much as an allowance is worth where what it saves is dear
ALONE = 3_000  # columns: beyond, no second look confirms what a solver claims


@dataclass(frozen=True)
class Grown:
    """What trees have proven.

    ways         parts of each tree, the best first: the verifier's reckoning may make less of one
    searched     the best
    iterations   of all trees
    """

    ways: tuple[tuple[ProofPart, ...], ...]
    searched: ProgramProof
    iterations: int


def allowed(incumbent: Incumbent, gap: float) -> tuple[float, float]:
    """Work beyond `FLOOR` for the proof of a plan that a solver calls optimal, and how near a bound must be by then.

    In all no more than the search took; where no more than `gap` was asked for, a large program has `PATIENT`. A plan
    whose flows cost a little more without the allowance than the solver's point is one of these.
    """
    usd = incumbent.decoded.objective_usd
    little = incumbent.stop is Stop.EXHAUSTED and usd - incumbent.bound <= A_LITTLE * abs(usd)
    if incumbent.stop is not Stop.OPTIMAL and not little:
        return 0.0, 0.0
    program = incumbent.encoded.program
    if program.n_columns > ALONE and incumbent.options.gap <= gap:
        return PATIENT, inf
    spent = min(effort(program, incumbent.nodes or 0, incumbent.iterations or 0), PATIENT)
    return max(min(spent - FLOOR, MORE * spent), 0.0), NEAR


def grown(
    model: ScaledRelaxation, options: SolveOptions, start: Floats, enough: float, more: tuple[float, float]
) -> Grown:
    """Trees from a point on, until one comes to its end: plain, rounded, and the better of both with more work.

    enough   relative to the point's cost: a bound so near it is worth little more work
    more     see `allowed`

    Raises SolversError.
    """
    first = searched_by(model, options, start, PLAIN * FLOOR, enough)
    ways, iterations = [(model, tuple[Rounding, ...](), first)], first.iterations
    if not first.complete and not options.late:
        ways.append(_rounded(model, options, start, (1.0 - PLAIN) * FLOOR, enough))
        iterations += ways[-1][2].iterations
    ways.sort(key=lambda way: -way[2].bound)
    (tree, roundings, best), (work, within) = ways[0], more
    near = best.bound >= best.objective - within * abs(best.objective)
    if not best.complete and work > 0.0 and near and not options.late:
        longer = searched_by(tree, options, start, work, enough)
        iterations += longer.iterations
        if longer.bound > best.bound:
            ways.insert(0, (tree, roundings, longer))
    stated = [_with_roundings(parts_by_name(own, found.parts), rows) for own, rows, found in ways]
    return Grown(tuple(stated), ways[0][2], iterations)


def searched_by(
    model: ScaledRelaxation, options: SolveOptions, start: Floats | None, effort: float, enough: float = 0.0
) -> ProgramProof:
    """Trees from a point on, within so much effort; without any the relaxation alone, in overtime if need be.

    enough   relative to the point's cost: a bound so near it is worth little more work

    Raises SolversError.
    """
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

    def opened(program: LinearProgram, most_iterations: int | None) -> HighsRelaxation:
        return HighsRelaxation(program, most_iterations, deadline=options.finishing.deadline)

    nodes = max(WorkLimits.nodes, int(effort / PER_NODE))
    work = WorkLimits(nodes, effort=0.0 if options.late else effort, late=lambda: options.late)
    return prove(model.program, opened, start=start, gap=GAP, enough=enough, work=work)


def _rounded(
    model: ScaledRelaxation, options: SolveOptions, start: Floats, work: float, enough: float
) -> tuple[ScaledRelaxation, tuple[Rounding, ...], ProgramProof]:
    """A tree over the relaxation with cuts and roundings below its own rows, and what is rounded."""
    from solvers.rounding.lifted import lifted  # here: an export of the program needs no solver

    found = with_cuts(model, options)
    cut = model if found is None else found[0]
    if len(set(cut.promises)) < len(cut.promises):
        cut = model
    answer = lifted(cut.program, options, ROUNDS, CELLS)
    if answer is None or not len(answer.roundings):
        return cut, (), searched_by(cut, options, start, work, enough)
    roundings = stated_roundings(answer.roundings, cut.promises, cut.row_scale, cut.names, DIGITS)
    unit = np.array([row.unit for row in answer.roundings])
    tree = replace(
        cut,
        program=answer.added.added_to(cut.program),
        promises=(*cut.promises, *map(rounding_name, range(len(roundings)))),
        row_scale=np.concatenate([cut.row_scale, 1.0 / unit]),
    )
    return tree, roundings, searched_by(tree, options, start, work, enough)


def _with_roundings(parts: Sequence[ProofPart], roundings: tuple[Rounding, ...]) -> tuple[ProofPart, ...]:
    """Parts with the roundings stated that they have multipliers for."""
    if not roundings:
        return tuple(parts)
    names = set(map(rounding_name, range(len(roundings))))

    def used(part: ProofPart) -> bool:
        each = [leaf.multipliers for leaf in part.leaves or ()]
        return any(not names.isdisjoint(known) for known in (*each, part.multipliers or {}))

    return tuple(replace(part, roundings=roundings) if used(part) else part for part in parts)
