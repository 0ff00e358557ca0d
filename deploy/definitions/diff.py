"""Compares what a file wants with what is stored, field by field. Pure; a secret shows as replaced, never its value."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stripeline.contracts.definitions import AnyDefinition, Connection, Trigger, encode_definition
from stripeline.workers.secrets.vault import key_id_of

What = Literal["added", "changed", "removed", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one definition; `fields` says in words what differs."""

    what: What
    key: str
    fields: tuple[str, ...] = ()


def diff(stored: Mapping[str, AnyDefinition], wanted: Mapping[str, AnyDefinition], *, prune: bool) -> list[Change]:
    """Every definition with what becomes of it: first what the file has, then what it leaves out and prunes."""
    changes = [_change(key, stored.get(key), definition) for key, definition in wanted.items()]
    # Workflows before triggers before connections: what is used goes after what uses it.
    gone = [key for key in reversed(list(stored)) if key not in wanted] if prune else []
    return changes + [Change(what="removed", key=key) for key in gone]


def publication(changes: list[Change], wanted: Mapping[str, AnyDefinition]) -> dict[str, bytes | None]:
    """What to write to the control topic for these changes; empty when nothing changes."""
    return {
        change.key: encode_definition(wanted[change.key]) if change.what != "removed" else None
        for change in changes
        if change.what != "unchanged"
    }


def _change(key: str, stored: AnyDefinition | None, wanted: AnyDefinition) -> Change:
    if stored is None:
        return Change(what="added", key=key)
    fields = tuple(_fields(stored, wanted))
    return Change(what="changed" if fields else "unchanged", key=key, fields=fields)


def _fields(stored: AnyDefinition, wanted: AnyDefinition) -> Iterator[str]:
    match stored, wanted:
        case Connection(), Connection():
            yield from _secret_key(stored, wanted)
        case Trigger(), Trigger():
            yield from _ring(stored.signing_secrets, wanted.signing_secrets)
        case _:
            pass
    before, after = _flat(stored), _flat(wanted)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name}: {_shown(before.get(name))} → {_shown(after.get(name))}"


def _secret_key(stored: Connection, wanted: Connection) -> Iterator[str]:
    if stored.secret_key != wanted.secret_key:
        yield f"secret_key: {_how(stored.secret_key, wanted.secret_key)}"


def _ring(stored: tuple[str, ...], wanted: tuple[str, ...]) -> Iterator[str]:
    if stored == wanted:
        return
    added, gone = len(set(wanted) - set(stored)), len(set(stored) - set(wanted))
    if added == gone == 0:
        yield "signing_secrets: in another order"
    elif stored and wanted and key_id_of(stored[0]) != key_id_of(wanted[0]):
        yield f"signing_secrets: {_how(stored[0], wanted[0])}"
    else:
        yield f"signing_secrets: {added} added, {gone} removed, {len(set(wanted) & set(stored))} kept"


def _how(stored: str, wanted: str) -> str:
    key_id = key_id_of(wanted)
    return "replaced" if key_id_of(stored) == key_id else f"sealed anew with master key {key_id}"


def _flat(definition: AnyDefinition) -> dict[str, Any]:
    """All but the secrets, as dotted names; steps go by their id."""
    values = definition.model_dump(
        mode="json", exclude_none=True, exclude={"secret_key", "signing_secrets", "key_name_kept"}
    )
    if "steps" in values:
        values["step order"] = ", ".join(step["id"] for step in values["steps"])
        values["steps"] = {step.pop("id"): step for step in values["steps"]}
    return dict(_leaves("", values))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, held in value.items():
            yield from _leaves(f"{name}.{key}" if name else str(key), held)
    else:
        yield name, value


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
