"""The canonical form every backend reads.

    minimise    c·x + offset
    subject to  row_lower ≤ A x ≤ row_upper
                col_lower ≤  x  ≤ col_upper
                x_j integer  where integer[j]

An equality is a row with equal limits, a one-sided row has an infinite other side. Nothing here has a unit
or a meaning; names are made on demand, since most solves never need them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice, pairwise
from math import fsum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from solvers.core.errors import ProgramError
from solvers.core.record import Record

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]
type Names = Callable[[], Sequence[str]]

#: Magnitudes from here on mean "no limit": HiGHS's own convention, applied for all backends alike.
INFINITE = 1e20


class Blocks(NamedTuple):
    """Block labels for decomposition: −1 is the linking part (first stage), k ≥ 0 is block k."""

    columns: NDArray[np.int64]
    rows: NDArray[np.int64]


class LinearProgram(Record):
    """A mixed-integer linear program as read-only arrays; raises `ProgramError` if they do not fit together.

    cost                    (n,)   finite
    matrix                  (m, n) sparse rows; duplicates are summed, explicit zeros dropped
    row_lower, row_upper    (m,)   −inf / +inf where there is no limit
    col_lower, col_upper    (n,)   −inf / +inf where there is no limit
    integer                 (n,)   bool
    """

    cost: Floats
    matrix: Any  # scipy.sparse.csr_array; scipy ships no types
    row_lower: Floats
    row_upper: Floats
    col_lower: Floats
    col_upper: Floats
    integer: NDArray[np.bool_]
    offset: float = 0.0
    name: str = "program"
    column_names: Names | None = None
    row_names: Names | None = None
    blocks: Blocks | None = None

    def __post_init__(self) -> None:
        put = partial(object.__setattr__, self)
        put("cost", _vector("cost", self.cost))
        put("matrix", _canonical(self.matrix, self.n_columns))
        cost = self.cost
        refuse_where(np.abs(cost) >= INFINITE, lambda at: f"cost[{at}] = {cost[at]} is not a finite number")
        self._limit("row", self.row_lower, self.row_upper, self.n_rows)
        self._limit("col", self.col_lower, self.col_upper, self.n_columns)
        integer = np.array(self.integer)
        if integer.shape != (self.n_columns,) or integer.dtype != np.bool_:
            raise ProgramError(
                f"integer: expected ({self.n_columns},) bool, got {integer.shape} {integer.dtype}"
            )
        put("integer", _frozen(integer))
        if not np.isfinite(self.offset):
            raise ProgramError(f"offset: {self.offset} is not a finite number")
        put("offset", float(self.offset))
        if self.blocks is not None:
            put("blocks", self._labels(*self.blocks))
        super().__post_init__()

    def _limit(self, what: str, lower: ArrayLike, upper: ArrayLike, size: int) -> None:
        low, high = _limit(f"{what}_lower", lower, size), _limit(f"{what}_upper", upper, size)
        refuse_where(
            low > high, lambda at: f"{what}_lower[{at}] = {low[at]} is above {what}_upper[{at}] = {high[at]}"
        )
        object.__setattr__(self, f"{what}_lower", low)
        object.__setattr__(self, f"{what}_upper", high)

    def _labels(self, columns: ArrayLike, rows: ArrayLike) -> Blocks:
        made = Blocks(np.array(columns, dtype=np.int64), np.array(rows, dtype=np.int64))
        if made.columns.shape != (self.n_columns,) or made.rows.shape != (self.n_rows,):
            raise ProgramError(
                f"blocks: expected labels of shapes ({self.n_columns},) and ({self.n_rows},), "
                f"got {made.columns.shape} and {made.rows.shape}"
            )
        return Blocks(_frozen(made.columns), _frozen(made.rows))

    @property
    def n_columns(self) -> int:
        return int(self.cost.shape[0])

    @property
    def n_rows(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def n_nonzeros(self) -> int:
        return int(self.matrix.nnz)

    @cached_property
    def is_mip(self) -> bool:
        return bool(self.integer.any())

    def each_row(self) -> Iterator[tuple[list[tuple[int, float]], float, float]]:
        """(columns with their coefficients, lower, upper) of every row, in order."""
        matrix = self.matrix
        starts, entries = (
            matrix.indptr.tolist(),
            zip(matrix.indices.tolist(), matrix.data.tolist(), strict=True),
        )
        limits = zip(self.row_lower.tolist(), self.row_upper.tolist(), strict=True)
        for (first, end), (low, high) in zip(pairwise(starts), limits, strict=True):
            yield list(islice(entries, end - first)), low, high

    def objective(self, point: Floats) -> float:
        """c·x + offset, summed without rounding in between, so that the order of columns does not matter."""
        usd = self.cost * point
        return fsum(usd[usd != 0.0].tolist()) + self.offset

    def fix(self, columns: ArrayLike, values: ArrayLike) -> LinearProgram:
        """The same program with these columns held at these values; they stop being integer columns.

        `columns` is a mask (n,) or an array of indices. With all integer columns fixed this is the LP whose
        duals price the integer answer.
        """
        lower, upper, integer = self.col_lower.copy(), self.col_upper.copy(), self.integer.copy()
        at = _indices(columns)
        lower[at] = upper[at] = values
        integer[at] = False
        return replace(self, col_lower=lower, col_upper=upper, integer=integer)

    def relax(self) -> LinearProgram:
        """The same program without integrality; its optimum is a bound on this one's."""
        return replace(self, integer=np.zeros(self.n_columns, dtype=bool)) if self.is_mip else self

    @property
    def whole_bounds(self) -> tuple[Floats, Floats]:
        """(n,) bounds of the columns, those of integer columns rounded inwards."""
        lower = np.where(self.integer, np.ceil(self.col_lower), self.col_lower)
        return lower, np.where(self.integer, np.floor(self.col_upper), self.col_upper)

    @property
    def linking(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(n,) columns and (m,) rows of the first stage. Raises ValueError for a program without block labels."""
        if self.blocks is None:
            raise ValueError("the program has no block labels")
        return self.blocks.columns < 0, self.blocks.rows < 0

    @cached_property
    def by_column(self) -> Any:
        """The matrix once more, by column: for what asks for parts of it again and again."""
        return self.matrix.tocsc()

    def take(
        self, columns: ArrayLike | None = None, rows: ArrayLike | None = None, point: Floats | None = None
    ) -> SubProgram:
        """Some columns and rows as a program of their own.

        columns   (k,) indices in rising order, or a mask (n,); None: all
        rows      (r,) likewise; None: all with a coefficient in one of these columns
        point     (n,) where the columns left out are held; None: at 0

        The offset, the cost of what is held, names and block labels stay with the whole.
        """
        at = np.arange(self.n_columns) if columns is None else _indices(columns)
        matrix = self.matrix if columns is None else self.by_column[:, at].tocsr()
        on = np.flatnonzero(np.diff(matrix.indptr)) if rows is None else _indices(rows)
        held = np.zeros(len(on))
        if point is not None:
            rest = point.copy()
            rest[at] = 0.0
            held = self.matrix[on] @ rest
        program = LinearProgram(
            cost=self.cost[at],
            matrix=matrix[on],
            row_lower=self.row_lower[on] - held,
            row_upper=self.row_upper[on] - held,
            col_lower=self.col_lower[at],
            col_upper=self.col_upper[at],
            integer=self.integer[at],
            name=self.name,
        )
        return SubProgram(program, at, on)

    def wider(
        self,
        rows: Any,
        row_limits: tuple[ArrayLike, ArrayLike],
        col_lower: Floats,
        col_upper: Floats,
        integer: NDArray[np.bool_],
    ) -> LinearProgram:
        """Behind the columns k more that cost nothing, and below the rows r more of all columns; without names.

        rows        (r, n + k) sparse
        row_limits  (r,) each: lower, upper
        col_lower, col_upper, integer   (k,) of the new columns
        """
        old = sparse.csr_array(
            (self.matrix.data, self.matrix.indices, self.matrix.indptr),
            shape=(self.n_rows, self.n_columns + len(integer)),
        )
        return replace(
            self,
            cost=np.append(self.cost, np.zeros(len(integer))),
            matrix=sparse.vstack([old, rows], format="csr"),
            row_lower=np.append(self.row_lower, row_limits[0]),
            row_upper=np.append(self.row_upper, row_limits[1]),
            col_lower=np.append(self.col_lower, col_lower),
            col_upper=np.append(self.col_upper, col_upper),
            integer=np.append(self.integer, integer),
            column_names=None,
            row_names=None,
            blocks=None,
        )

    def with_cost(self, cost: Floats, offset: float = 0.0) -> LinearProgram:
        """The same rows and columns under another objective."""
        return replace(self, cost=cost, offset=offset)


class SubProgram(NamedTuple):
    """A program cut out of another, and where its columns (k,) and rows (r,) stand there."""

    program: LinearProgram
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]


def _indices(chosen: ArrayLike) -> NDArray[np.int64]:
    """Indices, also of a mask."""
    at = np.asarray(chosen)
    return np.flatnonzero(at) if at.dtype == np.bool_ else at.astype(np.int64)


def _frozen[A: np.generic](array: NDArray[A]) -> NDArray[A]:
    view = array.view()
    view.flags.writeable = False
    return view


def _vector(name: str, value: ArrayLike) -> Floats:
    """A read-only view; the caller's own array stays as writeable as it was."""
    made = np.ascontiguousarray(value, dtype=np.float64)
    if np.ndim(value) != 1:
        raise ProgramError(f"{name}: expected one dimension, got shape {np.shape(value)}")
    refuse_where(np.isnan(made), lambda at: f"{name}[{at}] is NaN")
    return _frozen(made)


def _limit(name: str, value: ArrayLike, size: int) -> Floats:
    made = _vector(name, value)
    if made.shape != (size,):
        raise ProgramError(f"{name}: expected shape ({size},), got {made.shape}")
    wrong = made >= INFINITE if name.endswith("lower") else made <= -INFINITE
    refuse_where(wrong, lambda at: f"{name}[{at}] = {made[at]} leaves no value allowed")
    far = (np.abs(made) >= INFINITE) & np.isfinite(made)
    return _frozen(np.where(far, np.copysign(np.inf, made), made)) if far.any() else made


def refuse_where(wrong: NDArray[np.bool_], message: Callable[[int], str]) -> None:
    """Raise `ProgramError` for the first place that is wrong."""
    if wrong.any():
        raise ProgramError(message(int(np.argmax(wrong))))


def _canonical(matrix: Any, n_columns: int) -> Any:
    """CSR of float64 with sorted unique indices and no explicit zeros; the caller's matrix is not changed."""
    if np.ndim(matrix) != 2:
        raise ProgramError(f"matrix: expected two dimensions, got shape {np.shape(matrix)}")
    made = sparse.csr_array(matrix)
    if made.shape[1] != n_columns:
        raise ProgramError(f"matrix: has {made.shape[1]} columns, cost has {n_columns}")
    bad = ~np.isfinite(made.data)
    if bad.any():
        k = int(np.argmax(bad))
        row = int(np.searchsorted(made.indptr, k, side="right")) - 1
        shown = "NaN" if np.isnan(made.data[k]) else made.data[k]
        raise ProgramError(f"matrix[{row}, {int(made.indices[k])}] is {shown}")
    if made.dtype != np.float64 or not made.has_canonical_format or (made.data == 0.0).any():
        made = made.astype(np.float64, copy=True)
        made.sum_duplicates()
        made.eliminate_zeros()
    return made
