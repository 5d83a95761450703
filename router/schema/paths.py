"""Fields of a problem by path: `workloads.chat.slo.ttft_p95_ms`; what a list holds is found by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

type FieldPath = tuple[str, ...]


def shown(path: FieldPath) -> str:
    """As people write it; a name with a dot stands in quotes."""
    return ".".join(f'"{part}"' if "." in part else part for part in path)


def with_value[T](document: T, path: FieldPath, value: object) -> T:
    """A copy in which one field is another; fields keep their types, and rules are not looked at again.

    Raises KeyError where there is no such field or name.
    """
    changed: T = _changed(document, path, value)
    return changed


def _changed(here: Any, path: FieldPath, value: object) -> Any:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(here, BaseModel):
        if key not in type(here).model_fields:
            raise KeyError(key)
        return here.model_copy(update={key: _changed(getattr(here, key), rest, value)})
    if isinstance(here, Mapping):
        return {**here, key: _changed(here[key], rest, value)}
    if isinstance(here, Sequence):
        if key not in [item.name for item in here]:
            raise KeyError(key)
        return tuple(_changed(item, rest, value) if item.name == key else item for item in here)
    raise KeyError(key)
