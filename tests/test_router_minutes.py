"""Demand by the minute: as recorded, or drawn with its mean and law."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest import approx
from trace_cases import traced

from problems.core.encode import encode
from router.loading.catalogue import load, load_text
from router.normalise import normalise
from router.normalise.minutes import DRAWN, FINEST, LUMP, MinuteDemand, forget, minute_demand
from router.schema import Problem
from router.verification.minutes import Minutes

TEXT = """
schema: router/1
horizon: {{periods: 2, period_h: 1}}
models: {{m: {{}}}}
workloads:
  - {{name: w, models: [m], demand: {{{demand}}}, arrival_cv: {cv}{more}}}
offers:
  - {{name: api, provider: a, models: {{m: {{prompt_usd_per_m: 1, completion_usd_per_m: 2}}}}}}
"""
SIZE = ", prompt_tokens: 10, completion_tokens: 1"


def of(problem: Problem, period: int = 0) -> np.ndarray:
    encoded = encode(normalise(problem))
    return minute_demand(problem, encoded.instance).of(encoded.views[0], period)


def drawn(demand: str, cv: float, more: str = SIZE) -> np.ndarray:
    return of(load_text(TEXT.format(demand=demand, cv=cv, more=more)))[0]


@pytest.mark.parametrize("cv", [0, 2])
@pytest.mark.parametrize("per_minute", [1e-5, 550 / 60, 257, 1e6])
def test_the_mean_is_the_demand_whatever_is_drawn(per_minute: float, cv: float):
    demand = drawn(f"requests_per_hour: {per_minute * 60}", cv)
    assert len(demand) == DRAWN
    assert demand.min() >= 0
    assert demand.mean() == pytest.approx(per_minute, rel=1e-12)
    if per_minute <= FINEST:  # whole requests, but for the fraction of one
        assert np.count_nonzero(np.abs(demand - np.round(demand)) > 1e-6) <= 1
    assert (drawn(f"requests_per_hour: {per_minute * 60}", cv) == demand).all()


@pytest.mark.parametrize(("cv", "above", "refused"), [(1, 0.314, 0.092), (2, 0.41, 0.20)])
def test_bursts_of_a_known_law(cv: float, above: float, refused: float):
    """Ten a minute let through of 9.17 that come: Poisson by its formula, gamma gaps by 60,000 simulated minutes."""
    demand = drawn("requests_per_hour: 550", cv)
    error = 3.0 * np.sqrt(above * (1 - above) / DRAWN) * max(cv, 1.0)  # neighbours are alike
    assert (demand > 10).mean() == pytest.approx(above, abs=error)
    assert np.maximum(demand - 10, 0).mean() / demand.mean() == pytest.approx(refused, abs=0.035)


@pytest.mark.parametrize("per_minute", [40.0, 4096.0])
def test_counts_of_many_requests_spread_as_renewals_do(per_minute: float):
    """Var N → cv² · mean, whether each request has a gap of its own or groups of 16 share one."""
    demand = drawn(f"requests_per_hour: {per_minute * 60}", 2)
    assert demand.var() / per_minute == pytest.approx(4.0, rel=0.2)


def test_tokens_without_a_size_come_in_lumps():
    demand = drawn("tokens_per_hour: 600_000, completion_share: 0.5", 1, more="")
    assert demand.mean() == pytest.approx(10_000)
    assert (demand % LUMP).max() == 0


def test_what_moves_in_time_has_no_minutes_of_its_own():
    assert drawn("requests_per_hour: 60", 1, SIZE + ", deferrable_h: 1").max() == 0


def test_a_record_tells_its_minutes(tmp_path: Path):
    """Three requests in minute 0 of the first hour; two in minute 59 of the second."""
    rows = ["timestamp,prompt_tokens,completion_tokens"]
    rows += [f"2026-01-01T{at},10,1" for at in ("00:00:00", "00:00:30", "00:00:59", "01:59:00", "01:59:59")]
    problem = traced(tmp_path, "\n".join(rows))
    first, second = of(problem, 0)[0], of(problem, 1)[0]
    assert (len(first), first[0], first.sum(), second[59], second.sum()) == (60, 3, 3, 2, 2)


def test_a_record_by_the_hour_does_not(tmp_path: Path):
    """Its hours have a mean, and minutes are drawn."""
    rows = "timestamp,requests\n2026-01-01T00:00,600\n2026-01-01T01:00,60\n"
    problem = traced(tmp_path, rows, workload="prompt_tokens: 10\n    completion_tokens: 1")
    demand = of(problem, 1)[0]
    assert len(demand) == DRAWN
    assert demand.mean() == pytest.approx(1.0)


def test_drawn_minutes_beside_recorded_ones(tmp_path: Path):
    """The hour of the record is repeated until 1,000 minutes are full."""
    file = tmp_path / "t.csv"
    rows = "".join(f"2026-01-01T00:{m:02},{m}\n" for m in range(60))
    file.write_text(f"timestamp,requests\n{rows}")
    text = f"""
schema: router/1
horizon: {{periods: 1, period_h: 1, start: 2026-01-01}}
models: {{m: {{}}}}
workloads:
  - {{name: told, models: [m], demand: {{trace: {{file: "{file}"}}}}, prompt_tokens: 1, completion_tokens: 0}}
  - {{name: stated, models: [m], demand: {{requests_per_hour: 60}}, prompt_tokens: 1, completion_tokens: 0}}
offers:
  - {{name: api, provider: a, models: {{m: {{prompt_usd_per_m: 1}}}}}}
"""
    (tmp_path / "p.yaml").write_text(text)
    told, stated = of(load(tmp_path / "p.yaml"))
    assert told.tolist() == list(range(60)) * 17
    assert len(stated) == 1020
    assert stated.sum() == pytest.approx(1020)


@pytest.mark.parametrize("past", [-2e-9, -5e-10, 5e-10, 2e-9])
@pytest.mark.parametrize("gap", [0.01, 100.0])
def test_who_comes_at_the_end_of_a_minute_is_of_the_same_minute_for_both(past: float, gap: float) -> None:
    """Ten minutes, four requests, the first of them so many minutes past the end of the third: planner and check draw
    the line at the same place, whether gaps are short or long. A year by the hour has thousands of millions of ends.
    """
    ends = np.array([3.0 + past, 3.0 + past + 0.01 * gap, 8.0, 10.0])
    planner = object.__new__(MinuteDemand)
    object.__setattr__(planner, "minutes", 10)
    object.__setattr__(planner, "_arrived", {("w", 0): np.concatenate([[0.0], ends])})
    check = object.__new__(Minutes)
    object.__setattr__(check, "number", 10)
    object.__setattr__(check, "drawn", {("w", 0): ends})
    assert planner._drawn("w", 1.0, 4.0).tolist() == approx(
        (check._drawn("w", 4.0, 1.0) * 4.0 / 10.0).tolist()
    )


def test_gaps_are_the_same_however_many_are_drawn_at_once() -> None:
    """Two minutes hold 512 groups at most, and no more are kept; at first just those asked for, which begin alike."""
    planner, check = object.__new__(MinuteDemand), object.__new__(Minutes)
    for each, minutes, kept in ((planner, "minutes", "_arrived"), (check, "number", "drawn")):
        object.__setattr__(each, minutes, 2)
        object.__setattr__(each, kept, {})
    few, all_ = planner._gaps("w", 1.0, 3, 100).copy(), planner._gaps("w", 1.0, 3, 500)
    assert (len(few), len(all_)) == (101, 513)
    assert few.tolist() == all_[:101].tolist()
    assert check._ends("w", 3, 100, 1.0).tolist() == few[1:].tolist()
    assert check._ends("w", 3, 500, 1.0).tolist() == all_[1:].tolist()


def test_gaps_that_were_asked_for_longest_ago_are_forgotten_first() -> None:
    planner = object.__new__(MinuteDemand)
    object.__setattr__(planner, "minutes", 1000)
    object.__setattr__(planner, "_arrived", kept := {})
    for name in ("a", "b", "c", "a"):
        planner._gaps(name, 1.0, 0, 4)
    forget(kept, 10)
    assert [name for name, _ in kept] == ["c", "a"]
