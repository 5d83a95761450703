"""Plans on disk: read with errors that say where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from router.errors import InputError, Issue
from router.plan.document import SCHEMA, Plan

MAX_BYTES = 1_000_000_000


def read_json(path: str | Path) -> Mapping[str, Any]:
    """The JSON object in a file. Raises InputError."""
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(Issue((), f"is larger than {MAX_BYTES:,} bytes", file=str(path)))
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(Issue((), f"cannot be read: {error.strerror}", file=str(path))) from error
    except json.JSONDecodeError as error:
        hint = "a plan is what `router solve FILE -o PLAN` writes"
        raise InputError(
            Issue((), f"is no JSON: {error.msg}", file=str(path), line=error.lineno, hint=hint)
        ) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InputError(Issue((), "is no JSON text", file=str(path))) from error
    if not isinstance(value, dict):
        raise InputError(
            Issue((), f"holds no plan: a mapping with schema {SCHEMA} is needed", file=str(path))
        )
    return value


def read_plan(path: str | Path) -> Plan:
    """The plan in a file. Raises InputError."""
    try:
        return Plan.from_dict(read_json(path))
    except (ValueError, TypeError, AttributeError) as error:
        hint = "a plan is what `router solve FILE -o PLAN` writes"
        raise InputError(Issue((), f"is no plan: {error}", file=str(path), hint=hint)) from error
