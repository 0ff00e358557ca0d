"""A control table that nothing keeps current is what only a restart corrects."""

import asyncio

import pytest

from stripeline.workers.kafka.control_table import ControlTable


async def test_a_table_whose_follower_has_ended_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled_by_a_stranger(_: ControlTable) -> None:
        raise asyncio.CancelledError

    table = ControlTable("stripe.control", {})
    monkeypatch.setattr(ControlTable, "_follow", cancelled_by_a_stranger)
    assert table.broken() is None
    await table.start()
    async with asyncio.timeout(5):
        while table.broken() is None:  # noqa: ASYNC110  a task's end is what is asked about
            await asyncio.sleep(0)
    assert "has ended" in str(table.broken())
    await table.stop()
    assert table.broken() is None
