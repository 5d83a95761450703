"""Rows of a plan as CSV, at full precision, one table at a time."""

from __future__ import annotations

import csv
import dataclasses
from io import StringIO

from router.plan import ROWS, Plan

TABLES = tuple(ROWS)


def to_csv(plan: Plan, table: str = "cost_lines") -> str:
    """The rows of one table of the plan with a heading; an absent value is an empty field. Raises KeyError."""
    heads = [item.name for item in dataclasses.fields(ROWS[table])]
    page = StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(heads)
    for row in getattr(plan, table):
        writer.writerow([_cell(getattr(row, head)) for head in heads])
    return page.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(str(one) for one in value)
    return repr(value) if isinstance(value, float) else str(value)
