"""Recorded clients over a week and over two: how near a bound of our own, beside HiGHS in the same time.

CLIENTS_TRACE=servegen_m-large_clients_hourly.csv.gz pytest tests/benchmarks/test_bench_clients.py -s
WITHOUT_HIGHS=1 CLIENTS_TRACE=… pytest tests/benchmarks/test_bench_clients.py -s -k "week-1"     one of them, by itself
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time

import pytest

import router
from benchmarks.clients import clients_problem
from router.loading.catalogue import load_text
from router.planning.solve import encode_problem
from solvers import SolveOptions, solve

WEEK, FORTNIGHT = (70, 168), (172, 336)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("size", "limit_s", "most_gap"),
    [(WEEK, 120.0, 0.005), (WEEK, 600.0, 0.0035), (FORTNIGHT, 300.0, 0.003)],
    ids=["week", "week-long", "fortnight"],
)
def test_plans_are_near_a_bound_of_our_own(
    size: tuple[int, int], limit_s: float, most_gap: float, seed: int
) -> None:
    trace = os.environ.get("CLIENTS_TRACE")
    if trace is None:
        pytest.skip("CLIENTS_TRACE names no file of recorded clients")
    problem = load_text(json.dumps(clients_problem(Path(trace), *size, 31, seed)), "clients.json")
    began, worked = perf_counter(), process_time()
    plan = router.solve(problem, options=SolveOptions(time_limit_s=limit_s))
    spent, worked = perf_counter() - began, process_time() - worked
    assert plan.proof is not None
    gap = 1.0 - plan.proof.bound_usd / plan.cost_usd
    sys.stdout.write(
        f"\n{size[0]} clients, {size[1]} h, seed {seed}: {plan.cost_usd:,.2f} USD, {gap:.2%} above a bound of our own, "
        f"after {spent:.0f} s ({worked:.0f} of CPU)"
    )
    if not os.environ.get("WITHOUT_HIGHS"):
        alone = solve(encode_problem(problem).program, "highs", SolveOptions(time_limit_s=limit_s))
        usd = "no plan" if alone.objective is None else f"{alone.objective:,.2f} USD, {alone.gap:.2%}"
        sys.stdout.write(f"; HiGHS {usd}\n")
    assert router.verify(problem, plan).ok
    assert gap <= most_gap
