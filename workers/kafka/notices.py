"""Publishes what a task tells every process, such as a refused key, on `stripe.control`, outside of its transaction.

A transaction on the control topic would hold back everybody's definitions while it is open, for as long as a broken
producer leaves it so. A notice states a fact that holds whether or not the task's transaction commits. The newest one
of a key is repeated until Kafka has it; a process that ends before that has told nobody, and the next one that meets
the fact does.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.task.decision import OutputRecord

_SEND_S: Final = 15.0
_CLOSE_S: Final = 2.0
_RETRY_S: Final = (0.5, 2.0, 5.0)
log = structlog.get_logger()


class Notices:
    """The notices of one worker. Bounded by their keys: there are as many as connections."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = client
        self._waiting: dict[tuple[str, bytes | None], OutputRecord] = {}
        self._sending: asyncio.Task[None] | None = None

    def put(self, *notices: OutputRecord) -> None:
        self._waiting.update(((notice.topic, notice.key), notice) for notice in notices)
        if notices and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send_all(), name="notices")

    async def close(self) -> None:
        """End, in bounded time: what Kafka did not take by then is not published."""
        if self._sending is not None:
            await asyncio.wait((self._sending,), timeout=_CLOSE_S)
            self._sending.cancel()
            await asyncio.wait((self._sending,), timeout=_CLOSE_S)

    async def _send_all(self) -> None:
        failures = 0
        while self._waiting:
            try:
                await self._send(dict(self._waiting))
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning(LogEvent.NOTICE_NOT_PUBLISHED, reason=repr(error), notices=len(self._waiting))
                await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1

    async def _send(self, notices: Mapping[tuple[str, bytes | None], OutputRecord]) -> None:
        async with one_off_producer(self._client) as producer, asyncio.timeout(_SEND_S):
            for place, notice in notices.items():
                await producer.send_and_wait(
                    notice.topic, notice.value, key=notice.key, partition=notice.partition, headers=list(notice.headers)
                )
                if self._waiting.get(place) is notice:
                    del self._waiting[place]
