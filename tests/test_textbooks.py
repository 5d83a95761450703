"""Textbook stochastic programs through the public command, with published or independently worked optima."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from problem_factory import api, monthly, problem
from scipy.optimize import linprog
from sizing_factory import MONTH, M, contract, near, section, signed, sized

from router import cli
from router.sizing import SizeOptions, size

LANDS = Path(__file__).parent / "instances" / "textbook-lands.yaml"
CAPACITY_USD = np.array([10.0, 7.0, 16.0, 6.0])
RUNNING_USD = np.outer([1.0, 1.125, 0.8, 1.375], [40.0, 24.0, 4.0])
FUTURES = {3.0: 0.3, 5.0: 0.4, 7.0: 0.3}


def lands(futures: dict[float, float], capacity: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """LandS as Birge and Louveaux state it, written for scipy: x (4), then y (4 × 3) per scenario."""
    n = 4 + 12 * len(futures)
    cost = np.concatenate([CAPACITY_USD, *(p * RUNNING_USD.ravel() for p in futures.values())])
    rows, limit = [np.zeros(n), np.zeros(n)], [-12.0, 120.0]
    rows[0][:4], rows[1][:4] = -1.0, CAPACITY_USD
    for s, first in enumerate(futures):
        y = 4 + 12 * s + np.arange(12).reshape(4, 3)
        for i in range(4):
            row = np.zeros(n)
            row[y[i]], row[i] = 1.0, -1.0
            rows.append(row)
            limit.append(0.0)
        for mode, demand in enumerate((first, 3.0, 2.0)):
            row = np.zeros(n)
            row[y[:, mode]] = -1.0
            rows.append(row)
            limit.append(-demand)
    bounds = [(0.0, None)] * n
    if capacity is not None:
        bounds[:4] = [(x, x) for x in capacity]
    found = linprog(cost, np.array(rows), np.array(limit), bounds=bounds)
    assert found.status == 0
    return float(found.fun), found.x[:4]


def test_lands_by_the_public_command(capsys: pytest.CaptureFixture[str]) -> None:
    """RP 381.853 is published. The others follow from the same data:

        WS    each future at its own best
        EV    d1 = 5: x = (5/6, 3, 25/6, 4), the only optimum (its twelve units serve d1 = 7 too, so no future fails)
        EEV   that x in all three futures, and no other: an EV optimum is no choice here

    All four are solved again by scipy from the book's own formulation.
    """
    assert cli.run(["size", str(LANDS), "--json", "--no-quotes", "--alternatives", "0"]) == 0
    plan = json.loads(capsys.readouterr().out)
    told = plan["sizing"]
    rp, x = lands(FUTURES)
    ev, x_of_mean = lands({5.0: 1.0})
    ws = sum(p * lands({d: 1.0})[0] for d, p in FUTURES.items())
    eev, _ = lands(FUTURES, x_of_mean)
    assert rp == pytest.approx(381.853, abs=1e-3)
    assert x_of_mean == pytest.approx([5 / 6, 3, 25 / 6, 4])
    assert (told["rp_usd"], told["ws_usd"]) == (near(rp), near(ws))
    assert (told["ev_usd"], told["eev_usd"]) == (near(ev), near(eev))
    assert told["evpi_usd"] == pytest.approx(1.6867, abs=1e-4)
    assert told["vss_usd"] == pytest.approx(2.1333, abs=1e-4)
    assert [row["count"] for row in told["sign"]] == pytest.approx(x.tolist())
    assert plan["verified"]["ok"]


@pytest.mark.parametrize("method", ["program", "cuts"])
def test_lands_by_either_method(method: str) -> None:
    plan = size(LANDS, how=SizeOptions(method=method, questions=False, alternatives=0, measures=False))
    assert plan.objective_usd == pytest.approx(381.8533333, abs=1e-6)
    assert plan.bound_usd == pytest.approx(381.8533333, abs=1e-4)
    assert plan.solver.method == ("one program" if method == "program" else "cuts")


def newsvendor(rate: float, demands_m: list[float], most_m: float = 100.0) -> dict[str, object]:
    """A contract of any volume without overage, 1.50 USD per M on demand, equally likely demands."""
    n = len(demands_m)
    scenarios = [
        {"name": f"d{i}", "probability": 1 / n, "demand": {"*": demand}} for i, demand in enumerate(demands_m)
    ]
    volume = contract("volume", rate, 0, max_tokens_per_month=most_m * M, overage="none")
    return problem(monthly(M), [volume, api("rest", 1.5)], period_h=MONTH, scenarios=scenarios)


@pytest.mark.parametrize("method", ["program", "cuts"])
def test_newsvendor_by_hand(method: str) -> None:
    """Demand 1, 2 … 10 M, each with 0.1; 0.70 against 1.50 USD per M: commit while P(D > v) > 0.7 / 1.5 = 0.467.

    v         5      6      7
    P(D > v)  0.5    0.4    0.3      so v = 6
    cost      0.7 · 6 + 1.5 · (1 + 2 + 3 + 4) / 10 = 5.70
    """
    plan = sized(newsvendor(0.70, [float(d) for d in range(1, 11)]), method=method)
    assert signed(plan) == {"volume": near(6.0)}
    assert plan.cost_usd == near(5.70)


def test_newsvendor_quantile_of_a_continuous_demand() -> None:
    """Lognormal demand in 25 equally likely parts: v is its 1 − rate/on-demand quantile."""
    quantile = NormalDist(2.0, 0.5).inv_cdf
    demands = [float(np.exp(quantile((i + 0.5) / 25))) for i in range(25)]
    for rate in (0.3, 0.6, 1.2):
        plan = sized(newsvendor(rate, demands))
        exact = float(np.exp(quantile(1 - rate / 1.5)))
        volume = signed(plan)["volume"]
        assert volume is not None
        parts = np.searchsorted(demands, [volume * (1 - 1e-9), exact])
        assert abs(int(parts[0]) - int(parts[1])) <= 1
        assert volume in [pytest.approx(d) for d in demands]


def test_newsvendor_with_risk_commits_more() -> None:
    """All weight on the worst 30 %: demands 8, 9, 10. v = 8: (3 · 0.7 · 8 + 1.5 · 3) / 3; each M more saves
    1.5 · 2/3 and costs 0.7, up to 9; beyond it saves 1.5 / 3 = 0.5 < 0.7. So v = 9, CVaR 6.3 + 0.5 = 6.80.
    """
    data = newsvendor(0.70, [float(d) for d in range(1, 11)])
    plan = sized({**data, "risk": {"cvar_level": 0.7, "cvar_weight": 1.0}})
    assert signed(plan) == {"volume": near(9.0)}
    assert section(plan)["cvar_usd"] == near(6.80)
    assert plan.objective_usd == near(6.80)
    assert plan.bound_usd == near(6.80)


def test_frontier_between_cost_and_risk() -> None:
    """The same: from 6 M at 5.70 expected to 9 M at 6.80 CVaR; expected cost rises and CVaR falls on the way."""
    data = newsvendor(0.70, [float(d) for d in range(1, 11)])
    plan = sized({**data, "risk": {"cvar_level": 0.7}}, frontier=5)
    points = section(plan)["frontier"]
    assert [point["cvar_weight"] for point in points] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert points[0]["expected_usd"] == near(5.70)
    assert points[-1]["cvar_usd"] == pytest.approx(6.80, rel=1e-6)
    assert points[-1]["expected_usd"] == near(0.7 * 9 + 1.5 * 0.1)
    expected = [point["expected_usd"] for point in points]
    tails = [point["cvar_usd"] for point in points]
    assert expected == pytest.approx(sorted(expected))
    assert tails == pytest.approx(sorted(tails, reverse=True))
