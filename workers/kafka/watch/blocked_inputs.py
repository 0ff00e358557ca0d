"""The input partitions that somebody else's open transaction holds back, with its words for a person.

Found from the fetches alone: their answers carry both ends of a partition. Kafka is asked once about each that is held,
for the producer's id.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka.structs import TopicPartition

from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.kafka.watch.open_transactions import bootstrap_servers, open_transaction
from stripeline.workers.task.open_transaction import HeldPartitions, OpenTransaction, Reach, words

_LOOK_EVERY_S: Final = 5.0
log = structlog.get_logger()


class BlockedInputs:
    """Of one worker. `now_ms` is the broker's time."""

    def __init__(self, role: str, client: Mapping[str, Any], now_ms: Callable[[], int]) -> None:
        self._client, self._now_ms = client, now_ms
        self._partitions = HeldPartitions[TopicPartition]()
        self._found: dict[TopicPartition, OpenTransaction] = {}
        self._asking: asyncio.Task[None] | None = None
        self._looked_s = 0.0
        self._log = log.bind(role=role)

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() - self._looked_s >= _LOOK_EVERY_S

    def look(self, reaches: Mapping[TopicPartition, Reach]) -> None:
        """How far the consumer got in each input partition."""
        self._looked_s = time.monotonic()
        held = self._partitions.look(self._looked_s, reaches)
        self._found = {tp: found for tp, found in self._found.items() if held.get(tp) == found.offset}
        new = {tp: offset for tp, offset in held.items() if tp not in self._found}
        if new and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask(new), name="open transactions")

    def words(self) -> Sequence[str]:
        servers, now_ms = bootstrap_servers(self._client), self._now_ms()
        return [
            f"{tp.topic}-{tp.partition} is read no further: {words(found, now_ms, servers)}"
            for tp, found in sorted(self._found.items())
        ]

    def seconds(self) -> Mapping[TopicPartition, float]:
        """How long each of them has been held."""
        now_s = time.monotonic()
        return {tp: self._partitions.held_s(tp, now_s) for tp in self._found}

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,))

    async def _ask(self, held: Mapping[TopicPartition, int]) -> None:
        for tp, offset in held.items():
            self._found[tp] = found = await open_transaction(tp, offset, self._client)
            reason = words(found, self._now_ms(), bootstrap_servers(self._client))
            self._log.warning(LogEvent.INPUT_BLOCKED, topic=tp.topic, partition=tp.partition, reason=reason)
