"""The publisher as a test wants it: a future for the result of a record."""

import asyncio
from typing import Any

from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.publish_result import Done, NotTaken, Published
from stripeline.ingest.routing import Publication


class UnusedPublisher:
    """For a receiver that publishes nothing."""

    def publish(self, publication: Publication, done: Done) -> None:
        raise AssertionError


def outcome_of() -> "tuple[asyncio.Future[Published | NotTaken], Done]":
    """A future, and the callback that sets it."""
    future: asyncio.Future[Published | NotTaken] = asyncio.get_running_loop().create_future()
    return future, future.set_result


def published(publisher: Any, publication: Any) -> "asyncio.Future[Published | NotTaken]":
    """Publish it. The future fails when `done` is called twice."""
    future, done = outcome_of()
    publisher.publish(publication, done)
    return future


def in_flight(publisher: Publisher) -> int:
    """Records that Kafka has not answered for yet, those whose deadline is over included."""
    session = publisher._supervisor.session
    return 0 if session is None else session.records
