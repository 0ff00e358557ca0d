"""Reads the partitions of the index, so that one that can't be read stops no other.

- A batch that no client can read is passed, and returned beside the records: the index goes on behind it.
- A partition whose broker can't read its log, or that no broker leads, is named, and looked at again from time to time.
- A failed read drops what it had taken of other partitions: they are read again from where they were.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import CorruptRecordException, KafkaError, LeaderNotAvailableError, UnsupportedCodecError

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.operations.reading.topic_reader import Read, read_of
from stripeline.workers.kafka.partition_reader import PartitionReader
from stripeline.workers.kafka.unread.held_inputs import BROKER_CANNOT, LOOK_AGAIN_S
from stripeline.workers.kafka.unread.unreadable_batch import UnreadableBatch, unreadable_batch
from stripeline.workers.task.isolation import Ask, Isolation
from stripeline.workers.task.stalled_reads import StalledReads

NO_LEADER: Final = "no broker leads it now: it is read once one does"
_WAIT_MS: Final = 500
_RECORDS: Final = 500
"""Of a partition that is read record by record, before the others have their turn."""
_EXAMINE_S: Final = 5.0
_STALLS_EVERY_S: Final = 5.0
_PAUSE_S: Final = 0.02
_NOTHING_S: Final = 0.5
_OF_A_PARTITION: Final = (CorruptRecordException, UnsupportedCodecError)
"""Kafka's errors that a read raises for a batch; each codec's library has others. All of the rest end the reading."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedBatch:
    """Offsets that were left out."""

    tp: TopicPartition
    first: int
    last: int
    why: str


@dataclass(slots=True)
class Taken:
    """One read: records, and after them what was passed."""

    records: list[Read] = field(default_factory=list)
    passed: list[PassedBatch] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Stuck:
    at: int
    why: str
    again_s: float


class IsolatedReads:
    """Of the partitions that the reader reads, from these offsets on."""

    def __init__(
        self, reader: PartitionReader, client: Mapping[str, Any], begins: Mapping[TopicPartition, int]
    ) -> None:
        self._reader, self._client, self._at = reader, client, dict(begins)
        self._isolation, self._stalls = Isolation[TopicPartition](), StalledReads[TopicPartition]()
        self._stuck: dict[TopicPartition, _Stuck] = {}
        self._stalls_at_s = 0.0
        reader.seek(begins)

    def stuck(self) -> dict[str, str]:
        """What can't be read now, each with the reason."""
        return {f"{tp.topic}-{tp.partition} from offset {one.at} on": one.why for tp, one in self._stuck.items()}

    async def once(self) -> Taken:
        """What there is, within half a second. Raises TimeoutError when Kafka is silent, and KafkaError."""
        taken, now_s = Taken(), time.monotonic()
        wanted = [tp for tp in self._at if tp not in self._stuck or self._stuck[tp].again_s <= now_s]
        asks = [*self._isolation.asks(wanted, now_s)]
        for ask in asks:
            try:
                await self._take(ask, taken)
            except (TimeoutError, OSError):
                raise
            except Exception as error:  # each codec's library has its own
                if isinstance(error, KafkaError) and not isinstance(error, _OF_A_PARTITION):
                    raise
                await self._failed(ask, error, taken)
        together = any(ask.together for ask in asks)
        await self._reader.idle(0 if together else _PAUSE_S if asks else _NOTHING_S)
        return taken

    async def _take(self, ask: Ask[TopicPartition], taken: Taken) -> None:
        if not ask.by_record:
            wait_ms = _WAIT_MS if ask.together else 0
            self._note(await self._reader.take(*ask.partitions, wait_ms=wait_ms), taken)
            return
        for _ in range(_RECORDS):  # what is before the failure counts
            found = await self._reader.take(*ask.partitions, wait_ms=0, most=1)
            if not found:
                return
            self._note(found, taken)

    def _note(self, found: Iterable[ConsumerRecord], taken: Taken) -> None:
        for record in found:
            tp = TopicPartition(record.topic, record.partition)
            self._at[tp] = record.offset + 1
            self._stuck.pop(tp, None)
            taken.records.append(read_of(record))

    async def _failed(self, ask: Ask[TopicPartition], error: Exception, taken: Taken) -> None:
        self._reader.go_to({tp: self._at[tp] for tp in ask.partitions})
        one = self._isolation.failed(ask, time.monotonic())
        if one is None:
            return
        try:
            batch = await self._examined(one)
        except CorruptRecordException:
            self._hold(one, self._at[one], BROKER_CANNOT)
            return
        if batch is None:
            raise error
        taken.passed.append(self._pass(one, batch))

    async def _examined(self, tp: TopicPartition) -> UnreadableBatch | None:
        async with asyncio.timeout(_EXAMINE_S):
            return await unreadable_batch(tp, self._at[tp], self._client, ahead=True)

    def _pass(self, tp: TopicPartition, batch: UnreadableBatch) -> PassedBatch:
        first = max(batch.first, self._at[tp])
        log.error(
            LogEvent.INDEX_GAP, topic=tp.topic, partition=tp.partition, offset=first, last=batch.last,
            codec=batch.header.codec, producer_id=batch.header.producer_id, reason=batch.why,
        )  # fmt: skip
        self._at[tp] = batch.last + 1
        self._stuck.pop(tp, None)
        self._reader.go_to({tp: batch.last + 1})
        return PassedBatch(tp=tp, first=first, last=batch.last, why=batch.why)

    def _hold(self, tp: TopicPartition, at: int, why: str) -> None:
        known = self._stuck.get(tp)
        if known is None or known.why != why:
            log.error(LogEvent.INPUT_HELD, topic=tp.topic, partition=tp.partition, offset=at, reason=why)
        self._stuck[tp] = _Stuck(at, why, time.monotonic() + LOOK_AGAIN_S)

    async def find_stalled(self, positions: Mapping[TopicPartition, int], now_s: float) -> None:
        """Name a partition that brings nothing though there is more: the consumer hears of no error. One at a time."""
        for tp, one in [*self._stuck.items()]:
            if positions[tp] > one.at:
                del self._stuck[tp]
        if now_s < self._stalls_at_s:
            return
        self._stalls_at_s = now_s + _STALLS_EVERY_S
        reads = {tp: (at, self._reader.last_stable_offset(tp)) for tp, at in positions.items()}
        stalled = [tp for tp in self._stalls.look(now_s, reads) if tp not in self._stuck]
        for tp in stalled[:1]:
            try:
                await self._examined(tp)
            except CorruptRecordException:
                self._hold(tp, positions[tp], BROKER_CANNOT)
            except LeaderNotAvailableError:
                self._hold(tp, positions[tp], NO_LEADER)
            except (KafkaError, OSError, TimeoutError):
                continue  # Kafka is away, or busy: the reading itself says so
