"""The definitions of each connection by themselves, and the connections about which anything changed. Pure.

What is worked out for a connection (what to list at Stripe, which destinations it wants) depends on its own definitions
alone. Worked out over all of them it would cost the square of their number: with ten thousand connections, minutes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stripeline.contracts.definitions import Definitions
from stripeline.deploy.runtime.derived.changed_names import changed_names

_KINDS: Final = (
    "connections", "triggers", "endpoints", "workflows", "accounts", "pauses", "key_refusals", "destinations",
)  # fmt: skip
Names = dict[str, set[str]]


@dataclass(slots=True)
class ConnectionParts:
    """Of one control table."""

    _seen: Definitions = field(default_factory=Definitions)
    _triggers: Names = field(default_factory=dict)  # by connection
    _endpoints: Names = field(default_factory=dict)  # by connection
    _workflows: Names = field(default_factory=dict)  # by trigger
    _refusals: Names = field(default_factory=dict)  # by connection

    def changed(self, definitions: Definitions) -> set[str]:
        """The names of the connections about which something changed since the last call; some may be gone."""
        before, self._seen = self._seen, definitions
        if before is definitions:
            return set()
        names = {kind: changed_names(getattr(before, kind), getattr(definitions, kind)) for kind in _KINDS}
        self._index(before, definitions, names)
        both = (before, definitions)
        return {one for kind, changed in names.items() for name in changed for one in _of(*both, kind, name)}

    def of(self, connection: str) -> Definitions:
        """What is of this connection, as of the last call of `changed`."""
        known = self._seen
        triggers = {name: known.triggers[name] for name in sorted(self._triggers.get(connection, ()))}
        endpoints = {name: known.endpoints[name] for name in sorted(self._endpoints.get(connection, ()))}
        flows = sorted(name for trigger in triggers for name in self._workflows.get(trigger, ()))
        return Definitions(
            connections=_picked(known.connections, [connection]),
            triggers=triggers,
            endpoints=endpoints,
            workflows={name: known.workflows[name] for name in flows},
            accounts=_picked(known.accounts, [connection]),
            pauses=_picked(known.pauses, [f"connection/{connection}"]),
            key_refusals=_picked(known.key_refusals, sorted(self._refusals.get(connection, ()))),
            destinations=_picked(known.destinations, endpoints),
            installation=known.installation,
        )

    def _index(self, before: Definitions, now: Definitions, names: Mapping[str, set[str]]) -> None:
        for name in names["key_refusals"]:
            of = name.partition("/")[0]
            was, there = (of if name in held.key_refusals else None for held in (before, now))
            _move(self._refusals, name, was, there)
        for kind, index, key in (
            ("triggers", self._triggers, "connection"),
            ("endpoints", self._endpoints, "connection"),
            ("workflows", self._workflows, "trigger"),
        ):
            for name in names[kind]:
                _move(index, name, _attribute(before, kind, name, key), _attribute(now, kind, name, key))


def _picked(held: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: held[name] for name in names if name in held}


def _attribute(definitions: Definitions, kind: str, name: str, key: str) -> str | None:
    one = getattr(definitions, kind).get(name)
    return None if one is None else getattr(one, key)


def _move(index: Names, name: str, before: str | None, now: str | None) -> None:
    if before is not None:
        index[before].discard(name)
        if not index[before]:
            del index[before]
    if now is not None:
        index.setdefault(now, set()).add(name)


def _of(before: Definitions, now: Definitions, kind: str, name: str) -> Iterator[str]:
    """The connections that a definition is, or was, of."""
    for definitions in (before, now):
        match kind:
            case "connections" | "accounts":
                yield name
            case "key_refusals":
                yield name.partition("/")[0]
            case "pauses":
                named, _, connection = name.partition("/")
                yield from (connection,) if named == "connection" else ()
            case "workflows":
                flow = definitions.workflows.get(name)
                trigger = None if flow is None else flow.trigger
                yield from _of_trigger(before, trigger)
                yield from _of_trigger(now, trigger)
            case "destinations":
                endpoint = definitions.endpoints.get(name)
                yield from () if endpoint is None else (endpoint.connection,)
            case _:
                one = getattr(definitions, kind).get(name)
                yield from () if one is None else (one.connection,)


def _of_trigger(definitions: Definitions, name: str | None) -> Iterator[str]:
    trigger = definitions.triggers.get(name or "")
    if trigger is not None:
        yield trigger.connection
