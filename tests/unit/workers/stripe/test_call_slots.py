"""The places of a process: never more than its size and one for each task, fairly shared, and none lost."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripeline.workers.stripe.call_slots import Room


async def turn():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_where_there_is_room_nobody_waits():
    room = Room(2)
    share = room.share()
    assert [share.enter_now() for _ in range(3)] == [True, True, False]
    share.leave()
    assert share.enter_now()


async def test_a_task_without_a_call_may_always_make_one():
    room = Room(1)
    deep, other = room.share(), room.share()
    assert deep.enter_now()
    assert [other.enter_now(), other.enter_now()] == [True, False]
    assert (room.taken, room.size) == (2, 1)


async def test_a_task_whose_last_call_ends_has_the_next_place_though_the_room_is_full():
    room = Room(2)
    deep, other = room.share(), room.share()
    assert all((deep.enter_now(), deep.enter_now(), other.enter_now()))
    entered = asyncio.create_task(other.enter())
    await turn()
    other.leave()
    await entered
    assert (deep.inside, other.inside) == (2, 1)


async def test_a_place_goes_to_the_task_that_has_the_fewest():
    room = Room(4)
    deep, other = room.share(), room.share()
    assert all((deep.enter_now(), deep.enter_now(), deep.enter_now(), other.enter_now()))
    first, second = asyncio.create_task(deep.enter()), asyncio.create_task(other.enter())
    await turn()
    deep.leave()
    await second
    assert not first.done()
    deep.leave()
    await first
    assert (deep.inside, other.inside, room.taken) == (2, 2, 4)


async def test_who_gives_up_waiting_takes_no_place():
    room = Room(1)
    share = room.share()
    assert share.enter_now()
    gives_up, waits = asyncio.create_task(share.enter()), asyncio.create_task(share.enter())
    await turn()
    gives_up.cancel()
    await turn()
    assert share.waiting == 1
    share.leave()
    await waits
    assert (share.inside, share.waiting, room.taken) == (1, 0, 1)


async def test_a_place_that_is_given_to_one_who_gives_up_in_the_same_moment_goes_to_the_next():
    room = Room(1)
    share = room.share()
    assert share.enter_now()
    gives_up, waits = asyncio.create_task(share.enter()), asyncio.create_task(share.enter())
    await turn()
    share.leave()  # the first has the place, and has not run yet
    gives_up.cancel()
    await waits
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    assert (share.inside, room.taken) == (1, 1)


STEPS = st.lists(st.tuples(st.sampled_from(["enter", "leave", "cancel"]), st.integers(0, 3)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 4), steps=STEPS)
def test_places_are_neither_lost_nor_made(size, steps):
    asyncio.run(_visits(size, steps))


async def _visits(size, steps):
    room = Room(size)
    shares = [room.share() for _ in range(3)]
    waiting: list[list[asyncio.Task]] = [[], [], []]
    for what, number in steps:
        share, queue = shares[number % 3], waiting[number % 3]
        match what:
            case "enter" if not share.enter_now():
                queue.append(asyncio.create_task(share.enter()))
            case "leave" if share.inside:
                share.leave()
            case "cancel" if queue:
                queue.pop().cancel()
        await turn()
        for tasks in waiting:
            tasks[:] = [task for task in tasks if not task.done()]
        assert room.taken == sum(share.inside for share in shares)
        assert room.taken <= size + len(shares) - 1
        assert [share.waiting for share in shares] == [len(tasks) for tasks in waiting]
        full = room.taken >= size
        assert all(full and share.inside for share in shares if share.waiting), "somebody waits beside a free place"
    for tasks in waiting:
        for task in tasks:
            task.cancel()
    await turn()
