"""Writes publications to Kafka, and says for each whether Kafka has it.

Promised: `Published` only after acks=all; an answer within the deadline whatever the broker does; bounded memory; no
restart needed, however long the broker was away. It never decides what is published, and never logs a value or a key.

aiokafka's idempotent producer has no `max.block.ms` and never gives a batch up, so the wait and the amount are bounded
here, and a producer that is dead or stuck is replaced as a whole (`stripeline.ingest.kafka.producer_supervisor`).
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final, Self

from aiokafka.errors import (
    InvalidTopicError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import NotTakenReason
from stripeline.ingest.kafka.batches import Lane
from stripeline.ingest.kafka.partitioner import partition_of
from stripeline.ingest.kafka.producer_supervisor import Connect, Producers, Session, connector
from stripeline.ingest.log_limit import Quiet
from stripeline.ingest.publish_result import Done, NotTaken
from stripeline.ingest.routing import Publication

log = logging.getLogger(__name__)

RECORD_OVERHEAD_BYTES: Final = 1_000
"""What a record in flight costs beside its key and value at most: headers, futures, bookkeeping."""


_OF_ONE_RECORD: Final[dict[type[BaseException], NotTakenReason]] = {
    MessageSizeTooLargeError: NotTakenReason.TOO_LARGE,
    TopicAuthorizationFailedError: NotTakenReason.NOT_ALLOWED,
    UnknownTopicOrPartitionError: NotTakenReason.NO_TOPIC,
    InvalidTopicError: NotTakenReason.NO_TOPIC,
    KafkaTimeoutError: NotTakenReason.LATE,
    TimeoutError: NotTakenReason.LATE,
    ProducerClosed: NotTakenReason.AWAY,
}
"""Errors after which the producer goes on, or is being closed already."""

_ADVICE: Final = {
    NotTakenReason.AWAY: "the producer was closed before Kafka answered: look at the brokers if this goes on",
    NotTakenReason.NOT_ALLOWED: "the broker refuses writes to it: grant its principal Write on this topic",
    NotTakenReason.NO_TOPIC: "it does not exist: run `stripeline topics apply`",
    NotTakenReason.LATE: "the topic or its leader is missing: run `stripeline topics check`, and look at the brokers",
    NotTakenReason.FAILED: "the producer failed and is being replaced: look at the brokers if this goes on",
}


class Publisher:
    """One idempotent producer at a time, replaced in the background when it is dead or stuck."""

    def __init__(
        self,
        client: Mapping[str, Any],
        topic_prefix: str,
        *,
        deadline_s: float = 5.0,
        max_in_flight: int = 10_000,
        max_in_flight_bytes: int = 64 * 1024 * 1024,
        stalled_after_s: float = 30.0,
        connect: Connect | None = None,
    ) -> None:
        self._topics = Topics(prefix=topic_prefix)
        self._deadline_s = deadline_s
        self._max_in_flight = max_in_flight
        self._max_in_flight_bytes = max_in_flight_bytes
        self._producers = Producers(
            connect=connect or connector(client),
            topics=self._topics.events,
            stalled_after_s=stalled_after_s,
        )
        self._meetings: set[asyncio.Task[None]] = set()
        self._quiet = Quiet(log, every_s=10)

    async def start(self) -> None:
        """Begin to connect, in the background and for as long as it takes; `ready` tells when it is done."""
        self._producers.start()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Wait for what is in flight, at most `grace_s`, and close, broker or no broker."""
        await self._producers.stop(grace_s)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def ready(self) -> bool:
        return self._producers.current is not None

    @property
    def in_flight(self) -> int:
        """Records that Kafka has not acknowledged yet, those that were answered 503 included."""
        session = self._producers.current
        return 0 if session is None else session.count

    def publish(self, publication: Publication, done: Done) -> None:
        """Write one record, and tell `done` when Kafka has it (acks=all), or that it has not, within the deadline."""
        session = self._producers.current
        if session is None:
            done(NotTaken(NotTakenReason.AWAY))
            return
        size = len(publication.value) + len(publication.key) + RECORD_OVERHEAD_BYTES
        if session.count >= self._max_in_flight or session.bytes + size > self._max_in_flight_bytes:
            done(NotTaken(NotTakenReason.FULL))
            return
        late_at = session.loop.time() + self._deadline_s
        session.entered(size)
        lanes = session.lanes.get(publication.topic)
        if lanes is None:
            meeting = session.loop.create_task(self._meet(session, publication, size, late_at, done))
            self._meetings.add(meeting)
            meeting.add_done_callback(self._meetings.discard)
        else:
            lanes[partition_of(publication.key, len(lanes))].add(publication, size, late_at, done)

    async def _meet(self, session: Session, publication: Publication, size: int, late_at: float, done: Done) -> None:
        """Write a record of a topic that this producer meets for the first time, or that was not there before.

        The number of its partitions stays for the producer's life: a prefix keeps it for ever.
        """
        name, topic = publication.topic, self._topics.event(publication.topic)
        try:
            async with asyncio.timeout_at(late_at):
                partitions: Collection[int] = await session.producer.partitions_for(topic)
        except Exception as error:  # noqa: BLE001  whatever it is, Kafka does not have the record
            session.left(1, size, acknowledged=False)
            done(self._failed(session, topic, error))
            return
        judge = partial(self._failed, session, topic)
        lanes = session.lanes.setdefault(name, [Lane(session, topic, number, judge) for number in sorted(partitions)])
        lanes[partition_of(publication.key, len(lanes))].add(publication, size, late_at, done)

    def _failed(self, session: Session, topic: str, error: Exception) -> NotTaken:
        """What an error means: for this record or batch alone, or the end of this producer."""
        reason = _OF_ONE_RECORD.get(type(error))
        if reason is None:
            session.broken.set()
            reason = NotTakenReason.FAILED
        advice = _ADVICE.get(reason, "see INGEST_MAX_BODY")
        self._quiet.error(reason, "%s took no record (%s): %s", topic, type(error).__name__, advice)
        return NotTaken(reason)
