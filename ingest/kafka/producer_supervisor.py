"""Keeps one live aiokafka producer: connects in the background, watches it, and replaces it when it is of no use.

A producer is replaced when it failed, when its sequence numbers for a partition have a gap (`publish_errors`), and when
nothing was acknowledged for long though Kafka answers. The new one is connected first, so that the partitions that are
well never wait for it. When no broker answers at all, the producer is given up at once, and the next one begins from
the bootstrap list: aiokafka finds brokers only through those that it knows.
It never decides whether a record was taken.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest.kafka.aiokafka_internals import ask_leaders, end_producer
from stripeline.ingest.kafka.batches import BATCH_BYTES
from stripeline.ingest.kafka.partition_health import in_words, names
from stripeline.ingest.kafka.producer_start import start_within
from stripeline.ingest.kafka.renewal_pace import BROKEN, STALLED, Renewals
from stripeline.ingest.kafka.session import ProducerSession

log = structlog.get_logger(__name__)

Connect = Callable[[], Any]
"""Makes a producer that is not started yet."""

ATTEMPT_S: Final = 10.0
LONGEST_BACKOFF_S: Final = 5.0
CLOSE_S: Final = 3.0
_FLUSH_S: Final = 0.1
"""For a producer that is given up: what it holds has waited for seconds already."""
_CHECK_S: Final = 1.0
_ASK_LEADERLESS_S: Final = 0.2
"""How often the leaders are asked while records wait for a partition without one."""
_ASK_EVERY: Final = 15
"""And else only every so many times, 3 s: no connection is idle, and one that a firewall forgot is found early."""
Partitions = Mapping[str, int]
Connected = tuple[Any, Partitions]
"""A started producer, and how many partitions the topics have that it found."""


def connector(client: Mapping[str, Any]) -> Connect:
    """The producer's settings, beside the client options."""

    def connect() -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **client,
            enable_idempotence=True,  # acks=all, and a retry inside the client is no duplicate
            linger_ms=0,  # ours is for all partitions together: stripeline.ingest.linger
            max_batch_size=BATCH_BYTES,
            # Refused here, since a record that the broker refuses costs its partition a new producer.
            max_request_size=RECORD_MAX_BYTES,
        )

    return connect


class ProducerSupervisor:
    """At most one producer that takes records, one that ends, and one attempt to connect, at a time."""

    def __init__(
        self,
        *,
        connect: Connect,
        topics: Sequence[str],
        deadline_s: float,
        stalled_after_s: float,
        open_session: Callable[[Any], ProducerSession],
        words: Callable[[Exception], str] = repr,
    ) -> None:
        self.why = ""
        self.session: ProducerSession | None = None
        self._connect = connect
        self._topics = topics
        self._deadline_s, self._stalled_after_s = deadline_s, stalled_after_s
        self._open_session, self._words = open_session, words
        self._broken, self._stalled = Renewals(BROKEN), Renewals(STALLED)
        self._answered_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._answered_s = asyncio.get_running_loop().time()
        self._task = self._task or asyncio.create_task(self._supervise(), name="ingest producer supervisor")

    def broken(self) -> str | None:
        """Why only a restart helps: nothing replaces the producer any more. None while something does."""
        ended = self._task is not None and self._task.done()
        return "what watches over the producer has ended, and the log says why" if ended else None

    async def stop(self, grace_s: float) -> None:
        task, self._task = self._task, None
        session, self.session = self.session, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,), timeout=grace_s + CLOSE_S)
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.wait((self._ending,), timeout=CLOSE_S)
        if session is not None:
            await session.drained(grace_s)
            session.abandon()
            await end_producer(session.producer, CLOSE_S / 10 + _FLUSH_S)

    def silent_s(self) -> float:
        """How long ago Kafka last answered: an acknowledgement, or its brokers when they are asked."""
        acknowledged_s = 0.0 if self.session is None else self.session.acknowledged_s
        return asyncio.get_running_loop().time() - max(self._answered_s, acknowledged_s)

    async def _supervise(self) -> None:
        connected: Connected | None = None
        while True:
            session = self._take_over(connected or await self._connected())
            connected = await self._watched(session)

    def _take_over(self, connected: Connected) -> ProducerSession:
        """From now on records go to this producer; the one before delivers what it has while somebody waits for it."""
        producer, partitions = connected
        session = self._open_session(producer)
        for topic, there in partitions.items():
            with contextlib.suppress(UnknownTopicOrPartitionError):  # a delivery for it asks again, and says so
                session.learn(topic, there)
        former, self.session, self.why = self.session, session, ""
        self._answered_s = asyncio.get_running_loop().time()
        log.info(LogEvent.PRODUCER_CONNECTED)
        if former is not None:
            self._ending = asyncio.create_task(self._end(former), name="ingest former producer")
        return session

    async def _end(self, session: ProducerSession) -> None:
        try:
            await session.drained(self._deadline_s)
        finally:
            session.abandon()
            await end_producer(session.producer, _FLUSH_S)

    async def _watched(self, session: ProducerSession) -> Connected | None:
        """Watch the session until its successor is connected, which is returned, or until Kafka is silent."""
        successor: asyncio.Task[Connected] | None = None
        asking = asyncio.create_task(self._ask_leaders(session), name="ingest leaders")
        try:
            while self.silent_s() < self._stalled_after_s:
                await _stirred(session, min(_CHECK_S, self._stalled_after_s))
                self._check(session)
                if successor is not None and successor.done():
                    connected, successor = successor.result(), None
                    return connected
                if successor is None and self._is_renewal_due(session):
                    successor = asyncio.create_task(self._connected(), name="ingest next producer")
                    successor.add_done_callback(lambda _: session.stirred.set())
        finally:
            asking.cancel()
            await asyncio.wait((asking,))
            if successor is not None:
                await _unwanted(successor)
        log.error(LogEvent.PRODUCER_STALLED, silent_s=round(self.silent_s()))
        self.session = None
        session.abandon()
        await end_producer(session.producer, _FLUSH_S)
        return None

    def _is_renewal_due(self, session: ProducerSession) -> bool:
        if self._ending is not None and not self._ending.done():  # two producers at most
            return False
        now_s = asyncio.get_running_loop().time()
        if session.broken and self._broken.due(now_s):
            log.error(LogEvent.PRODUCER_FAILED)
            return True
        if session.stalled_s() >= self._stalled_after_s and self._stalled.due(now_s):
            log.error(LogEvent.PRODUCER_STALLED, stalled_s=round(session.stalled_s()))
            return True
        return False

    @staticmethod
    def _check(session: ProducerSession) -> None:
        """Find the partitions that take nothing, and report a change."""
        before = session.unavailable
        session.check()
        if lost := {place: why for place, why in session.unavailable.items() if place not in before}:
            log.error(LogEvent.PARTITIONS_TAKE_NOTHING, reason=in_words(lost))
        if back := before.keys() - session.unavailable.keys():
            log.info(LogEvent.PARTITIONS_TAKE_RECORDS, partitions=names(back))

    async def _ask_leaders(self, session: ProducerSession) -> None:
        """Ask the leaders every few seconds, or often while records wait for one."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ATTEMPT_S):
                    if await ask_leaders(session.producer, self._topics):
                        self._answered_s = asyncio.get_running_loop().time()
            session.stirred.set()
            for _ in range(_ASK_EVERY):
                await asyncio.sleep(_ASK_LEADERLESS_S)
                if session.leaderless:
                    break

    async def _connected(self) -> Connected:
        """A started producer, however long it takes. Each attempt is bounded: aiokafka's may wait for ever."""
        backoff_s = 0.2
        while True:
            producer = self._connect()
            try:
                await start_within(producer.start(), ATTEMPT_S)
                return producer, await self._look_up_topics(producer)
            except Exception as error:  # noqa: BLE001  whatever it is, the next attempt may succeed
                reason = self._words(error)
                self.why = f": {reason}"
                log.warning(LogEvent.KAFKA_UNREACHABLE, reason=reason, next_try_s=backoff_s)
                await end_producer(producer, _FLUSH_S)
            except BaseException:
                await end_producer(producer, _FLUSH_S)
                raise
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _look_up_topics(self, producer: Any) -> Partitions:
        """Learn the topics before the first delivery needs them, and report a missing one at once."""
        found: dict[str, int] = {}
        for topic in self._topics:
            try:
                async with asyncio.timeout(ATTEMPT_S / 5):
                    found[topic] = len(await producer.partitions_for(topic))
            except Exception as error:  # noqa: BLE001  deliveries for the other topics go on
                advice = "run `stripeline topics apply`, and `stripeline topics check --rights --role ingest`"
                # The traceback is aiokafka's and says nothing.
                log.error(LogEvent.TOPIC_UNAVAILABLE, topic=topic, error=self._words(error), advice=advice)  # noqa: TRY400
        return found


async def _stirred(session: ProducerSession, within_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(session.stirred.wait(), within_s)
    session.stirred.clear()


async def _unwanted(successor: "asyncio.Task[Connected]") -> None:
    """End a producer that is being connected, or is connected already."""
    successor.cancel()
    await asyncio.wait((successor,))
    if not successor.cancelled() and successor.exception() is None:
        producer, _ = successor.result()
        await end_producer(producer, _FLUSH_S)
