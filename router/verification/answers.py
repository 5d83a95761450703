"""Answer times: whatever routes the steps of a recipe take in a cell and period, all of them together keep its limits.

    Σ over steps that count of the slowest route used ≤ limit          any two routes that are used may come together
    Σ over steps of n · the longest turnaround used ≤ hours until answers are due

At a statistic a step counts as `waited` says: n requests of it, each to its end. Of a first token these are all
requests of the steps before the last, of the last step all but one, and the time to the first token of that one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from router.schema import Offer, Recipe, Workload
from router.verification.base import latency
from router.verification.base.audit import Audit
from router.verification.base.cells import CellKey
from router.verification.base.flows import Flow
from router.verification.base.ledger import Ledger
from router.verification.base.parts import stated_name, waited
from router.verification.base.work import unit_of


@dataclass(frozen=True, slots=True)
class AnswerLimit:
    """A limit on answers by a recipe, ms at a statistic; of each step that counts whole requests and first tokens."""

    field: str
    statistic: str
    limit_ms: float
    waits: dict[int, tuple[float, float]]


def answer_limits(audit: Audit, first: str) -> Iterator[AnswerLimit]:
    """Those that several requests keep together, of the recipe whose first step is a part of this name."""
    load, recipe = audit.case.workloads[audit.case.steps[first].whole], recipe_of(audit, first)
    for kind, statistic, limit in latency.limits(load.slo):
        times = {k: waited(recipe, k, statistic) for k in range(len(recipe.steps))}
        times = {k: n for k, n in times.items() if n > 0}
        if kind == "tpot" or list(times.values()) == [1.0] or not times:
            continue
        last = max(times) if kind == "ttft" else None
        waits = {k: (n - min(n, 1.0), min(n, 1.0)) if k == last else (n, 0.0) for k, n in times.items()}
        yield AnswerLimit(f"{kind}_{statistic}_ms", statistic, limit, waits)


def recipe_of(audit: Audit, first: str) -> Recipe:
    """The recipe whose first step is a part of this name, as the file has it."""
    part = audit.case.steps[first]
    name = stated_name(audit.case.workloads[part.whole])
    file = next(each for each in audit.problem.workloads if each.name == name)
    return next(each for each in file.recipes if each.name == part.recipe)


def batch_h(recipe: Recipe, k: int, offer: Offer) -> float:
    """What the batches of a step take of any request's time: one after the other, all of it."""
    return waited(recipe, k, "p100") * (offer.turnaround_h or 0.0)


def step_ms(
    audit: Audit, load: Workload, offer: Offer, model: str, statistic: str, wait: tuple[float, float]
) -> float | None:
    """What so many requests of a step take on a route; None where nothing known says it."""
    case, unit, entry = audit.case, unit_of(load), offer.models[model]
    factor, rtt = case.problem.policy.p99_over_mean, case.rtt_ms(load.name, offer.name)
    point = None
    if entry.points:
        points = latency.applicable_points(load, unit, entry, factor, rtt)
        point = max(points, key=lambda each: each.requests_per_s) if points else None
    stated, total = latency.stated_ms(entry, point, factor), 0.0
    for times, part in zip(wait, ("request", "ttft"), strict=True):
        if times > 0:
            each = latency.service_ms(part, statistic, stated, unit.completion, offer.turnaround_h)
            if each is None:
                return None
            total += times * (each + rtt)
    return total


def check_answer_times(audit: Audit, ledger: Ledger) -> None:
    """Every cell and period in which a recipe answers anything."""
    used: dict[tuple[str, CellKey, int], dict[int, list[Flow]]] = defaultdict(lambda: defaultdict(list))
    for flow in audit.flows:
        part = audit.case.steps.get(flow.row.workload)
        if part is not None and flow.row.served_share > 0:
            key = (part.first, *flow.cell.key[1:])
            used[part.first, key, flow.row.period][part.step].append(flow)
    for (first, _, period), steps in used.items():
        for limit in answer_limits(audit, first):
            total = 0.0
            for k, wait in limit.waits.items():
                times = [
                    step_ms(audit, flow.workload, flow.offer, flow.row.model, limit.statistic, wait)
                    for flow in steps[k]
                ]
                unknown = [flow.row.offer for flow, ms in zip(steps[k], times, strict=True) if ms is None]
                ledger.require(not unknown, first, "period", period, limit.field, "is not known of", *unknown)
                total += max((ms for ms in times if ms is not None), default=0.0)
            ledger.at_most(total, limit.limit_ms, first, "period", period, limit.field, "of all steps, ms")
        recipe = recipe_of(audit, first)
        hours = [
            max((batch_h(recipe, k, each.offer) for each in own), default=0.0) for k, own in steps.items()
        ]
        left_h = next(each.cell.left_h(period) for own in steps.values() for each in own)
        if math.isfinite(left_h):
            ledger.at_most(math.fsum(hours), left_h, first, "period", period, "batches of all steps, h")
