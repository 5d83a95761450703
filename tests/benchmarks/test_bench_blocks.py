"""Very many periods, block by block: a market by the hour with demand from a trace file, its plan in Parquet.

    pytest tests/benchmarks/test_bench_blocks.py -s        200 × 50 × 240 h; HOURS=8760 a year; WORKLOADS, OFFERS, SEED

Planning, which checks the plan too, and `router verify`, each with THREADS processes (1): seconds of the clock, CPU
seconds of all processes, the memory of the largest, and the gap to `proof.bound_usd`, which the check works out again.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from benchmarks.synthetic import market

WORKLOADS, OFFERS = (
    int(os.environ.get(name, default)) for name, default in (("WORKLOADS", 200), ("OFFERS", 50))
)
HOURS = [int(hours) for hours in os.environ.get("HOURS", "240").split(",")]
SEED = int(os.environ.get("SEED", "1"))
THREADS = os.environ.get("THREADS", "1")
VOLUME, GAP = 100.0, 0.005
ROUTER = [sys.executable, "-m", "router"]


def written(folder: Path, hours: int) -> Path:
    """The problem and its trace."""
    data = market(WORKLOADS, OFFERS, hours, seed=SEED, volume=VOLUME).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    start = datetime(2026, 1, 1)
    data["horizon"]["start"] = start.isoformat()
    with (folder / "demand.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["timestamp", "client", "requests"])
        for t in range(hours):
            at = (start + timedelta(hours=t)).isoformat(sep=" ")
            table.writerows(
                (at, load["name"], load["demand"]["requests_by_period"][t]) for load in data["workloads"]
            )
    for load in data["workloads"]:
        load["demand"] = {"trace": {"file": "demand.csv", "filter": {"client": load["name"]}}}
    (folder / "market.json").write_text(json.dumps(data))
    return folder / "market.json"


class Used(NamedTuple):
    """By a command that ends well: seconds of the clock and of CPUs, and GB of its largest process."""

    clock: float
    cpu: float
    gb: float

    def __str__(self) -> str:
        return f"{self.clock:.0f} s ({self.cpu:.0f} CPU s, {self.gb:.2f} GB)"


def measured(*arguments: str) -> Used:
    code = (
        "import resource, subprocess, sys, time\n"
        "began = time.time()\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(time.time() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *ROUTER, *arguments, "--threads", THREADS],
        check=True,
        capture_output=True,
        text=True,
    )
    return Used(*map(float, done.stdout.split()))


def test_many_periods_are_planned_and_checked_by_blocks(tmp_path: Path) -> None:
    for hours in HOURS:
        file, plan = written(tmp_path, hours), tmp_path / "plan.json"
        search = ("-o", str(plan), "--parquet", "--gap", "0.004", "--time-limit", "inf")
        made, checked = measured("solve", str(file), *search), measured("verify", str(file), str(plan))
        stated = json.loads(plan.read_text())
        assert stated["proof"]["kind"] == "own"
        assert stated["gap"] <= GAP
        sys.stdout.write(
            f"\n{WORKLOADS} × {OFFERS} × {hours} h, seed {SEED}, {THREADS} processes: "
            f"planned in {made}; verified in {checked}; "
            f"gap {stated['gap']:.3%} of {stated['cost_usd']:,.0f} USD, "
            f"{stated['tables']['routes']['rows']:,} routes\n"
        )
