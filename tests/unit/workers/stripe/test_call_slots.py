"""The places of a process: never more than its size, fairly shared, one kept for each task, and none lost."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripeline.workers.stripe.call_slots import CallSlots


async def turn():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_free_slot_costs_no_wait():
    slots = CallSlots(2)
    task = slots.of_a_task()
    assert [task.enter_now() for _ in range(3)] == [True, True, False]
    task.leave()
    assert task.enter_now()


async def test_a_slot_is_kept_for_each_task_without_a_call():
    slots = CallSlots(32, lambda: 3)
    deep, second, third = (slots.of_a_task() for _ in range(3))
    assert sum(deep.enter_now() for _ in range(40)) == 30
    assert [second.enter_now(), second.enter_now()] == [True, False]
    assert [third.enter_now(), third.enter_now()] == [True, False]
    assert (slots.taken, deep.enter_now()) == (32, False)
    third.leave()
    assert (slots.taken, deep.enter_now(), second.enter_now()) == (31, False, False), "it is kept again"


async def test_of_a_few_slots_one_is_kept():
    slots = CallSlots(8, lambda: 3)
    deep, other = slots.of_a_task(), slots.of_a_task()
    assert sum(deep.enter_now() for _ in range(9)) == 7
    assert [other.enter_now(), other.enter_now()] == [True, False]


async def test_a_task_that_is_alone_has_all_slots():
    slots = CallSlots(32, lambda: 1)
    task = slots.of_a_task()
    assert sum(task.enter_now() for _ in range(40)) == 32


async def test_a_task_without_a_call_is_first_where_none_is_kept():
    slots = CallSlots(3, lambda: 3)
    deep, second, third = (slots.of_a_task() for _ in range(3))
    assert [task.enter_now() for task in (deep, deep, second, third)] == [True, True, True, False]
    waits, entered = asyncio.create_task(deep.enter()), asyncio.create_task(third.enter())
    await turn()
    deep.leave()
    await entered
    assert (deep.taken, third.taken, waits.done()) == (1, 1, False)
    waits.cancel()


async def test_a_slot_goes_to_the_task_that_has_the_fewest():
    slots = CallSlots(4)
    deep, other = slots.of_a_task(), slots.of_a_task()
    assert all((deep.enter_now(), deep.enter_now(), deep.enter_now(), other.enter_now()))
    first, second = asyncio.create_task(deep.enter()), asyncio.create_task(other.enter())
    await turn()
    deep.leave()
    await second
    assert not first.done()
    deep.leave()
    await first
    assert (deep.taken, other.taken, slots.taken) == (2, 2, 4)


async def test_a_cancelled_wait_takes_no_slot():
    slots = CallSlots(1)
    task = slots.of_a_task()
    assert task.enter_now()
    gives_up, waits = asyncio.create_task(task.enter()), asyncio.create_task(task.enter())
    await turn()
    gives_up.cancel()
    await turn()
    assert task.waiting == 1
    task.leave()
    await waits
    assert (task.taken, task.waiting, slots.taken) == (1, 0, 1)


async def test_a_slot_given_to_a_cancelled_call_goes_to_the_next():
    slots = CallSlots(1)
    task = slots.of_a_task()
    assert task.enter_now()
    gives_up, waits = asyncio.create_task(task.enter()), asyncio.create_task(task.enter())
    await turn()
    task.leave()  # the first has the place, and has not run yet
    gives_up.cancel()
    await waits
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    assert (task.taken, slots.taken) == (1, 1)


STEPS = st.lists(st.tuples(st.sampled_from(["enter", "leave", "cancel"]), st.integers(0, 3)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 4) | st.integers(32, 34), steps=STEPS)
def test_no_slot_is_lost_or_made(size, steps):
    asyncio.run(_visits(size, steps))


async def _visits(size, steps):
    slots = CallSlots(size, lambda: 3)
    tasks = [slots.of_a_task() for _ in range(3)]
    filler = slots.of_a_task()  # of a task that was closed, whose calls have not ended yet
    while slots.taken < size - 4:
        assert filler.enter_now()
    waiting: list[list[asyncio.Task]] = [[], [], []]
    for what, number in steps:
        task, queue = tasks[number % 3], waiting[number % 3]
        match what:
            case "enter" if not task.enter_now():
                queue.append(asyncio.create_task(task.enter()))
            case "leave" if task.taken:
                task.leave()
            case "cancel" if queue:
                queue.pop().cancel()
        await turn()
        for calls in waiting:
            calls[:] = [call for call in calls if not call.done()]
        assert slots.taken == sum(task.taken for task in (*tasks, filler))
        assert slots.taken <= size
        assert slots.busy == sum(task.taken > 0 for task in (*tasks, filler))
        assert [task.waiting for task in tasks] == [len(calls) for calls in waiting]
        waits = [task for task in tasks if task.waiting]
        assert not any(slots.is_free(task.taken) for task in waits), "somebody waits beside a free place"
    for calls in waiting:
        for call in calls:
            call.cancel()
    await turn()
