"""Deployments with a minimum and a step of their own model, under one offer: by hand, and by enumeration."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, gpu, hourly, load, plan_of, problem

import router
from router.errors import Infeasible, InputError


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
        ({"step": 5}, {"term_h": 1}, "bought for a term"),
    ],
)
def test_what_cannot_be_meant_is_refused(grid: Data, instances: Data, words: str) -> None:
    with pytest.raises(InputError, match=words):
        load(deployments({"a": grid}, {"a": 1}, **instances))
