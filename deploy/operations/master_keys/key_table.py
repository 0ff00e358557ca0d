"""Master keys as `keys status` shows them: what each seals, who holds it, and what is wrong. Pure; never a key."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.control_keys import name_of
from stripeline.deploy.operations.master_keys.holders import (
    ALL,
    kind_of,
    lacked,
    lacking,
    opens,
    sealed_records,
    sealed_texts,
)
from stripeline.deploy.operations.status.workers import Instance
from stripeline.workers.secrets.vault import key_id_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeyRow:
    """One master key, by its id.

    place: in the ring of the command that asks, from 1; None where it is not in it.
    connections, triggers, endpoints: whose secrets it seals.
    held_by, missing_at: running processes. A process misses a key that seals what it opens.
    """

    key: str
    place: int | None
    connections: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()
    missing_at: tuple[str, ...] = ()

    @property
    def seals(self) -> bool:
        return bool(self.connections or self.triggers or self.endpoints)


def sealing(stored: Definitions) -> dict[str, list[str]]:
    """By the id of the master key: the control keys of what it seals, in order."""
    found: dict[str, list[str]] = {}
    for key, record in sealed_records(stored).items():
        for key_id in dict.fromkeys(map(key_id_of, sealed_texts(record))):
            found.setdefault(key_id, []).append(key)
    return found


def key_table(stored: Definitions, ring: Sequence[str], live: Sequence[Instance]) -> list[MasterKeyRow]:
    """Every master key that seals, is held, or is in the ring of this command: the ring first, in its order."""
    sealed = sealing(stored)
    held = {key for one in live for key in one.report.master_keys or ()}
    others = sorted((sealed.keys() | held) - set(ring))
    return [_row(key, ring, sealed.get(key, []), live) for key in (*ring, *others)]


def _row(key: str, ring: Sequence[str], sealed: Sequence[str], live: Sequence[Instance]) -> MasterKeyRow:
    named = {kind: tuple(sorted({name_of(one) for one in sealed if kind_of(one) == kind})) for kind in ALL}
    kinds = [kind for kind in ALL if named[kind]]
    return MasterKeyRow(
        key=key,
        place=ring.index(key) + 1 if key in ring else None,
        connections=named["connection"],
        triggers=named["trigger"],
        endpoints=named["endpoint"],
        held_by=tuple(one.name for one in live if key in (one.report.master_keys or ())),
        missing_at=tuple(one.name for one in lacking(live, key, kinds)),
    )


def problems(table: Sequence[MasterKeyRow], live: Sequence[Instance]) -> Iterator[str]:
    """What a person must do, a sentence each."""
    by_name = {one.name: one for one in live}
    for row in table:
        if row.missing_at:
            yield lacked([by_name[name] for name in row.missing_at], row.key)
        elif row.seals and row.place is None and not row.held_by:
            whose = ", ".join([*row.connections, *row.triggers, *row.endpoints][:5])
            yield (
                f"No running process and not this command holds master key {row.key}, which seals the secrets of"
                f" {whose}: add it to STRIPELINE_MASTER_KEY, or apply those secrets again with `stripeline apply`."
            )
    for one in live:
        if opens(one) and one.report.master_keys is None:
            yield f"{one.name} does not say which master keys it holds: it runs {one.report.version}; upgrade it."
