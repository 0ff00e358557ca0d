"""What of the inputs of each role was not read: the committed offsets of its group beside the ends of the topics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import TopicPartition

from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.status.facts import Unread
from stripeline.deploy.operations.topics_admin import connected
from stripeline.workers.kafka.partition_reader import partition_reader

GROUPS: Final = "what the groups have read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """records: not taken, by role. unread: inputs that nobody has ever begun."""

    records: Mapping[str, int] = field(default_factory=dict)
    unread: Sequence[Unread] = ()


async def read_backlog(topics: Topics, client: Mapping[str, Any]) -> Backlog:
    """As of now. Raises KafkaError, FailureError, OSError."""
    async with connected(client) as cluster:
        layout, committed = await cluster.layout(), await cluster.committed(topics.groups)
    inputs = {"router": [*topics.events, topics.result, topics.act], "executor": [topics.command, *topics.retries]}
    places = {
        role: [TopicPartition(name, number) for name in names for number in range(len(layout.topics.get(name, ())))]
        for role, names in inputs.items()
    }
    every = [tp for of_role in places.values() for tp in of_role]
    async with partition_reader(client) as reader:
        first, ends = await reader.first_offsets(every), await reader.end_offsets(every)
    left = {tp: max(0, ends[tp] - max(first[tp], committed.get(tp, 0))) for tp in every}
    never = {role: [tp for tp in found if tp not in committed and left[tp]] for role, found in places.items()}
    unread = [
        Unread(
            role=role, topic=name, partitions=tuple(tp.partition for tp in found if tp.topic == name),
            records=sum(left[tp] for tp in found if tp.topic == name),
        )
        for role, found in never.items()
        for name in dict.fromkeys(tp.topic for tp in found)
    ]  # fmt: skip
    return Backlog(records={role: sum(left[tp] for tp in found) for role, found in places.items()}, unread=unread)
