"""Notes published events on `stripe.event-seen`, beside the deliveries: they never wait for it, and never fail by it.

It has a producer of its own. In a request that it shared with the deliveries' producer, a batch that waits for in-sync
replicas would hold back theirs, and an error of this topic could cost them their producer.

Invariants:
- What `note` costs a delivery is bounded, whatever Kafka does; nothing is awaited.
- One record is in flight at a time, and each attempt ends; what was not taken is counted as dropped, and not repeated.
- While the topic is not there nothing is kept, and Kafka is not asked for it: a broker that creates topics by itself
  would make it with the wrong settings.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

import structlog
from aiokafka import AIOKafkaProducer

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest.delivery_counters import Counters
from stripeline.ingest.kafka.aiokafka_internals import end_producer
from stripeline.ingest.kafka.producer_start import start_within
from stripeline.ingest.kafka.publish_errors import reason_of
from stripeline.ingest.limited_log import LimitedLog
from stripeline.ingest.seen_buffer import EventNote, SeenBuffer

NOTE_EVERY_S: Final = 0.25
"""A process that is killed loses the notes of so long. They cost an event less than a microsecond."""
NOTED: Final = "stripeline_events_seen_noted_total"
DROPPED: Final = "stripeline_events_seen_dropped_total"
_WRITE_S: Final = 10.0
_START_S: Final = 10.0
_LONGEST_BACKOFF_S: Final = 30.0
_LOOK_S: Final = 1.0
_FLUSH_S: Final = 1.0
_END_S: Final = 0.1

log = structlog.get_logger(__name__)
Connect = Callable[[], Any]


def seen_connector(client: Mapping[str, Any]) -> Connect:
    """The producer's settings, beside the client options."""

    def connect() -> AIOKafkaProducer:
        return AIOKafkaProducer(**{
            **client,
            "acks": "all",
            "enable_idempotence": False,  # a note that is written twice says the same
            "request_timeout_ms": int(_WRITE_S * 1000),  # after it such a producer gives a record up
            "max_request_size": RECORD_MAX_BYTES,
            "compression_type": "zstd",  # a quarter of the bytes, which are kept for 32 days
        })  # fmt: skip

    return connect


class SeenWriter:
    """The notes of one process.

    is_there: whether the topic exists, as of the last look. words: says what an error of Kafka's means.
    why: what keeps it from writing, in words; None while nothing is known to.
    """

    def __init__(
        self,
        topic: str,
        connect: Connect,
        counters: Counters,
        *,
        is_there: Callable[[], bool] = lambda: True,
        words: Callable[[Exception], str] = repr,
        every_s: float = NOTE_EVERY_S,
    ) -> None:
        self.why: str | None = None
        self._topic, self._connect, self._counters = topic, connect, counters
        self._is_there, self._words, self._every_s = is_there, words, every_s
        self._buffer, self._log = SeenBuffer(), LimitedLog(log)
        self._open = is_there()
        self._stirred, self._ending = asyncio.Event(), asyncio.Event()
        self._producer: Any = None
        self._task: asyncio.Task[None] | None = None

    def note(self, topic: str, partition: int, first_offset: int, notes: Sequence[EventNote | None]) -> None:
        """Keep the events of a batch that Kafka has acknowledged, to be noted soon."""
        if not self._open:
            self._dropped(sum(note is not None for note in notes), NotTakenReason.NO_TOPIC)
            return
        self._dropped(self._buffer.add(topic, partition, first_offset, notes), NotTakenReason.FULL)
        self._stirred.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="ingest event notes")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self, within_s: float = _FLUSH_S) -> None:
        """Note what is kept, where Kafka took the last note, and close."""
        task, self._task = self._task, None
        if task is not None:
            self._ending.set()
            self._stirred.set()
            await asyncio.wait((task,), timeout=within_s)
            task.cancel()
            await asyncio.wait((task,), timeout=_END_S)
        self._dropped(self._buffer.clear(), NotTakenReason.AWAY)
        await self._close()

    async def _run(self) -> None:
        pause_s, ending = self._every_s, False
        while not ending:
            await self._next(pause_s)
            ending = self._ending.is_set()
            self._look()
            if self._open and self._buffer and not (ending and self.why):
                pause_s = self._every_s if await self._write_all() else min(pause_s * 2, _LONGEST_BACKOFF_S)

    async def _next(self, pause_s: float) -> None:
        """Wait a while, and then for an event, or for the topic."""
        await _set(self._ending, pause_s)
        if not self._open:
            await _set(self._ending, _LOOK_S)
        elif not self._buffer:
            self._stirred.clear()
            await _set(self._stirred, _LOOK_S)

    def _look(self) -> None:
        self._open = self._is_there()
        if not self._open:
            self.why = None  # that it is missing is said by the look at all topics
            self._dropped(self._buffer.clear(), NotTakenReason.NO_TOPIC)

    async def _write_all(self) -> bool:
        """Whether Kafka took all that is kept. After a failure the next attempt begins with a new producer."""
        while (record := self._buffer.take()) is not None:
            try:
                producer = await self._started()
                async with asyncio.timeout(_WRITE_S):
                    await producer.send_and_wait(self._topic, record.value)
            except Exception as error:  # noqa: BLE001  whatever it is, the deliveries go on
                self._failed(error, record.events)
                await self._close()
                return False
            except BaseException:
                self._dropped(record.events, NotTakenReason.AWAY)
                raise
            self.why = None
            self._counters.add(NOTED, record.events)
        return True

    def _failed(self, error: Exception, events: int) -> None:
        reason, words = reason_of(error), self._words(error)
        self.why = (
            f"Published events are not noted on {self._topic}: {words}. Deliveries go on; a comparison with Stripe's"
            " list will find these events missing, and publish them once more: no run starts twice."
        )
        self._dropped(events, reason)
        self._log.error(LogEvent.EVENTS_NOT_NOTED, reason, topic=self._topic, error=words, events=events)

    def _dropped(self, events: int, reason: NotTakenReason) -> None:
        if events:
            self._counters.add(DROPPED, events, reason)

    async def _started(self) -> Any:
        if self._producer is None:
            self._producer = self._connect()
            await start_within(self._producer.start(), _START_S)
        return self._producer

    async def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await end_producer(producer, _END_S)


async def _set(event: asyncio.Event, within_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), within_s)
