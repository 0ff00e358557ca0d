"""Publishes events that never came, and notes them like ingest does, so that the next window finds them.

Records go with acks=all to the partition that ingest would have chosen. A note that fails after its event costs a
second publication, whose run is the same.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.deliveries.seen_events import SeenEvent, SeenEvents
from stripeline.contracts.internal_records import encode
from stripeline.contracts.topics import Topics
from stripeline.deploy.stripe_side.sweeps.event_publication import Missed

_AT_A_TIME: Final = 200
_SEND_S: Final = 60.0


class BackfillProducer:
    """producer: started, idempotent."""

    def __init__(self, topics: Topics, producer: AIOKafkaProducer) -> None:
        self._topics, self._producer = topics, producer

    async def publish(self, missed: Sequence[Missed]) -> None:
        """All of them, in their order; returns when the brokers have them. Raises KafkaError, TimeoutError."""
        for first in range(0, len(missed), _AT_A_TIME):
            some = missed[first : first + _AT_A_TIME]
            async with asyncio.timeout(_SEND_S):
                done = await asyncio.gather(*[await self._send(one) for one in some])
                notes = [_note(one, sent) for one, sent in zip(some, done, strict=True)]
                await self._note(notes)

    async def _send(self, one: Missed) -> Any:
        record = one.publication
        topic = self._topics.event(record.topic)
        return await self._producer.send(
            topic, record.value, key=record.key, partition=await self._partition(topic, record.key),
            headers=list(record.headers), timestamp_ms=record.timestamp_ms,
        )  # fmt: skip

    async def _partition(self, topic: str, key: bytes) -> int:
        return partition_of(key, len(await self._producer.partitions_for(topic)))

    async def _note(self, notes: Sequence[SeenEvent]) -> None:
        value = encode(SeenEvents(events=tuple(notes)))
        await self._producer.send_and_wait(self._topics.event_seen, value, partition=notes[0].partition)


def _note(one: Missed, sent: Any) -> SeenEvent:
    event = one.lacking.event
    return SeenEvent(event.id, one.lacking.trigger.name, event.created_s, sent.topic, sent.partition, sent.offset)
