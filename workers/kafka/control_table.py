"""The compacted topic `stripe.control` as a table in memory, read whole and then followed; and how it is written.

A definition that can't be read is reported, and the last good one of its key stays. While no broker answers the table
keeps what it knows, and is read whole again, from the bootstrap list, when one does. A process without a table waits
until it has all of the topic: half of the definitions would be a wrong answer. Opens no secret and decides nothing.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from stripeline.contracts.definitions import Connection, Definitions, Trigger, Workflow
from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.kafka.aiokafka_internals import require_visible
from stripeline.workers.kafka.control_rows import ControlRows, LateRows, with_same
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.kafka.partition_reader import (
    FETCH_WAIT_MS,
    FOLLOW_WAIT_MS,
    PartitionReader,
    log_ends,
    partition_reader,
)
from stripeline.workers.kafka.watch.open_transactions import bootstrap_servers, open_transaction
from stripeline.workers.kafka.watch.sign_of_life import SILENT_S, SignOfLife
from stripeline.workers.task.open_transaction import HeldPartitions, Reach, words
from stripeline.workers.task.restore_progress import Standing

log = structlog.get_logger(__name__)

Changes = Mapping[str, bytes | None]
"""Control keys with their new values; None deletes."""

STALE_AFTER_S: Final = 300.0
"""A process is not ready with a table that is older: a rolled secret, a revoked key or a deleted trigger has no effect
in it. Longer than a rolling restart leaves a partition without a leader."""

_READ_S: Final = 15.0
_WRITE_S: Final = 15.0
_STOP_S: Final = 5.0
_RETRY_S: Final = (1.0, 2.0, 5.0)
"""Pauses between attempts, the last one for ever: a broker that is down for a night must not fill the log."""


class ControlError(Exception):
    """The control topic can't be read or written: why, and what to do."""


class FormatError(ControlError):
    """The topics are of a format that this version does not know."""


class ControlTable:
    """The definitions on `stripe.control`, kept current. Each change makes a new snapshot; none is altered.

    A snapshot shares what did not change with the one before: see `control_rows`.
    """

    def __init__(self, topic: str, client: Mapping[str, Any], words: Callable[[Exception], str] = str) -> None:
        """words: says what an error of Kafka's means."""
        self._words = words
        self._topic, self._partition = topic, TopicPartition(topic, 0)
        self._client = client
        self._rows = ControlRows()
        self._snapshot = Definitions()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._life = SignOfLife()
        self._held, self._named = HeldPartitions[TopicPartition](), -1
        self._applied: int | None = None
        self._whole_s = time.monotonic()  # when the table last had all of the topic
        self._why: Callable[[], str] = lambda: f"{topic} has not been read yet"

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

    @property
    def applied(self) -> int | None:
        """The next offset of the topic: all before it is in the table. None before it was read."""
        return self._applied

    def silent_s(self) -> float:
        """Seconds since Kafka last answered."""
        return self._life.silent_s()

    def age_s(self) -> float:
        """Seconds since the table last had all of the topic."""
        return time.monotonic() - self._whole_s

    def missing(self) -> str | None:
        """Why the table is of no use: it has not been read whole, or is too old. None when all is well."""
        if not self.ready:
            return self._why()
        return self._out_of_date() if self.age_s() > STALE_AFTER_S else None

    def broken(self) -> str | None:
        """Why only a restart helps: nothing follows the topic any more. None while something does."""
        ended = self._task is not None and self._task.done()
        return f"what follows {self._topic} has ended, and the log says why" if ended else None

    def warnings(self) -> str | None:
        """Why the table may be out of date, though it is still used; None when it is not."""
        return self._out_of_date() if self.ready and SILENT_S < self.age_s() <= STALE_AFTER_S else None

    def _out_of_date(self) -> str:
        return (
            f"{self._topic} was read to its end {self.age_s():.0f} s ago, and what was changed since then has no effect"
            f" here: {self._why()}"
        )

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
                said = self._words(error) or f"{self._topic} could not be read: {type(error).__name__}"
                self._stale_because(partial(str, said))
            except Exception:
                # The table must outlive a fault of its own: a process that stopped following would run on old secrets.
                log.exception(LogEvent.CONTROL_TABLE_FAILED, topic=self._topic)
            await asyncio.sleep(_RETRY_S[min(self._failures, len(_RETRY_S) - 1)])
            self._failures += 1

    async def _follow(self) -> None:
        async with _opened(self._topic, self._client, fetch_wait_ms=FOLLOW_WAIT_MS, life=self._life) as reader:
            loading = _Loading(reader, self._topic, self._client, rows := ControlRows(self._rows))
            # A table that was whole once goes on with what is stable: it is newer, and nothing that it had is missing.
            while (why := await loading.read()) is not None and not self.ready:
                self._stale_because(why)
                await loading.wait()
            self._rows = rows
            self._rows.end_loading()
            self._snapshot = with_same(self._snapshot, self._rows.snapshot())
            self._ready.set()
            self._failures = 0
            while True:
                if records := await reader.poll():
                    for record in records:
                        self._rows.put(record)
                    self._snapshot = self._rows.snapshot()
                await self._note_age(reader)

    async def _note_age(self, reader: PartitionReader) -> None:
        now_s, tp = time.monotonic(), self._partition
        self._applied = await reader.position(tp)
        stable, end = reader.last_stable_offset(tp), reader.log_end(tp)
        if stable is None or end is None:  # nothing was fetched yet
            return
        reach = Reach(self._applied, stable, end)
        if reach.position >= end:
            self._whole_s = now_s - self._life.silent_s()
            self._why = lambda: f"Kafka has not answered for {self.silent_s():.0f} s"
        held_at = self._held.look(now_s, {tp: reach}).get(tp)
        if held_at is not None and held_at != self._named:
            self._named = held_at
            self._stale_because(await _held_by(tp, held_at, self._client))

    def _stale_because(self, why: Callable[[], str]) -> None:
        self._why = why
        log.warning(LogEvent.CONTROL_TABLE_STALE, topic=self._topic, reason=why())


async def read_all(topic: str, client: Mapping[str, Any]) -> Definitions:
    """The definitions on the control topic now, parsed as they are asked for.

    Raises ControlError, KafkaError, TimeoutError.

    FormatError where the topics are of another format: whatever is decided by these definitions would be wrong there.
    """
    why: Callable[[], str] | None = None
    async with _opened(topic, client) as reader:
        loading = _Loading(reader, topic, client, rows := LateRows())
        try:
            async with asyncio.timeout(_READ_S):
                while (why := await loading.read()) is not None:
                    await loading.wait()
        except TimeoutError:
            if why is None:
                raise
            raise ControlError(f"The definitions can't be read whole: {why()}.") from None
    found = rows.snapshot()
    if found.installation is not None and (refused := found.installation.refusal(topic)) is not None:
        raise FormatError(refused)
    return found


async def publish(topic: str, client: Mapping[str, Any], changes: Changes) -> None:
    """Write changes, in their order; returns when the broker has all of them. Raises KafkaError, TimeoutError."""
    async with one_off_producer(client) as producer:
        await write(topic, producer, changes)


async def write(topic: str, producer: AIOKafkaProducer, changes: Changes) -> None:
    """As `publish`, with a producer that is there."""
    async with asyncio.timeout(_WRITE_S):
        for key, value in changes.items():
            await producer.send_and_wait(topic, value, key=key.encode(), partition=0)


@contextlib.asynccontextmanager
async def _opened(
    topic: str, client: Mapping[str, Any], *, fetch_wait_ms: int = FETCH_WAIT_MS, life: SignOfLife | None = None
) -> AsyncIterator[PartitionReader]:
    """A reader at the beginning of the control topic. Raises ControlError where there is no such topic."""
    async with partition_reader(client, start_s=_READ_S, fetch_wait_ms=fetch_wait_ms, life=life) as reader:
        async with asyncio.timeout(_READ_S):
            if topic not in await reader.topics():
                await require_visible(topic, client)  # Kafka leaves out of its list what this user may not see
                raise ControlError(f"The topic {topic} does not exist. Create it with `stripeline topics apply`.")
        reader.seek({TopicPartition(topic, 0): 0})
        yield reader


class _Loading:
    """The topic, read from its beginning into a new table: what was deleted, and compacted away, must not stay."""

    def __init__(
        self, reader: PartitionReader, topic: str, client: Mapping[str, Any], rows: ControlRows | LateRows
    ) -> None:
        self._rows = rows
        self._reader, self._client, self._tp = reader, client, TopicPartition(topic, 0)
        self._end: int | None = None
        self._held_at: int | None = None

    async def read(self) -> Callable[[], str] | None:
        """Read as far as can be read now. None when that is all, else why it is not, in words."""
        if self._end is None:
            self._end = (await log_ends([self._tp], self._client))[self._tp]
        reached, end = await self._reader.read_stable(self._tp, self._end, self._take), self._end
        self._held_at = self._reader.last_stable_offset(self._tp) if reached is Standing.HELD else None
        if self._held_at is not None:
            return await _held_by(self._tp, self._held_at, self._client)
        if reached is Standing.WHOLE:
            return None
        topic = self._tp.topic
        return lambda: (
            f"the last offsets of {topic} before {end} hold no record, so it can't be told whether all was read; apply"
            " a definition again with `stripeline apply`"
        )

    async def wait(self) -> None:
        """Wait until more can be read."""
        if self._held_at is not None:
            await self._reader.more_is_stable(self._tp, self._held_at)

    def _take(self, records: Sequence[ConsumerRecord], _: int) -> None:
        for record in records:
            self._rows.put(record)


async def _held_by(tp: TopicPartition, held_at: int, client: Mapping[str, Any]) -> Callable[[], str]:
    found, servers = await open_transaction(tp, held_at, client), bootstrap_servers(client)
    return lambda: words(found, int(time.time() * 1000), servers)
