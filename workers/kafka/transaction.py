"""The transactional producer of a task: outputs, state changes and offsets are committed together or not at all.

aiokafka has no KIP-447, so only the transactional id fences a zombie: hence one producer per partition number, with the
id `{group}-{partition}`.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from stripeline.contracts.internal_records import encode
from stripeline.workers.kafka.aiokafka_internals import end_producer
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.client_start import start_within
from stripeline.workers.kafka.watch.connection_asks import ConnectionAsks
from stripeline.workers.kafka.watch.standstill import PartitionProof
from stripeline.workers.task.decision import OutputRecord
from stripeline.workers.task.input_partition import InputPartition
from stripeline.workers.task.pending import Pending

TRANSACTION_TIMEOUT_MS = 20_000
"""Longer than Kafka needs to replace a broker that died (its session, 9 s by default, and an election), while
requests that it was sent time out.

With less, the death of one broker fails a commit of every task, and all that they had in hand is done again.
"""
_OPEN_S = 30.0
MAX_REQUEST_BYTES = 2_097_152
_FLUSH_S = 2.0
CommitOffsets = Mapping[TopicPartition, OffsetAndMetadata]
BatchBuilder = Any
"""The result of `AIOKafkaProducer.create_batch`."""


def commit_offsets(inputs: Mapping[TopicPartition, InputPartition]) -> CommitOffsets:
    """The offsets that have moved since the last call."""
    moved = {tp: source.offset_to_commit() for tp, source in inputs.items()}
    return {tp: OffsetAndMetadata(*now) for tp, now in moved.items() if now is not None}


class Transactions:
    """The transactions of one task."""

    def __init__(
        self, *, group: str, partition: int, changelog: str, clock: BrokerClock, client: Mapping[str, Any],
        asks: ConnectionAsks,
    ) -> None:  # fmt: skip
        self._asks, self.proof = asks, PartitionProof(clock.still)
        self._group, self._partition, self._changelog, self._clock = group, partition, changelog, clock
        self._producer = AIOKafkaProducer(
            **client,
            transactional_id=f"{group}-{partition}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            max_batch_size=262_144,
            max_request_size=MAX_REQUEST_BYTES,
            linger_ms=0,
        )

    async def open(self) -> None:
        """Take the transactional id over: fences its former producer, and aborts a transaction that was left open."""
        await start_within(self._producer.start(), _OPEN_S)
        self._asks.add(self._producer.client)

    async def commit(self, pending: Pending, offsets: CommitOffsets) -> int | None:
        """Publish what finished, the state changes and the offsets in one transaction.

        Returns the changelog offset after the last change, None without a change. Raises KafkaError or TimeoutError:
        then nothing is committed, and the producer must be closed.
        """
        try:
            async with asyncio.timeout(TRANSACTION_TIMEOUT_MS / 1000):
                proved = self.proof.commits()
                upto = await self._commit(pending, offsets)
                proved()
                return upto
        except TimeoutError:
            topics = ", ".join(sorted({out.topic for out in pending.outputs} | {self._changelog}))
            raise TimeoutError(
                f"not committed within {TRANSACTION_TIMEOUT_MS / 1000:.0f} s: Kafka is slow, or one of {topics} is"
                " gone; `stripeline topics check` shows which"
            ) from None

    async def _commit(self, pending: Pending, offsets: CommitOffsets) -> int | None:
        sent_s = self._clock.stopwatch_s()
        await self._producer.begin_transaction()
        sent = [await self._send(place, batch) for place, batch in self._batches(pending.outputs)]
        changes = (
            OutputRecord(self._changelog, key.encode(), None if record is None else encode(record))
            for key, record in pending.changes.items()
        )
        changed = [(await self._send(place, batch), batch) for place, batch in self._batches(changes)]
        if offsets:
            await self._producer.send_offsets_to_transaction(dict(offsets), self._group)
        done = await asyncio.gather(*sent, *(future for future, _ in changed))
        # Observed before the commit: the end of a transaction may wait 20 ms, which says nothing about the append.
        if changed:
            self._clock.observe(done[-1].timestamp, sent_s)
        await self._producer.commit_transaction()
        return done[-1].offset + changed[-1][1].record_count() if changed else None

    def _batches(self, outputs: Iterable[OutputRecord]) -> Iterator[tuple[TopicPartition, BatchBuilder]]:
        """The records as batches in their order: one append each, and no future, costs a third of a send."""
        open_: dict[TopicPartition, BatchBuilder] = {}
        for out in outputs:
            place = TopicPartition(out.topic, self._partition if out.partition is None else out.partition)
            while not self._appended(open_.get(place), out):
                if place in open_:
                    yield place, open_.pop(place)
                open_[place] = self._producer.create_batch()
        yield from open_.items()

    @staticmethod
    def _appended(batch: BatchBuilder | None, out: OutputRecord) -> bool:
        if batch is None:
            return False
        return batch.append(timestamp=None, key=out.key, value=out.value, headers=list(out.headers)) is not None

    async def _send(self, place: TopicPartition, batch: BatchBuilder) -> asyncio.Future[Any]:
        batch.close()
        return await self._producer.send_batch(batch, place.topic, partition=place.partition)  # type: ignore[no-any-return]

    async def close(self) -> None:
        """End the producer, in bounded time, whether or not the broker and the topics are there."""
        self._asks.remove(self._producer.client)
        await end_producer(self._producer, flush_s=_FLUSH_S)
