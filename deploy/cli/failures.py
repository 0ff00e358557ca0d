"""The expected failures, with a message for each: what happened, why, and what to do. Never a traceback.

When Kafka did not answer, it is asked once more, by hand: the client library hides why.
"""

from typing import Final

from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NoBrokersAvailable,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
)

from stripeline.deploy.cli import output
from stripeline.deploy.cli.options import kafka, settings
from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.kafka_jars import LocalKafkaError
from stripeline.deploy.operations.connection_probe import why_unreachable
from stripeline.workers.installed_actions import ActionsError
from stripeline.workers.kafka.control_table import ControlError
from stripeline.workers.kafka.unread.unreadable_batch import UnreadableBatchError
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
            return output.run(why_unreachable(settings(), kafka())) or (
                f"Kafka at {settings().kafka_bootstrap_servers} answers, but did not in time. Try again; if it repeats,"
                " look at the load and the logs of its brokers."
            )
        case UnreadableBatchError():
            return f"{error}. See *A batch that can't be read* in docs/operations.md."
        case UnknownTopicOrPartitionError():
            return "A topic is missing. See which with `stripeline topics check`; `stripeline topics apply` creates it."
        case KafkaError():
            return f"Kafka refused: {error}. Check this user's rights, and `stripeline topics check`."
        case OSError():
            where = f" {error.filename}" if error.filename else ""
            return f"The system refused{where}: {error.strerror or error}."
        case _:
            return str(error)
