"""What the openings of a worker's tasks share: their turns, and what each asks Kafka after its fence."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.aiokafka_topic_ids_internals import topic_ids
from stripeline.workers.kafka.opening.restore import watermarks
from stripeline.workers.kafka.opening.shared_question import SharedQuestion
from stripeline.workers.kafka.partition_reader import log_ends
from stripeline.workers.kafka.watch.connection_asks import ConnectionAsks
from stripeline.workers.task.watermark import Watermark

# One waits for Kafka while the other applies. More would only take memory, a fetch each, and open all tasks late.
_RESTORES_AT_A_TIME: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """Of one worker.

    asks: asks the connections of open tasks for a sign of life.
    turn: bounds how many tasks restore at a time.
    ends: where logs end now. watermarks: as the group last committed them. topic_ids: of the topics that are there.
    """

    client: Mapping[str, Any]
    asks: ConnectionAsks
    turn: asyncio.Semaphore
    ends: SharedQuestion[TopicPartition, int]
    watermarks: SharedQuestion[TopicPartition, Watermark]
    topic_ids: SharedQuestion[str, str]


def openings(group: str, client: Mapping[str, Any]) -> Openings:
    return Openings(
        client=client,
        asks=ConnectionAsks(),
        turn=asyncio.Semaphore(_RESTORES_AT_A_TIME),
        ends=SharedQuestion(lambda places: log_ends(list(places), client)),
        watermarks=SharedQuestion(lambda places: watermarks(group, list(places), client)),
        topic_ids=SharedQuestion(lambda names: topic_ids(names, client)),
    )
