"""Each expected failure is one paragraph that says what to do."""

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from stripeline.deploy.cli.terminal.failures import EXPECTED, explain_failure
from stripeline.deploy.cli.terminal.options import overruling
from stripeline.deploy.failure import FailureError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KafkaConnectionError("no"), "the host nowhere.invalid is unknown"),
        (KafkaError("Unable to get cluster metadata"), "the host nowhere.invalid is unknown"),
        (TimeoutError(), "the host nowhere.invalid is unknown"),
        (UnknownTopicOrPartitionError(), "stripeline topics check"),
        (
            TopicAuthorizationFailedError("stripe.run"),
            "grant Read and DescribeConfigs on topic stripe.run to User:ANONYMOUS. Run kafka-acls.sh ",
        ),
        (GroupAuthorizationFailedError("stripe.router"), "grant Describe on group stripe.router to User:ANONYMOUS"),
        (InvalidTopicError("odd\x1b[31m"), "Kafka refused: [Error 17] InvalidTopicError: odd [31m. See"),
        (FileNotFoundError(2, "No such file", "a.pem"), "The system refused a.pem: No such file."),
        (OSError("odd"), "The system refused: odd."),
        (FailureError("Because."), "Because."),
    ],
)
def test_says_what_happened_and_what_to_do(error: Exception, words: str) -> None:
    assert isinstance(error, EXPECTED)
    with overruling({"kafka_bootstrap_servers": "nowhere.invalid:1"}):
        assert words in explain_failure(error)
