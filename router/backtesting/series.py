"""Figures by period, for pictures and for machines.

A plan's cost lines are exact; over its periods they are spread by what causes them: tokens carried, instances paid for,
starts, work dropped, and bills of months evenly. Each line's parts sum to the line. Churn falls due with its change.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from problems.core.arrays import Floats
from problems.core.costs import KINDS
from router.backtesting.frame import tokens_of
from router.backtesting.record import DemandHistory
from router.backtesting.result import Execution, Hindsight
from router.plan.document import Plan
from router.plan.rows import HostRow


def series(
    record: DemandHistory,
    forecast: Floats,
    replay: Execution,
    hindsight: Hindsight,
    staying: Execution | None,
) -> dict[str, list[float]]:
    """Tokens, instances and running totals of cost, by period."""
    tokens, n = tokens_of(record.problem), record.periods
    served, on_instances, capacity = _carried(replay.plan, n)
    churn = _by_period(((step.period, step.churn_usd) for step in replay.steps), n)
    figures = {
        "demand_tokens": tokens @ record.actual,
        "expected_tokens": tokens @ forecast,
        "served_tokens": served,
        "served_on_instances_tokens": on_instances,
        "capacity_tokens": capacity,
        "instances": instances(replay.plan, n),
        "hindsight_instances": instances(hindsight.plan, n),
        "cost_usd": np.cumsum(cost_by_period(replay.plan, n) + churn),
        "hindsight_usd": np.cumsum(cost_by_period(hindsight.plan, n)),
    }
    if staying is not None:
        figures["staying_usd"] = np.cumsum(cost_by_period(staying.plan, n))
    return {name: [float(value) for value in values] for name, values in figures.items()}


def instances(plan: Plan, periods: int) -> Floats:
    """(N,) over all pools."""
    return _by_period(((row.period, row.count) for row in plan.instances), periods)


def cost_by_period(plan: Plan, periods: int) -> Floats:
    """(N,) USD; sums to the plan's cost."""
    usd = np.zeros(periods)
    for line in plan.cost_lines:
        rows, field = KINDS[line.kind].by_period or ("", "")
        of_line = (
            row
            for row in getattr(plan, rows, None) or ()
            if line.offer is None or line.offer == (row.host if isinstance(row, HostRow) else row.offer)
        )
        weight = _by_period(((row.period, getattr(row, field) or 0.0) for row in of_line), periods)
        if weight.sum() <= 0:
            weight[:] = 1.0
        usd += line.usd * weight / weight.sum()
    return usd


def _by_period(amounts: Iterable[tuple[int, float]], periods: int) -> Floats:
    """(N,) the amounts of each period, added up."""
    total = np.zeros(periods)
    for period, amount in amounts:
        total[period] += amount
    return total


def _carried(plan: Plan, periods: int) -> tuple[Floats, Floats, Floats]:
    """(N,) tokens served, those on instances, and those that the instances could carry of the same mix.

    Of replicas in two roles the half that could carry less counts. A pool that runs idle counts with what it carried
    per instance in the periods in which it did not.
    """
    shared = {row.offer for row in plan.instances if row.model is None}
    pools = {(row.offer, row.model) for row in plan.instances}
    served, carried = np.zeros(periods), {pool: np.zeros(periods) for pool in pools}
    for route in plan.routes:
        tokens = route.tokens
        served[route.period] += tokens
        pool = (route.offer, None if route.offer in shared else route.model)
        if pool in carried:
            carried[pool][route.period] += tokens
    least: dict[tuple[str, str | None, int], float] = {}
    per_instance: dict[tuple[str, str | None, str | None], list[float]] = {}
    for busy in (True, False):
        for row in plan.instances:
            pool, half = (row.offer, row.model), (row.offer, row.model, row.role)
            tokens = carried[pool][row.period]
            if (row.utilisation > 0 and tokens > 0) != busy:
                continue
            if busy:
                could = tokens / row.utilisation
                per_instance.setdefault(half, []).append(could / row.count)
            else:
                could = row.count * float(np.mean(per_instance.get(half, [0.0])))
            least[*pool, row.period] = min(could, least.get((*pool, row.period), np.inf))
    capacity = _by_period(((period, could) for (_, _, period), could in least.items()), periods)
    return served, np.sum(list(carried.values()), axis=0) if carried else np.zeros(periods), capacity
