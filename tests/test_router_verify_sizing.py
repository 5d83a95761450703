"""The verifier reads the figures of a sized plan too: each of them changed alone is caught."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sizing_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problem_factory import api, load, monthly, problem
from sizing_factory import M, futures
from test_router_verify import JUNK, places

import router
from router.catalogue import load_problem
from router.schema import Problem
from router.size import SizeOptions, orders_of, size
from router.verify import verify

QUOTE = Path(router.__file__).parent / "examples" / "sizing-quote.yaml"
Section = dict[str, Any]


@pytest.fixture(scope="module")
def sized() -> tuple[Problem, dict[str, Any]]:
    problem = load_problem(QUOTE)
    how = SizeOptions(evaluate=orders_of(["volume-contract=8M"]), alternatives=3, questions=False)
    return problem, json.loads(size(problem, how=how).to_json())


def changed(name: str, value: object) -> Callable[[Section], None]:
    return lambda section: section.update({name: value})


def times(*path: str | int) -> Callable[[Section], None]:
    """The number at a path, 1 % larger."""

    def change(section: Any) -> None:
        for step in path[:-1]:
            section = section[step]
        section[path[-1]] *= 1.01

    return change


@pytest.mark.parametrize(
    "change",
    [
        *[times(f"{name}_usd") for name in ("rp", "ws", "evpi", "vss", "cvar", "objective", "expected")],
        changed("eev_usd", 50.0),
        changed("eev_usd", None),
        changed("ev_usd", None),
        changed("ws_usd", "64"),
        changed("cvar_level", 0.9),
        changed("regret_usd", {}),
        changed("eev_fails_in", ["flop"]),
        changed("eev_fails_in", [["flop"]]),
        changed("worst", [{"scenario": ["flop"], "cost_usd": 72.0}]),
        changed("sign", []),
        changed("sign", "everything"),
        changed("worst", [{"scenario": "nowhere", "cost_usd": 1.0}]),
        changed("out_of_sample", {"mean_usd": 5.0, "ci95_usd": [1.0, 2.0]}),
        changed("out_of_sample", {"cvar_usd": 5.0, "cvar_ci95_usd": [1.0, 2.0]}),
        times("regret_usd", "flop"),
        times("sign", 0, "committed_tokens_per_month"),
        times("worst", 0, "cost_usd"),
        times("alternatives", 0, "more_usd"),
        times("evaluated", "more_usd"),
        times("evaluated", "by_scenario_usd", "surge"),
        lambda section: section["sign"][0].update(offer="volume-contract"),
        lambda section: section["sign"][0].update(offer=["volume-contract"]),
        lambda section: section["sign"].append(section["sign"][0]),
        lambda section: section["worst"].reverse(),
        lambda section: section["alternatives"][0].update(objective_usd=1.0, more_usd=1.0 - 80.64),
        lambda section: section["evaluated"].pop("objective_usd"),
    ],
)
def test_a_figure_that_does_not_follow_is_caught(
    sized: tuple[Problem, dict[str, Any]], change: Callable[[Section], None]
) -> None:
    problem, plan = sized
    assert verify(problem, plan).ok
    copy = json.loads(json.dumps(plan))
    change(copy["sizing"])
    assert verify(problem, copy).failed() == ("sizing",)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_junk_in_the_section_raises(sized: tuple[Problem, dict[str, Any]], data: st.DataObject) -> None:
    problem, plan = sized
    copy = json.loads(json.dumps(plan))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(copy["sizing"])))
        container[key] = data.draw(JUNK)
    assert math.isfinite(verify(problem, copy).cost_usd)


def test_a_plan_without_the_section_makes_no_such_promise(sized: tuple[Problem, dict[str, Any]]) -> None:
    problem, plan = sized
    assert verify(problem, {key: value for key, value in plan.items() if key != "sizing"}).ok
    assert verify(problem, {**plan, "sizing": [1]}).failed() == ("sizing",)


@pytest.mark.parametrize(("limit", "within"), [(2.99, False), (3.0, True)])
def test_what_may_be_spent_holds_in_every_future(limit: float, within: bool) -> None:
    """1 and 3 USD at one API: 2 expected, and 3 in the dearer future."""
    data = problem(monthly(M), api("rest", 1.0), period_h=730.0, scenarios=futures((0.5, 1.0), (0.5, 3.0)))
    plan = json.loads(sizing_factory.sized(data).to_json())
    told = verify(load({**data, "policy": {"max_spend_usd": limit}}), plan)
    assert {check.name: check.ok for check in told.checks}["budgets"] is within
