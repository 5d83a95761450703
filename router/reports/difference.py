"""What changes between two plans, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.reports.document import Report, ReportTable, columns
from router.reports.words import count, instances, percent, usd

if TYPE_CHECKING:
    from router.plan.difference import Difference

OTHER_PROBLEM = "the two plans are for different problems"
UNDECIDED = (
    "whether the two plans are for the same problem cannot be decided: one was written by an earlier release, "
    "which hashed problems in another way. router verify FILE PLAN checks either against a problem file"
)


def _notes(change: Difference) -> tuple[str, ...]:
    before, after = change.start_before, change.start_after
    if before and after and before != after:
        rule = (
            f"the first plan starts at {before}, the second at {after}: their periods are not the same hours"
        )
        return (rule,)
    return {True: (), False: (OTHER_PROBLEM,), None: (UNDECIDED,)}[change.same_problem]


def difference_tables(change: Difference) -> tuple[ReportTable, ...]:
    """Cost, routes, instances and commitments, as far as they differ."""
    tables = (
        ReportTable(
            "Cost",
            columns("offer", "for", ">before USD", ">after USD"),
            tuple((*line.of, usd(line.before), usd(line.after)) for line in change.costs),
        ),
        ReportTable(
            "Who serves what",
            columns("workload", "offer", "model", ">before", ">after"),
            tuple((*line.of, percent(line.before), percent(line.after)) for line in change.routes),
        ),
        ReportTable(
            "Most instances at once",
            columns("offer", "model", ">before", ">after"),
            tuple((*line.of, instances(line.before), instances(line.after)) for line in change.instances),
        ),
        ReportTable(
            "Committed",
            columns("offer", "what", ">before", ">after"),
            tuple((*line.of, count(line.before), count(line.after)) for line in change.contracts),
        ),
    )
    return tuple(table for table in tables if table.rows)


def difference_report(change: Difference, name: str) -> Report:
    """Only what differs."""
    step = change.cost_after_usd - change.cost_before_usd
    signed = ("+" if step >= 0 else "−") + usd(abs(step))
    cost = f"{usd(change.cost_before_usd)} → {usd(change.cost_after_usd)} USD ({signed})"
    moved = f"{percent(change.moved_share)} of the tokens move"
    changed = difference_tables(change)
    return Report(
        name,
        (cost, moved) if changed else (cost, "nothing else changes"),
        changed,
        _notes(change),
    )
