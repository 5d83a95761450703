"""What runs already, in the terms of a new problem: the running plan laid on the new horizon.

By absolute time where both horizons have a start, else period by period. A time beyond the running plan's end is taken
to run as the same clock time of its last day (its last period where it is shorter than a day); a period in which it
had no demand, as the nearest earlier one that had. The section stands in the new plan, so that it can be checked alone.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH
from problems.core.instance import Instance
from router.plan.document import Plan
from router.plan.running import (
    Running,
    RunningBefore,
    RunningCount,
    RunningShare,
    SunkContract,
    SunkPurchase,
)
from router.schema import Commitment, Horizon, Problem
from router.store import Entry

DAY_H = 24.0
SLACK_H = 1e-6

Shares = dict[tuple[str, str], float]  # by offer and model


class Alignment:
    """Which hour of the running plan stands for an hour of the new one."""

    def __init__(self, old: Problem, new: Problem) -> None:
        self.old, self.new = old, new
        self.clock = new.horizon.clock
        before = old.horizon.clock
        self.by_time = old.horizon.start is not None and new.horizon.start is not None
        self.shift_h = before.hour(self.clock.start) if self.by_time else 0.0
        self.shift_days = (self.clock.day(0.0) - before.day(0.0)).days if self.by_time else 0

    def period(self, new_period: int) -> int:
        """The running plan's period at the start of one of the new plan's."""
        old = self.old.horizon
        hour = self.shift_h + new_period * self.new.horizon.period_h
        if hour >= old.hours - SLACK_H:
            days = np.floor((hour - old.hours + SLACK_H) / DAY_H) + 1
            hour = hour - days * DAY_H if old.hours >= DAY_H else old.hours - old.period_h
        return int(min(max((hour + SLACK_H) // old.period_h, 0), old.periods - 1))

    def day(self, new_day: int) -> int:
        """The running plan's window day of one of the new plan's, by calendar."""
        return new_day + self.shift_days


def horizon_of(entry: Entry) -> Horizon:
    """Of the problem that a stored plan is for."""
    return Horizon.model_validate(entry.problem.get("horizon", {}))


def sunk(plan: Plan, align: Alignment, problem: Problem) -> tuple[SunkContract, ...]:
    """Contracts in force at the new start that an earlier plan signed and the problem does not state itself."""
    ours = {offer.name: offer.commitment for offer in problem.offers}
    earlier = {} if plan.running is None else {row.offer: row.end_h for row in plan.running.contracts}
    contracts = []
    for row in plan.contracts:
        commitment = ours.get(row.offer)
        if commitment is None or commitment.signed or row.from_h > align.shift_h + SLACK_H:
            continue
        end = earlier.get(row.offer) if row.signed_by == "before" else row.until_h  # else the problem's own
        if end is not None and end - align.shift_h > SLACK_H:
            volume = row.committed_tokens_per_month, row.committed_usd_per_month
            contracts.append(SunkContract(row.offer, end - align.shift_h, *volume))
    return tuple(contracts)


def with_sunk(problem: Problem, contracts: tuple[SunkContract, ...]) -> Problem:
    """The problem in which earlier contracts are signed, at the volume they were signed for, until their end."""
    by_offer = {row.offer: row for row in contracts}
    offers = tuple(
        offer.model_copy(update={"commitment": _signed(problem, offer.commitment, by_offer[offer.name])})
        if offer.commitment is not None and offer.name in by_offer
        else offer
        for offer in problem.offers
    )
    return problem.model_copy(update={"offers": offers})


def _signed(problem: Problem, commitment: Commitment, row: SunkContract) -> Commitment:
    months = np.ceil(row.end_h / HOURS_PER_MONTH - 1e-9)
    lasts = commitment.term_months is None and months * HOURS_PER_MONTH >= problem.horizon.hours
    return commitment.model_copy(
        update={
            "signed": True,
            "signed_until": None if lasts else problem.horizon.clock.local(row.end_h),
            "min_tokens_per_month": row.committed_tokens_per_month,
            "min_usd_per_month": row.committed_usd_per_month,
            "max_tokens_per_month": None,
            "max_usd_per_month": None,
            "step_usd_per_month": None,
        }
    )


def laid_on(plan: Plan, align: Alignment, inst: Instance, freeze_h: float) -> Running:
    """The running plan on the cells and pools of the new instance."""
    problem = align.new
    return Running(
        aligned_by="time" if align.by_time else "period",
        shift_h=align.shift_h,
        freeze_h=freeze_h,
        shares=tuple(_shares(plan, align, inst)),
        counts=tuple(_counts(plan, align, inst)),
        before=tuple(_before(plan, align, inst)),
        contracts=sunk(plan, align, problem),
        purchases=tuple(_purchases(plan, align, inst)),
    )


def _shares(plan: Plan, align: Alignment, inst: Instance) -> list[RunningShare]:
    known, overall = _by_cell(plan), _overall(plan)
    rows = []
    for w, n in zip(inst.cells.workload.tolist(), inst.cells.occurrence.tolist(), strict=True):
        name, moves = inst.workloads.names[w], bool(inst.workloads.moves[w])
        windowed = align.new.workloads[w].window is not None
        shares = known.get((name, moves))
        if shares is None:
            now = overall.get(name, {})
        else:
            now = _nearest(shares, align.day(n) if windowed else align.period(n))
        for (offer, model), share in now.items():
            period, occurrence = (None, n) if moves else (n, None)
            rows.append(RunningShare(name, offer, model, period, occurrence, share))
    return rows


def _by_cell(plan: Plan) -> dict[tuple[str, bool], dict[int, Shares]]:
    """Shares by offer and model, of each workload's cells; apart for work that may move."""
    cells: dict[tuple[str, bool], dict[int, Shares]] = {}
    for row in plan.routes:
        at = row.period if row.occurrence is None else row.occurrence
        shares = cells.setdefault((row.workload, row.occurrence is not None), {}).setdefault(at, {})
        shares[row.offer, row.model] = shares.get((row.offer, row.model), 0.0) + row.share
    return cells


def _overall(plan: Plan) -> dict[str, Shares]:
    """Shares of each workload's tokens, for one whose demand is stated in another way now."""
    tokens: dict[str, Shares] = {}
    for row in plan.routes:
        shares = tokens.setdefault(row.workload, {})
        key = (row.offer, row.model)
        shares[key] = shares.get(key, 0.0) + row.prompt_tokens + row.completion_tokens
    return {
        name: {key: amount / sum(shares.values()) for key, amount in shares.items()}
        for name, shares in tokens.items()
        if sum(shares.values()) > 0
    }


def _nearest(shares: dict[int, Shares], at: int) -> Shares:
    """Those of the time itself, else of the latest before it, else of the first after it."""
    if at in shares:
        return shares[at]
    before = [n for n in shares if n < at]
    return shares[max(before) if before else min(shares)]


def _counts(plan: Plan, align: Alignment, inst: Instance) -> list[RunningCount]:
    count = {(row.offer, row.model, row.period): row.count for row in plan.instances}
    periods = [align.period(t) for t in range(inst.time.periods)]
    return [
        RunningCount(offer, model, t, count[offer, model, old])
        for offer, model in inst.pool_names
        for t, old in enumerate(periods)
        if count.get((offer, model, old), 0.0) > 0
    ]


def _before(plan: Plan, align: Alignment, inst: Instance) -> list[RunningBefore]:
    now = align.period(0)
    paid = {(row.offer, row.model): row.paid_count for row in plan.instances if row.period == now}
    return [
        RunningBefore(offer, model, paid[offer, model])
        for offer, model in inst.pool_names
        if paid.get((offer, model), 0.0) > 0
    ]


def _purchases(plan: Plan, align: Alignment, inst: Instance) -> list[SunkPurchase]:
    pools = set(inst.pool_names)
    termed = {offer.name for offer in align.new.offers if offer.instances and offer.instances.term_hours}
    earlier = () if plan.running is None else plan.running.purchases
    ends = [(row.offer, row.model, row.end_h, row.count) for row in earlier]
    ends += [
        (row.offer, row.model, row.until_h or 0.0, row.count)
        for row in plan.purchases
        if row.from_h <= align.shift_h + SLACK_H
    ]
    return [
        SunkPurchase(offer, model, end - align.shift_h, count)
        for offer, model, end, count in ends
        if end - align.shift_h > SLACK_H and (offer, model) in pools and offer in termed
    ]
