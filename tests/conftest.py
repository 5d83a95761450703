"""Fixtures for all tests, and the two tiers: a test is `quick` unless tests/slow.txt lists it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

if sys.dont_write_bytecode:  # else every process that a test starts would compile numpy, pydantic … anew
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if not os.access(Path(__file__).parent, os.W_OK):  # read-only: what Hypothesis keeps goes elsewhere
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "hypothesis"))

import pytest
from hypothesis import HealthCheck, settings

#: What tests import beside themselves: their assertions count under `python -O` too.
HELPERS = sorted(
    file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("test_")
)
pytest.register_assert_rewrite(*(name for name in HELPERS if name != "conftest"), "campaigns", "benchmarks")

import tiers  # noqa: E402

import solvers  # noqa: E402

settings.register_profile(  # a busy machine breaks no law
    "unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

QUICK_S = 1.0  # a quick test that takes longer is named at the end of `pytest -m quick`

#: Those that every development environment has, and what else is found on this machine: one suite holds them all.
BACKENDS = {line.name: line for line in solvers.available() if line.installed or line.required}


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process for each core where the whole suite is run; one alone for modules that are named, and benchmarks."""
    return (os.cpu_count() or 1) if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of each solver in turn. A required one that is missing is a failure, not a skip."""
    line = BACKENDS[request.param]
    if not line.installed:
        pytest.fail(f"{line.name} is required for development: {line.remedy}")
    return line.name


@pytest.fixture(scope="module")
def short_proofs() -> Iterator[None]:
    """For tests of costs over many problems: the tree that proves a plan gives up after a twentieth of its work.

    What a problem costs does not hang on it; how much is claimed of it is shown by the tests of proofs.
    """
    from router.planning.proofs import trees  # here: the planner may be what a test finds broken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "FLOOR", trees.FLOOR / 20)
        patch.setattr(trees, "PATIENT", trees.PATIENT / 20)
        yield


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`-m quick` does not even read the modules that are slow as a whole."""
    whole = config.option.markexpr == "quick" and collection_path.name in tiers.slow_entries()
    return True if whole else None


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
