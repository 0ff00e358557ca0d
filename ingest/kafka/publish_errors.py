"""Decides what an error of aiokafka's means for a record: the reason, whether the producer goes on, and the remedy."""

from typing import Final

from aiokafka.errors import (
    InvalidTopicError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from stripeline.contracts.vocabulary import NotTakenReason

_REASONS: Final[dict[type[BaseException], NotTakenReason]] = {
    MessageSizeTooLargeError: NotTakenReason.TOO_LARGE,
    TopicAuthorizationFailedError: NotTakenReason.NOT_ALLOWED,
    UnknownTopicOrPartitionError: NotTakenReason.NO_TOPIC,
    InvalidTopicError: NotTakenReason.NO_TOPIC,
    KafkaTimeoutError: NotTakenReason.LATE,
    TimeoutError: NotTakenReason.LATE,
    ProducerClosed: NotTakenReason.AWAY,
}
"""Errors after which the producer goes on, or is being closed already."""

ADVICE: Final = {
    NotTakenReason.AWAY: "the producer was closed before Kafka answered: look at the brokers if this goes on",
    NotTakenReason.NOT_ALLOWED: "the broker refuses writes to it: grant its principal Write on this topic",
    NotTakenReason.NO_TOPIC: "it does not exist: run `stripeline topics apply`",
    NotTakenReason.LATE: "the topic or its leader is missing: run `stripeline topics check`, and look at the brokers",
    NotTakenReason.FAILED: "the producer failed and is being replaced: look at the brokers if this goes on",
    NotTakenReason.TOO_LARGE: "see INGEST_MAX_BODY",
}


def reason_of(error: Exception) -> NotTakenReason:
    """Why Kafka does not have the record; `NotTakenReason.FAILED` means that the producer must be replaced."""
    return _REASONS.get(type(error), NotTakenReason.FAILED)
