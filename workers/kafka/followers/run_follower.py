"""Reads the runs of this process's partitions, for connections that take only commands of runs.

Uncommitted records too: a run is known before its command can be read, and no transaction that somebody left open holds
it back.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition

from stripeline.workers.executor.connection.own_runs import OwnRuns
from stripeline.workers.kafka.followers.follower import LOOK_EVERY_S, Follower
from stripeline.workers.kafka.partition_reader import FOLLOW_WAIT_MS, PartitionReader, partition_reader

_FETCH_BYTES: Final = 8_388_608


class RunFollower:
    """numbers: the partitions that this process works on. wanted: whether any connection needs their runs."""

    def __init__(
        self, topic: str, client: Mapping[str, Any], runs: OwnRuns, *, wanted: Callable[[], bool],
        numbers: Callable[[], Collection[int]], now_ms: Callable[[], int], words: Callable[[Exception], str] = repr,
    ) -> None:  # fmt: skip
        self._topic, self._client, self._runs = topic, client, runs
        self._wanted, self._numbers, self._now_ms = wanted, numbers, now_ms
        self._ends: dict[TopicPartition, int] = {}
        self._asked_ms = 0
        self.follower = Follower(topic, self._follow, wanted, words)

    async def _follow(self) -> None:
        following: dict[TopicPartition, int] = {}
        async with partition_reader(
            self._client, fetch_wait_ms=FOLLOW_WAIT_MS, max_partition_fetch_bytes=_FETCH_BYTES,
            isolation_level="read_uncommitted",
        ) as reader:  # fmt: skip
            try:
                while self._wanted():
                    following = await self._follow_all(reader, following)
                    await self._read(reader, list(following))
            finally:
                for tp in following:
                    self._runs.forget(tp.partition)

    async def _follow_all(
        self, reader: PartitionReader, following: dict[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """The partitions that are wanted now, each from where it was read to, or from its beginning."""
        wanted = {TopicPartition(self._topic, number) for number in self._numbers()}
        if wanted == following.keys():
            return following
        for gone in following.keys() - wanted:
            self._runs.forget(gone.partition)
        kept = {tp: await reader.position(tp) for tp in following.keys() & wanted}
        new = sorted(wanted - following.keys())
        firsts = await reader.first_offsets(new) if new else {}
        now = {**kept, **firsts}
        reader.seek(now)
        self._ends, self._asked_ms = {}, 0
        return now

    async def _read(self, reader: PartitionReader, partitions: Sequence[TopicPartition]) -> None:
        if not partitions:
            await reader.idle(LOOK_EVERY_S)
            return
        if self._now_ms() - self._asked_ms >= LOOK_EVERY_S * 1000:
            asked_ms = self._now_ms()  # before: what was appended until then is before these ends
            self._ends, self._asked_ms = dict(await reader.end_offsets(partitions)), asked_ms
        self._learn(await reader.poll())
        for tp in partitions:
            if await reader.position(tp) >= self._ends[tp]:
                self._runs.read_to(tp.partition, self._asked_ms)
        self.follower.well()

    def _learn(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            if record.key is not None:
                self._runs.learn(record.partition, record.key.decode(), record.value)
