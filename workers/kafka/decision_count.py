"""Counts what was decided about a record, and warns of a workflow that our own effects led to too often."""

import structlog

from stripeline.contracts.vocabulary import LogEvent, UnstartedReason
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.decision import Decision, InputRecord

log = structlog.get_logger()


def count(counts: Counts, record: InputRecord, decision: Decision) -> None:
    counts.finished(record.topic, decision.verdict, decision.ended)
    for one in decision.unstarted:
        counts.unstarted[one] += 1
        if one.reason is UnstartedReason.HOP_LIMIT:
            log.warning(
                LogEvent.HOP_LIMIT, workflow=one.workflow, topic=record.topic, partition=record.partition,
                offset=record.offset,
            )  # fmt: skip
