"""Once a second beside a member's reads: keeps it in its group, and notes whether Kafka answers and what is held back.

aiokafka takes a member whose consumer is not polled for five minutes for dead, and a long restore polls nothing. A poll
of a partition that does not exist brings nothing, and counts.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.task import Task
from stripeline.workers.kafka.watch.blocked_inputs import BlockedInputs
from stripeline.workers.kafka.watch.sign_of_life import SignOfLife
from stripeline.workers.task.open_transaction import Reach

_EVERY_S: Final = 1.0
_POLL_S: Final = 1.0
_NOWHERE: Final = TopicPartition("", 0)


class Upkeep:
    """Of one membership. `tasks` is the worker's own mapping, which changes with each assignment."""

    def __init__(
        self, consumer: AIOKafkaConsumer, inputs: Sequence[str], tasks: Mapping[int, Task[Any]], life: SignOfLife,
        blocked: BlockedInputs,
    ) -> None:  # fmt: skip
        self._consumer, self._tasks, self._life, self._blocked = consumer, tasks, life, blocked
        self._some = [TopicPartition(topic, 0) for topic in inputs]
        self._done_s = 0.0

    async def once(self) -> None:
        """Returns in bounded time. Raises KafkaError for what ends the membership."""
        if time.monotonic() - self._done_s < _EVERY_S:
            return
        self._done_s = time.monotonic()
        await self._poll()
        self._life.look(self._consumer)
        await self._life.ask(self._consumer, [*self._consumer.assignment()] or self._some)
        if self._blocked.due:
            self._blocked.look(self._reaches())

    async def _poll(self) -> None:
        # While a group is joined this waits for the broker, whatever its timeout. Cut short, aiokafka 0.14 takes it to
        # last for ever, and never leaves the group for want of a poll: the watchdog watches the polls.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                await self._consumer.getmany(_NOWHERE, timeout_ms=0)

    def _reaches(self) -> Mapping[TopicPartition, Reach]:
        """How far the open tasks' inputs were read, where a fetch has said where they end."""
        found: dict[TopicPartition, Reach] = {}
        assigned = self._consumer.assignment()
        for task in self._tasks.values():
            for tp, source in task.inputs.items():
                if task.open and tp in assigned:
                    stable, end = self._consumer.last_stable_offset(tp), self._consumer.highwater(tp)
                    if stable is not None and end is not None:
                        found[tp] = Reach(max(source.read_to, source.watermark.next), stable, end)
        return found
