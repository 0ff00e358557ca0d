"""Keeps one live aiokafka producer: connects in the background, watches it, and replaces it when it is dead or stuck.

Why a producer must be replaced at all, read in aiokafka 0.14 (producer/sender.py, producer/message_accumulator.py):
after an error that it cannot retry, its sequence numbers have a gap or its sender task is gone, for good; and it finds
brokers only through those that it knows, so it does not come back when all of them have new addresses.
It never decides whether a record was taken.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer

from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest.kafka.aiokafka_internals import end_producer
from stripeline.ingest.kafka.batches import BATCH_BYTES
from stripeline.ingest.kafka.session import ProducerSession

log = structlog.get_logger(__name__)

Connect = Callable[[], Any]
"""Makes a producer that is not started yet."""

ATTEMPT_S: Final = 10.0
LONGEST_BACKOFF_S: Final = 5.0
CLOSE_S: Final = 3.0
_FLUSH_S: Final = 0.1
"""For a producer that is given up: what it holds has waited for seconds already."""


def connector(client: Mapping[str, Any]) -> Connect:
    """The producer's settings, beside the client options."""

    def connect() -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **client,
            enable_idempotence=True,  # acks=all, and a retry inside the client is no duplicate
            linger_ms=0,  # ours is for all partitions together: stripeline.ingest.kafka.linger
            max_batch_size=BATCH_BYTES,
            # Refused here, since a record that the broker refuses costs the whole producer.
            max_request_size=RECORD_MAX_BYTES,
            request_timeout_ms=10_000,
        )

    return connect


class ProducerSupervisor:
    """At most one producer, and at most one attempt to connect, at a time."""

    def __init__(
        self,
        *,
        connect: Connect,
        topics: Sequence[str],
        stalled_after_s: float,
        open_session: Callable[[Any], ProducerSession],
    ) -> None:
        self.session: ProducerSession | None = None
        self._connect = connect
        self._topics = topics
        self._stalled_after_s = stalled_after_s
        self._open_session = open_session
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = self._task or asyncio.create_task(self._supervise(), name="ingest producer supervisor")

    async def stop(self, grace_s: float) -> None:
        task, self._task = self._task, None
        session, self.session = self.session, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,), timeout=grace_s + CLOSE_S)
        if session is not None:
            await session.drained(grace_s)
            session.abandon()
            await end_producer(session.producer, CLOSE_S / 10 + _FLUSH_S)

    async def _supervise(self) -> None:
        while True:
            session = self._open_session(await self._connected())
            self.session = session
            log.info(LogEvent.PRODUCER_CONNECTED)
            await self._until_lost(session)
            self.session = None
            session.abandon()
            await end_producer(session.producer, _FLUSH_S)

    async def _connected(self) -> Any:
        """A started producer, however long it takes. Each attempt is bounded: aiokafka's may wait for ever."""
        backoff_s = 0.2
        while True:
            producer = self._connect()
            try:
                async with asyncio.timeout(ATTEMPT_S):
                    await producer.start()
                await self._look_up_topics(producer)
            except Exception as error:  # noqa: BLE001  whatever it is, the next attempt may succeed
                log.warning(LogEvent.KAFKA_UNREACHABLE, error=type(error).__name__, next_try_s=backoff_s)
                await end_producer(producer, _FLUSH_S)
            except BaseException:
                await end_producer(producer, _FLUSH_S)
                raise
            else:
                return producer
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _look_up_topics(self, producer: Any) -> None:
        """Learn the topics before the first delivery needs them, and report a missing one at once."""
        for topic in self._topics:
            try:
                async with asyncio.timeout(ATTEMPT_S / 5):
                    await producer.partitions_for(topic)
            except Exception as error:  # noqa: BLE001  deliveries for the other topics go on
                advice = "run `stripeline topics apply`, and grant this principal Describe and Write"
                # The traceback is aiokafka's and says nothing.
                log.error(LogEvent.TOPIC_UNAVAILABLE, topic=topic, error=type(error).__name__, advice=advice)  # noqa: TRY400

    async def _until_lost(self, session: ProducerSession) -> None:
        while session.stalled_s() < self._stalled_after_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.broken.wait(), timeout=min(1.0, self._stalled_after_s))
                log.error(LogEvent.PRODUCER_FAILED)
                return
        log.error(LogEvent.PRODUCER_STALLED, stalled_s=round(session.stalled_s()))
