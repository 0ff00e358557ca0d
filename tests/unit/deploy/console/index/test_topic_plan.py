"""Which partitions the index reads: a topic or a partition that is away is named, and stops no other."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, UnknownError

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index import topic_plan as planning
from stripeline.deploy.console.index.topic_plan import begins, topic_plan
from stripeline.deploy.operations.aiokafka_internals import NamedTopic
from stripeline.deploy.operations.topics_admin import Layout

TOPICS = Topics()


class FakeCluster:
    """Topics of three partitions; of one topic two have no leader, and one topic does not exist."""

    async def layout(self) -> Layout:
        return Layout(brokers=(1,), topics={})

    async def all_named(self, names: Sequence[str]) -> tuple[Mapping[str, NamedTopic], Mapping[str, str]]:
        found = {name: self._named(name) for name in names if name != TOPICS.audit}
        return found, {TOPICS.audit: "it does not exist"}

    @staticmethod
    def _named(name: str) -> NamedTopic:
        leaderless = frozenset({0, 2}) if name == TOPICS.run else frozenset()
        return NamedTopic(error_code=0, partitions=(0, 1, 2), leaderless=leaderless, operations=None)


class FakeReader:
    """Partitions with offsets 5 to 9, of which one broker can't look up a time."""

    def __init__(self, failing: type[Exception] = UnknownError) -> None:
        self.failing = failing

    async def first_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 5)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 9)

    async def offsets_at(self, partitions: Sequence[TopicPartition], at_ms: int) -> Mapping[TopicPartition, int]:
        if TopicPartition(TOPICS.command, 1) in partitions:
            raise self.failing
        return dict.fromkeys(partitions, 7)


async def test_what_is_away_is_named_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def connected(_: object) -> AsyncIterator[FakeCluster]:
        yield FakeCluster()

    async def topic_ids(names: Sequence[str], _: object) -> Mapping[str, str]:
        return dict.fromkeys(names, "id")

    monkeypatch.setattr(planning, "connected", connected)
    monkeypatch.setattr(planning, "topic_ids", topic_ids)
    plan = await topic_plan(TOPICS, {})
    assert plan.missing == {
        TOPICS.audit: "it does not exist",
        f"{TOPICS.run}, partitions 0 and 2": "no broker leads it now: it is read once one does",
    }
    assert [tp.partition for tp in plan.partitions if tp.topic == TOPICS.run] == [1]
    assert [tp.partition for tp in plan.partitions if tp.topic == TOPICS.command] == [0, 1, 2]


async def test_a_time_that_can_not_be_looked_up_is_the_first_offset() -> None:
    commands = [TopicPartition(TOPICS.command, number) for number in range(3)]
    reader: Any = FakeReader()
    assert list((await begins(reader, TOPICS, commands, 1)).values()) == [7, 5, 7]
    away: Any = FakeReader(KafkaConnectionError)
    with pytest.raises(KafkaConnectionError):
        await begins(away, TOPICS, commands, 1)
