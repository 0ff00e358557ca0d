"""Each rule of the gate with an example that breaks somebody, and one that breaks nobody."""

from typing import Any

import pytest

from stripeline.deploy.contract.compatibility import Finding, compare, compare_all
from stripeline.deploy.contract.compatibility_rules import RULES, Kind, Side

BOTH = frozenset(Side)
WRITTEN, READ, NOBODY = frozenset({Side.WRITTEN}), frozenset({Side.READ}), frozenset[Side]()
TEXT, NUMBER, WHOLE, NULLABLE = (
    {"type": "string"},
    {"type": "number"},
    {"type": "integer"},
    {"type": ["string", "null"]},
)


def record(*, required: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required)}


def conditional(
    *values: str, listed: tuple[str, ...] = ("a", "b"), then: dict[str, Any] | None = None
) -> dict[str, Any]:
    parts = [
        {
            "if": {"properties": {"action": {"const": value}}},
            "then": then or {"properties": {"input": {"type": "object"}}},
        }
        for value in values
    ]
    return {**record(action={"enum": list(listed)}, input={}), "allOf": parts}


A, B = record(a=TEXT), record(a=TEXT, b=TEXT)
CHANGES: list[tuple[Kind, frozenset[Side], dict[str, Any], dict[str, Any]]] = [
    (Kind.FIELD_ADDED, NOBODY, A, B),
    (
        Kind.FIELD_ADDED_TO_CLOSED,
        WRITTEN,
        {**A, "additionalProperties": False},
        {**B, "additionalProperties": False},
    ),
    (Kind.FIELD_REMOVED, BOTH, B, A),
    (Kind.REQUIRED_FIELD_ADDED, READ, A, record(a=TEXT, b=TEXT, required=("b",))),
    (Kind.NOW_REQUIRED, READ, A, record(a=TEXT, required=("a",))),
    (Kind.NOW_OPTIONAL, WRITTEN, record(a=TEXT, required=("a",)), A),
    (Kind.TYPE_WIDENED, WRITTEN, record(a=WHOLE), record(a=NUMBER)),
    (Kind.TYPE_WIDENED, WRITTEN, record(a=TEXT), record(a={})),
    (Kind.TYPE_WIDENED, WRITTEN, record(a=TEXT), record(a={"type": ["string", "integer"]})),
    (Kind.TYPE_NARROWED, READ, record(a=NUMBER), record(a=WHOLE)),
    (Kind.TYPE_NARROWED, READ, record(a={}), record(a=TEXT)),
    (Kind.TYPE_CHANGED, BOTH, record(a=TEXT), record(a=WHOLE)),
    (Kind.NULL_ADDED, WRITTEN, record(a=TEXT), record(a=NULLABLE)),
    (Kind.NULL_REMOVED, READ, record(a=NULLABLE), record(a=TEXT)),
    (Kind.VALUE_ADDED, WRITTEN, record(a={"enum": ["x"]}), record(a={"enum": ["x", "y"]})),
    (Kind.VALUE_ADDED, WRITTEN, record(a={"const": "x"}), record(a={"enum": ["x", "y", None]})),
    (Kind.VALUE_REMOVED, READ, record(a={"enum": ["x", "y"]}), record(a={"const": "x"})),
    (Kind.VALUES_LISTED, READ, record(a=TEXT), record(a={**TEXT, "enum": ["x"]})),
    (Kind.VALUES_FREED, WRITTEN, record(a={**TEXT, "enum": ["x"]}), record(a=TEXT)),
    (Kind.BOUND_TIGHTENED, READ, record(a=WHOLE), record(a={**WHOLE, "minimum": 1})),
    (Kind.BOUND_TIGHTENED, READ, record(a={**WHOLE, "minimum": 1}), record(a={**WHOLE, "minimum": 2})),
    (Kind.BOUND_TIGHTENED, READ, record(a={**TEXT, "maxLength": 9}), record(a={**TEXT, "maxLength": 8})),
    (Kind.BOUND_LOOSENED, WRITTEN, record(a={**TEXT, "maxLength": 9}), record(a={**TEXT, "maxLength": 10})),
    (Kind.BOUND_LOOSENED, WRITTEN, record(a={**WHOLE, "minimum": 1}), record(a={**WHOLE, "minimum": 0})),
    (Kind.BOUND_LOOSENED, WRITTEN, record(a={**TEXT, "maxLength": 9}), record(a=TEXT)),
    (Kind.PATTERN_ADDED, READ, record(a=TEXT), record(a={**TEXT, "pattern": "^x"})),
    (Kind.PATTERN_REMOVED, WRITTEN, record(a={**TEXT, "format": "date"}), record(a=TEXT)),
    (Kind.PATTERN_CHANGED, BOTH, record(a={**TEXT, "pattern": "^x"}), record(a={**TEXT, "pattern": "^y"})),
    (Kind.CLOSED, READ, A, {**A, "additionalProperties": False}),
    (Kind.OPENED, WRITTEN, {**A, "additionalProperties": False}, A),
    (Kind.DEFAULT_CHANGED, READ, record(a={"default": True}), record(a={"default": False})),
    (Kind.DEFAULT_CHANGED, READ, record(a={}), record(a={"default": False})),
    (Kind.VARIANT_ADDED, NOBODY, conditional("a", listed=("a",)), conditional("a", "b", listed=("a", "b"))),
    (Kind.CONDITION_ADDED, READ, conditional("a"), conditional("a", "b")),
    (Kind.CONDITION_ADDED, READ, record(a=TEXT), {**record(a=TEXT), "allOf": [{"required": ["a"]}]}),
    (
        Kind.CONDITION_ADDED,
        READ,
        record(a=TEXT),
        {**record(a=TEXT), "allOf": [{"if": {"properties": {"a": {"pattern": "^x"}}}, "then": {"required": ["b"]}}]},
    ),
    (Kind.CONDITION_REMOVED, WRITTEN, conditional("a", "b"), conditional("a")),
    (Kind.TAG_ADDED, NOBODY, record(a=TEXT), record(a={**TEXT, "x-sensitive": True})),
    (Kind.TAG_REMOVED, BOTH, record(a={**TEXT, "x-sensitive": True}), record(a=TEXT)),
    (
        Kind.TEXT_CHANGED,
        NOBODY,
        record(a={**TEXT, "description": "old"}),
        record(a={**TEXT, "description": "new"}),
    ),
    (Kind.UNJUDGED, BOTH, record(a={"not": TEXT}), record(a={"not": WHOLE})),
    (Kind.UNJUDGED, BOTH, record(a={"additionalProperties": TEXT}), record(a={"additionalProperties": WHOLE})),
]

NEAR: dict[Kind, tuple[dict[str, Any], dict[str, Any]]] = {
    Kind.FIELD_REMOVED: (B, record(b={**TEXT, "description": "kept"}, a=TEXT)),
    Kind.TYPE_CHANGED: (record(a=TEXT), record(a={"type": ["string"]})),
    Kind.PATTERN_CHANGED: (
        record(a={**TEXT, "pattern": "^x"}),
        record(a={"pattern": "^x", **TEXT, "title": "x"}),
    ),
    Kind.TAG_REMOVED: (
        record(a={**TEXT, "x-sensitive": True}),
        record(a={**TEXT, "x-sensitive": True, "x-other": 1}),
    ),
    Kind.UNJUDGED: (
        record(a={"not": TEXT}),
        {**record(a={"not": {"$ref": "#/$defs/Text"}}), "$defs": {"Text": TEXT}},
    ),
}
"""For a rule that breaks both sides: a change next to it that breaks nobody."""


def kinds(found: list[Finding], *, breaking: bool) -> set[Kind]:
    return {one.kind for one in found if (one.reason is not None) == breaking}


@pytest.mark.parametrize(("kind", "breaks", "old", "new"), CHANGES)
def test_a_change_breaks_whom_its_rule_says_and_nobody_else(kind, breaks, old, new):
    for side in Side:
        found = compare("r", old, new, side)
        assert kind in {one.kind for one in found}
        assert (kind in kinds(found, breaking=True)) == (side in breaks)
        assert ("breaking, because" in next(one.sentence for one in found if one.kind is kind)) == (side in breaks)


@pytest.mark.parametrize("kind", NEAR)
def test_a_harmless_change_beside_a_breaking_one_breaks_nobody(kind):
    old, new = NEAR[kind]
    for side in Side:
        assert kinds(compare("r", old, new, side), breaking=True) == set()


def test_every_rule_has_a_breaking_and_a_harmless_example():
    shown = {kind for kind, *_ in CHANGES} | {Kind.RECORD_ADDED, Kind.RECORD_REMOVED}
    assert shown == set(Kind) == set(RULES)
    on_both = {kind for kind, rule in RULES.items() if len(rule.breaks) == len(Side)} - {Kind.RECORD_REMOVED}
    assert on_both == set(NEAR)


def test_the_table_says_the_same_as_the_rules():
    for kind, breaks, *_ in CHANGES:
        assert frozenset(RULES[kind].breaks) == breaks


def test_nothing_changed():
    for _, _, old, _ in CHANGES:
        for side in Side:
            assert compare("r", old, old, side) == []


def test_a_removed_record_breaks_and_an_added_one_does_not():
    sides = {"old.v1": Side.READ, "new.v1": Side.WRITTEN, "same.v1": Side.READ}
    found = compare_all({"old.v1": A, "same.v1": A}, {"new.v1": A, "same.v1": B}, sides)
    assert [(one.record, one.kind, one.reason is None) for one in found] == [
        ("old.v1", Kind.RECORD_REMOVED, False),
        ("new.v1", Kind.RECORD_ADDED, True),
        ("same.v1", Kind.FIELD_ADDED, True),
    ]


def test_where_a_change_is():
    def deep(**fields):
        return record(steps={"type": "array", "items": record(error=record(**fields))})

    (found,) = compare("run", deep(code=TEXT, more=TEXT), deep(code=TEXT), Side.WRITTEN)
    assert found.where == "steps[].error.more"
    assert found.sentence == (
        "run: steps[].error.more: the field is gone: breaking, because consumers of the old schema may use it"
    )


def test_references_are_followed_on_each_side():
    def with_error(error):
        field = {"anyOf": [{"$ref": "#/$defs/Error"}, {"type": "null"}], "description": "why"}
        return {**record(error=field, same={"$ref": "#/$defs/Error"}), "$defs": {"Error": error}}

    found = compare("r", with_error(record(code=TEXT)), with_error(record()), Side.WRITTEN)
    assert [(one.where, one.kind) for one in found] == [
        ("error.code", Kind.FIELD_REMOVED),
        ("same.code", Kind.FIELD_REMOVED),
    ]
    inline = record(
        error={**record(code=TEXT), "type": ["object", "null"], "description": "why"}, same=record(code=TEXT)
    )
    assert compare("r", with_error(record(code=TEXT)), inline, Side.WRITTEN) == []


def test_what_may_be_anything_or_null_may_be_anything():
    anything = {"anyOf": [{"description": "any"}, {"type": "null"}]}
    assert compare("r", record(a=anything), record(a={"description": "any"}), Side.READ) == []


def test_a_reference_inside_an_unjudged_keyword_is_followed():
    def either(inner):
        field = {"oneOf": [{"$ref": "#/$defs/One"}, WHOLE]}
        return {**record(a=field), "$defs": {"One": inner}}

    (found,) = compare("r", either(TEXT), either(NULLABLE), Side.READ)
    assert (found.kind, found.detail) == (Kind.UNJUDGED, "oneOf")


def test_a_shape_that_changes_under_its_condition():
    narrow = {"properties": {"input": {"type": "object", "required": ["amount"], "properties": {"amount": WHOLE}}}}
    wide = {"properties": {"input": {"type": "object", "properties": {"amount": WHOLE}}}}
    (found,) = compare("command", conditional("a", then=wide), conditional("a", then=narrow), Side.READ)
    assert (found.where, found.kind) == ("input.amount", Kind.NOW_REQUIRED)
