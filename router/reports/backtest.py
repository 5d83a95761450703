"""What a backtest found, as people read it: the regret first, then the ways side by side."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from router.reports.backtest_picture import to_svg
from router.reports.document import Report, ReportTable, columns
from router.reports.words import duration, percent, proof, usd

if TYPE_CHECKING:
    from router.backtesting import Backtest, Execution

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}"
)


def backtest_report(backtest: Backtest) -> Report:
    """Regret against hindsight, then what each way cost and left over."""
    replay = backtest.replay
    head = [_regret(backtest), _how(backtest)]
    if replay.lost_requests > 0:
        head.append(
            f"{percent(replay.lost_share)} of the tokens were lost: {replay.lost_requests:,.0f} requests that nobody "
            "had room for; hindsight serves as few"
        )
    if replay.count("no plan"):
        head.append(f"{replay.count('no plan')} steps found no plan and went on as it ran")
    return Report(backtest.name, tuple(head), (_ways(backtest), _changes(replay)), backtest.notes)


def _regret(backtest: Backtest) -> str:
    part = backtest.regret_usd / backtest.hindsight.cost_usd if backtest.hindsight.cost_usd > 0 else 0.0
    hindsight = backtest.hindsight
    sure = proof(hindsight.gap, hindsight.stop, solver=hindsight.plan.solver.name)
    return f"Regret {usd(backtest.regret_usd)} USD, {percent(part)} above the plan made in hindsight ({sure})"


def _how(backtest: Backtest) -> str:
    step, ahead = (_span(count * backtest.period_h) for count in (backtest.every, backtest.lookahead))
    return (
        f"{backtest.periods:,} periods replayed, planned again every {step} for {ahead} ahead; "
        f"forecast {backtest.forecast}, {percent(backtest.forecast_error)} off"
    )


def _span(amount_h: float) -> str:
    return duration(amount_h) if amount_h >= 1 else f"{amount_h * 60:.3g} min"


def _ways(backtest: Backtest) -> ReportTable:
    def row(name: str, cost: float | None, way: Execution | None) -> tuple[str, ...]:
        left = (
            ("–", "–")
            if way is None
            else (percent(way.overflow_share), percent(way.lost_share + way.dropped_share))
        )
        best = backtest.hindsight.cost_usd
        more = "–" if cost is None or not best or cost <= best else percent(cost / best - 1)
        return (name, usd(cost), more, *left)

    rows = [row("re-optimised", backtest.replay.cost_usd, backtest.replay)]
    if backtest.staying is not None:
        rows.append(row("first plan kept", backtest.staying.cost_usd, backtest.staying))
    if backtest.cheapest_offer is not None:
        rows.append(row(f"{backtest.cheapest_offer[0]} alone", backtest.cheapest_offer[1], None))
    rows.append(row("in hindsight", backtest.hindsight.cost_usd, None))
    rows.append(row("bound of hindsight", backtest.hindsight.bound_usd, None))
    if backtest.hindsight_of_all is not None:
        rows.append(row("in hindsight, nothing lost", backtest.hindsight_of_all.cost_usd, None))
    heads = columns("way", ">USD", ">above hindsight", ">overflow", ">unserved")
    return ReportTable("What it would have cost", heads, tuple(rows))


def _changes(replay: Execution) -> ReportTable:
    rows = (
        ("steps", f"{len(replay.steps):,}"),
        ("plans changed", f"{replay.changes:,}"),
        ("of which repairs", f"{replay.count('repair'):,}"),
        ("moved by a change, on average", percent(replay.moved_share)),
        ("churn, USD", usd(replay.churn_usd)),
    )
    return ReportTable("Changes", columns("what", ">figure"), rows)


def to_html(backtest: Backtest) -> str:
    """One page that needs nothing else: the picture and the tables."""
    report = backtest_report(backtest)
    head = "".join(f"<p>{escape(line)}</p>" for line in report.headline)
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(report.title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(report.title)}</h1>{head}\n{to_svg(backtest)}\n"
        f"{''.join(_html_table(table) for table in report.tables)}<ul>{notes}</ul></body></html>\n"
    )


def _html_table(table: ReportTable) -> str:
    def cells(tag: str, values: tuple[str, ...]) -> str:
        cells_html = []
        for column, value in zip(table.columns, values, strict=True):
            kind = ' class="n"' if column.right else ""
            cells_html.append(f"<{tag}{kind}>{escape(value)}</{tag}>")
        return f"<tr>{''.join(cells_html)}</tr>"

    head = cells("th", tuple(column.title for column in table.columns))
    return f"<h2>{escape(table.title)}</h2><table>{head}{''.join(cells('td', row) for row in table.rows)}</table>\n"
