"""When Kafka last answered a consumer.

aiokafka's `getmany` returns nothing both where there is nothing and where no broker answers, and the client never goes
back to the bootstrap list: a consumer to which Kafka is silent has to be replaced.
An answered fetch is a sign of life that costs nothing. Where no fetch is due (every buffer is full, or no partition is
assigned) a request is made every `ASK_AFTER_S`.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from itertools import count
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

SILENT_S: Final = 30.0
"""What reads without a group is opened from the bootstrap list after this time without an answer."""
ASK_AFTER_S: Final = 10.0

_LOOK_EVERY_S: Final = 1.0
_ASK_S: Final = 5.0


class SignOfLife:
    """Of one consumer, or of those that follow each other in one place."""

    def __init__(self) -> None:
        self._heard_s = self._looked_s = self._asked_s = time.monotonic()
        self._answered_ms = 0
        self._questions = count()

    def silent_s(self) -> float:
        """Seconds since Kafka last answered."""
        return time.monotonic() - self._heard_s

    def heard(self) -> None:
        self._heard_s = time.monotonic()

    def look(self, consumer: AIOKafkaConsumer) -> None:
        """Note the fetches that were answered since the last look; at most once a second."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        answered_ms = max((consumer.last_poll_timestamp(tp) or 0 for tp in consumer.assignment()), default=0)
        # Compared for a change only: it is the host's time of day, which may jump.
        if answered_ms not in {0, self._answered_ms}:
            self._answered_ms = answered_ms
            self._heard_s = now_s

    async def ask(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Ask where one of these partitions ends, another one each time: one may be without a leader. Bounded."""
        now_s = time.monotonic()
        if min(now_s - self._heard_s, now_s - self._asked_s) < ASK_AFTER_S:
            return
        self._asked_s = now_s
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(_ASK_S):
                await consumer.end_offsets([partitions[next(self._questions) % len(partitions)]])
            self.heard()
