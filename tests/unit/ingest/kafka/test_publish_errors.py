"""What an error of aiokafka's means for the record, the partition and the producer."""

import pytest
from aiokafka import errors

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.ingest.kafka.batches import IncompleteBatchError
from stripeline.ingest.kafka.publish_errors import ADVICE, reason_of


@pytest.mark.parametrize(
    "error",
    [
        errors.LeaderNotAvailableError(),
        errors.NotLeaderForPartitionError(),
        errors.NotEnoughReplicasError(),
        errors.NotEnoughReplicasAfterAppendError(),
        errors.ReplicaNotAvailableError(),
        errors.KafkaStorageError(),
        errors.RequestTimedOutError(),
        errors.UnknownError(),
        errors.PolicyViolationError(),
        errors.KafkaConnectionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_a_partition_does_not_end_the_producer(error: Exception) -> None:
    assert reason_of(error) is NotTakenReason.UNAVAILABLE


@pytest.mark.parametrize(
    "error",
    [
        errors.OutOfOrderSequenceNumber(),
        errors.UnknownProducerId(),
        errors.InvalidProducerIdMapping(),
        errors.InvalidProducerEpoch(),
        errors.ProducerFenced(),
        errors.KafkaError("Unexpected error during batch delivery"),
        IncompleteBatchError(),
        AssertionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_spoiled_or_ended_producer_is_replaced(error: Exception) -> None:
    assert reason_of(error) is NotTakenReason.FAILED


def test_rights_and_missing_topics_have_their_reasons() -> None:
    assert reason_of(errors.TopicAuthorizationFailedError()) is NotTakenReason.NOT_ALLOWED
    assert reason_of(errors.ClusterAuthorizationFailedError()) is NotTakenReason.NOT_ALLOWED
    assert reason_of(errors.UnknownTopicOrPartitionError()) is NotTakenReason.NO_TOPIC


def test_each_reason_that_is_logged_has_advice() -> None:
    assert ADVICE.keys() == set(NotTakenReason) - {NotTakenReason.FULL}
