"""Out of sample: what a decision costs in futures that it was not made from.

Scenarios are drawn afresh by the same generator from another stream of its seed, all equally probable and none left
out. The first stage stays as planned; the second is solved in each. Listed scenarios are all there is: no generator,
nothing to draw.
"""

from __future__ import annotations

from dataclasses import replace
from math import nan, sqrt

import numpy as np
from scipy.stats import t as student

from problems.core.decision import Decision
from problems.core.instance import Floats, Instance, Scenarios
from router import scenarios
from router.decode import cvar
from router.normalise.scenarios import from_draw
from router.schema import Generated, Problem
from router.size.outcomes import costs_of, outcomes
from solvers import SolveOptions

CONFIDENCE = 0.95
WORST = 5  # scenarios named


def can_draw(problem: Problem) -> bool:
    """Whether the problem says how futures come about."""
    return isinstance(problem.scenarios, Generated)


def fresh(problem: Problem, count: int, seed: int) -> Scenarios:
    """Futures that no plan has seen. Raises InputError where the problem lists its scenarios."""
    return from_draw(problem, scenarios.fresh(problem, count, seed))


def out_of_sample(
    problem: Problem,
    inst: Instance,
    decision: Decision,
    expected_usd: float,
    solver: str,
    options: SolveOptions,
    *,
    count: int,
    seed: int,
    workers: int = 1,
) -> dict[str, object]:
    """The plan's `sizing.out_of_sample`: cost of a decision in `count` fresh futures, against what the plan expects.

    Mean, its interval and CVaR are over the futures that can be served; `failed` counts the others, which have no cost.
    """
    drawn = fresh(problem, count, seed)
    found = outcomes(replace(inst, scenarios=drawn), decision, solver, options, workers=workers)
    cost = costs_of(found)
    served = np.isfinite(cost)
    known = cost[served]
    level = inst.policy.cvar_level
    low, high = interval(known)
    worst = np.argsort(-np.where(served, cost, np.inf), kind="stable")[:WORST]
    return {
        "count": count,
        "seed": seed,
        "failed": int((~served).sum()),
        "fails_in": [one.name for one in found if one.cost_usd is None][:WORST],
        "mean_usd": float(known.mean()) if len(known) else None,
        "ci95_usd": [low, high],
        "cvar_usd": cvar(known, np.full(len(known), 1.0 / len(known)), level) if len(known) else None,
        "cvar_level": level,
        "rp_inside_ci": bool(low <= expected_usd <= high),
        "worst": [
            {
                "name": found[s].name,
                "cost_usd": found[s].cost_usd,
                "mean_demand": _demand(drawn, inst, int(s)),
            }
            for s in worst
        ],
    }


def interval(values: Floats) -> tuple[float, float]:
    """The 95 % confidence interval of the mean (Student's t); NaN for fewer than two values."""
    if len(values) < 2:
        return nan, nan
    half = float(student.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * values.std(ddof=1) / sqrt(len(values)))
    mean = float(values.mean())
    return mean - half, mean + half


def _demand(drawn: Scenarios, inst: Instance, s: int) -> float:
    """Tokens of a future over those stated."""
    if drawn.path is None or not len(inst.cells):
        return 1.0
    cells = inst.cells
    tokens = cells.work * np.maximum(inst.workloads.tokens[cells.workload], 1e-300)
    first = cells.slot_period[np.searchsorted(cells.slot_cell, np.arange(len(cells)))]
    return float((tokens * drawn.path[s, cells.workload, first]).sum() / tokens.sum())
