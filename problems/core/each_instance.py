"""A program whose pools that boot have 0/1 columns for each instance, beside the counts: the same plans, found sooner.

A relaxation of counts takes three quarters of an instance all the time, and starts none; that one off for a while boots
anew it sees only where off is a column of its own. Of a pool of at most K instances, in every period t:

    count[t] = Σ_k on[k,t],   on[k+1,t] ≤ on[k,t]                     on: 0/1; counts then need not be whole
    started[t] ≥ Σ_k begun[k,t]
    begun[k,t] ≥ on[k,t] − on[k,t−1],   begun[k,t] ≤ 1 − on[k,t−1]
    begun[k,t] ≤ on[k,t],   Σ_(u: t − min_up < u ≤ t) begun[1,u] ≤ on[1,t]
    Σ_f load · flow ≤ Σ_k h[k] · on[k,t] − d · begun[1,t]             single flows, and all of the row of `throughput`

    b       part of the period in which what starts in it boots; A = Σ load of these flows
    d       min(A, 1) − min(A, 1 − b): what the first instance carries less where it starts, and all others with it
    h[k]    H(k) − H(k−1) with H(k) = max(min(A, k), min(A, (1 − b) · k) + d)

Where the first starts, all that run do, and one of them at least stays for its minimum up time; where a further one
does, an older one may stop before. The last row: where k instances run and the first does not start, they carry
min(A, k) at most; where it starts all of them do, and carry min(A, (1 − b) · k). With every count goes a point of the
new columns (the first ones are on), so that no plan is lost; a point without them is one of the counts' program.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np

from problems import throughput
from problems.core.arrays import Floats, Ints
from problems.core.counts import closed_throughout
from problems.core.encode import Encoded
from problems.core.instance import Instance
from solvers import LinearProgram
from solvers.core.record import Record
from solvers.core.terms import Terms, matrix_of

MOST_INSTANCES = 4  # of a pool: as many columns in every period
FEWEST_PERIODS = 6
MOST_COLUMNS = 3_000  # of the program


class Load(Record):
    """What may run in a pool in a period, by a row of `throughput`.

    row     of the program
    flow    (f,) columns; `cell` and `workload` (f,) of each, `load` (f,) of all of the cell in instances
    boots   part of the period in which boots what started so many periods before: b of the module is the first
    """

    row: int
    period: int
    flow: Ints
    cell: Ints
    workload: Ints
    load: Floats
    boots: tuple[float, ...]


class PoolInTime(Record):
    """Columns of a pool in periods that follow each other.

    count, started   (T,)
    most             instances
    levels           counts that there may be, from 0 on
    before           of them run before the first period
    min_up           periods
    """

    count: Ints
    started: Ints
    most: int
    levels: tuple[int, ...]
    before: int
    min_up: int
    loads: tuple[Load, ...]


def by_instance(encoded: Encoded) -> LinearProgram | None:
    """The encoded program and such columns after its own; None where no pool is of that kind, or too large."""
    program = encoded.program
    if not few_boot(encoded):
        return None
    wide = with_instances(program, pools_that_boot(encoded))
    return wide if wide.n_columns <= MOST_COLUMNS else None


def few_boot(encoded: Encoded) -> bool:
    """Whether a program of so few columns has such a pool."""
    return encoded.program.n_columns <= MOST_COLUMNS and bool(pools_that_boot(encoded))


def pools_that_boot(encoded: Encoded) -> list[PoolInTime]:
    """Pools counted by the period, of few whole instances that boot, whose capacity stands in rows of `throughput`."""
    program, found = encoded.program, []
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        inst, periods = view.inst, view.inst.time.periods
        some = np.flatnonzero((cols.started >= 0).all(axis=1)) if periods >= FEWEST_PERIODS else ()
        for q in some:
            fleet = inst.fleets.pool_fleet[q]
            count, paid = cols.counts.count[q], cols.counts.paid[q]
            most, before = program.col_upper[count].max(), float(inst.paid_before[q])
            whole = program.integer[count].all() and (count == paid).all() and before == round(before)
            few = 1 <= most <= MOST_INSTANCES and before <= most and len(set(count)) == periods
            boots = inst.fleets.start_h[fleet] > 0 and not closed_throughout(inst)[q].any()
            if not (whole and few and boots):
                continue
            min_up = ceil(inst.fleets.min_up_h[fleet] / inst.time.period_h - 1e-9)
            cell = np.full(program.n_columns, -1)
            cell[cols.flow] = view.flows.cell
            loads = _loads(encoded, (count, cols.started[q]), cell, view.cells.workload)
            levels = levels_of(inst, int(q), int(most))
            found.append(PoolInTime(count, cols.started[q], int(most), levels, int(before), min_up, loads))
    return found


def levels_of(inst: Instance, pool: int, most: int) -> tuple[int, ...]:
    """Counts on the pool's grid, from 0 on."""
    fleets = inst.fleets
    if not fleets.integral[fleets.pool_fleet[pool]]:
        return tuple(range(most + 1))
    fewest, step = float(fleets.pool_min[pool]), max(float(fleets.pool_step[pool]), 1.0)
    return (0, *(n for n in range(1, most + 1) if n >= fewest and (n - fewest) % step == 0))


def _loads(encoded: Encoded, pool: tuple[Ints, Ints], cell: Ints, workload: Ints) -> tuple[Load, ...]:
    """Of rows of `throughput` in which a count stands alone, but for flows and what boots in its period."""
    program, (count, started), loads = encoded.program, pool, []
    matrix, period = program.matrix, {int(column): t for t, column in enumerate(count)}
    for row in (
        i for of in encoded.row_families if of.family == throughput.NAME for i in range(of.first, of.end)
    ):
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        column, value = matrix.indices[inside], matrix.data[inside]
        t = next((period[j] for j in column.tolist() if j in period), None)
        if t is None or program.row_upper[row] != 0.0:
            continue
        own, back = column == count[t], np.searchsorted(started, column)
        begun = np.isin(column, started)
        flow, usable = ~own & ~begun, -float(value[own][0])
        plain = (value[flow] > 0).all() and (program.col_upper[column[flow]] <= 1.0).all()
        plain &= (cell[column[flow]] >= 0).all()
        boots = np.bincount(t - back[begun], value[begun], minlength=1) / usable if usable > 0 else np.ones(1)
        if plain and usable > 0 and (boots >= 0).all() and (boots <= 1 + 1e-9).all():
            some = column[flow].astype(np.int64)
            loads.append(
                Load(
                    row,
                    t,
                    some,
                    cell[some],
                    workload[cell[some]],
                    value[flow] / usable,
                    tuple(boots.tolist()),
                )
            )
    return tuple(loads)


def with_instances(program: LinearProgram, pools: list[PoolInTime]) -> LinearProgram:
    """The program with the columns and rows of these pools after its own."""
    rows, size, counts, whole = _Rows(), program.n_columns, program.integer.copy(), []
    for pool, on in zip(pools, on_columns(program, pools), strict=True):
        n = on.size
        _in_time(rows, pool, on, on + n)
        for load in (each for each in pool.loads if len(each.boots) == 1 and each.boots[0] < 1):
            for f in range(len(load.flow)):
                _carried(rows, load, [f], on[load.period], int(on[load.period][0]) + n)
            if len(load.flow) > 1:
                _carried(
                    rows, load, list(range(len(load.flow))), on[load.period], int(on[load.period][0]) + n
                )
        counts[pool.count] = False
        whole.append(np.arange(2 * n) < n)
        size += 2 * n
    none, limits = np.zeros(size - program.n_columns), (rows.lower, rows.upper)
    plain = replace(program, integer=counts)
    return plain.wider(matrix_of(rows.terms, size), limits, none, none + 1.0, np.concatenate(whole))


def on_columns(program: LinearProgram, pools: list[PoolInTime]) -> list[Ints]:
    """(T, most) of each pool: columns `on` of the program with instances."""
    sizes = [pool.count.size * pool.most for pool in pools]
    first = program.n_columns + 2 * (np.cumsum(sizes) - sizes)
    return [
        (at + np.arange(size)).reshape(-1, pool.most)
        for pool, at, size in zip(pools, first, sizes, strict=True)
    ]


class _Rows:
    """lower ≤ Σ coefficient · column ≤ upper, one after the other."""

    def __init__(self) -> None:
        self.terms: list[Terms] = []
        self.lower: list[float] = []
        self.upper: list[float] = []

    def add(self, terms: Terms, lower: float = -np.inf, upper: float = np.inf) -> None:
        self.terms.append(terms)
        self.lower.append(lower)
        self.upper.append(upper)


def _in_time(rows: _Rows, pool: PoolInTime, on: Ints, begun: Ints) -> None:
    """What runs and what begins, (T, K) each."""
    for t, (count, started) in enumerate(zip(pool.count.tolist(), pool.started.tolist(), strict=True)):
        rows.add([(count, 1.0), *((j, -1.0) for j in on[t].tolist())], 0.0, 0.0)
        rows.add([(started, 1.0), *((j, -1.0) for j in begun[t].tolist())], 0.0)
        for k in range(pool.most):
            now, new = int(on[t, k]), int(begun[t, k])
            if k + 1 < pool.most:
                rows.add([(now, 1.0), (int(on[t, k + 1]), -1.0)], 0.0)
            ran = float(k < pool.before) if t == 0 else 0.0
            last = [(int(on[t - 1, k]), 1.0)] if t else []
            rows.add([(new, 1.0), (now, -1.0), *last], -ran)
            rows.add([(new, 1.0), *last], upper=1.0 - ran)
            back = max(pool.min_up, 1) if k == 0 else 1
            up = begun[max(t - back + 1, 0) : t + 1, k].tolist()
            rows.add([(now, 1.0), *((j, -1.0) for j in up)], 0.0)


def _carried(rows: _Rows, load: Load, some: list[int], on: Ints, begun: int) -> None:
    """No more of some flows than what runs carries; `begun`: the first instance starts."""
    total, k = float(load.load[some].sum()), np.arange(len(on) + 1)
    less = min(total, 1.0) - min(total, 1.0 - load.boots[0])
    upto = np.maximum(np.minimum(total, k), np.minimum(total, (1.0 - load.boots[0]) * k) + less)
    upto[0] = 0.0
    terms = [(int(load.flow[f]), float(load.load[f])) for f in some]
    terms += [(int(j), -float(h)) for j, h in zip(on, np.diff(upto), strict=True)]
    rows.add([*terms, (begun, less)], upper=0.0)
