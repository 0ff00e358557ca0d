"""Writes publications to Kafka, and returns for each whether Kafka has it.

Promised: `Published` only after acks=all; a result within the deadline whatever the broker does; bounded memory, shared
by topics and partitions; what one partition can't take delays no other; no restart needed, however long the broker was
away. It never decides what is published, and never logs a value or a key.

aiokafka's idempotent producer has no `max.block.ms` and never gives a batch up, so the wait and the amount are bounded
here (`session`, `room`), and a producer of no use is replaced as a whole (`producer_supervisor`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

import structlog

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.topics import Topics
from stripeline.ingest.kafka.partition_health import Unavailable
from stripeline.ingest.kafka.producer_supervisor import Connect, ProducerSupervisor, connector
from stripeline.ingest.kafka.room import Room
from stripeline.ingest.kafka.session import InFlightBounds, ProducerSession, Seen, not_noted
from stripeline.ingest.limited_log import LimitedLog
from stripeline.ingest.publish_result import Done, NotTaken
from stripeline.ingest.routing import Publication

log = structlog.get_logger(__name__)


class Publisher:
    """One idempotent producer at a time, replaced in the background when it is of no use.

    words: says what an error of Kafka's means.
    partitions: the prefix's partition count, by which a key finds its partition; None where it is the topic's own.
    seen: called with what Kafka has, after its deliveries were answered. It must not raise.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        topic_prefix: str,
        *,
        partitions: int | None = None,
        bounds: InFlightBounds | None = None,
        stalled_after_s: float = 30.0,
        connect: Connect | None = None,
        words: Callable[[Exception], str] = repr,
        seen: Seen = not_noted,
    ) -> None:
        topics, limited, bounds = Topics(prefix=topic_prefix), LimitedLog(log), bounds or InFlightBounds()
        deadline_s, room = bounds.deadline_s, Room(bounds.bytes)

        def open_session(producer: Any) -> ProducerSession:
            return ProducerSession(producer, topics, deadline_s, room, limited, partitions=partitions, seen=seen)

        self._supervisor = ProducerSupervisor(
            connect=connect or connector(client),
            topics=topics.events,
            deadline_s=deadline_s,
            stalled_after_s=stalled_after_s,
            words=words,
            open_session=open_session,
        )

    async def start(self) -> None:
        """Begin to connect, in the background and for as long as it takes; `ready` shows when it is done."""
        self._supervisor.start()

    async def stop(self, grace_s: float = 5.0) -> None:
        """Wait for what is in flight, at most `grace_s`, and close, broker or no broker."""
        await self._supervisor.stop(grace_s)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def ready(self) -> bool:
        return self._supervisor.session is not None

    def broken(self) -> str | None:
        """Why only a restart helps; None while it does not."""
        return self._supervisor.broken()

    def missing(self) -> str | None:
        """Why it takes no record at all; None while some partition takes records, or none is known to fail."""
        session = self._supervisor.session
        if session is None:
            return f"there is no connection to Kafka{self._supervisor.why}"
        return "no partition takes records" if session.takes_nothing else None

    @property
    def unavailable(self) -> Unavailable:
        """The partitions that take nothing, by topic and number, with the reason in words."""
        session = self._supervisor.session
        return {} if session is None else session.unavailable

    def silent_s(self) -> float:
        """How long ago Kafka last answered; it is asked every few seconds, also without traffic."""
        return self._supervisor.silent_s()

    def publish(self, publication: Publication, done: Done) -> None:
        """Write one record; `done` gets Published when Kafka has it (acks=all), else NotTaken, within the deadline."""
        session = self._supervisor.session
        if session is None:
            done(NotTaken(NotTakenReason.AWAY))
        else:
            session.publish(publication, done)
