"""Compares what a file wants with what is stored, field by field. Pure; a secret shows as replaced, never its value."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stripeline.contracts.definitions import AnyDefinition, Connection, Endpoint, Trigger, encode_definition
from stripeline.contracts.masking import mask
from stripeline.deploy.definitions.problems import Place
from stripeline.workers.secrets.vault import key_id_of

What = Literal["added", "changed", "removed", "unchanged"]
Lines = Callable[[Place], int | None]
_SECTIONS: Mapping[str, str] = {
    "connection": "connections",
    "trigger": "triggers",
    "endpoint": "endpoints",
    "workflow": "workflows",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """What becomes of one field. words: of a secret, whose values are never shown. line: where the file has it."""

    field: str
    before: Any = None
    after: Any = None
    words: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.words or f'{_shown(self.before)} → {_shown(self.after)}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one definition, and where the file has it."""

    what: What
    key: str
    fields: tuple[FieldChange, ...] = ()
    line: int | None = None

    def row(self) -> dict[str, Any]:
        """For a pipeline."""
        kind, _, name = self.key.partition("/")
        return {"change": self.what, "kind": kind, "name": name, "line": self.line} | {
            "fields": [
                {"field": one.field, "before": mask(one.before), "after": mask(one.after)}
                | {"secret": one.words, "line": one.line}
                for one in self.fields
            ]
        }


def place_of(key: str) -> Place:
    """Where a file has the definition of a control key: `("workflows", "thank")`."""
    kind, _, name = key.partition("/")
    return (_SECTIONS[kind], name)


def _nowhere(_: Place) -> None:
    return None


def diff(
    stored: Mapping[str, AnyDefinition], wanted: Mapping[str, AnyDefinition], *, removed: Collection[str] = (),
    lines: Lines = _nowhere,
) -> list[Change]:  # fmt: skip
    """Every definition with what becomes of it: first what the file has, then what is removed.

    lines: of places in the file.
    """
    changes = [_change(key, stored.get(key), definition, lines) for key, definition in wanted.items()]
    # Workflows before endpoints before triggers before connections: what is used goes after what uses it.
    gone = [key for key in reversed(list(stored)) if key in removed] if removed else []
    return changes + [Change(what="removed", key=key) for key in gone]


def publication(changes: list[Change], wanted: Mapping[str, AnyDefinition]) -> dict[str, bytes | None]:
    """What to write to the control topic for these changes; empty when nothing changes."""
    return {
        change.key: encode_definition(wanted[change.key]) if change.what != "removed" else None
        for change in changes
        if change.what != "unchanged"
    }


def _change(key: str, stored: AnyDefinition | None, wanted: AnyDefinition, lines: Lines) -> Change:
    place = place_of(key)
    if stored is None:
        return Change(what="added", key=key, line=lines(place))
    fields = tuple(_fields(stored, wanted, place, lines))
    return Change(what="changed" if fields else "unchanged", key=key, fields=fields, line=lines(place))


def _fields(stored: AnyDefinition, wanted: AnyDefinition, place: Place, lines: Lines) -> Iterator[FieldChange]:
    match stored, wanted:
        case Connection(), Connection():
            if stored.secret_key != wanted.secret_key:
                words = _how(stored.secret_key, wanted.secret_key)
                yield FieldChange(field="secret_key", words=words, line=lines((*place, "secret_key")))
        case ((Trigger() | Endpoint()), (Trigger() | Endpoint())):
            for words in _ring(stored.signing_secrets, wanted.signing_secrets):
                yield FieldChange(field="signing_secrets", words=words, line=lines((*place, "signing_secrets")))
        case _:
            pass
    before, after = _flat(stored), _flat(wanted)
    for name in sorted(before.keys() | after.keys()):
        (was, _), (becomes, inside) = before.get(name, (None, ())), after.get(name, (None, ()))
        if was != becomes:
            yield FieldChange(field=name, before=was, after=becomes, line=lines((*place, *inside)))


def recorded_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """What differs between two versions of a definition as the audit has them: masked, secrets by their names."""
    was, becomes = _flat_values(before), _flat_values(after)
    pairs = ((name, was.get(name, (None,))[0], becomes.get(name, (None,))[0]) for name in sorted(was | becomes))
    return [FieldChange(field=name, before=old, after=new) for name, old, new in pairs if old != new]


def _ring(stored: tuple[str, ...], wanted: tuple[str, ...]) -> Iterator[str]:
    if stored == wanted:
        return
    added, gone = len(set(wanted) - set(stored)), len(set(stored) - set(wanted))
    if added == gone == 0:
        yield "in another order"
    elif stored and wanted and key_id_of(stored[0]) != key_id_of(wanted[0]):
        yield _how(stored[0], wanted[0])
    else:
        yield f"{added} added, {gone} removed, {len(set(wanted) & set(stored))} kept"


def _how(stored: str, wanted: str) -> str:
    key_id = key_id_of(wanted)
    return "replaced" if key_id_of(stored) == key_id else f"sealed with master key {key_id}"


def _flat(definition: AnyDefinition) -> dict[str, tuple[Any, Place]]:
    """All but the secrets."""
    return _flat_values(
        definition.model_dump(
            mode="json", exclude_none=True, exclude={"secret_key", "signing_secrets", "key_name_kept"}
        )
    )


def _flat_values(values: Mapping[str, Any]) -> dict[str, tuple[Any, Place]]:
    """Dotted names with their places; steps go by their id, where they have one."""
    steps = values.get("steps", [])
    if not isinstance(steps, list) or not all(
        isinstance(one, dict) and isinstance(one.get("id"), str) for one in steps
    ):
        return dict(_leaves("", (), values))
    found = dict(_leaves("", (), {name: held for name, held in values.items() if name != "steps"}))
    if steps:
        found["step order"] = (", ".join(step["id"] for step in steps), ("steps",))
    for position, step in enumerate(steps):
        rest = {name: held for name, held in step.items() if name != "id"}
        found |= dict(_leaves(f"steps.{step['id']}", ("steps", position), rest))
    return found


def _leaves(name: str, place: Place, value: Any) -> Iterator[tuple[str, tuple[Any, Place]]]:
    if isinstance(value, dict) and value:
        for key, held in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), (*place, key), held)
    else:
        yield name, (value, place)


def _shown(value: Any) -> str:
    """On one line: what another owner stored may hold a line of its own."""
    if value is None:
        return "none"
    text = str(value)
    return text if text.isprintable() else json.dumps(value, ensure_ascii=True)
