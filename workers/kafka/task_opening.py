"""Finds out where a task goes on: the state of its changelog, and the watermark of each input partition.

Called after the task's producer has fenced its former owner, so nobody can add to what is read here.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.restore import Kept, restore, watermarks
from stripeline.workers.task.watermark import Watermark

Beginnings = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Asks for the first offsets of partitions."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where an input partition goes on, and where it ended when the task began."""

    watermark: Watermark
    end: int


async def starts(
    group: str, changelog: TopicPartition, kept: Kept[Any], inputs: Sequence[TopicPartition], beginnings: Beginnings,
    client: Mapping[str, Any],
) -> Mapping[TopicPartition, Start]:  # fmt: skip
    """Restore the state into `kept`, and return where each input goes on.

    Raises KafkaError, TimeoutError, and UnreadableRecordError for a record of the changelog.
    """
    found = await watermarks(group, inputs, client)
    ends = await restore(changelog, kept, inputs, client)
    fresh = await beginnings([tp for tp in inputs if tp not in found])
    return {tp: Start(found.get(tp) or Watermark(fresh[tp]), ends[tp]) for tp in inputs}
