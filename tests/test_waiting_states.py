"""Rows on what a pool is in some periods, where users wait and other work may run later, lose no plan."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest
from campaign import times
from problem_factory import Data, load
from pytest import approx
from test_each_instance import encoded_of

from problems.core.encode import Encoded, Regions, encode
from problems.core.over_windows import WindowRows
from problems.core.waiting_states import WaitingStates, with_waiting_states
from problems.physics.waiting import Cuts
from router.normalise import normalise
from router.planning.waits.tighten import alike, all_waiting, cut_at
from solvers import LinearProgram, SolveOptions, Stop, solve
from solvers.strengthened import strengthened

HOUR = 3600.0


def waiting(
    hurried: list[float], later: list[float], *, wait_ms: int = 500, most: int = 2, hours: int = 2
) -> Data:
    """Work in instances that it keeps busy, by hour: of users who wait no longer, and some that may run later."""

    def workload(name: str, by_hour: list[float], **more: object) -> Data:
        requests = [each * HOUR for each in by_hour]
        shape = {"models": ["m"], "prompt_tokens": 100, "completion_tokens": 0}
        return {"name": name, **shape, "demand": {"requests_by_period": requests}, **more}

    return {
        "schema": "router/1",
        "horizon": {"periods": len(hurried), "period_h": 1.0},
        "models": {"m": {}},
        "workloads": [
            workload("hurried", hurried, slo={"ttft_p90_ms": wait_ms}),
            workload("later", later, deferrable_h=hours),
        ],
        "offers": [
            {
                "name": "own",
                "models": {"m": {"requests_per_s": 1, "ttft_p99_ms": 20, "tpot_p99_ms": 5}},
                "instances": {"usd_per_h": 1, "max": most},
            },
            {
                "name": "tokens",
                "models": {"m": {"prompt_usd_per_m": 10, "ttft_p99_ms": 20, "tpot_p99_ms": 5}},
            },
        ],
    }


def drawn(rng: Random) -> Data:
    hours = rng.choice((4, 5, 6))
    return waiting(
        [rng.choice((0.0, 0.1, 0.25, 0.4)) for _ in range(hours)],
        [rng.choice((0.0, 0.3, 0.7, 1.0)) for _ in range(hours)],
        wait_ms=rng.choice((300, 700, 2500)),
        most=rng.choice((1, 2, 3)),
        hours=rng.choice((1, 2)) if rng.random() < 0.7 else 1.5,
    )


def cut(made: Encoded, rng: Random) -> Encoded:
    """Regions cut where a point of the relaxation lies, alike in all periods or not."""
    answer = solve(made.program.relax())
    assert answer.point is not None
    records = all_waiting(made, answer.point)
    cuts = cut_at({}, made, records)
    periods = made.instance.time.periods
    return encode(made.instance, regions=Regions(alike(cuts, periods) if rng.random() < 0.5 else cuts))


def with_all_rows(states: WaitingStates) -> LinearProgram:
    return states.rows.added_to(states.program)


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
def test_no_plan_is_lost_and_none_made_cheaper(solver: str) -> None:
    """Both programs have the same optimum, at the problem's prices and at any others: what may be done is the same."""
    seen = 0
    for seed in range(times(8)):
        rng = Random(seed)
        made = encoded_of(drawn(rng))
        made = cut(made, rng) if seed % 2 else made
        states = with_waiting_states(made)
        if states is None:
            continue
        seen += 1
        wide, more = with_all_rows(states), states.program.n_columns - made.program.n_columns
        assert len(states.period) == more
        for turn in range(3):
            cost = np.random.default_rng(seed + turn).random(made.program.n_columns)
            cost = cost if turn else made.program.cost
            plain = solve(made.program.with_cost(cost), solver)
            own = solve(wide.with_cost(np.append(cost, np.zeros(more))), solver)
            assert plain.stop is own.stop is Stop.OPTIMAL
            assert own.objective == approx(plain.objective, rel=2e-5, abs=1e-6), seed
    assert seen >= 4


def test_every_way_that_a_pool_may_be_in_keeps_its_rows() -> None:
    """Four hours of one instance at most: off, with users in a hurry, or without, 3^4; each with most work in it."""
    made = encoded_of(waiting([0.25] * 4, [0.3, 0.7, 0.3, 0.3], most=1))
    states = with_waiting_states(made)
    assert states is not None
    level = [i for i, name in enumerate(made.program.column_names()) if name.startswith("level(")]
    by_hour = np.array(level).reshape(4, -1)
    flows = [i for i, name in enumerate(made.program.column_names()) if name.startswith("flow(later")]
    cost = np.zeros(states.program.n_columns)
    cost[[i for i in flows if "tokens" in made.program.column_names()[i]]] = 1.0
    plain, rows = states.program.with_cost(cost), with_all_rows(states).with_cost(cost)
    for some in product(range(-1, by_hour.shape[1]), repeat=4):
        at = np.zeros(by_hour.shape)
        for hour, which in enumerate(some):
            if which >= 0:
                at[hour, which] = 1.0
        without, with_rows = (solve(each.fix(by_hour.ravel(), at.ravel())) for each in (plain, rows))
        assert without.stop is with_rows.stop
        assert with_rows.objective == approx(without.objective, abs=1e-6)


def test_a_relaxation_is_not_half_in_a_hurry() -> None:
    """Twelve hours: 0.05 instances of users in a hurry, and half of one of work that may run in the next hour too.

    An instance is 0.50 USD an hour. With a hurry it carries 0.21 at most, without 1, and these users cost 0.54 USD by
    the token; what of half an instance two hours of 0.21 leave costs 0.80 there. So in one hour of every two they go
    elsewhere, and all that waits is done: 12 · 0.50 + 6 · 0.54 = 9.24 USD. A relaxation is without them for less than
    six hours in all, in a part of every one.
    """
    data = waiting([0.05] * 12, [0.5] * 12, most=1)
    data["offers"][0]["instances"]["usd_per_h"] = 0.5
    data["offers"][1]["models"]["m"]["prompt_usd_per_m"] = 30
    made = encoded_of(data)
    states = with_waiting_states(made)
    assert states is not None
    plain, best = solve(made.program.relax()), solve(made.program)
    closed = strengthened(states.program, SolveOptions(), WindowRows(states.rows))
    assert best.objective == approx(9.24)
    assert plain.objective is not None
    assert plain.objective < 8.8
    assert closed is not None
    assert closed.bound == approx(9.24)


def test_where_no_work_may_run_later_there_are_no_rows() -> None:
    data = waiting([0.25] * 4, [0.5] * 4)
    del data["workloads"][1]["deferrable_h"]
    assert with_waiting_states(encoded_of(data)) is None
    data = waiting([0.25] * 4, [0.5] * 4)
    del data["workloads"][0]["slo"]
    assert with_waiting_states(encode(normalise(load(data), None))) is None


def test_what_is_cut_in_one_period_is_cut_in_all() -> None:
    """Mixes within a twentieth of each other are one; pools that are cut nowhere stay so."""
    cuts = {
        0: {
            (0, 1): Cuts(((0.5, 0.9), ()), (1, 2), 2),
            (0, 2): Cuts(((0.51, 0.7), (0.1,)), (3,), 3),
        }
    }
    every = Cuts(((0.5, 0.7, 0.9), (0.1,)), (1, 2, 3), 2)
    found = alike(cuts, 3)
    assert found == {0: {(0, 0): every, (0, 1): every, (0, 2): every._replace(at=3)}}
