"""The expected failures, with a message for each: what happened, why, and what to do. Never a traceback."""

from typing import Final

from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NoBrokersAvailable,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
)

from stripeline.deploy.cli.options import settings
from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.kafka_jars import LocalKafkaError
from stripeline.workers.installed_actions import ActionsError
from stripeline.workers.kafka.control_table import ControlError
from stripeline.workers.secrets.vault import VaultError

EXPECTED: Final = (
    FailureError,
    ActionsError,
    VaultError,
    ControlError,
    LocalKafkaError,
    KafkaError,
    TimeoutError,
    OSError,
)


def explain_failure(error: BaseException) -> str:
    """The message for an expected failure."""
    match error:
        case KafkaConnectionError() | NodeNotReadyError() | NoBrokersAvailable() | TimeoutError():
            return (
                f"Kafka at {settings().kafka_bootstrap_servers} does not answer. Start one with `stripeline kafka run`,"
                " or set KAFKA_BOOTSTRAP_SERVERS to where yours is."
            )
        case UnknownTopicOrPartitionError():
            return "A topic is missing. See which with `stripeline topics check`; `stripeline topics apply` creates it."
        case KafkaError():
            return f"Kafka refused: {error}. Check this user's rights, and `stripeline topics check`."
        case OSError():
            where = f" {error.filename}" if error.filename else ""
            return f"The system refused{where}: {error.strerror or error}."
        case _:
            return str(error)
