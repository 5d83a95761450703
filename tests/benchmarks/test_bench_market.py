"""A market of many small hourly pools: how near a bound of our own in how little time, beside HiGHS.

pytest tests/benchmarks/test_bench_market.py -s         1,000 workloads × 100 offers × 24 hours, within 60 s and 300 s
"""

from __future__ import annotations

import sys
from time import perf_counter

import pytest

from benchmarks.synthetic import market
from router.planning.proving import with_proof
from router.planning.solve import Search, before_proof, encode_problem
from solvers import SolveOptions, solve


@pytest.mark.parametrize(("limit_s", "most_gap"), [(60.0, 0.05), (300.0, 0.02)])
def test_plan_and_bound_of_our_own_are_better_than_those_of_a_solver(limit_s: float, most_gap: float) -> None:
    problem = market()
    encoded = encode_problem(problem)
    began = perf_counter()
    options = SolveOptions(time_limit_s=limit_s).begun()
    best, proof = with_proof(problem, encoded, before_proof(encoded, Search("highs", options)))
    spent = perf_counter() - began
    assert proof is not None
    alone = solve(encoded.program, "highs", SolveOptions(time_limit_s=limit_s))
    assert alone.objective is not None
    usd, gap = best.objective_usd, 1.0 - proof.bound_usd / best.objective_usd
    sys.stdout.write(
        f"\n{limit_s:.0f} s: {usd:,.0f} USD, {gap:.2%} above a bound of our own, after {spent:.0f} s; "
        f"HiGHS {alone.objective:,.0f} USD, {alone.gap:.2%}\n"
    )
    assert gap <= most_gap
    assert spent <= limit_s * 1.1
    assert usd < alone.objective
    assert proof.bound_usd > alone.bound
