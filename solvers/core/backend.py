"""What a backend is, and the few things they all need."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from solvers.core.errors import ProgramError
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Duals, Solution, Stats, Stop


class Feature(Enum):
    """What a backend can do; asked instead of its name."""

    INTEGER = "integer"
    DUALS = "duals"
    BOUND = "bound"  # reports a bound when stopped early
    START = "start"  # uses a starting point
    THREADS = "threads"
    SEED = "seed"


class Backend(Protocol):
    """A module, or anything else, that turns a program into a solution."""

    @property
    def NAME(self) -> str: ...
    @property
    def VERSION(self) -> str: ...
    @property
    def FEATURES(self) -> frozenset[Feature]: ...

    def solve(
        self, program: LinearProgram, options: SolveOptions | None = None, start: ArrayLike | None = None
    ) -> Solution: ...


def checked_start(program: LinearProgram, start: ArrayLike | None) -> Floats | None:
    """The starting point as an array, or `ProgramError`; it need not be feasible."""
    if start is None:
        return None
    made = np.asarray(start, dtype=np.float64)
    if made.shape != (program.n_columns,):
        raise ProgramError(f"start: expected shape ({program.n_columns},), got {made.shape}")
    wrong = ~np.isfinite(made)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ProgramError(f"start[{at}] = {made[at]} is not a finite number")
    return made


def in_thread[T](work: Callable[[], T], on_interrupt: Callable[[], bool] = lambda: False) -> T:
    """The result of `work`, done in a thread of its own, so that Ctrl-C reaches us while a solver runs.

    HiGHS also keeps its task scheduler per thread, and refuses a run with another number of threads than the
    first; a fresh thread never had one. `on_interrupt` says whether to go on waiting after a Ctrl-C. An
    event, not `Thread.join`: an interrupted join marks a running thread as ended (CPython issue 90882).
    """
    done = threading.Event()
    results: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again below, in the caller's thread
            failed.append(error)
        finally:
            done.set()

    threading.Thread(target=run, name="solver", daemon=True).start()
    while not done.is_set():
        try:
            done.wait(0.2)  # without a limit, Windows would not let Ctrl-C through
        except KeyboardInterrupt:
            if not on_interrupt():
                raise
    if failed:
        raise failed[0]
    return results[0]


def size(program: LinearProgram, stats: Stats) -> Stats:
    return replace(stats, rows=program.n_rows, columns=program.n_columns, nonzeros=program.n_nonzeros)


def resting(lower: Floats, upper: Floats, integer: np.ndarray) -> Floats:
    """The allowed value nearest to zero, for columns whose value is free to choose."""
    lower = np.where(integer, np.ceil(lower), lower)
    upper = np.where(integer, np.floor(upper), upper)
    nearest: Floats = np.clip(0.0, lower, upper) + 0.0  # + 0.0: never −0
    return nearest


def solve_trivial(program: LinearProgram, solver: str) -> Solution | None:
    """The answer to a program without columns or without rows; None if there is something to solve.

    Solvers disagree on these (HiGHS: "empty", CBC: an error, PuLP: adds a column), so none is asked.
    """
    if program.n_columns and program.n_rows:
        return None
    stats = size(program, Stats(solver=solver, raw="decided without the solver"))
    if not program.n_columns and ((program.row_lower > 0).any() or (program.row_upper < 0).any()):
        return Solution(Stop.INFEASIBLE, stats=stats)
    lower = np.where(program.integer, np.ceil(program.col_lower), program.col_lower)
    upper = np.where(program.integer, np.floor(program.col_upper), program.col_upper)
    if (lower > upper).any():
        return Solution(Stop.INFEASIBLE, stats=stats)
    cost = program.cost
    point = np.where(cost > 0, lower, np.where(cost < 0, upper, np.clip(0.0, lower, upper))) + 0.0
    if not np.isfinite(point).all():
        return Solution(Stop.UNBOUNDED, stats=stats)
    value = program.objective(point)
    duals = None if program.is_mip else Duals(row=np.zeros(program.n_rows), column=cost.copy())
    return Solution(Stop.OPTIMAL, point, value, value, duals, stats)
