"""Rotates the master key in steps: every process holds the new one, everything is sealed with it, the old one goes.

A step that some running process could not follow is refused. The act is on the audit topic before it takes effect, and
can be sent again: what is sealed with the first key already is left alone.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final

from stripeline.contracts.definitions import Definitions, encode_definition
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.stripe_side_records import Destinations
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed, record_act
from stripeline.deploy.operations.master_keys.holders import Kind, SealedRecord, require_held
from stripeline.workers.kafka.control_table import publish, read_all
from stripeline.workers.kafka.one_off_producer import one_off_producer

_DEADLINE_S: Final = 30.0


async def require_holders(topics: Topics, client: Mapping[str, Any], sealed: Mapping[str, Collection[Kind]]) -> None:
    """Raise FailureError where a running process lacks a key that opens what is to be sealed: kinds by key id."""
    if not sealed:
        return
    from stripeline.deploy.operations.status.workers import read_workers  # noqa: PLC0415  (most changes seal nothing)

    live = (await read_workers(topics, client)).live
    for key_id, kinds in sealed.items():
        require_held(live, key_id, kinds)


async def seal_again(
    topics: Topics, client: Mapping[str, Any], seen: Definitions, changed: Mapping[str, SealedRecord], key_id: str,
    signed: Signed,
) -> None:  # fmt: skip
    """Publish what was sealed again. Raises FailureError where a definition was changed since it was read."""
    async with one_off_producer(client) as producer, asyncio.timeout(_DEADLINE_S):
        await record_act(producer, topics, AuditedAct.ROTATE_MASTER_KEY, signed, about=f"master key {key_id}")
    now = await read_all(topics.control, client)
    moved = [key for key in changed if now.places.get(key) != seen.places.get(key)]
    if moved:
        raise FailureError(
            f"{', '.join(moved[:5])} was changed by somebody else in this moment, so nothing was sealed. Run it again."
        )
    await publish(topics.control, client, {key: _encoded(one) for key, one in changed.items()})


def _encoded(record: SealedRecord) -> bytes:
    return encode(record) if isinstance(record, Destinations) else encode_definition(record)
