"""Refuses topics of another format for what reads no definitions: what it shows or does would be wrong there."""

from collections.abc import Mapping
from typing import Any

from aiokafka.errors import TopicAuthorizationFailedError

from stripeline.workers.kafka.control_table import ControlError, FormatError, read_all
from stripeline.workers.kafka.unread.unreadable_batch import UnreadableBatchError


async def require_known_format(control: str, client: Mapping[str, Any]) -> None:
    """Raise FormatError. A control topic that is not there, can't be read, or is not for this user, does not say it."""
    try:
        await read_all(control, client)
    except FormatError:
        raise
    except (ControlError, TopicAuthorizationFailedError, UnreadableBatchError):
        return
