"""A JSON Schema as the rows of a table: one a field, those of an object inside it behind it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_MAX_DEPTH: Final = 5
_MOST_VALUES: Final = 12
SENSITIVE: Final = "x-sensitive"
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaField:
    """A field. path: with the names of the objects around it. values: all that it can have, where it lists them."""

    path: str
    types: str
    required: bool
    meaning: str
    values: str
    sensitive: bool


def schema_fields(schema: Schema) -> list[SchemaField]:
    """The fields of a record, in the order of its schema; those of each action, whichever it is."""
    return list(dict.fromkeys(_fields(schema, schema, "", 0)))


def _fields(schema: Schema, whole: Schema, before: str, depth: int) -> Iterator[SchemaField]:
    for variant in _variants(schema, whole):
        needed = variant.get("required", ())
        for name, field in variant.get("properties", {}).items():
            found = _resolved(field, whole)
            yield SchemaField(
                path=f"{before}{name}", types=_types(found, whole), required=name in needed,
                meaning=str(field.get("description") or found.get("description") or ""), values=_values(found, whole),
                sensitive=bool(field.get(SENSITIVE) or found.get(SENSITIVE)),
            )  # fmt: skip
            if depth < _MAX_DEPTH:
                yield from _fields(found, whole, f"{before}{name}.", depth + 1)
    items = schema.get("items")
    if isinstance(items, Mapping) and depth < _MAX_DEPTH:
        yield from _fields(_resolved(items, whole), whole, f"{before[:-1]}[].", depth + 1)


def _variants(schema: Schema, whole: Schema) -> Iterator[Schema]:
    """The schema itself, and each that it may be; a name that two of them have is there twice, as they differ."""
    yield schema
    for word in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(word, ()):
            yield _resolved(one, whole)
            if "then" in one:
                yield _resolved(one["then"], whole)


def _resolved(schema: Schema, whole: Schema) -> Schema:
    """What a reference inside the schema points to."""
    place = schema.get("$ref", "")
    found: Any = whole
    for part in place.removeprefix("#/").split("/") if place.startswith("#/") else ():
        found = found.get(part, {}) if isinstance(found, Mapping) else {}
    return found if place.startswith("#/") and isinstance(found, Mapping) else schema


def _types(schema: Schema, whole: Schema) -> str:
    own = schema.get("type", [])
    found = [own] if isinstance(own, str) else list(own)
    if "const" in schema or "enum" in schema:
        found = found or ["text"]
    for one in _variants(schema, whole):
        if one is not schema:
            found.extend(_types(one, whole).split(" | "))
    return " | ".join(dict.fromkeys(name for name in found if name))


def _values(schema: Schema, whole: Schema) -> str:
    found = [value for one in _variants(schema, whole) for value in one.get("enum", [])]
    found += [one["const"] for one in _variants(schema, whole) if "const" in one]
    words = list(dict.fromkeys(map(str, found)))
    return ", ".join([*words[:_MOST_VALUES], *(["…"] if len(words) > _MOST_VALUES else [])])
