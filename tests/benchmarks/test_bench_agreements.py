"""A year by the hour under five hourly agreements over six fleets: how large it is, and how long the whole plan takes.

pytest tests/benchmarks/test_bench_agreements.py -s              8,760 hours; HOURS=2190 for a quarter
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

import pytest

from benchmarks.agreements import AGREEMENTS, EACH, FLEETS, HOURS, market
from problems.core.encode import encode
from router import api
from router.normalise import normalise
from solvers import SolveOptions

MINUTES_S = 900.0
SPARE = 100  # rows of amounts, which do not grow with the hours


@pytest.mark.parametrize("hours", [int(os.environ.get("HOURS", HOURS))])
def test_a_year_by_the_hour_under_hourly_agreements(hours: int) -> None:
    problem = market(hours)
    encoded = encode(normalise(problem))
    rows = {"commitments": 0, "agreements": 0}
    for part in encoded.row_families:
        if part.family in rows:
            rows[part.family] += part.end - part.first
    assert sum(rows.values()) <= (AGREEMENTS + FLEETS) * hours + SPARE
    assert len(encoded.columns[0].covered.at) <= AGREEMENTS * EACH * hours
    began = perf_counter()
    plan = api.solve(problem, options=SolveOptions(time_limit_s=MINUTES_S, gap=1e-4))
    size = f"{encoded.program.matrix.shape[0]:,} rows, {encoded.program.matrix.shape[1]:,} columns"
    sys.stdout.write(
        f"\n{hours} h: {size}, {int(encoded.program.integer.sum()):,} whole; {perf_counter() - began:.0f} s, "
        f"{plan.cost_usd:,.0f} USD, gap {plan.gap:.2e}, {plan.stop}\n"
    )
    assert plan.ok
    assert plan.gap is not None
    assert plan.gap < 0.01
