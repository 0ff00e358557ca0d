"""The consumer of a worker: how it takes part in its group, how it reads, and how it ends. Decides nothing."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer

from stripeline.workers.kafka.aiokafka_internals import RANGE_ASSIGNMENT, close_connections

POLL_MS = 100
_STOP_S, _CUT_S = 5.0, 1.0


def group_consumer(
    client: Mapping[str, Any], group: str, instance_id: str | None, *, session_s: float, drain_s: float
) -> AIOKafkaConsumer:
    """A member of a group that is not started yet."""
    return AIOKafkaConsumer(
        **client,
        group_id=group,
        group_instance_id=instance_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        # Range over topics of equal partition counts gives one member the same number of every topic.
        partition_assignment_strategy=RANGE_ASSIGNMENT,
        session_timeout_ms=int(session_s * 1000),
        heartbeat_interval_ms=int(session_s * 1000 / 4),
        # aiokafka counts the drain of a revoked task into this time, and not into max_poll_interval_ms.
        rebalance_timeout_ms=int((drain_s + 5) * 1000),
        # One fetch at a time and node: a long one would keep a partition that has room again waiting.
        fetch_max_wait_ms=POLL_MS,
    )


async def stop(consumer: AIOKafkaConsumer) -> None:
    """Leave the group and close, in bounded time: aiokafka's stop waits for a rebalance, and for the broker."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_STOP_S):
            await consumer.stop()
            return
    with contextlib.suppress(Exception):  # a stop that was cancelled leaves them open
        async with asyncio.timeout(_CUT_S):
            await close_connections(consumer)
