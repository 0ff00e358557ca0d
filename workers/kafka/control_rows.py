"""The records of the control topic by kind, with their places, as they are read; and the snapshots of them.

- A snapshot is never altered.
- A change costs what its own kind does: the mappings of all other kinds are those of the snapshot before. So what was
  derived from a kind holds as long as its mapping is the same object.
- A record that can't be read leaves the last good one of its key, with its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

import structlog
from aiokafka import ConsumerRecord

from stripeline.contracts.definitions import ControlRecord, Definitions, parse_definition
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
_KINDS: Final = (*FIELDS, control_keys.INSTALLATION_KEY)
_KEPT: Final = 3
"""Records of a key that are kept unparsed. Of more of them only the last good one and the newest are."""


class LateRows:
    """The records so far, parsed when somebody asks for them: a command needs a few, once.

    A record that can't be read has its place: it is what is on the topic under its key.
    """

    def __init__(self) -> None:
        self._records: dict[str, tuple[ConsumerRecord, ...]] = {}  # the newest last

    def put(self, record: ConsumerRecord) -> None:
        """Take one record."""
        key = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._records.pop(key, None)
        elif (known := self._records.get(key)) is None:
            self._records[key] = (record,)
        else:
            records = (*known, record)
            self._records[key] = records if len(records) <= _KEPT else _good_and_newest(key, records)

    def snapshot(self) -> Definitions:
        """All of them now."""
        records = dict(self._records)
        found: dict[str, Any] = {field: _parsed_late(f"{kind}/", records) for kind, field in FIELDS.items()}
        installation = _parsed_late(control_keys.INSTALLATION_KEY, records).get("")
        return Definitions(**found, installation=installation, places=_LatePlaces(records))  # type: ignore[arg-type]


class _Named(Mapping[str, tuple[ConsumerRecord, ...]]):
    """The records whose keys begin so, by the rest of their keys: looked up in all of them, and not picked out."""

    __slots__ = ("_beginning", "_records")

    def __init__(self, beginning: str, records: Mapping[str, tuple[ConsumerRecord, ...]]) -> None:
        self._beginning, self._records = beginning, records

    def __getitem__(self, name: str) -> tuple[ConsumerRecord, ...]:
        return self._records[self._beginning + name]

    def __iter__(self) -> Iterator[str]:
        return (key.removeprefix(self._beginning) for key in self._records if key.startswith(self._beginning))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _good_and_newest(key: str, records: tuple[ConsumerRecord, ...]) -> tuple[ConsumerRecord, ...]:
    newest = records[-1]
    good = next((one for one in reversed(records) if _is_readable(key, one)), newest)
    return (newest,) if good is newest else (good, newest)


def _is_readable(key: str, record: ConsumerRecord) -> bool:
    try:
        parse_definition(key, record.value)
    except ValueError:
        return False
    return True


def _parsed_late(beginning: str, records: Mapping[str, tuple[ConsumerRecord, ...]]) -> Mapping[str, ControlRecord]:
    return ParsedLate(
        _Named(beginning, records),
        lambda name, record: parse_definition(beginning + name, record.value),
        lambda name, error: _say_unreadable(beginning + name, error),
    )


class _LatePlaces(Mapping[str, ControlPlace]):
    def __init__(self, records: Mapping[str, tuple[ConsumerRecord, ...]]) -> None:
        self._records = records

    def __getitem__(self, key: str) -> ControlPlace:
        newest = self._records[key][-1]
        return ControlPlace(newest.offset, newest.timestamp)

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def _say_unreadable(key: str, error: ValueError) -> None:
    log.error(LogEvent.DEFINITION_UNREADABLE, key=key, reason=str(error))


class ControlRows:
    """The records so far. former: of an earlier reading of the topic, for what can't be read now."""

    def __init__(self, former: "ControlRows | None" = None) -> None:
        self._former = former
        self._values: dict[str, dict[str, ControlRecord]] = {kind: {} for kind in _KINDS}
        self._places: dict[str, dict[str, ControlPlace]] = {kind: {} for kind in _KINDS}
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
