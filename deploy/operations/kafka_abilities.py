"""Asks a Kafka which requests it knows. A service that speaks Kafka's protocol may lack transactions."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from stripeline.deploy.operations import kafka_frames as frames
from stripeline.deploy.operations.aiokafka_internals import bootstrap_addresses
from stripeline.deploy.operations.raw_connection import NotKafkaError, RawConnection, tls_of

_ASK_S: Final = 5.0


async def lacking(client: Mapping[str, Any]) -> Sequence[str]:
    """What Stripeline needs and the first broker that answers does not know; nothing where none answers."""
    tls = tls_of(client)
    for host, port in bootstrap_addresses(client["bootstrap_servers"]):
        with suppress(OSError, EOFError, TimeoutError, NotKafkaError, frames.FrameError):
            async with asyncio.timeout(_ASK_S):
                connection = await RawConnection.open(host, port, tls)
                try:
                    answer = await connection.ask(frames.api_versions_request())
                finally:
                    await connection.close()
            return frames.missing_requests(frames.api_versions(answer))
    return ()
