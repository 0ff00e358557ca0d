"""Keeps one live aiokafka producer: connects in the background, watches it, and replaces it when it is dead or stuck.

Why a producer must be replaced at all, read in aiokafka 0.14 (producer/sender.py, producer/message_accumulator.py):
after an error that it cannot retry, its sequence numbers have a gap or its sender task is gone, for good; and it finds
brokers only through those that it knows, so it does not come back when all of them have new addresses.
It never decides whether a record was taken.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerClosed

from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.ingest.kafka.batches import BATCH_BYTES, Lane
from stripeline.ingest.kafka.linger import Pace

log = logging.getLogger(__name__)

Connect = Callable[[], Any]
"""Makes a producer that is not started yet."""

ATTEMPT_S: Final = 10.0
LONGEST_BACKOFF_S: Final = 5.0
CLOSE_S: Final = 3.0


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


class Session:
    """One producer with what is in flight on it. What was in flight on a lost one is forgotten with it."""

    def __init__(self, producer: Any) -> None:
        self.producer = producer
        self.loop = asyncio.get_running_loop()
        self.pace = Pace(self.loop)
        self.broken = asyncio.Event()
        self.lanes: dict[str, Sequence[Lane]] = {}
        self.count = 0
        self.bytes = 0
        self._waiting_since = 0.0
        self._empty: asyncio.Future[None] | None = None

    def entered(self, size: int) -> None:
        if self.count == 0:
            self._waiting_since = self.loop.time()
        self.count += 1
        self.bytes += size

    def left(self, count: int, size: int, *, acknowledged: bool) -> None:
        self.count -= count
        self.bytes -= size
        if acknowledged:
            self._waiting_since = self.loop.time()
        if self.count == 0 and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    async def emptied(self, within_s: float) -> None:
        """Wait until nothing is in flight, at most so long."""
        if self.count:
            self._empty = self.loop.create_future()
            await asyncio.wait((self._empty,), timeout=within_s)

    def abandon(self) -> None:
        """Answer whoever waits for a record on this producer."""
        for lanes in self.lanes.values():
            for lane in lanes:
                lane.abandon()

    def stalled_s(self) -> float:
        """How long records have been in flight with no sign of the broker."""
        return self.loop.time() - self._waiting_since if self.count else 0.0


class Producers:
    """A supervisor: at most one producer, and at most one attempt to connect, at a time."""

    def __init__(self, *, connect: Connect, topics: Sequence[str], stalled_after_s: float) -> None:
        self.current: Session | None = None
        self._connect = connect
        self._topics = topics
        self._stalled_after_s = stalled_after_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = self._task or asyncio.create_task(self._supervise(), name="ingest-producers")

    async def stop(self, grace_s: float) -> None:
        task, self._task = self._task, None
        session, self.current = self.current, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,), timeout=grace_s + CLOSE_S)
        if session is not None:
            await session.emptied(grace_s)
            session.abandon()
            await close(session.producer, CLOSE_S / 10)

    async def _supervise(self) -> None:
        while True:
            session = Session(await self._connected())
            self.current = session
            log.info("the producer is connected")
            await self._until_lost(session)
            self.current = None
            session.abandon()
            await close(session.producer, 0)

    async def _connected(self) -> Any:
        """A started producer, however long it takes. Each attempt is bounded: aiokafka's own may wait for ever."""
        backoff_s = 0.2
        while True:
            producer = self._connect()
            try:
                async with asyncio.timeout(ATTEMPT_S):
                    await producer.start()
                await self._meet_topics(producer)
            except Exception as error:  # noqa: BLE001  whatever it is, the next attempt may succeed
                log.warning("Kafka is not reached (%s); next attempt in %.1f s", type(error).__name__, backoff_s)
                await close(producer, 0)
            except BaseException:
                await close(producer, 0)
                raise
            else:
                return producer
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _meet_topics(self, producer: Any) -> None:
        """Learn the topics before the first delivery needs them, and say at once which one is missing."""
        for topic in self._topics:
            try:
                async with asyncio.timeout(ATTEMPT_S / 5):
                    await producer.partitions_for(topic)
            except Exception as error:  # noqa: BLE001  deliveries for the other topics go on
                log.error(  # noqa: TRY400  the traceback is aiokafka's and says nothing
                    "topic %s is not there or not ours (%s): run `stripeline topics apply`", topic, type(error).__name__
                )

    async def _until_lost(self, session: Session) -> None:
        while session.stalled_s() < self._stalled_after_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.broken.wait(), timeout=min(1.0, self._stalled_after_s))
                log.error("the producer failed and is replaced")
                return
        log.error("nothing was acknowledged for %.0f s: the producer is replaced", session.stalled_s())


async def close(producer: Any, grace_s: float) -> None:
    """Stop a producer within `grace_s` and a little, even when its broker is gone.

    aiokafka's `stop` flushes first, and with an absent broker that has no end: then its tasks are ended one by one.
    """
    stopping = asyncio.create_task(producer.stop())
    await asyncio.wait((stopping,), timeout=grace_s + 0.1)
    if not stopping.done():
        sender = producer._sender.sender_task  # noqa: SLF001  there is no public way to give a flush up
        await _end(stopping)
        await _end(sender)
        producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001  whoever still waits is told
        await _end(asyncio.create_task(producer.client.close()), patience_s=1.0)
    elif stopping.exception() is not None:
        log.debug("a producer ended with %s", type(stopping.exception()).__name__)


async def _end(task: "asyncio.Task[Any] | None", patience_s: float = 0.0) -> None:
    """Cancel a task until it is done. The sender waits for its requests when cancelled once, and ends when twice."""
    if task is None:
        return
    if patience_s:
        await asyncio.wait((task,), timeout=patience_s)
    for _ in range(5):
        if task.done():
            break
        task.cancel()
        await asyncio.wait((task,), timeout=0.2)
    if task.done() and not task.cancelled():
        task.exception()
