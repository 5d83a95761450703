"""What each command loads: nothing heavy that it does not use. What that costs is measured in tests/benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUICKSTART = "router/examples/quickstart.yaml"
#: What takes long to load: libraries, parts of them, and modules of ours for what few problems have.
LIBRARIES = {
    "highspy",
    "joblib",
    "numpy",
    "pandas",
    "pulp",
    "pydantic",
    "rich",
    "scipy",
    "sqlalchemy",
    "yaml",
}
EXTRAS = {"distributed", "genai_prices", "ray", "statsmodels"}
NUMPY = {f"numpy.{part}" for part in ("f2py", "ma", "random", "testing")}
SCIPY = {
    f"scipy.{part}"
    for part in ("linalg", "optimize", "sparse", "sparse.csgraph", "spatial", "special", "stats")
}
SELDOM = {"router.scenarios.generate", "router.traces.demand", "router.verification.sizing.figures"}
OURS = {"problems", "solvers", "solvers.scipy_milp", "solvers.via_pulp"} | SELDOM
HEAVY = LIBRARIES | EXTRAS | NUMPY | SCIPY | OURS
READING = frozenset({"pydantic", "yaml"})
ENCODING = READING | {"numpy", "scipy", "scipy.sparse", "problems", "solvers"}
SOLVING = ENCODING | {"highspy", "rich"}
PLAN_FILE = frozenset({"problems", "pydantic", "rich"})  # of problems, the kinds of cost
NEEDED = {
    "--help": frozenset[str](),
    "solve --help": frozenset[str](),
    "import trace --help": frozenset[str](),
    "simulate --help": frozenset[str](),
    f"solve {QUICKSTART}": SOLVING,
    f"compare {QUICKSTART}": SOLVING,
    f"explain {QUICKSTART}": SOLVING | {"numpy.ma"},  # np.unique
    f"export lp {QUICKSTART}": ENCODING,
    f"verify {QUICKSTART} PLAN": READING | PLAN_FILE | {"numpy"},  # the sums of a proof
    "report PLAN": PLAN_FILE | {"problems"},  # labels of kinds of cost
    "diff PLAN PLAN": PLAN_FILE,
    "schema": frozenset({"pydantic"}),
    "examples list": frozenset({"rich"}),
}
LOADED = """
import atexit, sys, types
import router.__main__ as entry

def tell():
    names = [name for name, module in sys.modules.items() if type(module) is types.ModuleType]
    sys.stderr.write("\\nloaded: " + " ".join(names))

atexit.register(tell)
entry.main()
"""


@cache
def plan_file(folder: Path) -> str:
    path = folder / "plan.json"
    run(["solve", QUICKSTART, "-o", str(path)])
    return str(path)


def run(words: list[str]) -> set[str]:
    """Modules that a command has run, and not merely named, when its process ends."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.rpartition("\nloaded: ")[2].split())


@pytest.mark.parametrize("command", NEEDED)
def test_a_command_loads_nothing_heavy_that_it_does_not_use(
    command: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plan = plan_file(tmp_path_factory.getbasetemp()) if "PLAN" in command else ""
    loaded = run(command.replace("PLAN", plan).split())
    assert "click" in loaded, "the list of modules is that of the command"
    assert loaded & HEAVY <= NEEDED[command], "loaded, but not needed"


@pytest.mark.parametrize("module", sorted(OURS | NUMPY | SCIPY))
def test_a_heavy_module_is_spelled_as_it_is_loaded(module: str) -> None:
    """A name that no longer exists would never be seen loaded."""
    assert find_spec(module) is not None
