"""The second stage of a two-stage program as a function of its first: its cost, and how that changes.

    Q(x) = min { c·y + d·x : rows of the second stage, y in its bounds }        with the linking columns x held

Convex and piecewise linear in x. The reduced costs of the held columns are a subgradient: Q(x') ≥ Q(x) + g·(x' − x).
Where no y follows x, a dual ray v proves it, and says what every x with a second stage must satisfy: with h = Aᵀv,

    h·x ≥ Σ_i v_i · (row limit on the side of v_i) − Σ_j max over the bounds of y_j of h_j · y_j

A new x costs a few dual simplex steps from the basis of the x before, and its subgradient is the better for it. The
basis goes out with the answer and comes in with the next question: what a degenerate program answers then depends on
what it is told alone, and not on which process was asked what before.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Stop
from solvers.highs import NAME, SMALLEST_COEFFICIENT, STOP, Quiet, load, set_option
from solvers.two_stage.recourse_parts import HeldParts


class Basis:
    """A basis of HiGHS that can be sent to another process, which passes it on as it came."""

    def __init__(self, found: tuple[Any, ...]) -> None:
        self._found: tuple[Any, ...] | None = found  # one, or one of each kind of part
        self._sent: tuple[tuple[bytes, bytes], ...] | None = None

    @property
    def found(self) -> tuple[Any, ...]:
        """As HiGHS has it."""
        if self._found is None:
            self._found = tuple(_received(*sent) for sent in self._sent or ())
        return self._found

    def __getstate__(self) -> tuple[tuple[bytes, bytes], ...]:
        if self._sent is None:
            self._sent = tuple(
                (bytes([s.value for s in one.col_status]), bytes([s.value for s in one.row_status]))
                for one in self.found
            )
        return self._sent

    def __setstate__(self, state: tuple[tuple[bytes, bytes], ...]) -> None:
        self._found, self._sent = None, state


def _received(columns: bytes, rows: bytes) -> Any:
    basis = highspy.HighsBasis()
    basis.col_status = [STATUS[code] for code in columns]
    basis.row_status = [STATUS[code] for code in rows]
    basis.valid = True
    return basis


STATUS = tuple(highspy.HighsBasisStatus(code) for code in range(5))


class Value(Record):
    """Q at a point. Where no second stage follows it, cost is None and gradient · x ≥ least is what it lacks."""

    cost: float | None
    gradient: Floats  # (n,) by linking column
    stop: Stop
    least: float = -np.inf
    basis: Basis | None = None


class Recourse:
    """One scenario's second stage, relaxed to an LP. A process has one HiGHS for all of them: a thousand would not fit.

    `program` is the whole program of the scenario; columns and rows of block −1 are the first stage: its rows are
    left out (the master holds them), its columns are held at what is asked.
    """

    def __init__(self, program: LinearProgram) -> None:
        relaxed, (columns, rows) = program.relax(), program.linking
        self.linking = np.flatnonzero(columns).astype(np.int32)
        second = relaxed.take(rows=~rows).program
        self._second = second.with_cost(relaxed.cost, relaxed.offset)
        self._parts = HeldParts.of(self._second, self.linking)

    def at(self, x: Floats, basis: Basis | None = None) -> Value:
        """Q(x) and a subgradient; x in the units of the linking columns. `basis`: of an earlier x."""
        if self._parts is not None:
            value = self._by_parts(self._parts, x, basis)
            if value is not None:
                return value
            basis = None  # of parts
        h = _engine()
        load(h, self._second)
        h.changeColsBounds(len(self.linking), self.linking, x, x)
        if basis is not None:
            h.setBasis(basis.found[0])
        h.run()
        stop = ended(h)
        if stop is Stop.INFEASIBLE:
            return refusal(h, self._second, self.linking, x)
        if stop is not Stop.OPTIMAL:
            return Value(None, np.zeros(len(self.linking)), stop)
        dual = np.asarray(h.getSolution().col_dual)[self.linking]
        cost = float(h.getInfo().objective_function_value)
        return Value(cost, dual, stop, basis=None if self._parts is not None else Basis((h.getBasis(),)))

    def _by_parts(self, parts: HeldParts, x: Floats, basis: Basis | None) -> Value | None:
        """None where some part has no answer: the whole then says why."""
        limits = parts.limits(self._second, x)
        bases = () if basis is None else basis.found
        found = None if limits is None else parts.solved(_engine(), load, _optimal, limits, bases)
        if found is None:
            return None
        cost, dual, each = found
        ahead = self._second.cost[self.linking]
        cost += float(ahead @ x) + self._second.offset
        return Value(cost, ahead - parts.pull.T @ dual, Stop.OPTIMAL, basis=Basis(each))


def _optimal(h: Any) -> bool:
    return ended(h) is Stop.OPTIMAL


def ended(h: Any) -> Stop:
    """How a run ended; asked again from the beginning where it does not say."""
    stop = STOP[h.getModelStatus()]
    if stop is Stop.INFEASIBLE_OR_UNBOUNDED or stop is Stop.UNKNOWN:
        h.clearSolver()
        h.run()
        stop = STOP[h.getModelStatus()]
    return stop


def refusal(h: Any, second: LinearProgram, linking: NDArray[np.int32], x: Floats) -> Value:
    """The cut from a dual ray; without one, least stays −inf and says nothing."""
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
        own[linking] = False
        pull = np.where(np.abs(pull) > 1e-12, pull, 0.0)
        reach = np.where(pull > 0, second.col_upper, second.col_lower)
        with np.errstate(invalid="ignore"):
            least = float((v[v != 0] * side[v != 0]).sum())
            most = float((pull * reach)[own & (pull != 0)].sum())
        if np.isfinite(least) and np.isfinite(most) and pull[linking] @ x < least - most - 1e-12:
            return Value(None, pull[linking], Stop.INFEASIBLE, least - most)
    return Value(None, np.zeros(len(linking)), Stop.INFEASIBLE)


_LOCAL = threading.local()
OPTIONS = {
    "log_to_console": False,
    "output_flag": False,
    "threads": 1,
    "small_matrix_value": SMALLEST_COEFFICIENT,
}


CLOSE = {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}


def _engine() -> Any:
    """This thread's HiGHS."""
    if not hasattr(_LOCAL, "highs"):
        _LOCAL.highs = made(OPTIONS)
    return _LOCAL.highs


def made(options: Mapping[str, object]) -> Any:
    highs = Quiet()
    for key, value in options.items():
        set_option(highs, key, value, NAME)
    return highs
