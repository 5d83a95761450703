"""A program as PuLP's objects, and back: columns, rows, the point and the duals."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

import numpy as np
import pulp

from solvers.core.program import Floats, LinearProgram


class PulpModel:
    """The program as PuLP objects. The offset stays here: solvers disagree on constants in files.

    PuLP does not hand over a column that occurs nowhere, nor a row without coefficients or limits: a column takes the
    allowed value nearest to zero, a row holds. A ranged row becomes two rows, its dual the sum of theirs.
    """

    def __init__(self, program: LinearProgram) -> None:
        self.program = program
        self.problem = pulp.LpProblem("program", pulp.LpMinimize)
        kinds = np.where(program.integer, pulp.LpInteger, pulp.LpContinuous).tolist()
        lower = [value if isfinite(value) else None for value in program.col_lower.tolist()]
        upper = [value if isfinite(value) else None for value in program.col_upper.tolist()]
        add = self.problem.add_variable
        self.columns = [add(f"c{j}", lower[j], upper[j], kinds[j]) for j in range(program.n_columns)]
        cost = program.cost
        self.problem.setObjective(
            pulp.lpSum_vars_coefs([(self.columns[j], float(cost[j])) for j in np.flatnonzero(cost)])
        )
        limited = np.isfinite(program.row_lower) | np.isfinite(program.row_upper)
        self.used = cost != 0.0
        self.used[program.matrix.indices[np.repeat(limited, np.diff(program.matrix.indptr))]] = True
        self.rows: list[tuple[int, Any]] = []
        self._add_rows()

    def _add_rows(self) -> None:
        for i, (entries, low, high) in enumerate(self.program.each_row()):
            if not entries:
                continue
            terms = [(self.columns[j], value) for j, value in entries]
            if low == high:
                self._add(i, pulp.lpSum_vars_coefs(terms) == low, "")
                continue
            if low > -inf:
                self._add(i, pulp.lpSum_vars_coefs(terms) >= low, "l")
            if high < inf:
                self._add(i, pulp.lpSum_vars_coefs(terms) <= high, "u")

    def _add(self, row: int, constraint: Any, side: str) -> None:
        self.rows.append((row, self.problem.addConstraint(constraint, f"r{row}{side}")))

    def suggest(self, point: Floats) -> None:
        for column, value in zip(self.columns, point.tolist(), strict=True):
            column.setInitialValue(value, check=False)

    def point(self) -> Floats | None:
        """Clipped to the bounds: CBC prints 8 digits, which can lie just outside."""
        program = self.program
        point: Floats = np.clip(0.0, *program.whole_bounds) + 0.0  # at rest nearest to zero, never −0
        for j in np.flatnonzero(self.used):
            value = self.columns[j].varValue
            if value is None:
                return None
            point[j] = value
        return np.clip(point, program.col_lower, program.col_upper)

    def row_duals(self) -> Floats | None:
        duals = np.zeros(self.program.n_rows)
        for row, constraint in self.rows:
            if constraint.pi is None:
                return None
            duals[row] += constraint.pi
        return duals
