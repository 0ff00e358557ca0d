"""The compatibility gate: what changed between two JSON Schemas of a record, and whom it breaks. Pure.

It compares keyword by keyword and never guesses: a change that it has no rule for counts as breaking. The rules are in
`compatibility_rules.py`. It reads what we generate: references into `$defs`, `anyOf` with null, and `allOf`
of conditions.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.deploy.contract.compatibility_rules import RULES, Kind, Side

Schema = Mapping[str, Any]

_TEXT: Final = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "deprecated"})
_TAG: Final = "x-sensitive"
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_JUDGED: Final = frozenset(
    {*_LOWER, *_UPPER, _TAG, "$defs", "type", "enum", "const", "pattern", "format", "properties", "required", "items",
     "additionalProperties", "default", "allOf"}
)  # fmt: skip
_MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One change. `where` is a path like `error.code` or `steps[].output`, empty for the record itself."""

    record: str
    where: str
    kind: Kind
    detail: str
    side: Side

    @property
    def reason(self) -> str | None:
        """Whom it breaks and why; None when it breaks nobody."""
        return RULES[self.kind].breaks.get(self.side)

    @property
    def sentence(self) -> str:
        place = f"{self.record}: {self.where}" if self.where else self.record
        told = f"{place}: {RULES[self.kind].what}" + (f" ({self.detail})" if self.detail else "")
        return f"{told}: compatible" if self.reason is None else f"{told}: breaking, because {self.reason}"


def compare_all(old: Mapping[str, Schema], new: Mapping[str, Schema], sides: Mapping[str, Side]) -> Sequence[Finding]:
    """Every change between two releases, by the records' names."""
    found = [_finding(name, "", Kind.RECORD_REMOVED, "", Side.READ) for name in sorted(old.keys() - new.keys())]
    found += [_finding(name, "", Kind.RECORD_ADDED, "", sides[name]) for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        found += compare(name, old[name], new[name], sides[name])
    return found


def compare(record: str, old: Schema, new: Schema, side: Side) -> Sequence[Finding]:
    """Every change between two schemas of a record."""
    return [_finding(record, *change, side) for change in _Walk(old, new).changes("", old, new)]


def _finding(record: str, where: str, kind: Kind, detail: str, side: Side) -> Finding:
    return Finding(record=record, where=where, kind=kind, detail=detail, side=side)


SchemaChange = tuple[str, Kind, str]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Two schemas side by side."""

    old_root: Schema
    new_root: Schema

    def changes(self, where: str, old_node: Schema, new_node: Schema) -> Iterator[SchemaChange]:
        old, new = resolved(self.old_root, old_node), resolved(self.new_root, new_node)
        for kind, detail in (
            *_types(old, new), *_values(old, new), *_bounds(old, new), *_patterns(old, new), *_openness(old, new),
            *_default(old, new), *_words(old, new), *self._rest(old, new),
        ):  # fmt: skip
            yield where, kind, detail
        yield from self._fields(where, old, new)
        if "items" in old or "items" in new:
            yield from self.changes(f"{where}[]", old.get("items", {}), new.get("items", {}))
        yield from self._conditions(where, old, new)

    def _fields(self, where: str, old: Schema, new: Schema) -> Iterator[SchemaChange]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() | after.keys()):
            place = f"{where}.{name}" if where else name
            if name not in after:
                yield place, Kind.FIELD_REMOVED, ""
            elif name not in before:
                yield place, Kind.REQUIRED_FIELD_ADDED if name in needs else Kind.FIELD_ADDED, ""
                if old.get("additionalProperties") is False:
                    yield place, Kind.FIELD_ADDED_TO_CLOSED, ""
            else:
                if (name in needs) != (name in needed):
                    yield place, Kind.NOW_REQUIRED if name in needs else Kind.NOW_OPTIONAL, ""
                yield from self.changes(place, before[name], after[name])

    def _conditions(self, where: str, old: Schema, new: Schema) -> Iterator[SchemaChange]:
        before, after = _by_condition(old), _by_condition(new)
        for condition in sorted(before.keys() | after.keys()):
            if condition not in after:
                yield where, Kind.CONDITION_REMOVED, condition
            elif condition not in before:
                yield (
                    where,
                    Kind.VARIANT_ADDED if _is_new(after[condition], old) else Kind.CONDITION_ADDED,
                    condition,
                )
            else:
                for branch in ("then", "else"):
                    yield from self.changes(where, before[condition].get(branch, {}), after[condition].get(branch, {}))

    def _rest(self, old: Schema, new: Schema) -> Iterator[tuple[Kind, str]]:
        """Keywords without a rule: they must be the same, with all that they refer to."""
        others = sorted({name for name in (*old, *new) if not name.startswith("x-")} - _TEXT - _JUDGED)
        changed = [n for n in others if inlined(self.old_root, old.get(n)) != inlined(self.new_root, new.get(n))]
        if changed:
            yield Kind.UNJUDGED, ", ".join(changed)


def inlined(root: Schema, value: Any) -> Any:
    """A piece of a schema with its references written out."""
    if isinstance(value, list):
        return [inlined(root, one) for one in value]
    if isinstance(value, dict):
        node = resolved(root, value)
        return {name: inlined(root, one) for name, one in node.items()}
    return value


def resolved(root: Schema, node: Schema) -> Schema:
    """A node with its reference followed, and `anyOf` of one shape and null as that shape that may be null."""
    branches = [branch for branch in node.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) == 1 and len(node["anyOf"]) > 1:
        inner = resolved(root, branches[0])
        rest = {name: value for name, value in node.items() if name != "anyOf"}
        kinds = _type_set(inner)
        return {**inner, **rest} | ({} if kinds is None else {"type": sorted(kinds | {"null"})})
    if "$ref" in node:
        target = root["$defs"][node["$ref"].removeprefix("#/$defs/")]
        rest = {name: value for name, value in node.items() if name != "$ref"}
        return {**resolved(root, target), **rest}
    return node


def _type_set(node: Schema) -> frozenset[str] | None:
    """The types that a node allows; None for any."""
    kinds = node.get("type")
    if kinds is None:
        return None
    return frozenset({kinds} if isinstance(kinds, str) else kinds)


def _types(old: Schema, new: Schema) -> Iterator[tuple[Kind, str]]:
    before, after = _type_set(old), _type_set(new)
    if before == after:
        return
    detail = f"{_type_text(before)} → {_type_text(after)}"
    if before is None or after is None:
        yield (Kind.TYPE_NARROWED if before is None else Kind.TYPE_WIDENED), detail
        return
    if ("null" in before) != ("null" in after):
        yield (Kind.NULL_ADDED if "null" in after else Kind.NULL_REMOVED), detail
    kind = _type_kind(before - {"null"}, after - {"null"})
    if kind is not None:
        yield kind, detail


def _type_kind(before: frozenset[str], after: frozenset[str]) -> Kind | None:
    lost, gained = _beyond(before, after), _beyond(after, before)
    if lost and gained:
        return Kind.TYPE_CHANGED
    if gained:
        return Kind.TYPE_WIDENED
    return Kind.TYPE_NARROWED if lost else None


def _beyond(kinds: frozenset[str], others: frozenset[str]) -> frozenset[str]:
    """The types that others do not cover; every integer is a number."""
    covered = others | {"integer"} if "number" in others else others
    return kinds - covered


def _type_text(kinds: frozenset[str] | None) -> str:
    return "any" if kinds is None else " | ".join(sorted(kinds))


def _listed(node: Schema) -> frozenset[str] | None:
    """The values that a node allows but null, which counts with the types; None where they are not listed."""
    values = [node["const"]] if "const" in node else node.get("enum")
    return None if values is None else frozenset(json.dumps(value) for value in values if value is not None)


def _values(old: Schema, new: Schema) -> Iterator[tuple[Kind, str]]:
    before, after = _listed(old), _listed(new)
    if before is None or after is None:
        if before != after:
            yield (
                (Kind.VALUES_LISTED if before is None else Kind.VALUES_FREED),
                ", ".join(sorted(before or after or ())),
            )
        return
    if after - before:
        yield Kind.VALUE_ADDED, ", ".join(sorted(after - before))
    if before - after:
        yield Kind.VALUE_REMOVED, ", ".join(sorted(before - after))


def _bounds(old: Schema, new: Schema) -> Iterator[tuple[Kind, str]]:
    for name in (*_LOWER, *_UPPER):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        grew = before is not None and after is not None and after > before
        tighter = before is None or (after is not None and grew == (name in _LOWER))
        yield (Kind.BOUND_TIGHTENED if tighter else Kind.BOUND_LOOSENED), f"{name} {before} → {after}"


def _patterns(old: Schema, new: Schema) -> Iterator[tuple[Kind, str]]:
    for name in ("pattern", "format"):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if before is None:
            yield Kind.PATTERN_ADDED, str(after)
        else:
            yield (Kind.PATTERN_REMOVED if after is None else Kind.PATTERN_CHANGED), f"{before} → {after}"


def _openness(old: Schema, new: Schema) -> Iterator[tuple[Kind, str]]:
    before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    if before == after:
        return
    if isinstance(before, bool) and isinstance(after, bool):
        yield (Kind.CLOSED if before else Kind.OPENED), ""
    else:
        yield Kind.UNJUDGED, "additionalProperties"


def _default(old: Schema, new: Schema) -> Iterator[tuple[Kind, str]]:
    before, after = old.get("default", _MISSING), new.get("default", _MISSING)
    if before != after:
        words = ["none" if value is _MISSING else json.dumps(value) for value in (before, after)]
        yield Kind.DEFAULT_CHANGED, " → ".join(words)


def _words(old: Schema, new: Schema) -> Iterator[tuple[Kind, str]]:
    if old.get(_TAG, False) != new.get(_TAG, False):
        yield (Kind.TAG_ADDED if new.get(_TAG) else Kind.TAG_REMOVED), ""
    changed = [name for name in sorted({*old, *new} & _TEXT) if old.get(name) != new.get(name)]
    if changed:
        yield Kind.TEXT_CHANGED, ", ".join(changed)


def _by_condition(node: Schema) -> Mapping[str, Schema]:
    """The parts of `allOf` by what they ask for; a part without a condition by itself."""
    parts = node.get("allOf", ())
    return {_name(part["if"]) if "if" in part else json.dumps(part, sort_keys=True): part for part in parts}


def _name(condition: Schema) -> str:
    """`action = "stripe/create-customer"`, or the condition as it is."""
    fields = condition.get("properties", {})
    if set(condition) == {"properties"} and all(set(value) == {"const"} for value in fields.values()):
        return " and ".join(f"{name} = {json.dumps(fields[name]['const'])}" for name in sorted(fields))
    return json.dumps(condition, sort_keys=True)


def _is_new(part: Schema, old: Schema) -> bool:
    """Whether a condition asks for a value that the old schema did not list, so that nobody can have sent it."""
    for name, value in part.get("if", {}).get("properties", {}).items():
        listed = _listed(old.get("properties", {}).get(name, {}))
        if listed is not None and "const" in value and json.dumps(value["const"]) not in listed:
            return True
    return False
