"""Any solver that PuLP 4 drives. Slower than the array backends (PuLP builds objects and mostly files), but a
second opinion from other people's code: CBC by `pulp:COIN_CMD`.

What PuLP says is not taken on trust: it drops options that HiGHS refuses, calls the point of an LP that ran
out of time a solution although it is infeasible, and solvers differ in the sign of duals. So options are
checked here, a point must be feasible to count, and duals must prove the objective.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, isfinite
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pulp
from numpy.typing import ArrayLike

from solvers.core.backend import Feature, checked_start, resting, size, solve_trivial
from solvers.core.certify import dual_bound, is_feasible
from solvers.core.errors import OptionRejected
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Duals, Solution, Stats, Stop
from solvers.core.settle import settled
from solvers.core.stdout import stdout_to_stderr
from solvers.highs import Quiet

_P = pulp.LpSolveStatus
STOP: dict[Any, Stop] = {  # every member; a test counts them
    _P.NotSolved: Stop.UNKNOWN,
    _P.Optimal: Stop.OPTIMAL,
    _P.Infeasible: Stop.INFEASIBLE,
    _P.Unbounded: Stop.UNBOUNDED,
    _P.Undefined: Stop.INFEASIBLE_OR_UNBOUNDED,  # "inconclusive, e.g. infeasible or unbounded"
    _P.TimeLimit: Stop.TIME_LIMIT,
    _P.MemoryLimit: Stop.MEMORY_LIMIT,
    _P.NodeLimit: Stop.NODE_LIMIT,
    _P.GapLimit: Stop.OPTIMAL,  # "gap tolerance met", or an objective limit that only native options set
    _P.IterationLimit: Stop.ITERATION_LIMIT,
    _P.SolutionLimit: Stop.SOLUTION_LIMIT,
    _P.Interrupted: Stop.INTERRUPTED,
    _P.Stopped: Stop.UNKNOWN,
    _P.NumericalError: Stop.ERROR,
}

_REMEDIES = {
    "COIN_CMD": 'pip install "pulp[cbc]"',
    "HiGHS": "pip install highspy",
    "SCIP_PY": "pip install pyscipopt",
    "GUROBI": "pip install gurobipy (and a licence)",
    "CPSAT": "pip install ortools",
    "CPLEX_PY": "pip install cplex (and a licence)",
    "XPRESS_PY": "pip install xpress (and a licence)",
    "MOSEK": "pip install Mosek (and a licence)",
    "COPT": "pip install coptpy (and a licence)",
    "CyLP": "pip install cylp",
    "CUOPT": "install NVIDIA cuOpt",
    "HiGHS_CMD": "put the program `highs` on PATH",
    "GLPK_CMD": "put the program `glpsol` on PATH (say apt install glpk-utils)",
    "SCIP_CMD": "put the program `scip` on PATH",
    "CPLEX_CMD": "put the program `cplex` on PATH",
    "GUROBI_CMD": "put the program `gurobi_cl` on PATH",
}

_WITHOUT_PRESOLVE: dict[str, dict[str, object]] = {
    "COIN_CMD": {"presolve": False},
    "HiGHS": {"presolve": "off"},
}

#: CBC says so in its log, and then calls the changed point optimal all the same.
_SPOILT = "Postprocessing changed objective"
_NO_PREPROCESSING = "preprocess off"
_FAR = 1.2e10
WITHOUT_POINT = "a point that is not feasible was left out"


def solver_names() -> tuple[str, ...]:
    """PuLP's names, each once."""
    return tuple(dict.fromkeys(pulp.listSolvers()))


@dataclass(frozen=True)
class PulpBackend:
    """One of PuLP's solvers as a backend of ours."""

    solver: str
    VERSION: ClassVar[str] = pulp.__version__

    @property
    def NAME(self) -> str:
        return f"pulp:{self.solver}"

    @cached_property
    def _accepts(self) -> frozenset[str]:
        return frozenset(inspect.signature(type(self._make()).__init__).parameters)

    @property
    def _seed_option(self) -> str | None:
        return {"COIN_CMD": "randomSeed", "HiGHS": "random_seed"}.get(self.solver)

    @property
    def FEATURES(self) -> frozenset[Feature]:
        found = {Feature.INTEGER}
        if self.solver in ("COIN_CMD", "HiGHS"):  # those whose answers the test suite has seen
            found |= {Feature.DUALS, Feature.BOUND}
        if "warmStart" in self._accepts:
            found.add(Feature.START)
        if "threads" in self._accepts:
            found.add(Feature.THREADS)
        if self._seed_option:
            found.add(Feature.SEED)
        return frozenset(found)

    @property
    def remedy(self) -> str:
        return _REMEDIES.get(self.solver, "see PuLP's guide to configuring solvers")

    def installed(self) -> bool:
        return bool(self._make().available())

    def _make(self, **keywords: object) -> Any:
        return pulp.getSolver(self.solver, msg=False, **keywords)

    def solve(
        self, program: LinearProgram, options: SolveOptions | None = None, start: ArrayLike | None = None
    ) -> Solution:
        """Infeasible, out of time or a crash of the solver is an answer; raises `OptionRejected`."""
        options = options or SolveOptions()
        program = program.relax() if options.relax else program
        point = checked_start(program, start)
        keywords, notes = self._keywords(options, program)
        if point is not None and Feature.START not in self.FEATURES:
            notes.append("starting point not used")
        trivial = solve_trivial(program, self.NAME)
        if trivial is not None:
            return trivial
        begin = perf_counter()
        model = _Model(program)
        if not model.empty_rows_hold:
            stats = size(program, Stats(self.NAME, "a row without coefficients cannot hold"))
            return Solution(Stop.INFEASIBLE, stats=stats)
        if point is not None and Feature.START in self.FEATURES:
            keywords["warmStart"] = True
            model.suggest(point)
        built = perf_counter()
        raw, outcome, log = self._run(model, keywords, options)
        stats = Stats(self.NAME, raw, hand_over_s=built - begin, solve_s=perf_counter() - built)
        stats = size(program, replace(stats, warnings=tuple(notes)))
        answer = _answer(program, model, outcome, options, stats)
        if self.solver == "COIN_CMD" and (_SPOILT in log or WITHOUT_POINT in answer.stats.warnings):
            again = _without_preprocessing(options, stats.solve_s)
            if again is not None:
                found = self.solve(program, again, start)
                noted = (*found.stats.warnings, "solved again: preprocessing had spoilt the answer")
                return replace(found, stats=replace(found.stats, warnings=noted))
        return settled(program, options, answer, self.solve, _WITHOUT_PRESOLVE.get(self.solver))

    def _keywords(self, options: SolveOptions, program: LinearProgram) -> tuple[dict[str, Any], list[str]]:
        """The options under this solver's names. One it cannot take is refused unless it is the default."""
        default, notes = SolveOptions(), []
        made: dict[str, Any] = {}
        wanted: dict[str, tuple[str | None, object]] = {
            "gap": ("gapRel" if "gapRel" in self._accepts else None, options.gap),
            "time_limit_s": ("timeLimit" if "timeLimit" in self._accepts else None, options.time_limit_s),
            "threads": ("threads" if "threads" in self._accepts else None, options.threads),
            "seed": (self._seed_option, options.seed),
        }
        for ours, (theirs, value) in wanted.items():
            if theirs is not None:
                made[theirs] = value
            elif getattr(options, ours) != getattr(default, ours):
                raise OptionRejected(self.NAME, ours, value, "this solver has no such setting")
            elif ours != "seed":
                notes.append(f"{ours} left to the solver")
        if "gapAbs" in self._accepts and self.solver != "COIN_CMD":
            made["gapAbs"] = 0.0
        for side in ("primal", "dual"):
            value = getattr(options, f"{side}_tolerance")
            if value is None or program.is_mip:
                continue
            made |= self._tolerance(side, value)
        return self._with_native(made, options), notes

    def _tolerance(self, side: str, value: float) -> dict[str, Any]:
        if self.solver == "HiGHS":
            return {f"{side}_feasibility_tolerance": value}
        if self.solver == "COIN_CMD":
            return {"options": [f"{side}Tolerance {value!r}"]}
        raise OptionRejected(self.NAME, f"{side}_tolerance", value, "this solver has no such setting")

    def _with_native(self, made: dict[str, Any], options: SolveOptions) -> dict[str, Any]:
        for key, value in options.native.items():
            if key in ("msg", "logPath", "keepFiles", "warmStart", "mip", "self", "path"):
                raise OptionRejected(self.NAME, key, value, "set by other means")
            known = key in self._accepts and key not in ("args", "kwargs", "solverParams", "params")
            if not known and self.solver != "HiGHS":
                raise OptionRejected(self.NAME, key, value, "not among " + ", ".join(sorted(self._accepts)))
            if key == "options" and "options" in made:
                value = [*made["options"], *value]  # type: ignore[misc]
            made[key] = value
        if self.solver == "HiGHS":
            _try_on_highs(made, self.NAME)
        return made

    def _run(self, model: _Model, keywords: dict[str, Any], options: SolveOptions) -> tuple[str, Any, str]:
        """(what to call the ending, PuLP's own record of the run or our `Stop` without one, the log)."""
        with tempfile.TemporaryDirectory(prefix="solvers-") as folder:
            log = Path(folder) / "log"
            if "logPath" in self._accepts:
                keywords = keywords | {"logPath": str(log)}
            solver = self._make(**keywords)
            solver.tmpDir = folder  # PuLP leaves files behind when it is interrupted
            solver.msg = options.log and "logPath" not in self._accepts
            try:
                with _own_scheduler(self.solver), contextlib.redirect_stdout(sys.stderr):
                    outcome = model.problem.solve(solver)
            except KeyboardInterrupt:
                return "interrupted", Stop.INTERRUPTED, ""
            except pulp.PulpError as error:
                self._refused_in(_text(log), options)
                return f"{type(error).__name__}: {error}", Stop.ERROR, _text(log)
            finally:
                if options.log:
                    sys.stderr.write(_text(log))
            text = _text(log)
        self._refused_in(text, options)
        return f"{outcome.status_str}, {'a' if outcome.has_solution else 'no'} solution", outcome, text

    def _refused_in(self, log: str, options: SolveOptions) -> None:
        """Of an option that CBC does not know, only its log tells; older versions go on without it."""
        for line in log.splitlines():
            if line.startswith(("No match for", "Unrecognized parameter")):
                raise OptionRejected(self.NAME, "options", options.native.get("options"), line.strip())


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _without_preprocessing(options: SolveOptions, spent_s: float) -> SolveOptions | None:
    """The options of a second run in the time that is left; None if this was it."""
    given = options.native.get("options", [])
    if not isinstance(given, list) or _NO_PREPROCESSING in given:
        return None
    left = options.time_limit_s
    left = None if left is None else max(1e-3, left - spent_s)
    return replace(
        options, time_limit_s=left, native={**options.native, "options": [*given, _NO_PREPROCESSING]}
    )


def _try_on_highs(keywords: dict[str, Any], solver: str) -> None:
    """PuLP overlooks HiGHS's refusals, so ask HiGHS first."""
    import highspy

    ours = {"gapRel": "mip_rel_gap", "gapAbs": "mip_abs_gap", "timeLimit": "time_limit"}
    h: Any = Quiet()
    for key, value in keywords.items():
        if value is None:
            continue
        name, value = ours.get(key, key), float(value) if key == "timeLimit" else value
        if h.setOptionValue(name, value) != highspy.HighsStatus.kOk:
            raise OptionRejected(solver, key, value, "no such option, or not a value it can have")


@contextlib.contextmanager
def _own_scheduler(solver: str) -> Iterator[None]:
    """HiGHS refuses a run with another number of threads than the last one in the same thread, and 1.16 greets."""
    if solver != "HiGHS":
        yield
        return
    import highspy

    highspy.Highs.resetGlobalScheduler(True)
    try:
        with stdout_to_stderr():
            yield
    finally:
        highspy.Highs.resetGlobalScheduler(True)


class _Model:
    """The program as PuLP objects. The offset stays here: solvers disagree on constants in files.

    PuLP does not hand over a column that occurs nowhere, nor a row without coefficients or limits: these are
    decided here. A ranged row becomes two rows, its dual the sum of theirs.
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
        self.empty_rows_hold = True
        self.rows: list[tuple[int, Any]] = []
        self._add_rows()

    def _add_rows(self) -> None:
        matrix, columns = self.program.matrix, self.columns
        starts, indices, values = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
        limits = zip(self.program.row_lower.tolist(), self.program.row_upper.tolist(), strict=True)
        for i, (low, high) in enumerate(limits):
            inside = range(starts[i], starts[i + 1])
            if not inside:
                self.empty_rows_hold &= low <= 0.0 <= high
                continue
            terms = [(columns[indices[k]], values[k]) for k in inside]
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
        found = resting(program.col_lower, program.col_upper, program.integer)
        for j in np.flatnonzero(self.used):
            value = self.columns[j].varValue
            if value is None:
                return None
            found[j] = value
        return np.clip(found, program.col_lower, program.col_upper)

    def row_duals(self) -> Floats | None:
        found = np.zeros(self.program.n_rows)
        for row, constraint in self.rows:
            if constraint.pi is None:
                return None
            found[row] += constraint.pi
        return found


def _answer(
    program: LinearProgram, model: _Model, outcome: Any, options: SolveOptions, stats: Stats
) -> Solution:
    if isinstance(outcome, Stop):
        return Solution(outcome, stats=stats)
    stop = STOP[outcome.status]
    stats = replace(stats, nodes=outcome.nodes)
    point = model.point() if outcome.has_solution else None
    if point is not None and not is_feasible(program, point):
        point = None
        stats = replace(stats, warnings=(*stats.warnings, WITHOUT_POINT))
    if stop is Stop.OPTIMAL and point is None:
        stop = Stop.UNKNOWN
    if point is not None and (np.abs(point[np.isinf(program.col_upper - program.col_lower)]) >= _FAR).any():
        # CBC boxes the columns of an unbounded MILP at 1.23456789e10 and calls that corner optimal
        return Solution(Stop.INFEASIBLE_OR_UNBOUNDED, stats=stats)
    value = None if point is None else program.objective(point)
    if program.is_mip:
        return Solution(stop, point, value, _bound(program, outcome, stop, value, options), None, stats)
    if stop is not Stop.OPTIMAL or value is None:
        return Solution(stop, point, value, stats=stats)
    duals = _proven_duals(program, model.row_duals(), value)
    if duals is None:
        stats = replace(stats, warnings=(*stats.warnings, "duals left out: they do not prove the objective"))
    return Solution(stop, point, value, value, duals, stats)


def _bound(
    program: LinearProgram, outcome: Any, stop: Stop, value: float | None, options: SolveOptions
) -> float:
    """The bound PuLP read, else the one implied by "optimal within the gap", else −inf."""
    told = outcome.best_bound
    if stop in (Stop.INFEASIBLE, Stop.UNBOUNDED):
        return -inf
    if told is not None and abs(told) < 1e40:  # CBC's 1e50 means none
        return float(min(told + program.offset, inf if value is None else value))
    if stop is Stop.OPTIMAL and value is not None:
        return value - options.gap * abs(value)
    return -inf


def _proven_duals(program: LinearProgram, row: Floats | None, value: float) -> Duals | None:
    if row is None:
        return None
    size_ = max(1.0, abs(value))
    if abs(dual_bound(program, row, tolerance=1e-6) - value) > 1e-5 * size_:
        return None
    return Duals(row=row, column=program.cost - program.matrix.T @ row)
