"""What all models of a plan have in common: frozen, no unknown fields, numbers that are numbers and finite.

A field whose default is None may be left out of the document, and is while it is None; all others stand in it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, cast, dataclass_transform

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

MONTH_H = 730.0
"""Hours of a billing month."""

LARGEST = 1e60
"""No quantity or amount is larger; sums of such numbers stay finite."""

_finite = Field(strict=True, allow_inf_nan=False, ge=-LARGEST, le=LARGEST)

Number = Annotated[float, _finite, WithJsonSchema({"type": "number"})]
Positive = Annotated[float, _finite, Field(gt=0), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
_whole = Field(strict=True, ge=-int(LARGEST), le=int(LARGEST))
Whole = Annotated[int, _whole, WithJsonSchema({"type": "integer"})]
Flag = Annotated[bool, Field(strict=True)]
Instances = Annotated[Number, Field(json_schema_extra={"unit": "instances"})]
Requests = Annotated[Number, Field(json_schema_extra={"unit": "requests"})]
Futures = Annotated[Whole, Field(json_schema_extra={"unit": "futures"})]


def _moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError('must be a date and time like "2026-12-01T00:00:00"') from None
    return text


Moment = Annotated[str, AfterValidator(_moment)]
Interval = tuple[Number | None, Number | None]


def stated(meaning: str, *, default: Any = dataclasses.MISSING) -> Any:
    """A field of a record, with its meaning for the published pages."""
    return dataclasses.field(default=default, metadata={"description": meaning})


@dataclass_transform(frozen_default=True, field_specifiers=(stated,))
def record[T](kind: type[T]) -> type[T]:
    """A frozen dataclass; pydantic checks it when it is read from a document, and refuses unknown fields there.

    What compares and prints it is written once for all: generated for each of some forty, it is felt at every start.
    """
    shared: Any = kind
    own = vars(kind).get("__repr__", _printed)
    shared.__repr__, shared.__eq__, shared.__hash__ = own, _same, _hashed
    frozen: Any = dataclasses.dataclass(frozen=True, slots=True, repr=False, eq=False)(kind)
    frozen.__pydantic_config__ = ConfigDict(extra="forbid")
    return cast(type[T], frozen)


def _values(row: Any) -> tuple[object, ...]:
    return tuple(getattr(row, field.name) for field in dataclasses.fields(row))


def _same(row: Any, other: Any) -> bool:
    return _values(row) == _values(other) if type(row) is type(other) else NotImplemented


def _hashed(row: Any) -> int:
    return hash(_values(row))


def _printed(row: Any) -> str:
    fields = (f"{field.name}={getattr(row, field.name)!r}" for field in dataclasses.fields(row))
    return f"{type(row).__name__}({', '.join(fields)})"


def per_month(usd: float, horizon_h: float) -> float:
    """usd · 730 / horizon_h."""
    return usd * MONTH_H / horizon_h


def to_json(value: Any) -> str:
    """Rows and mappings as JSON: keys sorted, no NaN."""
    return json.dumps(plain(value), sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """Plain JSON values; what is not finite becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    kind: type = type(value)
    if not dataclasses.is_dataclass(kind):
        return value
    always, optional = _fields(kind)
    written = {name: getattr(value, name) for name in always}
    written |= {name: x for name in optional if (x := getattr(value, name)) is not None}
    for name, beside in getattr(kind, "NULL_BESIDE", {}).items():  # null says something where that one stands
        if getattr(value, beside) is not None:
            written.setdefault(name, None)
    return {name: plain(x) for name, x in written.items()}


def needed_fields(kind: type) -> tuple[str, ...]:
    """Fields of a model that are always written."""
    return _fields(kind)[0]


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fields of a dataclass that are always written, and those that are left out while they are None."""
    optional = tuple(field.name for field in dataclasses.fields(kind) if field.default is None)
    return tuple(field.name for field in dataclasses.fields(kind) if field.name not in optional), optional
