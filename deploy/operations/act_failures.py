"""The expected failures of an act, in words for a page: what happened, and what to do. Shows no secret."""

from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError, KafkaError, NoBrokersAvailable, NodeNotReadyError

from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.connection_errors import cleaned
from stripeline.deploy.operations.denials import denial
from stripeline.deploy.operations.rights import Purpose
from stripeline.workers.kafka.control_table import ControlError

EXPECTED_OF_ACTS: Final = (FailureError, ControlError, KafkaError, TimeoutError)
_SILENT: Final = (KafkaConnectionError, NodeNotReadyError, NoBrokersAvailable, TimeoutError)
_PURPOSES: Final = (Purpose.ACTS, Purpose.APPLY, Purpose.COMMANDS)


def act_failure(error: Exception, topics: Topics, client: Mapping[str, Any]) -> str:
    """One of `EXPECTED_OF_ACTS` in words."""
    if isinstance(error, FailureError | ControlError):
        return str(error)
    if isinstance(error, _SILENT) or type(error) is KafkaError:
        return (
            "Kafka did not answer in time, so it is not known whether this was done. Look at the page again before you"
            " repeat it."
        )
    return denial(error, _PURPOSES, topics, client) or f"Kafka refused it: {cleaned(str(error))}."
