"""The verifier reads the figures of a sized plan too: each of them changed alone is caught."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import campaign
import pytest
import sizing_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problem_factory import MONTH, api, gpu, load, monthly, problem
from sizing_factory import M, contract, futures
from test_router_verify import JUNK, places
from test_router_verify_plans import is_caught, verify

import router
from router.errors import InputError
from router.schema import Problem
from router.sizing import SizeOptions, orders_of, size

QUOTE = Path(router.__file__).parent / "examples" / "sizing-quote.yaml"
Section = dict[str, Any]


@pytest.fixture(scope="module")
def sized() -> tuple[Problem, dict[str, Any]]:
    problem, text = text_of("sizing-quote")
    return problem, json.loads(text)


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
    assert is_caught(problem, copy, "sizing")


DEARER = futures((0.3, 0.5), (0.5, 1.0), (0.2, 3.0))
DEARER[0]["availability"] = {"own": 0.9, "rest": 0.9}
DEARER[2]["prices"] = {"rest": 1.25, "own": 1.1}
TIERS = [{"from_tokens_per_month": 0, "usd_per_m": 1.2}, {"from_tokens_per_month": 4 * M, "usd_per_m": 0.5}]
IN_FULL = {"end_of_horizon": "charge_in_full", "discount_rate_per_year": 0.08}
LEASED = gpu("leased", 1.0 / MONTH, 2.0 / MONTH, term_months=4, upfront_usd=0.2)
CASES: dict[str, dict[str, Any]] = {
    "bought ahead, fees, risk": problem(
        [monthly(8 * M, "chat"), monthly(2 * M, "batch")],
        [
            gpu("own", 1.0 / MONTH, 2.0 / MONTH, resize="horizon", upfront_usd=0.5, power_kw=0.001),
            gpu("leased", 1.2 / MONTH, 2.0 / MONTH, term_months=2, upfront_usd=0.3),
            api("club", 0.7, fee_usd_per_month=0.4),
            api("rest", 1.6),
        ],
        periods=3,
        period_h=MONTH,
        scenarios=DEARER,
        policy={"discount_rate_per_year": 0.1, "energy_usd_per_kwh": 0.1},
        risk={"cvar_level": 0.7, "cvar_weight": 0.3},
    ),
    "leased": problem(
        monthly(8 * M),
        [LEASED, api("rest", 1.5)],
        periods=3,
        period_h=MONTH,
        scenarios=futures((0.5, 0.5), (0.5, 1.5)),
        policy={"discount_rate_per_year": 0.08},
    ),
    "leased, in full": problem(
        monthly(8 * M),
        [LEASED, api("rest", 1.5)],
        periods=3,
        period_h=MONTH,
        scenarios=futures((0.5, 0.5), (0.5, 1.5)),
        policy=IN_FULL,
    ),
    "contracts, in full": problem(
        monthly(8 * M),
        [
            contract("short", 0.8, 2, term_months=2),
            contract("volume", 0.6, 1, term_months=5, max_tokens_per_month=6 * M, overage_usd_per_m=1.1),
            api("dollars", 0.7, commitment={"min_usd_per_month": 1, "max_usd_per_month": 6}),
            {**contract("bands", 0.0, 1, tiers=TIERS), "models": {"m": {}}},
            api("rest", 1.5),
        ],
        periods=3,
        period_h=MONTH,
        scenarios=futures((0.5, 0.5), (0.5, 1.5)),
        policy=IN_FULL,
    ),
    "drawn": problem(
        monthly(8 * M),
        [contract("volume", 0.7, 1, max_tokens_per_month=20 * M), api("rest", 1.5)],
        periods=2,
        period_h=MONTH,
        scenarios={"generate": {"count": 20, "seed": 3, "spread": 0.5, "reduce_to": 5}},
    ),
}
IN_PART = {  # by part and field: what would take solving anew, at least of some rows
    *(("alternatives", name) for name in ("cvar_usd", "gap")),
    ("amounts", "cvar_usd"),
    ("ev_usd", "ev_usd"),
    *(("flips", name) for name in ("at", "feasible", "gap", "expected_usd")),
    *(("frontier", name) for name in ("expected_usd", "cvar_usd", "gap")),
    *(("out_of_sample", name) for name in ("count", "failed", "seed", "unserved_usd")),
    *(("out_of_sample", name) for name in ("cost_usd", "mean_demand")),
    *(("quotes", name) for name in ("break_even_tokens_per_month", "break_even_use", "gap")),
    *(("quotes", name) for name in ("bill_usd", "expected_use", "worth_usd")),
}
EVERY = ("sizing-quote", *CASES)


@cache
def text_of(case: str) -> tuple[Problem, str]:
    """A plan of which everything was asked, the demand at which the advice flips with less care."""
    data = router.load(QUOTE) if case == "sizing-quote" else load(CASES[case])
    how = SizeOptions(
        alternatives=3,
        questions=True,
        frontier=3,
        out_of_sample=40 if case == "drawn" else None,
        evaluate=orders_of(["volume-contract=8M"]) if case == "sizing-quote" else (),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("router.sizing.sensitivity.STRIDES", (1.6, 5.0))
        patch.setattr("router.sizing.sensitivity.CLOSE", 0.3)
        return data, size(data, how=how).to_json()


def figures(part: Any, *path: str | int) -> Iterator[tuple[Any, str | int, tuple[str | int, ...]]]:
    """Every number and flag: what holds it, under which key, and the way there."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(value, dict | list):
            yield from figures(value, *path, key)
        elif isinstance(value, int | float):
            yield part, key, (*path, key)


@pytest.mark.parametrize("case", EVERY)
def test_each_figure_changed_alone_is_caught(case: str) -> None:
    """By 1 %, a zero to one, a flag to its opposite; but for those that would take solving anew.

    One of each kind, the others in a campaign: a kind is where a figure stands but for the number or name of its row.
    """
    data, text = text_of(case)
    plan = json.loads(text)
    assert verify(data, plan).ok
    missed = set()
    tried: Counter[tuple[str | int, ...]] = Counter()
    for holder, key, path in figures(plan["sizing"]):
        kind = (path[0], path[-1])
        tried[kind] += 1
        if tried[kind] > campaign.times(1):
            continue
        value = holder[key]
        holder[key] = not value if isinstance(value, bool) else value * 1.01 if value else 1.0
        if not is_caught(data, plan):
            missed.add(kind)
        holder[key] = value
    assert missed <= IN_PART


@pytest.mark.parametrize("case", EVERY)
def test_another_verdict_is_caught(case: str) -> None:
    data, text = text_of(case)
    plan = json.loads(text)
    for quote in plan["sizing"]["quotes"]:
        verdict = quote["verdict"]
        for other in {"sign", "walk away", "needed", "never", "impossible", "free", "buy", None} - {verdict}:
            quote["verdict"] = other
            assert is_caught(data, plan, "sizing"), (quote["offer"], verdict, other)
        quote["verdict"] = verdict


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("drawn", lambda section: section["out_of_sample"].update(failed=1)),
        ("drawn", lambda section: section["out_of_sample"].update(failed=41)),
        ("drawn", lambda section: section["out_of_sample"].update(ci95_usd=[None, None])),
        ("drawn", lambda section: section["out_of_sample"]["worst"].reverse()),
        ("drawn", lambda section: section["out_of_sample"]["worst"].pop()),
        ("drawn", lambda section: section["out_of_sample"]["worst"][0].update(cost_usd=None)),
        ("drawn", lambda section: section["out_of_sample"]["worst"][0].update(cost_usd=1e9)),
        ("drawn", lambda section: section["out_of_sample"]["against"][0].update(dearer_in=0.51)),
        ("drawn", lambda section: section["out_of_sample"]["against"][0].update(failed=50)),
        ("drawn", lambda section: section["quotes"].clear()),
        ("drawn", lambda section: section["quotes"].append(section["quotes"][0])),
        ("drawn", lambda section: section["quotes"][0]["prices"].clear()),
        ("drawn", lambda section: section["quotes"][0].update(walk_away_multiple=None, prices=[])),
        ("drawn", lambda section: section["quotes"][0].update(walk_away_multiple=0.9, prices=[])),
        ("drawn", lambda section: section["quotes"][0]["prices"][0].update(what="fee_usd_per_month")),
        ("drawn", lambda section: section["worst"].pop()),
        ("drawn", lambda section: section["amounts"][0].update(fails_in=["drawn 1"])),
        ("drawn", lambda section: section["amounts"][0].update(offer="rest")),
        ("bought ahead, fees, risk", lambda section: section["worst"][0].update(prices={})),
        ("bought ahead, fees, risk", lambda section: section["alternatives"].reverse()),
        ("bought ahead, fees, risk", lambda section: section["frontier"].reverse()),
        ("bought ahead, fees, risk", lambda section: section["frontier"][0].update(cvar_usd=1.0)),
        ("bought ahead, fees, risk", lambda section: section["frontier"][2].update(expected_usd=80.0)),
        ("bought ahead, fees, risk", lambda section: section["eev_signs"][0].update(offer="rest")),
        ("sizing-quote", changed("budgets_cost_usd", "little")),
    ],
)
def test_a_part_that_disagrees_is_caught(case: str, change: Callable[[Section], object]) -> None:
    data, text = text_of(case)
    plan = json.loads(text)
    change(plan["sizing"])
    assert is_caught(data, plan, "sizing")


@settings(max_examples=campaign.times(12), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("case", ["sizing-quote", "bought ahead, fees, risk", "drawn"])
def test_junk_in_the_section_is_refused_or_judged(case: str, data: st.DataObject) -> None:
    problem, text = text_of(case)
    copy = json.loads(text)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(copy["sizing"])))
        container[key] = data.draw(JUNK)
    try:
        told = verify(problem, copy)
    except InputError:
        return
    assert math.isfinite(told.cost_usd)
    assert all(math.isfinite(check.worst) for check in told.checks)


def test_a_whole_number_beyond_all_measure_is_refused(sized: tuple[Problem, dict[str, Any]]) -> None:
    """No float can hold it, so that no check could say by how much it misses."""
    problem, plan = sized
    row = {**plan["sizing"]["sign"][0], "end_month": 10**400}
    with pytest.raises(InputError):
        verify(problem, {**plan, "sizing": {**plan["sizing"], "sign": [row]}})


def test_a_plan_without_the_section_makes_no_such_promise(sized: tuple[Problem, dict[str, Any]]) -> None:
    problem, plan = sized
    assert verify(problem, {key: value for key, value in plan.items() if key != "sizing"}).ok


@pytest.mark.parametrize(("limit", "within"), [(2.99, False), (3.0, True)])
def test_what_may_be_spent_holds_in_every_future(limit: float, within: bool) -> None:
    """1 and 3 USD at one API: 2 expected, and 3 in the dearer future."""
    data = problem(monthly(M), api("rest", 1.0), period_h=730.0, scenarios=futures((0.5, 1.0), (0.5, 3.0)))
    plan = json.loads(sizing_factory.sized(data).to_json())
    told = verify(load({**data, "policy": {"max_spend_usd": limit}}), plan)
    assert {check.name: check.ok for check in told.checks}["budgets"] is within
