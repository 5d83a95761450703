"""As one input moves: breakpoints as a table, and a picture of cost and counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.explaining.moving import STEPS, Moving
from router.plan.left_out import out_of_time
from router.reports.document import ReportTable, columns
from router.reports.page.charts import Curve, lines, on_paper, under_each_other
from router.reports.words import usd


def moving_tables(every: Sequence[Moving]) -> Iterator[ReportTable]:
    """What stands between breakpoints, from one end to the other."""
    for moving in every:
        unit = "×" if moving.factor else ""
        known = moving.points
        if not known:
            continue
        rows, at = [], known[0].value
        standing = known[0].standing
        for point in moving.breakpoints:
            rows.append((f"{at:.4g}{unit}", f"{point.value:.4g}{unit}", standing.text, usd(point.cost_usd)))
            at, standing = point.value, point.after
        rows.append(
            (f"{at:.4g}{unit}", f"{known[-1].value:.6g}{unit}", standing.text, usd(known[-1].cost_usd))
        )
        heads = columns(">from", ">to", "work runs", ">USD at its end")
        yield ReportTable(f"As {moving.path} moves", heads, tuple(rows))


def moving_notes(every: Sequence[Moving]) -> tuple[str, ...]:
    """How breakpoints were looked for, and what the limit left open."""
    if not every:
        return ()
    left = [what for moving in every for what in moving.untried]
    how = (
        f"breakpoints are found to 0.1 % of their value, from {STEPS + 1} values looked at first; a change that is "
        "undone again between two of these, or within the gap of 0.01 % that plans are known to, is not seen"
    )
    return (how, *out_of_time(left))


def moving_charts(moving: Moving) -> Iterator[str]:
    """Cost, with its breakpoints; most instances at once, where any are rented."""
    unit = "factor" if moving.factor else "value"
    costs = [(point.value, point.cost_usd) for point in moving.points if point.cost_usd is not None]
    marks = [(point.value, f"{point.value:.4g}") for point in moving.breakpoints]
    if costs:
        title = f"Cost as {moving.path} moves"
        yield lines(title, [Curve("cost", costs)], x_title=unit, y_title="USD", marks=marks)
    offers = dict.fromkeys(offer for point in moving.points for offer in point.instances or {})
    curves = [
        Curve(
            offer,
            [(point.value, (point.instances or {}).get(offer, 0.0)) for point in moving.points],
            step=True,
        )
        for offer in offers
    ]
    if curves:
        title = f"Most instances at once as {moving.path} moves"
        yield lines(title, curves, x_title=unit, y_title="instances", marks=marks)


def moving_svg(every: Sequence[Moving]) -> str:
    """All of them in one file, on white."""
    return on_paper(
        under_each_other("As inputs move", [svg for moving in every for svg in moving_charts(moving)])
    )
