"""What a backtest found, as people read it: the regret first, then the ways side by side."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from router.reports.backtest_picture import to_svg
from router.reports.document import Report, ReportTable, columns
from router.reports.markdown import to_markdown
from router.reports.words import duration, percent, proof, usd

if TYPE_CHECKING:
    from router.backtesting import Backtest, Execution

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}"
)


def backtest_report(found: Backtest) -> Report:
    """Regret against hindsight, then what each way cost and left over."""
    replay = found.replay
    head = [_regret(found), _how(found)]
    if replay.lost_requests > 0:
        head.append(
            f"{percent(replay.lost_share)} of the tokens were lost: {replay.lost_requests:,.0f} requests that nobody "
            "had room for; hindsight serves as few"
        )
    if replay.count("no plan"):
        head.append(f"{replay.count('no plan')} steps found no plan and went on as it ran")
    return Report(found.name, tuple(head), (_ways(found), _changes(replay)), found.notes)


def _regret(found: Backtest) -> str:
    part = found.regret_usd / found.hindsight.cost_usd if found.hindsight.cost_usd > 0 else 0.0
    sure = proof(found.hindsight.gap, found.hindsight.stop)
    return f"Regret {usd(found.regret_usd)} USD, {percent(part)} above the plan made in hindsight ({sure})"


def _how(found: Backtest) -> str:
    step, ahead = (_span(count * found.period_h) for count in (found.every, found.lookahead))
    return (
        f"{found.periods:,} periods replayed, planned again every {step} for {ahead} ahead; "
        f"forecast {found.forecast}, {percent(found.forecast_error)} off"
    )


def _span(amount_h: float) -> str:
    return duration(amount_h) if amount_h >= 1 else f"{amount_h * 60:.3g} min"


def _ways(found: Backtest) -> ReportTable:
    def row(name: str, cost: float | None, way: Execution | None) -> tuple[str, ...]:
        left = (
            ("–", "–")
            if way is None
            else (percent(way.overflow_share), percent(way.lost_share + way.dropped_share))
        )
        best = found.hindsight.cost_usd
        more = "–" if cost is None or not best or cost <= best else percent(cost / best - 1)
        return (name, usd(cost), more, *left)

    rows = [row("re-optimised", found.replay.cost_usd, found.replay)]
    if found.staying is not None:
        rows.append(row("first plan kept", found.staying.cost_usd, found.staying))
    if found.cheapest_offer is not None:
        rows.append(row(f"{found.cheapest_offer[0]} alone", found.cheapest_offer[1], None))
    rows.append(row("in hindsight", found.hindsight.cost_usd, None))
    rows.append(row("no plan costs less than", found.hindsight.bound_usd, None))
    if found.hindsight_of_all is not None:
        rows.append(row("in hindsight, nothing lost", found.hindsight_of_all.cost_usd, None))
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


def to_html(found: Backtest) -> str:
    """One page that needs nothing else: the picture and the tables."""
    report = backtest_report(found)
    head = "".join(f"<p>{escape(line)}</p>" for line in report.headline)
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(report.title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(report.title)}</h1>{head}\n{to_svg(found)}\n"
        f"{''.join(_html_table(table) for table in report.tables)}<ul>{notes}</ul></body></html>\n"
    )


def to_page(found: Backtest) -> str:
    """The same as Markdown, without the picture."""
    return to_markdown(backtest_report(found))


def _html_table(table: ReportTable) -> str:
    def cells(tag: str, values: tuple[str, ...]) -> str:
        made = []
        for column, value in zip(table.columns, values, strict=True):
            kind = ' class="n"' if column.right else ""
            made.append(f"<{tag}{kind}>{escape(value)}</{tag}>")
        return f"<tr>{''.join(made)}</tr>"

    head = cells("th", tuple(column.title for column in table.columns))
    return f"<h2>{escape(table.title)}</h2><table>{head}{''.join(cells('td', row) for row in table.rows)}</table>\n"
