"""Which running processes need a master key and do not hold it. Pure.

Ingest opens the signing secrets of triggers and endpoints, an executor the keys of connections, and a process of
another role that holds master keys all. Only processes that report themselves count: one that has died can't miss one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from stripeline.contracts.definitions import AnyDefinition, Connection, Definitions, Endpoint, Trigger
from stripeline.contracts.operator.control_keys import DESTINATION
from stripeline.contracts.operator.stripe_side_records import Destinations
from stripeline.deploy.failure import FailureError
from stripeline.workers.secrets.vault import key_id_of

if TYPE_CHECKING:  # it loads the Kafka client
    from stripeline.deploy.operations.status.workers import Instance

Kind = Literal["connection", "trigger", "endpoint"]
ALL: Final[frozenset[Kind]] = frozenset({"connection", "trigger", "endpoint"})
_OPENS: Final[Mapping[str, frozenset[Kind]]] = {
    "ingest": frozenset({"trigger", "endpoint"}),
    "executor": frozenset({"connection"}),
    "worker": frozenset({"connection"}),
    "router": frozenset(),
}
_SHOWN: Final = 3

SealedRecord = AnyDefinition | Destinations
"""A record of the control topic that may hold secrets."""


def opens(instance: "Instance") -> frozenset[Kind]:
    """What a process opens secrets of."""
    held = instance.report.master_keys
    return _OPENS.get(instance.report.role, ALL if held is not None else frozenset())


def lacking(live: "Iterable[Instance]", key_id: str, kinds: Collection[Kind]) -> "list[Instance]":
    """The processes that open secrets of these kinds, and do not say that they hold this key."""
    return [one for one in live if opens(one) & set(kinds) and key_id not in (one.report.master_keys or ())]


def sealed_records(stored: Definitions) -> dict[str, SealedRecord]:
    """What may hold secrets, by control key."""
    made = {f"{DESTINATION}/{name}": one for name, one in sorted(stored.destinations.items())}
    return {**stored.by_key(), **made}


def kind_of(key: str) -> Kind | None:
    """What the secrets of a control key's record are of; None where it never has one."""
    match key.partition("/")[0]:
        case "connection" | "trigger" | "endpoint" as kind:
            return kind
        case found if found == DESTINATION:
            return "endpoint"
        case _:
            return None


def sealed_texts(record: SealedRecord) -> tuple[str, ...]:
    match record:
        case Connection():
            return (record.secret_key,)
        case Trigger() | Endpoint():
            return record.signing_secrets
        case Destinations():
            return tuple(one.signing_secret for one in record.destinations)
        case _:
            return ()


def sealed_kinds(stored: Definitions) -> Mapping[str, set[Kind]]:
    """The kinds of what each master key seals, by its id."""
    texts: Mapping[Kind, Iterable[str]] = {
        "connection": (one.secret_key for one in stored.connections.values()),
        "trigger": (text for one in stored.triggers.values() for text in one.signing_secrets),
        "endpoint": (
            text
            for records in (stored.endpoints.values(), stored.destinations.values())
            for one in records
            for text in sealed_texts(one)
        ),
    }
    found: dict[str, set[Kind]] = {}
    for kind, sealed in texts.items():
        for key_id in set(map(key_id_of, sealed)):
            found.setdefault(key_id, set()).add(kind)
    return found


def newly_sealed(stored: Definitions, wanted: Mapping[str, SealedRecord]) -> dict[str, set[Kind]]:
    """The kinds of what is sealed by this change, by the id of the master key."""
    found: dict[str, set[Kind]] = {}
    for key, one in wanted.items():
        kind, before = kind_of(key), _stored_texts(stored, key)
        for text in sealed_texts(one):
            if text not in before and kind is not None:
                found.setdefault(key_id_of(text), set()).add(kind)
    return found


def _stored_texts(stored: Definitions, key: str) -> tuple[str, ...]:
    """Those under this key: each text is bound to its owner's name, and opens under no other key."""
    kind, _, name = key.partition("/")
    record = stored.destinations.get(name) if kind == DESTINATION else stored.by_key().get(key)
    return () if record is None else sealed_texts(record)


def require_held(live: "Sequence[Instance]", key_id: str, kinds: Collection[Kind]) -> None:
    """Raise FailureError where a running process could not open what is sealed with this key."""
    without = lacking(live, key_id, kinds)
    if without:
        raise FailureError(
            f"{lacked(without, key_id)} Nothing was sealed. `stripeline keys status` shows who holds what; a process"
            " that has died stops counting after 15 s."
        )


def lacked(without: "Sequence[Instance]", key_id: str) -> str:
    """Which processes lack a key, and what to do: `ingest/ingest-0 does not hold master key 3f9a12cd yet: …`."""
    names = ", ".join(one.name for one in without[:_SHOWN])
    more = f" and {len(without) - _SHOWN} more" if len(without) > _SHOWN else ""
    does, there = ("do", "on each of them") if len(without) > 1 else ("does", "there")
    held = sorted({key for one in without for key in one.report.master_keys or ()})
    holds = f" ({'they hold' if len(without) > 1 else 'it holds'} {', '.join(held)})" if held else ""
    return (
        f"{names}{more} {does} not hold master key {key_id} yet{holds}: set STRIPELINE_MASTER_KEY=new,old {there} and"
        " restart."
    )
