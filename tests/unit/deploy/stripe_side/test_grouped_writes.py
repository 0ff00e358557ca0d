"""Changes that come while others are written are written together, and each caller learns what became of its own."""

import asyncio
from collections.abc import Mapping

import pytest

from stripeline.deploy.stripe_side.grouped_writes import GroupedWrites


class Topic:
    def __init__(self) -> None:
        self.written: list[Mapping[str, bytes | None]] = []
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def write(self, changes: Mapping[str, bytes | None]) -> None:
        self.written.append(dict(changes))
        await self.may_end.wait()
        if self.error is not None:
            raise self.error


async def begun(topic: Topic, *changes: Mapping[str, bytes | None]) -> list["asyncio.Task[None]"]:
    writes = GroupedWrites(topic.write)
    tasks = []
    for one in changes:
        tasks.append(asyncio.create_task(writes(one)))
        await asyncio.sleep(0)
    return tasks


async def test_what_comes_meanwhile_is_one_write():
    topic = Topic()
    tasks = await begun(topic, {"a": b"1"}, {"b": b"1"}, {"c": b"1"}, {"b": b"2"})
    assert topic.written == [{"a": b"1"}]
    topic.may_end.set()
    await asyncio.gather(*tasks)
    assert topic.written == [{"a": b"1"}, {"b": b"2", "c": b"1"}]


async def test_each_of_a_group_learns_that_it_failed():
    topic = Topic()
    tasks = await begun(topic, {"a": b"1"}, {"b": b"1"}, {"c": b"1"})
    topic.error = TimeoutError("no broker")
    topic.may_end.set()
    assert [str(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == ["no broker"] * 3
    assert len(topic.written) == 2


async def test_one_that_is_cancelled_leaves_its_group_to_others():
    topic = Topic()
    first, second, third = await begun(topic, {"a": b"1"}, {"b": b"1"}, {"c": b"1"})
    first.cancel()
    await asyncio.wait([first])
    await asyncio.sleep(0)
    second.cancel()  # it is writing for the third, too
    topic.may_end.set()
    await third
    assert topic.written[-1] == {"b": b"1", "c": b"1"}
    with pytest.raises(asyncio.CancelledError):
        await second
