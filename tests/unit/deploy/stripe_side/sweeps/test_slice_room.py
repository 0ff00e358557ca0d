"""Room is bounded, comes free in turn, and no slice that waits keeps another from its room."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from stripeline.deploy.stripe_side.sweeps.slice_room import SliceRoom


async def test_room_that_is_taken_is_waited_for_in_turn():
    room, order = SliceRoom(10), list[int]()
    async with AsyncExitStack() as first:
        await first.enter_async_context(room.place(8))

        async def wants(size: int) -> None:
            async with room.place(size):
                order.append(size)
                assert room._free >= 0

        waits = [asyncio.create_task(wants(size)) for size in (6, 1, 4)]
        await asyncio.sleep(0)
        assert (order, room.waiting) == ([], 3)  # one that needs little does not go before one that needs much
    await asyncio.gather(*waits)
    assert (order, room.waiting, room._free) == ([6, 1, 4], 0, 10)


async def test_a_place_grows_at_once_or_not_at_all():
    room = SliceRoom(10)
    async with room.place(4) as one, room.place(4) as other:
        assert one.covers(3)
        assert one.covers(6)
        assert not other.covers(5)
        one.shrink(5)
        assert other.covers(5)
        assert (one.size, other.size, room._free) == (5, 5, 0)
    assert room._free == 10


async def test_no_place_grows_while_another_waits():
    room = SliceRoom(10)
    async with room.place(4) as one:
        waits = asyncio.create_task(_entered(room, 8))
        await asyncio.sleep(0)
        assert not one.covers(5)
    assert await waits == 8


async def test_more_than_there_is_means_all_of_it():
    room = SliceRoom(10)
    async with room.place(20) as one:
        assert (one.size, one.covers(10), one.covers(11)) == (10, True, False)


@pytest.mark.parametrize("given", ["before", "after", "later"])
async def test_one_that_stops_waiting_leaves_its_room(given: str):
    """Its room comes free before or after it is cancelled in the same turn of the loop, or later."""
    room = SliceRoom(10)
    async with room.place(10) as one:
        waits, after = (asyncio.create_task(_entered(room, size)) for size in (10, 3))
        await asyncio.sleep(0)
        if given == "before":
            one.shrink(0)
        waits.cancel()
        if given == "after":
            one.shrink(0)
        await asyncio.gather(waits, return_exceptions=True)
        one.shrink(0)
        assert await after == 3
    assert (room._free, room.waiting) == (10, 0)


async def _entered(room: SliceRoom, size: int) -> int:
    async with room.place(size) as place:
        return place.size
