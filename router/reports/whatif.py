"""A changed problem beside the problem, as a person reads it."""

from __future__ import annotations

from router.explaining.whatif import WhatIf
from router.plan.document import Plan
from router.reports.difference import difference_tables
from router.reports.document import Report, ReportTable, columns
from router.reports.words import OPTIMAL, as_sentence, far, usd


def whatif_report(answer: WhatIf) -> Report:
    """The costs of both plans first, then what differs, then why."""
    settings = tuple((setting.path, setting.before, setting.after) for setting in answer.settings)
    change = ReportTable("Changed", columns("field", "is", "would be"), settings)
    tables = () if answer.difference is None else difference_tables(answer.difference)
    why = tuple((as_sentence(reason, answer.name),) for reason in answer.why)
    reasons = ReportTable("Why", columns("reason"), why)
    shown = tuple(table for table in (change, *tables, reasons) if table.rows)
    return Report(answer.name, tuple(_headline(answer)), shown)


def _headline(answer: WhatIf) -> list[str]:
    lines = [f"As it is: {_cost(answer.before)}", f"With the change: {_cost(answer.after)}"]
    if answer.before is not None and answer.after is not None:
        step = answer.after.objective_usd - answer.before.objective_usd
        within = answer.within_usd or 0.0
        known = f" ± {usd(within)}" if within >= 0.005 else ""
        word = "dearer" if step > 0 else "cheaper"
        same = abs(step) < 0.005 and within < 0.005
        lines.append("That costs the same" if same else f"That is {usd(abs(step))}{known} USD {word}")
    elif answer.why_none is not None:
        lines += answer.why_none.splitlines()
    return lines


def _cost(plan: Plan | None) -> str:
    if plan is None:
        return "no plan keeps every promise"
    gap = "" if plan.gap <= OPTIMAL else f", {far(plan.gap)} above its bound"
    return f"{usd(plan.cost_usd)} USD{gap}"
