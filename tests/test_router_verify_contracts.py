"""`router.verification` on contracts, tiers, terms, scenarios and risk: every bill worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from test_router_verify_plans import line, plan_for, route, verify

from router.loading.catalogue import load_text
from router.verification.base.costs import cvar

ONE = """
schema: router/1
horizon: {horizon}
models: {{m: {{}}}}
workloads:
  - name: w
    models: [m]
    demand: {{requests_by_period: {demand}}}
    prompt_tokens: 1M
    completion_tokens: 0
offers:
  - name: c
    models: {{m: {{{prices}}}}}
    commitment: {{{commitment}}}
policy: {{{policy}}}
"""


def problem_of(
    commitment: str,
    prices: str | None = None,
    demand: str = "[50]",
    horizon: str = "{periods: 1, period_h: 730}",
    policy: str = "",
    more: str = "",
) -> Any:
    """One workload of so many million tokens a period on one contract, at 2 USD per M where no tiers price them."""
    prices = prices or ("" if "tiers" in commitment else "prompt_usd_per_m: 2")
    text = ONE.format(commitment=commitment, prices=prices, demand=demand, horizon=horizon, policy=policy)
    return load_text(text + more)


def contract(**row: Any) -> dict[str, Any]:
    return {
        "offer": "c",
        "from_h": 0.0,
        "until_h": 730.0,
        "signed_by": "plan",
        "committed_tokens_per_month": None,
        "committed_usd_per_month": None,
    } | row


def month(
    used: float, used_usd: float, billed: float, utilisation: float | None, **row: Any
) -> dict[str, Any]:
    return {
        "offer": "c",
        "from_h": 0.0,
        "until_h": 730.0,
        "scenario": None,
        "signed": True,
        "committed_tokens_per_month": None,
        "committed_usd_per_month": None,
        "used_tokens": used,
        "used_usd": used_usd,
        "billed_usd": billed,
        "beyond_horizon_usd": 0.0,
        "utilisation": utilisation,
    } | row


BILLS = [
    ("take or pay, short", "min_tokens_per_month: 80M", {"tokens": 80e6}, 100.0, 160.0, 50 / 80),
    ("take or pay, above", "min_tokens_per_month: 40M", {"tokens": 40e6}, 100.0, 100.0, 50 / 40),
    (
        "own price beyond",
        "min_tokens_per_month: 40M, overage_usd_per_m: 3",
        {"tokens": 40e6},
        100.0,
        110.0,
        1.25,
    ),
    ("usd, short", "min_usd_per_month: 130", {"usd": 130.0}, 100.0, 130.0, 100 / 130),
    ("usd, above", "min_usd_per_month: 70", {"usd": 70.0}, 100.0, 100.0, 100 / 70),
    ("usd, own price", "min_usd_per_month: 70, overage_usd_per_m: 4", {"usd": 70.0}, 100.0, 130.0, 100 / 70),
    (
        "usd decided in steps",
        "min_usd_per_month: 0, max_usd_per_month: 500, step_usd_per_month: 60",
        {"usd": 120.0},
        100.0,
        120.0,
        100 / 120,
    ),
    (
        "bands",
        "tiers: [{from_tokens_per_month: 0, usd_per_m: 3}, {from_tokens_per_month: 20M, usd_per_m: 1}]",
        {"tokens": 0.0},
        90.0,
        90.0,
        None,
    ),
    (
        "bands, short",
        "min_tokens_per_month: 60M, tiers: [{from_tokens_per_month: 0, usd_per_m: 3},"
        " {from_tokens_per_month: 20M, usd_per_m: 1}]",
        {"tokens": 60e6},
        90.0,
        100.0,
        50 / 60,
    ),
    (
        "all units",
        "tier_kind: all_units, tiers: [{from_tokens_per_month: 0, usd_per_m: 3},"
        " {from_tokens_per_month: 50M, usd_per_m: 1}]",
        {"tokens": 0.0},
        50.0,
        50.0,
        None,
    ),
    (
        "all units, bought up",
        "tier_kind: all_units, tiers: [{from_tokens_per_month: 0, usd_per_m: 3},"
        " {from_tokens_per_month: 60M, usd_per_m: 1}]",
        {"tokens": 0.0},
        60.0,
        60.0,
        None,
    ),
]


@pytest.mark.parametrize(("_", "commitment", "committed", "worth", "bill", "utilisation"), BILLS)
def test_bills(
    _: str, commitment: str, committed: dict[str, float], worth: float, bill: float, utilisation: Any
):
    """50 M tokens at 2 $/M are worth 100 USD.

    80 M committed: 160. Beyond 40 M at 3: 80 + 30. 70 USD are 35 M; 15 M beyond at 4: 70 + 60.
    Bands 3 to 20 M, then 1: 60 + 30 = 90; of 60 M: 100. All units from 50 M (inclusive) at 1: 50; from 60 M
    at 1, below at 3: buying 60 M costs 60, less than 150.
    """
    problem = problem_of(commitment)
    stated = {
        "committed_tokens_per_month": committed.get("tokens"),
        "committed_usd_per_month": committed.get("usd"),
    }
    rows: dict[str, Any] = {
        "routes": [route("w", "c", "m", 1.0, (50.0, 50e6, 0.0))],
        "contracts": [contract(**stated)],
        "settlements": [month(50e6, worth, bill, utilisation, **stated)],
        "cost_lines": [line("c", "commitment", bill)],
    }
    verdict = verify(problem, plan_for(problem, **rows))
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(bill)
    rows["cost_lines"] = [line("c", "commitment", bill - 1)]
    rows["settlements"][0]["billed_usd"] = bill - 1
    cheaper = verify(problem, plan_for(problem, **rows)).failed()
    assert cheaper == ("settlements", "cost_lines", "cost", "bound")


@pytest.mark.parametrize(
    ("commitment", "usd"),
    [
        ("min_usd_per_month: 130", 120.0),
        ("min_usd_per_month: 0, max_usd_per_month: 100", 120.0),
        ("min_usd_per_month: 0, max_usd_per_month: 500, step_usd_per_month: 50", 120.0),
        ("min_usd_per_month: 100", 120.0),
    ],
)
def test_what_is_committed_must_be_for_sale(commitment: str, usd: float):
    """120 USD: below the minimum, above the maximum, no multiple of the step, not the fixed minimum."""
    problem = problem_of(commitment)
    plan = plan_for(
        problem,
        routes=[route("w", "c", "m", 1.0, (50.0, 50e6, 0.0))],
        contracts=[contract(committed_usd_per_month=usd)],
        settlements=[month(50e6, 100.0, 120.0, 100 / 120, committed_usd_per_month=usd)],
        cost_lines=[line("c", "commitment", 120.0)],
    )
    assert verify(problem, plan).failed() == ("contracts",)


def test_minima_are_prorated_by_hours():
    """365 h are half a month: 80 M committed are 40 M, 50 M are used; half of it is owed beyond: 40 M · 2 = 80."""
    problem = problem_of("min_tokens_per_month: 80M, term_months: 1", horizon="{periods: 1, period_h: 365}")
    stated = {"committed_tokens_per_month": 80e6}
    plan = plan_for(
        problem,
        routes=[route("w", "c", "m", 1.0, (50.0, 50e6, 0.0))],
        contracts=[contract(**stated)],
        settlements=[month(50e6, 100.0, 100.0, 50 / 40, until_h=365.0, beyond_horizon_usd=80.0, **stated)],
        cost_lines=[line("c", "commitment", 100.0)],
    )
    assert verify(problem, plan).failed() == ()


MONTHS = "{periods: 4, period_h: 730}"


def two_terms(problem: Any, starts: tuple[int, int], beyond: float, usd: float) -> dict[str, Any]:
    """Two terms of 2 months; demand 50, 10, 0, 50 M; 20 M committed: bills 100, 40, 0 or 40, 100."""
    stated = {"committed_tokens_per_month": 20e6}
    used = {0: 50e6, 1: 10e6, 2: 0.0, 3: 50e6}
    covered = [t for start in starts for t in range(start, min(start + 2, 4))]
    return plan_for(
        problem,
        routes=[route("w", "c", "m", 1.0, (used[t] / 1e6, used[t], 0.0), period=t) for t in (0, 1, 3)],
        contracts=[contract(from_h=730.0 * start, until_h=730.0 * (start + 2), **stated) for start in starts],
        settlements=[
            month(
                used[t],
                used[t] * 2e-6,
                2e-6 * max(used[t], 20e6),
                used[t] / 20e6,
                from_h=730.0 * t,
                until_h=730.0 * (t + 1),
                beyond_horizon_usd=beyond if t == 3 else 0.0,
                **stated,
            )
            for t in covered
        ],
        cost_lines=[line("c", "commitment", usd)],
    )


def test_terms_by_start_month():
    """Months 0–1 and 2–3: 100 + 40 + 40 + 100. Months 0–1 and 3–4: 240, and 40 owed beyond the horizon."""
    commitment = "min_tokens_per_month: 20M, term_months: 2"
    problem = problem_of(commitment, demand="[50, 10, 0, 50]", horizon=MONTHS)
    assert verify(problem, two_terms(problem, (0, 2), 0.0, 280.0)).failed() == ()
    assert verify(problem, two_terms(problem, (0, 3), 40.0, 240.0)).failed() == ()
    hidden = two_terms(problem, (0, 3), 0.0, 240.0)
    assert verify(problem, hidden).failed() == ("settlements",)
    assert "contracts" in verify(problem, two_terms(problem, (0, 1), 0.0, 240.0)).failed()
    full = problem_of(
        commitment, demand="[50, 10, 0, 50]", horizon=MONTHS, policy="end_of_horizon: charge_in_full"
    )
    assert verify(full, two_terms(full, (0, 3), 40.0, 280.0)).failed() == ()


def test_nothing_runs_without_a_contract():
    """Month 3 is served, but its term ended with month 1: the bill is as used, the contract is missing."""
    problem = problem_of(
        "min_tokens_per_month: 20M, term_months: 2", demand="[50, 10, 0, 50]", horizon=MONTHS
    )
    plan = two_terms(problem, (0, 2), 0.0, 240.0)
    del plan["contracts"][1]
    del plan["settlements"][2:]
    assert verify(problem, plan).failed() == ("contracts",)


def test_a_contract_already_signed_is_due_until_its_end_whatever_the_plan_does():
    """Signed until 15 January of a horizon from 1 December: months 0 and 1 (to 29 January), 2 · 40 USD unused."""
    problem = problem_of(
        "min_tokens_per_month: 20M, signed: true, signed_until: 2027-01-15",
        demand="[0, 0, 0, 0]",
        horizon='{periods: 4, period_h: 730, start: "2026-12-01T00:00:00"}',
    )
    stated = {"committed_tokens_per_month": 20e6}
    rows: dict[str, Any] = {
        "contracts": [contract(signed_by="before", until_h=1460.0, **stated)],
        "settlements": [
            month(0.0, 0.0, 40.0, 0.0, from_h=h, until_h=h + 730.0, **stated) for h in (0.0, 730.0)
        ],
        "cost_lines": [line("c", "commitment", 80.0)],
    }
    verdict = verify(problem, plan_for(problem, **rows))
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(80.0)
    forgotten = plan_for(problem)
    assert set(verify(problem, forgotten).failed()) >= {"contracts", "settlements", "cost_lines", "cost"}
    assert verify(problem, forgotten).cost_usd == pytest.approx(80.0)


def test_overage_none_limits_the_use():
    """50 M on a commitment of 40 M that has no overage."""
    problem = problem_of("min_tokens_per_month: 40M, overage: none")
    stated = {"committed_tokens_per_month": 40e6}
    plan = plan_for(
        problem,
        routes=[route("w", "c", "m", 1.0, (50.0, 50e6, 0.0))],
        contracts=[contract(**stated)],
        settlements=[month(50e6, 100.0, 100.0, 1.25, **stated)],
        cost_lines=[line("c", "commitment", 100.0)],
    )
    assert verify(problem, plan).failed() == ("overage",)


FUTURES = """
scenarios:
  - {name: base, probability: 0.75}
  - {name: surge, probability: 0.25, demand: {"*": 0.5, w: 2}, prices: {c: 1.5}}
risk: {cvar_level: 0.8, cvar_weight: 0.5}
"""


def sized(problem: Any, **change: Any) -> dict[str, Any]:
    """Committed 60 M. base: 50 M used, 120 USD. surge: 100 M at 3, 300 USD.

    Expected 0.75 · 120 + 0.25 · 300 = 165. The worst 0.2 of the probability is surge: CVaR 300.
    Objective 0.5 · 165 + 0.5 · 300 = 232.5.
    """
    stated = {"committed_tokens_per_month": 60e6}
    return (
        plan_for(
            problem,
            routes=[
                route("w", "c", "m", 1.0, (50.0, 50e6, 0.0), scenario="base"),
                route("w", "c", "m", 1.0, (100.0, 100e6, 0.0), scenario="surge"),
            ],
            contracts=[contract(**stated)],
            settlements=[
                month(50e6, 100.0, 120.0, 50 / 60, scenario="base", **stated),
                month(100e6, 300.0, 300.0, 100 / 60, scenario="surge", **stated),
            ],
            cost_lines=[line("c", "commitment", 165.0)],
            scenarios=[
                {"name": "base", "probability": 0.75, "cost_usd": 120.0},
                {"name": "surge", "probability": 0.25, "cost_usd": 300.0},
            ],
        )
        | {"objective_usd": 232.5, "bound_usd": 186.0, "gap": 0.2}
        | change
    )


def test_a_sized_plan_is_checked_scenario_by_scenario():
    problem = problem_of("min_tokens_per_month: 60M", more=FUTURES)
    verdict = verify(problem, sized(problem))
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(165.0)
    assert verify(problem, sized(problem, objective_usd=232.0)).failed() == ("bound",)
    costs = sized(problem)["scenarios"]
    wrong = [{**costs[0], "cost_usd": 119.0}, costs[1]]
    assert verify(problem, sized(problem, scenarios=wrong)).failed() == ("scenarios",)
    unlikely = [{**costs[0], "probability": 0.5}, costs[1]]
    assert verify(problem, sized(problem, scenarios=unlikely)).failed() == ("scenarios",)
    assert "scenarios" in verify(problem, sized(problem, scenarios=[])).failed()
    plan = sized(problem)
    del plan["routes"][1]
    assert "demand" in verify(problem, plan).failed()


def test_a_plan_for_one_scenario_of_several():
    """`surge` alone: 300 USD, certain; its rows need no scenario."""
    problem = problem_of("min_tokens_per_month: 60M", more=FUTURES)
    stated = {"committed_tokens_per_month": 60e6}
    plan = plan_for(
        problem,
        routes=[route("w", "c", "m", 1.0, (100.0, 100e6, 0.0))],
        contracts=[contract(**stated)],
        settlements=[month(100e6, 300.0, 300.0, 100 / 60, **stated)],
        cost_lines=[line("c", "commitment", 300.0)],
        scenarios=[{"name": "surge", "probability": 1.0, "cost_usd": 300.0}],
    )
    assert verify(problem, plan).failed() == ()


def test_cvar_is_the_mean_of_the_worst_part():
    """Worst 0.3 of (0.5: 10, 0.3: 20, 0.2: 50): 0.2 at 50 and 0.1 at 20 = 12 / 0.3 = 40. At 0 the mean: 21."""
    costs = [(0.5, 10.0), (0.3, 20.0), (0.2, 50.0)]
    assert cvar(costs, 0.7) == pytest.approx(40.0)
    assert cvar(costs, 0.0) == pytest.approx(21.0)


def test_a_fee_is_due_in_every_month_if_the_offer_carries_anything():
    """Used in month 0 only of a month and a half: 60 + 30."""
    problem = load_text("""
schema: router/1
horizon: {periods: 3, period_h: 365}
models: {m: {}}
workloads: [{name: w, models: [m], demand: {requests_by_period: [1, 0, 0]}, prompt_tokens: 1M, completion_tokens: 0}]
offers: [{name: o, models: {m: {prompt_usd_per_m: 2}}, fee_usd_per_month: 60}]
""")
    plan = plan_for(
        problem,
        routes=[route("w", "o", "m", 1.0, (1.0, 1e6, 0.0))],
        cost_lines=[line("o", "tokens", 2.0), line("o", "fee", 90.0)],
    )
    assert verify(problem, plan).failed() == ()


def test_cached_prompt_tokens_have_their_own_price():
    """1,000 requests of 1,000 + 100 tokens, half of the prompt cached: 0.5 M · 2 + 0.5 M · 0.5 + 0.1 M · 4."""
    problem = load_text("""
schema: router/1
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {requests_total: 1000}, prompt_tokens: 1000, completion_tokens: 100,
     cached_prompt_share: 0.5}
offers: [{name: o, models: {m: {prompt_usd_per_m: 2, cached_prompt_usd_per_m: 0.5, completion_usd_per_m: 4}}}]
""")
    plan = plan_for(
        problem,
        routes=[route("w", "o", "m", 1.0, (1000.0, 1e6, 1e5))],
        cost_lines=[line("o", "tokens", 1.65)],
    )
    assert verify(problem, plan).failed() == ()


def test_a_contract_already_signed_commits_to_its_minimum_whatever_the_step():
    """70 USD, signed, though new ones are sold in multiples of 60: 100 used, 100 billed. 120 was not bought."""
    problem = problem_of(
        "min_usd_per_month: 70, max_usd_per_month: 500, step_usd_per_month: 60, signed: true"
    )

    def plan(usd: float, bill: float) -> dict[str, Any]:
        return plan_for(
            problem,
            routes=[route("w", "c", "m", 1.0, (50.0, 50e6, 0.0))],
            contracts=[contract(signed_by="before", committed_usd_per_month=usd)],
            settlements=[month(50e6, 100.0, bill, 100 / usd, committed_usd_per_month=usd)],
            cost_lines=[line("c", "commitment", bill)],
        )

    assert verify(problem, plan(70.0, 100.0)).failed() == ()
    assert verify(problem, plan(120.0, 120.0)).failed() == ("contracts",)


def test_a_term_owes_from_the_end_of_the_horizon_to_its_own():
    """2 periods of 500 h, both of month 0; 2 months to hour 1,460: inside 40 · 1,000 / 730, beyond 40 · 460 / 730."""
    problem = problem_of(
        "min_usd_per_month: 40, term_months: 2", demand="[1, 0]", horizon="{periods: 2, period_h: 500}"
    )
    inside = 40 * 1000 / 730
    stated = {"until_h": 1000.0, "committed_usd_per_month": 40.0, "beyond_horizon_usd": 40 * 460 / 730}
    plan = plan_for(
        problem,
        routes=[route("w", "c", "m", 1.0, (1.0, 1e6, 0.0))],
        contracts=[contract(until_h=1460.0, committed_usd_per_month=40.0)],
        settlements=[month(1e6, 2.0, inside, 2 / inside, **stated)],
        cost_lines=[line("c", "commitment", inside)],
    )
    assert verify(problem, plan).failed() == ()


@pytest.mark.parametrize(("contracts", "settlements"), [(1.0, None), (None, 1.0)])
def test_a_commitment_in_dollars_states_no_tokens(contracts: float | None, settlements: float | None):
    """40 USD committed for a month, 100 used; a volume of tokens beside it is of the other unit."""
    problem = problem_of("min_usd_per_month: 40")
    of_contract = {} if contracts is None else {"committed_tokens_per_month": contracts}
    of_month = {} if settlements is None else {"committed_tokens_per_month": settlements}
    plan = plan_for(
        problem,
        routes=[route("w", "c", "m", 1.0, (50.0, 50e6, 0.0))],
        contracts=[contract(committed_usd_per_month=40.0, **of_contract)],
        settlements=[month(50e6, 100.0, 100.0, 2.5, committed_usd_per_month=40.0, **of_month)],
        cost_lines=[line("c", "commitment", 100.0)],
    )
    assert verify(problem, plan).failed() == (("contracts",) if of_contract else ("settlements",))
