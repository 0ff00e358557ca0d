"""A published JSON Schema as rows that people read: each field with its type, limits, meaning and mask. Pure.

Knows the keywords that `deploy/contract/schemas.py` writes. A row is never lost: a keyword that is not known here only
leaves its words out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.action import SENSITIVE

Schema = Mapping[str, Any]
_MARK: Final = next(iter(SENSITIVE))
_REF: Final = "#/$defs/"
_NULL: Final = {"type": "null"}
_NOTHING: Final[Mapping[str, Any]] = {}
_LIMITS: Final[Mapping[str, str]] = {
    "minimum": "at least {}", "exclusiveMinimum": "more than {}", "maximum": "at most {}",
    "minLength": "from {} characters", "maxLength": "up to {} characters",
    "minItems": "from {} items", "maxItems": "up to {} items", "pattern": "matches {}",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRow:
    """One field. depth: how far inside other fields.

    case: when it has this shape, such as `action is stripe/create-customer`; empty for always.
    values: those that it may have; empty where any will do.
    """

    name: str
    depth: int
    kind: str
    required: bool
    sensitive: bool
    meaning: str
    values: Sequence[str]
    limits: Sequence[str]
    case: str = ""


def schema_rows(schema: Schema) -> Sequence[SchemaRow]:
    """The fields in the schema's order, each followed by those inside it."""
    return list(_Reading(schema.get("$defs", _NOTHING)).fields(schema, 0, frozenset()))


def published_rows(schema: Schema) -> Sequence[SchemaRow]:
    """The same, with the fields that must be there first."""
    names = list(schema.get("properties", _NOTHING))
    required = schema.get("required", ())
    ordered = [name for name in names if name in required] + [name for name in names if name not in required]
    return schema_rows({**schema, "properties": {name: schema["properties"][name] for name in ordered}})


@dataclass(frozen=True, slots=True)
class _Reading:
    """definitions: the schema's `$defs`. A definition is not opened again inside itself."""

    definitions: Schema

    def fields(self, node: Schema, depth: int, opened: frozenset[str]) -> Iterator[SchemaRow]:
        required = node.get("required", ())
        cases = list(_cases(node))
        for name, field in node.get("properties", _NOTHING).items():
            yield from self._field(name, field, depth, name in required, opened)
            for case, shapes in cases:
                if name in shapes:
                    yield from self._field(name, shapes[name], depth + 1, False, opened, case)

    def _field(
        self, name: str, node: Schema, depth: int, required: bool, opened: frozenset[str], case: str = ""
    ) -> Iterator[SchemaRow]:
        whole, names = self._whole(node)
        yield SchemaRow(
            name=name, depth=depth, kind=self._kind(whole), required=required, sensitive=_is_sensitive(whole),
            meaning=whole.get("description", ""), values=_values(whole), limits=_limits(whole), case=case,
        )  # fmt: skip
        for inner, inner_names in self._insides(whole, names):
            if not inner_names & opened:
                yield from self.fields(inner, depth + 1, opened | inner_names)

    def _whole(self, node: Schema) -> tuple[Schema, frozenset[str]]:
        """A field with what it refers to, itself or null; and the names of the definitions."""
        if "$ref" in node:
            name = node["$ref"].removeprefix(_REF)
            return {**self.definitions[name], **node}, frozenset({name})
        branches = node.get("anyOf", ())
        others = [branch for branch in branches if branch != _NULL]
        if len(others) != 1:
            return node, frozenset()
        inner, names = self._whole(others[0])
        return {**inner, **{key: held for key, held in node.items() if key != "anyOf"}, "nullable": True}, names

    def _insides(self, whole: Schema, names: frozenset[str]) -> Iterator[tuple[Schema, frozenset[str]]]:
        if "properties" in whole:
            yield whole, names
        for keyword in ("items", "additionalProperties"):
            if isinstance(whole.get(keyword), Mapping):
                inner, inner_names = self._whole(whole[keyword])
                yield from self._insides(inner, names | inner_names)

    def _kind(self, whole: Schema) -> str:
        if "const" in whole:
            return "one value"
        if len(whole.get("anyOf", ())) > 1:
            return " or ".join(self._kind(self._whole(branch)[0]) for branch in whole["anyOf"])
        types = whole.get("type", "any")
        named = [types] if isinstance(types, str) else list(types)
        if whole.get("nullable") and "null" not in named:
            named.append("null")
        return " or ".join(self._of(word, whole) for word in named)

    def _of(self, word: str, whole: Schema) -> str:
        """`array` as `list of string`, an object with names of its writer's choice as `map of integer`."""
        for kind, words, keyword in (("array", "list", "items"), ("object", "map", "additionalProperties")):
            if word == kind and isinstance(whole.get(keyword), Mapping):
                return f"{words} of {self._kind(self._whole(whole[keyword])[0])}"
        return {"array": "list"}.get(word, word)


def _cases(node: Schema) -> Iterator[tuple[str, Schema]]:
    """What fields are beside their own row, by conditions on other fields."""
    for rule in node.get("allOf", ()):
        told = rule.get("if", _NOTHING).get("properties", _NOTHING)
        words = " and ".join(f"{name} is {wanted.get('const')}" for name, wanted in told.items())
        for keyword, case in (("then", words), ("else", "otherwise")):
            if keyword in rule:
                yield case, rule[keyword].get("properties", _NOTHING)


def _is_sensitive(whole: Schema) -> bool:
    items = whole.get("items")
    return bool(whole.get(_MARK) or (isinstance(items, Mapping) and items.get(_MARK)))


def _values(whole: Schema) -> Sequence[str]:
    items = whole.get("items")
    held = [whole["const"]] if "const" in whole else whole.get("enum", ())
    if not held and isinstance(items, Mapping):
        held = items.get("enum", ())
    return ["null" if one is None else str(one) for one in held]


def _limits(whole: Schema) -> Sequence[str]:
    limits = [words.format(whole[keyword]) for keyword, words in _LIMITS.items() if keyword in whole]
    return [*limits, f"default {_word(whole['default'])}"] if "default" in whole else limits


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
