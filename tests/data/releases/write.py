"""Writes what a release leaves for the tests of later ones, as README.md says.

python tests/data/releases/write.py 0.2.0
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from router.cli import run
from router.loading.catalogue import load
from router.loading.shipped import listed
from router.planning.solve import Search, scenario_of
from router.reoptimisation.run import run_key
from router.scenarios import planned_draw
from solvers import SolveOptions

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "router" / "examples"
LARGE = 100_000  # bytes; longer plans are gzipped
JOBS = ("job-1.yaml", "job-2.yaml", "job-3.yaml")
OPTIONS: tuple[Mapping[str, Any], ...] = (
    {},
    {"gap": 0.01},
    {"time_limit_s": None},
    {"time_limit_s": 5.0, "threads": 2, "seed": 3},
    {"relax": True},
    {"log": True},
    {"primal_tolerance": 1e-8, "dual_tolerance": 1e-8},
    {"native": {"presolve": "off", "mip_rel_gap": 0.01}},
)


def write(folder: Path, examples: Iterable[str]) -> None:
    """Everything that README.md names, in a folder that is not there yet."""
    folder.mkdir()
    for job in JOBS:
        shutil.copy(newest().joinpath(job), folder)
    (folder / "plans").mkdir()
    for name in examples:
        _write_plan(folder / "plans" / f"{name}.json", name)
    _write_store(folder)
    keys = ",\n ".join(json.dumps(row) for row in _run_keys(folder))
    (folder / "run_keys.json").write_text(f"[\n {keys}\n]\n", encoding="utf-8")


def newest() -> Path:
    """The last release that left something here."""
    return max(HERE.glob("[0-9]*"), key=lambda folder: [int(part) for part in folder.name.split(".")])


def _write_plan(path: Path, name: str) -> None:
    command = "size" if name.startswith("sizing-") else "solve"
    _router(command, EXAMPLES / f"{name}.yaml", "-o", path)
    if path.stat().st_size > LARGE:
        packed = gzip.compress(path.read_bytes(), mtime=0)
        path.with_name(f"{name}.json.gz").write_bytes(packed)
        path.unlink()


def _write_store(folder: Path) -> None:
    job = folder / "job.yaml"
    for name in JOBS:
        shutil.copy(folder / name, job)
        _router("reoptimise", job, "--store", f"sqlite:///{folder / 'store.db'}")
    job.unlink()


def _run_keys(folder: Path) -> list[dict[str, Any]]:
    job, year = folder / JOBS[-1], "sizing-year.yaml"
    future = planned_draw(load(EXAMPLES / year)).names[0]
    asked: list[tuple[Path, str, str | None, Mapping[str, Any]]] = [
        (folder / JOBS[0], "highs", None, {}),
        *((job, "highs", None, options) for options in OPTIONS),
        (job, "pulp:COIN_CMD", None, {}),
        (EXAMPLES / "azure-2023.yaml", "highs", None, {}),
        (EXAMPLES / "eligibility-latency.yaml", "highs", None, {}),
        (EXAMPLES / "sizing-quote.yaml", "highs", "surge", {}),
        (EXAMPLES / year, "highs", future, {}),
    ]
    return [
        {
            "file": path.name,
            "solver": solver,
            "options": options,
            "scenario": scenario,
            "run_key": run_key(*inputs(path, solver, scenario, options)),
        }
        for path, solver, scenario, options in asked
    ]


def inputs(path: Path, solver: str, scenario: str | None, options: Mapping[str, Any]) -> tuple[Any, Search]:
    """What a run key is made from."""
    problem = load(path)
    return problem, Search(solver, SolveOptions(**options), scenario_of(problem, scenario))


def _router(*arguments: str | Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        code = run([str(argument) for argument in arguments])
    if code != 0:
        raise SystemExit(f"router {' '.join(map(str, arguments))} ended with {code}")


if __name__ == "__main__":
    write(HERE / sys.argv[1], [example.name for example in listed() if example.problem])
