"""Sizing on generated futures: planned, verified by drawing again, priced in futures it was not made from."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problem_factory import Data, api, by_period, gpu, hourly, load, plan_of, problem, usd
from pytest import approx
from test_router_verify_plans import verify

import router
from router.errors import InputError
from router.plan.document import Plan
from router.reports.sizing import report_of
from router.reports.table_csv import to_csv
from router.reports.text import to_text
from router.scenarios import fresh_draw, planned_draw
from router.schema import Problem
from router.sizing import SizeOptions, options, orders_of, size
from router.sizing.measures import interval, tail_interval
from solvers.two_stage.risk import cvar

#: Neither measures nor questions: the plan, and what is verified of it.
PLAN_ALONE = SizeOptions(measures=False, questions=False, alternatives=0, out_of_sample=0)

EXAMPLE = Path(router.__file__).parent / "examples" / "sizing-year.yaml"


def generated(workloads: Any, offers: Any, **rest: Any) -> Data:
    """A problem whose scenarios are generated; fields of `generate` are taken out of the rest."""
    names = ("count", "seed", "growth_per_month", "spread", "spread_per_month", "reduce_to", "history")
    generate = {"count": 8, **{name: rest.pop(name) for name in names if name in rest}}
    return problem(workloads, offers, scenarios={"generate": generate}, **rest)


def quote(most: float = 1e12) -> Data:
    """0.60 per M, the volume to commit decided, nothing beyond it at that rate."""
    terms: Data = {
        "min_tokens_per_month": 0,
        "max_tokens_per_month": most,
        "overage": "none",
        "term_months": 12,
    }
    return api("quote", 0.6, commitment=terms)


def newsvendor(**rest: Any) -> Data:
    monthly = {"tokens_per_month": 1e9, "completion_share": 0.0}
    load_ = {"name": "chat", "models": ["m"], "demand": monthly}
    return generated(load_, [api("on-demand", 1.5), quote()], period_h=730.0, spread=0.4, **rest)


# ---------------------------------------------------------------- known answers


def test_the_volume_to_commit_is_the_newsvendors_quantile() -> None:
    """Commit up to the v with P(demand > v) = 0.60 / 1.50 = 0.4: of 21 equally probable demands the 13th, beyond which
    8 are (0.381); one less leaves 9 (0.429)."""
    made = load(newsvendor(count=21, seed=4))
    plan = size(made, how=PLAN_ALONE)
    demands = np.sort(planned_draw(made).multiplier[:, 0])
    (contract,) = plan.contracts
    assert contract.committed_tokens_per_month == approx(1e9 * demands[12], rel=1e-6)
    expected = np.mean([600 * demands[12] + 1500 * max(d - demands[12], 0) for d in demands])
    assert plan.cost_usd == approx(expected, rel=1e-9)


def test_growth_alone_is_demand_by_period() -> None:
    """Scenarios without spread are all alike: the plan is that of the demand they state."""
    offers = [api("a", 1.0), quote()]
    rest: Data = {"periods": 4, "period_h": 730.0}
    made = generated(hourly(1e6), offers, growth_per_month=0.1, count=6, reduce_to=2, **rest)
    certain = problem(by_period([1e6 * 730 * 1.1**k for k in range(4)]), offers, **rest)
    plan = size(load(made), how=replace(PLAN_ALONE, measures=True))
    assert plan.cost_usd == approx(plan_of(certain).cost_usd, rel=1e-9)
    assert plan.drawn.distance == 0
    assert plan.to_dict()["sizing"]["evpi_usd"] == approx(0, abs=1e-6 * plan.cost_usd)


def test_the_same_scenarios_listed_give_the_same_plan() -> None:
    made = newsvendor(count=9, reduce_to=5, seed=3)
    draw = planned_draw(load(made))
    listed = [
        {"name": name, "probability": p, "demand": {"*": path[0]}}
        for name, p, path in zip(draw.names, draw.probability.tolist(), draw.multiplier.tolist(), strict=True)
    ]
    plan = size(load(made), how=PLAN_ALONE)
    other = size(load({**made, "scenarios": listed}), how=replace(PLAN_ALONE, out_of_sample=None))
    assert plan.cost_usd == approx(other.cost_usd, rel=1e-9)
    assert [row.probability for row in plan.scenarios] == [row.probability for row in other.scenarios]
    assert all(row.demand_path is None for row in other.scenarios)
    assert other.drawn is None


# ---------------------------------------------------------------- one of them


def test_solve_asks_for_one_by_name() -> None:
    made = newsvendor(count=30)
    with pytest.raises(InputError, match=r"s0001, .* and 18 more") as told:
        plan_of(made)
    assert "--scenario" in str(told.value)
    with pytest.raises(InputError, match="unknown scenario"):
        plan_of(made, scenario="s0031")
    plan = plan_of(made, scenario="s0007")
    (row,) = plan.scenarios
    demand = planned_draw(load(made)).multiplier[6, 0]
    assert (row.name, row.probability, row.demand_path) == ("s0007", 1.0, (demand,))
    assert usd(plan, "quote") == approx(600 * demand)
    assert verify(load(made), plan).ok


def test_one_alone_needs_no_name() -> None:
    assert plan_of(newsvendor(count=1)).scenarios[0].name == "s0001"


# ---------------------------------------------------------------- verified by drawing again


@pytest.fixture(scope="module")
def sized() -> tuple[Problem, Data]:
    made = load(newsvendor(count=40, reduce_to=6, seed=11))
    plan = size(made, how=PLAN_ALONE)
    return made, json.loads(plan.to_json())


def test_a_plan_says_what_it_was_made_for(sized: tuple[Problem, Data]) -> None:
    made, plan = sized
    draw = planned_draw(made)
    assert plan["drawn"] == {"count": 40, "seed": 11, "kept": 6, "distance": draw.distance}
    assert [row["name"] for row in plan["scenarios"]] == list(draw.names)
    assert [row["demand_path"] for row in plan["scenarios"]] == draw.multiplier.tolist()
    assert any("40 drawn with seed 11, 6 kept" in note for note in plan["notes"])
    assert verify(made, plan).ok
    assert Plan.from_dict(plan).to_dict()["drawn"] == plan["drawn"]


def tampered(plan: Data, change: Any) -> Data:
    copy: Data = json.loads(json.dumps(plan))
    change(copy)
    return copy


def test_other_multipliers_probabilities_or_names_fail(sized: tuple[Problem, Data]) -> None:
    made, plan = sized

    def path(p: Data) -> None:
        p["scenarios"][2]["demand_path"][0] *= 1 + 1e-8

    def probability(p: Data) -> None:
        p["scenarios"][0]["probability"] += 0.01
        p["scenarios"][1]["probability"] -= 0.01

    def unlisted(p: Data) -> None:
        p["scenarios"][0]["demand_path"] = None

    def short(p: Data) -> None:
        p["scenarios"][0]["demand_path"] = []

    def junk(p: Data) -> None:
        p["scenarios"][0]["demand_path"] = ["1"]

    def seed(p: Data) -> None:
        p["drawn"]["seed"] = 12

    def distance(p: Data) -> None:
        p["drawn"]["distance"] /= 2

    def nothing(p: Data) -> None:
        del p["drawn"]

    def renamed(p: Data) -> None:
        p["scenarios"][0]["name"] = "s9999"

    for change in (path, probability, unlisted, short, seed, distance, nothing, renamed):
        failed = verify(made, tampered(plan, change)).failed()
        assert "scenarios" in failed, change.__name__
    with pytest.raises(InputError, match="demand_path"):
        verify(made, tampered(plan, junk))


def test_a_plan_for_more_demand_than_drawn_fails(sized: tuple[Problem, Data]) -> None:
    """Rows that carry another volume than the seed draws are caught, whatever the plan says it was made for."""
    made, plan = sized

    def more(p: Data) -> None:
        name = p["scenarios"][3]["name"]
        p["scenarios"][3]["demand_path"] = [2 * m for m in p["scenarios"][3]["demand_path"]]
        for row in p["routes"]:
            if row["scenario"] == name:
                row["prompt_tokens"] *= 2

    assert {"quantities", "scenarios"} <= set(verify(made, tampered(plan, more)).failed())


def test_listed_scenarios_have_no_path() -> None:
    made = problem(hourly(1e6), api("a", 1), scenarios=[{"name": "s", "probability": 1}])
    plan = plan_of(made).to_dict()
    assert verify(load(made), plan).ok
    without = tampered(plan, lambda p: [row.update(demand_path=None) for row in p["scenarios"]])
    assert verify(load(made), without).ok  # as older plans were written
    for change in (
        lambda p: p["scenarios"][0].update(demand_path=[1.0]),
        lambda p: p.update(drawn={"count": 1, "seed": 0, "kept": 1, "distance": 0.0}),
    ):
        assert "scenarios" in verify(load(made), tampered(plan, change)).failed()


def test_every_kind_of_demand_agrees_with_the_verifier(tmp_path: Path) -> None:
    """Windows, deferral, a course of its own and a flat rate, over two days drawn from three weeks of hours."""
    lines = ["start_s,requests"]
    lines += [f"{3600 * i},{5 + i % 24 + 3 * (i // 168) + (i % 7)}" for i in range(504)]
    (tmp_path / "h.csv").write_text("\n".join(lines) + "\n")
    own = [1e6 * (1 + t % 24) for t in range(48)]
    night: Data = {"window": {"start": "22:00", "end": "06:00"}}
    loads = [
        hourly(3e6, "flat"),
        hourly(2e6, "night", **night),
        by_period(own, "own"),
        by_period(own, "own-night", **night),
        hourly(1e6, "later", deferrable_h=3),
    ]
    made = generated(
        loads,
        [api("a", 2.0), gpu("g", 3.0, 4.0, max=4, integral=False, resize="horizon")],
        periods=48,
        history="h.csv",
        spread=0.2,
        count=12,
        reduce_to=3,
        seed=5,
    )
    (tmp_path / "p.json").write_text(json.dumps(made))
    read = router.load(tmp_path / "p.json")
    plan = size(read, how=PLAN_ALONE)
    assert plan.ok
    assert len(plan.scenarios) == 3
    (tmp_path / "h.csv").write_text("\n".join([*lines[:-1], f"{3600 * 503},999"]) + "\n")
    assert {"problem", "scenarios"} <= set(verify(read, plan).failed())
    (tmp_path / "h.csv").unlink()
    verdict = verify(read, plan)
    assert not verdict.ok  # and no traceback
    assert "scenarios" in verdict.failed()


# ---------------------------------------------------------------- out of sample


def test_the_interval_is_students() -> None:
    """1, 2, 3, 4: mean 2.5, deviation 1.29099, t(0.975; 3) = 3.18245 -> ± 2.05426."""
    assert interval(np.array([1.0, 2, 3, 4])) == approx((0.44574, 4.55426), abs=1e-5)
    assert interval(np.array([1.0])) == (None, None)


def test_the_interval_of_the_tail_holds_what_it_says() -> None:
    """Exponential costs: CVaR at 90 % is 1 + ln 10. Of 400 samples of 2,000 some 95 % hold it."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        cost = rng.exponential(size=2000)
        low, high = tail_interval(cost, 0.9)
        assert low is not None and high is not None
        assert low < cvar(cost, np.full(2000, 1 / 2000), 0.9) < high
        held += low <= 1 + np.log(10) <= high
    assert 0.92 <= held / 400 <= 0.98
    assert tail_interval(np.array([3.0]), 0.9) == (None, None)


def test_fresh_futures_price_the_decision_as_the_formula_does() -> None:
    """Cost of each: 0.6 · v + 1.5 · max(demand − v, 0), v as committed; mean, interval and tail follow."""
    made = load(newsvendor(count=60, reduce_to=8))
    plan = size(made, how=SizeOptions(out_of_sample=60, seed=3, questions=False, alternatives=1))
    told = plan.to_dict()["sizing"]["out_of_sample"]
    (contract,) = plan.contracts
    committed = contract.committed_tokens_per_month
    assert committed is not None
    v = committed / 1e9
    demand = fresh_draw(made, 60, 3).multiplier[:, 0]
    cost = 600 * v + 1500 * np.maximum(demand - v, 0)
    assert (told["count"], told["seed"], told["failed"]) == (60, 3, 0)
    assert told["mean_usd"] == approx(cost.mean(), rel=1e-6)
    assert told["ci95_usd"] == approx(interval(cost), rel=1e-6)
    assert told["cvar_usd"] == approx(np.sort(cost)[-3:].mean(), rel=1e-6)
    assert told["cvar_ci95_usd"] == approx(tail_interval(cost, 0.95), rel=1e-6)
    assert told["rp_inside_ci"] == (told["ci95_usd"][0] <= plan.cost_usd <= told["ci95_usd"][1])
    assert [row["cost_usd"] for row in told["worst"]] == approx(np.sort(cost)[:-6:-1], rel=1e-6)
    assert told["worst"][0]["mean_demand"] == approx(demand.max(), rel=1e-9)
    assert told["worst"][0]["name"] == f"f{int(demand.argmax()) + 1:04d}"
    assert plan.to_dict()["sizing"]["rp_usd"] == approx(plan.cost_usd)  # the other measures stay
    (nothing,) = told["against"]
    more = 1500 * demand - cost
    assert (nothing["what"], nothing["failed"]) == ("nothing signed", 0)
    assert nothing["more_usd"] == approx(more.mean(), rel=1e-6)
    assert nothing["ci95_usd"] == approx(interval(more), rel=1e-6)
    assert nothing["dearer_in"] == approx((more > 0).mean())
    (row,) = csv.DictReader(StringIO(to_csv(plan, "fresh_against")))
    assert float(row["ci95_usd_low"]) == nothing["ci95_usd"][0]
    (row,) = csv.DictReader(StringIO(to_csv(plan, "fresh")))
    assert (row["count"], float(row["cvar_ci95_usd_high"])) == ("60", told["cvar_ci95_usd"][1])


def test_generated_futures_are_drawn_afresh_unasked_and_the_given_commitment_meets_them_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert options.DRAWN == 200
    monkeypatch.setattr(options, "DRAWN", 30)
    made = load(newsvendor(count=200, reduce_to=6))
    how = SizeOptions(measures=False, questions=False, alternatives=0, evaluate=orders_of(["quote=1.2B"]))
    told = size(made, how=how).to_dict()["sizing"]["out_of_sample"]
    assert told["count"] == 30
    (given,) = told["against"]
    demand = fresh_draw(made, 30, 0).multiplier[:, 0]
    theirs = 600 * 1.2 + 1500 * np.maximum(demand - 1.2, 0)
    assert given["what"] == "the commitment given"
    assert given["more_usd"] == approx(theirs.mean() - told["mean_usd"], rel=1e-5)
    none = size(made, how=replace(how, out_of_sample=0)).to_dict()["sizing"]
    assert "out_of_sample" not in none


def test_work_left_unserved_in_fresh_futures_is_told() -> None:
    """Two futures fit in what is bought for them; larger ones drop work at 50 USD per M."""
    loads = hourly(10e6, unserved_usd_per_m_tokens=50)
    own = gpu("g", 1.0, 1.0, integral=False, resize="horizon")
    made = load(generated(loads, own, spread=0.4, count=2, seed=1))
    plan = size(made, how=SizeOptions(measures=False, questions=False, alternatives=0, out_of_sample=60))
    told = plan.to_dict()["sizing"]["out_of_sample"]
    room = plan.instances[0].count
    dropped = np.maximum(10 * fresh_draw(made, 60, 0).multiplier[:, 0] - room, 0)
    assert told["failed"] == 0
    assert told["unserved_usd"] == approx(50 * dropped.mean(), rel=1e-6)
    text = to_text(report_of(plan))
    assert "Fresh futures cost more" in text
    assert "of it for work left unserved" in text


def test_futures_that_cannot_be_served_are_counted_and_have_no_cost() -> None:
    """Room for what was planned for, and no more: what is larger than all three scenarios fails, and comes first."""
    made = load(
        generated(
            hourly(10e6),
            gpu("g", 1.0, 1.0, integral=False, resize="horizon"),
            spread=0.3,
            count=3,
            seed=7,
        )
    )
    plan = size(made, how=replace(PLAN_ALONE, out_of_sample=40, seed=1))
    told = plan.to_dict()["sizing"]["out_of_sample"]
    most = planned_draw(made).multiplier.max()
    beyond = fresh_draw(made, 40, 1).multiplier[:, 0] > most
    assert told["failed"] == beyond.sum() > 0
    assert told["cvar_usd"] is None  # what fails is in the tail
    share = f"{100 * beyond.mean():g} %"
    assert f"NOT SERVED: {beyond.sum()} of 40 fresh futures ({share})" in to_text(report_of(plan))
    assert told["mean_usd"] == approx(10 * most, rel=1e-6)
    assert told["worst"][0]["cost_usd"] is None
    assert told["worst"][0]["name"] in told["fails_in"]
    assert verify(made, plan).ok


def test_listed_scenarios_cannot_be_drawn_afresh() -> None:
    made = problem(hourly(1e6), api("a", 1), scenarios=[{"name": "s", "probability": 1}])
    with pytest.raises(InputError, match="not generated"):
        size(load(made), how=SizeOptions(out_of_sample=10))


# ---------------------------------------------------------------- the shipped year


def test_the_shipped_year_in_small() -> None:
    """100 drawn, 6 kept: signed, verified scenario by scenario, WS ≤ RP ≤ EEV, and about right in 30 fresh futures."""
    made = router.load(EXAMPLE)
    assert made.scenarios.generate.count == 1000  # type: ignore[union-attr]
    few = made.scenarios.generate.model_copy(update={"count": 100, "reduce_to": 6})  # type: ignore[union-attr]
    small = made.model_copy(update={"scenarios": made.scenarios.model_copy(update={"generate": few})})  # type: ignore[union-attr]
    plan = size(small, how=SizeOptions(out_of_sample=30, questions=False, alternatives=0))
    assert plan.ok
    assert plan.gap <= 1e-6
    sizing = plan.to_dict()["sizing"]
    assert sizing["ws_usd"] <= sizing["rp_usd"] * (1 + 1e-9) <= sizing["eev_usd"] * (1 + 1e-9)
    assert 3e9 < plan.contracts[0].committed_tokens_per_month < 10e9  # type: ignore[operator]
    assert sizing["out_of_sample"]["mean_usd"] == approx(plan.cost_usd, rel=0.2)
    assert any("2 weeks of servegen-m-large-hours.csv" in note for note in plan.notes)


def test_the_shipped_history_is_the_public_one() -> None:
    """336 hours, 236.9 million requests, as ServeGen's class m-large has them."""
    rows = (EXAMPLE.parent / "servegen-m-large-hours.csv").read_text().split()[1:]
    assert len(rows) == 336
    assert sum(int(row.split(",")[1]) for row in rows) == 236_892_826
