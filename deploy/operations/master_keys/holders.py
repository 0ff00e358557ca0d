"""Which running processes need a master key and do not hold it. Pure.

Ingest opens the signing secrets of triggers, an executor the keys of connections, and a process of another role that
holds master keys both. Only processes that report themselves count: one that has died can't miss a key.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal

from stripeline.contracts.definitions import AnyDefinition, Connection, Definitions, Trigger
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.status.workers import Instance
from stripeline.workers.secrets.vault import key_id_of

Kind = Literal["connection", "trigger"]
BOTH: Final[frozenset[Kind]] = frozenset({"connection", "trigger"})
_OPENS: Final[Mapping[str, frozenset[Kind]]] = {
    "ingest": frozenset({"trigger"}),
    "executor": frozenset({"connection"}),
    "worker": frozenset({"connection"}),
    "router": frozenset(),
}
_SHOWN: Final = 3


def opens(instance: Instance) -> frozenset[Kind]:
    """What a process opens secrets of."""
    held = instance.report.master_keys
    return _OPENS.get(instance.report.role, BOTH if held is not None else frozenset())


def lacking(live: Iterable[Instance], key_id: str, kinds: Collection[Kind]) -> list[Instance]:
    """The processes that open secrets of these kinds, and do not say that they hold this key."""
    return [one for one in live if opens(one) & set(kinds) and key_id not in (one.report.master_keys or ())]


def sealed_texts(definition: AnyDefinition) -> tuple[str, ...]:
    match definition:
        case Connection():
            return (definition.secret_key,)
        case Trigger():
            return definition.signing_secrets
        case _:
            return ()


def newly_sealed(stored: Definitions, wanted: Mapping[str, AnyDefinition]) -> dict[str, set[Kind]]:
    """The kinds of what is sealed by this change, by the id of the master key."""
    before = {text for one in stored.by_key().values() for text in sealed_texts(one)}
    found: dict[str, set[Kind]] = {}
    for one in wanted.values():
        for text in sealed_texts(one):
            if text not in before:
                found.setdefault(key_id_of(text), set()).add("connection" if isinstance(one, Connection) else "trigger")
    return found


def require_held(live: Sequence[Instance], key_id: str, kinds: Collection[Kind]) -> None:
    """Raise FailureError where a running process could not open what is sealed with this key."""
    without = lacking(live, key_id, kinds)
    if without:
        raise FailureError(
            f"{lacked(without, key_id)} Nothing was sealed. `stripeline keys status` shows who holds what; a process"
            " that has died stops counting after 15 s."
        )


def lacked(without: Sequence[Instance], key_id: str) -> str:
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
