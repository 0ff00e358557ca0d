"""All that the workers use of aiokafka below its public interface, read in aiokafka 0.14.0.

Each function says why the public interface does not do. `SHAPES` lists what they rely on: every process compares it
with the installed aiokafka when it starts (`stripeline.deploy.runtime.process.library_check`), and so do the tests.
"""

import asyncio
import contextlib
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaClient
from aiokafka.client import CoordinationType
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    LeaderNotAvailableError,
    ProducerClosed,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from msgspec import Struct

from stripeline.workers.kafka.client_start import start_within

SHAPES: Final[Mapping[str, str | tuple[str, ...]]] = {
    # end_producer
    "aiokafka.AIOKafkaProducer.__init__": ("client", "_message_accumulator", "_sender"),
    "aiokafka.producer.sender.Sender.sender_task": "property",
    "aiokafka.producer.message_accumulator.MessageAccumulator.fail_all": "(self, exception)",
    "aiokafka.AIOKafkaClient._get_conn": "(self, node_id, *, group, no_hint)",
    "aiokafka.AIOKafkaClient._get_conn_lock": "property",
    # ask_open_connections
    "aiokafka.AIOKafkaClient.__init__": ("_conns",),
    "aiokafka.AIOKafkaClient.send": "(self, node_id, request, *, group)",
    "aiokafka.protocol.metadata.MetadataRequest.__init__": "(self, topics, allow_auto_topic_creation)",
    # PartitionAssignor
    "aiokafka.coordinator.assignors.abstract.AbstractPartitionAssignor.assign": "(cls, cluster, members)",
    "aiokafka.coordinator.assignors.abstract.AbstractPartitionAssignor.metadata": "(cls, topics)",
    "aiokafka.coordinator.assignors.abstract.AbstractPartitionAssignor.on_assignment": "(cls, assignment)",
    "aiokafka.cluster.ClusterMetadata.partitions_for_topic": "(self, topic)",
    # close_connections
    "aiokafka.AIOKafkaConsumer.__init__": ("_client", "_fetcher"),
    # look_every, set_fetch_wait
    "aiokafka.consumer.fetcher.Fetcher.__init__": ("_fetch_max_wait_ms", "_records", "_fetcher_timeout"),
    # read_bare_records
    "aiokafka.consumer.fetcher.FetchResult.__init__": ("_partition_records",),
    "aiokafka.consumer.fetcher.PartitionRecords._consumer_record": "(self, tp, record)",
    # require_visible
    "aiokafka.AIOKafkaClient.get_random_node": "(self)",
    # committed_offsets
    "aiokafka.AIOKafkaClient.coordinator_lookup": "(self, coordinator_type, coordinator_key)",
    "aiokafka.protocol.commit.OffsetFetchRequest.__init__": "(self, consumer_group, partitions)",
    # fetch_raw
    "aiokafka.AIOKafkaClient.set_topics": "(self, topics)",
    "aiokafka.protocol.fetch.FetchRequest.__init__": (
        "(self, max_wait_time, min_bytes, max_bytes, isolation_level, topics, rack_id)"
    ),
    # checksum_holds, read_error
    "aiokafka.record.memory_records.MemoryRecords.next_batch": "(self)",
    "aiokafka.record.default_records.DefaultRecordBatch.validate_crc": "(self)",
}
"""By dotted name: a function's parameters, `property`, or the attributes that a constructor sets."""

PartitionAssignor = AbstractPartitionAssignor
"""What the public parameter `partition_assignment_strategy` takes; aiokafka exports it nowhere."""

_PROTOCOL_VERSION: Final = 0
"""Of the consumer's part of the group protocol: topics out, partitions in, without an assignor's own data."""

_FETCH_WAIT_MS: Final = 500
_READ_UNCOMMITTED: Final = 0
_CANCEL_AGAIN_S: Final = 0.2
_CLOSE_S: Final = 1.0
_BOOTSTRAP_S: Final = 60.0
"""More than aiokafka itself waits for one bootstrap address."""


def subscription_to(topics: Iterable[str]) -> Any:
    """What an assignor sends of a member when it joins its group."""
    return ConsumerProtocolMemberMetadata(_PROTOCOL_VERSION, list(topics), b"")


def assignment_of(partitions: Mapping[str, Sequence[int]]) -> Any:
    """What an assignor returns of a member: its partition numbers, by topic."""
    return ConsumerProtocolMemberAssignment(_PROTOCOL_VERSION, [(name, list(n)) for name, n in partitions.items()], b"")


async def ask_open_connections(client: AIOKafkaClient) -> None:
    """Ask the broker of each open connection for its name and address; one that does not answer in time is closed.

    A producer has two connections to a broker, and uses them in turn within a transaction: what it sends on a
    connection that a firewall forgot would be waited for twice. Nothing public sends on a connection that is chosen.
    """
    places = [place for place, connection in client._conns.items() if connection.connected()]
    asked = (client.send(node, MetadataRequest([]), group=group) for node, group in places)
    await asyncio.gather(*asked, return_exceptions=True)


def set_fetch_wait(consumer: Any, wait_ms: int) -> None:
    """How long the next fetches wait at the broker for records. The public option is for all that a consumer sends."""
    consumer._fetcher._fetch_max_wait_ms = wait_ms


class _BareResults(dict[TopicPartition, Any]):
    """What a fetcher has read and nobody has taken, by partition."""

    def __setitem__(self, tp: TopicPartition, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records._consumer_record = _as_decoded
        super().__setitem__(tp, result)


def _as_decoded(_: TopicPartition, record: Any) -> Any:
    return record


def read_bare_records(consumer: Any) -> None:
    """Have a consumer return records as they were decoded: offset, timestamp, key, value and headers.

    To make a `ConsumerRecord` of each, which says its partition and sizes too, takes longer than to decode it.
    """
    consumer._fetcher._records = _BareResults()


def look_every(consumer: Any, every_s: float) -> None:
    """How often the consumer looks through its partitions for something to fetch, beside whenever something happens.

    Each answer, seek, read and change of a leader makes it look at once. By itself it looks every 0.2 s, which with a
    hundred partitions is a sixth of what it costs to follow them.
    """
    consumer._fetcher._fetcher_timeout = every_s


async def end_producer(producer: Any, flush_s: float) -> None:
    """Stop a producer: its own `stop` for `flush_s`, then without what is not delivered.

    `AIOKafkaProducer.stop` flushes first, and has no end while a broker or a topic is gone. Cancelled, it leaves its
    sender task running, which asks for the partition's leader for ever, and nothing public ends that task. A sender
    that failed leaves requests behind that would open connections which nobody closes.
    The same text is in `stripeline.ingest.kafka`, which shares no code with the workers; a test compares the two.
    """
    stopping = asyncio.create_task(producer.stop())
    await asyncio.wait((stopping,), timeout=flush_s)
    if not stopping.done() or stopping.cancelled() or stopping.exception() is not None:
        producer._message_accumulator.fail_all(ProducerClosed())
        await _ended(stopping)
        await _ended(producer._sender.sender_task)
        await _ended(producer.client.close(), _CLOSE_S)
    producer.client._get_conn = _no_connection
    await _ended(_close_late_connection(producer.client), _CLOSE_S)


async def _close_late_connection(client: Any) -> None:
    async with client._get_conn_lock:  # held while a connection is being opened
        await client.close()


async def _no_connection(*_: object, **__: object) -> None:
    """The answer of `AIOKafkaClient._get_conn` for a node that is not ready."""


async def _ended(work: Awaitable[Any] | None, within_s: float = 0.0) -> None:
    """Wait, then cancel until it ends: a sender that is cancelled once waits for its requests."""
    if work is None:
        return
    task = asyncio.ensure_future(work)
    await asyncio.wait((task,), timeout=within_s)
    for _ in range(5):
        if task.done():
            break
        task.cancel()
        await asyncio.wait((task,), timeout=_CANCEL_AGAIN_S)
    if task.done() and not task.cancelled():
        task.exception()  # retrieved, or the event loop would report it


async def close_connections(consumer: Any) -> None:
    """Close the connections of a consumer whose `stop` was cancelled: a second `stop` returns at once."""
    await consumer._client.close()


@contextlib.asynccontextmanager
async def bare_client(client_options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaClient]:
    """A client that is neither a consumer nor a producer, for one question. Raises KafkaError, TimeoutError."""
    client = AIOKafkaClient(**client_options)
    try:
        await start_within(client.bootstrap(), _BOOTSTRAP_S)
        yield client
    finally:
        await client.close()


async def committed_offsets(
    group: str, partitions: Sequence[TopicPartition], client_options: Mapping[str, Any]
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """What a group has committed, -1 where nothing. Raises KafkaError for every error in the coordinator's answer.

    `AIOKafkaConsumer.committed` drops the metadata. `AIOKafkaAdminClient.list_consumer_group_offsets` ignores the error
    of the whole answer: a group whose coordinator is loading its offsets looks like one that never committed.
    """
    numbers: dict[str, list[int]] = defaultdict(list)
    for tp in partitions:
        numbers[tp.topic].append(tp.partition)
    async with bare_client(client_options) as client:
        coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
        answer = await client.send(coordinator, OffsetFetchRequest(group, list(numbers.items())))
    _raise_for(answer.error_code, f"the offsets of {group}")
    found: dict[TopicPartition, OffsetAndMetadata] = {}
    for topic, places in answer.topics:
        for partition, offset, metadata, error_code in places:
            _raise_for(error_code, f"the offset of {group} in {topic}-{partition}")
            found[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata)
    if missing := sorted(set(partitions) - found.keys()):
        names = ", ".join(f"{topic}-{partition}" for topic, partition in missing)
        raise KafkaError(f"the coordinator of {group} did not return the offsets of {names}")
    return found


async def require_visible(topic: str, client_options: Mapping[str, Any]) -> None:
    """Raise TopicAuthorizationFailedError for a topic that this user may not see.

    `AIOKafkaConsumer.topics` leaves it out, like one that does not exist; `partitions_for_topic` asks in a way that
    lets a broker with automatic creation create it.
    """
    async with bare_client(client_options) as client:
        request = MetadataRequest([topic], allow_auto_topic_creation=False)
        answer = (await client.send(client.get_random_node(), request)).to_object()
    if any(one["error_code"] == TopicAuthorizationFailedError.errno for one in answer["topics"]):
        raise TopicAuthorizationFailedError(topic)


def _raise_for(error_code: int, subject: str) -> None:
    if error_code:
        raise for_code(error_code)(f"the coordinator did not return {subject}")


class RawFetch(Struct, frozen=True, kw_only=True):
    """A partition as the broker keeps it: whole batches from the one that holds an offset on, and the log's bounds."""

    log_start: int
    last_stable: int
    high_watermark: int
    batches: bytes


async def fetch_raw(
    tp: TopicPartition, offset: int, client_options: Mapping[str, Any], *, max_bytes: int = 1
) -> RawFetch:
    """The batches from an offset on, not decoded, of open and aborted transactions too; at least one where there is.

    The consumer gives records, and of a batch that it can't decode an exception without offset and codec. Raises
    KafkaError, with the broker's reason where it can't read the log: CorruptRecordException, OffsetOutOfRangeError.
    """
    async with bare_client(client_options) as client:
        await client.set_topics([tp.topic])
        leader = client.cluster.leader_for_partition(tp)
        if leader is None or leader < 0:
            raise LeaderNotAvailableError(f"{tp.topic}-{tp.partition} has no leader, or does not exist")
        asked = [(tp.topic, [(tp.partition, offset, max_bytes)])]
        answer = await client.send(leader, FetchRequest(_FETCH_WAIT_MS, 1, max_bytes, _READ_UNCOMMITTED, asked))
    ((_, ((_, error_code, high_watermark, last_stable, *rest),)),) = answer.topics
    if error_code:
        raise for_code(error_code)(f"{tp.topic}-{tp.partition} at offset {offset}")
    return RawFetch(
        log_start=rest[0], last_stable=last_stable, high_watermark=high_watermark, batches=bytes(rest[-1] or b"")
    )


def checksum_holds(batch: bytes) -> bool:
    """Whether the bytes of one whole batch have its checksum."""
    try:
        found = MemoryRecords(batch).next_batch()
        return found is not None and bool(found.validate_crc())
    except (CorruptRecordException, struct.error):
        return False


def read_error(batch: bytes) -> Exception | None:
    """What a consumer would raise at one whole batch, None where it can be read."""
    try:
        found = MemoryRecords(batch).next_batch()
        for _ in found or ():
            pass
    except Exception as error:  # noqa: BLE001  each codec has its own
        return error
    return None
