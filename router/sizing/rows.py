"""What is signed, and what it costs in the worst futures, as plain rows of the plan's `sizing` section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import fsum

import numpy as np

from problems.commitments import month_share
from problems.core.instance import NONE, Floats, Instance
from problems.core.view import multiplier_of
from router.sizing.signed import Signed
from router.sizing.study import Best

WORST = 5  # scenarios shown


def sign_rows(best: Best) -> list[dict[str, object]]:
    """What to sign, with its expected bill, expected use of it, and what it owes past the horizon."""
    return [_signed_row(best, one) for one in best.signs]


def _signed_row(best: Best, one: Signed) -> dict[str, object]:
    use, billed = None, one.least_usd
    if one.kind == "contract":
        use, billed = _contract_use(best, one)
    elif one.kind == "instances":
        rows = [row for row in best.instances(one.offer) if row.model == one.model]
        hours = fsum(best.weight(row.scenario) * row.count for row in rows)
        busy = fsum(best.weight(row.scenario) * row.count * row.utilisation for row in rows)
        use = busy / hours if hours > 0 else None
    if best.inst.policy.charge_in_full:
        billed += one.beyond_horizon_usd * float(best.inst.time.weight[-1])
    return {
        **asdict(one),
        "expected_usd": billed,
        "offer_usd": fsum(line.usd for line in best.lines() if line.offer == one.offer),
        "expected_use": use,
    }


def _contract_use(best: Best, one: Signed) -> tuple[float | None, float]:
    """Expected use of what is committed, and the bills of its months inside the horizon, present value."""
    time = best.inst.time
    start, end = one.start_month or 0, one.end_month or time.months
    rows = [row for row in best.commitments(one.offer) if start <= row.month < end]
    share = month_share(best.inst)
    used = committed = 0.0
    for row in rows:
        p = best.weight(row.scenario)
        tokens = row.committed_tokens_per_month is not None
        volume = row.committed_tokens_per_month if tokens else row.committed_usd_per_month
        used += p * (row.used_tokens if tokens else row.used_usd)
        committed += p * (volume or 0.0) * float(share[row.month])
    billed = fsum(
        best.weight(row.scenario) * row.billed_usd * float(time.month_weight[row.month]) for row in rows
    )
    return (used / committed if committed > 0 else None), billed


def worst_rows(best: Best, regret: Mapping[str, float] | None) -> list[dict[str, object]]:
    """The dearest scenarios, the worst first."""
    inst, cost = best.inst, best.cost
    if len(cost) < 2:
        return []
    tokens = np.array([_tokens(inst, s) for s in range(len(cost))])
    mean = float(inst.scenarios.probability @ tokens)
    own = inst.offers.fleet != NONE  # availability is of instances
    order = np.argsort(-cost, kind="stable")[:WORST]
    return [
        {
            "scenario": inst.scenarios.names[s],
            "probability": float(inst.scenarios.probability[s]),
            "cost_usd": float(cost[s]),
            "over_expected_usd": float(cost[s] - best.expected_usd),
            "demand_over_mean": float(tokens[s] / mean) if mean > 0 else None,
            "prices": _moved(inst, inst.scenarios.price[s]),
            "availability": _moved(inst, np.where(own, inst.scenarios.availability[s], 1.0)),
            "regret_usd": None if regret is None else regret[inst.scenarios.names[s]],
        }
        for s in order
    ]


def _tokens(inst: Instance, s: int) -> float:
    """All work of a scenario, in tokens; in requests where these have none."""
    each = inst.workloads.tokens[inst.cells.workload]
    work = inst.cells.work * multiplier_of(inst, s)
    return float((work * (each if each.any() else 1.0)).sum())


def _moved(inst: Instance, multiplier: Floats) -> dict[str, float]:
    """Multipliers other than 1, by offer."""
    return {inst.offers.names[o]: float(multiplier[o]) for o in np.flatnonzero(multiplier != 1.0)}
