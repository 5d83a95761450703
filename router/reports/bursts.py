"""What caps by the minute meet inside a period, as a person reads it."""

from __future__ import annotations

from math import fsum

from router.plan.document import Plan
from router.plan.rows import QuotaRow
from router.reports.document import ReportTable, columns
from router.reports.words import percent


def bursts_table(plan: Plan) -> ReportTable:
    """A row for each cap by the minute: over the periods and futures of the plan, and in the worst of them."""
    caps: dict[tuple[str, str], list[QuotaRow]] = {}
    for row in plan.quotas or ():
        caps.setdefault((row.quota, row.kind), []).append(row)
    p, rows = plan.probabilities(), []
    for (quota, kind), some in caps.items():
        worst = max(some, key=lambda row: (row.refused, row.minutes_above, row.utilisation))
        weights = [p[row.scenario] * row.utilisation for row in some]
        refused = fsum(weight * row.refused for weight, row in zip(weights, some, strict=True))
        rows.append(
            (
                quota,
                kind.replace("_", " "),
                percent(max(row.utilisation for row in some)),
                percent(refused / fsum(weights)),
                str(worst.period),
                percent(worst.minutes_above),
                percent(worst.refused),
            )
        )
    heads = columns(
        "quota",
        "a minute",
        ">highest mean of a period",
        ">refused",
        ">worst period",
        ">its minutes above",
        ">refused in it",
    )
    return ReportTable("Limits by the minute", heads, tuple(rows))
