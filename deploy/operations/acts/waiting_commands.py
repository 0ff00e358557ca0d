"""Counts the commands that wait: on the command topic and in the retry tiers, not yet decided.

A connection with waiting commands is not removed: there would be no key to carry them out with, or to look them up.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.undecided import undecided

_DEADLINE_S: Final = 120.0


async def waiting_commands(topics: Topics, client: Mapping[str, Any]) -> Counter[str]:
    """How many wait, by the control keys of what they are of. Raises FailureError, KafkaError, TimeoutError."""
    found: Counter[str] = Counter()
    async with asyncio.timeout(_DEADLINE_S):
        async for records in undecided(topics, client):
            for record in records:
                found.update(control_keys_of(record.value, h.read(record.headers)))
    return found


def control_keys_of(value: bytes | None, headers: Mapping[str, bytes]) -> Iterator[str]:
    """`connection/NAME` and `workflow/NAME` of a command; none of what is not one."""
    if value is None or h.SETTLES in headers:
        return
    try:
        command = orjson.loads(value)
    except orjson.JSONDecodeError:
        return
    if not isinstance(command, dict):
        return
    connection, run = command.get("connection"), command.get("run")
    if isinstance(connection, str):
        yield f"connection/{connection}"
    if isinstance(run, dict) and isinstance(run.get("workflow"), str):
        yield f"workflow/{run['workflow']}"


def require_none_waiting(found: Mapping[str, int], names: Iterable[str]) -> None:
    """Raise FailureError for a connection that commands wait for."""
    for name in names:
        if count := found.get(f"connection/{name}"):
            raise FailureError(
                f"The connection {name} was not removed: {count} of its commands wait, and would have no key."
                f" Run an executor until they are done (`stripeline get connections` says why they wait), or let them"
                " end by their not_after."
            )


async def removable(topics: Topics, client: Mapping[str, Any], keys: Collection[str]) -> Counter[str]:
    """The commands that wait, where definitions with these control keys are to be removed.

    Raises FailureError for a connection among them that commands wait for.
    """
    waiting = await waiting_commands(topics, client)
    require_none_waiting(waiting, [key.partition("/")[2] for key in keys if key.startswith("connection/")])
    return waiting
