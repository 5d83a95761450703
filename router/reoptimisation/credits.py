"""Credits from run to run: what earlier plans used of one is not there again.

used    what the running plan says was used before it, and what it pays until now; after the end of its horizon, as
        `Alignment` has it
left    the amount in the file less what is used, as long as the file says the same of the credit as the one before
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from router.plan.document import Plan
from router.plan.running import SpentCredit
from router.reoptimisation.alignment import SLACK_H, Alignment
from router.schema import Problem


def spent(plan: Plan, align: Alignment, before: Problem | None) -> tuple[SpentCredit, ...] | None:
    """Of the credits of the new problem; `before` is the running plan's, None: it cannot be read."""
    earlier = {} if plan.running is None else {row.credit: row.used_usd for row in plan.running.credits or ()}
    was = None if before is None else {credit.name: credit for credit in before.credits}
    rows = []
    for credit in align.new.credits:
        if was is None or was.get(credit.name) == credit:
            used = min(earlier.get(credit.name, 0.0) + _paid_usd(plan, align, credit.name), credit.usd)
            rows += [SpentCredit(credit.name, used)] if used > 0 else []
    return tuple(rows) or None


def _paid_usd(plan: Plan, align: Alignment, credit: str) -> float:
    """What it pays from the start of the running plan until now."""
    paid: dict[int, float] = defaultdict(float)
    for row in plan.credits or ():
        if row.credit == credit:
            paid[row.period] += row.paid_usd
    period_h = align.old.horizon.period_h
    periods = range(math.ceil(align.shift_h / period_h - SLACK_H))
    parts = (min(align.shift_h / period_h - t, 1.0) * paid.get(align.period_before(t), 0.0) for t in periods)
    return math.fsum(parts)


def with_spent(problem: Problem, rows: tuple[SpentCredit, ...] | None) -> Problem:
    """The problem with what is left of its credits."""
    used = {row.credit: row.used_usd for row in rows or ()}
    left = (
        credit.model_copy(update={"usd": max(credit.usd - used.get(credit.name, 0.0), 0.0)})
        for credit in problem.credits
    )
    return problem.model_copy(update={"credits": tuple(left)}) if used else problem


def notes_on_credits(
    plan: Plan, align: Alignment, before: Problem | None, rows: tuple[SpentCredit, ...] | None
) -> Iterator[str]:
    """What is taken to be left of credits, and where the file says it anew."""
    for row in rows or ():
        yield f"{row.used_usd:,.2f} USD of {row.credit} were used by earlier plans; to say what is left, change its usd"
    was = {} if before is None else {credit.name: credit for credit in before.credits}
    known = {row.credit for row in plan.credits or ()}
    for credit in align.new.credits:
        if credit.name in known and credit.name in was and was[credit.name] != credit:
            yield f"{credit.name} has changed in the file: its usd is what is left of it now"
