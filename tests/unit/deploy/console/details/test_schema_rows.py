"""A JSON Schema as rows: nothing that it says of a field is lost."""

from typing import Any

import pytest

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.details.contract_tables import keeps, topic_rows
from stripeline.deploy.console.details.schema_rows import SchemaRow, published_rows, schema_rows
from stripeline.deploy.contract.published_records import published

MARKED = {"type": "string", "x-sensitive": True}
DEFS = {
    "Pet": {"type": "object", "properties": {"name": MARKED, "child": {"$ref": "#/$defs/Pet"}}, "required": ["name"]}
}


def rows(**fields: Any) -> list[SchemaRow]:
    return list(schema_rows({"properties": fields, "$defs": DEFS}))


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": ["string", "null"]}, "string or null"),
        ({}, "any"),
        ({"const": 1}, "one value"),
        ({"type": "array"}, "list"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": ["array", "null"], "items": {"$ref": "#/$defs/Pet"}}, "list of object or null"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "map of integer"),
        ({"type": "object", "additionalProperties": True}, "object"),
        ({"anyOf": [{"$ref": "#/$defs/Pet"}, {"type": "null"}]}, "object or null"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string or integer"),
    ],
)
def test_a_type_is_named(field: dict[str, Any], kind: str) -> None:
    assert rows(one=field)[0].kind == kind


@pytest.mark.parametrize(
    "field",
    [
        {"$ref": "#/$defs/Pet"},
        {"anyOf": [{"$ref": "#/$defs/Pet"}, {"type": "null"}]},
        {"type": "array", "items": {"$ref": "#/$defs/Pet"}},
        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Pet"}},
        {"type": "array", "items": {"type": "array", "items": {"$ref": "#/$defs/Pet"}}},
    ],
    ids=["object", "or-null", "list", "map", "list-of-lists"],
)
def test_fields_inside_a_field_are_below_it_once(field: dict[str, Any]) -> None:
    found = [(row.name, row.depth, row.required, row.sensitive) for row in rows(one=field)]
    assert found == [("one", 0, False, False), ("name", 1, True, True), ("child", 1, False, False)]


def test_a_description_beside_a_reference_counts() -> None:
    assert rows(one={"$ref": "#/$defs/Pet", "description": "the pet"})[0].meaning == "the pet"


@pytest.mark.parametrize("field", [MARKED, {"type": "array", "items": MARKED}])
def test_what_is_sensitive_is_marked(field: dict[str, Any]) -> None:
    assert rows(one=field)[0].sensitive


def test_values_and_limits_are_listed() -> None:
    field = {"enum": ["a", None], "minimum": 1, "pattern": "^a$", "default": True}
    (row,) = rows(one=field)
    assert (row.values, row.limits) == (["a", "null"], ["at least 1", "matches ^a$", "default true"])


def test_a_shape_that_depends_on_another_field_says_when() -> None:
    rule = {
        "if": {"properties": {"kind": {"const": "pet"}, "status": {"const": "ok"}}},
        "then": {"properties": {"one": {"$ref": "#/$defs/Pet"}}}, "else": {"properties": {"one": {"type": "null"}}},
    }  # fmt: skip
    found = schema_rows({"properties": {"one": {"type": "object"}}, "allOf": [rule], "$defs": DEFS})
    assert [(row.name, row.depth, row.case) for row in found] == [
        ("one", 0, ""), ("one", 1, "kind is pet and status is ok"), ("name", 2, ""), ("child", 2, ""),
        ("one", 1, "otherwise"),
    ]  # fmt: skip


def test_required_fields_come_first() -> None:
    schema = {"properties": {"a": {}, "b": {}, "c": {}}, "required": ["c", "b"]}
    assert [row.name for row in published_rows(schema)] == ["b", "c", "a"]


def marks(node: Any) -> int:
    if isinstance(node, dict):
        return bool(node.get("x-sensitive")) + sum(marks(held) for held in node.values())
    return sum(marks(held) for held in node) if isinstance(node, list) else 0


@pytest.mark.parametrize("record", published(), ids=lambda one: one.folder)
def test_no_mark_of_a_published_record_is_lost(record) -> None:
    """A definition that is used twice has its marks twice."""
    schema = {key: held for key, held in record.schema().items() if key != "examples"}
    assert sum(row.sensitive for row in published_rows(schema)) >= marks(schema)


def test_each_topic_says_what_it_keeps() -> None:
    kept = {topic.name: keeps(topic) for topic in Topics().all(4)}
    assert kept["stripe.action-command"] == "each record for 7 d"
    assert kept["stripe.run"] == "the newest record of each key"
    assert kept["stripe.worker"] == "the newest record of each key for 24 h"


def test_each_retry_topic_has_a_row() -> None:
    topics = Topics(prefix="x.")
    assert [row.topic.name for row in topic_rows(topics, 4)] == [topic.name for topic in topics.all(4)]
