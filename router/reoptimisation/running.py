"""What runs already, in the terms of a new problem: the running plan laid on the new horizon.

By absolute time where both horizons have a start, else period by period. A time beyond the running plan's end is taken
to run as the same clock time of its last day (its last period where it is shorter than a day); a period in which it
had no demand, as the nearest earlier one that had. The section stands in the new plan, so that it can be checked alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from problems.core.instance import Instance
from router.errors import InputError
from router.normalise.roles import DECODE, PREFILL, half_name
from router.plan.document import Plan
from router.plan.running import (
    Running,
    RunningBefore,
    RunningCount,
    SunkContract,
    SunkPurchase,
)
from router.reoptimisation.alignment import SLACK_H, Alignment
from router.reoptimisation.shares import running_shares
from router.schema import Horizon, Offer, Problem
from router.store import Entry


def horizon_of(entry: Entry) -> Horizon:
    """Of the problem that a stored plan is for."""
    return Horizon.model_validate(entry.problem.get("horizon", {}))


def stored_problem(problem: Problem) -> dict[str, Any]:
    """What a store keeps of a problem: `problem_of` reads it.

    Defaults are written out, as later releases may have others. Of agreements what is stated is kept alone, for what
    does not go with their unit may not be stated at all.
    """
    stored = problem.model_dump(mode="json", by_alias=True, exclude_none=True)
    if problem.commitments:
        stored["commitments"] = [
            each.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
            for each in problem.commitments
        ]
    return stored


def problem_of(entry: Entry) -> Problem | None:
    """The problem that a stored plan is for; None where this release does not read it."""
    try:
        return Problem.model_validate(entry.problem)
    except (InputError, ValueError):  # pydantic's own error is a ValueError
        return None


def laid_on(
    plan: Plan,
    before: Problem | None,
    align: Alignment,
    inst: Instance,
    freeze_h: float,
    contracts: tuple[SunkContract, ...],
) -> Running:
    """The running plan on the cells and pools of the new instance, and the contracts that it begins with.

    before    the problem of that plan; None: it cannot be read, so that parts of its workloads are not known
    """
    return Running(
        aligned_by="time" if align.by_time else "period",
        shift_h=align.shift_h,
        freeze_h=freeze_h,
        shares=tuple(running_shares(plan, before, align, inst)),
        counts=tuple(_counts(plan, align, inst)),
        before=tuple(_before(plan, align, inst)),
        contracts=contracts,
        purchases=tuple(_purchases(plan, align, inst)),
    )


def _counts(plan: Plan, align: Alignment, inst: Instance) -> list[RunningCount]:
    count = {(half_name(row.offer, row.role), row.model, row.period): row.count for row in plan.instances}
    periods = [align.period(t) for t in range(inst.time.periods)]
    return [
        RunningCount(offer, model, t, count[offer, model, old])
        for offer, model in inst.pool_names
        for t, old in enumerate(periods)
        if count.get((offer, model, old), 0.0) > 0
    ]


def _before(plan: Plan, align: Alignment, inst: Instance) -> list[RunningBefore]:
    now = align.period(0)
    paid = {
        (half_name(row.offer, row.role), row.model): row.paid_count
        for row in plan.instances
        if row.period == now
    }
    return [
        RunningBefore(offer, model, paid[offer, model])
        for offer, model in inst.pool_names
        if paid.get((offer, model), 0.0) > 0
    ]


def _purchases(plan: Plan, align: Alignment, inst: Instance) -> list[SunkPurchase]:
    for_all = {offer.name for offer in align.new.offers if offer.bought_off_grid}
    pools = set(inst.pool_names) | {(name, None) for name in for_all}
    termed = {
        name
        for offer in align.new.offers
        if offer.instances and offer.instances.term_hours
        for name in _parts(offer)
    }
    return [
        replace(row, model=None if row.offer in for_all else row.model)
        for row in bought_before(plan, align)
        if (row.offer, row.model) in pools and row.offer in termed
    ]


def bought_before(plan: Plan, align: Alignment) -> list[SunkPurchase]:
    """Instances under terms that outlast the start of the new horizon, as the plans that bought them name them."""
    earlier = () if plan.running is None else plan.running.purchases
    rows = [(row.offer, row.model, row.end_h, row.count, row.usd_per_h) for row in earlier]
    rows += [
        (half_name(row.offer, row.role), row.model, row.until_h or 0.0, row.count, row.usd_per_h)
        for row in plan.purchases
        if row.from_h <= align.shift_h + SLACK_H
    ]
    ends = (
        SunkPurchase(offer, model, end - align.shift_h, count, usd_per_h)
        for offer, model, end, count, usd_per_h in rows
    )
    return [row for row in ends if row.end_h > SLACK_H]


def _parts(offer: Offer) -> tuple[str, ...]:
    """Names of its instances' pools: of both halves where replicas have roles."""
    roles = (PREFILL, DECODE) if offer.instances is not None and offer.instances.roles else (None,)
    return tuple(half_name(offer.name, role) for role in roles)
