import asyncio

import pytest

from workers.adapters.room import Room


class Visitors:
    def __init__(self, size):
        self.room, self.inside, self.most, self.order = Room(size), 0, 0, []

    async def visit(self, name, end):
        async with self.room:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.order.append(name)
            try:
                await end.wait()
            finally:
                self.inside -= 1


async def turn():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_no_more_are_inside_than_there_is_room_for_and_they_enter_in_their_order():
    visitors, end = Visitors(2), asyncio.Event()
    visits = [asyncio.create_task(visitors.visit(name, end)) for name in range(5)]
    await turn()
    assert visitors.order == [0, 1]
    end.set()
    await asyncio.gather(*visits)
    assert (visitors.order, visitors.most, visitors.room.free) == ([0, 1, 2, 3, 4], 2, 2)


async def test_who_gives_up_waiting_takes_no_place():
    visitors, end = Visitors(1), asyncio.Event()
    inside, waits, last = (asyncio.create_task(visitors.visit(name, end)) for name in "abc")
    await turn()
    waits.cancel()
    end.set()
    await asyncio.gather(inside, last)
    assert (visitors.order, visitors.room.free) == (["a", "c"], 1)


async def test_a_place_that_is_given_to_one_who_gives_up_in_the_same_moment_goes_to_the_next():
    visitors, end = Visitors(1), asyncio.Event()
    await visitors.room.__aenter__()
    waits, last = (asyncio.create_task(visitors.visit(name, end)) for name in "bc")
    await turn()
    await visitors.room.__aexit__()  # b has the place, and has not run yet
    waits.cancel()
    end.set()
    await last
    with pytest.raises(asyncio.CancelledError):
        await waits
    assert (visitors.order, visitors.room.free) == (["c"], 1)
