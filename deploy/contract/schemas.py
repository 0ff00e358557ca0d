"""A model as a JSON Schema that people read, and what a schema says beyond its model: the shape per action or family.

Pure. Nothing here knows a field by name that the models don't have.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from pydantic import BaseModel

from stripeline.contracts.action import SENSITIVE, Action
from stripeline.contracts.families import Family
from stripeline.deploy.contract.compatibility_rules import Side
from stripeline.deploy.contract.struct_schemas import struct_schema

Schema = dict[str, Any]
Model = type[BaseModel] | type[Struct]
"""What defines a record: a pydantic model where others write or read it, a struct where only we do."""

Refine = Callable[[Schema], Schema]

_MAX_TYPE = 200
_NULL = {"type": "null"}
_OBJECT = {"type": "object"}


def as_it_is(schema: Schema) -> Schema:
    return schema


def pascal(name: str) -> str:
    """`create-customer` as `CreateCustomer`."""
    return "".join(part.capitalize() for part in re.split(r"[-_/]", name.removeprefix("stripe/")))


def neat(model: Model, *, side: Side) -> Schema:
    """A model's schema without the noise: no made-up titles, no default null, `X or null` in one type.

    What we write has all its fields, but for those that are left out and never null.
    """
    made = _neat(struct_schema(model) if issubclass(model, Struct) else model.model_json_schema(by_alias=True), side)
    made.pop("examples", None)  # an action's own, which the record's examples have
    return made


def _neat(node: Schema, side: Side) -> Schema:
    tidy = {
        name: value for name, value in node.items() if name != "title" and not (name == "default" and value is None)
    }
    for name in ("properties", "$defs"):
        if name in tidy:
            tidy[name] = {key: _neat(value, side) for key, value in node[name].items()}
    if "items" in tidy:
        tidy["items"] = _neat(node["items"], side)
    if "anyOf" in tidy:
        tidy = _or_null(tidy, [_neat(branch, side) for branch in node["anyOf"]])
    if side is Side.WRITTEN and "properties" in tidy:
        tidy["required"] = [name for name, value in node["properties"].items() if not _left_out(value)]
    return tidy


def _left_out(node: Schema) -> bool:
    return "default" in node and node["default"] is None and _NULL not in node.get("anyOf", [])


def _or_null(node: Schema, branches: list[Schema]) -> Schema:
    """`anyOf` of one type and null as a list of types, where it is no reference."""
    others = [branch for branch in branches if branch != _NULL]
    if len(others) != 1 or len(branches) == 1 or "$ref" in others[0]:
        return {**node, "anyOf": branches}
    rest = {name: value for name, value in node.items() if name != "anyOf"}
    joined = {**others[0], **rest, "type": [others[0]["type"], "null"]}
    return {**joined, "enum": [*joined["enum"], None]} if "enum" in joined else joined


def event(family: Family) -> Refine:
    """An event of one family: its types, and which fields of its objects are sensitive."""
    tags = {
        name: {"description": "as Stripe sends it, where the object has it", **SENSITIVE} for name in family.sensitive
    }

    def refine(schema: Schema) -> Schema:
        fields = dict(schema["properties"])
        fields["type"] = {
            **fields["type"],
            "pattern": f"^{re.escape(family.prefix)}[a-z0-9_.]*$",
            "maxLength": _MAX_TYPE,
        }
        for name in ("data", "previous_attributes"):
            fields[name] = {**fields[name], "properties": tags}
        return {**schema, "properties": fields}

    return refine


def commands(actions: Mapping[str, Action]) -> Refine:
    """A command's input is its action's."""

    def refine(schema: Schema) -> Schema:
        fields = {**schema["properties"]}
        fields["action"] = {**fields["action"], "enum": sorted(actions)}
        inputs = {key: neat(action.input, side=Side.READ) for key, action in actions.items()}
        return _with_variants({**schema, "properties": fields}, "Input", "input", inputs)

    return refine


def results(actions: Mapping[str, Action]) -> Refine:
    """A result has its action's output when it succeeded, and an error when it did not."""

    def refine(schema: Schema) -> Schema:
        outputs = {key: neat(action.output, side=Side.WRITTEN) for key, action in actions.items()}
        made = _with_variants(schema, "Output", "output", outputs, {"status": {"const": "succeeded"}})
        ended = {
            "if": {"properties": {"status": {"const": "succeeded"}}},
            "then": {"properties": {"output": _OBJECT, "error": _NULL}},
            "else": {"properties": {"output": _NULL, "error": _OBJECT}},
        }
        return {**made, "allOf": [ended, *made["allOf"]]}

    return refine


def _with_variants(
    schema: Schema, suffix: str, place: str, shapes: Mapping[str, Schema], beside: Schema | None = None
) -> Schema:
    """`place` has the shape of the record's action."""
    named = {key: f"{pascal(key)}{suffix}" for key in sorted(shapes)}
    inner = [definition for shape in shapes.values() for definition in shape.pop("$defs", {}).items()]
    conditions = [
        {
            "if": {"properties": {"action": {"const": key}, **(beside or {})}},
            "then": {"properties": {place: {"$ref": f"#/$defs/{name}"}}},
        }
        for key, name in named.items()
    ]
    definitions = {**schema.get("$defs", {}), **dict(inner), **{name: shapes[key] for key, name in named.items()}}
    return {**schema, "$defs": definitions, "allOf": conditions}
