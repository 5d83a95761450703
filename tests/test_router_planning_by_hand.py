"""A plan made by hand: no search, every promise kept, and what first prices prove of any plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hand_clock import set_clock

from problems.core.encode import encode
from router.loading.catalogue import load
from router.normalise import normalise
from router.planning import by_hand, two_steps
from router.planning.fixed import Fixed
from router.planning.two_steps import run
from router.schema import Problem
from solvers import SolveOptions, is_feasible, solve

EXAMPLES = Path(__file__).parents[1] / "router" / "examples"


@pytest.mark.parametrize("few", [0, 10**6])
@pytest.mark.parametrize("name", ["mixed", "case-11-hybrid", "rate-limits", "case-04-self-hosted"])
def test_it_keeps_every_row_and_its_bound_holds(name: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "FEW", few)
    encoded = encode(normalise(load(EXAMPLES / f"{name}.yaml")))
    plan = by_hand.made_by_hand(encoded, "highs", SolveOptions(), Fixed())
    best = solve(encoded.program, "highs", SolveOptions())
    assert plan is not None
    assert best.objective is not None
    assert is_feasible(encoded.program, plan.point, tolerance=1e-6)
    near = 1e-6 * abs(best.objective)
    assert plan.bound - near <= best.objective <= plan.objective_usd + near


def test_what_is_bought_by_the_token_has_a_plan_in_the_overtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 s and one more have passed, 2 of the overtime are left: what bills take is still worked out, no other way is.

    mixed.yaml with nothing signed and nothing rented: every workload where its tokens cost least.
    """
    clock = set_clock(monkeypatch)
    encoded = encode(normalise(load(EXAMPLES / "mixed.yaml")))
    in_time = by_hand.made_by_hand(encoded, "highs", SolveOptions(), Fixed())
    late = SolveOptions().begun()
    clock.s += 61.0
    limits = list[float]()
    monkeypatch.setattr(by_hand, "run", lambda *search: limits.append(search[2].left_s) or run(*search))
    plan = by_hand.made_by_hand(encoded, "highs", late, Fixed())
    assert plan is not None
    assert in_time is not None
    assert plan.objective_usd == pytest.approx(in_time.objective_usd)
    assert limits == pytest.approx([2.0])


@pytest.mark.parametrize(("took_s", "again"), [(15.0, True), (16.0, False)])
def test_a_large_program_keeps_the_flows_that_it_has_where_no_time_is_left_for_others(
    took_s: float, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 s and 3 s of overtime the relaxation takes 15 or 16: three times as much is left, 48 s, or is not, 47."""
    clock = set_clock(monkeypatch)
    monkeypatch.setattr(by_hand, "FEW", 0)
    encoded = encode(normalise(load(EXAMPLES / "case-04-self-hosted.yaml")))
    relaxed, rounded, once_more = by_hand._relaxed, by_hand._rounded, list[float]()

    def slowly(*asked: Any) -> Any:
        clock.s += took_s
        return relaxed(*asked)

    def counted(*asked: Any) -> Any:
        once_more.append(asked[2][1].left_s)
        return rounded(*asked)

    monkeypatch.setattr(by_hand, "_relaxed", slowly)
    monkeypatch.setattr(by_hand, "_rounded", counted)
    plan = by_hand.made_by_hand(encoded, "highs", SolveOptions(time_limit_s=60.0).begun(), Fixed())
    assert plan is not None
    assert is_feasible(encoded.program, plan.point, tolerance=1e-6)
    assert once_more == ([48.0] if again else [])


def test_no_solver_is_asked_that_would_look_at_its_clock_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 s are left, and a program of so many columns and numbers needs more before the first look."""
    set_clock(monkeypatch)
    encoded = encode(normalise(load(EXAMPLES / "case-04-self-hosted.yaml")))
    size = encoded.program.n_columns + encoded.program.matrix.nnz
    asked = list[float]()
    monkeypatch.setattr(by_hand, "MANY", 0)
    monkeypatch.setattr(by_hand, "solve_rounded", lambda *search: asked.append(search[1].left_s))
    for seconds, expected in ((59.0, [30.0]), (61.0, [])):
        monkeypatch.setattr(two_steps, "BEGINNING_S", seconds / size)
        asked.clear()
        assert by_hand.made_by_hand(encoded, "highs", SolveOptions().begun(), Fixed()) is not None
        assert asked == expected


def test_a_relaxation_of_all_flows_bounds_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few routes each: none is left out, and where the search ends with nothing the plan has that bound."""
    monkeypatch.setattr(by_hand, "FEW", 0)
    encoded = encode(normalise(load(EXAMPLES / "savings-plan.yaml")))
    plan = by_hand.made_by_hand(encoded, "highs", SolveOptions(), Fixed())
    relaxed = solve(encoded.program.relax(), "highs", SolveOptions())
    assert plan is not None
    assert plan.bound == pytest.approx(relaxed.objective, rel=1e-6)


@pytest.mark.parametrize("few", [10_000, 0])
def test_counts_are_rounded_down_where_a_limit_on_them_leaves_no_room_to_round_up(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three workloads keep 0.6 of an instance busy each, there are two, and the API has room for one workload.

    The relaxation rents 1.8 of 2 instances, which are 3 when rounded up. Of hand: 2 · 730 h at 1 USD, and 1.57 M tokens
    of the third at 10,000 USD per M.
    """
    monkeypatch.setattr(by_hand, "FEW", few)
    tokens = 0.6 * 1.0 * 730 * 3600
    price = 10_000.0
    problem = Problem.model_validate(
        {
            "schema": "router/1",
            "models": {name: {} for name in "abc"},
            "workloads": [
                {
                    "name": f"work-{name}",
                    "models": [name],
                    "demand": {"tokens_per_month": tokens, "completion_share": 0.5},
                }
                for name in "abc"
            ],
            "offers": [
                {
                    "name": "api",
                    "models": {
                        name: {"prompt_usd_per_m": price, "completion_usd_per_m": price} for name in "abc"
                    },
                    "quota": {"tokens_per_minute": 1.1 * tokens / (730 * 60)},
                },
                {
                    "name": "own",
                    "models": {name: {"tokens_per_s": 1.0} for name in "abc"},
                    "instances": {"usd_per_h": 1.0, "max_utilisation": 1.0},
                },
            ],
            "groups": [{"name": "cards", "offers": ["own"], "max_units": 2}],
        }
    )
    encoded = encode(normalise(problem))
    plan = by_hand.made_by_hand(encoded, "highs", SolveOptions(), Fixed())
    assert plan is not None
    assert is_feasible(encoded.program, plan.point, tolerance=1e-6)
    assert plan.objective_usd == pytest.approx(2 * 730 + tokens / 1e6 * price)
    assert solve(encoded.program, "highs", SolveOptions()).objective == pytest.approx(plan.objective_usd)
