"""An explanation as a person reads it."""

from __future__ import annotations

from router.explaining import Explanation
from router.planning.notes import out_of_time
from router.reports.document import Report, ReportTable, columns
from router.reports.words import usd

MOST_ROUTES = 30


def explanation_report(explanation: Explanation) -> Report:
    """Repairs and conflict where there is no plan; what binds and what offers would need where there is one."""
    if explanation.plan is None:
        return Report(
            title=explanation.name,
            headline=_ways_out(explanation),
            tables=_shown(_repairs(explanation), _conflict(explanation), _refused(explanation)),
            notes=out_of_time(explanation.out_of_time),
        )
    least = f"{usd(explanation.plan.cost_usd)} USD is the least; this is what decides it"
    held = ("Savings hold with instance counts and contracts as planned.",) if explanation.bindings else ()
    return Report(
        title=explanation.name,
        headline=(least, *held),
        tables=_shown(_bindings(explanation), _offers(explanation), _refused(explanation)),
        notes=(*explanation.plan.notes, *out_of_time(explanation.out_of_time)),
    )


def _shown(*tables: ReportTable) -> tuple[ReportTable, ...]:
    return tuple(table for table in tables if table.rows)


def _ways_out(explanation: Explanation) -> tuple[str, ...]:
    none = "no plan keeps every promise"
    if explanation.repairs:
        ways = (f"  {repair.text}" for repair in explanation.repairs)
        return (none, "Any one of these changes makes a plan possible:", *ways)
    return (none, "No change of one promise alone makes a plan possible.")


def _repairs(explanation: Explanation) -> ReportTable:
    rows = tuple((repair.promise, repair.text) for repair in explanation.repairs)
    return ReportTable("Least repair of each promise alone", columns("promise", "would do"), rows)


def _conflict(explanation: Explanation) -> ReportTable:
    if explanation.conflict is None:
        return ReportTable("Conflict", (), ())
    minimal = (
        "none of them can be left out"
        if explanation.conflict.proven_minimal
        else "perhaps not all are needed"
    )
    rows = tuple((promise.name, promise.field) for promise in explanation.conflict.promises)
    return ReportTable(f"These contradict each other ({minimal})", columns("promise", "field"), rows)


def _bindings(explanation: Explanation) -> ReportTable:
    rows = tuple(
        (
            binding.name,
            binding.worth.limit,
            binding.worth.more,
            str(binding.periods),
            usd(binding.usd_per_unit),
        )
        for binding in explanation.bindings
    )
    return ReportTable(
        "What binds", columns("of", "limit", "what would help", ">periods", ">saves USD"), rows
    )


def _offers(explanation: Explanation) -> ReportTable:
    rows = []
    for offer in explanation.offers:
        if offer.price_multiple is None:
            text = "not even for nothing" if offer.decided else "not decided in time"
        else:
            text = f"{offer.price_multiple:.4g} × its prices" + (
                "" if offer.decided else ", or a little more"
            )
        rows.append((offer.offer, text))
    return ReportTable("Not used; would be at or below", columns("offer", "price"), tuple(rows))


def _refused(explanation: Explanation) -> ReportTable:
    rows = [
        (route.workload, route.offer, route.model, "; ".join(route.changes))
        for route in explanation.refused[:MOST_ROUTES]
    ]
    more = len(explanation.refused) - len(rows)
    title = "Refused; would be admitted with" + (
        f" (first {len(rows)} of {len(explanation.refused)})" if more else ""
    )
    return ReportTable(title, columns("workload", "offer", "model", "all of"), tuple(rows))
