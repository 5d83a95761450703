"""A program that falls apart into independent parts, solved part by part: exact, and cheaper than the whole.

    part       rows and columns connected through nonzeros, with whole columns; like parts are solved once, see `alike`
    the rest   what has no whole columns is one linear program; columns in no row lie at their cheaper bound

Workloads that share no pool, quota, contract or limit make parts. Beyond `MANY` of them, small ones are solved in
bundles. The gap asked for is of the whole: of its offset every part has a share.

Each has a share of the time that is left, those with the fewest whole columns first: what they do not need is for the
others. What is left in the end is for those that their share has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from solvers.core.alike import placed
from solvers.core.deadline import clock_s
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.result import Duals, Solution, Stats, Stop

Solve = Callable[[LinearProgram, SolveOptions], Solution]
SolvePart = Callable[[LinearProgram, Ints, SolveOptions], Solution]
"""A part, the columns it has in the whole, options."""

MANY = 200
SMALLEST = 200  # columns of a bundle
LONGER = 1.5  # times the time that a part had: for less it is not searched again
SEVERITY = (Stop.INFEASIBLE, Stop.UNBOUNDED, Stop.INFEASIBLE_OR_UNBOUNDED, Stop.ERROR, Stop.INTERRUPTED)


def parts(program: LinearProgram) -> list[Ints]:
    """Columns of each part that is worth a search of its own, see the module; those that lie in no row are left out."""
    lone = np.diff(program.by_column.indptr) == 0
    groups = [own for each in independent(program) if len(own := each[~lone[each]])]
    if len(groups) <= MANY:
        return groups
    bundled: list[Ints] = []
    for group in groups:
        if bundled and len(bundled[-1]) < SMALLEST:
            bundled[-1] = np.concatenate([bundled[-1], group])
        else:
            bundled.append(group)
    return [np.sort(group) for group in bundled]


def independent(program: LinearProgram) -> list[Ints]:
    """Columns of each part with whole columns, in the order of their first columns; the rest, if any, as one part."""
    part = labels(program.matrix)
    whole = np.zeros(program.n_columns, dtype=bool)
    whole[part[program.integer]] = True
    part[~whole[part]] = -1
    order = np.argsort(part, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(part[order])) + 1)
    return sorted((each for each in groups if len(each)), key=lambda each: int(each[0]))


def labels(matrix: Any) -> Ints:
    """(n,) the first column of the part that each column of a sparse matrix (m, n) by rows is in.

    Each column takes the least label in its rows, and the column of its label does too; labels of labels follow. A
    chain of n columns in any order takes some log n rounds (Zhang, Azad and Hu, FastSV, 2020).
    """
    entries = np.diff(matrix.indptr)
    first = matrix.indptr[:-1][entries > 0]
    row, column = np.repeat(np.arange(len(first)), entries[entries > 0]), matrix.indices
    label = np.arange(matrix.shape[1])
    while len(first):
        least = np.minimum.reduceat(label[column], first)[row]
        new = label.copy()
        np.minimum.at(new, label[column], least)
        np.minimum.at(new, column, least)
        while (new[new] != new).any():
            new = new[new]
        if (new == label).all():
            break
        label = new
    return label


def content(program: LinearProgram) -> bytes:
    """Equal for programs that are equal in every number."""
    matrix = program.matrix
    arrays = (
        program.cost,
        matrix.indptr,
        matrix.indices,
        matrix.data,
        program.row_lower,
        program.row_upper,
        program.col_lower,
        program.col_upper,
        program.integer,
    )
    return b"|".join(array.tobytes() for array in arrays)


def mostly_alike(program: LinearProgram, groups: list[Ints]) -> bool:
    """Whether at least half of the parts equal an earlier one, so that all take little more than a few do."""
    return len(groups) > 1 and 2 * len({each.key for each in placed(program, groups)}) <= len(groups)


def different_columns(program: LinearProgram) -> int:
    """Columns of the parts that are to be searched: of like parts one counts."""
    groups = parts(program)
    if len(groups) <= 1:
        return program.n_columns
    size = {each.key: len(each.columns) for each in placed(program, groups)}
    return sum(size.values())


def solve_parts(
    program: LinearProgram, groups: list[Ints], solve: SolvePart, options: SolveOptions, *, alike: bool = True
) -> Solution:
    """Solve each part; the whole is optimal where every part is, infeasible where one is.

    alike   a part that equals an earlier one, in whatever order, has its answer; else every one is solved
    """
    began, options = clock_s(), options.begun()
    point = _lone(program, groups)
    if isinstance(point, Stop):
        return Solution(point, stats=Stats.of(program, raw=f"{point.value}, by a column or row alone"))
    objective = bound = program.objective(point)
    stop, complete = Stop.OPTIMAL, True
    size, known = sum(len(columns) for columns in groups), dict[bytes, _Searched]()
    order = sorted(range(len(groups)), key=lambda i: int(program.integer[groups[i]].sum()))
    found: dict[int, _Searched] = {}
    like = placed(program, groups) if alike else None
    for done, i in enumerate(order):
        columns, key = groups[i], b"%d" % i if like is None else like[i].key
        if key not in known:
            own, beside = program.take(columns).program, program.offset * len(columns) / size
            at = None if like is None else np.searchsorted(columns, like[i].columns)
            known[key] = _Searched(replace(own, offset=beside), columns, solve, at)
            known[key].search(options, max(1.0 / (len(groups) - done), 0.1))
        found[i] = known[key]
        if found[i].failed:
            break
    else:
        cut_short = [each for each in known.values() if each.answer.stop is Stop.TIME_LIMIT]
        for done, each in enumerate(cut_short if alike else ()):
            if any(other.answer.stop is Stop.INTERRUPTED for other in known.values()):
                break
            each.again(options, 1.0 / (len(cut_short) - done))
    for i, searched in sorted(found.items()):
        part, columns = searched.answer, groups[i] if like is None else like[i].columns
        if searched.failed:
            return Solution(stop=part.stop, stats=replace(part.stats, raw=f"part {i}: {part.stats.raw}"))
        if stop is Stop.OPTIMAL or part.stop is Stop.INTERRUPTED:
            stop = part.stop
        bound += part.bound
        if part.point is None or part.objective is None:
            complete = False
            continue
        point[columns] = part.point if searched.at is None else part.point[searched.at]
        objective += part.objective
    nodes = sum(each.nodes for each in known.values())
    raw = f"{len(groups)} independent parts, {stop.value}"
    stats = replace(Stats.of(program, raw=raw, solve_s=clock_s() - began), nodes=nodes)
    if not complete:
        return Solution(stop, bound=bound, stats=stats)
    return Solution(stop, point, program.objective(point), min(bound, objective), stats=stats)


class _Searched:
    """A part, and the best that its searches have found: `answer` is of the program without an offset.

    at   (n,) which of its columns are first, second, … in the order that like parts share
    """

    def __init__(
        self, program: LinearProgram, columns: Ints, solve: SolvePart, at: Ints | None = None
    ) -> None:
        self.program, self.columns, self.solve, self.at = program, columns, solve, at
        self.answer, self.nodes, self.had_s = Solution(Stop.UNKNOWN), 0, 0.0

    @property
    def failed(self) -> bool:
        """Whether the whole ends as this part does."""
        return self.answer.stop in SEVERITY and self.answer.point is None

    def search(self, options: SolveOptions, share: float) -> None:
        """Within a share of the time that is left."""
        own = options.within(share)
        self.had_s = own.left_s
        found = self.solve(self.program, self.columns, own)
        self.nodes += found.stats.nodes or 0
        self.answer = _without(found, self.program.offset)

    def again(self, options: SolveOptions, share: float) -> None:
        """Once more, where there is more time than it had: the cheaper point counts, and of two bounds the better.

        A search that states more than a known point costs says nothing.
        """
        if options.late or options.short_of(LONGER * self.had_s / share):
            return
        before = self.answer
        self.search(options, share)
        known, after = before.objective, self.answer
        if known is None:
            self.answer = replace(after, bound=max(before.bound, after.bound))
        elif after.objective is not None and after.objective <= known:
            bound = min(max(before.bound, after.bound), after.objective)
            self.answer = replace(after, bound=bound)
        else:
            better = before.bound < after.bound <= known
            self.answer = replace(before, bound=after.bound) if better else before
        if after.stop is Stop.INTERRUPTED:
            self.answer = replace(self.answer, stop=after.stop)


def solve_linear_parts(
    program: LinearProgram, groups: list[Ints], solve: Solve, options: SolveOptions
) -> Solution:
    """The optimum of a linear program and its duals, part by part; what comes of a part that has none."""
    point = _lone(program, groups)
    if isinstance(point, Stop):
        return Solution(point, stats=Stats.of(program, raw=f"{point.value}, by a column or row alone"))
    began, row = clock_s(), np.zeros(program.n_rows)
    for columns in groups:
        own = program.take(columns)
        part = solve(own.program, options)
        if part.point is None or part.duals is None:
            return part
        point[columns], row[own.rows] = part.point, part.duals.row
    raw = f"{len(groups)} independent parts"
    stats = Stats.of(program, raw=raw, solve_s=clock_s() - began)
    value, duals = program.objective(point), Duals(row, program.cost - program.matrix.T @ row)
    return Solution(Stop.OPTIMAL, point, value, value, duals, stats)


def _lone(program: LinearProgram, groups: list[Ints]) -> Floats | Stop:
    """(n,) columns that are in no part at their cheaper bound, the others at 0; a row of nothing may forbid all."""
    lone = np.ones(program.n_columns, dtype=bool)
    for columns in groups:
        lone[columns] = False
    low, high = program.whole_bounds
    empty = np.diff(program.matrix.indptr) == 0
    forbidden = empty & ((program.row_lower > 0) | (program.row_upper < 0))
    if (low > high)[lone].any() or forbidden.any():
        return Stop.INFEASIBLE
    near = np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, 0.0))
    best = np.where(program.cost > 0, low, np.where(program.cost < 0, high, near))
    point = np.where(lone, best, 0.0)
    return point if np.isfinite(point).all() else Stop.UNBOUNDED


def _without(part: Solution, offset: float) -> Solution:
    """The same of a part whose program has no offset."""
    objective = None if part.objective is None else part.objective - offset
    return replace(part, objective=objective, bound=part.bound - offset)
