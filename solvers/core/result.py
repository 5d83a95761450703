"""The answer: why the solver stopped, and apart from that, what it found.

Signs of `Duals`: the row dual is the change of the (minimal) objective per unit by which the row's active
limit is raised: ≥ 0 on an active lower limit, ≤ 0 on an active upper one, 0 when neither is active. The
column dual (reduced cost) is the same for the column's active bound. So `cost = Aᵀ·row + column`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any

from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record


class Stop(Enum):
    """Why the solver ended; says nothing about having a point."""

    OPTIMAL = "optimal"  # proven best, within the gap asked for
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INFEASIBLE_OR_UNBOUNDED = "infeasible_or_unbounded"
    TIME_LIMIT = "time_limit"
    ITERATION_LIMIT = "iteration_limit"
    NODE_LIMIT = "node_limit"
    SOLUTION_LIMIT = "solution_limit"
    MEMORY_LIMIT = "memory_limit"
    OBJECTIVE_LIMIT = "objective_limit"
    EXHAUSTED = "exhausted"  # nothing was left to try within counts of work that no option sets
    INTERRUPTED = "interrupted"
    ERROR = "error"
    UNKNOWN = "unknown"


class Duals(Record):
    """Prices of an LP's limits, in objective units per unit of the limit (signs: see the module)."""

    row: Floats
    column: Floats


@dataclass(frozen=True)
class Stats:
    """How much work it was. `raw` is the solver's own word for its ending; None: the solver does not say."""

    solver: str = ""
    raw: str = ""
    hand_over_s: float = 0.0  # arrays → solver
    solve_s: float = 0.0
    iterations: int | None = None
    nodes: int | None = None
    rows: int = 0
    columns: int = 0
    nonzeros: int = 0
    warnings: tuple[str, ...] = ()  # what the solver did differently from what was asked

    @classmethod
    def of(cls, program: LinearProgram, solver: str = "", raw: str = "", solve_s: float = 0.0) -> Stats:
        """With the size of the program."""
        rows, columns, nonzeros = program.n_rows, program.n_columns, program.n_nonzeros
        return cls(solver, raw, solve_s=solve_s, rows=rows, columns=columns, nonzeros=nonzeros)


class PiecePrices(Record):
    """Prices of rows that reach across pieces of a program, and of the pieces' copies of what spans them.

    part                 (n,) the piece of each column, −1: it spans
    row, price           (r,) a row that reaches, and its multiplier
    piece, column, tie   (k,) a piece, a spanning column that it has a copy of, the multiplier of copy ≤ column
    """

    part: Ints
    row: Ints
    price: Floats
    piece: Ints
    column: Ints
    tie: Floats


class SummedLeaves(Record):
    """Leaves of a tree over whole columns and sums of some, which leave no whole point out.

    off, refuting   (o,) columns that are 0 in the tree; (o, m) multipliers of rows that bound what has one on, and 0
                    those before it
    groups          columns of each sum
    cut, served     (c,) the row that each cut is made of, (c, n) which flows are in it (`solvers.capacity_rows`)
    weights, strong, unit   of each share row (`solvers.sums.share_rows`)
    lower, upper    (l, w + g) ranges of the whole columns, in their order, then of sums; ±inf: no end
    multipliers     (l, m + c + s + g) of rows, cuts, share rows and sums
    """

    off: Ints
    refuting: Floats
    groups: tuple[Ints, ...]
    cut: Ints
    served: Any
    weights: Any
    strong: Any
    unit: Floats
    lower: Floats
    upper: Floats
    multipliers: Any


class SimplexBasis(Record):
    """Where a solver's simplex method ended, for one of its own that goes on from there.

    solver          whose it is
    rows, columns   of the program; rows that only the solver has come after them
    state           in the solver's own form
    """

    solver: str
    rows: int
    columns: int
    state: Any


class Solution(Record):
    """What came back.

    stop        why the solver ended
    point       (n,) the best feasible point found, None if there is none, whatever the reason of the stop
    objective   c·x + offset of that point, recomputed from it; None without a point
    bound       no feasible point costs less; −inf when nothing is proven
    duals       for LPs solved to optimality by a backend that has them, else None. A MILP has no duals:
                fix its integer columns and solve again, and say that the prices are of that LP
    prices      under which pieces of the program prove the bound, where that was the way
    leaves      of a tree over sums that proves the bound, or some of it
    basis       of the linear program with this point's whole numbers, where the way to it left one
    """

    stop: Stop
    point: Floats | None = None
    objective: float | None = None
    bound: float = -inf
    duals: Duals | None = None
    stats: Stats = Stats()
    prices: PiecePrices | None = None
    leaves: SummedLeaves | None = None
    basis: SimplexBasis | None = None

    @property
    def gap(self) -> float:
        """`relative_gap` of objective and bound; inf without an objective."""
        return inf if self.objective is None else relative_gap(self.objective, self.bound)


def relative_gap(objective: float, bound: float) -> float:
    """(objective − bound) / |objective|, never negative; inf without a bound."""
    if bound == -inf:
        return inf
    distance = max(0.0, objective - bound)
    return 0.0 if distance == 0.0 else distance / abs(objective) if objective else inf
