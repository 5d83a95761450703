"""CSV: the rows of a plan, one file per table, at full precision, for spreadsheets and warehouses."""

from __future__ import annotations

from collections.abc import Mapping

from router.plan import ROWS, Plan
from router.report.table_csv import to_csv

ALWAYS = ("routes", "instances", "cost_lines")


def tables(plan: Plan) -> Mapping[str, str]:
    """Text by file name: routes, instances and cost lines always, the other tables where they have rows."""
    names = [name for name in ROWS if name in ALWAYS or getattr(plan, name)]
    return {f"{name}.csv": to_csv(plan, name) for name in names}
