"""Routing weights: what part of a workload's requests each offer gets.

    share[w, o, m] = Σ_t requests[w, o, m, t] / Σ_o,m,t requests[w, o, m, t]         over the periods asked for

Gateways and routers split *requests*; a plan splits work, which for equal requests is the same. Where a workload states
tokens without a request size there are no requests to count, and shares of tokens stand in (`basis` says which).
Work that is put off counts where it runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum

from router.errors import InputError, Issue
from router.exporters.exported import of_scenario
from router.plan.document import Plan
from router.plan.rows import RouteRow
from router.schema import Problem

VARIES = 0.01  # a share that moves by more than this between periods is worth a remark


@dataclass(frozen=True, slots=True)
class Part:
    """An offer's part of a workload. requests: in the periods asked for; None where only tokens are known."""

    offer: str
    model: str
    share: float
    requests: float | None
    tokens: float


@dataclass(frozen=True, slots=True)
class Split:
    """Where a workload goes; parts of share 0 are left out, the shares sum to 1."""

    workload: str
    parts: tuple[Part, ...]
    basis: str  # "requests" | "tokens"


def splits(
    plan: Plan, period: int | None = None, scenario: str | None = None
) -> tuple[tuple[Split, ...], tuple[str, ...]]:
    """The split of every workload, in one period or over all of them, and what must be said about it.

    A workload without work in the period keeps its shares over all periods: what comes unplanned still finds a way.
    Raises InputError: no such period or scenario.
    """
    rows = of_scenario(plan, plan.routes, scenario)
    if period is not None and not 0 <= period < plan.periods:
        raise InputError(Issue(("--period",), f"must be in 0 … {plan.periods - 1}", period))
    by_workload: dict[str, list[RouteRow]] = {}
    for row in rows:
        by_workload.setdefault(group_of(row), []).append(row)
    workload_splits, remarks = [], list(_recipes(rows))
    for workload, its in by_workload.items():
        here = [row for row in its if period is None or row.period == period]
        split = _split(workload, here)
        if split is None and period is not None:
            split = _split(workload, its)
            if split is not None:
                remarks.append(
                    f"{workload}: no work in period {period}; its shares over all periods stand in"
                )
        if split is None:
            remarks.append(f"{workload}: no work at all, so no entry")
            continue
        if any(row.origin for row in its):
            remarks.append(
                f"{workload}: the shares are of all its origins together; nothing here routes by origin"
            )
        if split.basis == "tokens":
            remarks.append(f"{workload}: no request size is known, so these are shares of tokens")
        if period is None and _varies(its, split):
            remarks.append(
                f"{workload}: shares differ by period; these are means, --period N or --at TIME is exact"
            )
        workload_splits.append(split)
    return tuple(workload_splits), tuple(remarks + _dropped(plan, period, scenario))


def group_of(row: RouteRow) -> str:
    """Who sends to the route: a workload, or a step of one of its recipes, `chat/cascade/0`."""
    return row.workload if row.recipe is None else f"{row.workload}/{row.recipe}/{row.step}"


def _recipes(rows: Sequence[RouteRow]) -> Iterator[str]:
    """What a router that knows of no steps leaves to who calls it."""
    whole: dict[str, float] = {}
    own: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.step in (None, 0):
            whole[row.workload] = whole.get(row.workload, 0.0) + row.share
        if row.recipe is not None and row.step == 0:
            own[row.workload, row.recipe] = own.get((row.workload, row.recipe), 0.0) + row.share
    for (workload, recipe), share in own.items():
        yield (
            f"{workload}: {share / whole[workload]:.4g} of it goes by recipe {recipe}; the caller decides which, and "
            f"sends each step to its own group, {workload}/{recipe}/0 first"
        )


def spares(plan: Plan, split: Split, period: int | None, scenario: str | None) -> list[Part]:
    """Routes of a workload that carry nothing as planned, and something when another is lost or refuses: the largest
    share of either.
    """
    used = {(part.offer, part.model) for part in split.parts}
    found: dict[tuple[str, str], float] = {}
    for row in of_scenario(plan, plan.routes, scenario):
        key = (row.offer, row.model)
        if group_of(row) == split.workload and period in (None, row.period) and key not in used:
            share = max((row.taken_share or 0.0, *(row.after_loss or {}).values()))
            found[key] = max(found.get(key, 0.0), share)
    return [Part(*key, share, None, 0.0) for key, share in sorted(found.items()) if share > 0]


def largest_remainder(shares: Sequence[float], total: int) -> list[int]:
    """Whole weights that sum to `total`, each within 1 of share · total (Hamilton's method).

    Every share gets its floor; what is left goes to the largest remainders, ties to the larger share, then the first.
    """
    exact = [share * total / fsum(shares) for share in shares]
    weights = [math.floor(value + 1e-9) for value in exact]
    left = total - sum(weights)
    by_remainder = sorted(
        range(len(exact)), key=lambda i: (-round(exact[i] - weights[i], 9), -round(exact[i], 9), i)
    )
    for i in by_remainder[:left]:
        weights[i] += 1
    return weights


def weighted(split: Split, total: int) -> tuple[list[tuple[Part, int]], list[str]]:
    """The parts with a weight above 0, and a remark for those too small to get one."""
    weights = largest_remainder([part.share for part in split.parts], total)
    weighted_parts = [(part, weight) for part, weight in zip(split.parts, weights, strict=True) if weight > 0]
    lost = [part for part, weight in zip(split.parts, weights, strict=True) if weight == 0]
    return weighted_parts, [
        f"{split.workload}: {part.offer} has {part.share:.3%} and gets no weight of {total}; raise --weights"
        for part in lost
    ]


def period_at(problem: Problem, moment: str) -> int:
    """The period in which a moment (ISO 8601; local where it has no offset) lies. Raises InputError."""
    if problem.horizon.start is None:
        rule = "needs horizon.start, and the problem states none"
        raise InputError(Issue(("--at",), rule, moment, "--period N counts periods from 0"))
    try:
        hours = problem.horizon.clock.hour(datetime.fromisoformat(moment))
    except ValueError:
        raise InputError(Issue(("--at",), 'must be a time like "2026-12-01T06:00"', moment)) from None
    period = math.floor(hours / problem.horizon.period_h + 1e-9)
    if not 0 <= period < problem.horizon.periods:
        side = "before" if period < 0 else "after"
        rule = (
            f"is {side} the horizon, which starts {problem.horizon.start} and has {problem.horizon.hours:g} h"
        )
        raise InputError(Issue(("--at",), rule, moment))
    return period


def _split(workload: str, rows: Sequence[RouteRow]) -> Split | None:
    requests: dict[tuple[str, str], float] = {}
    tokens: dict[tuple[str, str], float] = {}
    sized = all(row.requests is not None for row in rows)
    for row in rows:
        key = (row.offer, row.model)
        sent = (
            row.share / row.served_share if row.served_share > 0 else 0.0
        )  # what spills is sent there first
        requests[key] = requests.get(key, 0.0) + (row.requests or 0.0) * sent
        tokens[key] = tokens.get(key, 0.0) + (row.prompt_tokens + row.completion_tokens) * sent
    amounts = requests if sized else tokens
    whole = fsum(amounts.values())
    if not rows or whole <= 0:
        return None
    parts = tuple(
        Part(offer, model, amount / whole, requests[offer, model] if sized else None, tokens[offer, model])
        for (offer, model), amount in sorted(amounts.items())
        if amount > 0
    )
    return Split(workload, parts, "requests" if sized else "tokens")


def _varies(rows: Sequence[RouteRow], mean: Split) -> bool:
    """Whether any period with work differs from the mean."""
    shares: Mapping[tuple[str, str], float] = {(part.offer, part.model): part.share for part in mean.parts}
    by_period: dict[int, list[RouteRow]] = {}
    for row in rows:
        by_period.setdefault(row.period, []).append(row)
    for its in by_period.values():
        split = _split(mean.workload, its)
        here = {(part.offer, part.model): part.share for part in split.parts} if split else dict(shares)
        if any(abs(here.get(key, 0.0) - share) > VARIES for key, share in shares.items()):
            return True
    return False


def _dropped(plan: Plan, period: int | None, scenario: str | None) -> list[str]:
    """A router sends every request; what the plan leaves unserved is the reader's to know."""
    names = sorted(
        {
            row.workload
            for row in of_scenario(plan, plan.unserved, scenario)
            if row.share > 0 and period in (None, row.period)
        }
    )
    return [f"{name}: the plan leaves some of it unserved; a router will send that too" for name in names]
