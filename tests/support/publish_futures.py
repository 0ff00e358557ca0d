"""The publisher as a test wants it: a future for what became of a record."""

import asyncio
from typing import Any

from stripeline.ingest.publish_result import Done, NotTaken, Published


def outcome_of() -> "tuple[asyncio.Future[Published | NotTaken], Done]":
    """A future, and who sets it."""
    future: asyncio.Future[Published | NotTaken] = asyncio.get_running_loop().create_future()
    return future, future.set_result


def published(publisher: Any, publication: Any) -> "asyncio.Future[Published | NotTaken]":
    """Publish it. The future fails when it is told twice."""
    future, done = outcome_of()
    publisher.publish(publication, done)
    return future
