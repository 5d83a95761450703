"""How long it takes to decide what to sign over very many scenarios: one big program against cuts, in one run.

    pytest tests/benchmarks/test_bench_sizing.py -s                    1,000 scenarios × 50 workloads × 12 × 20 offers
    SCENARIOS=100 pytest tests/benchmarks/test_bench_sizing.py -s      fewer

Each way is given the same instance and must end with the same optimum. The whole plan follows, as `router size` makes
it: every scenario priced under what is signed, and verified.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

import pytest
from benchmarks.sizing import year

from router.normalise import normalise
from router.size import SizeOptions, size
from router.size.first_stage import decide, flows_of
from router.size.outcomes import costs_of, outcomes
from solvers import SolveOptions, Stop

SCENARIOS = int(os.environ.get("SCENARIOS", "1000"))
GAP = 1e-4
WORKERS = 2
MINUTES_S = 600.0


def tell(text: str) -> None:
    """Shown with `-s`."""
    sys.stdout.write(f"\n{text}")
    sys.stdout.flush()


def test_cuts_and_one_program_find_the_same_optimum() -> None:
    inst = normalise(year(SCENARIOS))
    tell(f"{SCENARIOS} scenarios, {flows_of(inst):,} flow columns")
    options = SolveOptions(gap=GAP, time_limit_s=3600.0)
    bounds, costs = {}, {}
    for method in ("cuts", "program"):
        began = perf_counter()
        first = decide(inst, "highs", options, method=method, workers=WORKERS)
        decided = perf_counter() - began
        found = outcomes(inst, first.decision, "highs", SolveOptions(), workers=WORKERS)
        costs[method] = float(inst.scenarios.probability @ costs_of(found))
        bounds[method] = first.bound_usd
        tell(
            f"{method}: {decided:.1f} s, {first.rounds} rounds, {costs[method]:,.0f} USD, bound {bounds[method]:,.0f}; "
            f"every scenario under it {perf_counter() - began - decided:.1f} s"
        )
        assert first.stop is Stop.OPTIMAL
    assert costs["cuts"] == pytest.approx(costs["program"], rel=2 * GAP)
    assert max(bounds.values()) <= min(costs.values()) * (1 + 1e-9)


def test_the_whole_plan_takes_minutes() -> None:
    began = perf_counter()
    how = SizeOptions(workers=WORKERS)
    plan = size(year(SCENARIOS), options=SolveOptions(gap=GAP, time_limit_s=600.0), how=how)
    seconds = perf_counter() - began
    tell(f"router size by {plan.solver['method']}: {seconds:.0f} s, gap {plan.gap:.1e}, verified {plan.ok}")
    assert plan.ok
    assert plan.gap <= 2 * GAP
    assert seconds <= MINUTES_S * max(SCENARIOS / 1000, 0.1)
