"""Rows on pools that boot and whose work waits: what a pool has had in some periods on end limits what these carry.

Beside columns for each instance (`problems.core.each_instance`), of every W periods on end:

    Σ_p had[t,p] = 1                                          had ≥ 0; p: counts in periods t − W + 1 … t
    on[k,t] = Σ_(p: p_t ≥ k) had[t,p]
    Σ_(p: p_(t−W+2) … p_t = s) had[t,p] = Σ_(p: p_(t−W+2) … p_t = s) had[t+1,p]          every s
    started[t] ≥ Σ_p (p_t − p_(t−1))⁺ · had[t,p]
    Σ_(f ∈ S, in periods a … t) load · flow ≤ Σ_p F(S,a,p) · had[t,p]      cells S, periods a … t inside the window

    F   most that the cells of S can have in periods a … t where each u carries p_u − Σ_v b[u−v] · (p_v − p_(v−1))⁺:
        period by period, who is due first is served first (Glover 1967: matchings of intervals)
    b   part of a period in which boots what started so many periods before
    p   on the pool's grid, in which what starts stays for its minimum up time; before the horizon, what runs then

With counts in each period goes a point of the new columns, which says what these were, and of any point of the program
no more work than F comes to these periods: no plan is lost. Work that waits two periods can be put off until a boot of
half a period is worth it: a relaxation does so with a part of an instance in every period, which no row of one period
forbids. Two years by halves of months (corners 1000019): 8,283 without these rows, 9,915 with, 10,034 at the optimum.

S are cells of one workload, or of all, whose work arrives in some periods on end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.each_instance import Load, PoolInTime
from solvers import LinearProgram
from solvers.capacity_rows import ImpliedRows
from solvers.core.record import Record
from solvers.core.terms import Terms, matrix_of

MOST_COLUMNS = 3_000  # `had`, of a program that is searched
MOST_ROWS = 10_000  # that may be added
VIOLATED = 1e-4  # by how much a point must break a row, in parts of the largest load
AT_ONCE = 400  # rows of a round
LEAST = 1e-7  # of the largest load: so much is carried wherever anything is

type Had = tuple[int, ...]
"""Counts in the periods of a window."""

type _Windowed = tuple[PoolInTime, Ints, int]
"""A pool, columns for each of its instances, and the periods of a window."""


class WindowRows:
    """Candidates, looked at again and again; each is given once."""

    def __init__(self, rows: ImpliedRows) -> None:
        self.rows, self.given = rows, np.zeros(len(rows), dtype=np.bool_)

    def violated(self, point: Floats) -> ImpliedRows:
        """The rows that a point breaks, the most broken of them."""
        over = np.where(self.given, 0.0, self.rows.matrix @ point - self.rows.upper)
        worst = np.argsort(-over, kind="stable")[:AT_ONCE]
        broken = np.zeros(len(over), dtype=np.bool_)
        broken[worst] = over[worst] > VIOLATED
        self.given |= broken
        return self.rows.some(broken)


class _Windows(Record):
    """Of a pool, by period: what it may have had, and the column of each."""

    pool: PoolInTime
    width: int
    columns: list[dict[Had, int]]


def with_windows(
    program: LinearProgram, pools: list[PoolInTime], on: list[Ints], most_columns: int = MOST_COLUMNS
) -> tuple[LinearProgram, WindowRows, Ints] | None:
    """The program with such columns after its own and rows that say what they are, and the rows on what is carried.

    Last comes the period of each of these columns, in which its window ends.

    on             (T, most) of each pool, columns of `program`
    most_columns   that are added: windows are shorter where there would be more

    None where no pool's work waits, or where that would be too many columns.
    """
    some = _fitting(
        [(pool, own, _width(pool)) for pool, own in zip(pools, on, strict=True) if _waits(pool)], most_columns
    )
    if not some:
        return None
    had = [_had(pool, width, most_columns) for pool, _, width in some]
    size, windows, period = program.n_columns, [], list[int]()
    for (pool, _, width), by_period in zip(some, had, strict=True):
        columns = []
        for t, each in enumerate(by_period):
            columns.append({p: size + i for i, p in enumerate(each)})
            period += [t] * len(each)
            size += len(each)
        windows.append(_Windows(pool, width, columns))
    rows = [row for own, (_, at, _) in zip(windows, some, strict=True) for row in _in_time(own, at)]
    more = size - program.n_columns
    upper = np.array([most for _, most in rows])
    limits, none = (np.where(np.isinf(upper), 0.0, upper), upper), np.zeros(more)
    wide = program.wider(matrix_of([terms for terms, _ in rows], size), limits, none, none + 1.0, none > 0)
    carried = list(islice((each for own in windows for each in _carried(own)), MOST_ROWS))
    matrix = matrix_of([terms for _, terms in carried], size)
    made_of = np.array([row for row, _ in carried], dtype=np.int64)
    return wide, WindowRows(ImpliedRows(matrix, np.zeros(len(carried)), made_of)), np.array(period)


def _fitting(some: list[_Windowed], most: int) -> list[_Windowed]:
    """With the widest windows that have no more than `most` columns; narrower ones have no more than wider ones."""

    def within(cap: int) -> list[_Windowed]:
        shorter = [(pool, own, min(width, cap)) for pool, own, width in some]
        return some if shorter == some else [each for each in shorter if each[2] > 2]

    def fits(cap: int) -> bool:
        columns = 0
        for pool, _, width in within(cap):
            columns += sum(len(each) for each in _had(pool, width, most - columns))
        return columns <= most

    caps = range(2, max((width for *_, width in some), default=1) + 1)
    best = bisect_right(caps, False, key=lambda cap: not fits(cap))
    return within(caps[best - 1]) if best else []


def _width(pool: PoolInTime) -> int:
    """Periods in which all that one cell may have is decided: those that it waits for, and those that boot in them."""
    return 1 + _waits(pool) + max((len(load.boots) for load in pool.loads), default=0)


def _waits(pool: PoolInTime) -> int:
    """Over how many periods, at most, work of one cell may be put off in the pool."""
    flows = sorted((int(c), load.period) for load in pool.loads for c in load.cell)
    first, last = dict(reversed(flows)), dict(flows)
    return max((last[c] - first[c] for c in first), default=0)


def _had(pool: PoolInTime, width: int, most: int) -> list[list[Had]]:
    """By period, what the pool may have had in the window that ends there; begun only, where there are over `most`."""
    found, total = list[list[Had]](), 0
    for t in range(pool.count.size):
        known = width - min(width, t + 1)
        some: list[Had] = [(pool.before,) * known]
        for _ in range(width - known):
            some = [(*p, n) for p in some for n in pool.levels if _stays(pool, (*p, n))]
            if len(some) > most:
                break
        found.append(some)
        total += len(some)
        if total > most:
            break
    return found


def _stays(pool: PoolInTime, p: Had) -> bool:
    """Whether what started within the minimum up time is still there in the last period of some."""
    late = p[-max(pool.min_up, 1) - 1 :]
    return p[-1] >= sum(max(now - last, 0) for last, now in pairwise(late))


def _in_time(windows: _Windows, on: Ints) -> Iterator[tuple[Terms, float]]:
    """Terms, and a right hand side that they equal; inf: they are 0 or more."""
    for t, had in enumerate(windows.columns):
        yield [(column, 1.0) for column in had.values()], 1.0
        for k, column in enumerate(on[t].tolist()):
            yield [(column, 1.0), *((j, -1.0) for p, j in had.items() if p[-1] > k)], 0.0
        rises = [(j, float(p[-2] - p[-1])) for p, j in had.items() if p[-1] > p[-2]]
        yield [(int(windows.pool.started[t]), 1.0), *rises], np.inf
        before = windows.columns[t - 1] if t else {}
        for s in sorted({p[1:] for p in before}):
            left = [(j, 1.0) for p, j in before.items() if p[1:] == s]
            yield left + [(j, -1.0) for p, j in had.items() if p[:-1] == s], 0.0


class _CellLoad(Record):
    """All flows of a cell to the pool, by one kind of row.

    load       instances, the most of any period
    by_period  columns, and loads there
    """

    workload: int
    load: float
    by_period: dict[int, Terms]

    @property
    def first(self) -> int:
        return min(self.by_period)

    @property
    def last(self) -> int:
        return max(self.by_period)


def _carried(windows: _Windows) -> Iterator[tuple[int, Terms]]:
    """Row of the program that a row is made of, and its terms, of which the largest load is 1."""
    for loads in _kinds(windows.pool):
        cells = _cells(loads)
        owners = sorted({each.workload for each in cells})
        groups = [cells, *([each for each in cells if each.workload == w] for w in owners)]
        for group in groups if len(owners) > 1 else groups[:1]:
            for t in sorted(loads):
                for a in range(max(t - windows.width + 2, 0), t + 1):
                    there = [each for each in group if any(a <= u <= t for u in each.by_period)]
                    for some in _arriving_on_end(there):
                        yield loads[t].row, _row(windows, loads, some, (a, t))


def _kinds(pool: PoolInTime) -> list[dict[int, Load]]:
    """Loads by period: the first row of each period, the second, …"""
    kinds: list[dict[int, Load]] = []
    for load in pool.loads:
        own = next((each for each in kinds if load.period not in each), None)
        if own is None:
            kinds.append(own := {})
        own[load.period] = load
    return kinds


def _cells(loads: dict[int, Load]) -> list[_CellLoad]:
    found: dict[int, _CellLoad] = {}
    for t, load in loads.items():
        for j, cell, workload, amount in zip(load.flow, load.cell, load.workload, load.load, strict=True):
            own = found.get(int(cell), _CellLoad(int(workload), 0.0, {}))
            own.by_period.setdefault(t, []).append((int(j), float(amount)))
            found[int(cell)] = replace(own, load=max(own.load, float(amount)))
    return list(found.values())


def _arriving_on_end(cells: list[_CellLoad]) -> Iterator[list[_CellLoad]]:
    arrivals = sorted({each.first for each in cells})
    for i, since in enumerate(arrivals):
        for until in arrivals[i:]:
            yield [each for each in cells if since <= each.first <= until]


def _row(windows: _Windows, loads: dict[int, Load], cells: list[_CellLoad], span: tuple[int, int]) -> Terms:
    """What some cells have in some periods, up to the end of a window, is no more than F."""
    (a, t), scale = span, max(each.load for each in cells)
    terms = [
        (column, amount / scale)
        for each in cells
        for u, columns in each.by_period.items()
        if a <= u <= t
        for column, amount in columns
    ]
    work = [(max(each.first, a) - a, min(each.last, t) - a, each.load) for each in cells]
    boots, most = [loads[u].boots if u in loads else () for u in range(a, t + 1)], dict[Had, float]()
    before = max((len(each) - i for i, each in enumerate(boots)), default=1)
    for p, column in windows.columns[t].items():
        tail = p[-min(t - a + 1 + max(before, 1), len(p)) :]
        if tail not in most:
            most[tail] = served(work, _capacity(tail, boots)) / scale
        if most[tail] > 0:
            terms.append((column, -max(most[tail], LEAST)))
    return terms


def _capacity(p: Had, boots: list[tuple[float, ...]]) -> list[float]:
    """Of the last periods of some, one for each of `boots`: what started before the first of all serves."""
    rises = [0, *(max(now - last, 0) for last, now in pairwise(p))]
    first = len(p) - len(boots)
    return [
        p[first + i] - sum(b * rises[first + i - back] for back, b in enumerate(each) if back <= first + i)
        for i, each in enumerate(boots)
    ]


def served(work: list[tuple[int, int, float]], capacity: list[float]) -> float:
    """The most of some work, (first period, last, amount) each, that periods can serve with a capacity each."""
    order = sorted(range(len(work)), key=lambda i: work[i][1])
    left, total = [amount for *_, amount in work], 0.0
    for u, room in enumerate(capacity):
        for i in order:
            if work[i][0] <= u <= work[i][1] and room > 0:
                part = min(room, left[i])
                left[i], room, total = left[i] - part, room - part, total + part
    return total
