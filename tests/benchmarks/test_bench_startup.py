"""What a command costs before and around its answer, against the libraries it cannot do without.

    pytest tests/benchmarks/test_bench_startup.py -s

CPU seconds (user and system) of whole processes with byte code cached, read from the kernel. A round runs each once,
one after another, so that a busy machine slows all alike; the median of the rounds' ratios counts.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

ROUNDS = 9
AT_MOST_TIMES_THE_LIBRARIES = 1.5
HELP_AT_MOST_S = 0.2
ROOT = Path(__file__).parents[2]
LIBRARIES = ["-c", "import numpy, scipy.sparse, highspy, pydantic, yaml, click, rich"]
SOLVE = ["-m", "router", "solve", str(ROOT / "router/examples/quickstart.yaml")]
HELP = ["-m", "router", "--help"]


def cpu_s(arguments: list[str], cache: Path) -> float:
    """CPU seconds of a fresh Python that finds its byte code in `cache`."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments],
        env=kept | {"PYTHONPYCACHEPREFIX": str(cache)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_solve_costs_little_more_than_its_libraries(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    commands = (LIBRARIES, SOLVE, HELP)
    for arguments in commands:
        cpu_s(arguments, tmp_path)  # the first run writes the byte code
    rounds = [[cpu_s(arguments, tmp_path) for arguments in commands] for _ in range(ROUNDS)]
    libraries, solve, helped = (median(column) for column in zip(*rounds, strict=True))
    ratios = sorted(whole / base for base, whole, _ in rounds)
    figures = [f"{ratio:.2f}" for ratio in ratios]
    with capsys.disabled():
        print(f"\nlibraries {libraries:.2f} s, solve {solve:.2f} s, help {helped:.2f} s of CPU")  # noqa: T201
        print(f"router solve / libraries: {' · '.join(figures)}")  # noqa: T201
    assert median(ratios) <= AT_MOST_TIMES_THE_LIBRARIES
    assert helped <= HELP_AT_MOST_S
