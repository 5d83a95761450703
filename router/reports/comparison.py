"""Every offer alone, as a buyer reads it; and the verdict on a plan, check by check."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.reports.document import Report, ReportTable, columns
from router.reports.words import count, duration, hours, instances, percent, rate, usd

if TYPE_CHECKING:
    from router.comparison import Comparison, OfferRow
    from router.verification import Verification


def comparison_report(table: Comparison) -> Report:
    """The buyer's table: those that can serve everything by cost, then the others with the reasons."""
    able = [row for row in table.offers if row.cost_usd is not None]
    month = abs(table.horizon_h - 730.0) < 1e-9  # then the cost is that of a month already
    rows = tuple(_able(row, month) for row in able)
    heads = columns(
        "offer",
        ">USD",
        ">USD a month",
        ">USD per M tokens",
        ">instances",
        ">one instance needs",
        ">committed a month",
    )
    whole = _only_used(ReportTable("Can serve everything", heads, rows))
    unable = tuple(_unable(row) for row in table.offers if row.cost_usd is None)
    others = ReportTable(
        "Cannot, or only in part", columns("offer", "why", "could serve", ">USD for that"), unable
    )
    return Report(
        table.name,
        _headline(table, able),
        tuple(part for part in (whole, _only_used(others)) if part.rows),
        table.notes,
    )


def verification_report(verdict: Verification, name: str) -> Report:
    """One line per promise."""
    rows = tuple((check.name, "ok" if check.ok else "FAILED", check.detail) for check in verdict.checks)
    failed = len(verdict.failed())
    first = (
        f"All {len(rows)} promises hold" if verdict.ok else f"{failed} of {len(rows)} promises do not hold"
    )
    cost = f"Cost by the re-check's own arithmetic: {usd(verdict.cost_usd)} USD"
    return Report(name, (first, cost), (ReportTable("Checks", columns("promise", "holds", "detail"), rows),))


def _headline(table: Comparison, able: list[OfferRow]) -> tuple[str, ...]:
    agreements = sum(row.agreement is not None for row in table.offers)
    beside = (
        f", and {agreements} agreement{'s' * (agreements > 1)} with all offers of it" if agreements else ""
    )
    offers = len(table.offers) - agreements
    first = f"Each of {offers} offers alone{beside}, over {hours(table.horizon_h)}"
    if not able:
        return first, "None of them can serve everything"
    best = able[0]
    second = f"Cheapest: {best.seller}, {usd(best.cost_usd)} USD"
    if len(able) > 1 and best.cost_usd is not None and able[1].cost_usd:
        second += f"; {percent(1 - best.cost_usd / able[1].cost_usd)} below the next, {able[1].seller}"
    return first, second


def _able(row: OfferRow, month: bool) -> tuple[str, ...]:
    committed = ""
    if row.committed_tokens_per_month is not None:
        committed = f"{count(row.committed_tokens_per_month)} tokens"
    elif row.committed_usd_per_month is not None:
        committed = f"{usd(row.committed_usd_per_month)} USD"
    return (
        row.seller,
        usd(row.cost_usd),
        "" if month else usd(row.cost_usd_per_month),
        rate(row.usd_per_m_tokens),
        "" if row.instances is None else instances(row.instances),
        "" if row.hours_at_one_instance is None else duration(row.hours_at_one_instance),
        committed,
    )


def _unable(row: OfferRow) -> tuple[str, ...]:
    return (
        row.seller,
        ", ".join(row.reasons),
        ", ".join(row.partial_workloads),
        "" if row.partial_cost_usd is None else usd(row.partial_cost_usd),
    )


def _only_used(table: ReportTable) -> ReportTable:
    """Without columns in which nothing stands; an empty cell becomes a dash."""
    used = table.without_empty()
    return replace(used, rows=tuple(tuple(cell or "–" for cell in row) for row in used.rows))
