"""Reads a member's input partitions, and delivers the records to its open tasks. Decides nothing about a record."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.consumer import POLL_MS
from stripeline.workers.kafka.task import Task

_READ_RECORDS: Final = 500
_READ_S: Final = 1.0


class Polling:
    """The reads of one membership. `tasks` is the worker's own mapping, which changes with each assignment."""

    def __init__(self, consumer: AIOKafkaConsumer, tasks: Mapping[int, Task[Any]]) -> None:
        self._consumer, self._tasks = consumer, tasks

    async def once(self) -> None:
        """Read what the tasks have room for. Returns in bounded time; raises KafkaError."""
        wanted = [tp for task in self._tasks.values() for tp in task.wanted()]
        if not wanted and self._tasks:
            await asyncio.sleep(POLL_MS / 1000 / 10)  # everything is full, or being restored
            return
        try:
            # While a group is joined this waits for the broker's answer, whatever its timeout: longer than a stop may.
            async with asyncio.timeout(_READ_S):
                # Without tasks this only keeps the membership alive: a member that never polls can't join again.
                read = await self._consumer.getmany(*wanted, timeout_ms=POLL_MS, max_records=_READ_RECORDS)
        except TimeoutError:
            return
        for tp, records in read.items():
            if (task := self._open_task(tp)) is not None:
                task.deliver(tp, records, records[-1].offset + 1)
        if not read:
            await self._note_positions(wanted)

    async def _note_positions(self, idle: Iterable[TopicPartition]) -> None:
        """Offsets without records (transaction markers) move the position too: lag is 0 when all is read."""
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_READ_S):
                for tp in idle:
                    task = self._open_task(tp)
                    if task is not None:
                        position = await self._consumer.position(tp)
                        if self._tasks.get(tp.partition) is task:
                            task.deliver(tp, [], position)

    def _open_task(self, tp: TopicPartition) -> Task[Any] | None:
        task = self._tasks.get(tp.partition)
        return task if task is not None and task.open else None
