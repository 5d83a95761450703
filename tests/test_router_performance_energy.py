"""Case 14: tokens per second per kW, read off the energy a plan pays for."""

from __future__ import annotations

from pathlib import Path

import pytest

import router
from router.api import solve

FILE = Path(router.__file__).parent / "examples" / "case-14-energy.yaml"
USD_PER_KWH = 0.10


@pytest.mark.parametrize("solver", ["highs", "pulp:COIN_CMD"])
def test_energy_of_wafers_and_servers(solver: str) -> None:
    """306 M tokens in an hour each: 17 wafers · 20 kW = 340 kWh, 25 servers · 5.6 kW = 140 kWh.

    306e6 / 340 / 3600 = 250 tok/s per kW; 306e6 / 140 / 3600 = 607.14.
    """
    plan = solve(FILE, solver=solver)
    usd = {line.offer: line.usd for line in plan.cost_lines if line.kind == "energy"}
    assert usd == pytest.approx({"cerebras-dedicated": 34.00, "self-hosted-8x-h100": 14.00})
    tokens: dict[str, float] = {}
    for route in plan.routes:
        tokens[route.offer] = tokens.get(route.offer, 0.0) + route.prompt_tokens + route.completion_tokens
    per_kw = {offer: tokens[offer] / (usd[offer] / USD_PER_KWH) / 3600 for offer in usd}
    assert per_kw["cerebras-dedicated"] == pytest.approx(250)
    assert per_kw["self-hosted-8x-h100"] == pytest.approx(607, abs=0.5)
    assert {row.offer: row.count for row in plan.instances} == {
        "cerebras-dedicated": 17,
        "self-hosted-8x-h100": 25,
    }
