"""The expected failures, with a message for each: what happened, why, and what to do. Never a traceback.

When Kafka did not answer, it is asked once more, by hand: the client library hides why.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NoBrokersAvailable,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
)

from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.kafka_jars import LocalKafkaError
from stripeline.deploy.operations.connection_errors import cleaned
from stripeline.deploy.operations.connection_probe import why_unreachable
from stripeline.deploy.operations.denials import denial
from stripeline.deploy.operations.rights import Purpose
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


_PURPOSES: Final[Mapping[str, Purpose]] = {
    "ingest": Purpose.INGEST,
    "router": Purpose.ROUTER,
    "executor": Purpose.EXECUTOR,
    "worker": Purpose.WORKER,
    "apply": Purpose.APPLY,
    "delete": Purpose.APPLY,
    "pause": Purpose.APPLY,
    "resume": Purpose.ACTS,
    "runs start": Purpose.ACTS,
    "runs erase": Purpose.ACTS,
    "command": Purpose.COMMANDS,
    "keys rotate": Purpose.APPLY,
    "endpoints apply": Purpose.APPLY,
    "endpoints roll": Purpose.APPLY,
    "runs retry": Purpose.ACTS,
    "runs cancel": Purpose.ACTS,
    "topics apply": Purpose.TOPICS_APPLY,
    "topics skip": Purpose.TOPICS_SKIP,
    "dead-letters replay": Purpose.COMMANDS,
    "dead-letters dismiss": Purpose.COMMANDS,
    "events backfill": Purpose.COMMANDS,
    "events remake": Purpose.COMMANDS,
}
"""What the user of a command is for, by its first words; others only read."""


def explain_failure(error: BaseException, arguments: Sequence[str] = ()) -> str:
    """The message for an expected failure of the command with these arguments."""
    match error:
        case _ if _unanswered(error):
            return output.run(why_unreachable(settings(), kafka())) or (
                f"Kafka at {settings().kafka_bootstrap_servers} answers, but did not in time. Try again; if it repeats,"
                " look at the load and the logs of its brokers."
            )
        case UnreadableBatchError():
            return f"{error}. See *A batch that can't be read* in docs/operations.md."
        case KafkaError() if not isinstance(error, FailureError):
            return _refusal(error, _purposes(arguments))
        case OSError():
            where = f" {error.filename}" if error.filename else ""
            return f"The system refused{where}: {error.strerror or error}."
        case _:
            return str(error)


def _unanswered(error: BaseException) -> bool:
    """Whether no broker answered. An error of no class of its own is aiokafka's: it got no metadata from any broker."""
    silent = (KafkaConnectionError, NodeNotReadyError, NoBrokersAvailable, TimeoutError)
    return isinstance(error, silent) or type(error) is KafkaError


def _refusal(error: KafkaError, purposes: Sequence[Purpose]) -> str:
    """What Kafka answered, where it did answer."""
    if (text := denial(error, purposes, settings().topics, kafka())) is not None:
        return text
    if isinstance(error, UnknownTopicOrPartitionError):
        return "A topic is missing. See which with `stripeline topics check`; `stripeline topics apply` creates it."
    return f"Kafka refused: {cleaned(str(error))}. See `stripeline topics check`."


def _purposes(arguments: Sequence[str]) -> list[Purpose]:
    if "--unmask" in arguments:
        return [Purpose.READING, Purpose.ACTS]
    words = [" ".join(arguments[:2]), " ".join(arguments[:1])]
    return [next((_PURPOSES[word] for word in words if word in _PURPOSES), Purpose.READING)]
