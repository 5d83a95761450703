"""Two tiers of tests: a test is quick, `pytest -m quick`, unless a line of tests/slow.txt stands for it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

SLOW = Path(__file__).parent / "slow.txt"


@cache
def slow_entries() -> tuple[str, ...]:
    """The lines of tests/slow.txt: `test_x.py`, `test_x.py::test_y`, or `test_x.py::test_y[case]`."""
    lines = (line.partition("# ")[0].strip() for line in SLOW.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line)


def named_by(nodeid: str) -> Iterator[str]:
    """What may stand in tests/slow.txt for a test: its module, its function, or this case of it."""
    name = nodeid.removeprefix("tests/")
    yield name.partition("::")[0]
    yield name.partition("[")[0]
    yield name
