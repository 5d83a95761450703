"""Sections of plans that were sized, re-optimised, or replayed: what they have beside the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.plan.document import Plan
from router.reports.document import ReportTable, columns
from router.reports.page.charts import Curve, lines
from router.reports.page.companions import Companions
from router.reports.page.elements import PageSection, chart, figures, listed, missing, paragraph, table
from router.reports.words import percent, usd


def history(plan: Plan, tables: dict[str, ReportTable], beside: Companions) -> list[PageSection]:
    """Those that the plan has; a backtest that was not given is named with its command."""
    found = []
    if plan.sizing is not None:
        found.append(_sized(plan, tables))
    if plan.running is not None:
        found.append(_reoptimised(plan))
    found.append(_backtested(beside.backtest))
    return found


def _sized(plan: Plan, tables: dict[str, ReportTable]) -> PageSection:
    sizing = plan.sizing
    if sizing is None:
        return PageSection("sized", "What knowing more would be worth", ())
    shown = [
        ("expected", f"{usd(sizing.expected_usd)} USD", "expected"),
        ("cvar", f"{usd(sizing.cvar_usd)} USD", f"CVaR at {percent(sizing.cvar_level)}"),
    ]
    if sizing.vss_usd is not None:
        shown.append(("vss", f"{usd(sizing.vss_usd)} USD", "VSS: worth of planning with futures"))
    if sizing.evpi_usd is not None:
        shown.append(("evpi", f"{usd(sizing.evpi_usd)} USD", "EVPI: worth of knowing the future"))
    fresh = [
        table(each) for name, each in tables.items() if name.startswith("In ") and "drawn afresh" in name
    ]
    return PageSection("sized", "What knowing more would be worth", (figures(shown), *fresh))


def _reoptimised(plan: Plan) -> PageSection:
    running = plan.running
    if running is None:
        return PageSection("reoptimised", "Before and after", ())
    before: dict[tuple[str, str | None], float] = {}
    after: dict[tuple[str, str | None], float] = {}
    for row in running.counts:
        before[row.offer, row.model] = max(before.get((row.offer, row.model), 0.0), row.count)
    for pool in plan.instances:
        after[pool.offer, pool.model] = max(after.get((pool.offer, pool.model), 0.0), pool.count)
    rows = tuple(
        (
            offer,
            model or "all its models",
            f"{before.get((offer, model), 0.0):,.6g}",
            f"{after.get((offer, model), 0.0):,.6g}",
        )
        for offer, model in dict.fromkeys([*before, *after])
    )
    heads = columns("offer", "model", ">most before", ">most after")
    share = ReportTable("Most instances at once", heads, rows)
    ran = dict.fromkeys((row.workload, row.offer) for row in running.shares)
    runs = dict.fromkeys((row.workload, row.offer) for row in plan.routes)
    moved = tuple(
        (
            workload,
            offer,
            "yes" if (workload, offer) in ran else "no",
            "yes" if (workload, offer) in runs else "no",
        )
        for workload, offer in dict.fromkeys([*ran, *runs])
    )
    routes = ReportTable("Who served what", columns("workload", "offer", "before", "after"), moved)
    churn = sum(line.usd for line in plan.cost_lines if line.kind == "churn")
    text = f"Changing costs {usd(churn)} USD of the plan's {usd(plan.cost_usd)} USD."
    return PageSection("reoptimised", "Before and after", (paragraph(text), table(share), table(routes)))


def _backtested(replay: Mapping[str, Any] | None) -> PageSection:
    if replay is None:
        text = "Whether planning again every hour would have paid, on a record, is computed by"
        command = "router backtest FILE --json > backtest.json"
        return PageSection("backtest", "Backtest", (missing(text, command),))
    part = replay["regret_share"]
    shown = [
        ("backtest-cost", f"{usd(replay['cost_usd'])} USD", "re-optimised"),
        ("backtest-hindsight", f"{usd(replay['hindsight_usd'])} USD", "the plan made in hindsight"),
        (
            "backtest-regret",
            f"{usd(replay['regret_usd'])} USD",
            "regret" if part is None else f"regret, {percent(part)}",
        ),
    ]
    series, hours = replay["series"], replay["period_h"]
    curves = [
        Curve(name, [(t * hours, value) for t, value in enumerate(series[key])])
        for key, name in (
            ("cost_usd", "re-optimised"),
            ("hindsight_usd", "in hindsight"),
            ("staying_usd", "first plan kept"),
        )
        if key in series
    ]
    picture = lines("Cost so far", curves, y_title="USD", x_title="hours of the replay") if curves else ""
    return PageSection(
        "backtest",
        "Backtest",
        (figures(shown), chart(picture) if picture else "", listed(list(replay["notes"]))),
    )
