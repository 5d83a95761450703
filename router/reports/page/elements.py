"""HTML from text: every name goes through `escape` here, and nowhere is markup made of what a user wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from router.reports.document import ReportTable

MOST_ROWS = 120  # of a table on the page; the CSV has all


@dataclass(frozen=True)
class PageSection:
    """A part of the page: an id for the way there, a heading, blocks of HTML."""

    id: str
    heading: str
    blocks: tuple[str, ...]

    @property
    def html(self) -> str:
        """The whole section."""
        inner = "\n".join(block for block in self.blocks if block)
        head = f'<h3 id="{self.id}-h">{escape(self.heading)}</h3>'
        return f'<section id="{self.id}" aria-labelledby="{self.id}-h">\n{head}\n{inner}\n</section>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f"<p{_class(kind)}>{escape(text)}</p>" if text else ""


def figure(name: str, text: str, label: str) -> str:
    """A figure with its label, which a test finds by name."""
    return f'<div class="figure"><b data-figure="{escape(name)}">{escape(text)}</b><span>{escape(label)}</span></div>'


def figures(items: Iterable[tuple[str, str, str]]) -> str:
    """Figures side by side."""
    return f'<div class="figures">{"".join(figure(*item) for item in items)}</div>'


def listed(lines: Sequence[str], kind: str = "") -> str:
    """A list of sentences."""
    return f"<ul{_class(kind)}>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def missing(what: str, command: str) -> str:
    """What was not computed, and the command that does."""
    return f'<p class="missing">{escape(what)} <code>{escape(command)}</code></p>'


def chart(svg: str) -> str:
    """A chart that scrolls where the page is narrow."""
    return f'<div class="scroll" tabindex="0">{svg}</div>'


def side_by_side(*blocks: str) -> str:
    """Blocks side by side, as far as the page is wide enough."""
    inner = "".join(block for block in blocks if block)
    return f'<div class="beside">{inner}</div>' if inner else ""


def table(given: ReportTable | None, *, more: str = "") -> str:
    """A table with its caption and headings; of a long one the first rows, and how to get the others."""
    if given is None or not given.rows:
        return ""
    right = [column.right for column in given.columns]
    heads = "".join(
        f'<th scope="col"{_class("r" if column.right else "")}>{escape(column.title)}</th>'
        for column in given.columns
    )
    rows = [f"<tr>{_cells(row, right)}</tr>" for row in given.rows[:MOST_ROWS]]
    if given.total is not None:
        rows.append(f'<tr class="total">{_cells(given.total, right)}</tr>')
    cut = ""
    if len(given.rows) > MOST_ROWS:
        way = more or "router export csv"
        cut = missing(f"The first {MOST_ROWS} of {len(given.rows):,} rows; all of them:", way)
    return (
        f'<div class="scroll" tabindex="0"><table><caption>{escape(given.title)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>{cut}"
    )


def _cells(row: Sequence[str], right: Sequence[bool]) -> str:
    return "".join(
        f"<td{_class('r' if side else '')}>{escape(cell)}</td>" for cell, side in zip(row, right, strict=True)
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def heading(text: str) -> str:
    """A heading inside a section."""
    return f"<h4>{escape(text)}</h4>"
