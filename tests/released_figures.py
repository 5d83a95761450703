"""What `router size` wrote in release 0.1.0, to be met again figure by figure."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.loading.catalogue import load
from router.plan.file import read_plan
from router.sizing import size

ROOT = Path(__file__).parents[1]
RELEASE = ROOT / "tests" / "data" / "releases" / "0.1.0" / "plans"
APART = ("created", "versions", "problem_sha256", "upgraded_from", "verified", "notes", "proof")
"""Of the run and its format, the names of checks and the wording of notes, and the proof, which 0.1.0 did not write."""


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two documents are not alike, numbers to nine digits."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted(before.keys() | now.keys()):
            yield from differences(before.get(name, "absent"), now.get(name, "absent"), f"{path}.{name}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, pair in enumerate(zip(before, now, strict=True)):
            yield from differences(*pair, f"{path}[{i}]")
    elif isinstance(before, float) and isinstance(now, float):
        if now != pytest.approx(before, rel=1e-9, abs=1e-9):
            yield f"{path}: {before!r}, now {now!r}"
    elif before != now:
        yield f"{path}: {before!r}, now {now!r}"


def check_size(name: str, scratch: Path) -> None:
    """`router size` of an example writes the plan of the release."""
    (path,) = RELEASE.glob(f"{name}.json*")
    data = path.read_bytes()
    copy = scratch / f"{name}.json"
    copy.write_bytes(gzip.decompress(data) if path.suffix == ".gz" else data)
    problem = load(ROOT / "router" / "examples" / f"{name}.yaml")
    before, now = read_plan(copy, problem).to_dict(), size(problem).to_dict()
    assert before["sizing"]["quotes"] and before["verified"]["ok"] and now["verified"]["ok"]
    found = list(
        differences(*({key: plan[key] for key in plan if key not in APART} for plan in (before, now)))
    )
    assert not found, "\n".join(found)
