"""The same input gives the same plan, to the byte but for the time stamp, on whatever clock; else the plan says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.synthetic import market
from campaign import times
from hand_clock import JumpingClock, PacedClock, put_clock

from router import api
from router.errors import NoPlanInTime
from router.loading.catalogue import load, load_text
from router.plan.document import Plan
from router.plan.left_out import ended_by_clock
from router.planning import proving, roads
from router.planning.structure import in_parts
from router.schema import Problem
from solvers import SolveOptions

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


def problem_of(name: str) -> Problem:
    """By the name of an instance; "market": a small one of the benchmarks."""
    return market(12, 8, 4, seed=78) if name == "market" else load(INSTANCES / f"{name}.yaml")


def planned_by(clock: PacedClock | JumpingClock, name: str, options: SolveOptions) -> Plan:
    """A name with "large" behind it: by the means of a large problem, whose steps have shares of the time."""
    name, _, large = name.partition(", ")
    with pytest.MonkeyPatch.context() as patch:
        put_clock(patch, clock, clock.pace if isinstance(clock, PacedClock) else 1.0)
        if large:
            patch.setattr(in_parts, "SMALL", 0)
            patch.setattr(in_parts, "SPANNING_NODES", 1)
            patch.setattr(in_parts, "FEWEST_PIECES", 2)
            patch.setattr(roads, "LARGE", 0)
            patch.setattr(proving, "LARGEST", 0)
        return api.solve(problem_of(name), options=options)


def says_so(plan: Plan) -> bool:
    """Whether a plan says that the clock had a part in it."""
    return set(ended_by_clock(True)) <= set(plan.notes)


CLOCKED = (
    "day-that-buys-a-year",
    "day-that-buys-a-year, large",
    "counts-a-day-by-the-hour",
    "market",
    "market, large",
    "bug-031-waiting-by-the-hour",
)
"""Two days, a market, and users who wait."""


@pytest.mark.parametrize("name", CLOCKED)
def test_whatever_the_pace_of_the_clock(name: str) -> None:
    """Limits far away: a machine that is five times as slow, or that stands still now and then, finds the same."""
    clocks = (PacedClock(), PacedClock(pace=5.0), PacedClock(jumps_s=0.5, seed=1))
    plans = [planned_by(clock, name, SolveOptions(time_limit_s=3600.0)) for clock in clocks]
    assert not any(says_so(plan) for plan in plans)
    assert all(same(plans[0], plan) for plan in plans[1:])


@pytest.mark.parametrize("jump_s", [30.0, 61.0, 1e6])
@pytest.mark.parametrize("name", CLOCKED)
def test_a_plan_that_says_nothing_is_that_of_any_clock(name: str, jump_s: float) -> None:
    """Wherever the clock jumps, by half of the limit, into the overtime or beyond all: what has changed says so."""
    options = SolveOptions(time_limit_s=60.0)
    steady = JumpingClock(at_look=10**9, jump_s=0.0)
    first = planned_by(steady, name, options)
    assert not says_so(first)
    step = max(1, steady.looks // times(6))
    for look in range(2, steady.looks + 1, step):
        try:
            plan = planned_by(JumpingClock(look, jump_s), name, options)
        except NoPlanInTime:
            continue
        assert says_so(plan) or same(plan, first), f"look {look} of {steady.looks}"


def test_a_plan_that_its_limit_ended_says_so() -> None:
    """Of a search with no time but for its overtime a plan is left, and what ended it."""
    plan = planned_by(JumpingClock(12, 60.0), "bug-031-waiting-by-the-hour", SolveOptions(time_limit_s=60.0))
    assert says_so(plan)
