"""Rows of a plan as CSV, at full precision, one table at a time."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO

from router.plan import ROWS, Plan

TABLES = tuple(ROWS)
SIZING = ("sign", "alternatives", "amounts", "quotes", "flips", "frontier", "worst")


def tables_of(plan: Plan) -> tuple[str, ...]:
    """Names of all tables that the plan has; those of its section `sizing` besides."""
    sizing = plan.extra.get("sizing", {})
    return (*TABLES, *(name for name in SIZING if name in sizing))


def rows_of(plan: Plan, table: str) -> Sequence[object]:
    """The rows of one table. Raises KeyError."""
    found: Sequence[object] = getattr(plan, table) if table in ROWS else plan.extra["sizing"][table]
    return found


def to_csv(plan: Plan, table: str = "cost_lines") -> str:
    """The rows of one table of the plan with a heading; an absent value is an empty field. Raises KeyError."""
    if table in ROWS:
        heads = [item.name for item in dataclasses.fields(ROWS[table])]
        return _page(heads, ([getattr(row, head) for head in heads] for row in rows_of(plan, table)))
    rows: Sequence[Mapping[str, object]] = plan.extra["sizing"][table]
    heads = list(dict.fromkeys(name for row in rows for name in row))
    return _page(heads, ([row.get(head) for head in heads] for row in rows))


def _page(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    page = StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return page.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(str(one) for one in value)
    if isinstance(value, list | Mapping):
        return json.dumps(value)
    return repr(value) if isinstance(value, float) else str(value)
