"""Optima worked out by hand, in one period; each docstring shows the working. Through HiGHS and through CBC.

A million tokens an hour is written 1 M; a gpu serves whole millions an hour, an api has one price per M.
"""

from __future__ import annotations

import pytest
from problem_factory import (
    MONTH,
    SOLVERS,
    Data,
    api,
    counts,
    gpu,
    hourly,
    load,
    monthly,
    plan_of,
    problem,
    shares,
    sized,
    usd,
)
from pytest import approx

from router.api import solve
from router.errors import Infeasible
from solvers import SolveOptions

pytestmark = pytest.mark.parametrize("solver", SOLVERS)
M = 1e6


def contract(usd_per_m: float, name: str = "contract", **terms: object) -> Data:
    return api(name, usd_per_m, commitment=terms)


def a_month(workloads: list[Data] | Data, *offers: Data, **rest: object) -> Data:
    return problem(workloads, list(offers), period_h=MONTH, **rest)


# --- counts


def test_rounding_up_the_relaxation_is_not_optimal(solver: str) -> None:
    """10,000 tok/s; acme 2,500 tok/s at 3.50 $/h, zeta 900 tok/s at 1.20 $/h.

    k acme leave ceil((10,000 − 2,500 k) / 900) zeta:   k     0     1     2     3     4
                                                       $/h  14.4  14.3  14.2  14.1  14.0  <- best
    The relaxation takes 11.1 zeta (13.33 $/h), which rounds up to 14.4 $/h.
    """
    stream = sized("w", {"tokens_per_s": 10_000})
    data = problem(stream, [gpu("acme", 3.5, 9.0), gpu("zeta", 1.2, 3.24)])
    plan = plan_of(data, solver)
    assert plan.stop == "optimal"
    assert plan.cost_usd == approx(14.0)
    assert counts(plan) == {"acme": [4.0]}
    relaxed = solve(load(data), solver=solver, options=SolveOptions(relax=True))
    assert relaxed.cost_usd == approx(10_000 / 900 * 1.2)


def test_the_cheaper_engine_per_token_is_not_all_of_the_answer(solver: str) -> None:
    """10 M an hour; big 6 M at 10.00 (1.67 per M), small 4 M at 7.00 (1.75 per M).

    The relaxation takes 1.67 big, 16.67; rounded up 2 big, 20.00. Small alone needs 3, 21.00.
    One of each serves exactly 10 M: 17.00, and nothing below serves it: 1 big or 2 small are 6 and 8 M.
    """
    plan = plan_of(problem(hourly(10 * M), [gpu("big", 10, 6), gpu("small", 7, 4)]), solver)
    assert plan.cost_usd == approx(17.0)
    assert counts(plan) == {"big": [1.0], "small": [1.0]}


def test_a_minimum_and_a_step(solver: str) -> None:
    """6 M; gpus of 1 M at 1.00 come as 5, 8, 11 …: 8 cost 8.00; 5 and 1 M from the API at 2.50 cost 7.50."""
    offers = [gpu("g", 1, 1, min=5, step=3), api("api", 2.5)]
    plan = plan_of(problem(hourly(6 * M), offers), solver)
    assert plan.cost_usd == approx(7.5)
    assert counts(plan) == {"g": [5.0]}


def test_a_minimum_that_is_not_worth_opening(solver: str) -> None:
    """1 M; five gpus at least, 5.00, or the API at 4.00. A plan by shares of instances would pay 1.00."""
    offers = [gpu("g", 1, 1, min=5), api("api", 4)]
    plan = plan_of(problem(hourly(1 * M), offers), solver)
    assert plan.cost_usd == approx(4.0)
    assert counts(plan) == {}


def test_shared_units_with_burndown(solver: str) -> None:
    """Units of 1 M an hour at 3.00, of all models together; completion tokens take 4 units each.

    a: 0.4 M prompt, 0.4 M units. b: 0.2 M prompt and 0.1 M completion, 0.2 + 0.4 = 0.6 M units.
    Shared: exactly one unit, 3.00. With a pool each: two, 6.00.
    """
    a = hourly(0.4 * M, "a")
    b = sized("b", {"requests_per_hour": 1000}, prompt_tokens=200, completion_tokens=100, models=["n"])
    entry = {"units_per_s": 1e6 / 3600, "completion_burndown": 4}
    offer = {"name": "ptu", "models": {"m": entry, "n": entry}, "instances": {"usd_per_h": 3}}
    assert plan_of(problem([a, b], offer), solver).cost_usd == approx(6.0)
    offer["instances"]["shared_by_models"] = True
    plan = plan_of(problem([a, b], offer), solver)
    assert plan.cost_usd == approx(3.0)
    assert plan.instances[0].model is None
    assert plan.instances[0].utilisation == approx(1.0)


@pytest.mark.parametrize(("tokens", "cost"), [(1 * M, 1.0), (3 * M, 2.0)])
def test_reserved_instances_are_paid_whether_used_or_not(solver: str, tokens: float, cost: float) -> None:
    """Two reserved at 0.50, more at 1.00. 1 M needs one: 2 · 0.50. 3 M need three: 2 · 0.50 + 1.00."""
    offer = gpu("g", 1, 1, reserved=2, reserved_usd_per_h=0.5)
    assert plan_of(problem(hourly(tokens), offer), solver).cost_usd == approx(cost)


@pytest.mark.parametrize(("most", "cost"), [(8, 5.0), (7, 19.0)])
def test_a_group_limits_units_over_offers(solver: str, most: float, cost: float) -> None:
    """10 M. Node: 10 M, 8 units, 5.00. Card: 1 M, 1 unit, 1.00. API 4.00.

    With 8 units the node alone. With 7 no node fits: seven cards and 3 M from the API, 7 + 12 = 19.00.
    """
    offers = [gpu("card", 1, 1), gpu("node", 5, 10, units=8), api("api", 4)]
    groups = [{"name": "cards", "offers": ["card", "node"], "max_units": most}]
    assert plan_of(problem(hourly(10 * M), offers, groups=groups), solver).cost_usd == approx(cost)


def test_a_group_with_a_least_number_of_units(solver: str) -> None:
    """1 M needs one gpu of 2 units; the group must hold 5: three gpus, 3.00."""
    groups = [{"name": "g", "offers": ["g"], "min_units": 5}]
    plan = plan_of(problem(hourly(1 * M), gpu("g", 1, 1, units=2), groups=groups), solver)
    assert plan.cost_usd == approx(3.0)


def test_two_engines_apart_and_one_that_shares_its_time(solver: str) -> None:
    """1 M prompt and 0.25 M completion tokens; an instance does 2 M or 0.25 M of them, at 1.00.

    Apart (disaggregated): prompts take 0.5, completions 1.0 of an instance: one. Shared: 1.5, so two.
    """
    work = sized("w", {"requests_per_hour": 1000}, prompt_tokens=1000, completion_tokens=250)
    rates = {"prompt_tokens_per_s": 2e6 / 3600, "completion_tokens_per_s": 0.25e6 / 3600}
    offer = {"name": "g", "models": {"m": {**rates}}, "instances": {"usd_per_h": 1}}
    assert plan_of(problem(work, offer), solver).cost_usd == approx(2.0)
    offer["models"]["m"]["disaggregated"] = True
    assert plan_of(problem(work, offer), solver).cost_usd == approx(1.0)


def test_availability_and_planned_utilisation(solver: str) -> None:
    """1 M on instances of 1 M of which half are there, loaded to 80 %: 0.4 M each, so three at 1.00."""
    plan = plan_of(problem(hourly(M), gpu("spot", 1, 1, availability=0.5, max_utilisation=0.8)), solver)
    assert plan.cost_usd == approx(3.0)


def test_energy_and_a_limit_on_power(solver: str) -> None:
    """3 M; gpus of 1 M at 1.00 draw 5 kW at 0.20: 2.00 in all, the API 2.50. 12 kW carry two: 4.00 + 2.50."""
    offers = [gpu("g", 1, 1, power_kw=5), api("api", 2.5)]
    policy = {"energy_usd_per_kwh": 0.2, "max_power_kw": 12}
    plan = plan_of(problem(hourly(3 * M), offers, policy=policy), solver)
    assert plan.cost_usd == approx(6.5)
    assert usd(plan, kind="energy") == approx(2.0)


# --- routing


def test_a_quota_sends_the_rest_elsewhere(solver: str) -> None:
    """1 M; 10,000 tokens a minute are 0.6 M an hour at 1.00, the rest costs 3.00: 0.6 + 1.2."""
    offers = [api("cheap", 1, quota={"tokens_per_minute": 10_000}), api("dear", 3)]
    assert plan_of(problem(hourly(M), offers), solver).cost_usd == approx(1.8)


def test_a_quota_in_burndown_units(solver: str) -> None:
    """1 M prompt tokens that count half: 0.5 M units an hour; 5,000 a minute are 0.3 M units, 0.6 M tokens: 1.80."""
    cheap = api("cheap", 1, quota={"units_per_minute": 5000})
    cheap["models"]["m"]["prompt_burndown"] = 0.5
    assert plan_of(problem(hourly(M), [cheap, api("dear", 3)]), solver).cost_usd == approx(1.8)


def test_no_provider_carries_more_than_its_share(solver: str) -> None:
    """1 M; at most 60 % from one provider, and the two cheap offers have the same: 0.6 · 1 + 0.4 · 3."""
    work = hourly(M, routing={"max_share_per_provider": 0.6})
    offers = [api("a", 1, provider="north"), api("b", 1, provider="north"), api("c", 3, provider="south")]
    plan = plan_of(problem(work, offers), solver)
    assert plan.cost_usd == approx(1.8)
    assert shares(plan)["c"] == approx(0.4)


def test_three_providers_with_a_tenth_each(solver: str) -> None:
    """1 M at 1.00, 2.00, 5.00 and 9.00, three providers with at least 10 %: 0.8 + 0.1 · 2 + 0.1 · 5 = 1.50."""
    work = hourly(M, routing={"min_providers": 3, "min_share_per_provider": 0.1})
    offers = [api(f"p{price}", price) for price in (1, 2, 5, 9)]
    assert plan_of(problem(work, offers), solver).cost_usd == approx(1.5)


@pytest.mark.parametrize(("splittable", "cost"), [(True, 1.8), (False, 2.4)])
def test_unsplittable_work_leaves_quota_unused(solver: str, splittable: bool, cost: float) -> None:
    """Two workloads of 0.6 M; 0.9 M an hour at 1.00, the rest at 3.00.

    Split: 0.9 + 0.3 · 3 = 1.80. Whole: one of them fits, 0.6 + 0.6 · 3 = 2.40.
    """
    loads = [hourly(0.6 * M, name, routing={"splittable": splittable}) for name in ("a", "b")]
    offers = [api("cheap", 1, quota={"tokens_per_minute": 15_000}), api("dear", 3)]
    assert plan_of(problem(loads, offers), solver).cost_usd == approx(cost)


def test_what_is_not_worth_serving(solver: str) -> None:
    """1.5 M at 2.00 if dropped; gpus of 1 M at 1.50: two cost 3.00, one and half a million dropped 2.50."""
    work = hourly(1.5 * M, unserved_usd_per_m_tokens=2)
    plan = plan_of(problem(work, gpu("g", 1.5, 1)), solver)
    assert plan.cost_usd == approx(2.5)
    assert plan.unserved[0].share == approx(1 / 3)


def test_any_of_several_models(solver: str) -> None:
    """The workload takes m or n; m costs 2.00, n 1.00 but only 0.4 M of it: 0.4 + 0.6 · 2."""
    work = hourly(M, models=["m", "n"])
    offers = [api("a", 2), api("b", 1, models=("n",), quota={"tokens_per_minute": 0.4e6 / 60})]
    assert plan_of(problem(work, offers), solver).cost_usd == approx(1.6)


def test_everything_at_once(solver: str) -> None:
    """a: 1.2 M of m; b: 0.5 M of n. gpu 1 M of m at 1.00; api: m 2.00, n 3.00, no provider over 60 % of all tokens.

    gpu 1 M, 1.00; the rest, 0.2 M of a and 0.5 M of b, from the API: 0.4 + 1.5. Its share is 0.7 / 1.7 = 41 %. 2.90.
    """
    loads = [hourly(1.2 * M, "a"), hourly(0.5 * M, "b", models=["n"])]
    offer = {"name": "api", "models": {"m": {"prompt_usd_per_m": 2}, "n": {"prompt_usd_per_m": 3}}}
    data = problem(loads, [gpu("g", 1, 1, max=1), offer], policy={"max_share_per_provider": 0.6})
    assert plan_of(data, solver).cost_usd == approx(2.9)


# --- money by the month


@pytest.mark.parametrize(("tokens", "cost"), [(500 * M, 600), (300 * M, 450)])
def test_take_or_pay_is_signed_where_it_pays(solver: str, tokens: float, cost: float) -> None:
    """At least 600 M a month at 1.00, or 1.50 on demand. 500 M: 600 against 750. 300 M: 600 against 450."""
    data = a_month(monthly(tokens), contract(1, min_tokens_per_month=600 * M), api("api", 1.5))
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(cost)
    assert bool(plan.contracts) == (cost == 600)


def test_a_signed_contract_is_due(solver: str) -> None:
    """300 M; 600 M at 1.00 are bought already: 600, and all goes there, though 300 M alone would cost 450."""
    terms = {"min_tokens_per_month": 600 * M, "signed": True}
    plan = plan_of(a_month(monthly(300 * M), contract(1, **terms), api("api", 1.5)), solver)
    assert plan.cost_usd == approx(600)
    assert plan.settlements[0].utilisation == approx(0.5)


@pytest.mark.parametrize(
    ("overage", "cost"),
    [
        ({}, 800),
        ({"overage": "none"}, 900),
        ({"overage_usd_per_m": 2}, 900),
        ({"overage_usd_per_m": 0.5}, 700),
    ],
    ids=["at contract rates", "none", "dearer", "cheaper"],
)
def test_use_above_the_commitment(solver: str, overage: Data, cost: float) -> None:
    """800 M; 600 M committed at 1.00, 1.50 on demand.

    At contract rates: 800. None: 600 + 200 · 1.5. At 2.00: nobody uses it, the same. At 0.50: 600 + 200 · 0.5.
    """
    terms = contract(1, min_tokens_per_month=600 * M, **overage)
    assert plan_of(a_month(monthly(800 * M), terms, api("api", 1.5)), solver).cost_usd == approx(cost)


def test_a_minimum_in_dollars_over_models_of_different_prices(solver: str) -> None:
    """200 M of m at 1.00 and 80 M of n at 3.00 are 440; at least 500 are due. On demand at 2.00: 560."""
    loads = [monthly(200 * M, "a"), monthly(80 * M, "b", models=["n"])]
    offer = contract(1, min_usd_per_month=500)
    offer["models"]["n"] = {"prompt_usd_per_m": 3, "completion_usd_per_m": 3}
    plan = plan_of(a_month(loads, offer, api("api", 2, models=("m", "n"))), solver)
    assert plan.cost_usd == approx(500)
    assert plan.settlements[0].used_usd == approx(440)


def test_the_volume_to_commit_in_steps(solver: str) -> None:
    """600 M; committed in steps of 250 USD up to 1,000 at 1.00, none above it; 2.00 on demand.

    committed   250   500   750   1,000
    cost        950   700   750   1,000
    """
    terms = {"min_usd_per_month": 0, "max_usd_per_month": 1000, "step_usd_per_month": 250, "overage": "none"}
    plan = plan_of(a_month(monthly(600 * M), contract(1, **terms), api("api", 2)), solver)
    assert plan.cost_usd == approx(700)
    assert plan.contracts[0].committed_usd_per_month == approx(500)


def test_the_volume_to_commit_without_steps(solver: str) -> None:
    """600 M, committed exactly: 600 at 1.00, although the least is 400."""
    terms = {"min_tokens_per_month": 400 * M, "max_tokens_per_month": 1000 * M, "overage": "none"}
    plan = plan_of(a_month(monthly(600 * M), contract(1, **terms), api("api", 2)), solver)
    assert plan.cost_usd == approx(600)


@pytest.mark.parametrize(("tokens", "cost"), [(300 * M, 400), (150 * M, 225)])
def test_a_fee_is_paid_where_it_pays(solver: str, tokens: float, cost: float) -> None:
    """100 a month and 1.00, or 1.50. 300 M: 400 against 450. 150 M: 250 against 225."""
    data = a_month(monthly(tokens), api("member", 1, fee_usd_per_month=100), api("api", 1.5))
    assert plan_of(data, solver).cost_usd == approx(cost)


@pytest.mark.parametrize(("tokens", "cost"), [(150 * M, 300), (250 * M, 450)])
def test_bands_with_falling_prices(solver: str, tokens: float, cost: float) -> None:
    """3.00 up to 100 M, 1.00 above; 2.00 on demand. 150 M: 300 + 50 = 350 against 300. 250 M: 450 against 500.

    Without the order of the bands an LP would take the second from the first token: 150 and 250.
    """
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 3}, {"from_tokens_per_month": 100 * M, "usd_per_m": 1}]
    data = a_month(monthly(tokens), contract(9, tiers=tiers), api("api", 2))
    assert plan_of(data, solver).cost_usd == approx(cost)


@pytest.mark.parametrize(("tokens", "cost"), [(60 * M, 150), (55 * M, 143), (120 * M, 180)])
def test_buying_up_into_a_band_that_prices_all_units(solver: str, tokens: float, cost: float) -> None:
    """3.00, or 1.50 for all of it from 100 M on; 2.60 on demand.

    60 M: 180, on demand 156, buying 100 M 150. 55 M: on demand 143. 120 M: 180.
    """
    tiers = [
        {"from_tokens_per_month": 0, "usd_per_m": 3},
        {"from_tokens_per_month": 100 * M, "usd_per_m": 1.5},
    ]
    terms = {"tiers": tiers, "tier_kind": "all_units"}
    assert plan_of(
        a_month(monthly(tokens), contract(9, **terms), api("api", 2.6)), solver
    ).cost_usd == approx(cost)


def test_bands_count_the_commitment_too(solver: str) -> None:
    """50 M used, 200 M committed: 100 · 3 + 100 · 1 = 400, by the bands; signed before, so that it is due."""
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 3}, {"from_tokens_per_month": 100 * M, "usd_per_m": 1}]
    terms = {"tiers": tiers, "min_tokens_per_month": 200 * M, "signed": True}
    assert plan_of(a_month(monthly(50 * M), contract(9, **terms), api("api", 2)), solver).cost_usd == approx(
        400
    )


def test_a_limit_on_money_committed(solver: str) -> None:
    """500 M: 600 under a contract, 750 on demand; no more than 500 may be committed."""
    offers = [contract(1, min_tokens_per_month=600 * M), api("api", 1.5)]
    data = a_month(monthly(500 * M), *offers, policy={"max_committed_usd": 500})
    assert plan_of(data, solver).cost_usd == approx(750)
    data["policy"]["max_committed_usd"] = 600
    assert plan_of(data, solver).cost_usd == approx(600)


def test_a_limit_on_spending(solver: str) -> None:
    """1 M at 1.80 with a quota (as above): a budget of 1.80 will do, 1.79 will not."""
    offers = [api("cheap", 1, quota={"tokens_per_minute": 10_000}), api("dear", 3)]
    data = problem(hourly(M), offers, policy={"max_spend_usd": 1.8})
    assert plan_of(data, solver).cost_usd == approx(1.8)
    data["policy"]["max_spend_usd"] = 1.79
    with pytest.raises(Infeasible):
        plan_of(data, solver)
