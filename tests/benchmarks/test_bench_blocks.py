"""Very many periods, block by block: a market by the hour with demand from a trace file, its plan in Parquet.

    pytest tests/benchmarks/test_bench_blocks.py -s        200 × 50 × 240 h; HOURS=8760 a year; WORKLOADS, OFFERS

One process for planning, which checks the plan too, and one for `router verify`: CPU seconds, the largest memory of
each, and the gap to `proof.bound_usd`, which the check works out again.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.synthetic import market

WORKLOADS, OFFERS = (
    int(os.environ.get(name, default)) for name, default in (("WORKLOADS", 200), ("OFFERS", 50))
)
HOURS = [int(hours) for hours in os.environ.get("HOURS", "240").split(",")]
VOLUME, GAP = 100.0, 0.005
ROUTER = [sys.executable, "-m", "router"]


def written(folder: Path, hours: int) -> Path:
    """The problem and its trace."""
    data = market(WORKLOADS, OFFERS, hours, volume=VOLUME).model_dump(
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


def measured(*arguments: str) -> tuple[float, float]:
    """CPU seconds and the largest memory, in GB, of a process that ends well."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *ROUTER, *arguments], check=True, capture_output=True, text=True
    )
    seconds, gb = map(float, done.stdout.split())
    return seconds, gb


def test_many_periods_are_planned_and_checked_by_blocks(tmp_path: Path) -> None:
    for hours in HOURS:
        file, plan = written(tmp_path, hours), tmp_path / "plan.json"
        search = ("-o", str(plan), "--parquet", "--gap", "0.004", "--time-limit", "inf")
        made, checked = measured("solve", str(file), *search), measured("verify", str(file), str(plan))
        stated = json.loads(plan.read_text())
        assert stated["proof"]["kind"] == "own"
        assert stated["gap"] <= GAP
        sys.stdout.write(
            f"\n{WORKLOADS} × {OFFERS} × {hours} h: planned in {made[0]:.0f} CPU s, {made[1]:.2f} GB; verified in "
            f"{checked[0]:.0f} CPU s, {checked[1]:.2f} GB; gap {stated['gap']:.3%} of {stated['cost_usd']:,.0f} USD, "
            f"{stated['tables']['routes']['rows']:,} routes\n"
        )
