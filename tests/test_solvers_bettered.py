"""A plan over time, bettered a window at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pytest import MonkeyPatch, approx
from scipy import sparse

from solvers import LinearProgram, Solution, SolveOptions, is_feasible, solve
from solvers.bettered import bettered

Floats = np.ndarray


def hours(demand: list[float], rate: float, usd: float, token: float) -> tuple[LinearProgram, np.ndarray]:
    """Work by hour on instances of the hour, on one that is bought for all hours at 1 USD, and by the token."""
    t = len(demand)
    serve = sparse.hstack([sparse.eye_array(t)] * 3 + [sparse.csr_array((t, t + 1))])
    load = sparse.diags_array(demand)
    none, column = sparse.csr_array((t, t)), np.full((t, 1), -rate)
    on_hour = sparse.hstack([load, none, none, sparse.eye_array(t) * -rate, sparse.csr_array((t, 1))])
    ahead = sparse.hstack([none, load, none, none, column])
    n = 4 * t + 1
    program = LinearProgram(
        cost=np.concatenate([np.zeros(2 * t), token * np.array(demand), np.full(t, usd), [1.0]]),
        matrix=sparse.vstack([serve, on_hour, ahead], format="csr"),
        row_lower=np.concatenate([np.ones(t), np.full(2 * t, -np.inf)]),
        row_upper=np.concatenate([np.ones(t), np.zeros(2 * t)]),
        col_lower=np.zeros(n),
        col_upper=np.concatenate([np.ones(3 * t), np.full(t + 1, 50.0)]),
        integer=np.arange(n) >= 3 * t,
    )
    return program, np.append(np.tile(np.arange(t), 4), -1)


def from_start(program: LinearProgram, options: SolveOptions, start: Floats) -> Solution:
    assert is_feasible(program, start, tolerance=1e-6)  # what there is fits into its window
    return solve(program, "highs", options, start)


def test_hours_are_mended_and_what_spans_them_stays() -> None:
    """25, 4 and 31 of work on instances of 10 at 2 USD, else 0.5 USD a unit; one instance for all hours is held.

    All by the token but for its 10, 4 and 10: 0.5 · (15 + 0 + 21) + 1 = 19. Better: 15 on two instances (4 USD), 20 on
    two and 1 by the token (4.5 USD), 9.5 USD in all.
    """
    demand = np.array([25.0, 4.0, 31.0])
    program, step = hours(demand.tolist(), 10.0, 2.0, 0.5)
    own = np.minimum(demand, 10.0) / demand
    start = np.concatenate([np.zeros(3), own, 1.0 - own, np.zeros(3), [1.0]])
    assert program.objective(start) == approx(19.0)
    prices = np.zeros(program.n_rows)
    found = bettered(program, step, start, prices, from_start, SolveOptions())
    assert program.objective(found) == approx(9.5)
    assert is_feasible(program, found)
    assert (start[:3] == 0.0).all()  # what it was made from is as it was


@pytest.mark.parametrize("seed", range(4))
def test_no_plan_gets_dearer_and_each_keeps_every_row(seed: int, monkeypatch: MonkeyPatch) -> None:
    """Whatever the prices, windows of an hour or two; without what spans them the best of each hour is the best."""
    monkeypatch.setattr("solvers.bettered.WIDTHS", (3, 9))
    monkeypatch.setattr("solvers.bettered.CHEAPEST", 2)
    rng = np.random.default_rng(seed)
    program, step = hours(rng.uniform(1, 60, 7).tolist(), 10.0, rng.uniform(1, 4), 0.5)
    held = program.fix([program.n_columns - 1], [2.0])
    relaxed = solve(held.relax())
    assert relaxed.point is not None
    up = held.integer & (relaxed.point % 1 > 1e-9)
    start = np.where(up, np.ceil(relaxed.point), relaxed.point)
    found = bettered(held, step, start, rng.normal(size=held.n_rows), from_start, SolveOptions())
    assert is_feasible(held, found)
    assert held.objective(found) <= held.objective(start) + 1e-9
    monkeypatch.setattr("solvers.bettered.CHEAPEST", 9)
    best = solve(held).objective
    again = bettered(held, step, start, np.zeros(held.n_rows), from_start, SolveOptions())
    assert best is not None and held.objective(again) <= best * (1 + 5e-4) + 1e-9


def test_a_window_without_an_answer_changes_nothing() -> None:
    program, step = hours([25.0, 4.0], 10.0, 2.0, 0.5)
    start = np.concatenate([np.zeros(4), np.ones(2), np.zeros(3)])

    def fails(part: LinearProgram, options: SolveOptions, begun: Floats) -> Solution:
        return replace(solve(part, "highs", options), point=None, objective=None)

    assert bettered(program, step, start, np.zeros(program.n_rows), fails, SolveOptions()) == approx(start)
