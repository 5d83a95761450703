"""What engineering runs: instances against load, utilisation, who serves what, latency promised and simulated."""

from __future__ import annotations

from collections import defaultdict

from router.plan.document import Plan
from router.reports.document import ReportTable, columns
from router.reports.page.charts import Curve, flows, lines
from router.reports.page.companions import Companions
from router.reports.page.elements import (
    PageSection,
    chart,
    figures,
    heading,
    listed,
    missing,
    paragraph,
    table,
)
from router.reports.page.time import Calendar
from router.reports.words import count, percent

MOST_POOLS, MOST_NAMES = 6, 10


def engineering(plan: Plan, tables: dict[str, ReportTable], beside: Companions) -> list[PageSection]:
    """In the order of a shift: what runs, how full, for whom, how fast."""
    when = Calendar.of(plan)
    return [
        _instances(plan, when),
        _utilisation(plan, tables, when),
        _routes(plan, tables),
        _latency(plan, beside, when),
    ]


def _instances(plan: Plan, when: Calendar) -> PageSection:
    if not plan.instances:
        return PageSection(
            "instances", "Instances over time", (paragraph("Nothing is rented: the plan buys by the token."),)
        )
    hours, p = plan.horizon_h / max(plan.periods, 1), plan.probabilities()
    running: dict[str, list[float]] = defaultdict(lambda: [0.0] * plan.periods)
    busy: dict[str, list[float]] = defaultdict(lambda: [0.0] * plan.periods)
    for row in plan.instances:
        offer = row.offer if row.role is None else f"{row.offer} {row.role}"
        name = offer if row.model is None else f"{offer}, {row.model}"
        running[name][row.period] += p[row.scenario] * row.count
        busy[name][row.period] += p[row.scenario] * row.count * row.utilisation
    pools = sorted(running, key=lambda name: -max(running[name]))
    blocks: list[str] = []
    for name in pools[:MOST_POOLS]:
        curves = [
            Curve("instances", _points(running[name], hours), step=True),
            Curve("load, in instances", _points(busy[name], hours), step=True),
        ]
        title = f"{name}: instances and load" + (", expected over futures" if len(plan.scenarios) > 1 else "")
        blocks.append(heading(title))
        blocks.append(chart(lines(title, curves, y_title="instances", x_ticks=when.ticks(), height=220)))
    if len(pools) > MOST_POOLS:
        left = len(pools) - MOST_POOLS
        blocks.append(
            missing(
                f"{left} smaller pools are not drawn; every row:",
                "router report PLAN --format csv --table instances",
            )
        )
    return PageSection("instances", "Instances over time", tuple(blocks))


def _points(values: list[float], hours: float) -> list[tuple[float, float]]:
    return [(t * hours, value) for t, value in enumerate(values)] + [(len(values) * hours, values[-1])]


def _utilisation(plan: Plan, tables: dict[str, ReportTable], when: Calendar) -> PageSection:
    blocks = [table(tables.get("Instances")), table(tables.get("Hosts"))]
    busiest = sorted(plan.instances, key=lambda row: (-row.utilisation, row.period))[:8]
    hours = plan.horizon_h / max(plan.periods, 1)
    rows = tuple(
        (
            row.offer if row.role is None else f"{row.offer} {row.role}",
            row.model or "all its models",
            when.label(row.period * hours, full=True),
            f"{row.count:,.6g}",
            percent(row.utilisation),
        )
        for row in busiest
    )
    heads = columns("offer", "model", "from", ">instances", ">utilisation")
    blocks.append(table(ReportTable("The busiest hours", heads, rows)))
    return PageSection(
        "utilisation", "Utilisation", tuple(blocks) if rows else (paragraph("Nothing is rented."),)
    )


def _routes(plan: Plan, tables: dict[str, ReportTable]) -> PageSection:
    p = plan.probabilities()
    amounts: dict[tuple[str, str], float] = defaultdict(float)
    for row in plan.routes:
        amounts[row.workload, row.offer] += p[row.scenario] * (row.tokens or row.requests or 0.0)
    for lost in plan.unserved:
        amounts[lost.workload, "left unserved"] += p[lost.scenario] * (lost.tokens or lost.requests or 0.0)
    kept = largest(amounts)
    written = {pair: count(amount) for pair, amount in kept.items()}
    picture = chart(flows("Tokens from workloads to offers", kept, written)) if kept else ""
    blocks = (
        picture,
        table(tables.get("Who serves what"), more="router report PLAN --format csv --table routes"),
    )
    return PageSection("routes", "Who serves what", blocks)


def largest(amounts: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """The same with all but the largest names of either side together."""
    names: tuple[set[str], set[str]] = (set(), set())
    for side in (0, 1):
        by: dict[str, float] = defaultdict(float)
        for pair, amount in amounts.items():
            by[pair[side]] += amount
        names[side].update(sorted(by, key=lambda name: -by[name])[:MOST_NAMES])
    kept: dict[tuple[str, str], float] = defaultdict(float)
    for (a, b), amount in sorted(amounts.items(), key=lambda item: -item[1]):
        if amount > 0:
            kept[a if a in names[0] else "other workloads", b if b in names[1] else "other offers"] += amount
    return dict(kept)


def _latency(plan: Plan, beside: Companions, when: Calendar) -> PageSection:
    simulated = beside.simulation
    if simulated is None:
        text = "The plan keeps its latencies by formula. Promised against simulated latency is computed by"
        command = "router simulate PLAN --problem FILE --json > simulation.json"
        return PageSection("latency", "Latency, promised and simulated", (missing(text, command),))
    if not simulated["promises"]:
        text = (
            "The simulation met no promise of a latency: no workload asks for one where instances serve it."
        )
        return PageSection("latency", "Latency, promised and simulated", (paragraph(text),))
    verdicts, hours = simulated["verdicts"], plan.horizon_h / max(plan.periods, 1)
    blocks = [figures((f"promises-{name}", str(number), name) for name, number in verdicts.items())]
    by: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for row in simulated["promises"]:
        by[row["workload"], row["promise"]].append(
            (row["period"] * hours, row["achieved_ms"], row["limit_ms"])
        )
    for (workload, promise), rows in list(by.items())[:MOST_POOLS]:
        rows.sort()
        title = f"{workload}: {promise}, simulated against promised"
        if len(rows) > 1:
            curves = [
                Curve("simulated", [(x, y) for x, y, _ in rows]),
                Curve("promised", [(x, y) for x, _, y in rows]),
            ]
            blocks.append(chart(lines(title, curves, y_title="ms", x_ticks=when.ticks(), height=220)))
    ranked = sorted(simulated["promises"], key=lambda row: -row["achieved_ms"] / row["limit_ms"])[:12]
    rows_of = tuple(
        (
            row["workload"],
            row["promise"],
            when.label(row["period"] * hours, full=True),
            f"{row['limit_ms']:,.6g}",
            f"{row['achieved_ms']:,.6g}",
            row["verdict"],
        )
        for row in ranked
    )
    heads = columns("workload", "promise", "from", ">promised ms", ">simulated ms", "verdict")
    blocks += [
        table(ReportTable("Nearest to their limits", heads, rows_of)),
        listed(list(simulated["notes"])),
    ]
    return PageSection("latency", "Latency, promised and simulated", tuple(blocks))
