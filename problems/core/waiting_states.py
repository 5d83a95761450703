"""Rows on pools whose users wait, and whose other work may run later: what a pool is in some periods is whole.

Of a pool in every period t, beside the columns of its region (`problems.core.queue_columns`):

    Σ_n many[t,n] = level[t,k],   Σ_n n · many[t,n] = within[t,k]      n ≥ 0; k: the piece in which nobody minds waiting

so that each way s that it may be in has a 0/1 column z: a piece and a count. Of cells S of one workload, that arrive
one after the other, and the periods U in which these may run in the pool:

    Σ_(t ∈ U) Σ_s F[t,s] · z[t,s] + Σ_(c ∈ S) D[c] · (share of c that runs elsewhere) ≥ Σ_(c ∈ S) D[c]

    D   load of a cell, the least of all periods                                instances
    F   most of the workload that the pool carries in a way s, of those cells   instances

A pool is in one way at most: of each period a φ ≥ 0 is taken off the right-hand side, and F − φ, if it is above 0, is
what a way brings beyond. With α[t,s] = min(F − φ, β), what is left β on the right and any unit Δ > 0, the row is
rounded (Nemhauser and Wolsey 1990):

    Σ_(t,s) G(α[t,s] / Δ) · z[t,s] + (1 / (Δ · f)) · Σ_c D[c] · (elsewhere) ≥ ⌈β / Δ⌉
    G(a) = ⌊a⌋ + min((a − ⌊a⌋) / f, 1),   f = β / Δ − ⌈β / Δ⌉ + 1

Users in a hurry leave a pool of one instance a little room for work that may wait, in every period. A relaxation takes
half an instance without them and half with; in whole numbers one period in three is without, and has all the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy import sparse

from problems import demand, latency
from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.encode import Encoded
from problems.core.queue_columns import PieceColumns, QueueColumns
from problems.core.view import View
from problems.physics.regions import shape
from solvers import LinearProgram
from solvers.capacity_rows import ImpliedRows
from solvers.core.record import Record
from solvers.core.terms import Terms, matrix_of

MOST_CELLS = 6  # of a row
MOST_ROWS = 30_000
MOST_LEVELS = 12  # counts of a pool
MOST_UNITS = 12  # on the right of a rounded row
LEAST_PART = 0.05  # f: below, what runs elsewhere stands in the row with large coefficients
SAME = 1e-9
DIGITS = 7  # of a coefficient: rows that agree so far are one


class _Way(Record):
    """A 0/1 column, and what the pool carries of each workload where it is 1, in instances."""

    column: int
    carries: dict[int, float]


class _Period(Record):
    """ways    of the pool; flows: by workload and row of demand, columns and loads in instances"""

    ways: tuple[_Way, ...]
    flows: dict[tuple[int, int], Terms]


class _RoundedRow(Record):
    """Σ value · column ≥ least; `made_of`: a row of demand."""

    column: Ints
    value: Floats
    least: float
    made_of: int


class WaitingStates(Record):
    """A program with columns `many` after its own.

    rows     that hold at its whole points, and too many to stand in it
    period   (k,) of each of these columns
    """

    program: LinearProgram
    rows: ImpliedRows
    period: Ints


class _Wider:
    """Columns `many` so far, and the rows that say what they are."""

    def __init__(self, program: LinearProgram) -> None:
        self.program, self.size = program, program.n_columns
        self.rows: list[Terms] = []
        self.period: list[int] = []  # of each column

    def many(self, own: PieceColumns, i: int, period: int) -> list[tuple[int, int]]:
        """Counts, and the column of each."""
        counts = range(int(own.first[i]), int(own.last[i]) + 1)
        columns = [(n, self.size + k) for k, n in enumerate(counts)]
        self.size += len(columns)
        self.period += [period] * len(columns)
        self.rows.append([(int(own.chosen[i]), -1.0), *((j, 1.0) for _, j in columns)])
        self.rows.append([(int(own.within[i]), -1.0), *((j, float(n)) for n, j in columns)])
        return columns

    def made(self) -> LinearProgram:
        more, zero = self.size - self.program.n_columns, np.zeros(len(self.rows))
        none = np.zeros(more)
        return self.program.wider(
            matrix_of(self.rows, self.size), (zero, zero), none, none + 1.0, np.ones(more, dtype=np.bool_)
        )


def with_waiting_states(encoded: Encoded) -> WaitingStates | None:
    """The encoded program with such columns and rows.

    None where no pool whose users wait has work that may run later.
    """
    wider, rows = _Wider(encoded.program), dict[object, _RoundedRow]()
    due = _rows_of_demand(encoded)
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        for periods in _pools(encoded, view, cols, wider, due):
            for row in _rounded_rows(encoded.program, periods):
                if len(rows) < MOST_ROWS:
                    key = row.least, row.column.tobytes(), np.round(row.value, DIGITS).tobytes()
                    rows.setdefault(key, row)
    if not rows:
        return None
    size = [len(row.column) for row in rows.values()]
    column = np.concatenate([row.column for row in rows.values()])
    value = np.concatenate([row.value / -row.least for row in rows.values()])
    at = (value, (np.repeat(np.arange(len(rows)), size), column))
    matrix = sparse.coo_array(at, shape=(len(rows), wider.size)).tocsr()
    made_of = np.array([row.made_of for row in rows.values()], dtype=np.int64)
    implied = ImpliedRows(matrix, -np.ones(len(rows)), made_of)
    return WaitingStates(wider.made(), implied, np.array(wider.period, dtype=np.int64))


def _rows_of_demand(encoded: Encoded) -> Ints:
    """(n,) the row in which the shares of a cell come to 1, of each column there; −1: none."""
    program, found = encoded.program, np.full(encoded.program.n_columns, -1, dtype=np.int64)
    matrix = program.matrix
    for row in (
        i for of in encoded.row_families if of.family == demand.NAME for i in range(of.first, of.end)
    ):
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        column = matrix.indices[inside]
        if program.row_lower[row] == 1.0 and (matrix.data[inside] == 1.0).all():
            found[column] = row
    found[program.col_lower < 0] = -1
    return found


def _pools(
    encoded: Encoded, view: View, cols: Columns, wider: _Wider, due: Ints
) -> Iterator[dict[int, _Period]]:
    """Of each side of each pool, what it is by period."""
    flows, sides = latency.flows_of_queues(view, cols), dict[tuple[int, int], list[int]]()
    for i, queue in enumerate(cols.queues):
        sides.setdefault((queue.pool, queue.side), []).append(i)
    for some in sides.values():
        if all(_counted(encoded.program, view, cols, cols.queues[i]) for i in some):
            of = [(cols.queues[i], flows[i]) for i in some]
            workload = [view.cells.workload[view.flows.cell[each.at]] for _, each in of]
            if any(_may_wait(of, workload, due)):
                yield {
                    queue.period: _period(queue, each, owner, wider, due)
                    for (queue, each), owner in zip(of, workload, strict=True)
                }


def _may_wait(
    of: list[tuple[QueueColumns, latency.QueueFlows]], workload: list[Ints], due: Ints
) -> Iterator[bool]:
    """Whether a cell has flows in more periods than one."""
    seen: dict[int, int] = {}
    for (queue, each), _ in zip(of, workload, strict=True):
        for row in due[each.column].tolist():
            yield row >= 0 and seen.setdefault(row, queue.period) != queue.period


def _counted(program: LinearProgram, view: View, cols: Columns, queue: QueueColumns) -> bool:
    """Whether the levels chosen are what is counted, whole, of few instances of which none boots."""
    fleet, top = view.inst.fleets.pool_fleet[queue.pool], queue.region.scale.top
    column = int(cols.counts.count[queue.pool, queue.period])
    own = not (view.inst.fleets.horizon[fleet] or view.inst.fleets.start_h[fleet] > 0)
    few = top <= min(len(queue.region.ranges), MOST_LEVELS) and not queue.region.scale.servers
    return own and few and column >= 0 and bool(program.integer[column])


def _period(
    queue: QueueColumns, flows: latency.QueueFlows, workload: Ints, wider: _Wider, due: Ints
) -> _Period:
    shares = dict[tuple[int, int], Terms]()
    for column, load, owner in zip(
        flows.column.tolist(), flows.load.tolist(), workload.tolist(), strict=True
    ):
        if due[column] >= 0:
            shares.setdefault((owner, int(due[column])), []).append((column, load))
    users = len(queue.region.users)
    most = tuple(np.bincount(flows.user, flows.load, minlength=users).tolist())
    shapes = tuple(shape(user, queue.side) for user in queue.region.users)
    owners = {
        w: frozenset(flows.user[workload == w].tolist()) for w in sorted({owner for owner, _ in shares})
    }
    ways = []
    for own in queue.pieces:
        piece = (own.piece.users, own.piece.low, own.piece.high, own.piece.slopes)
        for i in range(len(own.chosen)):
            first, last = int(own.first[i]), int(own.last[i])
            each = [(first, int(own.chosen[i]))] if first == last else wider.many(own, i, queue.period)
            for n, column in each:
                caps = tuple(_cap(line, first, last, n) for line in own.piece.caps)
                carries = {w: _carried(piece, caps, shapes, most, some) for w, some in owners.items()}
                ways.append(_Way(column, carries))
    return _Period(tuple(ways), shares)


def _cap(caps: np.ndarray, first: int, last: int, n: int) -> float:
    """h of a count; in a range, what the line over it says."""
    if first == last:
        return float(caps[n])
    levels = np.arange(first, last + 1)
    slope = (caps[last] - caps[first]) / (last - first)
    return float((caps[levels] - slope * levels).max() + slope * n)


@lru_cache(maxsize=4096)  # regions are the same in many periods
def _carried(
    piece: tuple[tuple[int, ...], float, float, tuple[float, ...]],
    caps: tuple[float, ...],
    shapes: tuple[float, ...],
    most: tuple[float, ...],
    some: frozenset[int],
) -> float:
    """F: the largest load of some users in a piece, whatever the others bring."""
    from scipy.optimize import linprog  # here: few problems have such pools, and it takes long to load

    users, low, high, slopes = piece
    u = np.array([shapes[i] for i in users])
    rows = [1.0 + slope * (u - low) for slope in slopes] + [u - high, low - u]
    found = linprog(
        [-1.0 if i in some else 0.0 for i in users],
        A_ub=np.array(rows),
        b_ub=np.array([*caps, 0.0, 0.0]),
        bounds=[(0.0, most[i]) for i in users],
    )
    alone = sum(most[i] for i in users if i in some)
    return alone if found.fun is None else float(np.clip(-found.fun + SAME, 0.0, alone))


def _rounded_rows(program: LinearProgram, periods: dict[int, _Period]) -> Iterator[_RoundedRow]:
    """Of every workload, and of its cells that arrive one after the other."""
    for workload in sorted({w for each in periods.values() for w, _ in each.flows}):
        loads = dict[int, dict[int, float]]()  # by row of demand and period, the least of its flows
        for t, each in periods.items():
            for (w, row), flows in each.flows.items():
                if w == workload:
                    loads.setdefault(row, {})[t] = min(load for _, load in flows)
        cells = sorted(
            (row for row, by in loads.items() if min(by.values()) > 0), key=lambda r: (min(loads[r]), r)
        )
        for i in range(len(cells)):
            for end in range(i + 1, min(i + MOST_CELLS, len(cells)) + 1):
                yield from _of_cells(program, periods, workload, {row: loads[row] for row in cells[i:end]})


def _of_cells(
    program: LinearProgram, periods: dict[int, _Period], workload: int, loads: dict[int, dict[int, float]]
) -> Iterator[_RoundedRow]:
    """`loads` by row of demand and period."""
    least = {row: min(by.values()) for row, by in loads.items()}
    ways = []
    for t in sorted({t for by in loads.values() for t in by}):
        there = [row for row, by in loads.items() if t in by]
        more, reach = min(loads[row][t] / least[row] for row in there), sum(least[row] for row in there)
        ways.append([(way.column, min(way.carries[workload] / more, reach)) for way in periods[t].ways])
    inside = {
        column
        for each in periods.values()
        for row in loads
        for column, _ in each.flows.get((workload, row), ())
    }
    elsewhere = [
        (j, least[row])
        for row in loads
        for j in program.matrix.indices[program.matrix.indptr[row] : program.matrix.indptr[row + 1]].tolist()
        if j not in inside
    ]
    others, load = np.array([j for j, _ in elsewhere], dtype=np.int64), np.array([d for _, d in elsewhere])
    total, made_of = sum(least.values()), next(iter(loads))
    for phi in sorted({0.0, *(f for each in ways[:2] for _, f in each if f < total / len(ways))}):
        off = [max((f for _, f in each if f <= phi + SAME), default=0.0) for each in ways]
        due = total - sum(off)
        if due <= LEAST_PART * total:
            continue
        beyond = [
            (j, min(f - o, due)) for each, o in zip(ways, off, strict=True) for j, f in each if f > o + SAME
        ]
        column = np.concatenate([np.array([j for j, _ in beyond], dtype=np.int64), others])
        amount = np.array([a for _, a in beyond])
        units = {due / k for k in (1, 2, 3, 4)} | {1.0} | {a for _, a in beyond[:20]}
        for unit in sorted(units):
            value, whole = _rounded(amount, load, due, unit)
            if whole:
                yield _RoundedRow(column, value, whole, made_of)


def _rounded(amount: Floats, elsewhere: Floats, due: float, unit: float) -> tuple[Floats, float]:
    """Coefficients of ways and of what runs elsewhere, and the least they come to; 0: of no use."""
    whole = float(np.ceil(due / unit - SAME))
    part = due / unit - whole + 1.0
    if unit < LEAST_PART * due / MOST_UNITS or part < LEAST_PART or whole > MOST_UNITS:
        return amount, 0.0
    part = min(part, 1.0)
    down = np.floor(amount / unit + SAME)
    ways = down + np.minimum(np.maximum(amount / unit - down, 0.0) / part, 1.0)
    return np.concatenate([ways, elsewhere / (unit * part)]), whole
