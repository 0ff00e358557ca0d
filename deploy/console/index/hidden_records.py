"""Names what is behind transactions that somebody left open: nobody can read it until they end."""

import time
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition

from stripeline.workers.kafka.partition_reader import PartitionReader
from stripeline.workers.kafka.watch.open_transactions import bootstrap_servers, open_transaction
from stripeline.workers.task.open_transaction import HeldPartitions, Reach, words


class HiddenRecords:
    """Of the partitions of one reader."""

    def __init__(self, reader: PartitionReader, client: Mapping[str, Any]) -> None:
        self._reader, self._client = reader, client
        self._held, self._words = HeldPartitions[TopicPartition](), dict[TopicPartition, tuple[int, str]]()

    async def look(self, positions: Mapping[TopicPartition, int], now_s: float) -> dict[str, str]:
        """What is held back, with the transaction and how to end it."""
        reaches = {}
        for tp, at in positions.items():
            stable, end = self._reader.last_stable_offset(tp), self._reader.log_end(tp)
            if stable is not None and end is not None:
                reaches[tp] = Reach(at, stable, end)
        held = self._held.look(now_s, reaches)
        for tp, offset in held.items():
            if self._words.get(tp, (None, ""))[0] != offset:
                self._words[tp] = (offset, await self._words_of(tp, offset))
        return {f"{tp.topic}-{tp.partition} from offset {at} on": self._words[tp][1] for tp, at in held.items()}

    async def _words_of(self, tp: TopicPartition, offset: int) -> str:
        found = await open_transaction(tp, offset, self._client)
        return words(found, int(time.time() * 1000), bootstrap_servers(self._client))
