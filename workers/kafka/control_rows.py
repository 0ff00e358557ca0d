"""The records of the control topic by kind, with their places, as they are read; and the snapshots of them.

- A snapshot is never altered.
- A change costs what its own kind does: the mappings of all other kinds are those of the snapshot before. So whoever
  keeps something that was worked out of a kind has only to ask whether its mapping is still the same one.
- A record that can't be read leaves the last good one of its key, with its place.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

import structlog
from aiokafka import ConsumerRecord

from stripeline.contracts.definitions import KINDS, ControlRecord, Definitions, parse_definition
from stripeline.contracts.operator import control_keys
from stripeline.contracts.operator.control_places import ControlPlaces
from stripeline.contracts.operator.control_records import ControlPlace
from stripeline.contracts.operator.parsed_late import ParsedLate
from stripeline.contracts.vocabulary import LogEvent

log = structlog.get_logger(__name__)

FIELDS: Final[Mapping[str, str]] = {
    "connection": "connections",
    "trigger": "triggers",
    "endpoint": "endpoints",
    "workflow": "workflows",
    control_keys.KEY_REFUSAL: "key_refusals",
    control_keys.SKIP: "skips",
    control_keys.ACCOUNT: "accounts",
    control_keys.PAUSE: "pauses",
    control_keys.BRAKE: "releases",
    control_keys.PROBE: "probes",
    control_keys.DESTINATION: "destinations",
    control_keys.SWEEP: "sweeps",
}
"""The field of `Definitions` for each first word of a control key. `installation` has no names."""
_KEPT: Final = 2
"""Earlier records of a key that are kept for one that can't be read."""


class LateRows:
    """The records so far, of which the definitions are parsed when somebody asks for them: for a command, once.

    A record that can't be read has its place: it is what is on the topic under its key.
    """

    def __init__(self) -> None:
        self._facts = ControlRows()
        self._raw: dict[str, dict[str, tuple[bytes, ...]]] = {kind: {} for kind in KINDS}
        self._places: dict[str, dict[str, ControlPlace]] = {kind: {} for kind in KINDS}

    def put(self, record: ConsumerRecord) -> None:
        """Take one record."""
        key = (record.key or b"").decode("utf-8", "replace")
        kind, _, name = key.partition("/")
        if kind not in KINDS:
            self._facts.put(record)
        elif record.value is None:
            self._raw[kind].pop(name, None)
            self._places[kind].pop(key, None)
        else:
            self._raw[kind][name] = (*self._raw[kind].get(name, ())[-_KEPT:], record.value)
            self._places[kind][key] = ControlPlace(record.offset, record.timestamp)

    def snapshot(self) -> Definitions:
        """All of them now."""
        facts = self._facts.snapshot()
        late: dict[str, Any] = {FIELDS[kind]: _parsed_late(kind, raw) for kind, raw in self._raw.items()}
        return replace(facts, **late, places=ChainMap(*self._places.values(), facts.places))  # type: ignore[arg-type]


def _parsed_late(kind: str, raw: Mapping[str, tuple[bytes, ...]]) -> Mapping[str, ControlRecord]:
    return ParsedLate(
        raw,
        lambda name, value: parse_definition(f"{kind}/{name}", value),
        lambda name, error: _say_unreadable(f"{kind}/{name}", error),
    )


def _say_unreadable(key: str, error: ValueError) -> None:
    log.error(LogEvent.DEFINITION_UNREADABLE, key=key, reason=str(error))


class ControlRows:
    """The records so far. former: of an earlier reading of the topic, for what can't be read now."""

    def __init__(self, former: "ControlRows | None" = None) -> None:
        self._former = former
        kinds = (*FIELDS, control_keys.INSTALLATION_KEY)
        self._values: dict[str, dict[str, ControlRecord]] = {kind: {} for kind in kinds}
        self._places: dict[str, dict[str, ControlPlace]] = {kind: {} for kind in kinds}
        self._shown: set[str] = set()  # kinds whose mappings a snapshot has: they are copied before they change

    def put(self, record: ConsumerRecord) -> None:
        """Take one record."""
        key = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._remove(key)
            return
        known = self.known(key)
        try:
            value = parse_definition(key, record.value)
        except ValueError as error:
            _say_unreadable(key, error)
            if known is not None:
                self._set(key, *known)
            return
        # What was worked out of the same value stays of use.
        if known is not None and known[0] == value:
            value = known[0]
        self._set(key, value, ControlPlace(record.offset, record.timestamp))

    def snapshot(self) -> Definitions:
        """All of them now."""
        self._shown = {*self._values}
        installation = self._values[control_keys.INSTALLATION_KEY].get("")
        found: dict[str, Any] = {field: self._values[kind] for kind, field in FIELDS.items()}
        return Definitions(**found, installation=installation, places=ControlPlaces(dict(self._places)))  # type: ignore[arg-type]

    def end_loading(self) -> None:
        """All of the topic was read: nothing of an earlier reading counts any more."""
        self._former = None

    def known(self, key: str) -> tuple[ControlRecord, ControlPlace] | None:
        """The record of a key, else that of the earlier reading."""
        kind, _, name = key.partition("/")
        place = self._places.get(kind, {}).get(key)
        if place is not None:
            return self._values[kind][name], place
        return None if self._former is None else self._former.known(key)

    def _set(self, key: str, value: ControlRecord, place: ControlPlace) -> None:
        kind, _, name = key.partition("/")
        self._own(kind)
        self._values[kind][name], self._places[kind][key] = value, place

    def _remove(self, key: str) -> None:
        kind, _, name = key.partition("/")
        if key in self._places.get(kind, {}):
            self._own(kind)
            del self._values[kind][name], self._places[kind][key]

    def _own(self, kind: str) -> None:
        if kind in self._shown:
            self._values[kind], self._places[kind] = dict(self._values[kind]), dict(self._places[kind])
            self._shown.discard(kind)


def with_same(before: Definitions, now: Definitions) -> Definitions:
    """The later one, with each mapping that says the same as before being the same one."""
    kept = {one.name: getattr(before, one.name) for one in fields(Definitions) if _same(before, now, one.name)}
    return before if len(kept) == len(fields(Definitions)) else _replaced(now, kept)


def _same(before: Definitions, now: Definitions, name: str) -> bool:
    return bool(getattr(before, name) == getattr(now, name))


def _replaced(now: Definitions, kept: Mapping[str, Any]) -> Definitions:
    return Definitions(**{one.name: kept.get(one.name, getattr(now, one.name)) for one in fields(Definitions)})
