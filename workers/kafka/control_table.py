"""The compacted `stripe.control` as a table in memory: read whole, then followed for ever; and how it is written.

A definition that can't be read is reported, and the last good one of its key stays. A broker that goes away changes
nothing: the table keeps what it knows, and is read anew when the broker is back. Opens no secret and decides nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from stripeline.contracts.definitions import AnyDefinition, Connection, Definitions, Trigger, Workflow, parse_definition
from stripeline.contracts.vocabulary import LogEvent

log = structlog.get_logger(__name__)

Listener = Callable[[Definitions], None]
Changes = Mapping[str, bytes | None]
"""Control keys with their new values; None deletes."""

_READ_S: Final = 15.0
_STOP_S: Final = 5.0
_POLL_MS: Final = 1_000
_RETRY_S: Final = (1.0, 2.0, 5.0)
"""Pauses between attempts, the last one for ever: a broker that is away for a night must not fill the log."""


class ControlError(Exception):
    """The control topic can't be read or written: why, and what to do."""


class ControlTable:
    """What stands on `stripe.control`, kept current. Each change swaps in a new snapshot; none is altered in place."""

    def __init__(self, topic: str, client: Mapping[str, Any]) -> None:
        self._topic = topic
        self._client = client
        self._by_key: dict[str, AnyDefinition] = {}
        self._snapshot = Definitions()
        self._listeners: list[Listener] = []
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._missing: str | None = f"{topic} has not been read yet"

    @property
    def definitions(self) -> Definitions:
        return self._snapshot

    @property
    def connections(self) -> Mapping[str, Connection]:
        return self._snapshot.connections

    @property
    def triggers(self) -> Mapping[str, Trigger]:
        return self._snapshot.triggers

    @property
    def workflows(self) -> Mapping[str, Workflow]:
        return self._snapshot.workflows

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    def missing(self) -> str | None:
        """Why the table is not ready, in words; None once it has been read whole."""
        return None if self.ready else self._missing

    def on_change(self, listener: Listener) -> None:
        """Call `listener` with every new snapshot, in the event loop."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Begin to read, and to follow; returns at once, broker or no broker."""
        self._task = asyncio.create_task(self._run(), name=f"control table {self._topic}")

    async def loaded(self) -> None:
        """Wait until the table has been read whole. The caller sets the bound."""
        await self._ready.wait()

    async def stop(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task], timeout=_STOP_S)
        self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except (KafkaError, ControlError, OSError, TimeoutError) as error:
                self._missing = str(error) or f"{self._topic} could not be read: {type(error).__name__}"
                log.warning(LogEvent.CONTROL_TABLE_STALE, topic=self._topic, reason=self._missing)
            except Exception:
                # The table must outlive a fault of its own: a process that stopped following would run on old secrets.
                log.exception(LogEvent.CONTROL_TABLE_FAILED, topic=self._topic)
            await asyncio.sleep(_RETRY_S[min(self._failures, len(_RETRY_S) - 1)])
            self._failures += 1

    async def _follow(self) -> None:
        async with _reader(self._topic, self._client) as consumer:
            # Read into a table of its own: what was deleted meanwhile, and compacted away, must not stay.
            self._swap(await _read_to_end(consumer, self._topic, self._by_key))
            self._ready.set()
            self._failures = 0
            while True:
                records = await _poll(consumer)
                if records:
                    table = dict(self._by_key)
                    for key, value in records:
                        _put(table, key, value, table.get(key))
                    self._swap(table)

    def _swap(self, table: dict[str, AnyDefinition]) -> None:
        changed = table != self._by_key or not self.ready
        self._by_key = table
        if not changed:
            return
        self._snapshot = Definitions.of(table)
        for listener in self._listeners:
            try:
                listener(self._snapshot)
            except Exception:  # one listener's fault must not keep the change from the others
                log.exception(LogEvent.CONTROL_LISTENER_FAILED)


async def read_all(topic: str, client: Mapping[str, Any]) -> Definitions:
    """What stands on the control topic now. Raises ControlError, KafkaError."""
    async with _reader(topic, client) as consumer:
        return Definitions.of(await _read_to_end(consumer, topic, {}))


async def publish(topic: str, client: Mapping[str, Any], changes: Changes) -> None:
    """Write changes, in their order; returns when the broker has all of them. Raises KafkaError, TimeoutError."""
    producer = AIOKafkaProducer(**client, acks="all", enable_idempotence=True)
    try:
        async with asyncio.timeout(_READ_S):
            await producer.start()
            for key, value in changes.items():
                await producer.send_and_wait(topic, value, key=key.encode(), partition=0)
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def _reader(topic: str, client: Mapping[str, Any]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of the one partition, without a group, from the beginning."""
    consumer = AIOKafkaConsumer(
        **client,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        async with asyncio.timeout(_READ_S):
            await consumer.start()
            # Asked for by name, a missing topic is waited for without an end, or created by a careless broker.
            if topic not in await consumer.topics():
                raise ControlError(f"The topic {topic} does not exist. Create it with `stripeline topics apply`.")
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        yield consumer
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await consumer.stop()


async def _read_to_end(
    consumer: AIOKafkaConsumer, topic: str, last_good: Mapping[str, AnyDefinition]
) -> dict[str, AnyDefinition]:
    partition = TopicPartition(topic, 0)
    table: dict[str, AnyDefinition] = {}
    async with asyncio.timeout(_READ_S):
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            for key, value in await _poll(consumer):
                _put(table, key, value, table.get(key) or last_good.get(key))
    return table


async def _poll(consumer: AIOKafkaConsumer) -> list[tuple[str, bytes | None]]:
    batches = await consumer.getmany(timeout_ms=_POLL_MS)
    return [
        ((record.key or b"").decode("utf-8", "replace"), record.value) for batch in batches.values() for record in batch
    ]


def _put(table: dict[str, AnyDefinition], key: str, value: bytes | None, last_good: AnyDefinition | None) -> None:
    """One record into the table."""
    if value is None:
        table.pop(key, None)
        return
    try:
        table[key] = parse_definition(key, value)
    except ValueError as error:
        log.error(LogEvent.DEFINITION_UNREADABLE, key=key, reason=str(error))  # noqa: TRY400
        if last_good is not None:
            table[key] = last_good
