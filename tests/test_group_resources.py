"""Several resources of a group, each with its limit: by hand, against enumeration, and what cannot be meant."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, counts, gpu, hourly, load, plan_of, problem

import router
from router.errors import InputError


def rack(weights: Data, limits: Data, m_tokens: float = 4, **rest: object) -> Data:
    """Replicas of a million tokens an hour: big at 2 USD, small at 3; the API asks 6."""
    offers = [gpu("big", 2, 1), gpu("small", 3, 1), api("api", 6)]
    group = {"name": "rack", "offers": ["big", "small"], "weights": weights, "limits": limits, **rest}
    return problem([hourly(m_tokens * 1e6)], offers, groups=[group])


WEIGHTS = {"big": {"cards": 4, "nics": 2}, "small": {"cards": 2, "nics": 1}}


@pytest.mark.parametrize(
    ("limits", "found"),
    [
        ({"cards": 12, "nics": 100}, {"big": [2], "small": [2]}),
        ({"cards": 100, "nics": 5}, {"big": [1], "small": [3]}),
        ({"cards": 0, "nics": 9}, {}),
    ],
    ids=str,
)
def test_every_resource_has_its_own_limit(limits: Data, found: Data) -> None:
    """4 b + 2 s cards, 2 b + s nics: each limit by itself. Who takes nothing of a resource is not limited by it."""
    assert counts(plan_of(rack(WEIGHTS, limits))) == found
    free = rack({"big": {"cards": 4}}, {"cards": 4})
    assert counts(plan_of(free)) == {"big": [1], "small": [3]}


def test_units_are_one_resource() -> None:
    """Law: a group of units, said as weights, has the same plan."""
    data = rack({"big": {"units": 3}, "small": {"units": 1}}, {"units": 8})
    units = rack({"big": {"units": 3}, "small": {"units": 1}}, {"units": 8})
    units["groups"] = [{"name": "rack", "offers": ["big", "small"], "max_units": 8}]
    units["offers"][0]["instances"]["units"] = 3
    assert counts(plan_of(data)) == counts(plan_of(units)) == {"big": [2], "small": [2]}


def test_a_plan_breaks_a_lower_limit() -> None:
    plan = plan_of(rack(WEIGHTS, {"cards": 12, "nics": 100}))
    assert "groups" in router.verify(load(rack(WEIGHTS, {"cards": 11, "nics": 100})), plan).failed()


@pytest.mark.parametrize(
    ("group", "path"),
    [
        ({"max_units": 4}, "max_units"),
        ({"min_units": 4}, "min_units"),
        ({"weights": {"api": {"cards": 1}}}, "weights.api"),
        ({"weights": {"big": {"cards": 1, "ports": 1}}}, "weights.big.ports"),
        ({"limits": {"cards": 1, "card": 1}}, "limits.card"),
    ],
)
def test_what_cannot_be_meant_is_an_input_error(group: Data, path: str) -> None:
    data = rack({"big": {"cards": 1}}, {"cards": 1})
    data["groups"][0] |= group
    with pytest.raises(InputError) as error:
        load(data)
    assert [issue.path for issue in error.value.issues] == [f"groups[0].{path}"]


@pytest.mark.parametrize("seed", range(times(3)))
def test_brute_force_over_all_counts(seed: int) -> None:
    rng = Random(seed)
    weights = {name: {r: rng.choice((0, 1, 2, 3)) for r in ("a", "b")} for name in ("big", "small")}
    weights["big"] |= {"a": 1, "b": 1}
    limits = {r: rng.choice((2, 3, 5)) for r in ("a", "b")}
    data = rack(weights, limits, rng.choice((2, 3.5, 5)))
    demand = data["workloads"][0]["demand"]["tokens_per_hour"] / 1e6
    best = min(
        2 * big + 3 * small + 6 * max(demand - big - small, 0)
        for big, small in product(range(7), repeat=2)
        if all(weights["big"][r] * big + weights["small"][r] * small <= limits[r] for r in limits)
    )
    for solver in SOLVERS:
        assert plan_of(data, solver).cost_usd == pytest.approx(best)
