"""Bills as they stand at an hour of a plan: those of the plan cut off there, each minimum by the hours until then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from router.plan.document import Plan
from router.schema import Problem
from router.verification.base.audit import Audit
from router.verification.base.bills import Bill, bills_of


class OfPeriod(Protocol):
    """A row of a plan that speaks of one period."""

    @property
    def period(self) -> int: ...


def counted_by(problem: Problem, plan: Plan, hour: float) -> dict[str, float]:
    """By agreement with `counts`: USD billed elsewhere that count in the span that runs at an hour of a plan's horizon.

    Between the ends of two periods it is so far from the one to the other as the hour is.
    """
    audit = Audit(problem, plan)
    place = min(hour / audit.case.period_h, float(audit.case.periods))
    before = int(place + 1e-9)
    part = max(place - before, 0.0)
    first = _counted(audit, before)
    if part <= 1e-9:
        return first
    after = _counted(audit, before + 1)
    return {name: usd + part * (after.get(name, usd) - usd) for name, usd in first.items()}


def _counted(audit: Audit, periods: int) -> dict[str, float]:
    """The same at the end of so many periods; 0 where a span begins then."""
    case = audit.case
    counting = [name for name, agreement in case.agreements.items() if agreement.counts]
    counted = dict.fromkeys(counting, 0.0)
    if not periods:
        stood = {name: case.commitments[name].so_far for name in counting}
        return {name: 0.0 if each is None else each.counted_usd or 0.0 for name, each in stood.items()}
    for (name, _, _), bill in _cut(audit, periods).items():
        if name in counted and bill.end == periods and bill.end_h > periods * case.period_h + 1e-6:
            counted[name] = bill.counted_usd
    return counted


def _cut(audit: Audit, periods: int) -> dict[tuple[str, int, str | None], Bill]:
    """The bills of the first periods of a plan."""
    horizon = audit.case.problem.horizon.model_copy(update={"periods": periods})
    case = replace(audit.case, problem=audit.case.problem.model_copy(update={"horizon": horizon}))
    rows = audit.rows
    cut = replace(
        rows,
        instances=tuple(_until(periods, rows.instances)),
        coverage=None if rows.coverage is None else tuple(_until(periods, rows.coverage)),
        contracts=tuple(row for row in rows.contracts if row.from_h < periods * case.period_h),
    )
    return bills_of(case, cut, [flow for flow in audit.flows if flow.row.period < periods])


def _until[R: OfPeriod](periods: int, rows: Sequence[R]) -> list[R]:
    return [row for row in rows if row.period < periods]
