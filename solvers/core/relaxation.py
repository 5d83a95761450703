"""A relaxation that is solved again and again with other column bounds, from where the last solve ended.

What comes back is a proposal: `solvers.proof` computes by itself what the multipliers prove.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.core.result import SimplexBasis, Stop


class RelaxedAnswer(Record):
    """One linear program's answer.

    stop         why it ended; says nothing about the rest
    point        (n,) the optimum of the relaxation, None where there is none
    multipliers  (m,) row duals at the optimum, or where a limit ended the solve, or a ray that refutes an infeasible
                 program; None: neither
    iterations   simplex iterations spent
    """

    stop: Stop
    point: Floats | None
    multipliers: Floats | None
    iterations: int


class Relaxation(Protocol):
    """Holds a program's relaxation, loaded once."""

    def solve(self, lower: Floats, upper: Floats) -> RelaxedAnswer:
        """The relaxation with these bounds (k,) on the integer columns, in their order."""
        ...

    def refute(self, lower: Floats, upper: Floats) -> Floats | None:
        """(m,) a ray that refutes a program without a point, looked for anew; None where there is a point."""
        ...

    def way_back(self) -> Callable[[], None]:
        """From where the last solve ended the next one goes on after this is called."""
        ...


class GrowingRelaxation(Relaxation, Protocol):
    """One whose rows and columns change between solves; points then have the added columns at their end."""

    def limit_rows(self, rows: Ints, lower: Floats, upper: Floats) -> None:
        """Other limits (r,) of some rows."""
        ...

    def limit_columns(self, columns: Ints, lower: Floats, upper: Floats) -> None:
        """Other bounds (c,) of some columns that are not integer ones."""
        ...

    def add_columns(self, cost: Floats, matrix: Any, lower: Floats, upper: Floats) -> None:
        """Columns (c,) more, none of them whole, with a matrix (m, c) by column of the program's own rows."""
        ...

    @property
    def basis(self) -> SimplexBasis:
        """Of the program's own rows and columns, where the last solve ended."""
        ...

    def drop_columns(self, first: int) -> None:
        """All columns from one on."""
        ...


class OpenRelaxation(Protocol):
    """Opens one; a limit on iterations bounds each solve, so that equal programs end alike."""

    def __call__(self, program: LinearProgram, most_iterations: int | None) -> Relaxation: ...
