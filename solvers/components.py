"""A program that falls apart is solved in its parts.

Two columns belong together when a row holds both. Without anything that spans periods, for example, every period is a
part of its own: many small integer programs in place of one large one, and the same optimum.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import sparse

from solvers.core.options import SolveOptions
from solvers.core.program import LinearProgram
from solvers.core.result import Solution, Stats, Stop

Solve = Callable[[LinearProgram, SolveOptions], Solution]
SolvePart = Callable[[LinearProgram, np.ndarray, SolveOptions], Solution]
"""A part, the columns it has in the whole, options."""

SMALLEST = 200  # columns of a bundle: parts smaller than this are solved together
SEVERITY = (Stop.INFEASIBLE, Stop.UNBOUNDED, Stop.INFEASIBLE_OR_UNBOUNDED, Stop.ERROR, Stop.INTERRUPTED)


def parts(program: LinearProgram) -> list[np.ndarray]:
    """Columns of each independent part that has a row, in order; small ones bundled."""
    n = program.n_columns
    incidence = sparse.coo_array(program.matrix)
    graph = sparse.coo_array(
        (np.ones(incidence.nnz, dtype=np.int8), (incidence.row + n, incidence.col)),
        shape=(n + program.n_rows,) * 2,
    )
    many, label = sparse.csgraph.connected_components(graph, directed=False)
    column = label[:n]
    size = np.bincount(column, minlength=many)
    order = np.argsort(column, kind="stable")
    groups = np.split(order, np.cumsum(size)[:-1])
    # bundles keep the order of their first columns, so that the answer does not depend on labels
    groups = sorted((group for group in groups if len(group)), key=lambda group: int(group[0]))
    bundled: list[np.ndarray] = []
    for group in groups:
        if bundled and len(bundled[-1]) < SMALLEST:
            bundled[-1] = np.concatenate([bundled[-1], group])
        else:
            bundled.append(group)
    return [np.sort(group) for group in bundled]


def solve_parts(
    program: LinearProgram, groups: list[np.ndarray], solve: SolvePart, options: SolveOptions
) -> Solution:
    """Solve each part; the whole is optimal where every part is, infeasible where one is."""
    began = time.perf_counter()
    point = np.zeros(program.n_columns)
    objective, bound = program.offset, program.offset
    stop, complete = Stop.OPTIMAL, True
    for i, columns in enumerate(groups):
        share = options.within(max(1.0 / (len(groups) - i), 0.1))
        part = solve(program.take(columns).program, columns, share)
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
    stats = Stats.of(program, raw=raw, solve_s=time.perf_counter() - began)
    if not complete:
        return Solution(stop, bound=bound, stats=stats)
    return Solution(stop, point, objective, bound, stats=stats)
