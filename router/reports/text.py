"""A report for a terminal: plain text, with colour only if asked."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from router.reports.document import Report, ReportTable

NAME_WIDTH, PROSE_WIDTH = 32, 10
BETWEEN = 3  # padding and rule of a column


def to_text(report: Report, width: int = 100, colour: bool = False, *, whole: bool = True) -> str:
    """The report in `width` columns; no line ends in spaces.

    Names and figures are never cut. A table that cannot be made as narrow as the page is wider if it must be `whole`;
    else its last columns are left out, which a line below it says.
    """
    parts = [_headline(report, width, colour)]
    for table in report.tables:
        shown = table if whole else _as_wide_as(table, width)
        widths = _widths(shown, width)
        lines: list[RenderableType] = [Text(table.title, style="bold"), _grid(shown, widths)]
        if left_out := [column.title for column in table.columns[len(shown.columns) :]]:
            lines.append(Text(f"  left out at {width} columns: {', '.join(left_out)}", style="dim"))
        parts.append(
            _printed(lines, max(width, sum(widths) + BETWEEN * len(widths)) if whole else width, colour)
        )
    if report.notes:
        notes = [Padding(Text(note), (0, 0, 0, 2)) for note in report.notes]
        parts.append(_printed([Text("Notes", style="bold"), *notes], width, colour))
    return "\n\n".join(parts) + "\n"


def _as_wide_as(table: ReportTable, page: int) -> ReportTable:
    """The first columns, as many as the page has room for: one at least."""
    kept = len(table.columns)
    while kept > 1 and sum(_least(table)[:kept]) + BETWEEN * kept > page:
        kept -= 1
    rows = tuple(row[:kept] for row in table.rows)
    total = None if table.total is None else table.total[:kept]
    return ReportTable(table.title, table.columns[:kept], rows, total)


def _headline(report: Report, width: int, colour: bool) -> str:
    first, *others = report.headline or ("",)
    lines = [Text(f"{report.title}: ", style="bold").append(Text(first))]
    lines += [Text(line, style="bold red" if line.startswith("NOT ") else "") for line in others]
    return _printed(lines, width, colour)


def _printed(parts: Sequence[RenderableType], width: int, colour: bool) -> str:
    page = StringIO()
    console = Console(file=page, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()).rstrip()


def _grid(table: ReportTable, widths: list[int]) -> RichTable:
    totals = table.total or ("",) * len(table.columns)
    grid = RichTable(box=SIMPLE_HEAD, show_footer=table.total is not None, show_edge=False)
    for column, total, width in zip(table.columns, totals, widths, strict=True):
        side: Literal["left", "right"] = "right" if column.right else "left"
        grid.add_column(Text(column.title), Text(total), justify=side, overflow="fold", width=width)
    for row in table.rows:
        grid.add_row(*(Text(cell) for cell in row))
    return grid


def _cells(table: ReportTable, k: int) -> list[str]:
    return [row[k] for row in table.rows] + [table.total[k] if table.total else ""]


def _least(table: ReportTable) -> list[int]:
    """Widths below which a column would be cut: figures and names stay whole, headings and prose wrap between words."""
    least = []
    for k, column in enumerate(table.columns):
        cells = _cells(table, k)
        longest = max(map(len, cells))
        word = max((len(part) for text in (column.title, *cells) for part in text.split()), default=0)
        is_prose = not column.right and longest > NAME_WIDTH
        least.append(max(PROSE_WIDTH if is_prose else longest, word))
    return least


def _widths(table: ReportTable, page: int) -> list[int]:
    """Widths of the columns: all that they want where the page has room, else what they need."""
    least = _least(table)
    wanted = [max(map(len, (column.title, *_cells(table, k)))) for k, column in enumerate(table.columns)]
    spare = page - BETWEEN * len(least) - sum(least)
    for k in sorted(range(len(least)), key=lambda k: wanted[k] - least[k]):  # small wishes first
        given = max(0, min(spare, wanted[k] - least[k]))
        least[k] += given
        spare -= given
    return least
