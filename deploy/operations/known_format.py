"""Refuses topics of another format for what reads no definitions: what it shows or does would be wrong there."""

from collections.abc import Mapping
from typing import Any

from aiokafka.errors import TopicAuthorizationFailedError

from stripeline.workers.kafka.control_table import ControlError, FormatError, read_all


async def require_known_format(control: str, client: Mapping[str, Any]) -> None:
    """Raise FormatError. A control topic that is not there, or not for this user, says nothing about the format."""
    try:
        await read_all(control, client)
    except FormatError:
        raise
    except (ControlError, TopicAuthorizationFailedError):
        return
