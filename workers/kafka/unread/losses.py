"""What Kafka removed of an input before it was read: said in the log, and as a gap with its dead letter."""

from collections.abc import Iterable

import structlog
from aiokafka.structs import TopicPartition

from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.task import gaps
from stripeline.workers.task.gaps import Gap, missing
from stripeline.workers.task.watermark import Range

log = structlog.get_logger()


def lost_gap(
    tp: TopicPartition, position: int, first: int, finished: Iterable[Range], *, dead_letters: str, now_ms: int
) -> Gap | None:
    """The gap from a position to the log's first offset; None where all of it had been finished."""
    lacks = missing(position, first - 1, finished)
    if lacks is None:
        return None
    log.error(
        LogEvent.OFFSETS_LOST, topic=tp.topic, partition=tp.partition, first=lacks.first, last=lacks.last,
        count=lacks.count, reason="Kafka removed them before they were read: the topic's retention is shorter than the"
        " time that its readers were away. Their records are gone; a dead letter names the range.",
    )  # fmt: skip
    return gaps.lost(dead_letters, tp.topic, tp.partition, first - 1, lacks, now_ms)


def tell_expired_commits(group: str, firsts: Iterable[tuple[TopicPartition, int]]) -> None:
    """The changelog has a state and the group no commit: it was empty for longer than Kafka keeps its offsets."""
    for tp, first in firsts:
        log.error(
            LogEvent.COMMITS_EXPIRED, topic=tp.topic, partition=tp.partition, group=group, first=first,
            reason=f"Kafka forgot what {group} had read, so all that is there is read again; what was removed before"
            f" offset {first} without being read can't be known. Raise the brokers' offsets.retention.minutes.",
        )  # fmt: skip


def tell_truncated(tp: TopicPartition, read_to: int, first: int) -> None:
    log.error(
        LogEvent.LOG_TRUNCATED, topic=tp.topic, partition=tp.partition, read_to=read_to, first=first,
        reason="the log ends before what was read of it: the topic was created again, or a broker lost records. All"
        " that is there is read; what was done is known by its id.",
    )  # fmt: skip
