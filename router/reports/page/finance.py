"""What finance defends: what it costs, by what and when; what is signed and owed; how far it can go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from router.explaining.moving import Standing
from router.plan.document import Plan
from router.reports.document import ReportTable, columns
from router.reports.page.charts import Bar, Curve, bars, lines, spans
from router.reports.page.companions import Companions, Json
from router.reports.page.elements import PageSection, chart, figures, missing, paragraph, side_by_side, table
from router.reports.page.money import by_month, by_workload
from router.reports.sizing_choices import frontier
from router.reports.words import percent, usd

MOST_BARS = 14


def finance(plan: Plan, tables: dict[str, ReportTable], beside: Companions) -> list[PageSection]:
    """In the order in which they are asked for."""
    return [
        _by_offer(plan, tables),
        _by_workload(plan),
        _by_month(plan),
        _signed(plan, tables),
        _futures(plan, tables),
        _break_even(plan, tables, beside),
        _walk_away(plan, tables, beside),
    ]


def _by_offer(plan: Plan, tables: dict[str, ReportTable]) -> PageSection:
    by: dict[str, float] = {}
    for line in plan.cost_lines:
        by[line.offer or "–"] = by.get(line.offer or "–", 0.0) + line.usd
    return PageSection(
        "cost-by-offer",
        "Cost by offer",
        (side_by_side(_bars("Cost by offer, USD", by), table(tables.get("Cost"))),),
    )


def _by_workload(plan: Plan) -> PageSection:
    by = by_workload(plan)
    rows = tuple(
        (name, usd(amount), percent(amount / plan.cost_usd) if plan.cost_usd else "–")
        for name, amount in sorted(by.items(), key=lambda item: -item[1])
    )
    total = ("total", usd(fsum(by.values())), "")
    how = "What an offer costs is laid to workloads by the tokens that they send to it; by offer it is exact."
    own = ReportTable("Cost by workload", columns("workload", ">USD", ">share"), rows, total)
    return PageSection(
        "cost-by-workload",
        "Cost by workload",
        (side_by_side(_bars("Cost by workload, USD", by), table(own)), paragraph(how)),
    )


def _by_month(plan: Plan) -> PageSection:
    by = by_month(plan)
    rows = tuple((f"month {month + 1}", usd(amount)) for month, amount in by.items())
    total = ("total", usd(fsum(by.values())))
    own = ReportTable("Cash by billing month of 730 h", columns("month", ">USD"), rows, total)
    drawn = [Bar(f"month {k + 1}", amount, usd(amount)) for k, amount in by.items()]
    picture = chart(bars("Cash by month, USD", drawn)) if len(by) > 1 else ""
    how = "Bills of contracts in the month they bill, what is rented by the instances of the month, tokens as used."
    return PageSection("cash-by-month", "Cash by month", (side_by_side(picture, table(own)), paragraph(how)))


def _signed(plan: Plan, tables: dict[str, ReportTable]) -> PageSection:
    later = owed_later(plan)
    billed: dict[str, float] = {}
    p = plan.probabilities()
    for row in plan.settlements:
        if row.signed:
            billed[row.seller] = billed.get(row.seller, 0.0) + p[row.scenario] * row.billed_usd
    least = fsum(row.least_usd for row in plan.sizing.sign) if plan.sizing is not None else None
    shown = [("owed-later", f"{usd(later)} USD", "owed after the horizon")]
    if billed:
        shown.insert(0, ("billed", f"{usd(fsum(billed.values()))} USD", "billed by contracts in the horizon"))
    if least is not None:
        shown.insert(0, ("owed-least", f"{usd(least)} USD", "owed at least, whatever comes"))
    blocks = [table(tables.get(name)) for name in ("What to sign", "Contracts", "Bought for a term")]
    nothing = "" if any(blocks) else paragraph("Nothing is signed.")
    return PageSection(
        "signed", "What is signed, owed at least, and owed later", (figures(shown), *blocks, nothing)
    )


def owed_later(plan: Plan) -> float:
    """What contracts and purchases owe after the horizon, undiscounted."""
    contracts: dict[str, float] = {}
    for row in plan.settlements:
        contracts[row.seller] = max(contracts.get(row.seller, 0.0), row.beyond_horizon_usd)
    return fsum(contracts.values()) + fsum(row.beyond_horizon_usd or 0.0 for row in plan.purchases)


def _futures(plan: Plan, tables: dict[str, ReportTable]) -> PageSection:
    if len(plan.scenarios) < 2:
        text = "One future was planned for. The distribution of cost over several is computed by"
        return PageSection("distribution", "Cost over futures", (missing(text, "router size FILE -o PLAN"),))
    ranked = sorted((row.cost_usd, row.probability) for row in plan.scenarios)
    whole, seen, points = fsum(weight for _, weight in ranked), 0.0, [(ranked[0][0], 0.0)]
    for cost, weight in ranked:
        seen += weight / whole
        points.append((cost, 100 * min(seen, 1.0)))
    shown = [
        (f"p{level}", f"{usd(_quantile(ranked, level / 100))} USD", f"P{level}") for level in (10, 50, 90)
    ]
    picture = lines(
        "Probability that the plan costs at most so much",
        [Curve("probability, %", points, step=True)],
        x_title="USD over the horizon",
        y_title="% of futures that cost at most so much",
        marks=[(_quantile(ranked, level / 100), f"P{level}") for level in (10, 50, 90)],
    )
    blocks = (
        figures(shown),
        chart(picture),
        table(tables.get("Futures")),
        table(tables.get("The worst futures")),
    )
    return PageSection("distribution", "Cost over futures", blocks)


def _quantile(ranked: Sequence[tuple[float, float]], level: float) -> float:
    """The least cost that is not exceeded with that probability."""
    whole, seen = fsum(weight for _, weight in ranked), 0.0
    for cost, weight in ranked:
        seen += weight / whole
        if seen >= level - 1e-12:
            return cost
    return ranked[-1][0]


def _break_even(plan: Plan, tables: dict[str, ReportTable], beside: Companions) -> PageSection:
    blocks: list[str] = []
    for moving in (beside.explanation or {}).get("moving", ()):
        points = [
            (point["value"], point["cost_usd"]) for point in moving["points"] if point["cost_usd"] is not None
        ]
        marks = [(point["value"], f"{point['value']:.4g}") for point in moving["breakpoints"]]
        if points:
            unit = "factor" if moving["factor"] else "value"
            title = f"Cost as {moving['path']} moves"
            blocks.append(
                chart(lines(title, [Curve("cost", points)], x_title=unit, y_title="USD", marks=marks))
            )
            blocks.append(table(_between(moving)))
    if plan.sizing is not None:
        steps = {
            step.at: step.expected_usd
            for flip in plan.sizing.flips or ()
            for step in flip.steps
            if step.feasible
        }
        curve = [(at, cost) for at, cost in sorted(steps.items()) if cost is not None]
        if len(curve) > 1:
            title = "Expected cost as all demand moves"
            blocks.append(
                chart(lines(title, [Curve("expected", curve)], x_title="multiple of demand", y_title="USD"))
            )
        blocks += [
            table(tables.get(name)) for name in ("When the advice flips", "Signing more or less of it")
        ]
        points = [(row.cvar_usd, row.expected_usd) for row in plan.sizing.frontier or ()]
        if len(points) > 1:
            title = "Frontier: expected cost against CVaR"
            blocks.append(
                chart(
                    lines(
                        title,
                        [Curve("frontier", sorted(points))],
                        x_title="CVaR, USD",
                        y_title="expected USD",
                        from_zero=False,
                    )
                )
            )
            blocks.append(table(frontier(plan.sizing)))
    if not any(blocks):
        command = "router explain FILE --vary workloads.NAME.demand=0.5:2 -o explain.json"
        blocks = [missing("How the plan changes as an input moves is computed by", command)]
    return PageSection("break-even", "Break-even and frontier", tuple(blocks))


def _between(moving: Json) -> ReportTable:
    """What runs between breakpoints, from one end to the other."""
    unit, points = "×" if moving["factor"] else "", moving["points"]
    at, standing, rows = points[0]["value"], points[0]["standing"], []
    for point in (*moving["breakpoints"], {**points[-1], "after": standing}):
        rows.append(
            (
                f"{at:.4g}{unit}",
                f"{point['value']:.4g}{unit}",
                Standing(**standing).text,
                usd(point["cost_usd"]),
            )
        )
        at, standing = point["value"], point["after"]
    heads = columns(">from", ">to", "work runs", ">USD at its end")
    return ReportTable(f"As {moving['path']} moves", heads, tuple(rows))


def _walk_away(plan: Plan, tables: dict[str, ReportTable], beside: Companions) -> PageSection:
    rows = []
    for quote in (plan.sizing.quotes or ()) if plan.sizing is not None else ():
        if quote.walk_away_multiple is not None:
            name = f"{quote.offer}: {quote.verdict}"
            rows.append(Bar(name, quote.walk_away_multiple, f"{quote.walk_away_multiple:.4g} ×"))
    for offer in (beside.explanation or {}).get("offers", ()):
        if offer["price_multiple"] is not None:
            word = "leaves above" if offer["used"] else "enters below"
            name = f"{offer['offer']} {word}"
            rows.append(Bar(name, offer["price_multiple"], f"{offer['price_multiple']:.4g} ×"))
    title = "Prices at which offers leave or enter, as multiples of today's"
    blocks = [chart(spans(title, rows[:MOST_BARS], origin=1.0, word="today's price"))] if rows else []
    blocks.append(table(tables.get("What each quote is worth")))
    if not any(blocks):
        text = "The prices at which offers leave or enter are computed by"
        blocks = [missing(text, "router explain FILE -o explain.json (or router size FILE)")]
    return PageSection("walk-away", "Walk-away prices", tuple(blocks))


def _bars(title: str, by: dict[str, float]) -> str:
    rows = [
        Bar(name, amount, usd(amount))
        for name, amount in sorted(by.items(), key=lambda item: -item[1])
        if amount
    ]
    if len(rows) > MOST_BARS:
        rest = fsum(bar.value for bar in rows[MOST_BARS - 1 :])
        rows = [*rows[: MOST_BARS - 1], Bar(f"{len(rows) - MOST_BARS + 1} others", rest, usd(rest))]
    return chart(bars(title, rows)) if rows else ""
