"""Any solver that PuLP 4 drives. Slower than the array backends (PuLP builds objects and mostly files), but a
second opinion from other people's code: CBC by `pulp:COIN_CMD`.

What PuLP says is not taken on trust: it drops options that HiGHS refuses, calls the point of an LP that ran
out of time a solution although it is infeasible, and solvers differ in the sign of duals. So options are
checked here, a point must be feasible to count, and duals must prove the objective.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pulp

from solvers.core.backend import Feature, RawOutcome, Retry
from solvers.core.certify import is_feasible
from solvers.core.errors import OptionRejected
from solvers.core.options import SolveOptions
from solvers.core.process import in_thread
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import SimplexBasis, Stop
from solvers.pulp_model import PulpModel

_P = pulp.LpSolveStatus
STOP: Mapping[Any, Stop] = {  # every member; a test counts them
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

_ONE_THREAD = frozenset({"SCIP_PY"})  # it takes a number of threads, and warns that it uses one
_SCIP_TOLERANCES = {"primal": "numerics/feastol", "dual": "numerics/dualfeastol"}
_SEEDS = {"COIN_CMD": "randomSeed", "HiGHS": "random_seed"}
_WITHOUT_PRESOLVE: dict[str, dict[str, object]] = {
    "COIN_CMD": {"presolve": False},
    "HiGHS": {"presolve": "off"},
}

#: CBC says so in its log, and then calls the changed point optimal all the same.
_SPOILT = "Postprocessing changed objective"
_NO_PREPROCESSING = "preprocess off"
_FAR = 1.2e10
LEAST_S = 0.01  # 0 may mean no limit


def solver_names() -> tuple[str, ...]:
    """PuLP's names, each once, without CP-SAT: it takes whole numbers only."""
    return tuple(name for name in dict.fromkeys(pulp.listSolvers()) if name != "CPSAT")


class PulpBackend:
    """One of PuLP's solvers as a backend of ours."""

    def __init__(self, solver: str) -> None:
        self.solver, self.NAME = solver, f"pulp:{solver}"
        self.VERSION: str = pulp.__version__
        self.PRINTS, self.STOP = True, STOP
        self.WITHOUT_PRESOLVE: Mapping[str, object] = _WITHOUT_PRESOLVE.get(solver, {})
        self.remedy = _REMEDIES.get(solver, "see PuLP's guide to configuring solvers")
        self.seed_setting = _SEEDS.get(solver)
        #: names of the settings that PuLP passes on to this solver
        self.accepts = frozenset(inspect.signature(type(self.driver()).__init__).parameters)
        if solver in _ONE_THREAD:
            self.accepts -= {"threads"}
        seen = solver in _SEEDS  # by the test suite, with its answers
        able = {Feature.INTEGER: True, Feature.DUALS: seen, Feature.BOUND: seen, Feature.SEED: seen}
        able |= {Feature.START: "warmStart" in self.accepts, Feature.THREADS: "threads" in self.accepts}
        self.FEATURES = frozenset(feature for feature, has in able.items() if has)

    def installed(self) -> bool:
        return bool(self.driver().available())

    def driver(self, **settings: object) -> Any:
        """PuLP's own object for the solver."""
        return pulp.getSolver(self.solver, msg=False, **settings)

    def session(self, program: LinearProgram, options: SolveOptions) -> PulpSession:
        return PulpSession(self, program, options)


class TimeLeft:
    """What is left when it is asked for: PuLP writes CBC's command line after its file, which takes seconds too."""

    def __init__(self, options: SolveOptions) -> None:
        self.options = options

    @property
    def seconds(self) -> float:
        return max(self.options.left_s, LEAST_S)

    def __str__(self) -> str:
        return repr(self.seconds)


class PulpSession:
    """One run of one of PuLP's solvers."""

    def __init__(self, backend: PulpBackend, program: LinearProgram, options: SolveOptions) -> None:
        self.backend, self.program, self.options = backend, program, options
        self.warnings: list[str] = []
        self.settings = self._standard() | self._tolerances()
        self._add_native()

    def _standard(self) -> dict[str, Any]:
        """The options under this solver's names. One it cannot take is refused unless it is the default."""
        backend, options, default = self.backend, self.options, SolveOptions()
        settings: dict[str, Any] = {}
        names = {"gap": "gapRel", "time_limit_s": "timeLimit", "threads": "threads"}
        theirs = {ours: name if name in backend.accepts else None for ours, name in names.items()}
        for ours, name in (theirs | {"seed": backend.seed_setting}).items():
            value = getattr(options, ours)
            if name is not None:
                settings[name] = options.left_s if ours == "time_limit_s" and value is not None else value
            elif value != getattr(default, ours):
                raise OptionRejected(backend.NAME, ours, value, "this solver has no such setting")
            elif ours != "seed":
                self.warnings.append(f"{ours} left to the solver")
        if "gapAbs" in backend.accepts and backend.solver != "COIN_CMD":
            settings["gapAbs"] = 0.0
        return settings

    def _tolerances(self) -> dict[str, Any]:
        stated, backend = self.options.lp_tolerances, self.backend
        if backend.solver == "HiGHS":
            return {f"{side}_feasibility_tolerance": value for side, value in stated.items()}
        if backend.solver == "COIN_CMD":
            lines = [f"{side}Tolerance {value!r}" for side, value in stated.items()]
            return {"options": lines} if lines else {}
        if backend.solver == "SCIP_PY":
            lines = [f"{_SCIP_TOLERANCES[side]}={value!r}" for side, value in stated.items()]
            return {"options": lines} if lines else {}
        for side, value in stated.items():
            raise OptionRejected(backend.NAME, f"{side}_tolerance", value, "this solver has no such setting")
        return {}

    def _add_native(self) -> None:
        backend, settings = self.backend, self.settings
        for key, value in self.options.native.items():
            if key in ("msg", "logPath", "keepFiles", "warmStart", "mip", "self", "path"):
                raise OptionRejected(backend.NAME, key, value, "set by other means")
            known = key in backend.accepts and key not in ("args", "kwargs", "solverParams", "params")
            if not known and backend.solver != "HiGHS":
                raise OptionRejected(
                    backend.NAME, key, value, "not among " + ", ".join(sorted(backend.accepts))
                )
            if key == "options" and isinstance(value, list):
                value = [*settings.get("options", []), *value]
            settings[key] = value
        if backend.solver == "HiGHS":
            _try_on_highs(settings, backend.NAME)

    def load(self, start: Floats | SimplexBasis | None) -> None:
        self.model = PulpModel(self.program)
        if start is not None and not isinstance(start, SimplexBasis):
            self.settings["warmStart"] = True
            self.model.suggest(start)

    def run(self) -> RawOutcome:
        raw, record, log = self._solved()
        outcome = RawOutcome(record, raw=raw) if isinstance(record, Stop) else self._outcome(raw, record)
        if self.backend.solver == "COIN_CMD":
            outcome = replace(outcome, retry=self._without_preprocessing(log, outcome.point))
        return replace(outcome, warnings=tuple(self.warnings))

    def _solved(self) -> tuple[str, Any, str]:
        """(what to call the ending, PuLP's own record of the run or our `Stop` without one, the log)."""
        with tempfile.TemporaryDirectory(prefix="solvers-") as folder:
            log = Path(folder) / "log"
            files = {"logPath": str(log)} if "logPath" in self.backend.accepts else {}
            driver = self.backend.driver(**self.settings, **files)
            if self.settings.get("timeLimit") is not None:  # the model is made by now, its file is not
                left = TimeLeft(self.options)
                driver.timeLimit = left if self.backend.solver == "COIN_CMD" else left.seconds
            driver.tmpDir = folder  # PuLP leaves files behind when it is interrupted
            driver.msg = self.options.log and not files
            solve = partial(self.model.problem.solve, driver)
            try:
                record = in_thread(solve) if self.backend.solver == "HiGHS" else solve()
            except KeyboardInterrupt:
                return "interrupted", Stop.INTERRUPTED, ""
            except pulp.PulpError as error:
                self._refused_in(_text(log))
                return f"{type(error).__name__}: {error}", Stop.ERROR, _text(log)
            finally:
                if self.options.log:
                    sys.stderr.write(_text(log))
            text = _text(log)
        self._refused_in(text)
        return f"{record.status_str}, {'a' if record.has_solution else 'no'} solution", record, text

    def _refused_in(self, log: str) -> None:
        """Of an option that CBC does not know, only its log tells; older versions go on without it."""
        for line in log.splitlines():
            if line.startswith(("No match for", "Unrecognized parameter")):
                stated = self.options.native.get("options")
                raise OptionRejected(self.backend.NAME, "options", stated, line.strip())

    def _outcome(self, raw: str, record: Any) -> RawOutcome:
        program = self.program
        point = self.model.point() if record.has_solution else None
        boxless = np.isinf(program.col_upper - program.col_lower)
        if point is not None and (np.abs(point[boxless]) >= _FAR).any():
            # CBC boxes the columns of an unbounded MILP at 1.23456789e10 and calls that corner optimal
            return RawOutcome(Stop.INFEASIBLE_OR_UNBOUNDED, raw=raw, nodes=record.nodes)
        bound = record.best_bound
        return RawOutcome(
            stop=STOP[record.status],
            point=point,
            bound=None if bound is None or abs(bound) >= 1e40 else float(bound + program.offset),  # CBC: 1e50
            row_duals=None if program.is_mip else self.model.row_duals(),
            raw=raw,
            nodes=record.nodes,
        )

    def _without_preprocessing(self, log: str, point: Floats | None) -> Retry | None:
        """A second run of CBC, where preprocessing has spoilt the answer and was not off already."""
        lines = self.options.native.get("options", [])
        spoilt = _SPOILT in log or (point is not None and not is_feasible(self.program, point))
        if not spoilt or not isinstance(lines, list) or _NO_PREPROCESSING in lines:
            return None
        native = {**self.options.native, "options": [*lines, _NO_PREPROCESSING]}
        return Retry(
            replace(self.options, native=native), "solved again: preprocessing had spoilt the answer"
        )


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def _try_on_highs(settings: dict[str, Any], solver: str) -> None:
    """PuLP overlooks HiGHS's refusals, so ask HiGHS first."""
    from solvers.highs import Quiet, set_option

    theirs = {"gapRel": "mip_rel_gap", "gapAbs": "mip_abs_gap", "timeLimit": "time_limit"}
    h = Quiet()
    for key, value in settings.items():
        if value is not None:
            set_option(h, theirs.get(key, key), float(value) if key == "timeLimit" else value, solver)
