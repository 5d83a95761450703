"""Where contracts stand is carried from run to run: a span is billed once, however often it is planned again."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from problem_factory import MONTH, api, by_period, load, problem
from pytest import approx

import router
from router.plan.document import Plan
from router.planning.solve import Search
from router.reoptimisation.run import reoptimise
from router.schema import Problem
from router.store import open_store
from solvers import SolveOptions

pytest.importorskip("sqlalchemy")
M = 1e6


def month(k: int, **commitment: Any) -> Problem:
    """Two months from month k on: 120 USD of use each, and one more workload of 1 USD than the month before."""
    loads = [by_period([120 * M] * 2), *(by_period([M] * 2, name=f"new {j}") for j in range(k))]
    data = problem(
        loads, [api("listed", 2.0), api("deal", 1.0, commitment=commitment)], periods=2, period_h=MONTH
    )
    start = dt.datetime(2027, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=k * MONTH)
    return load({**data, "name": "year", "horizon": {**data["horizon"], "start": start.isoformat()}})


def plans(folder: Path, months: int = 4, **commitment: Any) -> list[Plan]:
    """Planned anew every month, for each has a workload that nothing serves yet."""
    store, made = open_store(f"sqlite:///{folder}/plans.db"), []
    for k in range(months):
        file = month(k, **commitment)
        made.append(reoptimise(file, store, Search("highs", SolveOptions())).plan)
        assert router.verify(file, made[-1]).ok
    return made


def carried(plan: Plan) -> tuple[float, float, tuple[float, ...]]:
    assert plan.running is not None
    (row,) = plan.running.contracts
    assert row.so_far is not None
    return row.so_far.since_h, row.so_far.used, row.so_far.unused


def test_a_year_is_carried_with_what_it_has_used(tmp_path: Path) -> None:
    """1,200 USD a year; 120, 121, 122 a month are used by the start of the fourth: 363, since three months ago.

    Two months more of 123 are billed as use: 246, for 609 are more than 5/12 of 1,200.
    """
    last = plans(tmp_path, settled="year", min_usd=1200, term_months=12)[-1]
    assert carried(last) == (approx(-3 * MONTH), approx(363.0), ())
    assert last.cost_usd == approx(246.0)
    assert last.settlements[-1].so_far is not None
    assert last.settlements[-1].so_far.used == approx(609.0)


def test_what_is_left_is_carried_oldest_first(tmp_path: Path) -> None:
    """150 USD a month, the rest for three: 30 are left; then 121 take them and 91 of the second: 59; then 87."""
    made = plans(tmp_path, min_usd=150, rollover_spans=3, term_months=12)
    assert [carried(plan)[2][-1] for plan in made[1:]] == approx([30.0, 59.0, 87.0])
    assert all(plan.cost_usd == approx(300.0) for plan in made)


def test_a_ramp_goes_on_where_it_was(tmp_path: Path) -> None:
    """100 USD for two months of six, then 200: from the second month on one of each, 121 + 200; then 200 twice."""
    ramp = [{"from_month": 1, "min_usd": 100}, {"from_month": 3, "min_usd": 200}]
    made = plans(tmp_path, ramp=ramp, term_months=6)
    assert [plan.cost_usd for plan in made] == approx([240.0, 321.0, 400.0, 400.0])


def test_a_level_keeps_its_discount(tmp_path: Path) -> None:
    """100 USD a quarter at 20 % off: 0.8 · 240, then 0.8 · 242."""
    levels = [{"usd": 50, "discount": 0.1}, {"usd": 100, "discount": 0.2}]
    made = plans(tmp_path, 2, levels=levels, settled="quarter", term_months=12)
    assert [plan.cost_usd for plan in made] == approx([192.0, 193.6])
    assert carried(made[1])[:2] == (approx(-MONTH), approx(120.0))
