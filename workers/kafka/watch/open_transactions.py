"""Asks Kafka whose transaction holds a partition back. Decides nothing."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.batch_header import batch_header
from stripeline.workers.task.open_transaction import OpenTransaction

_ASK_S: Final = 10.0


async def open_transaction(tp: TopicPartition, last_stable: int, client: Mapping[str, Any]) -> OpenTransaction:
    """The transaction that begins at a partition's last stable offset; without its producer where Kafka is silent."""
    found = OpenTransaction(topic=tp.topic, partition=tp.partition, offset=last_stable)
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_ASK_S):
            header = await batch_header(tp, last_stable, client)
        if header is not None and header.transactional:
            return OpenTransaction(
                topic=tp.topic, partition=tp.partition, offset=last_stable, producer_id=header.producer_id,
                producer_epoch=header.producer_epoch, began_ms=header.max_timestamp_ms,
            )  # fmt: skip
    return found


def bootstrap_servers(client: Mapping[str, Any]) -> str:
    """The bootstrap list of client options, as Kafka's own tools take it."""
    servers = client["bootstrap_servers"]
    return servers if isinstance(servers, str) else ",".join(servers)
