"""The quick tier: what tests/slow.txt lists exists, and whatever else is quick imports the whole product."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import tiers

ROOT = Path(__file__).parents[1]
NEEDS_MORE = {
    "router.examples.deploy.airflow_dag"
}  # Airflow is not here; test_router_deploy runs it with a stand-in


def modules() -> list[str]:
    """Every module of the product by its name."""
    paths = (path for package in ("router", "problems", "solvers") for path in (ROOT / package).rglob("*.py"))
    names = (
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths
    )
    return sorted(set(names) - NEEDS_MORE - {"router.__main__"})


@pytest.mark.parametrize("entry", tiers.slow_entries())
def test_what_is_listed_as_slow_is_a_test(entry: str) -> None:
    module, _, function = entry.partition("::")
    assert not function or function.partition("[")[0] in functions(module)


@cache
def functions(module: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / module).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_line_stands_for_a_module_a_function_or_a_case() -> None:
    case = "tests/test_x.py::test_y[bug-001::x]"
    assert list(tiers.named_by(case)) == [
        "test_x.py",
        "test_x.py::test_y",
        "test_x.py::test_y[bug-001::x]",
    ]
    assert "test_x.py::test_yes" not in tiers.named_by(case)


def test_no_line_of_the_slow_ones_is_covered_by_another() -> None:
    entries = tiers.slow_entries()
    for entry in entries:
        assert entries.count(entry) == 1
        assert not (set(tiers.named_by(f"tests/{entry}")) - {entry}) & set(entries), entry


def test_every_module_of_the_product_is_imported() -> None:
    names = modules()
    assert len(names) > 200
    for name in names:
        import_module(name)


def test_assertions_of_helpers_count_under_o() -> None:
    """`python -O -m pytest -m quick`: what tests import is rewritten as they are, or would assert nothing."""
    folder = tiers.SLOW.parent
    for file in [*folder.glob("*.py"), *(folder / "campaigns").glob("*.py")]:
        if file.stem.startswith(("test_", "ci_", "conftest")) or "    assert " not in file.read_text("utf-8"):
            continue
        name = file.stem if file.parent == folder else f"campaigns.{file.stem}"
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert "AssertionRewritingHook" in type(spec.loader).__name__, name
