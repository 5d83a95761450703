"""The optimum of a small integer program by a tree of linear programs, each a few dual simplex steps from the last.

    a node: bounds of the whole columns; closed where its linear program costs no less than the best point found
    branch on the whole column that is furthest from whole, the nearer side first

A solver's own tree takes 5 ms to begin and to end; of 30 columns with five whole ones all of this takes one.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Solution, Stop
from solvers.highs import load
from solvers.two_stage.recourse import CLOSE, OPTIONS, ended, made

COLUMNS, WHOLE_COLUMNS, NODES = 300, 12, 300
WHOLE = 1e-6  # as near as a solver holds a number to be whole
SAME = 1e-12  # relative: a node that costs so little less is no better

_LOCAL = threading.local()


def least(program: LinearProgram) -> Solution | None:
    """The optimum, by HiGHS's word for each linear program. None where the program is not small, has none, or its tree
    grows too large.
    """
    whole = np.flatnonzero(program.integer).astype(np.int32)
    if program.n_columns > COLUMNS or not 0 < len(whole) <= WHOLE_COLUMNS:
        return None
    lower, upper = (bound[whole] for bound in program.whole_bounds)
    h, best, point = _engine(), np.inf, None
    load(h, program.relax())
    nodes = [(lower, upper)]
    for _ in range(NODES):
        if not nodes:
            break
        lower, upper = nodes.pop()
        found = _at(h, whole, lower, upper)
        if found is None:
            return None
        usd, x = found
        if usd == np.inf or (point is not None and usd >= best - SAME * abs(best)):
            continue
        off = np.abs(x[whole] - np.round(x[whole]))
        j = int(np.argmax(off))
        if off[j] > WHOLE:
            below, above = upper.copy(), lower.copy()
            below[j] = np.floor(x[whole[j]])
            above[j] = below[j] + 1.0
            sides = [(lower, below), (above, upper)]
            nodes += sides if x[whole[j]] - below[j] > 0.5 else sides[::-1]
            continue
        if off[j] > 0:  # what is nearly whole is held to be so, and costs what it then does
            held = np.clip(np.round(x[whole]), lower, upper)
            found = _at(h, whole, held, held)
            if found is None or not np.isfinite(found[0]):
                return None
            usd, x = found
        if usd < best:
            best, point = usd, x
    if nodes or point is None:
        return None
    return Solution(Stop.OPTIMAL, point, program.objective(point), best)


def _at(h: Any, whole: np.ndarray, lower: Floats, upper: Floats) -> tuple[float, Floats] | None:
    """(cost, point) of a node; cost inf where it has none, None where the solver does not say."""
    if (lower > upper).any():
        return np.inf, lower
    h.changeColsBounds(len(whole), whole, lower, upper)
    h.run()
    stop = ended(h)
    if stop is Stop.INFEASIBLE:
        return np.inf, lower
    if stop is not Stop.OPTIMAL:
        return None
    return float(h.getInfo().objective_function_value), np.array(h.getSolution().col_value)


def _engine() -> Any:
    """This thread's HiGHS for it."""
    if not hasattr(_LOCAL, "highs"):
        _LOCAL.highs = made({**OPTIONS, **CLOSE})
    return _LOCAL.highs
