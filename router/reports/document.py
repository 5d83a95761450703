"""A report before it has a form: headline, tables of text, notes. How it looks is decided by text, markdown and csv."""

from __future__ import annotations

from dataclasses import dataclass


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
