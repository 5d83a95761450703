"""`CHECKS` is whole: each family of constraints is re-checked, each check re-checks something, none stands aside."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

import problems
import router.verification
from router.verification.checks import CHECKS

OF_THE_PLAN = {
    "bursts",
    "fields",
    "kinds",
    "problem",
    "traces",
    "quantities",
    "admissibility",
    "refused",
    "scenarios",
    "proof",
}
"""What a plan states besides: no row of the program answers for it."""


def test_every_family_is_looked_at_again() -> None:
    families = {path.stem for path in Path(problems.__file__).parent.glob("*.py")} - {"__init__"}
    looked_at = {family for check in CHECKS for family in check.families}
    assert families == looked_at, (
        "name a new family in the line of its check in router/verification/checks.py"
    )


def test_every_check_looks_at_a_family_or_at_the_plan() -> None:
    names = [check.name for check in CHECKS]
    assert {check.name for check in CHECKS if not check.families} == OF_THE_PLAN
    assert len(names) == len(set(names))


FOLDER = Path(router.verification.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in FOLDER.rglob("[!_]*.py")
)


@pytest.mark.parametrize("module", MODULES)
def test_no_check_is_written_and_not_called(module: str) -> None:
    """A function `check_…(audit, ledger)` is in CHECKS."""
    called = {check.look for check in CHECKS}
    name = f"router.verification.{module}"
    for function in vars(importlib.import_module(name)).values():
        if inspect.isfunction(function) and function.__module__ == name:
            is_check = list(inspect.signature(function).parameters) == ["audit", "ledger"]
            if is_check and not function.__name__.startswith("_"):
                assert function in called, f"{function.__name__} has no line in CHECKS"


def test_simulation_stands_on_the_base_alone() -> None:
    """`router.simulation` takes from the verifier what `router.verification.base` names, and nothing behind it."""
    folder = FOLDER.parent / "simulation"
    lines = {line for path in folder.glob("*.py") for line in path.read_text(encoding="utf-8").splitlines()}
    taken = {line.split(" import ")[0] for line in lines if "router.verification" in line}
    assert taken == {"from router.verification.base"}
