"""A worker's consumer: how it joins its group, how it fetches, and how it stops. Decides nothing."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from stripeline.workers.kafka.aiokafka_internals import close_connections
from stripeline.workers.kafka.task_assignor import TaskAssignor
from stripeline.workers.task.assignment import Sharing

POLL_MS = 100
IDLE_POLL_MS: Final = 500
"""For a member that has nothing to do: `stripeline.workers.task.idle_reads`."""
METADATA_AGE_MS: Final = 30_000
_STOP_S, _CUT_S = 5.0, 1.0


def group_consumer(
    client: Mapping[str, Any],
    group: str,
    instance_id: str | None,
    sharing: Sharing,
    *,
    session_s: float,
    drain_s: float,
    poll_s: float,
) -> AIOKafkaConsumer:
    """A consumer of a group that is not started yet."""
    return AIOKafkaConsumer(
        **client,
        group_id=group,
        group_instance_id=instance_id,
        enable_auto_commit=False,
        # A position that is gone raises: with a reset the consumer would move past what was lost, without a word.
        auto_offset_reset="none",
        isolation_level="read_committed",
        partition_assignment_strategy=[TaskAssignor(sharing)],
        # How long a topic that was created, deleted or given partitions may stay unknown.
        metadata_max_age_ms=METADATA_AGE_MS,
        session_timeout_ms=int(session_s * 1000),
        heartbeat_interval_ms=int(session_s * 1000 / 4),
        max_poll_interval_ms=int(poll_s * 1000),
        # In aiokafka this bounds the drain of a revoked task, and max_poll_interval_ms does not.
        rebalance_timeout_ms=int((drain_s + 5) * 1000),
        # aiokafka sends one fetch per node at a time: a long one delays partitions that have room again.
        fetch_max_wait_ms=POLL_MS,
    )


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close, in bounded time: aiokafka's stop waits for a rebalance, and for the broker."""
    if not await _ends(consumer.stop(), _STOP_S):
        await _ends(close_connections(consumer), _CUT_S)  # a stop that was cancelled leaves them open


async def _ends(work: Coroutine[Any, Any, Any], within_s: float) -> bool:
    """Whether it ended well and in time. What it raises is dropped.

    In a task of its own: aiokafka waits for its connections by futures that an earlier, cancelled stop has cancelled.
    Their CancelledError cancels nobody, and would end a caller's task without a word.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait((task,), timeout=within_s)
        if task.done():
            return not task.cancelled() and task.exception() is None
    finally:
        task.cancel()
    await asyncio.wait((task,), timeout=_CUT_S)
    return False
