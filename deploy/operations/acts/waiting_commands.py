"""Counts the commands that wait for each connection: on the command topic and in the retry tiers, not yet decided.

A connection with waiting commands is not removed: there would be no key to carry them out with, or to look them up.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.undecided import undecided

_DEADLINE_S: Final = 120.0


async def waiting_commands(topics: Topics, client: Mapping[str, Any]) -> Counter[str]:
    """How many wait, by connection. Raises FailureError, KafkaError, TimeoutError."""
    found: Counter[str] = Counter()
    async with asyncio.timeout(_DEADLINE_S):
        async for records in undecided(topics, client):
            names = (connection_of(record.value, h.read(record.headers)) for record in records)
            found.update(name for name in names if name is not None)
    return found


def connection_of(value: bytes | None, headers: Mapping[str, bytes]) -> str | None:
    """The connection of a command; None for what is not one."""
    if value is None or h.SETTLES in headers:
        return None
    try:
        command = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    connection = command.get("connection") if isinstance(command, dict) else None
    return connection if isinstance(connection, str) else None


def require_none_waiting(found: Mapping[str, int], names: Iterable[str]) -> None:
    """Raise FailureError for a connection that commands wait for."""
    for name in names:
        if found.get(name):
            raise FailureError(
                f"The connection {name} was not removed: {found[name]} of its commands wait, and would have no key."
                f" Run an executor until they are done (`stripeline get connections` says why they wait), or let them"
                " end by their not_after."
            )
