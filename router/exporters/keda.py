"""KEDA: a ScaledObject per pool, with a cron trigger for each stretch of hours of one count.

KEDA runs the largest count of all triggers that are active and `minReplicaCount` where none is; so every stretch above
the least count of the plan becomes a trigger, and the least count needs none. `start` and `end` are cron expressions
(minute hour day-of-month month day-of-week), `desiredReplicas` is text. https://keda.sh/docs/latest/scalers/cron/

    never     the dates of the horizon. Outside of them the last count is held, until they come round again in a
              year: a plan that nobody renewed must not scale anything down.
    daily     the horizon is one day, and every day is like it        weekly    likewise, a week

Dates stand in the horizon's zone; in UTC where a clock change falls inside the horizon, so that no hour is ambiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from router.errors import InputError, Issue
from router.exporters.counts import PoolCounts, pools
from router.exporters.exported import Exported, belongs, head, to_yaml
from router.exporters.targets import Targets, distinct, kubernetes_name
from router.plan.document import Plan
from router.schema import Problem

REPEATS = {"never": None, "daily": 24.0, "weekly": 168.0}
YEAR_H = 8760.0

Stretch = tuple[int, int, int]  # first period, end period (exclusive), count


def keda(
    plan: Plan,
    problem: Problem,
    *,
    targets: Targets | None = None,
    scenario: str | None = None,
    repeat: str = "never",
    namespace: str | None = None,
) -> Exported:
    """The ScaledObjects, one document per pool. Raises InputError: no start, periods no cron can tell."""
    targets = targets or Targets()
    problem = belongs(plan, problem)
    _check(problem, repeat)
    zone, remarks = _zone(problem, repeat)
    pool_counts = pools(plan, scenario)
    names: dict[tuple[str, ...], str] = {
        (pool.offer, pool.model or ""): _deployment(pool, targets) for pool in pool_counts
    }
    distinct(names)
    documents = [
        _scaled_object(
            pool, names[pool.offer, pool.model or ""], _triggers(pool, problem, repeat, zone), namespace
        )
        for pool in pool_counts
    ]
    unmapped = sorted({pool.offer for pool in pool_counts if targets.of(pool.offer).deployment is None})
    if unmapped:
        remarks.append(f"deployments named after their pools, as --map names none: {', '.join(unmapped)}")
    if not pool_counts:
        remarks.append("the plan rents no instances: nothing to scale")
    return Exported(head(plan, "KEDA scalers") + (to_yaml(*documents) if documents else ""), tuple(remarks))


def stretches(counts: Sequence[int]) -> list[Stretch]:
    """Runs of equal counts."""
    runs: list[Stretch] = []
    for period, count in enumerate(counts):
        if runs and runs[-1][2] == count:
            runs[-1] = (runs[-1][0], period + 1, count)
        else:
            runs.append((period, period + 1, count))
    return runs


def _check(problem: Problem, repeat: str) -> None:
    horizon = problem.horizon
    if horizon.start is None and repeat != "daily":
        hint = 'set horizon.start, like "2026-12-01T00:00:00"; --repeat daily does without'
        raise InputError(
            Issue(("horizon", "start"), "is needed: cron expressions name hours and dates", hint=hint)
        )
    minutes = horizon.period_h * 60
    if abs(minutes - round(minutes)) > 1e-6 or (
        horizon.start is not None and (horizon.start.second or horizon.start.microsecond)
    ):
        rule = "must fall on whole minutes, which is all that cron can tell"
        raise InputError(Issue(("horizon", "period_h"), rule, horizon.period_h))
    cycle = REPEATS[repeat]
    if cycle is not None and abs(horizon.hours - cycle) > 1e-6:
        rule = f"needs a horizon of {cycle:g} h, and this one has {horizon.hours:g} h"
        raise InputError(Issue(("--repeat",), rule, repeat))
    if cycle is None and horizon.hours >= YEAR_H:
        rule = f"is {horizon.hours:g} h, and cron expressions know no year"
        raise InputError(Issue(("horizon",), rule, hint="export a plan for less than a year"))


def _zone(problem: Problem, repeat: str) -> tuple[ZoneInfo, list[str]]:
    clock, horizon = problem.horizon.clock, problem.horizon
    if repeat != "never":
        return clock.zone, []
    offsets = {clock.local(t * horizon.period_h).utcoffset() for t in range(horizon.periods + 1)}
    if len(offsets) == 1:
        return clock.zone, []
    return ZoneInfo("UTC"), [f"times are in UTC: the clocks of {clock.zone.key} change within the horizon"]


def _triggers(pool: PoolCounts, problem: Problem, repeat: str, zone: ZoneInfo) -> list[dict[str, Any]]:
    """At least one: a ScaledObject without a trigger is refused."""
    runs, least = stretches(pool.counts), min(pool.counts)
    last = len(pool.counts)
    cyclic = repeat != "never"
    if cyclic and len(runs) > 1 and runs[0][2] == runs[-1][2]:  # the evening's count goes on past midnight
        runs = [*runs[1:-1], (runs[-1][0], last + runs[0][1], runs[-1][2])]
    triggers = []
    for first, end, count in runs:
        if count == least and len(runs) > 1:
            continue
        until = 0 if (end == last and not cyclic) else end % last if cyclic else end
        triggers.append(_trigger(problem, repeat, zone, first, until, count))
    return triggers


def _trigger(
    problem: Problem, repeat: str, zone: ZoneInfo, first: int, end: int, count: int
) -> dict[str, Any]:
    """`end` 0 is the horizon's own start, coming round again; a window that would be empty ends a minute earlier."""
    clock, period_h = problem.horizon.clock, problem.horizon.period_h
    start_at, end_at = clock.local(first * period_h), clock.local(end * period_h)
    start = _cron(start_at.astimezone(zone), repeat)
    until = _cron(end_at.astimezone(zone), repeat)
    if start == until:
        until = _cron(clock.local(end * period_h - 1 / 60).astimezone(zone), repeat)
    # without a start, hour 0 is local midnight, and the zone only names whose
    key = zone.key if problem.horizon.start is not None else problem.horizon.timezone
    metadata = {"timezone": key, "start": start, "end": until, "desiredReplicas": str(count)}
    return {"type": "cron", "metadata": metadata}


def _cron(moment: datetime, repeat: str) -> str:
    time = f"{moment.minute} {moment.hour}"
    if repeat == "daily":
        return f"{time} * * *"
    if repeat == "weekly":
        return f"{time} * * {moment.isoweekday() % 7}"  # 0 is Sunday
    return f"{time} {moment.day} {moment.month} *"


def _deployment(pool: PoolCounts, targets: Targets) -> str:
    parts = (pool.offer,) if pool.model is None else (pool.offer, pool.model)
    return targets.of(pool.offer).deployment or kubernetes_name(*parts)


def _scaled_object(
    pool: PoolCounts, name: str, triggers: list[dict[str, Any]], namespace: str | None
) -> dict[str, Any]:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicaCount": min(pool.counts),
            "maxReplicaCount": max(pool.counts) or 1,
            "triggers": triggers,
        },
    }
