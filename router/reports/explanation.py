"""An explanation as a person reads it."""

from __future__ import annotations

from router.explaining import Explanation
from router.reports.document import Report, ReportTable, columns
from router.reports.words import usd

MOST_ROUTES = 30


def explanation_report(found: Explanation) -> Report:
    """Repairs and conflict where there is no plan; what binds and what offers would need where there is one."""
    if found.plan is None:
        return Report(
            title=found.name,
            headline=_ways_out(found),
            tables=_shown(_repairs(found), _conflict(found), _refused(found)),
        )
    least = f"{usd(found.plan.cost_usd)} USD is the least; this is what decides it"
    held = ("Savings hold with instance counts and contracts as planned.",) if found.bindings else ()
    return Report(
        title=found.name,
        headline=(least, *held),
        tables=_shown(_bindings(found), _offers(found), _refused(found)),
        notes=found.plan.notes,
    )


def _shown(*tables: ReportTable) -> tuple[ReportTable, ...]:
    return tuple(table for table in tables if table.rows)


def _ways_out(found: Explanation) -> tuple[str, ...]:
    none = "no plan keeps every promise"
    if found.repairs:
        ways = (f"  {one.text}" for one in found.repairs)
        return (none, "Any one of these changes makes a plan possible:", *ways)
    return (none, "No change of one promise alone makes a plan possible.")


def _repairs(found: Explanation) -> ReportTable:
    rows = tuple((one.promise.name, one.text) for one in found.repairs)
    return ReportTable("Least repair of each promise alone", columns("promise", "would do"), rows)


def _conflict(found: Explanation) -> ReportTable:
    if found.conflict is None:
        return ReportTable("Conflict", (), ())
    minimal = (
        "none of them can be left out" if found.conflict.proven_minimal else "perhaps not all are needed"
    )
    rows = tuple((one.name, one.field) for one in found.conflict.promises)
    return ReportTable(f"These contradict each other ({minimal})", columns("promise", "field"), rows)


def _bindings(found: Explanation) -> ReportTable:
    rows = tuple(
        (one.name, one.worth.limit, one.worth.more, str(one.periods), usd(one.usd_per_unit))
        for one in found.bindings
    )
    return ReportTable(
        "What binds", columns("of", "limit", "what would help", ">periods", ">saves USD"), rows
    )


def _offers(found: Explanation) -> ReportTable:
    rows = []
    for one in found.offers:
        if one.price_multiple is None:
            text = "not even for nothing" if one.decided else "not decided in time"
        else:
            text = f"{one.price_multiple:.4g} × its prices" + ("" if one.decided else ", or a little more")
        rows.append((one.offer, text))
    return ReportTable("Not used; would be at or below", columns("offer", "price"), tuple(rows))


def _refused(found: Explanation) -> ReportTable:
    rows = [
        (one.workload, one.offer, one.model, "; ".join(one.changes)) for one in found.refused[:MOST_ROUTES]
    ]
    more = len(found.refused) - len(rows)
    title = "Refused; would be admitted with" + (
        f" (first {len(rows)} of {len(found.refused)})" if more else ""
    )
    return ReportTable(title, columns("workload", "offer", "model", "all of"), tuple(rows))
