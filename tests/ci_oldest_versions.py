"""Are the versions installed the oldest that pyproject.toml allows? `python tests/ci_oldest_versions.py`, in CI.

Without this a bound that another package raises, or an installation that went another way, would be tested by nobody.
Ray is left out: it comes with the pinned versions alone.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

NOT_HERE = ("ray",)


def newer_than_asked(pyproject: str) -> list[str]:
    """A line for each direct dependency that is not installed at its lower bound, or has none."""
    project = tomllib.loads(pyproject)
    texts = [
        *project["project"]["dependencies"],
        *(need for needs in project["project"]["optional-dependencies"].values() for need in needs),
        *project["dependency-groups"]["dev"],
    ]
    lines = []
    for need in {Requirement(text) for text in texts}:
        if need.name in NOT_HERE:
            continue
        bounds = [part.version for part in need.specifier if part.operator == ">="]
        try:
            installed = version(need.name)
        except PackageNotFoundError:
            installed = None
        if len(bounds) != 1 or installed is None or Version(installed) != Version(bounds[0]):
            lines.append(f"{need}: {installed or 'not'} installed")
    return sorted(lines)


if __name__ == "__main__":
    wrong = newer_than_asked((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    sys.stdout.write("\n".join(wrong or ["every direct dependency is at its lower bound"]) + "\n")
    sys.exit(1 if wrong else 0)
