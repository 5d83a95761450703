"""A simulation as a person reads it: what was promised beside what was achieved, worst first, and what mends it."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from router.reports.document import Report, ReportTable, columns
from router.reports.words import count, percent

if TYPE_CHECKING:
    from router.simulation import PromiseVerdict, SimulationReport

SHOWN = 40  # rows of a table; the JSON has all
ORDER = {"broken": 0, "undecided": 1, "kept": 2}


def simulation_report(simulation: SimulationReport) -> Report:
    """Counts of verdicts, every promise (the worst ones first where there are many), and pools by their waits."""
    counts = simulation.verdicts
    verdicts = ", ".join(
        f"{number} {verdict}" for verdict, number in counts.items() if number or verdict == "kept"
    )
    judged = len(simulation.promises) + len(simulation.spills)
    headline = [
        f"{verdicts} of {_many(judged, 'promise')} in {_many(len(simulation.periods), 'period')}",
        f"{count(simulation.requests)} requests, arrivals {simulation.arrivals}, seed {simulation.seed}",
    ]
    if not simulation.ok:
        headline.append("NOT KEPT: see the remedies below")
    tables = (_promises(simulation), _pools(simulation), _quotas(simulation), _spills(simulation))
    notes = [*simulation.notes, *_remedies(simulation), *_optimism(simulation)]
    return Report(
        simulation.name, tuple(headline), tuple(table for table in tables if table.rows), tuple(notes)
    )


def _quotas(simulation: SimulationReport) -> ReportTable:
    """Caps by the minute, those that refuse most first."""
    ranked = sorted(simulation.quotas, key=lambda row: (-row.refused, -row.minutes_above, -row.utilisation))
    rows = tuple(
        (
            row.quota,
            row.kind.replace("_", " "),
            str(row.period),
            percent(row.utilisation),
            percent(row.minutes_above),
            percent(row.refused),
            "–" if row.planned_refused is None else percent(row.planned_refused),
        )
        for row in ranked[:SHOWN]
    )
    heads = columns(
        "quota", "a minute", ">period", ">mean", ">minutes above", ">refused", ">refused by the plan"
    )
    return ReportTable("Limits by the minute", heads, rows)


def _spills(simulation: SimulationReport) -> ReportTable:
    """Limits that spill: broken ones first, then by how much spills."""
    ranked = sorted(simulation.spills, key=lambda row: (ORDER[row.verdict], -row.spilled))
    rows = tuple(
        (
            row.offer if row.model is None else f"{row.offer} {row.model}",
            row.workload,
            str(row.period),
            f"{row.minutes:,}",
            percent(row.spilled),
            percent(row.planned),
            f"{percent(row.low)} to {percent(row.high)}",
            row.verdict,
        )
        for row in ranked[:SHOWN]
    )
    heads = columns(
        "limit", "workload", ">period", ">minutes", ">spilled", ">planned", ">within chance", "verdict"
    )
    return ReportTable("Spilled of what is sent there", heads, rows)


def _promises(simulation: SimulationReport) -> ReportTable:
    ranked = sorted(simulation.promises, key=lambda row: (ORDER[row.verdict], _rank(row)))
    rows = tuple(
        (
            row.workload,
            str(row.period),
            row.promise,
            _ms(row.limit_ms),
            _ms(row.achieved_ms),
            _ms(row.wait_ms),
            _ms(row.formula_wait_ms),
            percent(row.within),
            row.verdict,
        )
        for row in ranked[:SHOWN]
    )
    more = f" (the {SHOWN} that matter most of {len(ranked)})" if len(ranked) > SHOWN else ""
    heads = columns(
        "workload", ">period", "promise", ">limit", ">achieved", ">wait", ">formula", ">within", "verdict"
    )
    return ReportTable(f"Promised and achieved, ms{more}", heads, rows)


def _rank(row: PromiseVerdict) -> float:
    """Most of the limit used first."""
    return -row.achieved_ms / row.limit_ms if math.isfinite(row.achieved_ms) else -math.inf


def _pools(simulation: SimulationReport) -> ReportTable:
    ranked = sorted(simulation.pools, key=lambda row: -row.utilisation)
    rows = tuple(
        (
            " ".join(filter(None, (row.offer, row.role, row.model))),
            str(row.period),
            f"{row.servers:,}",
            percent(row.utilisation),
            percent(row.planned_utilisation),
            _ms(row.wait_ms["mean"]),
            _ms(row.formula_wait_ms["mean"]),
            _ms(row.wait_ms["p99"]),
            _ms(row.formula_wait_ms["p99"]),
        )
        for row in ranked[:SHOWN]
    )
    more = f" (the {SHOWN} fullest of {len(ranked)})" if len(ranked) > SHOWN else ""
    heads = columns(
        "pool",
        ">period",
        ">servers",
        ">in use",
        ">planned",
        ">mean wait",
        ">formula",
        ">p99 wait",
        ">formula",
    )
    return ReportTable(f"Pools, waits in ms{more}", heads, rows)


def _remedies(simulation: SimulationReport) -> list[str]:
    """One line per workload: the remedy of its worst promise, and how many are broken."""
    first: dict[str, str] = {}
    broken = Counter[str]()
    for row in sorted(simulation.promises, key=_rank):
        if row.remedy is not None:
            first.setdefault(row.workload, row.remedy)
            broken[row.workload] += 1
    return [
        f"{name}: {broken[name]} broken; to mend it, {remedy}, and plan again"
        for name, remedy in first.items()
    ]


def _optimism(simulation: SimulationReport) -> list[str]:
    low = [row for row in simulation.promises if row.optimistic]
    if not low:
        return []
    return [
        f"the formula's wait is below the simulated one at {len(low)} of {len(simulation.promises)} promises; "
        "policy.wait_margin plans waits longer by a share"
    ]


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _ms(value: float) -> str:
    if not math.isfinite(value):
        return "never"
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.3g}"
