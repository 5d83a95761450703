"""The same input gives the same plan, to the byte but for the time stamp."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from router import api
from router.loading.catalogue import load_text

EXAMPLES = Path(api.__file__).parent / "examples"

WAITING = """
schema: router/1
models: {m: {}}
horizon: {periods: 2, period_h: 1}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [7200, 36000]}, prompt_tokens: 100,
     completion_tokens: 100, arrival_cv: 1, slo: {ttft_p99_ms: 500}}
  - {name: code, models: [m], demand: {requests_by_period: [3600, 3600]}, prompt_tokens: 1000,
     completion_tokens: 100, arrival_cv: 5, service_cv: 1, slo: {ttft_p99_ms: 900}}
offers:
  - {name: gpu, models: {m: {tokens_per_s: 2000, ttft_p99_ms: 100, concurrency: 8}}, instances: {usd_per_h: 3}}
  - {name: api, models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2, ttft_p99_ms: 300}}}
"""


def same(first, second) -> bool:
    return replace(first, created="").to_json() == replace(second, created="").to_json()


@pytest.mark.usefixtures("short_proofs")
def test_where_waiting_takes_rounds():
    """The options stated are those asked, not what was left of the time in the last round."""
    plans = [api.solve(load_text(WAITING)) for _ in range(2)]
    assert any("rounds" in note for note in plans[0].notes)
    assert plans[0].solver.options.time_limit_s == 60.0
    assert same(*plans)


@pytest.mark.parametrize("name", ["fleet", "mixed", "case-11-hybrid"])
def test_shipped_examples(name):
    file = EXAMPLES / f"{name}.yaml"
    assert same(api.solve(file), api.solve(file))


COMMANDS = """
import sys
from pathlib import Path
from router.cli import run
from router.commands import plan_file
plan_file.MOST_INSIDE = 10_000
folder, *files = sys.argv[1:]
for file in files:
    print(Path(file).name, run(["solve", file, "-o", f"{folder}/{Path(file).stem}.json"]))
    print(Path(file).name, run(["solve", file, "--parquet", "-o", f"{folder}/{Path(file).stem}-p.json"]))
"""
INSTANCES = Path(__file__).parent / "instances"
FILES = (
    "bug-016-twelve-fleets-apart",
    "bug-021-sparse-forecast",
    "bug-046-levels-of-several-mixes",
    "counts-a-day-by-the-hour",
    "schedule-waits-within-an-hour",
    "spills-of-bought-units",
    "whole-hosts",
)


def test_in_whatever_order_and_whatever_python_s_hashes(tmp_path: Path) -> None:
    """Plans, proofs beside them, tables and what is printed, of processes whose sets and hashes have other orders."""
    pytest.importorskip("pyarrow")
    files = [str(INSTANCES / f"{name}.yaml") for name in FILES]
    files.append(str(EXAMPLES / "fleet.yaml"))
    printed = {}
    for seed, order in (("0", files), ("12345", files[::-1])):
        folder = tmp_path / seed
        folder.mkdir()
        said = subprocess.run(
            [sys.executable, "-c", COMMANDS, ".", *order],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        printed[seed] = sorted(said.stdout.splitlines()), sorted(said.stderr.splitlines())
    assert printed["0"] == printed["12345"]
    kept = [{file.name: _without_time(file) for file in (tmp_path / seed).iterdir()} for seed in printed]
    assert len(kept[0]) > 2 * len(files)
    assert {name.partition(".")[2] for name in kept[0]} >= {"json", "proof.json.gz", "routes.parquet"}
    assert kept[0] == kept[1]


def _without_time(file: Path) -> bytes:
    return re.sub(rb'"created": ?"[^"]*"', b"", file.read_bytes())
