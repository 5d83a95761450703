"""What a scheduled run did, and what a store holds, as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from router.reports.document import Report, ReportTable, columns
from router.reports.words import percent, usd

if TYPE_CHECKING:
    from router.reoptimisation.run import Result
    from router.store import Listed

WHAT = {
    "first": "Plan {id} is in force: the first of this problem",
    "same inputs": "Plan {id} stays: it was made from the same inputs",
    "kept": "Plan {id} stays: a change would not pay for itself",
    "cheaper": "Plan {id} is in force: it gains more than it disrupts",
    "repair": "Plan {id} is in force: the one before would break a promise",
}


NO_EARLIER = "Plan {id} is in force: no earlier plan of this problem can be read"


def result_report(result: Result) -> Report:
    """The verdict first, then the costs side by side."""
    rows = [
        ("going on as it runs", usd(result.running_usd) if result.running_id is not None else "–"),
        ("the best change, churn included", usd(result.best_usd)),
        ("of which churn", usd(result.churn_usd)),
        ("the best if change were free", usd(result.unconstrained_usd)),
    ]
    shown = tuple(row for row in rows if row[1] != "–")
    tables = [ReportTable("Cost over the horizon", columns("plan", ">USD"), shown)]
    if result.broken:
        broken = tuple((one.promise, one.detail) for one in result.broken)
        tables.append(
            ReportTable("Going on would break", columns("promise", "where, and by how much"), broken)
        )
    unread = result.outcome == "first" and result.unread
    head = [(NO_EARLIER if unread else WHAT[result.outcome]).format(id=result.id)]
    if result.gain_usd is not None:
        head.append(f"Changing gains {usd(result.gain_usd)} USD after churn")
    if result.moved_share is not None:
        head.append(f"It moves {percent(result.moved_share)} of the tokens")
    if result.outcome == "same inputs":
        tables = []
    notes = dict.fromkeys((*result.notes, *(result.plan.notes if result.changed else ())))
    return Report(result.plan.name, tuple(head), tuple(tables), tuple(notes))


def history_report(found: Sequence[Listed], store: str, count: int) -> Report:
    """Newest first."""
    rows = tuple(
        (
            str(row.id),
            row.created,
            "damaged" if row.damaged else row.status,
            row.name,
            row.reason,
            usd(row.cost_usd),
            usd(row.running_usd),
            usd(row.unconstrained_usd),
            percent(row.moved_share),
        )
        for row in found
    )
    heads = columns(
        ">plan", "made", "search", "problem", "why", ">USD", ">going on USD", ">change free USD", ">moved"
    )
    shown = "" if len(rows) == count else f", the newest {len(rows):,} shown"
    damaged = tuple(f"plan {row.id} does not read back whole: {row.damaged}" for row in found if row.damaged)
    return Report(store, (f"{count:,} plans{shown}",), (ReportTable("Plans", heads, rows),), damaged)
