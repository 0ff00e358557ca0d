"""Pauses and resumes a connection, as a person asks: its commands wait in order, and keep their attempts.

The act is recorded on the audit topic first, then asked for on the control topic, both with acks=all.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import BRAKE
from stripeline.contracts.operator.control_records import BY_BRAKE, BrakeRelease, Pause, Probe
from stripeline.contracts.operator.spending import BrakeKind
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import named_definition
from stripeline.deploy.operations.acts.audit import Signed, record_act
from stripeline.workers.kafka.control_table import Changes, publish
from stripeline.workers.kafka.one_off_producer import one_off_producer

_DEADLINE_S: Final = 30.0


def pause(stored: Definitions, name: str, signed: Signed) -> Changes:
    """The control records that pause a connection. Raises FailureError."""
    named_definition.require(stored, "connection", name)
    held = stored.pauses.get(f"connection/{name}")
    if held is not None:
        raise FailureError(f"The connection {name} is paused already, by {held.by}: {held.why}")
    return {f"pause/connection/{name}": encode(Pause(by=signed.by, why=signed.why, at_ms=signed.at_ms))}


def resume(stored: Definitions, name: str, signed: Signed) -> Changes:
    """The control records that resume a connection: its pause ends, and a refused key is tried. Raises FailureError."""
    named_definition.require(stored, "connection", name)
    paused = f"connection/{name}" in stored.pauses
    if not paused and not stored.refused(name):
        raise FailureError(f"The connection {name} is not paused. `stripeline get connections` shows its state.")
    ends: dict[str, bytes | None] = {f"pause/connection/{name}": None} if paused else {}
    return release(stored, "connection", name, signed) | ends | probes(stored, [name], signed)


def release(stored: Definitions, kind: BrakeKind, name: str, signed: Signed) -> dict[str, bytes | None]:
    """The control record from which the limits of what its own limit paused count again. It comes before the end."""
    held = stored.pauses.get(f"{kind}/{name}")
    if held is None or held.by != BY_BRAKE:
        return {}
    return {f"{BRAKE}/{kind}/{name}": encode(BrakeRelease(by=signed.by, at_ms=signed.at_ms))}


def probes(stored: Definitions, names: list[str], signed: Signed) -> dict[str, bytes | None]:
    """The control records that ask an executor to try the refused keys among these connections'."""
    return {f"probe/{name}": encode(Probe(by=signed.by, at_ms=signed.at_ms)) for name in names if stored.refused(name)}


async def carry_out(
    topics: Topics, client: Mapping[str, Any], act: AuditedAct, name: str, signed: Signed, changes: Changes
) -> None:
    """Raises KafkaError, TimeoutError."""
    async with one_off_producer(client) as producer, asyncio.timeout(_DEADLINE_S):
        await record_act(producer, topics, act, signed, about=f"connection {name}")
    await publish(topics.control, client, changes)
