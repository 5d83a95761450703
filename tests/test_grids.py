"""Deployments with a minimum and a step of their own model, under one offer: by hand, and by enumeration."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, by_period, gpu, hourly, load, plan_of, problem

import router
from router.errors import Infeasible, InputError
from router.planning.solve import Search
from router.reoptimisation.run import reoptimise
from router.sizing import SizeOptions, size
from router.sizing.orders import orders_of
from router.store import open_store
from solvers import SolveOptions


def deployments(grids: dict[str, Data], need: dict[str, float], **instances: float) -> Data:
    """A million tokens an hour for each unit; so many million are asked of each model."""
    offer = gpu("ptu", instances.pop("usd_per_h", 1.0), 1, tuple(grids), **instances)
    for model, grid in grids.items():
        offer["models"][model] |= grid
    works = [hourly(tokens * 1e6, model) | {"models": [model]} for model, tokens in need.items()]
    return problem(works, [offer])


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_model_has_its_own_grid(solver: str) -> None:
    """a: 6 of {5, 8, 11} → 8; b: 3 of {4, 6} → 4; c: as the offer, from 2 in steps of 1 → 2."""
    grids = {"a": {"min": 5, "step": 3}, "b": {"min": 4, "step": 2}, "c": {}}
    plan = plan_of(deployments(grids, {"a": 6, "b": 3, "c": 1.5}, min=2), solver)
    assert {row.model: row.count for row in plan.instances} == {"a": 8, "b": 4, "c": 2}


def test_one_that_states_its_step_has_the_minimum_of_the_offer() -> None:
    """From 2 in steps of 5: 7 for 3."""
    plan = plan_of(deployments({"a": {"step": 5}}, {"a": 3}, min=2))
    assert [row.count for row in plan.instances] == [7]


def test_against_every_count() -> None:
    """The least Σ count over all grid points, with what is reserved paid apart and a maximum over all models."""
    rng, compared = Random(0), 0
    for _ in range(times(20)):
        grids = {
            name: {"min": rng.randint(0, 4), "step": rng.randint(1, 4)}
            for name in ("a", "b", "c")[: rng.randint(1, 3)]
        }
        need = {name: rng.choice((0.5, 1.5, 3.0, 4.2)) for name in grids}
        most, reserved = rng.choice((8, 12, 20)), rng.choice((0, 3, 6))
        sold = [[0, *range(grid["min"] or grid["step"], most + 1, grid["step"])] for grid in grids.values()]
        right = [
            sum(counts)
            for counts in product(*sold)
            if sum(counts) <= most and all(n >= each for n, each in zip(counts, need.values(), strict=True))
        ]
        data = deployments(grids, need, max=most, reserved=reserved, reserved_usd_per_h=0.5)
        if not right:
            with pytest.raises(Infeasible):
                plan_of(data)
            continue
        paid = max(min(right) - reserved, 0) + 0.5 * reserved
        assert plan_of(data).cost_usd == pytest.approx(paid), (grids, need, most, reserved)
        compared += 1
    assert compared >= times(13)


def test_the_same_grid_for_every_model_is_the_offers() -> None:
    need = {"a": 3.3, "b": 0.4}
    own = {name: {"min": 3, "step": 2} for name in need}
    assert plan_of(deployments(own, need)).cost_usd == pytest.approx(
        plan_of(deployments({key: {} for key in need}, need, min=3, step=2)).cost_usd
    )


def test_verify_sees_a_count_off_the_grid_of_its_model() -> None:
    data = load(deployments({"a": {"step": 5}, "b": {}}, {"a": 3, "b": 3}))
    plan = router.solve(data)
    four = {"count": 4.0, "paid_count": 4.0, "started": 4.0}
    fewer = tuple(replace(row, **four) if row.model == "a" else row for row in plan.instances)
    assert "counts" in router.verify(data, replace(plan, instances=fewer)).failed()


@pytest.mark.parametrize(
    ("grid", "instances", "words"),
    [
        ({"min": 2.5}, {}, "whole"),
        ({"min": 5}, {"max": 4}, "instances.max"),
        ({"step": 5}, {"shared_by_models": True}, "shared_by_models"),
        ({"step": 5}, {"term_h": 1, "start_usd": 1}, "nothing says what of it starts"),
    ],
)
def test_what_cannot_be_meant_is_refused(grid: Data, instances: Data, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(deployments({"a": grid}, {"a": 1}, **instances))


BRIEF = SizeOptions(questions=False, alternatives=0, measures=False)
A, B = {"min": 5, "step": 3}, {"min": 4, "step": 2}
"""6 of a model in {5, 8, 11} are 8; 3 of the other in {4, 6} are 4."""


def moving(periods: list[tuple[float, float]], term_h: float = 2, **instances: Any) -> Data:
    """Models a and b on grids of their own, under terms of an offer at 1 USD/h; millions of tokens by the hour."""
    data = deployments({"a": A, "b": B}, {}, term_h=term_h, **instances)
    works = zip("ab", zip(*periods, strict=True), strict=True)
    data["workloads"] = [
        by_period([n * 1e6 for n in need], name) | {"models": [name]} for name, need in works
    ]
    data["models"] = {"a": {}, "b": {}}
    data["horizon"]["periods"] = len(periods)
    return data


@pytest.mark.parametrize("solver", SOLVERS)
def test_terms_are_bought_for_the_offer(solver: str) -> None:
    """8 for a in one hour, of which 4 serve b in the next: 8 over 2 h are 16, where 8 and 4 by model are 24."""
    plan = plan_of(moving([(6, 0), (0, 3)]), solver)
    assert plan.cost_usd == pytest.approx(16)
    assert [(row.model, row.count) for row in plan.purchases] == [(None, 8)]
    assert [(row.model, row.count, row.paid_count) for row in plan.instances] == [("a", 8, 8), ("b", 4, 4)]
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    held = plan_of(moving([(6, 0), (0, 3)], reserved=3, reserved_usd_per_h=0.5), solver)
    assert held.cost_usd == pytest.approx(5 * 2 + 3)  # 8 less those reserved, and those
    assert [(row.reserved_count, row.paid_count) for row in held.instances] == [(3, 5), (3, 1)]


def test_what_is_bought_draws_power_deployed_or_not() -> None:
    """8 kW over 2 h at 0.1 USD/kWh; of 7 kW, 5 of a and 1 M by the token at 9 USD."""
    data = moving([(6, 0), (0, 3)], power_kw=1) | {"policy": {"energy_usd_per_kwh": 0.1}}
    data["offers"].append(api("pay", 9, ("a", "b")))
    assert plan_of(data).cost_usd == pytest.approx(16 + 1.6)
    data["policy"]["max_power_kw"] = 7
    assert plan_of(data).cost_usd == pytest.approx(10 + 1.0 + 9)


@pytest.mark.parametrize("own", [True, False])
def test_what_is_bought_draws_power_in_a_gap_too(own: bool) -> None:
    """8 for a and 6 for b over 2 h, of which the offer is closed in one: 14 · 2 USD, and 14 kWh twice at 0.1 USD.

    On the offer's own grid 6 and 5. What a needs in the closed hour costs 9 USD a million.
    """
    data = moving([(6, 5), (6, 0)], 7, power_kw=1, start_every_h=2) | {"policy": {"energy_usd_per_kwh": 0.1}}
    data["offers"].append(api("pay", 9, ("a", "b")))
    for entry in data["offers"][0]["models"].values() if not own else ():
        del entry["min"], entry["step"]
    data["horizon"]["start"] = "2027-01-01T00:00:00Z"
    data["offers"][0]["schedule"] = [
        {"from": "2027-01-01T01:00", "until": "2027-01-01T03:00", "available": False}
    ]
    count = 14 if own else 11
    assert plan_of(data).cost_usd == pytest.approx(count * 2 + count * 2 * 0.1 + 54)


@pytest.mark.parametrize("own", [True, False])
def test_where_no_term_may_start_nothing_is_bought(own: bool) -> None:
    """Terms start at hour 0, when it is not sold yet: 5 reserved for an hour, 5 USD; 3 M and 1 M by the token at 9."""
    data = moving([(0, 3), (6, 0)], reserved=5, start_every_h=2)
    data["offers"].append(api("pay", 9, ("a", "b")))
    for entry in data["offers"][0]["models"].values() if not own else ():
        del entry["min"], entry["step"]
    data["horizon"]["start"] = "2027-01-01T00:00:00Z"
    data["offers"][0]["schedule"] = [{"until": "2027-01-01T01:00", "available": False}]
    assert plan_of(data).cost_usd == pytest.approx(5 + 27 + 9)


def test_terms_against_every_purchase() -> None:
    """The least over all numbers bought at every hour, for what grids need in each, less what is reserved."""
    rng = Random(5)
    for _ in range(times(8)):
        needs = [(rng.choice((0, 2, 6)), rng.choice((0, 3, 5))) for _ in range(3)]
        term_h, reserved = rng.choice((1, 2, 3)), rng.choice((0, 4))
        sold = [{0: 0, 2: 5, 6: 8}[a] + {0: 0, 3: 4, 5: 6}[b] for a, b in needs]
        least = min(
            sum(count * min(term_h, 3 - start) for start, count in enumerate(bought))
            for bought in product(range(15), repeat=3)
            if all(
                sum(bought[max(0, t - term_h + 1) : t + 1]) + reserved >= count
                for t, count in enumerate(sold)
            )
        )
        data = moving(needs, term_h, reserved=reserved, reserved_usd_per_h=0)
        assert plan_of(data).cost_usd == pytest.approx(least), (needs, term_h, reserved)


def test_a_maximum_is_of_what_is_bought() -> None:
    """Terms of 3 h from hours 0 and 2: 8 from either are 16 in hour 2, of which the horizon has 24 + 16 USD."""
    needs: list[tuple[float, float]] = [(6, 0), (6, 0), (0, 0), (6, 0)]
    assert plan_of(moving(needs, 3, start_every_h=2)).cost_usd == pytest.approx(40)
    with pytest.raises(Infeasible):
        plan_of(moving(needs, 3, start_every_h=2, max=8))


def test_a_grid_of_one_is_no_grid() -> None:
    """Where a model is sold in ones, a term for the offer costs what one for the model does."""
    rows = [{}, {"min": 0, "step": 1}]
    costs = [plan_of(deployments({"a": row}, {"a": 2.5}, term_h=3, upfront_usd=2)).cost_usd for row in rows]
    assert costs == pytest.approx([3 + 3 * 2 / 3] * 2)  # 1 h of 3 in the horizon


def test_verify_sees_what_was_not_bought_for_the_offer() -> None:
    data = load(moving([(6, 0), (0, 3)]))
    plan = router.solve(data)
    (row,) = plan.purchases
    for wrong in (replace(row, count=7.0), replace(row, model="a"), replace(row, count=9.0)):
        assert {"purchases", "cost"} & set(router.verify(data, replace(plan, purchases=(wrong,))).failed())


def test_one_number_bought_for_all_futures() -> None:
    """8 for a in one future serve b in the other; 8 are signed for no model, and one less cannot serve a."""
    data = moving([(6, 0), (6, 0)])
    rest = [{"name": "b", "probability": 0.5, "demand": {"a": 0}}, {"name": "a", "probability": 0.5}]
    plan = size(load(data | {"scenarios": rest}), how=replace(BRIEF, evaluate=orders_of(["ptu=11"])))
    assert plan.cost_usd == pytest.approx(16)
    assert plan.sizing is not None
    assert [(row.model, row.count, row.least_usd) for row in plan.sizing.sign] == [
        (None, 8, pytest.approx(16))
    ]
    assert plan.sizing.evaluated is not None
    assert plan.sizing.evaluated.expected_usd == pytest.approx(22)


def test_what_was_bought_is_carried_from_run_to_run(tmp_path: Path) -> None:
    """8 for 3 h are bought, of which two hours are in the horizon: 16. An hour later the rest of them is paid: 16.

    Another hour later 8 are left for an hour, and 4 are bought for the next: 8 + 4.
    """
    pytest.importorskip("sqlalchemy")
    needs: list[tuple[float, float]] = [(6, 0), (0, 3), (6, 0), (0, 3)]
    store, costs = open_store(f"sqlite:///{tmp_path}/plans.db"), []
    for k in range(3):
        data = moving(needs[k : k + 2], 3) | {"name": "grids"}
        data["horizon"]["start"] = f"2027-01-01T0{k}:00:00Z"
        problem = load(data)
        plan = reoptimise(problem, store, Search("highs", SolveOptions())).plan
        assert router.verify(problem, plan).ok
        costs.append(plan.cost_usd)
    assert costs == pytest.approx([16, 16, 12])
    data["offers"] = [gpu("other", 1.0, 1, ("a", "b"))]
    data["horizon"]["start"] = "2027-01-01T02:30:00Z"
    notes = reoptimise(load(data), store, Search("highs", SolveOptions())).plan.notes
    assert any("8 instances of ptu, bought for a term by an earlier plan" in note for note in notes)
