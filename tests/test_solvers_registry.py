"""Names, nearest names, what is missing and how to get it; nothing is imported before it is asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import solvers
from solvers import SolverUnavailable, UnknownSolver, available, get, solve
from solvers.core import registry


def test_every_solver_is_listed_once_with_a_version_or_a_remedy() -> None:
    found = available()
    names = [line.name for line in found]
    assert len(set(names)) == len(names)
    assert {"highs", "scipy", "pulp:COIN_CMD", "pulp:HiGHS", "pulp:SCIP_PY"} <= set(names)
    for line in found:
        assert (line.version and line.features) if line.installed else line.remedy


def test_every_backend_has_its_module_and_every_module_its_line() -> None:
    """By the text alone, so that it holds where a solver is not installed too."""
    folder, stated = Path(solvers.__file__).parent, {entry.module for entry in registry.BACKENDS.values()}
    for module in stated:
        assert find_spec(module) is not None, f"BACKENDS names {module}, and there is no such file"
    for path in folder.glob("*.py"):
        names = {
            target.id
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            for target in (node.targets if isinstance(node, ast.Assign) else ())
            if isinstance(target, ast.Name)
        }
        if {"NAME", "session"} <= names:
            line = f"solvers.{path.stem}"
            assert line in stated, f"give {line} its line in BACKENDS of solvers/core/registry.py"


def test_a_solver_of_whole_numbers_only_is_not_listed() -> None:
    """PuLP drives CP-SAT wherever OR-Tools is installed; a plan's shares are not whole numbers."""
    assert "pulp:CPSAT" not in registry.names()
    with pytest.raises(UnknownSolver):
        get("pulp:CPSAT")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hihgs", "highs"),
        ("HiGHS", "highs"),
        ("COIN_CMD", "pulp:COIN_CMD"),
        ("pulp:coin_cmd", "pulp:COIN_CMD"),
    ],
)
def test_unknown_names_list_the_nearest_and_all(typed: str, meant: str) -> None:
    with pytest.raises(UnknownSolver, match=f"unknown solver '{typed}'") as caught:
        get(typed)
    assert meant in caught.value.nearest
    assert "pulp:SCIP_PY" in str(caught.value)


def test_known_but_not_installed_says_how() -> None:
    missing = next(line for line in available() if not line.installed)
    with pytest.raises(SolverUnavailable, match="is not installed: ") as caught:
        get(missing.name)
    assert caught.value.remedy == missing.remedy


def test_cbc_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import pulp

    monkeypatch.setattr(pulp.COIN_CMD, "available", lambda self: False)
    with pytest.raises(SolverUnavailable, match=r'pip install "pulp\[cbc\]"'):
        get("pulp:COIN_CMD")


def test_without_pulp(monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.find_spec
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "pulp" else real(name))
    assert registry.names() == tuple(registry.BACKENDS)
    with pytest.raises(SolverUnavailable, match="pulp"):
        get("pulp:COIN_CMD")


@pytest.mark.parametrize(
    ("name", "absent"),
    [("highs", ["pulp", "scipy.optimize"]), ("scipy", ["pulp", "highspy"])],
)
def test_asking_for_one_never_imports_another(name: str, absent: list[str]) -> None:
    code = (
        f"import sys, solvers; solvers.get({name!r}); "
        f"bad = [m for m in {absent!r} if m in sys.modules]; sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names_exist() -> None:
    assert all(hasattr(solvers, name) for name in solvers.__all__)


def test_default_solver_is_highs() -> None:
    from solver_cases import diet

    assert solve(diet()).stats.solver == "highs"
