"""Among plans of equal cost: flows again, with whole numbers, counts and what is bought as found, and the cost held.

    latency     least Σ requests · (rtt + ttft); ttft is the first known of mean, p50 … p99
    even_load   least Σ_rows capacity · φ(load / capacity), then least highest load / capacity
    in order    least Σ share · place, in the order of the file, so that every run and solver decides alike

    rows       what limits the load of a pool or a quota in a period
    capacity   in tokens of what may run there; φ convex and linear between (i / 10, (i / 10)²)
    held       the cost, then each of the above: what its least says of columns and rows stays so (its optimal face)

Where each piece of work has one route that costs the least, nothing is equal, and nothing is solved again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from problems import quota, throughput
from problems.core.arrays import Bools, Floats, Ints
from problems.core.encode import Encoded
from problems.core.view import View
from router.errors import RouterError
from router.planning.second_step import TIGHT
from router.planning.two_steps import Incumbent, run
from router.planning.waits.tighten import short_of_capacity
from router.schema import Problem
from solvers import LinearProgram, SolveOptions

DEARER = 1e-9  # relative: what the cost may grow by
NOTHING = 1e-9  # of the largest cost: what a reduced cost or a price is no more than
MOST_COLUMNS = 100_000  # beyond, equal plans are left as the search found them
PART = 0.2  # of the time left, for each aim
MOST_ROUNDS = 20
KNOTS = 10  # of the convex function of load
GOLDEN = (5**0.5 - 1) / 2
NONE_LEFT = "equal plans were left as the search found them: "


@dataclass(frozen=True, eq=False, repr=False)
class Aim:
    """What is to be least: cost of the program's columns, and of `extra` columns under rows of their own."""

    cost: Floats
    extra: int = 0
    rows: sparse.csr_array | None = None  # over the program's columns and then the extra ones
    lower: Floats | None = None


def decided_among_equals(problem: Problem, best: Incumbent) -> Incumbent:
    """The plan that comes first among those of its cost; the same one where there is none, or no time to look.

    Where offers spill, again with the rows over minutes that it breaks, until there are none.
    """
    order = problem.policy.among_equals
    if not order or best.options.relax:
        return best
    if best.encoded.instance.spilling is None:
        return _first_of(best, order)
    from router.planning.minutes.closing import broken, with_rows  # here: few offers spill

    given = best
    for _ in range(MOST_ROUNDS):
        first = _first_of(given, order)
        more = broken(given.encoded, first.point)
        if not more:
            return replace(best, point=first.point, equal_plans=first.equal_plans)
        if first.point is given.point:  # the plan itself misses them by a rounding
            break
        given = replace(given, encoded=with_rows(given.encoded, more), row_duals=None)
    return undecided(best, "none that keeps within its limits in every minute was found")


def _first_of(best: Incumbent, order: Sequence[str]) -> Incumbent:
    encoded, n = best.encoded, best.encoded.program.n_columns
    if n > MOST_COLUMNS:
        return undecided(best, f"there are more than {MOST_COLUMNS:,} columns")
    program = _flows_alone(encoded, best.point)
    options = replace(best.options.finishing, native={}, primal_tolerance=TIGHT, dual_tolerance=TIGHT)
    duals, point = best.row_duals, best.point
    if duals is None:
        priced = _solved(program, options)
        if priced is None:
            return undecided(best, "its prices are not known")
        duals, point = priced
    program = _face(program, point, duals)
    if not _several(encoded, program):
        return best
    aims: list[Aim] = []
    for name in order:
        aims += [_latency(encoded)] if name == "latency" else _even(encoded, program)
    for aim in (*aims, _in_order(encoded)):
        if best.options.late:
            return undecided(best, "there was no time to look for another")
        program = _with(program, aim)
        found = _solved(program, options)
        if found is None:
            return undecided(best, "none was found within the tolerances of cost")
        duals, point = found
        program = _face(program, point, duals)
    if np.allclose(point[:n], best.point[:n], rtol=DEARER, atol=DEARER):
        return best
    changed = replace(best, point=point[:n])
    dearer = changed.decoded.cost_usd - best.decoded.cost_usd
    if short_of_capacity(encoded, changed.point) or dearer > DEARER * abs(best.decoded.cost_usd) + DEARER:
        return undecided(best, "what is alike by its cost is not by its waiting or its rounding")
    return replace(changed, equal_plans=f"among plans of the same cost (within {DEARER:g}), {_first(order)}")


def _first(order: Sequence[str]) -> str:
    """What comes first, in words."""
    words = {"latency": "the soonest to answer", "even_load": "the most evenly loaded"}
    return f"this is {', then '.join(words[name] for name in order)}"


def undecided(best: Incumbent, why: str) -> Incumbent:
    """The same plan, with a note why equal ones were not weighed."""
    return replace(best, equal_plans=f"{NONE_LEFT}{why}")


def _several(encoded: Encoded, program: LinearProgram) -> bool:
    """Whether some work may still go several ways."""
    open_ = program.col_upper > program.col_lower
    return any(
        bool((np.bincount(view.flows.cell[open_[cols.flow]], minlength=len(view.cells)) > 1).any())
        for view, cols in zip(encoded.views, encoded.columns, strict=True)
        if len(view.cells)
    )


def _flows_alone(encoded: Encoded, point: Floats) -> LinearProgram:
    """The program in which flows and what is billed for them are open, and all else is as planned."""
    program, first = encoded.program, encoded.first
    open_ = np.ones(program.n_columns, dtype=bool)
    open_[program.integer] = False
    ahead, held = first.ahead, (first.signed, first.committed, first.active, first.bought)
    tables = [*held, ahead.count, ahead.paid, ahead.open, ahead.steps, first.hosts]
    for cols in encoded.columns:
        counts = cols.counts
        tables += [counts.count, counts.paid, counts.open, counts.steps, cols.started, cols.unserved]
    for table in tables:
        at = np.ravel(table)
        open_[at[at >= 0]] = False
    shut = np.flatnonzero(~open_)
    value = np.where(program.integer, np.round(point), point)
    value = np.clip(value, program.col_lower, program.col_upper)
    return program.fix(shut, value[shut])


def _face(program: LinearProgram, point: Floats, duals: Floats) -> LinearProgram:
    """Where the objective is at its least: columns with a reduced cost stay at their bound, priced rows at theirs."""
    reduced = program.cost - program.matrix.T @ duals
    near = NOTHING * max(float(np.abs(program.cost).max(initial=0.0)), 1e-300)
    fixed = np.flatnonzero(np.abs(reduced) > near)
    lower, upper = program.col_lower.copy(), program.col_upper.copy()
    at = np.where(reduced > 0, lower, upper)
    value = np.where(np.isfinite(at), at, point)
    lower[fixed] = upper[fixed] = value[fixed]
    row_lower, row_upper = program.row_lower.copy(), program.row_upper.copy()
    largest = np.zeros(program.n_rows)
    np.maximum.at(
        largest,
        np.repeat(np.arange(program.n_rows), np.diff(program.matrix.indptr)),
        np.abs(program.matrix.data),
    )
    priced = np.abs(duals) * largest > near
    low = priced & (duals > 0) & np.isfinite(row_lower)
    high = priced & (duals < 0) & np.isfinite(row_upper)
    row_upper[low], row_lower[high] = row_lower[low], row_upper[high]
    return replace(program, col_lower=lower, col_upper=upper, row_lower=row_lower, row_upper=row_upper)


def _with(program: LinearProgram, aim: Aim) -> LinearProgram:
    """The program under an aim, with the columns and rows of its own after those that there are."""
    n, own = len(aim.cost) - aim.extra, aim.rows
    before = program.n_columns - n  # columns of earlier aims
    cost = np.concatenate([aim.cost[:n], np.zeros(before), aim.cost[n:]])
    if own is None or aim.lower is None:
        return replace(program, cost=cost, column_names=None, row_names=None, blocks=None)
    there, at = program.matrix, own.indices
    at = np.where(at < n, at, at + before)
    width = program.n_columns + aim.extra
    above = sparse.csr_array((there.data, there.indices, there.indptr), shape=(program.n_rows, width))
    below = sparse.csr_array((own.data, at, own.indptr), shape=(own.shape[0], width))
    return replace(
        program,
        matrix=sparse.vstack([above, below]).tocsr(),
        cost=cost,
        row_lower=np.append(program.row_lower, aim.lower),
        row_upper=np.append(program.row_upper, np.full(len(aim.lower), np.inf)),
        col_lower=np.append(program.col_lower, np.zeros(aim.extra)),
        col_upper=np.append(program.col_upper, np.full(aim.extra, np.inf)),
        integer=np.append(program.integer, np.zeros(aim.extra, dtype=bool)),
        column_names=None,
        row_names=None,
        blocks=None,
    )


def _solved(program: LinearProgram, options: SolveOptions) -> tuple[Floats, Floats] | None:
    """Row duals and point, by HiGHS whoever searched, so that equal plans are decided alike."""
    try:
        found = run(program, "highs", options.within(PART))
    except RouterError:
        return None
    if found.point is None or found.duals is None or not np.isfinite(found.point).all():
        return None
    return found.duals.row, found.point


def _latency(encoded: Encoded) -> Aim:
    """Requests by how long they wait for their first token, in parts of the largest."""
    cost = np.zeros(encoded.program.n_columns)
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        seconds = _first_known_s(view)
        requests = view.flows.work * view.routes.requests[view.flows.route]
        cost[cols.flow] = requests * seconds[view.flows.route]
    return Aim(_scaled(cost))


def _first_known_s(view: View) -> Floats:
    """(R,) round trip and time to first token: the first known of its mean and percentiles, else the largest of the
    workload's other routes."""
    routes, n = view.routes, len(view.inst.workloads.names)
    known = np.isfinite(routes.ttft_s)
    first = np.argmax(known, axis=1) if len(routes) else np.empty(0, dtype=np.int64)
    value = np.where(known.any(axis=1), routes.ttft_s[np.arange(len(routes)), first], -1.0)
    largest = np.zeros(n)
    np.maximum.at(largest, routes.workload, np.maximum(value, 0.0))
    value = np.where(value < 0, largest[routes.workload], value)
    return np.asarray(value + view.inst.network.rtt_s[routes.workload, routes.offer])


def _even(encoded: Encoded, free: LinearProgram) -> list[Aim]:
    """Two aims: loads as even as can be, and the highest part of a capacity that is used."""
    load, capacity, weight = _loads(encoded, free)
    m, n = load.shape
    if not m:
        return []
    parts = _with_data(load, load.data / np.repeat(capacity, np.diff(load.indptr)))
    i = np.arange(1, KNOTS + 1)
    slope, offset = (2 * i - 1) / KNOTS, i * (i - 1) / KNOTS**2  # φ ≥ slope · part − offset
    rows = sparse.vstack([_with_one(-s * parts, n + np.arange(m), m) for s in slope]).tocsr()
    cost = np.append(np.zeros(n), weight / weight.max())
    least = np.repeat(-offset, m)
    highest = _with_one(-parts, np.full(m, n), 1)
    return [
        Aim(cost, m, rows, least),
        Aim(np.append(np.zeros(n), 1.0), 1, highest, np.zeros(m)),
    ]


def _loads(encoded: Encoded, free: LinearProgram) -> tuple[sparse.csr_array, Floats, Floats]:
    """(m, n) loads by flow of rows of pools and quotas, (m,) their capacity, and that in tokens."""
    n = encoded.program.n_columns
    is_flow, tokens = np.zeros(n, dtype=bool), np.zeros(n)
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        is_flow[cols.flow] = True
        amount = view.flow_tokens
        tokens[cols.flow] = np.where(amount > 0, amount, view.flows.work)
    kept = [
        np.arange(part.first, part.end)
        for part in encoded.row_families
        if part.family in (throughput.NAME, quota.NAME)
    ]
    at = np.concatenate([np.empty(0, dtype=np.int64), *kept])
    rows = free.matrix[at].tocsr()
    fixed = np.where(is_flow, 0.0, np.where(np.isfinite(free.col_lower), free.col_lower, 0.0))
    shut = free.col_lower == free.col_upper
    capacity = free.row_upper[at] - rows @ fixed
    pure: Bools = np.asarray((abs(rows) @ (~is_flow & ~shut).astype(float)) == 0)
    load = _with_data(rows, rows.data * is_flow[rows.indices])
    load.eliminate_zeros()
    total = load @ np.ones(n)
    each = np.where(total > 0, (sparse.csr_array(load != 0).astype(float) @ tokens), 0.0)
    usable = np.flatnonzero(pure & np.isfinite(capacity) & (capacity > 1e-9) & (total > 0))
    weight = capacity[usable] * each[usable] / total[usable]
    return load[usable].tocsr(), capacity[usable], np.maximum(weight, 1e-300)


def _with_data(matrix: sparse.csr_array, data: Floats) -> sparse.csr_array:
    """A matrix of the same places; SciPy's diagonals would load NumPy's masked arrays."""
    return sparse.csr_array((data, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)


def _with_one(matrix: sparse.csr_array, at: Ints, extra: int) -> sparse.csr_array:
    """A matrix with so many columns more, and a 1 in one of them, `at`, in every row; SciPy's stacks take ten times as
    long for a few rows."""
    ends = matrix.indptr[1:]
    return sparse.csr_array(
        (
            np.insert(matrix.data, ends, 1.0),
            np.insert(matrix.indices, ends, at),
            matrix.indptr + np.arange(len(matrix.indptr)),
        ),
        shape=(matrix.shape[0], matrix.shape[1] + extra),
    )


def _in_order(encoded: Encoded) -> Aim:
    """A place of its own for each flow, so that one point is the least."""
    cost = np.zeros(encoded.program.n_columns)
    for cols in encoded.columns:
        cost[cols.flow] = 1.0 + np.mod(np.arange(1, len(cols.flow) + 1) * GOLDEN, 1.0)
    return Aim(_scaled(cost))


def _scaled(cost: Floats) -> Floats:
    largest = float(np.abs(cost).max(initial=0.0))
    return cost / largest if largest > 0 else cost
