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

NAME_WIDTH, PROSE_WIDTH, FOLDED_WIDTH = 32, 20, 10
BETWEEN = 3  # padding and rule of a column


def to_text(report: Report, width: int = 100, colour: bool = False) -> str:
    """The report in `width` columns; no line ends in spaces."""
    parts = [_headline(report, width, colour)]
    for table in report.tables:
        widths = _widths(table, width)
        title = Text(table.title, style="bold")
        # Figures are never cut: a table that cannot be made as narrow as the page is wider.
        room = max(width, sum(widths) + BETWEEN * len(widths))
        parts.append(_printed([title, _grid(table, widths)], room, colour))
    if report.notes:
        notes = [Padding(Text(note), (0, 0, 0, 2)) for note in report.notes]
        parts.append(_printed([Text("Notes", style="bold"), *notes], width, colour))
    return "\n\n".join(parts) + "\n"


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


def _widths(table: ReportTable, page: int) -> list[int]:
    """Widths of the columns: all that they want where the page has room. Where it has not, headings and prose wrap,
    and names at last; figures stay whole."""
    wanted, least = [], []
    for k, column in enumerate(table.columns):
        cells = [row[k] for row in table.rows] + [table.total[k] if table.total else ""]
        longest = max(map(len, cells))
        word = max((len(part) for part in column.title.split()), default=0)
        wanted.append(max(longest, len(column.title)))
        least.append(max(longest if column.right or longest <= NAME_WIDTH else PROSE_WIDTH, word))
    spare = page - BETWEEN * len(least) - sum(least)
    while spare < 0:
        names = [k for k, column in enumerate(table.columns) if not column.right and least[k] > FOLDED_WIDTH]
        if not names:
            break
        least[max(names, key=lambda k: least[k])] -= 1
        spare += 1
    for k in sorted(range(len(least)), key=lambda k: wanted[k] - least[k]):  # small wishes first
        given = max(0, min(spare, wanted[k] - least[k]))
        least[k] += given
        spare -= given
    return least
