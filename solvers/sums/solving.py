"""Few whole columns beside very many others: a tree of our own over them and over their sums.

    1  the relaxation, and a whole point near it; switches that no point as cheap as that one has on are off
    2  what another column does as well for no more is left out, and what then is 0 too
    3  rows that hold for whole numbers (capacity_rows, share_rows), round by round, and a whole point near what is left
    4  counts of equal cost have a column more, s = Σ_k y_k, whole: how many there are in all is decided first
    5  a tree; where it comes to no end, a solver's search over the same

How many instances an offer has is what costs; which of its models has them often costs the same many ways, for work
that can go to either moves along. A tree over single counts looks at each of these ways, one over sums at one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from solvers.capacity_rows import CapacityRows, ImpliedRows, joined
from solvers.core.certify import is_feasible
from solvers.core.deadline import clock_s
from solvers.core.options import SolveOptions
from solvers.core.program import Bools, Floats, Ints, LinearProgram, SubProgram
from solvers.core.registry import get
from solvers.core.result import Solution, Stats, Stop
from solvers.forced import forced
from solvers.proof import WorkLimits, branch_and_bound
from solvers.rounded import whole_point
from solvers.rounding import with_sums
from solvers.sums.leaves import summed_leaves
from solvers.sums.share_rows import ShareRows, ShareSums, stacked

if TYPE_CHECKING:
    from solvers.highs_relaxation import HighsRelaxation

type Run = Callable[[LinearProgram, SolveOptions], Solution]

WHOLE = 1e-6
MOST_SWITCHES = 40
"""Looked at one by one: a linear program each."""

ROUNDS, ENOUGH = 12, 1e-4
"""Rounds of rows added; one that lifts the bound by less than this part of it is the last."""

KEPT = 1e-6
"""How well a point keeps to rows, relative."""

DEARER = 1e-6
"""Relative: what a switch must cost more than a known point to stay off, beyond what a solver's tolerances allow."""


def solve_summed(program: LinearProgram, run: Run, options: SolveOptions) -> Solution | None:
    """The best point that the search `run` finds, and its bound; None where no counts cost the same, or none is found.

    `run` is a search by HiGHS, here without presolve, which would take the sums out again. `Stop.OPTIMAL` only where
    the gap asked for is reached.
    """
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

    began = clock_s()
    if not equal_counts(program):
        return None
    relaxation = _opened(program, options)
    root = relaxation.solve(*_whole_bounds(program))
    if root.point is None:
        return None
    known = whole_point(program, relaxation, options, root)
    usd = np.inf if known is None else program.objective(known)
    off = _off(program, relaxation, root.point, usd, options)
    part, held = _smaller(program, [column for column, _ in off])
    rows, start = _strengthened(part.program, options)
    groups = equal_counts(part.program)
    summed = with_sums(_with_rows(part.program, *rows), groups)
    if start is not None:
        start = np.concatenate([start, [start[group].sum() for group in groups]])
    if options.watch is not None:
        options.watch(usd, program.objective(root.point))
    work = WorkLimits(late=lambda: options.late)
    tree = branch_and_bound(
        summed,
        lambda part, most: HighsRelaxation(part, most, deadline=options.finishing.deadline),
        start=start,
        within=(options.gap, 0.0),
        work=work,
    )
    stop = Stop.OPTIMAL
    points, bounds = [known, _whole(tree.point, part, held)], [tree.bound]
    nodes, raw = tree.nodes, f"{tree.nodes} nodes of a tree of our own over sums of counts"
    if not tree.complete:
        native = {**get("highs").WITHOUT_PRESOLVE, **options.native}
        answer = run(summed, replace(options, native=native))
        if answer.stop in (Stop.INFEASIBLE, Stop.INFEASIBLE_OR_UNBOUNDED):
            return None
        points.append(_whole(answer.point, part, held))
        bounds.append(answer.bound)
        stop, nodes = answer.stop, nodes + (answer.stats.nodes or 0)
        raw = f"{raw}, then {answer.stats.raw}"
    found = [each for each in points if each is not None and is_feasible(program, each, tolerance=KEPT)]
    point = min(found, key=program.objective, default=None)
    if point is None:
        return None
    objective = program.objective(point)
    bound = min(max(*bounds, program.objective(root.point)), objective)
    reached = objective - bound <= options.gap * abs(objective)
    stop = stop if reached or stop is not Stop.OPTIMAL else Stop.EXHAUSTED
    stats = replace(Stats.of(program, raw=raw, solve_s=clock_s() - began), nodes=nodes)
    leaves = summed_leaves(program, off, part, rows, groups, tree)
    return Solution(stop=stop, point=point, objective=objective, bound=bound, stats=stats, leaves=leaves)


def _whole(point: Floats | None, part: SubProgram, held: Floats) -> Floats | None:
    """A point of the smaller program, sums behind it, as one of the program."""
    if point is None:
        return None
    found = held.copy()
    found[part.columns] = point[: len(part.columns)]
    return found


def _opened(program: LinearProgram, options: SolveOptions) -> HighsRelaxation:
    from solvers.highs_relaxation import HighsRelaxation

    return HighsRelaxation(program, deadline=options.begun().deadline)


def _whole_bounds(program: LinearProgram) -> tuple[Floats, Floats]:
    """(k,) each, of the whole columns."""
    low, high = program.whole_bounds
    return low[program.integer], high[program.integer]


def _strengthened(
    program: LinearProgram, options: SolveOptions
) -> tuple[tuple[ImpliedRows, ShareSums], Floats | None]:
    """Rows that bind in the program's relaxation, and a whole point near that."""
    relaxation, capacity, shares = _opened(program, options), CapacityRows(program), ShareRows(program)
    bounds, m = _whole_bounds(program), program.n_rows
    nothing = capacity.none(), shares.none()
    cuts, made = [nothing[0]], [nothing[1]]
    is_cut, last = np.empty(0, dtype=bool), -np.inf
    for _ in range(ROUNDS):
        answer = relaxation.solve(*bounds)
        if answer.point is None or answer.multipliers is None:
            return nothing, None
        bound = program.objective(answer.point)
        if bound - last <= ENOUGH * abs(bound) or options.late:
            break
        last, broken, sums = bound, capacity.violated(answer.point), shares.violated(answer.point)
        if not len(broken) + len(sums):
            break
        cuts.append(broken)
        made.append(sums)
        is_cut = np.concatenate([is_cut, np.arange(len(broken) + len(sums)) < len(broken)])
        matrix = sparse.vstack([broken.matrix, sums.matrix], format="csr")
        relaxation.add_rows(matrix, np.concatenate([broken.upper, sums.upper]))
    else:
        answer = relaxation.solve(*bounds)
    if answer.point is None or answer.multipliers is None:
        return nothing, None
    binding = np.abs(answer.multipliers[m:]) > 0.0
    kept = joined(cuts).some(binding[is_cut]), stacked(made).some(binding[~is_cut])
    return kept, whole_point(program, relaxation, options, answer)


def _with_rows(program: LinearProgram, cuts: ImpliedRows, shares: ShareSums) -> LinearProgram:
    rows = np.full(len(shares), -1)
    return ImpliedRows(shares.matrix, shares.upper, rows).added_to(cuts.added_to(program))


def equal_counts(program: LinearProgram) -> list[Ints]:
    """Counts (whole columns that may be more than 1) of equal cost, where there are several."""
    counts = np.flatnonzero(program.integer & (program.col_upper > 1.0) & (program.cost > 0.0))
    _, number = np.unique(program.cost[counts], return_inverse=True)
    groups = (counts[number == k] for k in range(int(number.max(initial=-1)) + 1))
    return [group for group in groups if len(group) > 1]


def _off(
    program: LinearProgram, relaxation: HighsRelaxation, point: Floats, usd: float, options: SolveOptions
) -> list[tuple[int, Floats]]:
    """Switches that are off in every point that costs less than `usd`, each with the multipliers of the relaxation with
    it on, which prove that.
    """
    whole = relaxation.columns
    low, high = (bounds[whole] for bounds in program.whole_bounds)
    shut = np.flatnonzero((low == 0.0) & (high == 1.0) & (point[whole] <= WHOLE))[:MOST_SWITCHES]
    off: list[tuple[int, Floats]] = []
    for k in shut.tolist() if np.isfinite(usd) else ():
        if options.late:
            break
        lower = low.copy()
        lower[k] = 1.0
        answer = relaxation.solve(lower, high)
        if answer.point is None or answer.multipliers is None:
            continue
        if program.objective(answer.point) >= usd + DEARER * abs(usd):
            off.append((int(whole[k]), answer.multipliers))
    return off


def _smaller(program: LinearProgram, off: list[int]) -> tuple[SubProgram, Floats]:
    """The program of what is open, and (n,) what all else is held at."""
    upper = np.where(dominated(program), np.minimum(program.col_upper, 0.0), program.col_upper)
    upper[off] = 0.0
    room = forced(replace(program, col_upper=upper))
    open_ = room.lower < room.upper
    held = np.where(open_, 0.0, room.lower)
    part = room.applied(program).take(open_, point=held)
    usd = program.objective(held)
    return part._replace(program=part.program.with_cost(part.program.cost, usd)), held


def dominated(program: LinearProgram) -> Bools:
    """(n,) columns for which another does as well, for no more: it serves the same row and is in no other one.

    x_j, x_b ≥ 0 in a row Σ x = d, x_b alone in that and with room for all of it, cost_b ≤ cost_j: what j takes of other
    rows is only less where b has its part.
    """
    matrix, n = program.by_column, program.n_columns
    row, entries = matrix.indices, np.diff(matrix.indptr)
    column = np.repeat(np.arange(n), entries)
    serves = (program.row_lower == program.row_upper)[row] & (matrix.data == 1.0)
    harmless = serves | ((matrix.data > 0.0) & np.isneginf(program.row_lower[row]))
    free = ~program.integer & (program.col_lower == 0.0)
    free &= (np.bincount(column[serves], minlength=n) == 1) & (
        np.bincount(column[~harmless], minlength=n) == 0
    )
    served = np.zeros(n, dtype=np.int64)
    served[column[serves]] = row[serves]
    alone = np.flatnonzero(free & (entries == 1) & (program.col_upper >= program.row_upper[served]))
    alone = alone[np.lexsort((alone, program.cost[alone], served[alone]))]
    rows, first = np.unique(served[alone], return_index=True)
    best = np.full(program.n_rows, -1)
    best[rows] = alone[first]
    other = best[served]
    left_out: Bools = free & (other >= 0) & (other != np.arange(n)) & (program.cost >= program.cost[other])
    return left_out
