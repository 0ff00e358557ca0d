"""How topics and partitions share the room for what is in flight."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.ingest.kafka.room import Room, Share

LIMIT = 9_000


def fill(*shares: Share, size: int = 1) -> int:
    """Take in turns until none of them gets any more; how much all took."""
    taken = 0
    open_ = list(shares)
    while open_:
        for share in tuple(open_):
            if share.take(size):
                taken += size
            else:
                open_.remove(share)
    return taken


def test_a_partition_that_takes_nothing_holds_a_third_at_most() -> None:
    assert fill(Room(LIMIT).share("payment-event", 0)) == LIMIT // 3


@pytest.mark.parametrize("partitions", [1, 8, 64])
def test_a_topic_that_takes_nothing_holds_half_at_most(partitions: int) -> None:
    room = Room(LIMIT)
    assert fill(*(room.share("payment-event", number) for number in range(partitions))) <= LIMIT // 2
    assert room.used <= LIMIT // 2


@pytest.mark.parametrize("full", [0, 1, 2, 5])
def test_another_topic_finds_room_beside_full_ones(full: int) -> None:
    room = Room(LIMIT)
    for topic in range(full):
        fill(*(room.share(f"topic-{topic}", number) for number in range(8)))
    assert fill(room.share("charge-event", 0)) >= LIMIT // (3 * 2**full) - full


def test_partitions_of_a_topic_find_room_beside_a_full_one() -> None:
    room = Room(LIMIT)
    fill(room.share("payment-event", 0))
    assert fill(*(room.share("payment-event", number) for number in range(1, 8))) >= LIMIT // 8


def test_what_is_given_back_is_free_again() -> None:
    room = Room(LIMIT)
    share = room.share("payment-event", 0)
    fill(share)
    share.give_back(share.used)
    assert (room.used, share.used) == (0, 0)
    assert fill(share) == LIMIT // 3


def test_a_partition_has_one_share() -> None:
    room = Room(LIMIT)
    assert room.share("payment-event", 0) is room.share("payment-event", 0)
    assert room.share("payment-event", 0) is not room.share("payment-event", None)


def test_a_narrowed_partition_holds_a_batch_or_one_record() -> None:
    room = Room(LIMIT)
    share = room.share("payment-event", 0)
    share.narrowed_to = 100
    assert fill(share, size=30) == 90
    share.give_back(90)
    assert share.take(1_000)  # alone, a larger one passes: it shows when the partition is back
    assert not share.take(1)
    share.narrowed_to = None
    assert share.take(1_000)


places = st.tuples(st.sampled_from(("a", "b", "c")), st.integers(0, 3))


@given(st.lists(st.tuples(places, st.integers(1, 400), st.booleans())))
def test_the_sums_hold_whatever_comes_and_goes(steps: list[tuple[tuple[str, int], int, bool]]) -> None:
    room, held = Room(2_000), {}
    for place, size, back in steps:
        share = room.share(*place)
        if back and held.get(place):
            share.give_back(held[place].pop())
        elif share.take(size):
            held.setdefault(place, []).append(size)
        assert room.used == sum(map(sum, held.values())) <= room.limit
        assert all(room.share(*one).used == sum(sizes) for one, sizes in held.items())
