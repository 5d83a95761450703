"""A relaxation that is solved again and again with other column bounds, from where the last solve ended.

What comes back is a proposal: `solvers.proof` computes by itself what the multipliers prove.
"""

from __future__ import annotations

from typing import Protocol

from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Stop


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


class OpenRelaxation(Protocol):
    """Opens one; a limit on iterations bounds each solve, so that equal programs end alike."""

    def __call__(self, program: LinearProgram, most_iterations: int | None) -> Relaxation: ...
