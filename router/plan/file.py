"""Plans on disk: read with errors that say where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.errors import InputError, Issue
from router.plan.document import HINT, Plan
from router.schema.regular import check_regular, from_stdin

if TYPE_CHECKING:
    from router.schema import Problem

MAX_BYTES = 1_000_000_000


def read_json(path: str | Path) -> Mapping[str, Any]:
    """The JSON object in a file. Raises InputError."""
    file = from_stdin(Path(path))
    check_regular(file, handed=True)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(Issue((), f"is larger than {MAX_BYTES:,} bytes", file=str(path)))
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(Issue((), f"cannot be read: {error.strerror}", file=str(path))) from error
    except json.JSONDecodeError as error:
        rule = f"is not JSON: {error.msg}"
        raise InputError(Issue((), rule, file=str(path), line=error.lineno, hint=HINT)) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InputError(Issue((), "is not JSON text", file=str(path), hint=HINT)) from error
    if not isinstance(value, dict):
        raise InputError(Issue((), "is not a plan file: it holds no mapping", file=str(path), hint=HINT))
    return value


def read_plan(path: str | Path, problem: Problem | None = None, *, apart: bool = False) -> Plan:
    """The plan in a file. The problem that it was made from dates the purchases of version 1. Raises InputError.

    apart   rows of tables beside the plan are left there: `tables` says of which
    """
    stated = None if problem is None else problem.model_dump(mode="json", include={"offers"})
    data = read_json(path)
    plan = Plan.from_dict(data, stated, file=str(path), apart=True)
    return plan if apart or plan.tables is None else with_rows(plan, path)


def with_rows(plan: Plan, path: str | Path) -> Plan:
    """The plan of a file with the rows of its tables. Raises InputError."""
    from router.plan.tables import TableReader  # here: most plans stand in one file

    check_tables(plan, path)
    rows: dict[str, Any] = {}
    for table, stated in (plan.tables or {}).items():
        with TableReader(path, table, stated) as reader:
            rows[table] = tuple(reader.rows())
    return replace(plan, tables=None, **rows)


def check_tables(plan: Plan, path: str | Path) -> None:
    """Its tables are such as may stand beside it, and no row of one stands in it too. Raises InputError."""
    from router.plan.tables import BESIDE

    for table in plan.tables or {}:
        rule = None if table in BESIDE else "is not a table that stands beside a plan"
        if rule is None and getattr(plan, table):
            rule = "stands in the plan itself too"
        if rule is not None:
            raise InputError(Issue(("tables", table), rule, file=str(path)))
