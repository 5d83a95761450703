"""router → problems → solvers: who may import whom, read off the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("router", "problems", "solvers")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FILES_AND_PEOPLE = {"yaml", "pydantic", "click", "rich"}
SOLVERS = {"highspy", "pulp"}
MOST_LINES = 450


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, *, at_import: bool = False) -> Iterator[str]:
    """Full names of the modules that a module imports; `at_import`: only when it is itself imported."""
    tree = tree_of(path)
    for node in _statements(tree.body) if at_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                pytest.fail(f"{path}: relative import")
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _statements(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Statements outside functions and outside `if TYPE_CHECKING`."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            for part in ("body", "orelse", "handlers", "finalbody"):
                yield from _statements(getattr(node, part, []))


def top(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def of(package: str) -> list[Path]:
    return [path for path in MODULES if path.relative_to(ROOT).parts[0] == package]


def test_there_are_modules_to_look_at() -> None:
    assert all(len(of(package)) >= 10 for package in PACKAGES)


@pytest.mark.parametrize("path", of("solvers"), ids=relative)
def test_solvers_know_neither_problems_nor_router(path: Path) -> None:
    assert not top(path) & {"router", "problems"}


@pytest.mark.parametrize("path", of("problems"), ids=relative)
def test_problems_know_no_router_and_no_solver(path: Path) -> None:
    assert not top(path) & ({"router"} | SOLVERS)


@pytest.mark.parametrize("path", of("problems"), ids=relative)
def test_problems_read_no_files_and_no_clock(path: Path) -> None:
    assert not top(path) & {"os", "pathlib", "io", "time", "datetime", "random", "json", "logging"}


@pytest.mark.parametrize("path", [*of("problems"), *of("solvers")], ids=relative)
def test_only_router_meets_yaml_pydantic_and_click(path: Path) -> None:
    assert not top(path) & FILES_AND_PEOPLE


@pytest.mark.parametrize("path", of("router"), ids=relative)
def test_the_router_speaks_to_solvers_through_their_package(path: Path) -> None:
    assert not top(path) & SOLVERS
    assert not [name for name in imports(path) if name.startswith("solvers.core")]


@pytest.mark.parametrize("path", sorted((ROOT / "router" / "verification").rglob("*.py")), ids=relative)
def test_the_check_shares_nothing_with_what_it_checks(path: Path) -> None:
    """Neither the mathematics nor the solvers, nor the modules that turn a problem into arrays and back."""
    assert not top(path) & {"problems", "solvers"}
    making = (
        "router.normalise",
        "router.planning",
        "router.api",
        "router.plan.document",
    )
    assert not [name for name in imports(path) if name.startswith(making)]


def test_what_the_check_imports_shares_nothing_either() -> None:
    """Followed through the modules that it imports."""
    by_name = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODULES
    }
    seen: set[str] = set()
    waiting = [name for name in by_name if name.startswith("router.verification")]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in seen:
            seen.add(name)
            waiting += list(imports(by_name[name], at_import=True))
    assert not [name for name in seen if name.split(".")[0] in ("problems", "solvers")]


@pytest.mark.parametrize("path", of("router"), ids=relative)
def test_click_is_for_the_command_line_and_the_docs(path: Path) -> None:
    place = path.relative_to(ROOT / "router").parts[0]
    if "click" in top(path):
        assert place in ("cli.py", "commands")
    if "rich" in top(path):
        assert place in ("commands", "reports")


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES, "look for the second idea in it"
    if text.strip():
        assert ast.get_docstring(tree_of(path)), "say what this module is for"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_assert_guards_user_data(path: Path) -> None:
    """`assert x is not None` may tell the type checker what a rule of the schema has made sure of."""
    found = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Assert)]
    assert not [node.lineno for node in found if not ast.unparse(node.test).endswith(" is not None")]
