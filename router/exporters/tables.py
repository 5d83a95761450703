"""CSV: the rows of a plan, one file per table, at full precision, for spreadsheets and warehouses."""

from __future__ import annotations

from collections.abc import Mapping

from router.plan.document import Plan
from router.reports.table_csv import rows_of, tables_of, to_csv

ALWAYS = ("routes", "instances", "cost_lines")


def tables(plan: Plan) -> Mapping[str, str]:
    """Text by file name: routes, instances and cost lines always, the other tables where they have rows."""
    names = [name for name in tables_of(plan) if name in ALWAYS or rows_of(plan, name)]
    return {f"{name}.csv": to_csv(plan, name) for name in names}
