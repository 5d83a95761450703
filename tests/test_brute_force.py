"""The planner against brute force: every integer plan of a tiny problem is tried, the rest solved by scipy.

Three families of seeded random problems: contracts, fees, tiers, instances, shares over one to three periods; those
where time couples the periods: starts, boots, minimum up times, terms, windows, deferral; and the first with prices as
they are billed.
"""

from __future__ import annotations

from random import Random

import pytest
from brute_force import TooLarge, cheapest
from campaign import times
from problem_factory import Data, load
from strategies import EVERYTHING, billed_otherwise, random_problem

from router.api import solve
from router.errors import Infeasible, InputError

pytestmark = pytest.mark.usefixtures("short_proofs")

UNKNOWN = {"window", "slo", "needs", "points", "discount", "scenarios", "allow"}
TIMED = {"window", "deferral", "starts", "boot", "min_up", "purchases", "term", "horizon"}
COUNTED = {"instances", "several_models", "shared", "reserved", "unserved", "min_step", "availability"}
MOST_PLANS = 400


def contracts_and_counts(seed: int) -> Data:
    return random_problem(Random(seed), EVERYTHING - UNKNOWN)


def coupled_over_time(seed: int) -> Data:
    rng = Random(seed)
    features = TIMED | COUNTED | {"real_counts", "groups", "signed"}
    return random_problem(rng, features, periods=rng.choice((2, 3)), offers=rng.choice((1, 2)))


def as_it_is_billed(seed: int) -> Data:
    data = random_problem(Random(seed), EVERYTHING - UNKNOWN - {"groups", "power"})
    return billed_otherwise(data, Random(seed))


def by_share(seed: int) -> Data:
    """With floors under the mean quality, and limits by model, offer and provider."""
    rng = Random(seed)
    data = random_problem(Random(seed), EVERYTHING - UNKNOWN - {"unsplittable", "power"})
    for model in data["models"].values():
        model["quality"] = rng.choice((0.5, 0.8, 0.9))
    for work in data["workloads"]:
        quality = [data["models"][model]["quality"] for model in work["models"]]
        if rng.random() < 0.6:
            work["needs"] = {"min_mean_quality": (min(quality) + max(quality)) / 2}
        limits = work.setdefault("routing", {}).setdefault("shares", {})
        if rng.random() < 0.5 and len(work["models"]) > 1:
            limits["models"] = {rng.choice(work["models"]): rng.choice(({"max": 0.7}, {"min": 0.1}))}
        if rng.random() < 0.5:
            limits["offers"] = {data["offers"][0]["name"]: {"max": rng.choice((0.3, 0.6))}}
        if rng.random() < 0.3:
            limits["providers"] = {data["offers"][-1]["provider"]: {"min": 0.1}}
    return data


def bounded(data: Data) -> Data:
    """Brute force needs an end."""
    for offer in data["offers"]:
        if "instances" in offer:
            offer["instances"].setdefault("max", 3)
    return data


def planned(data: Data) -> float | None:
    try:
        return solve(load(data)).cost_usd
    except Infeasible:
        return None


@pytest.mark.parametrize(
    ("family", "seeds", "enough"),
    [
        (contracts_and_counts, range(times(36)), times(18)),
        (coupled_over_time, range(times(24)), times(12)),
        (as_it_is_billed, range(1000, 1000 + times(26)), times(13)),
        (by_share, range(2000, 2000 + times(24)), times(10)),
    ],
    ids=["contracts and counts", "coupled over time", "as it is billed", "by share"],
)
def test_no_integer_plan_is_cheaper(family: type, seeds: range, enough: int) -> None:
    """Costs agree to 1e-6, and so does whether there is a plan; most problems have one."""
    compared = feasible = 0
    for seed in seeds:
        data = bounded(family(seed))
        try:
            best = cheapest(data, MOST_PLANS)
            found = planned(data)
        except (TooLarge, InputError):  # too many plans to try, or what no plan is made for yet
            continue
        assert (found is None) == (best is None), (
            f"seed {seed}: {found} by the planner, {best} by brute force"
        )
        assert found is None or found == pytest.approx(best, rel=1e-6, abs=1e-9), f"seed {seed}"
        compared, feasible = compared + 1, feasible + (found is not None)
    assert compared >= enough
    assert feasible >= 0.75 * compared


def test_brute_force_knows_the_example_of_the_style_guide() -> None:
    """10,000 tok/s; acme 2,500 tok/s at 3.50 $/h, zeta 900 tok/s at 1.20 $/h: 4 acme, 14.00 $/h."""
    offers = [
        {"name": name, "models": {"m": {"tokens_per_s": rate}}, "instances": {"usd_per_h": usd, "max": most}}
        for name, rate, usd, most in (("acme", 2500, 3.5, 4), ("zeta", 900, 1.2, 12))
    ]
    load = {"name": "w", "models": ["m"], "demand": {"tokens_per_s": 10000, "completion_share": 0.5}}
    data = {"horizon": {"period_h": 1}, "workloads": [load], "offers": offers}
    assert cheapest(data) == pytest.approx(14.0)
