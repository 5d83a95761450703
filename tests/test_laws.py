"""Laws of the whole pipeline on random problems with every feature. Each plan is verified on the way."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import inf, isfinite
from random import Random
from typing import Any

import pytest
from campaign import times
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from problem_factory import Data, load, plan_of
from strategies import EVERYTHING, Draw, problems

import solvers
from problems.core.encode import FAMILIES, encode
from problems.core.instance import Instance
from router.errors import Infeasible, InputError
from router.explaining.promises import promises
from router.normalise import normalise

pytestmark = pytest.mark.usefixtures("short_proofs")

CERTAIN = ("scenarios",)  # one future at a time
DETERMINISTIC = settings(
    max_examples=times(4),
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
#: A sum of 1e-9 of two costs is no difference; below a ten-thousandth of a cent neither.
TOLERANCE = {"rel": 2e-6, "abs": 1e-6}


def cost(data: Data) -> float:
    """What the verified plan costs; infinite where there is none."""
    try:
        return plan_of(data).cost_usd
    except Infeasible:
        return inf
    except InputError:  # what the strategies could not know to be wrong
        reject()


def no_more(after: float, before: float) -> None:
    assert after <= before * (1 + 2e-6) + 1e-6 or before == inf


def same(after: float, before: float) -> None:
    assert (after == before == inf) or after == pytest.approx(before, **TOLERANCE)


@DETERMINISTIC
@given(problems(without=CERTAIN), st.randoms(use_true_random=False))
def test_a_new_offer_never_raises_the_cost(data: Data, rng: Random) -> None:
    """Unless it is already paid for: nothing signed, nothing reserved."""
    more = copy.deepcopy(data)
    draw = Draw(rng, EVERYTHING - {"signed", "reserved"})
    more["offers"].append(draw.offer("newcomer", list(data["models"]), data["horizon"]["period_h"]))
    no_more(cost(more), cost(data))


@DETERMINISTIC
@given(problems(without=CERTAIN), st.sampled_from((1.1, 2.0)))
def test_more_demand_never_lowers_the_cost(data: Data, factor: float) -> None:
    """All demand alike: relative share limits then mean the same. Bands can be bought up to, so they keep the law."""
    more = copy.deepcopy(data)
    for work in more["workloads"]:
        for way, amount in work["demand"].items():
            if way != "completion_share":
                many = isinstance(amount, list)
                work["demand"][way] = [a * factor for a in amount] if many else amount * factor
    no_more(cost(data), cost(more))


@DETERMINISTIC
@given(problems(without=(*CERTAIN, "shares")))
def test_more_demand_of_one_workload_never_lowers_the_cost(data: Data) -> None:
    """Without relative limits between workloads."""
    more = copy.deepcopy(data)
    demand = more["workloads"][0]["demand"]
    way = next(way for way in demand if way != "completion_share")
    amount = demand[way]
    demand[way] = [a * 1.5 for a in amount] if isinstance(amount, list) else amount * 1.5
    no_more(cost(data), cost(more))


@DETERMINISTIC
@given(problems(without=CERTAIN), st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(data: Data, rng: Random) -> None:
    mixed = copy.deepcopy(data)
    for part in (mixed["workloads"], mixed["offers"], mixed.get("groups", [])):
        rng.shuffle(part)
    names = list(mixed["models"])
    rng.shuffle(names)
    mixed["models"] = {name: mixed["models"][name] for name in names}
    for offer in mixed["offers"]:
        entries = list(offer["models"].items())
        rng.shuffle(entries)
        offer["models"] = dict(entries)
    same(cost(mixed), cost(data))


@DETERMINISTIC
@given(problems(without=CERTAIN), st.sampled_from((1.0, 1.5)))
def test_a_twin_of_an_offer_changes_nothing_nor_does_a_dearer_one(data: Data, factor: float) -> None:
    """An API without limits, split into two of one provider; and one that costs more and is better at nothing."""
    plain = data["offers"][-1]
    if plain["name"] != "spot-market":
        reject()
    more = copy.deepcopy(data)
    twin = {**copy.deepcopy(plain), "name": "twin"}
    for where, key in list(prices(twin)):
        where[key] *= factor
    more["offers"].append(twin)
    same(cost(more), cost(data))


@DETERMINISTIC
@given(problems(without=(*CERTAIN, "unsplittable", "providers")))
def test_a_workload_cut_in_two_changes_nothing(data: Data) -> None:
    """Half of its requests under another name; all that is whole belongs to pools and contracts."""
    halves = copy.deepcopy(data)
    load = halves["workloads"][0]
    for way, amount in load["demand"].items():
        if way != "completion_share":
            load["demand"][way] = [a / 2 for a in amount] if isinstance(amount, list) else amount / 2
    halves["workloads"].append({**copy.deepcopy(load), "name": "the other half"})
    same(cost(halves), cost(data))


@DETERMINISTIC
@given(problems(without=(*CERTAIN, "window")))
def test_the_zone_of_a_start_changes_nothing(data: Data) -> None:
    """The same instant on another clock, where nothing is bound to hours of the day."""
    there = copy.deepcopy(data)
    data["horizon"] |= {"start": "2026-06-10T00:00", "timezone": "UTC"}
    there["horizon"] |= {"start": "2026-06-10T05:30", "timezone": "Asia/Kolkata"}
    same(cost(there), cost(data))


def prices(here: Any) -> Iterator[tuple[Data, str]]:
    """Every price and every amount of money in a problem."""
    if isinstance(here, dict):
        for key, value in here.items():
            if "usd" in key and isinstance(value, int | float):
                yield here, key
            else:
                yield from prices(value)
    elif isinstance(here, list):
        for value in here:
            yield from prices(value)


@DETERMINISTIC
@given(problems(without=CERTAIN))
def test_twice_the_prices_is_twice_the_cost(data: Data) -> None:
    dear = copy.deepcopy(data)
    for where, key in list(prices(dear)):
        where[key] *= 2
    before = cost(data)
    same(cost(dear), 2 * before)


def optimum(instance: Instance, **changes: Any) -> float:
    """The objective of the program as encoded, without a plan."""
    solution = solvers.solve(encode(instance, **changes).program)
    if solution.stop is solvers.Stop.INFEASIBLE:
        return inf
    assert solution.stop is solvers.Stop.OPTIMAL
    return float(solution.objective)


def instance_of(data: Data) -> Instance:
    try:
        return normalise(load(data))
    except InputError:
        reject()


@DETERMINISTIC
@given(problems(without=CERTAIN))
def test_a_family_dropped_never_raises_the_cost(data: Data) -> None:
    """Each family of rows in turn, of those that the problem has."""
    instance = instance_of(data)
    before, there = optimum(instance), {part.family for part in encode(instance).row_families}
    for family in FAMILIES:
        if family.build is not None and family.name in there:
            no_more(optimum(instance, without=[family]), before)


@settings(DETERMINISTIC, max_examples=times(5))
@given(problems(without=CERTAIN))
def test_a_promise_left_out_never_raises_the_cost(data: Data) -> None:
    """Each promise of each workload, offer and group, and of the policy, in turn."""
    limits = {"survive_loss_of": "offer", "max_spend_usd": 30.0, "max_committed_usd": 10.0}
    inst = instance_of(data | {"policy": data.get("policy", {}) | limits})
    before = optimum(inst)
    for stated in promises(inst):
        no_more(optimum(stated.without(inst)), before)


@settings(DETERMINISTIC, max_examples=times(5))
@given(problems(without=(*CERTAIN, "unsized")))
def test_rows_that_measure_a_promise_are_the_promise(data: Data) -> None:
    """Left out, and its measured rows put in again with 1 as their limit: the same cost.

    Work without a request size is refused, not measured, where requests are limited.
    """
    inst = instance_of(data)
    before = optimum(inst)
    for stated in promises(inst):
        if stated.promise.amount is not None and stated.item.value:
            same(optimum(stated.without(inst), extra=[stated.used]), before)


@DETERMINISTIC
@given(problems(without=(*CERTAIN, "commitment")))
def test_a_commitment_of_nothing_is_none(data: Data) -> None:
    """Without discounting: a contract is billed at its month's start, tokens in the period they are used."""
    data = copy.deepcopy(data)
    data.get("policy", {}).pop("discount_rate_per_year", None)
    committed = copy.deepcopy(data)
    for offer in committed["offers"]:
        offer["commitment"] = {"min_usd_per_month": 0}
    same(cost(committed), cost(data))


def futures(data: Data, *listed: tuple[str, float, float]) -> Data:
    """Scenarios of (name, probability, demand)."""
    made = copy.deepcopy(data)
    made["scenarios"] = [
        {"name": name, "probability": p, "demand": {"*": demand}} for name, p, demand in listed
    ]
    return made


@DETERMINISTIC
@given(problems(without=CERTAIN), st.sampled_from((0.0, 0.4)))
def test_equal_scenarios_can_be_merged(data: Data, weight: float) -> None:
    """With and without a price on risk."""
    two = futures(data, ("low", 0.6, 0.5), ("high", 0.4, 1.5))
    three = futures(data, ("low a", 0.25, 0.5), ("high", 0.4, 1.5), ("low b", 0.35, 0.5))
    for made in (two, three):
        made["risk"] = {"cvar_level": 0.8, "cvar_weight": weight}
    same(optimum(instance_of(three)), optimum(instance_of(two)))


@DETERMINISTIC
@given(problems(without=CERTAIN))
def test_no_weight_on_risk_is_the_expected_cost(data: Data) -> None:
    """CVaR at any level with weight 0; and the mean of one future alone is that future."""
    two = futures(data, ("low", 0.6, 0.5), ("high", 0.4, 1.5))
    risky = {**two, "risk": {"cvar_level": 0.5, "cvar_weight": 0.0}}
    same(optimum(instance_of(risky)), optimum(instance_of(two)))
    one = {**futures(data, ("only", 1.0, 1.0)), "risk": {"cvar_level": 0.5, "cvar_weight": 0.7}}
    same(optimum(instance_of(one)), optimum(instance_of(data)))


@DETERMINISTIC
@given(problems(without=CERTAIN))
def test_deciding_together_costs_no_less_than_knowing(data: Data) -> None:
    """Σ p · cost of each future alone ≤ cost of the plan for all of them (wait and see ≤ here and now)."""
    two = futures(data, ("low", 0.6, 0.5), ("high", 0.4, 1.5))
    problem = load(two) if isfinite(optimum(instance_of(two))) else reject()
    alone = sum(p * optimum(normalise(problem, name)) for name, p in (("low", 0.6), ("high", 0.4)))
    no_more(alone, optimum(instance_of(two)))


WHOLE = ("unsplittable", "providers", "fee", "tiers", "signed", "term", "purchases")
TIMED = ("window", "deferral", "starts", "boot", "min_up", "discount")


@DETERMINISTIC
@given(problems(without=(*CERTAIN, *WHOLE, *TIMED)))
def test_a_period_cut_in_two_changes_nothing(data: Data) -> None:
    """With the same rates in both halves, and no integers."""
    if data["horizon"]["period_h"] > 24:
        reject()  # a half may then belong to another billing month
    for offer in data["offers"]:
        if "instances" in offer:
            offer["instances"] |= {"integral": False, "min": 0}
        if "commitment" in offer:
            offer["commitment"] = {"min_usd_per_month": 0}
    halves = copy.deepcopy(data)
    halves["horizon"] = {
        "periods": 2 * data["horizon"]["periods"],
        "period_h": data["horizon"]["period_h"] / 2,
    }
    for work in halves["workloads"]:
        counts = work["demand"].get("requests_by_period")
        if counts:
            work["demand"]["requests_by_period"] = [count / 2 for count in counts for _ in (0, 1)]
    same(cost(halves), cost(data))
