"""JSON Schema of a plan, for programs that read plans."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from router.plan.document import SCHEMA, reader


class _Written(GenerateJsonSchema):
    """Of what is written: every field but those that are left out while they are None."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        inner = field["schema"]
        return not (inner["type"] == "default" and "default" in inner and inner["default"] is None)


def plan_json_schema() -> JsonSchemaValue:
    """JSON Schema (draft 2020-12) of a plan of this version."""
    schema = reader().json_schema(schema_generator=_Written)
    return {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA}
