"""The second stage of a two-stage program as a function of its first: its cost, and how that changes.

    Q(x) = min { c·y + d·x : rows of the second stage, y in its bounds }        with the linking columns x held

Convex and piecewise linear in x. The reduced costs of the held columns are a subgradient: Q(x') ≥ Q(x) + g·(x' − x).
Where no y follows x, a dual ray v proves it, and says what every x with a second stage must satisfy: with h = Aᵀv,

    h·x ≥ Σ_i v_i · (row limit on the side of v_i) − Σ_j max over the bounds of y_j of h_j · y_j
The solver keeps its basis, so that a new x costs a few dual simplex steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Stop
from solvers.highs import STOP, _load, _set_options


@dataclass(frozen=True)
class Value:
    """Q at a point. Where no second stage follows it, cost is None and gradient · x ≥ least is what it lacks."""

    cost: float | None
    gradient: Floats  # (n,) by linking column
    stop: Stop
    least: float = -np.inf


class Recourse:
    """One scenario's second stage, relaxed to an LP, kept in HiGHS between calls.

    `program` is the whole program of the scenario; columns and rows of block −1 are the first stage: its rows are
    left out (the master holds them), its columns are held at what is asked.
    """

    def __init__(self, program: LinearProgram, options: SolveOptions | None = None) -> None:
        if program.blocks is None:
            raise ValueError("the program has no block labels")
        relaxed = program.relax()
        keep = np.flatnonzero(program.blocks.rows >= 0)
        self.linking = np.flatnonzero(program.blocks.columns < 0).astype(np.int32)
        second = LinearProgram(
            cost=relaxed.cost,
            matrix=relaxed.matrix[keep],
            row_lower=relaxed.row_lower[keep],
            row_upper=relaxed.row_upper[keep],
            col_lower=relaxed.col_lower,
            col_upper=relaxed.col_upper,
            integer=relaxed.integer,
            offset=relaxed.offset,
            name=relaxed.name,
        )
        self._second = second
        self._h: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        _set_options(self._h, second, options or SolveOptions(time_limit_s=None))
        _load(self._h, second)

    def at(self, x: Floats) -> Value:
        """Q(x) and a subgradient; x in the units of the linking columns."""
        h = self._h
        h.changeColsBounds(len(self.linking), self.linking, x, x)
        h.run()
        stop = STOP[h.getModelStatus()]
        if stop is Stop.INFEASIBLE_OR_UNBOUNDED or stop is Stop.UNKNOWN:
            h.clearSolver()
            h.run()
            stop = STOP[h.getModelStatus()]
        if stop is Stop.INFEASIBLE:
            return self._refusal(x)
        if stop is not Stop.OPTIMAL:
            return Value(None, np.zeros(len(self.linking)), stop)
        dual = np.asarray(h.getSolution().col_dual)[self.linking]
        return Value(float(h.getInfo().objective_function_value), dual, stop)

    def _refusal(self, x: Floats) -> Value:
        """The cut from a dual ray; without one, least stays −inf and says nothing."""
        h, second = self._h, self._second
        h.setOptionValue("presolve", "off")
        h.run()
        found = h.getDualRay()
        h.setOptionValue("presolve", "choose")
        ray = np.asarray(found[2]) if found[1] else np.zeros(second.n_rows)
        for sign in (1.0, -1.0):  # which of the two proves it is for the numbers to say
            v = sign * np.where(np.abs(ray) > 1e-9 * np.abs(ray).max(initial=1e-300), ray, 0.0)
            side = np.where(v > 0, second.row_lower, second.row_upper)
            pull = second.matrix.T @ v
            own = np.ones(second.n_columns, dtype=bool)
            own[self.linking] = False
            pull = np.where(np.abs(pull) > 1e-12, pull, 0.0)
            reach = np.where(pull > 0, second.col_upper, second.col_lower)
            with np.errstate(invalid="ignore"):
                least = float((v[v != 0] * side[v != 0]).sum())
                most = float((pull * reach)[own & (pull != 0)].sum())
            if np.isfinite(least) and np.isfinite(most) and pull[self.linking] @ x < least - most - 1e-12:
                return Value(None, pull[self.linking], Stop.INFEASIBLE, least - most)
        return Value(None, np.zeros(len(self.linking)), Stop.INFEASIBLE)
