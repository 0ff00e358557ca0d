"""Which process gets the next connection."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.runtime.process_group.connection_spread import ConnectionSpread


def spread(*numbers: int) -> ConnectionSpread:
    made = ConnectionSpread()
    for number in numbers:
        made.serves(number)
    return made


def give(to: ConnectionSpread) -> int:
    number = to.order()[0]
    to.given(number)
    return number


def test_each_process_gets_as_many_as_the_others():
    shared = spread(1, 2, 3)
    assert [give(shared) for _ in range(7)] == [1, 2, 3, 1, 2, 3, 1]


def test_short_connections_take_turns():
    shared, order = spread(1, 2), []
    for _ in range(4):
        order.append(give(shared))
        shared.closed(order[-1], 1)
    assert order == [1, 2, 1, 2]


def test_a_process_that_was_started_again_catches_up():
    shared = spread(1, 2)
    for _ in range(8):
        give(shared)
    shared.ends(2)
    assert [give(shared) for _ in range(2)] == [1, 1]
    shared.serves(2)
    assert [give(shared) for _ in range(7)] == [2, 2, 2, 2, 2, 2, 1]


def test_without_a_process_nobody_gets_it():
    shared = spread(1)
    shared.ends(1)
    shared.ends(1)
    shared.closed(1, 3)  # of a process that is gone
    assert list(shared.order()) == []


@given(st.lists(st.sampled_from(["give", "close 1", "close 2", "close 3"]), max_size=60))
def test_the_one_with_the_fewest_is_always_first(events: list[str]):
    shared, held = spread(1, 2, 3), {1: 0, 2: 0, 3: 0}
    for event in events:
        if event == "give":
            number = give(shared)
            assert held[number] == min(held.values())
            held[number] += 1
        elif held[number := int(event[-1])]:
            held[number] -= 1
            shared.closed(number, 1)
