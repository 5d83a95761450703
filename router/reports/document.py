"""A report before it has a form: headline, tables of text, notes. How it looks is decided by text, markdown and csv."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Column:
    """A heading; figures stand to the right."""

    title: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Rows of text under a title; `total` is a last row set apart."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] | None = None

    def without_empty(self, *titles: str) -> ReportTable:
        """Without the columns in which nothing stands, of those titles or of all; for a table without a total."""
        keep = [
            k
            for k, column in enumerate(self.columns)
            if any(row[k] for row in self.rows) or (titles and column.title not in titles)
        ]
        rows = tuple(tuple(row[k] for k in keep) for row in self.rows)
        return replace(self, columns=tuple(self.columns[k] for k in keep), rows=rows)


@dataclass(frozen=True, slots=True)
class Report:
    """What is said first, the tables, and what a reader must know before trusting a figure."""

    title: str
    headline: tuple[str, ...]
    tables: tuple[ReportTable, ...]
    notes: tuple[str, ...] = ()


def columns(*titles: str) -> tuple[Column, ...]:
    """Headings; one that begins with ">" is of figures."""
    return tuple(Column(title.removeprefix(">"), right=title.startswith(">")) for title in titles)
