"""A report for a page: Markdown with pipe tables."""

from __future__ import annotations

from collections.abc import Sequence

from router.reports.document import Report, ReportTable


def to_markdown(report: Report) -> str:
    """The report as a section of a page."""
    parts = [f"# {_plain(report.title)}", "  \n".join(_plain(line) for line in report.headline)]
    for table in report.tables:
        parts += [f"## {_plain(table.title)}", to_markdown_table(table)]
    if report.notes:
        parts += ["## Notes", "\n".join(f"- {_plain(note)}" for note in report.notes)]
    return "\n\n".join(parts) + "\n"


def to_markdown_table(table: ReportTable) -> str:
    """One table; its total stands last, in bold."""
    lines = [
        _line([column.title for column in table.columns]),
        "|" + "|".join("---:" if column.right else "---" for column in table.columns) + "|",
        *(_line([_plain(cell) for cell in row]) for row in table.rows),
    ]
    if table.total is not None:
        lines.append(_line([f"**{_plain(cell)}**" if cell else "" for cell in table.total]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    for character in "\\|*_`<[":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
