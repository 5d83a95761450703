"""How long it takes to decide what to sign over very many scenarios: one big program against cuts, in one run.

    pytest tests/benchmarks/test_bench_sizing.py -s          50, 200 and 1,000 scenarios × 50 workloads × 12 × 20 offers
    SCENARIOS=20,100 pytest tests/benchmarks/test_bench_sizing.py -s                                              others

Each way is given the same instance. Where the one program is proven within its limit, both must end with the same
optimum; where it is not, its plan and bound must hold those of the cuts between them. The whole plan of the largest
follows, as `router size` makes it: every scenario priced under what is signed, and verified. Then whole commands on the
shapes of textbooks, and their walk-away prices within the time limit. Marks are for two idle cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest
from released_figures import check_size

from benchmarks.sizing import year
from benchmarks.textbook_shapes import textbook_shape
from problems.core.admissible import admissible
from router.normalise import normalise
from router.schema import Problem
from router.sizing import SizeOptions, size
from router.sizing.first_stage import decide
from router.sizing.options import Study
from router.sizing.outcomes import costs_of, flows_of, outcomes
from router.workers import start_workers
from solvers import SolveOptions, Stop

SCENARIOS = [int(count) for count in os.environ.get("SCENARIOS", "50,200,1000").split(",")]
LIMIT_S = float(os.environ.get("LIMIT_S", "1800"))  # of the one program
GAP = 1e-4
WORKERS = 2
MINUTES_S = 120.0  # of the plan over 1,000 scenarios
TEXTBOOKS = [(3, 2.0), (576, 30.0)]  # scenarios of three workloads and six offers, seconds of the command
QUOTED = [(50, 25), (576, 3), (1280, 3)]  # scenarios, workloads
QUOTED_S = 216.0


def tell(text: str) -> None:
    """Shown with `-s`."""
    sys.stdout.write(f"\n{text}")
    sys.stdout.flush()


@pytest.mark.parametrize("scenarios", SCENARIOS)
def test_cuts_and_one_program_find_the_same_optimum(scenarios: int) -> None:
    inst = normalise(year(scenarios))
    tell(f"{scenarios} scenarios, {flows_of(inst, admissible(inst)[0]):,} flow columns")
    options = SolveOptions(gap=GAP, time_limit_s=LIMIT_S)
    bounds, costs, stops = {}, {}, {}
    for method in ("cuts", "program"):
        with start_workers("loky", WORKERS) as workers:
            study = Study("highs", options, method, workers)
            began = perf_counter()
            first = decide(inst, study)
            decided = perf_counter() - began
            found = outcomes(inst, first.decision, study)
        costs[method] = float(inst.scenarios.probability @ costs_of(found))
        bounds[method], stops[method] = first.bound_usd, first.stop
        tell(
            f"{method}: {decided:.1f} s, {first.stop.value}, {first.rounds} rounds, {costs[method]:,.0f} USD, "
            f"bound {bounds[method]:,.0f}; every scenario under it {perf_counter() - began - decided:.1f} s"
        )
    assert stops["cuts"] is Stop.OPTIMAL
    assert max(bounds.values()) <= min(costs.values()) * (1 + 1e-9)
    if stops["program"] is Stop.OPTIMAL:
        assert costs["cuts"] == pytest.approx(costs["program"], rel=2 * GAP)
    else:
        assert costs["cuts"] <= costs["program"] * (1 + GAP)


def test_the_whole_plan_takes_minutes() -> None:
    most = max(SCENARIOS)
    began = perf_counter()
    how = SizeOptions(workers=WORKERS)
    plan = size(year(most), options=SolveOptions(gap=GAP, time_limit_s=600.0), how=how)
    seconds = perf_counter() - began
    tell(
        f"router size of {most} by {plan.solver.method}: {seconds:.0f} s, gap {plan.gap:.1e}, verified {plan.ok}"
    )
    assert plan.ok
    assert plan.gap <= 2 * GAP
    assert seconds <= MINUTES_S * max(most / 1000, 0.1)


@pytest.mark.parametrize(("scenarios", "most_s"), TEXTBOOKS)
def test_a_textbook_is_sized_in_moments(scenarios: int, most_s: float, tmp_path: Path) -> None:
    file = tmp_path / "problem.json"
    file.write_text(json.dumps(textbook_shape(scenarios, 3, 6, 1)))
    command = [sys.executable, "-m", "router", "size", str(file), "--json", "--time-limit", str(QUOTED_S)]
    began = perf_counter()
    plan = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds = perf_counter() - began
    tell(
        f"router size, textbook of {scenarios} scenarios: {seconds:.1f} s, left out {plan['sizing'].get('out_of_time')}"
    )
    assert seconds <= most_s


@pytest.mark.parametrize(("scenarios", "workloads"), QUOTED)
def test_walk_away_prices_are_answered_in_time(scenarios: int, workloads: int) -> None:
    problem = Problem.model_validate(textbook_shape(scenarios, workloads, 6, 1))
    began = perf_counter()
    plan = size(problem, options=SolveOptions(time_limit_s=QUOTED_S), how=SizeOptions(questions=True))
    seconds, section = perf_counter() - began, plan.to_dict()["sizing"]
    late = section.get("out_of_time") or []
    tell(f"{scenarios} scenarios of {workloads} workloads: {seconds:.0f} s, left out {late}")
    assert plan.ok
    assert not [what for what in late if "walk-away" in what or what == "quotes"]
    assert len(section["quotes"]) == 5  # all but the list price


def test_the_year_is_sized_as_it_was(tmp_path: Path) -> None:
    check_size("sizing-year", tmp_path)
