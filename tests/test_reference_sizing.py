"""`router size` against a second reading of the specification, on small problems that mix everything it buys."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import pytest
from campaign import TIMES, times
from problem_factory import Data, api, by_period, gpu, load, monthly, problem
from random_sizing import START, random_problem, with_agreements
from reference_sizing import futures_of, measures, risk_of
from sizing_factory import contract

from router.errors import Infeasible
from router.sizing import SizeOptions, size
from solvers import SolveOptions

TOLERANCE = 1e-6
MONTH = 730.0
M = 1e6


def _rises(data: Data) -> int:
    """1 where a dearer band of all units begins just above what one would buy: the optimum is approached only."""
    for offer in data["offers"]:
        prices = [tier["usd_per_m"] for tier in offer.get("commitment", {}).get("tiers", [])]
        if prices != sorted(prices, reverse=True) and offer["commitment"]["tier_kind"] == "all_units":
            return 1
    return 0


def compare(data: Data, method: str, told: dict[str, float | None]) -> str | None:
    """What the program says otherwise than the reference; None: nothing."""
    options = SizeOptions(method=method, questions=False, alternatives=0, measures=method == "program")
    best = told["rp"]
    try:
        plan = size(load(data), how=options)
    except Infeasible as error:
        if "max_spend_usd" in data.get("policy", {}) and _rises(data):
            return None  # a budget met by an optimum that is only approached
        return None if best is None else f"infeasible, reference {best!r}: {error}"
    if best is None:
        return f"reference infeasible, program {plan.objective_usd!r}"
    if not plan.ok:
        return f"not verified: {[check.name for check in plan.verified.checks if not check.ok]}"
    slack = max(TOLERANCE, 1e-4 * _rises(data)) * max(1.0, abs(best))
    if plan.objective_usd < best - slack:
        return f"objective {plan.objective_usd!r} below the optimum {best!r}"
    if plan.bound_usd is not None and plan.bound_usd > best + slack:
        return f"bound {plan.bound_usd!r} above the optimum {best!r}"
    if method == "cuts":
        return None
    if plan.objective_usd > best + slack:
        return f"objective {plan.objective_usd!r}, optimum {best!r}"
    section = plan.to_dict()["sizing"]
    # what a future may commit is of mean prices, so that its own best is never dearer than its part of the plan
    of_mean = "max_committed_usd" in data.get("policy", {}) and any(
        one.get("prices") for one in data.get("scenarios", ())
    )
    for name in ("ev",) if of_mean else ("ws", "ev"):
        mine, other = told[name], section[f"{name}_usd"]
        if (mine is None) != (other is None) or (
            mine is not None and other is not None and abs(mine - other) > slack
        ):
            return f"{name} {other!r}, reference {mine!r}"
    costs = [row.cost_usd for row in plan.scenarios] or [plan.cost_usd]
    if abs(risk_of(data, futures_of(data), costs) - plan.objective_usd) > slack:
        return f"objective {plan.objective_usd!r} is not that of the costs by scenario {costs}"
    eev = section["eev_usd"]
    if eev is not None and eev < best - slack:
        return f"eev {eev!r} below the optimum {best!r}"
    return None


#: The last two: cuts took a solver's −3e-7 instances at their word, and 4e-16 of one were paid and not signed.
SEEDS = (*range(times(6)), 2843, 5078)


@cache
def _told(seed: int) -> dict[str, float | None]:
    return measures(random_problem(Random(seed)))


@pytest.mark.parametrize("method", ["program", "cuts"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_program_agrees_with_the_reference(seed: int, method: str) -> None:
    """Objective, WS and EV to 1e-6, infeasible alike; cuts: bound ≤ optimum ≤ objective."""
    assert compare(random_problem(Random(seed)), method, _told(seed)) is None


@cache
def _told_of_agreements(seed: int) -> dict[str, float | None]:
    return measures(with_agreements(random_problem(Random(seed)), Random(-seed)))


@pytest.mark.parametrize("method", ["program", "cuts"])
@pytest.mark.parametrize("seed", range(100, 100 + times(5)))
def test_agreements_and_ladders_agree_with_the_reference(seed: int, method: str) -> None:
    """Terms that add up or not, settled by the hour or the month, over tokens and machines, in several futures."""
    data = with_agreements(random_problem(Random(seed)), Random(-seed))
    assert compare(data, method, _told_of_agreements(seed)) is None


def _case(
    offers: list[Data] | Data,
    usd: float,
    method: str = "program",
    load: Data | None = None,
    name: str = "",
    **rest: Any,
) -> Any:
    """A problem of a million tokens a month unless said otherwise, and its optimum."""
    data = problem(load or monthly(M), offers, **{"period_h": MONTH, **rest})
    return pytest.param(data, usd, method, id=f"{name}, {method}")


def _futures(*stated: Data) -> list[Data]:
    return [{"name": f"s{i}", "probability": 1 / len(stated), **one} for i, one in enumerate(stated)]


HOUR = 1 / MONTH  # USD an hour that make one USD a month; M tokens an hour that make one a month
BANDS = [{"from_tokens_per_month": 0, "usd_per_m": 0.2}, {"from_tokens_per_month": 2 * M, "usd_per_m": 2.0}]
SIGNED: Data = {"term_months": 2, "signed": True, "signed_until": "2026-01-31T10:00:00"}
UNSERVED: Data = {"unserved_usd_per_m_tokens": 2.5, "routing": {"max_share_per_provider": 0.6}}

#: Where the program was wrong once, as found with the reference and made small; each optimum worked out beside it.
FOUND = (
    # (0 + 3) / 2: a future without demand, and nothing to sign
    _case(api("rest", 3.0), 1.5, name="no column", scenarios=_futures({"demand": {"*": 0}}, {})),
    # 1 M at 3
    _case(api("rest", 3.0), 3.0, "cuts", name="cuts without a first stage"),
    # months of 1,000 and 500 h, a term of 1,460 h: from the second month on max(0.5 · 500/730, 0.5 · 1)
    _case(
        [contract("o", 0.5, 1, term_months=2), api("rest", 3.0)],
        0.5,
        load=by_period([0, 0, M]),
        name="a term of as many months, but shorter",
        periods=3,
        period_h=500.0,
    ),
    # 0.5 as signed; a term as long as the horizon may follow only where it is said: 0.5, else 3 at the API
    _case(
        [contract("o", 0.5, 1, **SIGNED), api("rest", 3.0)],
        3.5,
        name="signed for a month of two",
        periods=2,
        horizon={"start": START},
    ),
    _case(
        [contract("o", 0.5, 1, start="any", **SIGNED), api("rest", 3.0)],
        1.0,
        name="signed anew for as long as the horizon",
        periods=2,
        horizon={"start": START},
    ),
    # 3 are needed, sold in twos: 4, of which 1 is reserved
    _case(
        gpu("o", HOUR, HOUR, term_months=1, step=2, reserved=1),
        4.0,
        load=monthly(3 * M),
        name="no room for reserved and bought together",
        scenarios=_futures({"demand": {"*": 0.3}}, {}),
    ),
    # 1 is needed, sold in twos
    _case(gpu("o", HOUR, HOUR, term_months=1, step=2), 2.0, "cuts", name="cuts buy a number not sold"),
    # 5 M unsplit: 10 in the upper band of all units, 7.5 at the API; cuts pay the fee of the former for nothing
    _case(
        [
            {
                **api("o", 1.0, fee_usd_per_month=0.1),
                "models": {"m": {}},
                "commitment": {"min_tokens_per_month": 0, "tier_kind": "all_units", "tiers": BANDS},
            },
            api("rest", 1.5),
        ],
        7.5,
        "cuts",
        load=monthly(5 * M, routing={"splittable": False}),
        name="cuts pay a fee unused",
    ),
    # 1.5 instances for the larger future; the mean's 1 does not serve it
    _case(
        gpu("o", HOUR, HOUR, resize="horizon", integral=False),
        1.5,
        "cuts",
        name="cuts stop at a first x that fails",
        scenarios=_futures({"demand": {"*": 0.5}}, {"demand": {"*": 1.5}}),
    ),
    # (1.5 + 0.5) / 2 = 1 expected, within 1.2; the dearer future alone is not
    _case(
        [gpu("o", HOUR, HOUR, resize="horizon"), api("rest", 9.0)],
        1.0,
        name="a budget expected at first, by scenario afterwards",
        scenarios=_futures({"prices": {"o": 1.5}}, {"prices": {"o": 0.5}}),
        policy={"max_committed_usd": 1.2},
    ),
    # 1.5 + 0.5 in either future, within 2.5
    _case(
        [gpu(name, HOUR, HOUR, resize="horizon", max=1) for name in ("g", "h")] + [api("rest", 9.0)],
        2.0,
        "cuts",
        load=monthly(2 * M),
        name="cuts hold the budget at each offer's dearest price",
        scenarios=_futures({"prices": {"g": 1.5, "h": 0.5}}, {"prices": {"g": 0.5, "h": 1.5}}),
        policy={"max_committed_usd": 2.5},
    ),
    # one provider may not carry all that is served: nothing is; 8.3 · 2.5 · (1 + 0.25) / 2 + 1 reserved
    _case(
        gpu("o", HOUR, HOUR, term_months=1, reserved=1),
        13.96875,
        load=monthly(8.3 * M, **UNSERVED),
        name="an optimum that HiGHS 1.15.1 missed",
        periods=2,
        period_h=365.0,
        scenarios=_futures({"demand": {"*": 0.25}}, {}),
    ),
)


@pytest.mark.parametrize(("data", "usd", "method"), FOUND)
def test_optima_missed_once(data: Data, usd: float, method: str) -> None:
    options = SizeOptions(method=method, questions=False, alternatives=0, measures=False)
    plan = size(load(data), how=options)
    assert plan.ok
    assert plan.objective_usd == pytest.approx(usd, rel=TOLERANCE)


@pytest.mark.parametrize(
    ("seed", "method", "gap"),
    [
        pytest.param(350, "cuts", 1e-6, id="3 tokens below the minimum: a solver's tolerance"),
        pytest.param(3210, "cuts", 0.1, id="0.4 tokens of what is not signed"),
        pytest.param(3075, "auto", 0.1, id="one more beside a term that has not ended: 4 of at most 3"),
        *[pytest.param(3182, "cuts", 1e-6, id="1.5 tokens of the same")] * (TIMES > 1),
    ],
)
def test_every_question_is_answered(
    seed: int, method: str, gap: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where variants of the plan stumbled once; the demand at which the advice flips is found less closely."""
    monkeypatch.setattr("router.sizing.sensitivity.CLOSE", 0.1)
    how = SizeOptions(method=method, questions=True, alternatives=3, frontier=3)
    plan = size(load(random_problem(Random(seed))), how=how, options=SolveOptions(gap=gap))
    assert plan.ok
    assert plan.to_dict()["sizing"]["quotes"]
