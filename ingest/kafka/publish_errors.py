"""Decides what an error of aiokafka's means for a record: the reason, what it says about the producer, the remedy.

Read in aiokafka 0.14 (producer/sender.py, producer/message_accumulator.py): an error in the answer for a batch is
retried there, for ever, or fails that batch only, and the producer goes on with the other partitions. A batch that
failed after it was first sent leaves a gap in the sequence numbers of its partition. The broker then refuses what
comes next on that partition with OutOfOrderSequenceNumber, or takes it where it has no memory of this producer; a new
producer has new numbers. The producer itself ends only with its sender task, after which every call raises a plain
KafkaError or what the sender ended with.
"""

from typing import Final

from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    TopicAuthorizationFailedError,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
)

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason

_REASONS: Final[dict[type[BaseException], NotTakenReason]] = {
    MessageSizeTooLargeError: NotTakenReason.TOO_LARGE,
    TopicAuthorizationFailedError: NotTakenReason.NOT_ALLOWED,
    ClusterAuthorizationFailedError: NotTakenReason.NOT_ALLOWED,
    UnknownTopicOrPartitionError: NotTakenReason.NO_TOPIC,
    InvalidTopicError: NotTakenReason.NO_TOPIC,
    KafkaTimeoutError: NotTakenReason.LATE,
    TimeoutError: NotTakenReason.LATE,
    ProducerClosed: NotTakenReason.AWAY,
    # The whole producer's, or that its numbers for a partition have a gap: a new one must follow.
    OutOfOrderSequenceNumber: NotTakenReason.FAILED,
    UnknownProducerId: NotTakenReason.FAILED,
    InvalidProducerIdMapping: NotTakenReason.FAILED,
    InvalidProducerEpoch: NotTakenReason.FAILED,
}

ADVICE: Final = {
    NotTakenReason.AWAY: "the producer was closed before Kafka answered: look at the brokers if this goes on",
    NotTakenReason.NOT_ALLOWED: "the broker refuses writes to it: grant its principal Write on this topic",
    NotTakenReason.NO_TOPIC: "it does not exist: run `stripeline topics apply`",
    NotTakenReason.LATE: "the topic or its leader is missing: run `stripeline topics check`, and look at the brokers",
    NotTakenReason.UNAVAILABLE: "the partition takes no records: look at its leader and its in-sync replicas",
    NotTakenReason.FAILED: "the producer failed and is being replaced: look at the brokers if this goes on",
    NotTakenReason.TOO_LARGE: "see INGEST_MAX_BODY",
}


def reason_of(error: Exception) -> NotTakenReason:
    """Why Kafka does not have the record; `NotTakenReason.FAILED` means that the producer must be replaced.

    What a broker answers for a partition is that partition's, also an answer that is not in the table.
    """
    of_partition = isinstance(error, BrokerResponseError | KafkaConnectionError)
    return _REASONS.get(type(error), NotTakenReason.UNAVAILABLE if of_partition else NotTakenReason.FAILED)
