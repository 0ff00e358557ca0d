"""Reads what the tasks of other processes have begun, from their reports on `stripe.worker`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from stripeline.contracts.internal_records import UnreadableRecordError, read
from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.workers.brakes.peers import Peers
from stripeline.workers.kafka.followers.follower import Follower
from stripeline.workers.kafka.partition_reader import FOLLOW_WAIT_MS, partition_reader
from stripeline.workers.kafka.watch.sign_of_life import SignOfLife

_HEARD_S = 5.0


class PeerReports:
    """wanted: whether any limit needs them. now_ms: the broker's time."""

    def __init__(
        self, topic: str, client: Mapping[str, Any], peers: Peers, *, wanted: Callable[[], bool],
        now_ms: Callable[[], int], words: Callable[[Exception], str] = repr,
    ) -> None:  # fmt: skip
        self._tp, self._client, self._peers = TopicPartition(topic, 0), client, peers
        self._wanted, self._now_ms = wanted, now_ms
        self.follower = Follower(topic, self._follow, wanted, words)

    async def _follow(self) -> None:
        life = SignOfLife()
        async with partition_reader(self._client, fetch_wait_ms=FOLLOW_WAIT_MS, life=life) as reader:
            first = (await reader.first_offsets([self._tp]))[self._tp]
            end = (await reader.end_offsets([self._tp]))[self._tp]
            reader.seek({self._tp: first})
            async for records in reader.read_to({self._tp: end}):
                self._learn(records)
            while self._wanted():
                if life.silent_s() < _HEARD_S:
                    self._peers.heard(self._now_ms())
                    self.follower.well()
                self._learn(await reader.poll(self._tp))

    def _learn(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            if record.value is None:  # a clean end: what it had begun still counts
                continue
            try:
                self._peers.learn(read(WorkerReport, record.value).spent, record.timestamp)
            except UnreadableRecordError:  # of another version; `status` names it
                continue
