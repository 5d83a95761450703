"""Reads a plan into typed rows. A malformed plan gives faults with their paths, never a traceback.

A row with a fault is left out of the other checks; the `fields` check has failed by then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeGuard, get_type_hints

from router.verification.base.ledger import Ledger
from router.verification.rows import (
    Contract,
    CostLine,
    InstanceCount,
    PlanRows,
    Purchase,
    Refusal,
    Route,
    ScenarioCost,
    Settlement,
    Unserved,
    month_at,
)

SCHEMA = "router-plan/2"

REQUIRED = (
    "schema", "name", "problem_sha256", "cost_usd", "objective_usd", "bound_usd", "gap", "horizon_h",
    "cost_usd_per_month", "cost_lines", "routes", "instances", "purchases", "contracts", "settlements",
    "unserved", "refused", "scenarios",
)  # fmt: skip
LARGEST = 1e60
"""No quantity or amount is larger; sums of such numbers stay finite."""

OPTIONAL = (
    "created",
    "upgraded_from",
    "periods",
    "versions",
    "solver",
    "stop",
    "prices",
    "verified",
    "notes",
    "sizing",
    "insurance",
    "reoptimise",
    "running",
    "drawn",
)
LISTS = ("cost_lines", "routes", "instances", "purchases", "contracts", "settlements", "unserved", "refused")


@dataclass(frozen=True, slots=True)
class Names:
    """What a row may refer to."""

    workloads: Collection[str]
    offers: Collection[str]
    models: Collection[str]
    periods: int
    months: int
    scenarios: Collection[str | None]


def read(plan: object, names: Names, ledger: Ledger) -> PlanRows:
    """Read a plan; every fault goes into `ledger` with its path."""
    if not isinstance(plan, Mapping):
        ledger.fault("the plan is not a mapping")
        plan = {}
    _top(plan, names, ledger)
    _finite(plan, "", ledger)

    def rows[Row](key: str, cls: type[Row]) -> tuple[Row, ...]:
        return _rows(plan.get(key), key, cls, names, ledger)

    def number(key: str, null: bool = False) -> float | None:
        value = plan.get(key)
        if is_number(value):
            return float(value)
        if key in plan and not (null and value is None):
            ledger.fault(f"{key}: not a number:", repr(value))
        return None

    def text(key: str) -> str | None:
        value = plan.get(key)
        if key in plan and not isinstance(value, str):
            ledger.fault(f"{key}: not a text:", repr(value))
        return value if isinstance(value, str) else None

    return PlanRows(
        name=text("name"),
        problem_sha256=text("problem_sha256"),
        cost_usd=number("cost_usd"),
        objective_usd=number("objective_usd", null=True),
        bound_usd=number("bound_usd", null=True),
        gap=number("gap", null=True),
        horizon_h=number("horizon_h"),
        cost_usd_per_month=number("cost_usd_per_month"),
        cost_lines=rows("cost_lines", CostLine),
        routes=rows("routes", Route),
        instances=rows("instances", InstanceCount),
        purchases=rows("purchases", Purchase),
        contracts=rows("contracts", Contract),
        settlements=rows("settlements", Settlement),
        unserved=rows("unserved", Unserved),
        refused=rows("refused", Refusal),
        scenarios=rows("scenarios", ScenarioCost),
    )


def _top(plan: Mapping[str, object], names: Names, ledger: Ledger) -> None:
    for key in plan:
        ledger.require(key in REQUIRED or key in OPTIONAL, f"{key}: no such field of a plan")
    for key in REQUIRED:
        ledger.require(key in plan, f"{key}: missing")
    if "periods" in plan:
        ledger.require(
            plan["periods"] == names.periods, f"periods: {plan['periods']!r} is not {names.periods}"
        )
    if "schema" in plan:
        ledger.require(plan["schema"] == SCHEMA, f"schema: {plan['schema']!r} is not {SCHEMA}")


def _finite(value: object, path: str, ledger: Ledger) -> None:
    """NaN and infinities anywhere in the plan, also in parts that nothing else looks at."""
    if isinstance(value, float):
        if not math.isfinite(value):
            ledger.fault(f"{path}: {value} is not a finite number")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _finite(part, f"{path}.{key}" if path else str(key), ledger)
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            if not isinstance(part, str):
                _finite(part, f"{path}[{i}]", ledger)


def _rows[Row](value: object, key: str, cls: type[Row], names: Names, ledger: Ledger) -> tuple[Row, ...]:
    if not isinstance(value, list | tuple):
        if value is not None:
            ledger.fault(f"{key}: not a list")
        return ()
    readers = _readers(cls)
    optional = {f.name for f in fields(cls) if f.default is not MISSING}  # type: ignore[arg-type]
    out = []
    for i, row in enumerate(value):
        if not isinstance(row, Mapping):
            ledger.fault(f"{key}[{i}]: not a row of fields")
            continue
        fault = _row_fault(row, readers, optional, names)
        if fault:
            ledger.fault(f"{key}[{i}].{fault}")
            continue
        extra = ", ".join(str(name) for name in row if name not in readers)
        if extra:
            ledger.fault(f"{key}[{i}]: no such field: {extra}")
        out.append(cls(**{name: _plain(row[name]) for name in readers if name in row}))
    ledger.looked_at += len(out)
    return tuple(out)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _row_fault(
    row: Mapping[str, object], readers: Mapping[str, Reader], optional: Collection[str], names: Names
) -> str | None:
    for name, reader in readers.items():
        if name not in row:
            if name in optional:
                continue
            return f"{name}: missing"
        rule = reader(row[name], names)
        if rule:
            return f"{name}: {row[name]!r} {rule}"
    return None


Reader = Callable[[object, Names], str | None]


def _readers(cls: Any) -> Mapping[str, Reader]:
    hints = get_type_hints(cls)
    return {f.name: _reader(f.name, str(hints[f.name])) for f in fields(cls)}


def _reader(name: str, kind: str) -> Reader:
    """What a field must be: by what it names, else by its type; `| None` lets null through."""
    plain = _BY_NAME.get(name) or _BY_TYPE[next(key for key in _BY_TYPE if key in kind)]
    if name == "scenario" or not kind.endswith("None"):
        return plain
    return lambda value, names: None if value is None else plain(value, names)


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _member(of: Callable[[Names], Collection[str]], what: str) -> Reader:
    def rule(value: object, names: Names) -> str | None:
        return None if isinstance(value, str) and value in of(names) else f"is no {what} of the problem"

    return rule


def _within(limit: Callable[[Names], int], what: str) -> Reader:
    def rule(value: object, names: Names) -> str | None:
        inside = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit(names)
        return None if inside else f"is no {what} of the horizon"

    return rule


def _in_horizon(value: object, names: Names) -> str | None:
    return None if is_number(value) and 0 <= month_at(value) < names.months else "is outside the horizon"


def _number(value: object, _: Names) -> str | None:
    return None if is_number(value) else "is not a finite number"


def _whole(value: object, _: Names) -> str | None:
    return None if _is_whole(value) else "is not a whole number"


def _text(value: object, _: Names) -> str | None:
    return None if isinstance(value, str) else "is not a text"


def _flag(value: object, _: Names) -> str | None:
    return None if isinstance(value, bool) else "is neither true nor false"


def _texts(value: object, _: Names) -> str | None:
    good = isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)
    return None if good else "is not a list of texts"


def _numbers(value: object, _: Names) -> str | None:
    good = isinstance(value, list | tuple) and all(is_number(part) for part in value)
    return None if good else "is not a list of finite numbers"


def _scenario(value: object, names: Names) -> str | None:
    known = (value is None or isinstance(value, str)) and value in names.scenarios
    return None if known else "is no scenario of this plan"


_BY_NAME: Mapping[str, Reader] = {
    "workload": _member(lambda names: names.workloads, "workload"),
    "offer": _member(lambda names: names.offers, "offer"),
    "model": _member(lambda names: names.models, "model"),
    "period": _within(lambda names: names.periods, "period"),
    "from_h": lambda value, names: _in_horizon(value, names),
    "scenario": _scenario,
    "demand_path": _numbers,
}
_BY_TYPE: Mapping[str, Reader] = {
    "tuple": _texts,
    "bool": _flag,
    "int": _whole,
    "float": _number,
    "str": _text,
}
