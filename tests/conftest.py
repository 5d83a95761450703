"""Fixtures for all tests, and the two tiers: a test is `quick` unless tests/slow.txt lists it."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path

if sys.dont_write_bytecode:  # else every process that a test starts would compile numpy, pydantic … anew
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest
import tiers

import solvers

QUICK_S = 1.0  # a quick test that takes longer is named at the end of `pytest -m quick`

#: Backends every development environment has. A missing one is a failure, not a skip.
REQUIRED = ("highs", "scipy", "pulp:COIN_CMD", "pulp:HiGHS")

#: What else PuLP finds on this machine is held to the same suite.
BACKENDS = REQUIRED + tuple(
    found.name
    for found in solvers.available()
    if found.installed and found.name.startswith("pulp:") and found.name not in REQUIRED
)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of each installed solver in turn; fails if the registry lists one that would be left out."""
    missed = {found.name for found in solvers.available() if found.installed} - set(BACKENDS)
    if missed:
        pytest.fail(f"installed, but not in tests/conftest.py: {sorted(missed)}")
    return str(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = set(tiers.slow_entries())
    for item in items:
        item.add_marker("quick" if slow.isdisjoint(tiers.named_by(item.nodeid)) else "slow")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """After a run of the quick tests: which of them were not."""
    if config.option.markexpr != "quick":
        return
    took: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                took[report.nodeid] += report.duration
    late = {name: seconds for name, seconds in took.items() if seconds > QUICK_S}
    if late:
        terminalreporter.section(f"over {QUICK_S:g} s: quicken them, or list them in tests/slow.txt")
        for name, seconds in sorted(late.items(), key=lambda one: -one[1]):
            terminalreporter.line(f"{seconds:6.1f} s  {name}")
