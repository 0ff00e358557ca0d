"""All that the operations use of aiokafka below its public interface, read in aiokafka 0.14.0.

`SHAPES` lists what they rely on: every process compares it with the installed aiokafka when it starts
(`stripeline.deploy.runtime.process.library_check`), and so do the tests.
"""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.api import Request, Response
from aiokafka.protocol.api import RequestStruct as RequestVersion
from aiokafka.protocol.metadata import MetadataRequest, MetadataRequest_v5
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

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
    # topic_metadata
    "aiokafka.admin.AIOKafkaAdminClient._send_request": "(self, request, node_id)",
    "aiokafka.protocol.api.Request.prepare": "(self, versions)",
    # init_producer_id
    "aiokafka.protocol.transaction.InitProducerIdRequest.__init__": "(self, transactional_id, transaction_timeout_ms)",
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


class MetadataResponse_v8(Response):  # type: ignore[misc]  # noqa: N801  (named as aiokafka names them)
    """https://kafka.apache.org/protocol.html: the last one without tagged fields."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String()), ("port", Int32), ("rack", String()))),
        ("cluster_id", String()),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String()),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class MetadataRequest_v8(RequestVersion):  # type: ignore[misc]  # noqa: N801
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponse_v8
    SCHEMA = Schema(
        ("topics", Array(String())),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class NamedTopicsRequest(Request[MetadataRequest_v5 | MetadataRequest_v8]):  # type: ignore[misc]
    """Metadata of topics by name, which creates none, with what the user may do with each.

    aiokafka's own request asks for version 5 at most, which does not say what is allowed.
    """

    API_KEY = 3

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class is MetadataRequest_v8:
            return MetadataRequest_v8(self._names, False, True, True)
        return MetadataRequest_v5(self._names, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTopic:
    """What Kafka says of a topic.

    leaderless: the partitions that no broker leads now.
    operations: a bit field of what the user may, None where Kafka does not say.
    """

    error_code: int
    partitions: tuple[int, ...]
    leaderless: frozenset[int]
    operations: int | None


async def topic_metadata(admin: AIOKafkaAdminClient, names: Sequence[str]) -> tuple[dict[str, NamedTopic], int | None]:
    """The topics by name, and the bit field of the cluster.

    `describe_topics` with names lets a broker with automatic creation create them; without names it leaves out those
    that the user may not see, as if they did not exist.
    """
    answer = (await admin._send_request(NamedTopicsRequest(names))).to_object()
    return {
        one["topic"]: NamedTopic(
            error_code=one["error_code"],
            partitions=tuple(sorted(partition["partition"] for partition in one["partitions"])),
            leaderless=frozenset(each["partition"] for each in one["partitions"] if each["leader"] < 0),
            operations=_operations(one.get("authorized_operations")),
        )
        for one in answer["topics"]
    }, _operations(answer.get("cluster_authorized_operations"))


_NOT_SAID: Final = -(2**31)


def _operations(field: int | None) -> int | None:
    return None if field in {None, _NOT_SAID} else field


class DescribeGroupsResponse_v3(Response):  # type: ignore[misc]  # noqa: N801
    """aiokafka decodes the answer of version 3 as one of version 2, without the allowed operations."""

    API_KEY = 15
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String()),
                ("state", String()),
                ("protocol_type", String()),
                ("protocol", String()),
                (
                    "members",
                    Array(
                        ("member_id", String()),
                        ("client_id", String()),
                        ("client_host", String()),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class DescribeGroupsRequest_v3(RequestVersion):  # type: ignore[misc]  # noqa: N801
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String())), ("include_authorized_operations", Boolean))


class OneGroupRequest(Request[DescribeGroupsRequest_v3]):  # type: ignore[misc]
    """What the user may do with a group."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([self._group], True)


async def group_operations(admin: AIOKafkaAdminClient, group: str) -> tuple[int, int | None]:
    """The error code of a question about a group, and the bit field of what the user may."""
    coordinator = await admin.find_coordinator(group)
    (answer,) = (await admin._send_request(OneGroupRequest(group), coordinator)).to_object()["groups"]
    return answer["error_code"], _operations(answer["authorized_operations"])


async def init_producer_id(admin: AIOKafkaAdminClient, transactional_id: str | None, node: int | None = None) -> int:
    """The error code of a request for a producer id, which begins no transaction. It fences who has the same id."""
    answer = await admin._send_request(InitProducerIdRequest(transactional_id, 1_000), node)
    return int(answer.error_code)
