"""A struct as a JSON Schema in the shape that pydantic gives a model, so that both are published and compared alike.

Pure. What the two libraries write differently:
- msgspec puts the record itself below `$defs`; here its fields are at the top.
- msgspec gives listed values no type; here they are strings.
- A field with a default is left out of the JSON where it has the default. One whose default is null is never null
  there, so null is not among its types; any other default is part of the schema, because a reader relies on it.
  A struct without `omit_defaults` is written by others, who may write null.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

Schema = dict[str, Any]
_NULL = {"type": "null"}


def struct_schema(model: type[Struct]) -> Schema:
    _, found = msgspec.json.schema_components((model,), ref_template="#/$defs/{name}")
    nullable = not model.__struct_config__.omit_defaults
    parts = {name: _part(part, nullable=nullable) for name, part in sorted(found.items())}
    top = parts.pop(model.__name__)
    return {**top, "$defs": parts} if parts else top


def _part(part: Mapping[str, Any], *, nullable: bool) -> Schema:
    if "properties" not in part:  # a struct that is written as an array
        return dict(part)
    return {
        **part,
        "properties": {name: _field(field, nullable=nullable) for name, field in part["properties"].items()},
    }


def _field(field: Schema, *, nullable: bool) -> Schema:
    if "enum" in field:
        field = {"type": "string", **field}
    if isinstance(field.get("default"), tuple):
        return {**field, "default": [*field["default"]]}  # as it is in JSON
    if nullable or "default" not in field or field["default"] is not None:
        return field
    rest = {name: value for name, value in field.items() if name not in {"default", "anyOf"}}
    branches = [branch for branch in field.get("anyOf", ()) if branch != _NULL]
    return {**branches[0], **rest} if len(branches) == 1 else rest
