"""Counts what was decided about a record, and warns of brakes and of our own effects' chains."""

import structlog

from stripeline.contracts.vocabulary import LogEvent, UnstartedReason
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.decision import Decision, InputRecord

log = structlog.get_logger()


def count(counts: Counts, record: InputRecord, decision: Decision, dead_letters: str) -> None:
    counts.finished(record.topic, decision.verdict, decision.ended)
    counts.wrote(decision.outputs, dead_letters)
    if decision.braked is not None:
        log.warning(LogEvent.BRAKE_TRIPPED, reason=decision.braked)
    for one in decision.unstarted:
        counts.unstarted[one] += 1
        if one.reason is UnstartedReason.HOP_LIMIT:
            log.warning(
                LogEvent.HOP_LIMIT, workflow=one.workflow, topic=record.topic, partition=record.partition,
                offset=record.offset,
            )  # fmt: skip
