"""What a pause of a connection means for its waiting commands: which of them a person will have to decide about.

A command that may have been attempted is not sent after 23 hours, since Stripe forgets its key: it is looked up then,
and left to a person where nothing is found. One that was never attempted can wait as long as its topic keeps it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.reading.undecided import undecided
from stripeline.deploy.operations.status.facts import WaitingCommands
from stripeline.deploy.operations.status.tallies import WaitingTally

_DEADLINE_S: Final = 120.0


async def paused_commands(topics: Topics, client: Mapping[str, Any], name: str, now_ms: int) -> WaitingCommands | None:
    """The commands that wait for a connection. Raises FailureError, KafkaError, TimeoutError."""
    tally = WaitingTally(topics, now_ms)
    async with asyncio.timeout(_DEADLINE_S):
        async for records in undecided(topics, client):
            tally.add(records)
    return next((one for one in tally.found if one.connection == name), None)


def words(waiting: WaitingCommands | None) -> str:
    if waiting is None:
        return "no command of it waits yet"
    if not waiting.attempted or waiting.horizon_ms is None:
        return f"commands that wait: {waiting.count}. None was attempted, so a long pause ends none of them"
    return (
        f"commands that wait: {waiting.count}. {waiting.attempted} of them may have been attempted, and are not sent"
        f" after 23 hours: a person decides then, first about {waiting.example}"
        f" at {h.rfc3339(waiting.horizon_ms)[:19]}Z"
    )
