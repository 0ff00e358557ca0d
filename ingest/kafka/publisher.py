"""Writes publications to Kafka, and returns for each whether Kafka has it.

Promised: `Published` only after acks=all; a result within the deadline whatever the broker does; bounded memory; no
restart needed, however long the broker was away. It never decides what is published, and never logs a value or a key.

aiokafka's idempotent producer has no `max.block.ms` and never gives a batch up, so the wait and the amount are bounded
here (`session`), and a producer that is dead or stuck is replaced as a whole (`producer_supervisor`).
"""

from collections.abc import Mapping
from typing import Any, Self

import structlog

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import NotTakenReason
from stripeline.ingest.kafka.producer_supervisor import Connect, ProducerSupervisor, connector
from stripeline.ingest.kafka.session import InFlightBounds, ProducerSession
from stripeline.ingest.limited_log import LimitedLog
from stripeline.ingest.publish_result import Done, NotTaken
from stripeline.ingest.routing import Publication

log = structlog.get_logger(__name__)


class Publisher:
    """One idempotent producer at a time, replaced in the background when it is dead or stuck.

    partitions: the prefix's partition count, by which a key finds its partition; None where it is the topic's own.
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
    ) -> None:
        topics, limited = Topics(prefix=topic_prefix), LimitedLog(log)

        def open_session(producer: Any) -> ProducerSession:
            return ProducerSession(producer, topics, bounds or InFlightBounds(), limited, partitions=partitions)

        self._supervisor = ProducerSupervisor(
            connect=connect or connector(client),
            topics=topics.events,
            stalled_after_s=stalled_after_s,
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

    def publish(self, publication: Publication, done: Done) -> None:
        """Write one record; `done` gets Published when Kafka has it (acks=all), else NotTaken, within the deadline."""
        session = self._supervisor.session
        if session is None:
            done(NotTaken(NotTakenReason.AWAY))
        else:
            session.publish(publication, done)
