"""The compacted topic `stripe.control` as a table in memory, read whole and then followed; and how it is written.

A definition that can't be read is reported, and the last good one of its key stays. While no broker answers the table
keeps what it knows, and is read whole again when one does. Opens no secret and decides nothing.
"""

import asyncio
import contextlib
from collections import ChainMap
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from stripeline.contracts.definitions import Connection, ControlRecord, Definitions, Trigger, Workflow, parse_definition
from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.kafka.partition_reader import (
    FETCH_WAIT_MS,
    IDLE_FETCH_WAIT_MS,
    PartitionReader,
    partition_reader,
)

log = structlog.get_logger(__name__)

Changes = Mapping[str, bytes | None]
"""Control keys with their new values; None deletes."""

_READ_S: Final = 15.0
_WRITE_S: Final = 15.0
_STOP_S: Final = 5.0
_RETRY_S: Final = (1.0, 2.0, 5.0)
"""Pauses between attempts, the last one for ever: a broker that is down for a night must not fill the log."""


class ControlError(Exception):
    """The control topic can't be read or written: why, and what to do."""


class ControlTable:
    """The definitions on `stripe.control`, kept current. Each change makes a new snapshot; none is altered."""

    def __init__(self, topic: str, client: Mapping[str, Any]) -> None:
        self._topic = topic
        self._client = client
        self._by_key: dict[str, ControlRecord] = {}
        self._snapshot = Definitions()
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
        """Why the table is not ready; None once it has been read whole."""
        return None if self.ready else self._missing

    async def start(self) -> None:
        """Start reading in the background, whether or not a broker answers."""
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
        async with _opened(self._topic, self._client, fetch_wait_ms=IDLE_FETCH_WAIT_MS) as reader:
            # Read into a new table: what was deleted while nobody followed, and compacted away, must not stay.
            self._swap(await _read_to_end(reader, self._topic, self._by_key))
            self._ready.set()
            self._failures = 0
            while True:
                if records := await reader.poll():
                    table = dict(self._by_key)
                    for record in records:
                        _put(table, record, table)
                    self._swap(table)

    def _swap(self, table: dict[str, ControlRecord]) -> None:
        if table != self._by_key or not self.ready:
            self._by_key, self._snapshot = table, Definitions.of(table)


async def read_all(topic: str, client: Mapping[str, Any]) -> Definitions:
    """The definitions on the control topic now. Raises ControlError, KafkaError, TimeoutError."""
    async with _opened(topic, client) as reader:
        return Definitions.of(await _read_to_end(reader, topic, {}))


async def publish(topic: str, client: Mapping[str, Any], changes: Changes) -> None:
    """Write changes, in their order; returns when the broker has all of them. Raises KafkaError, TimeoutError."""
    async with one_off_producer(client) as producer, asyncio.timeout(_WRITE_S):
        for key, value in changes.items():
            await producer.send_and_wait(topic, value, key=key.encode(), partition=0)


@contextlib.asynccontextmanager
async def _opened(
    topic: str, client: Mapping[str, Any], *, fetch_wait_ms: int = FETCH_WAIT_MS
) -> AsyncIterator[PartitionReader]:
    """A reader at the beginning of the control topic. Raises ControlError where there is no such topic."""
    async with partition_reader(client, start_s=_READ_S, fetch_wait_ms=fetch_wait_ms) as reader:
        async with asyncio.timeout(_READ_S):
            if topic not in await reader.topics():
                raise ControlError(f"The topic {topic} does not exist. Create it with `stripeline topics apply`.")
        reader.seek({TopicPartition(topic, 0): 0})
        yield reader


async def _read_to_end(
    reader: PartitionReader, topic: str, last_good: Mapping[str, ControlRecord]
) -> dict[str, ControlRecord]:
    table: dict[str, ControlRecord] = {}
    known = ChainMap(table, dict(last_good))
    async with asyncio.timeout(_READ_S):
        ends = await reader.end_offsets([TopicPartition(topic, 0)])
        async for records in reader.read_to(ends):
            for record in records:
                _put(table, record, known)
    return table


def _put(table: dict[str, ControlRecord], record: ConsumerRecord, last_good: Mapping[str, ControlRecord]) -> None:
    """One record into the table."""
    key = (record.key or b"").decode("utf-8", "replace")
    if record.value is None:
        table.pop(key, None)
        return
    try:
        table[key] = parse_definition(key, record.value)
    except ValueError as error:
        log.error(LogEvent.DEFINITION_UNREADABLE, key=key, reason=str(error))  # noqa: TRY400
        if key in last_good:
            table[key] = last_good[key]
