"""A supervisor that has ended replaces no producer: only a restart corrects that."""

import asyncio
from typing import Any

from stripeline.ingest.kafka.publisher import Publisher


async def test_a_publisher_whose_supervisor_has_ended_is_broken() -> None:
    def connects_and_is_cancelled() -> Any:
        raise asyncio.CancelledError

    publisher = Publisher({}, "stripe.", connect=connects_and_is_cancelled)
    assert publisher.broken() is None
    await publisher.start()
    async with asyncio.timeout(5):
        while publisher.broken() is None:  # noqa: ASYNC110  a task's end is what is asked about
            await asyncio.sleep(0)
    assert "has ended" in str(publisher.broken())
    await publisher.stop()
    assert publisher.broken() is None
