"""All that ingest uses of aiokafka below its public interface, read in aiokafka 0.14.0.

Each part says why the public interface does not do. `SHAPES` lists what they rely on: every process compares it with
the installed aiokafka when it starts (`stripeline.deploy.runtime.process.library_check`), and so do the tests.
"""

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import ProducerClosed
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.metadata import MetadataRequest

from stripeline.ingest.routing import Publication

SHAPES: Final[Mapping[str, str | tuple[str, ...]]] = {
    # DeferredBatch
    "aiokafka.producer.message_accumulator.BatchBuilder.__init__": (
        "(self, batch_size, compression_type, *, is_transactional, key_serializer, value_serializer)"
    ),
    "aiokafka.producer.message_accumulator.BatchBuilder._set_producer_state": (
        "(self, producer_id, producer_epoch, base_sequence)"
    ),
    "aiokafka.producer.message_accumulator.BatchBuilder.record_count": "(self)",
    # has_leader, ask_leaders
    "aiokafka.cluster.ClusterMetadata.leader_for_partition": "(self, partition)",
    "aiokafka.cluster.ClusterMetadata.partitions_for_topic": "(self, topic)",
    "aiokafka.AIOKafkaClient.force_metadata_update": "(self)",
    "aiokafka.AIOKafkaClient.send": "(self, node_id, request, *, group)",
    "aiokafka.protocol.metadata.MetadataRequest.__init__": "(self, topics, allow_auto_topic_creation)",
    # end_producer
    "aiokafka.AIOKafkaProducer.__init__": ("client", "_message_accumulator", "_sender"),
    "aiokafka.producer.sender.Sender.sender_task": "property",
    "aiokafka.producer.message_accumulator.MessageAccumulator.fail_all": "(self, exception)",
    "aiokafka.AIOKafkaClient._get_conn": "(self, node_id, *, group, no_hint)",
    "aiokafka.AIOKafkaClient._get_conn_lock": "property",
}
"""By dotted name: a function's parameters, `property`, or the attributes that a constructor sets."""

_CANCEL_AGAIN_S: Final = 0.2
_CLOSE_S: Final = 1.0


class DeferredBatch(BatchBuilder):  # type: ignore[misc]
    """A batch for `AIOKafkaProducer.send_batch` that writes its records when the sender takes it.

    A batch of `create_batch` takes no record after it was handed over: under load that halves what a request carries.
    The sender asks for `record_count`, by which the sequence number advances, and then calls `_set_producer_state`,
    with no wait between the two. If an upgrade skips or reorders them, the batch would be sent without its records:
    check `is_written` before acknowledging any of them.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes, 0)  # not compressed
        self._publications: list[Publication] = []
        self._expected = 0

    def add(self, publication: Publication) -> None:
        self._publications.append(publication)
        self._expected += 1

    def record_count(self) -> int:
        return self._expected

    @property
    def is_written(self) -> bool:
        """Whether every record that was added is in the bytes for Kafka."""
        return bool(super().record_count() == self._expected)

    def _set_producer_state(self, *state: Any, **named: Any) -> None:
        self.write()
        super()._set_producer_state(*state, **named)

    def write(self) -> None:
        """Write the records, and take no more."""
        for one in self._publications:
            headers = list(one.headers)  # aiokafka accepts only a list
            if self.append(timestamp=one.timestamp_ms, key=one.key, value=one.value, headers=headers) is None:
                raise AssertionError("more records were added than the batch has room for")
        self._publications.clear()
        self.close()


_NO_LEADER: Final = (None, -1)


def has_leader(producer: Any, topic: str, partition: int) -> bool:
    """Whether a broker leads a partition, as far as the producer knows.

    The public `partitions_for` lists partitions without a leader too. A batch for one would stay with aiokafka, which
    then asks for the leader without a pause, and drops the batch with a gap in the sequence numbers.
    """
    return producer.client.cluster.leader_for_partition(TopicPartition(topic, partition)) not in _NO_LEADER


async def ask_leaders(producer: Any, topics: Collection[str]) -> bool:
    """Ask every broker that leads one of these topics' partitions, and learn the leaders; whether one answered.

    Over the connections that records take: one that a firewall forgot is found without traffic, since `send` closes a
    connection that does not answer in time. A producer has no public request that does, and none that only asks.
    """
    client = producer.client
    nodes = {
        client.cluster.leader_for_partition(TopicPartition(topic, number))
        for topic in topics
        for number in client.cluster.partitions_for_topic(topic) or ()
    }.difference(_NO_LEADER)
    asked = [client.send(node, MetadataRequest([])) for node in nodes]
    answers = await asyncio.gather(client.force_metadata_update(), *asked, return_exceptions=True)
    return any(answer is not False and not isinstance(answer, BaseException) for answer in answers)


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
