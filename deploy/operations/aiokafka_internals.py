"""All that the operations use of aiokafka below its public interface, read in aiokafka 0.14.0.

`SHAPES` lists what they rely on: every process compares it with the installed aiokafka when it starts
(`stripeline.deploy.runtime.library_check`), and so do the tests.
"""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

SHAPES: Final[Mapping[str, str | tuple[str, ...]]] = {
    # bootstrap_addresses
    "aiokafka.conn.collect_hosts": "(hosts, randomize)",
    # log_in
    "aiokafka.conn.create_conn": (
        "(host, port, *, client_id, request_timeout_ms, ssl_context, security_protocol, max_idle_ms, on_close,"
        " sasl_mechanism, sasl_plain_username, sasl_plain_password, sasl_kerberos_service_name,"
        " sasl_kerberos_domain_name, sasl_oauth_token_provider)"
    ),
    "aiokafka.conn.AIOKafkaConnection.send": "(self, request, expect_response)",
    "aiokafka.conn.AIOKafkaConnection.close": "(self, reason, exc)",
    "aiokafka.protocol.metadata.MetadataRequest.__init__": "(self, topics, allow_auto_topic_creation)",
}
"""By dotted name: a function's parameters, `property`, or the attributes that a constructor sets."""

_CONNECTION_OPTIONS: Final = frozenset(inspect.signature(create_conn).parameters) - {"request_timeout_ms"}
_CLOSE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A broker, and the address that it advertises."""

    id: int
    host: str
    port: int


def bootstrap_addresses(servers: str | Sequence[str]) -> list[tuple[str, int]]:
    """Host and port of each bootstrap address, as aiokafka reads them, in their order."""
    return [(host, port) for host, port, _ in collect_hosts(servers, randomize=False)]


async def log_in(host: str, port: int, client: Mapping[str, Any], within_s: float) -> list[Node]:
    """Connect and log in as the clients do; the brokers that are advertised there. Raises what went wrong.

    `AIOKafkaClient.bootstrap` logs the cause of a failed connection and raises an error without it.
    """
    options = {name: value for name, value in client.items() if name in _CONNECTION_OPTIONS}
    connection = await create_conn(host, port, **options, request_timeout_ms=int(within_s * 1000))
    try:
        metadata = await connection.send(MetadataRequest([]))
    finally:
        closed = connection.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(closed), _CLOSE_S)
    return [Node(id=broker[0], host=broker[1], port=broker[2]) for broker in metadata.brokers]
