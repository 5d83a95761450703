"""Laws of two-stage planning, on random small problems and on one with a history of its own."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from campaign import times
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problem_factory import Data, load, plan_of
from sizing_factory import near, random_sizing, section, sized

from router.sizing import SizeOptions, size
from solvers import SolveOptions

problems = st.randoms(use_true_random=False).map(random_sizing)
few = settings(
    max_examples=times(3), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
ROOM = 1e-6  # relative: what two solves may differ by


def cost_of(data: Data, **how: Any) -> float:
    return sized(data, **how).objective_usd


@given(problems)
@few
def test_knowing_is_best_and_planning_for_the_mean_worst(data: Data) -> None:
    """WS ≤ RP ≤ EEV, and the plan's own figures agree with each other."""
    plan = sized(data, measures=True)
    told = section(plan)
    slack = ROOM * abs(told["rp_usd"])
    assert told["ws_usd"] <= told["rp_usd"] + slack
    if told["eev_usd"] is not None:
        assert told["rp_usd"] <= told["eev_usd"] + slack
    assert told["evpi_usd"] == pytest.approx(told["rp_usd"] - told["ws_usd"], abs=slack + 1e-9)
    assert plan.bound_usd <= plan.objective_usd + slack
    assert plan.gap <= 2e-6


@given(problems)
@few
def test_cuts_and_one_program_agree(data: Data) -> None:
    """The second stage of these problems is linear but for tiers: there cuts are a bound and say their gap."""
    whole = sized(data, method="program")
    cuts = sized(data, method="cuts")
    slack = ROOM * abs(whole.objective_usd)
    assert cuts.bound_usd <= whole.objective_usd + slack
    assert whole.bound_usd <= cuts.objective_usd + slack
    if not any("tiers" in offer.get("commitment", {}) for offer in data["offers"]):
        assert cuts.objective_usd == pytest.approx(whole.objective_usd, rel=5e-6, abs=1e-6)


@given(problems, st.sampled_from([0.0, 0.3, 1.0]))
@few
def test_cuts_and_one_program_agree_under_risk(data: Data, weight: float) -> None:
    tiers = any("tiers" in offer.get("commitment", {}) for offer in data["offers"])
    data = {**data, "risk": {"cvar_level": 0.6, "cvar_weight": weight}}
    whole, cuts = sized(data, method="program"), sized(data, method="cuts")
    assert cuts.bound_usd <= whole.objective_usd * (1 + ROOM) + 1e-9
    if not tiers:
        assert cuts.objective_usd == pytest.approx(whole.objective_usd, rel=5e-6, abs=1e-6)


@given(problems)
@few
def test_weight_zero_is_expected_cost_and_risk_costs(data: Data) -> None:
    plain = sized(data)
    zero = sized({**data, "risk": {"cvar_level": 0.6, "cvar_weight": 0.0}})
    averse = sized({**data, "risk": {"cvar_level": 0.6, "cvar_weight": 0.5}})
    slack = ROOM * abs(plain.cost_usd) + 1e-9
    assert zero.objective_usd == pytest.approx(plain.cost_usd, rel=ROOM, abs=1e-9)
    assert averse.cost_usd >= plain.cost_usd - slack
    assert section(averse)["cvar_usd"] <= section(zero)["cvar_usd"] + slack


@given(problems)
@few
def test_equal_futures_are_one(data: Data) -> None:
    """All futures alike: the deterministic plan. One future split in two: nothing changes."""
    first = {**data["scenarios"][0], "probability": 0.5}
    twin = {**data, "scenarios": [{**first, "name": "a"}, {**first, "name": "b"}]}
    certain = {**data, "scenarios": [{**first, "probability": 1.0}]}
    assert cost_of(twin) == pytest.approx(plan_of(certain).cost_usd, rel=ROOM, abs=1e-9)
    rest = data["scenarios"][1:]
    half = {**data["scenarios"][0], "probability": data["scenarios"][0]["probability"] / 2}
    split = {**data, "scenarios": [half, {**half, "name": "again"}, *rest]}
    assert cost_of(split) == pytest.approx(cost_of(data), rel=ROOM, abs=1e-9)


@given(problems)
@few
def test_the_order_of_futures_changes_nothing(data: Data) -> None:
    turned = {**data, "scenarios": data["scenarios"][::-1]}
    assert cost_of(turned) == pytest.approx(cost_of(data), rel=ROOM, abs=1e-9)


@given(problems)
@few
def test_a_walk_away_price_is_where_the_quote_leaves_the_plan(data: Data) -> None:
    """Just below it the plan is cheaper with the quote than without it; just above it is not."""
    plan = sized(data, questions=True, alternatives=2)
    for quote in section(plan)["quotes"]:
        multiple = quote["walk_away_multiple"]
        if multiple is None:
            continue
        others = [offer for offer in data["offers"] if offer["name"] != quote["offer"]]
        without = cost_of({**data, "offers": others})
        below, above = (cost_of(at_price(data, quote["offer"], multiple * f)) for f in (0.98, 1.02))
        assert below <= without * (1 + ROOM)
        assert above == pytest.approx(without, rel=1e-5)
        if quote["worth_usd"] > 1e-6 * abs(without):
            assert multiple > 1 - 1e-5
    for row in section(plan)["alternatives"]:
        assert row["more_usd"] >= -ROOM * abs(plan.objective_usd)


def at_price(data: Data, offer: str, factor: float) -> Data:
    """The offer's prices in every future, multiplied."""
    scenarios = []
    for future in data["scenarios"]:
        prices = future.get("prices", {})
        scenarios.append({**future, "prices": {**prices, offer: prices.get(offer, 1.0) * factor}})
    return {**data, "scenarios": scenarios}


@pytest.mark.parametrize("seed", range(times(3)))
def test_evaluating_the_plan_itself_costs_what_it_costs(seed: int, tmp_path: Any) -> None:
    from router.sizing import orders_of

    data = random_sizing(Random(seed))
    plan = sized(data)
    path = tmp_path / "plan.json"
    path.write_text(plan.to_json(), encoding="utf-8")
    told = section(sized(data, evaluate=orders_of([str(path)])))["evaluated"]
    assert told["expected_usd"] == near(plan.cost_usd)


@pytest.mark.parametrize("seed", range(3))
def test_other_solvers_sign_at_the_same_cost(seed: int) -> None:
    data = random_sizing(Random(100 + seed))
    how = SizeOptions(measures=False, questions=False, alternatives=0)
    cbc = size(load(data), solver="pulp:COIN_CMD", options=SolveOptions(), how=how)
    assert cbc.objective_usd == pytest.approx(cost_of(data), rel=1e-5)
