"""A program that falls apart into independent parts, solved part by part: exact, and cheaper than the whole.

    part       rows and columns connected through nonzeros, with whole columns; like parts are solved once
    the rest   what has no whole columns is one linear program; columns in no row lie at their cheaper bound

Workloads that share no pool, quota, contract or limit make parts. Beyond `MANY` of them, small ones are solved in
bundles. The gap asked for is of the whole: of its offset every part has a share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Duals, Solution, Stats, Stop

type Ints = NDArray[np.int64]

Solve = Callable[[LinearProgram, SolveOptions], Solution]
SolvePart = Callable[[LinearProgram, Ints, SolveOptions], Solution]
"""A part, the columns it has in the whole, options."""

MANY = 200
SMALLEST = 200  # columns of a bundle
SMALL = 3_000  # columns: below, labels are found sooner by hand than the library for it is loaded
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
    """(n,) a column of the part that each column of a sparse matrix (m, n) is in, the same for all of it."""
    m, n = matrix.shape
    if n > SMALL:
        from scipy import sparse  # here: it takes long to load

        incidence = sparse.coo_array(matrix)
        ones = np.ones(incidence.nnz, dtype=np.int8)
        size = n + m
        graph = sparse.coo_array((ones, (incidence.row + n, incidence.col)), shape=(size, size))
        _, label = sparse.csgraph.connected_components(graph, directed=False)
        first, which = np.unique(label[:n], return_index=True, return_inverse=True)[1:]
        return first[which].astype(np.int64)
    label = list(range(n))  # of each column, one before it in the same part, or itself

    def root(j: int) -> int:
        while label[j] != j:
            label[j] = label[label[j]]
            j = label[j]
        return j

    begin, columns = matrix.indptr.tolist(), matrix.indices.tolist()
    for i in range(m):
        roots = {root(j) for j in columns[begin[i] : begin[i + 1]]}
        least = min(roots, default=0)
        for j in roots:
            label[j] = least
    return np.array([root(j) for j in range(n)], dtype=np.int64)


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


def solve_parts(
    program: LinearProgram, groups: list[Ints], solve: SolvePart, options: SolveOptions, *, alike: bool = True
) -> Solution:
    """Solve each part; the whole is optimal where every part is, infeasible where one is.

    alike   a part that equals an earlier one has its answer; else every one is solved
    """
    began = time.perf_counter()
    point = _lone(program, groups)
    if isinstance(point, Stop):
        return Solution(point, stats=Stats.of(program, raw=f"{point.value}, by a column or row alone"))
    objective = bound = program.objective(point)
    stop, complete, nodes = Stop.OPTIMAL, True, 0
    size, known = sum(len(columns) for columns in groups), dict[bytes, Solution]()
    for i, columns in enumerate(groups):
        own = program.take(columns).program
        key = content(own) if alike else b""
        part = known.get(key) if alike else None
        if part is None:
            share = options.within(max(1.0 / (len(groups) - i), 0.1))
            beside = program.offset * len(columns) / size
            part = solve(replace(own, offset=beside), columns, share)
            known[key] = part = _without(part, beside)
            nodes += part.stats.nodes or 0
        if part.stop in SEVERITY and part.point is None:
            return Solution(stop=part.stop, stats=replace(part.stats, raw=f"part {i}: {part.stats.raw}"))
        stop = part.stop if stop is Stop.OPTIMAL else stop
        bound += part.bound
        if part.point is None or part.objective is None:
            complete = False
            continue
        point[columns] = part.point
        objective += part.objective
    raw = f"{len(groups)} independent parts, {stop.value}"
    stats = replace(Stats.of(program, raw=raw, solve_s=time.perf_counter() - began), nodes=nodes)
    if not complete:
        return Solution(stop, bound=bound, stats=stats)
    return Solution(stop, point, program.objective(point), min(bound, objective), stats=stats)


def solve_linear_parts(
    program: LinearProgram, groups: list[Ints], solve: Solve, options: SolveOptions
) -> Solution:
    """The optimum of a linear program and its duals, part by part; what comes of a part that has none."""
    point = _lone(program, groups)
    if isinstance(point, Stop):
        return Solution(point, stats=Stats.of(program, raw=f"{point.value}, by a column or row alone"))
    began, row = time.perf_counter(), np.zeros(program.n_rows)
    for columns in groups:
        own = program.take(columns)
        part = solve(own.program, options)
        if part.point is None or part.duals is None:
            return part
        point[columns], row[own.rows] = part.point, part.duals.row
    raw = f"{len(groups)} independent parts"
    stats = Stats.of(program, raw=raw, solve_s=time.perf_counter() - began)
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
