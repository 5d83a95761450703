"""The schema as data: JSON Schema for editors, a table for the docs, known names for hints."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticUndefined

from router.errors import Path
from router.schema.problem import SCHEMA, Problem

_UNITS = {  # by the last word of a name, or of what stands before "_per_"
    "usd": "USD",
    "tokens": "tokens",
    "requests": "requests",
    "units": "units",
    "concurrency": "requests",
    "burndown": "units/token",
    "ms": "ms",
    "s": "s",
    "h": "h",
    "months": "months",
    "gb": "GB",
    "kw": "kW",
}
_PER = {"m": " per M tokens", "m_tokens": " per M tokens", "minute": "/min", "hour": "/h", "kwh": "/kWh"}
_EXCEPTIONS = {
    "parameters_b": "10^9",
    "tokens_total": "tokens",
    "requests_total": "requests",
    "requests_by_period": "requests per period",
    "discount_rate_per_year": "1/year",
    "growth_per_month": "1/month",
    "spread_per_month": "1/√month",
}
_INSTANCES = frozenset(("min", "max", "step", "reserved"))


class FieldRow(NamedTuple):
    """One line of the generated table of fields."""

    path: str
    type: str
    unit: str
    default: str
    description: str


def json_schema() -> JsonSchemaValue:
    """JSON Schema (draft 2020-12) of the problem file and of files that one includes, which have no workloads."""
    schema = Problem.model_json_schema(by_alias=True)
    schema["required"] = [name for name in schema["required"] if name != "workloads"]
    for record in ("Offer", "Agreement"):  # filled in from the name
        schema["$defs"][record]["required"].remove("provider")
    for record in ("Instances", "RoleInstances"):  # in a host a price may be left out
        schema["$defs"][record].get("required", []).remove("usd_per_h")
        if not schema["$defs"][record]["required"]:
            del schema["$defs"][record]["required"]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA}
    return {**schema, **head}


def field_table(root: type = Problem) -> list[FieldRow]:
    """Every field of a document with type, unit, default and meaning, in the order of the document."""
    return list(_rows(root, ""))


def known_fields(at: Path, root: type = Problem) -> tuple[str, ...]:
    """Names that may stand in the mapping at a path of a document; empty where any name may."""
    annotation: object = root
    for part in at:
        model = _model(annotation)
        if isinstance(part, int) or model is None:
            annotation = _item(annotation)
            continue
        field = next((f for name, f in fields_of(model).items() if (f.alias or name) == part), None)
        if field is None:
            return ()
        annotation = field.annotation
    options = [option for option in _options(annotation) if not _holds_items(option)]
    model = _model(options[0]) if options else None
    return tuple(f.alias or name for name, f in fields_of(model).items())


def unit_of(name: str) -> str:
    """The unit in a field's name: `ttft_p99_ms` is in ms, `usd_per_request` in USD/request."""
    if name in _INSTANCES:
        return "instances"
    if name.endswith("_column"):  # a name
        return ""
    exception = next((unit for ending, unit in _EXCEPTIONS.items() if name.endswith(ending)), "")
    amount, _, per = name.partition("_per_")
    unit = _UNITS.get(amount.rpartition("_")[2], "")
    return exception or (unit and unit + (_PER.get(per, f"/{per}") if per else ""))


def _rows(model: type, prefix: str) -> Iterator[FieldRow]:
    for name, field in fields_of(model).items():
        path = prefix + (field.alias or name)
        description = field.description or ""
        unit = _stated_unit(field) or unit_of(name)
        yield FieldRow(path, _kind(field.annotation, field), unit, _default(field, name), description)
        for option in _options(field.annotation):
            nested = _model(_item(option) if _holds_items(option) else option)
            if nested is not None:
                container = _container(option)
                ending = "[]." if container is tuple else ".<name>." if container is Mapping else "."
                yield from _rows(nested, path + ending)


def _stated_unit(part: object) -> str:
    """The unit that goes with a type, where a field's name does not say it."""
    if isinstance(part, FieldInfo):
        extra = part.json_schema_extra
        unit = extra.get("unit") if isinstance(extra, dict) else None
        return str(unit) if unit is not None else _stated_unit(part.annotation)
    return next((unit for each in typing.get_args(part) if (unit := _stated_unit(each))), "")


def _default(field: FieldInfo, name: str) -> str:
    if name == "provider" and "absent" in (field.description or ""):
        return "its own name"
    if field.is_required() or field.default is PydanticUndefined:
        return "required"
    value = field.default
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, BaseModel | dict):
        return "{}"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _kind(annotation: object, field: FieldInfo | None = None) -> str:
    """In the reader's words: number, whole number, list of text, mapping of …"""
    words = []
    for option in _options(annotation):
        container = _container(option)
        if container is tuple:
            words.append(f"list of {_kind(_item(option))}")
        elif container is Mapping:
            words.append(f"mapping of {_kind(_item(option))}")
        elif container is Literal:
            words.append(" | ".join(str(value) for value in typing.get_args(option)))
        else:
            words.append(_scalar(option))
    if field is not None and field.is_required() and type(None) in typing.get_args(annotation):
        words.append("null")
    return " or ".join(words)


def _scalar(option: object) -> str:
    if isinstance(option, type) and fields_of(option):
        return option.__name__
    plain = {float: "number", int: "whole number", bool: "true | false", str: "text"}
    return plain.get(option, "date") if isinstance(option, type) else "text"


def _options(annotation: object) -> list[object]:
    """Parts of a union but None, without Annotated."""
    annotation = _bare(annotation)
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        parts = [option for part in typing.get_args(annotation) for option in _options(part)]
        return [part for part in parts if part is not type(None)]
    return [annotation]


def _bare(annotation: object) -> object:
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation


def _container(option: object) -> object:
    return typing.get_origin(_bare(option))


def _holds_items(option: object) -> bool:
    return _container(option) in (tuple, Mapping)


def _item(annotation: object) -> object:
    """What a list or mapping holds."""
    for option in _options(annotation):
        if _container(option) is tuple:
            return _bare(typing.get_args(option)[0])
        if _container(option) is Mapping:
            return _bare(typing.get_args(option)[1])
    return None


def _model(annotation: object) -> type | None:
    return next(
        (option for option in _options(annotation) if isinstance(option, type) and fields_of(option)), None
    )


def fields_of(model: type | None) -> Mapping[str, FieldInfo]:
    """Fields of a model, whether it is a class of pydantic's or a dataclass; of anything else none."""
    if dataclasses.is_dataclass(model):
        types_of = typing.get_type_hints(model, include_extras=True)
        return {
            field.name: FieldInfo.from_annotated_attribute(types_of[field.name], field)
            for field in dataclasses.fields(model)
        }
    fields: Mapping[str, FieldInfo] = getattr(model, "__pydantic_fields__", {})
    return fields
