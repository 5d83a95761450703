"""A year's agreement planned again every so often on a horizon of two days: it bills the year, not parts of it.

    pytest tests/benchmarks/test_bench_year.py -s          8,760 hours, planned every hour; EVERY=24 once a day

List use of 1.3 M USD over a seasonal year, on two offers; 20 % off all of it for at least 1.0 M: 1,040,000 USD.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

from problem_factory import api, by_period, load, problem
from pytest import approx

from router.backtesting import Settings, backtest
from router.planning.solve import Search
from solvers import SolveOptions

M = 1e6
SEASON = [40, 40, 60, 80, 100, 120, 140, 160, 180, 160, 120, 100]
HOURS = int(os.environ.get("HOURS", "8760"))
EVERY = int(os.environ.get("EVERY", "1"))
LOOKAHEAD = 48


def test_a_year_planned_again_and_again_bills_the_year() -> None:
    use = [1000.0 * SEASON[int(t * 12 / HOURS)] * 12 / HOURS for t in range(HOURS)]
    loads = [
        by_period([usd / 3 * M for usd in use], "x"),
        by_period([usd / 3 * M for usd in use], "y", models=["n"]),
    ]
    annual = {"name": "annual", "provider": "v", "offers": ["a", "b"], "discount": 0.2, "overage": "contract"}
    annual |= {"settled": "year", "min_usd": 1e6, "term_months": 12, "signed": True}
    if HOURS < 8760:
        annual |= {"settled": "term", "term_h": HOURS, "term_months": None}
    data = problem(loads, [api("a", 2.0), api("b", 1.0, ("n",))], periods=HOURS)
    settings = Settings("perfect", every=EVERY, lookahead=LOOKAHEAD, warm_up=0, offers_alone=False)
    began = perf_counter()
    replay = backtest(load({**data, "commitments": [annual]}), settings, Search("highs", SolveOptions()))
    steps = -(-HOURS // EVERY)
    sys.stdout.write(f"\n{HOURS} h, {steps} steps: {perf_counter() - began:.0f} s, {replay.seconds}\n")
    assert sum(row.billed_usd for row in replay.replay.plan.settlements) == approx(1_040_000, abs=0.01)
    assert replay.replay.cost_usd == approx(1_040_000, abs=0.01)
