"""The rules of the compatibility gate, as one table: which change of a schema breaks whom. Pure.

A record is WRITTEN by us and read by others, who were built on the old schema: what is new must be something that they
already reckon with. Or it is READ by us, and others, or older versions of us, still write by the old schema: what they
write must still be taken. Readers ignore fields that they do not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Side(StrEnum):
    WRITTEN = "written"
    READ = "read"


class Kind(StrEnum):
    """What can happen to a schema."""

    RECORD_ADDED = "record-added"
    RECORD_REMOVED = "record-removed"
    FIELD_ADDED = "field-added"
    FIELD_ADDED_TO_CLOSED = "field-added-to-closed"
    FIELD_REMOVED = "field-removed"
    REQUIRED_FIELD_ADDED = "required-field-added"
    NOW_REQUIRED = "now-required"
    NOW_OPTIONAL = "now-optional"
    TYPE_WIDENED = "type-widened"
    TYPE_NARROWED = "type-narrowed"
    TYPE_CHANGED = "type-changed"
    NULL_ADDED = "null-added"
    NULL_REMOVED = "null-removed"
    VALUE_ADDED = "value-added"
    VALUE_REMOVED = "value-removed"
    VALUES_LISTED = "values-listed"
    VALUES_FREED = "values-freed"
    BOUND_TIGHTENED = "bound-tightened"
    BOUND_LOOSENED = "bound-loosened"
    PATTERN_ADDED = "pattern-added"
    PATTERN_REMOVED = "pattern-removed"
    PATTERN_CHANGED = "pattern-changed"
    CLOSED = "closed"
    OPENED = "opened"
    DEFAULT_CHANGED = "default-changed"
    VARIANT_ADDED = "variant-added"
    CONDITION_ADDED = "condition-added"
    CONDITION_REMOVED = "condition-removed"
    TAG_ADDED = "tag-added"
    TAG_REMOVED = "tag-removed"
    TEXT_CHANGED = "text-changed"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRule:
    """One rule.

    what: the change, in words.
    breaks: the sides that it breaks, each with the reason in words.
    """

    what: str
    breaks: Mapping[Side, str]


def _rule(what: str, *, written: str = "", read: str = "") -> ChangeRule:
    reasons = {Side.WRITTEN: written, Side.READ: read}
    return ChangeRule(what=what, breaks={side: reason for side, reason in reasons.items() if reason})


def _both(what: str, reason: str) -> ChangeRule:
    return _rule(what, written=reason, read=reason)


_UNREADY = "consumers of the old schema are not ready for it"
_REFUSED = "what producers of the old schema send would be refused"

RULES: Final[Mapping[Kind, ChangeRule]] = {
    Kind.RECORD_ADDED: _rule("the record is new"),
    Kind.RECORD_REMOVED: _both("the record is gone", "others still write or read it"),
    Kind.FIELD_ADDED: _rule("the field is new"),
    Kind.FIELD_ADDED_TO_CLOSED: _rule(
        "the field is new where no others were allowed",
        written="consumers of the old schema refuse unknown fields here",
    ),
    Kind.FIELD_REMOVED: _rule(
        "the field is gone",
        written="consumers of the old schema may use it",
        read="producers of the old schema send it, and it would be refused or ignored",
    ),
    Kind.REQUIRED_FIELD_ADDED: _rule(
        "the field is new and required", read="producers of the old schema do not send it"
    ),
    Kind.NOW_REQUIRED: _rule("the field became required", read="producers of the old schema may leave it out"),
    Kind.NOW_OPTIONAL: _rule("the field is no longer always there", written="consumers of the old schema count on it"),
    Kind.TYPE_WIDENED: _rule("the type became wider", written=_UNREADY),
    Kind.TYPE_NARROWED: _rule("the type became narrower", read=_REFUSED),
    Kind.TYPE_CHANGED: _rule("the type is another one", written=_UNREADY, read=_REFUSED),
    Kind.NULL_ADDED: _rule("it may now be null", written=_UNREADY),
    Kind.NULL_REMOVED: _rule("it may no longer be null", read=_REFUSED),
    Kind.VALUE_ADDED: _rule("a value was added to the list", written=_UNREADY),
    Kind.VALUE_REMOVED: _rule("a value was taken from the list", read=_REFUSED),
    Kind.VALUES_LISTED: _rule("only listed values are allowed now", read=_REFUSED),
    Kind.VALUES_FREED: _rule("any value is allowed now, not only listed ones", written=_UNREADY),
    Kind.BOUND_TIGHTENED: _rule("the bound became tighter", read=_REFUSED),
    Kind.BOUND_LOOSENED: _rule("the bound became looser", written=_UNREADY),
    Kind.PATTERN_ADDED: _rule("it must match a pattern now", read=_REFUSED),
    Kind.PATTERN_REMOVED: _rule("it need not match its pattern any more", written=_UNREADY),
    Kind.PATTERN_CHANGED: _both("the pattern is another one", "nobody can tell whether it takes more or less"),
    Kind.CLOSED: _rule("unknown fields are refused now", read=_REFUSED),
    Kind.OPENED: _rule("unknown fields may come now", written="consumers of the old schema refuse them"),
    Kind.DEFAULT_CHANGED: _rule(
        "the default is another one", read="a command that leaves the field out would do something else"
    ),
    Kind.VARIANT_ADDED: _rule("a value that was not there before has its own shape"),
    Kind.CONDITION_ADDED: _rule("a shape was prescribed where any was allowed", read=_REFUSED),
    Kind.CONDITION_REMOVED: _rule("a shape is no longer promised", written=_UNREADY),
    Kind.TAG_ADDED: _rule("it is tagged as sensitive now"),
    Kind.TAG_REMOVED: _both("it is no longer tagged as sensitive", "those who mask by the tag would show it"),
    Kind.TEXT_CHANGED: _rule("the words are others"),
    Kind.UNJUDGED: _both("it changed in a way that has no rule", "nobody can tell whether it breaks somebody"),
}
