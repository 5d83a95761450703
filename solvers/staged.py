"""A program in steps of time, by what is whole in each: a wider one whose relaxation knows one state from another.

A state says what some columns (how many run, what is bought) had in the last steps; what leads from one to the next is
an arc, with a copy of all other columns of its step (Balas 1979, disjunctive programming), and of what a row over
several steps adds up to before it and after it:

    x[j] = Σ_a x[j,a]                                            every column j of step t, arcs a of step t
    x[j,a] = value[j,a] · y[a]                                   where a says what j has
    lower[j] · y[a] ≤ x[j,a] ≤ upper[j] · y[a]                   whole columns
    lower[i] · y[a] ≤ Σ_j A[i,j] · x[j,a] ≤ upper[i] · y[a]      every row i of one step, or where a says the rest
    after[i,a] = before[i,a] + Σ_j A[i,j] · x[j,a]               every row i over some steps on end, up to its last one,
    lower[i] · y[a] ≤ after[i,a] ≤ upper[i] · y[a]               where it has to hold
    Σ_(a into s) y[a] = Σ_(a out of s) y[a]                      every state s;   Σ_a y[a] = 1 in the first step
    Σ_(a into s) after[i,a] = Σ_(a out of s) before[i,a]

With each point of the program goes one of these, whose y are 1 along its own states: no point is lost. A relaxation of
the program itself mixes: a pool that runs half an instance all the time carries half of its work, starts nothing and
lets nothing wait. Here, what waits when a pool is off is carried by that pool, in a later state.

A column that spans all steps has a copy in every step in whose rows it stands. Longer rows stay as they are.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record

type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]
type Values = tuple[int, ...]
"""What the columns of a pool have in a step."""
type State = tuple[tuple[Values, ...], ...]
"""By pool: what it had in the last steps."""

LONGEST = 8  # steps of a row that is added up over them
EXACT = 1e-9  # by which a row of known whole numbers may be off


class StatePool(Record):
    """Columns that say in which state something is.

    columns   (T, k) of every step
    values    (v, k) all that they may have together
    memory    steps before its own of which an arc knows what they had
    """

    columns: Ints
    values: Ints
    memory: int


class _Arc(Record):
    """`known`: what columns have, by their numbers."""

    state: State
    after: State
    known: dict[int, int]


class _Terms:
    """Rows of the wider program, as blocks of (row, column, coefficient)."""

    def __init__(self) -> None:
        self.count = 0
        self.blocks: list[tuple[Ints, Ints, Floats]] = []
        self.limits: list[tuple[Floats, Floats]] = []

    def add(self, row: Ints, column: Ints, value: Floats, lower: Floats, upper: Floats) -> None:
        """`row` from 0 on, as many as there are limits."""
        self.blocks.append((row.ravel() + self.count, column.ravel(), value.ravel()))
        self.limits.append((lower, upper))
        self.count += len(lower)

    def equal(self, terms: list[tuple[int, float]], value: float) -> None:
        column, weight = (np.array(each) for each in zip(*terms, strict=True))
        self.add(np.zeros(len(terms), dtype=np.int64), column, weight, np.array([value]), np.array([value]))

    def of_arcs(
        self, terms: list[tuple[Ints, Ints, Floats]], lower: Floats, upper: Floats, arcs: int
    ) -> None:
        """The same rows for every arc: terms are (row (e,), columns (arcs, e), coefficients (arcs, e))."""
        rows = np.arange(arcs)[:, None] * len(lower)
        parts = [(rows + row, column, value) for row, column, value in terms if len(row)]
        row, column, value = (np.concatenate([each[k].ravel() for each in parts]) for k in range(3))
        self.add(row, column, value, np.tile(lower, arcs), np.tile(upper, arcs))

    def all(self, columns: int) -> tuple[Any, Floats, Floats]:
        row, column, value = (np.concatenate(each) for each in zip(*self.blocks, strict=True))
        lower, upper = (np.concatenate(each) for each in zip(*self.limits, strict=True))
        return sparse.coo_array((value, (row, column)), shape=(self.count, columns)).tocsr(), lower, upper


def with_states(
    program: LinearProgram, step: Ints, pools: list[StatePool], most_columns: int
) -> LinearProgram | None:
    """Such a program, its own columns first, those of arcs behind them; None: there would be more than so many.

    step   (n,) of each column, −1 where it spans all
    """
    step = step.copy()
    for pool in pools:
        step[pool.columns] = np.arange(len(pool.columns))[:, None]
    staged = _Staged(program, _of_one_step(program, step), pools)
    return staged.widened() if staged.build(most_columns) else None


def _of_one_step(program: LinearProgram, step: Ints) -> Ints:
    """Steps: what is said to span all, but stands in rows of one step alone, belongs to that."""
    step, matrix = step.copy(), program.matrix
    row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
    while True:
        first, last = _ends(matrix, step)
        known = last[row] >= 0
        low, high = np.full(program.n_columns, np.iinfo(np.int64).max), np.full(program.n_columns, -1)
        np.minimum.at(low, matrix.indices[known], first[row[known]])
        np.maximum.at(high, matrix.indices[known], last[row[known]])
        new = (step < 0) & (low == high)
        if not new.any():
            return step
        step[new] = low[new]


def _ends(matrix: Any, step: Ints) -> tuple[Ints, Ints]:
    """(m,) first and last step of each row; −1 for the last where it has none."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    at = step[matrix.indices]
    first, last = np.full(matrix.shape[0], np.iinfo(np.int64).max), np.full(matrix.shape[0], -1)
    np.minimum.at(first, row[at >= 0], at[at >= 0])
    np.maximum.at(last, row, at)
    return first, last


class _Staged:
    def __init__(self, program: LinearProgram, step: Ints, pools: list[StatePool]) -> None:
        self.program, self.step, self.pools = program, step, pools
        self.first, self.last = _ends(program.matrix, step)
        self.steps = int(step.max(initial=-1)) + 1
        self.memory = np.full(program.n_columns, -1)  # of columns that arcs know
        for pool in pools:
            self.memory[pool.columns] = pool.memory
        short = (self.last >= 0) & (self.last - self.first < LONGEST)
        matrix = program.matrix
        row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
        back = self.last[row] - step[matrix.indices]
        earlier = (step[matrix.indices] >= 0) & (back > 0)
        unknown = earlier & (back > self.memory[matrix.indices])
        self.longer: Bools = short & (np.bincount(row, unknown, program.n_rows) > 0)
        self.single: Bools = short & ~self.longer
        others = np.bincount(row, self.memory[matrix.indices] < 0, program.n_rows)
        self.told: Bools = self.single & (others == 0)  # arcs keep them
        self.rows, self.size = _Terms(), program.n_columns
        self.bounds: list[tuple[Floats, Floats]] = []

    def build(self, most: int) -> bool:
        into: dict[State, list[int]] = {tuple(() for _ in self.pools): []}
        added = dict[State, Ints]()
        before: Ints = np.empty(0, dtype=np.int64)
        for t in range(self.steps):
            arcs = self._arcs(t, list(into))
            if not arcs:
                return False
            into, added, before = self._step(t, arcs, into, added, before)
            if self.size > most:
                return False
        return True

    def widened(self) -> LinearProgram:
        matrix, lower, upper = self.rows.all(self.size)
        low, high = (np.concatenate(each) for each in zip(*self.bounds, strict=True))
        return self.program.wider(matrix, (lower, upper), low, high, np.zeros(len(low), dtype=np.bool_))

    def _arcs(self, t: int, states: list[State]) -> list[_Arc]:
        arcs, told = list[_Arc](), np.flatnonzero(self.told & (self.last == t))
        every = list(product(*([tuple(each) for each in pool.values.tolist()] for pool in self.pools)))
        for state in states:
            for now in every:
                known, after = dict[int, int](), list[tuple[Values, ...]]()
                for pool, old, new in zip(self.pools, state, now, strict=True):
                    for back, values in enumerate(reversed((*old, new))):
                        known.update(zip(pool.columns[t - back].tolist(), values, strict=True))
                    after.append((*old, new)[-pool.memory :] if pool.memory else ())
                if self._allowed(known, told):
                    arcs.append(_Arc(state, tuple(after), known))
        return arcs

    def _allowed(self, known: dict[int, int], told: Ints) -> bool:
        """Whether bounds and rows of what is known hold."""
        program = self.program
        at, value = np.array(list(known)), np.array(list(known.values()), dtype=np.float64)
        if (value < program.col_lower[at] - EXACT).any() or (value > program.col_upper[at] + EXACT).any():
            return False
        point = dict(zip(at.tolist(), value.tolist(), strict=True))
        matrix = program.matrix
        for i, (begin, end) in zip(
            told, ((matrix.indptr[i], matrix.indptr[i + 1]) for i in told), strict=True
        ):
            total = sum(
                a * point[j]
                for j, a in zip(
                    matrix.indices[begin:end].tolist(), matrix.data[begin:end].tolist(), strict=True
                )
            )
            if not program.row_lower[i] - EXACT <= total <= program.row_upper[i] + EXACT:
                return False
        return True

    def _step(
        self, t: int, arcs: list[_Arc], into: dict[State, list[int]], added: dict[State, Ints], before: Ints
    ) -> tuple[dict[State, list[int]], dict[State, Ints], Ints]:
        """Columns and rows of a step.

        into     columns y that lead into each state
        added    (arcs into it, rows of `before`) columns `after` of each
        before   rows that are added up already

        These of the next step come back.
        """
        program, n = self.program, len(arcs)
        single = np.flatnonzero(self.single & ~self.told & (self.last == t))
        ending = np.flatnonzero(self.longer & (self.last == t))
        going = np.flatnonzero(self.longer & (self.first <= t) & (self.last > t))
        rows = np.concatenate([single, ending, going])
        own = self._own(t, np.concatenate([single, ending]))
        y = self._columns(n, np.zeros(1), np.ones(1))[:, 0]
        low, high = program.col_lower[own], program.col_upper[own]
        signs = np.where(low >= 0, 0.0, -np.inf), np.where(high <= 0, 0.0, np.inf)
        x = self._columns(n, *signs)
        free = np.full(len(before), np.inf), np.full(len(going), np.inf)
        held, after = (self._columns(n, -each, each) for each in free)

        part = program.matrix[rows]
        block = part.tocsc()[:, own].toarray()
        goes_on = np.arange(len(rows)) >= len(rows) - len(going)
        block[np.ix_(goes_on, self.step[own] < 0)] = 0.0  # what spans all is added where a row ends
        row, column = np.nonzero(block)
        terms = [(row, x[:, column], np.tile(block[row, column], (n, 1)))]
        place = {int(i): k for k, i in enumerate(before)}
        again = np.array([(r, place[i]) for r, i in enumerate(rows.tolist()) if i in place], dtype=np.int64)
        if len(again):
            terms.append((again[:, 0], held[:, again[:, 1]], np.ones((n, len(again)))))
        terms.append((np.flatnonzero(goes_on), after, -np.ones((n, len(going)))))
        self._limited(terms, y, self._known(t, arcs, part, len(single)), rows, goes_on)
        self._whole(y, x, own)
        self._sums(t, arcs, y, x, own)
        for state, entering in into.items():
            leaving = [a for a, arc in enumerate(arcs) if arc.state == state]
            out = [(int(y[a]), 1.0) for a in leaving]
            self.rows.equal([*out, *((j, -1.0) for j in entering)], 0.0 if t else 1.0)
            for k in range(len(before)):
                last = [(int(j), -1.0) for j in added[state][:, k]]
                self.rows.equal([*((int(held[a, k]), 1.0) for a in leaving), *last], 0.0)
        ends = dict[State, list[int]]()
        for a, arc in enumerate(arcs):
            ends.setdefault(arc.after, []).append(a)
        return {s: y[of].tolist() for s, of in ends.items()}, {s: after[of] for s, of in ends.items()}, going

    def _own(self, t: int, rows: Ints) -> Ints:
        """Columns that have copies: of the step, and those that span all and stand in these rows."""
        used = np.zeros(self.program.n_columns, dtype=np.bool_)
        used[self.program.matrix[rows].indices] = True
        return np.flatnonzero(((self.step == t) | (used & (self.step < 0))) & (self.memory < 0))

    def _known(self, t: int, arcs: list[_Arc], part: Any, single: int) -> Floats:
        """(arcs, rows) what known columns add to rows: all of a row of one step; those of the step, of others."""
        value = np.zeros((len(arcs), self.program.n_columns))
        for own, arc in zip(value, arcs, strict=True):
            own[list(arc.known)] = list(arc.known.values())
        total = (part @ value.T).T
        value[:, self.step != t] = 0.0
        total[:, single:] = (part[single:] @ value.T).T
        return np.asarray(total)

    def _limited(
        self, terms: list[tuple[Ints, Ints, Floats]], y: Ints, known: Floats, rows: Ints, goes_on: Bools
    ) -> None:
        """lower · y ≤ terms + known · y ≤ upper · y; terms of what goes on come to 0."""
        lower = np.where(goes_on, 0.0, self.program.row_lower[rows])
        upper = np.where(goes_on, 0.0, self.program.row_upper[rows])
        exact = lower == upper
        for limit, some, ends in (
            (lower, np.isfinite(lower), (0.0, np.where(exact, 0.0, np.inf))),
            (upper, np.isfinite(upper) & ~exact, (-np.inf, np.zeros(len(rows)))),
        ):
            at = np.flatnonzero(some)
            if not len(at):
                continue
            new = np.full(len(rows), -1)
            new[at] = np.arange(len(at))
            kept = [(new[row], column, value, new[row] >= 0) for row, column, value in terms]
            these = [(row[k], column[:, k], value[:, k]) for row, column, value, k in kept]
            by_arc = np.tile(y[:, None], (1, len(at)))
            these.append((np.arange(len(at)), by_arc, known[:, at] - limit[at]))
            self.rows.of_arcs(these, np.full(len(at), ends[0]), ends[1][at], len(y))

    def _whole(self, y: Ints, x: Ints, own: Ints) -> None:
        """Bounds of whole columns, in every arc."""
        low, high = self.program.whole_bounds
        for bound, sign in ((high[own], 1.0), (low[own], -1.0)):
            at = np.flatnonzero(np.isfinite(bound) & (bound != 0.0) & self.program.integer[own])
            if len(at):
                row, shape = np.arange(len(at)), (len(y), 1)
                own_terms = (row, x[:, at], np.full((len(y), len(at)), sign))
                by_arc = (row, np.tile(y[:, None], (1, len(at))), np.tile(-sign * bound[at], shape))
                self.rows.of_arcs([own_terms, by_arc], np.full(len(at), -np.inf), np.zeros(len(at)), len(y))

    def _sums(self, t: int, arcs: list[_Arc], y: Ints, x: Ints, own: Ints) -> None:
        """Columns are the sums of their copies."""
        said = [int(j) for pool in self.pools for j in pool.columns[t]]
        value = np.array([[float(arc.known[j]) for j in said] for arc in arcs]).reshape(len(arcs), len(said))
        column = np.concatenate([own, np.array(said, dtype=np.int64)])
        copies = np.concatenate([x.T, np.tile(y, (len(said), 1))])
        weight = np.concatenate([np.ones(x.T.shape), value.T])
        row, none = np.arange(len(column))[:, None], np.zeros(len(column))
        of_all = np.hstack([copies, column[:, None]]), np.hstack([weight, -np.ones((len(column), 1))])
        self.rows.add(np.tile(row, (1, len(arcs) + 1)), *of_all, none, none)

    def _columns(self, arcs: int, lower: Floats, upper: Floats) -> Ints:
        """(arcs, columns) new ones, with the same bounds for every arc."""
        self.bounds.append((np.tile(lower, arcs), np.tile(upper, arcs)))
        first, self.size = self.size, self.size + arcs * len(lower)
        return np.arange(first, self.size).reshape(arcs, len(lower))
