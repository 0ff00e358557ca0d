"""Which partition numbers a member owns: tables, and properties over members, subscriptions and counts."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.task.assignment import Sharing, owned, shared_out

COMMAND, SHORT, LONG = "s.action-command", "s.action-retry.5s", "s.action-retry.1h"
SHARING = Sharing(original=frozenset({COMMAND}), partitions=4)
BOTH = (COMMAND, SHORT)
Shares = Mapping[str, Mapping[str, Sequence[int]]]


def numbers(shares: Shares, topic: str = COMMAND) -> dict[str, list[int]]:
    return {member: list(share.get(topic, ())) for member, share in shares.items()}


def test_members_get_the_same_numbers_of_every_topic():
    shares = shared_out(SHARING, {"b": BOTH, "a": BOTH}, {COMMAND: 4, SHORT: 4})
    assert numbers(shares) == numbers(shares, SHORT) == {"a": [0, 1], "b": [2, 3]}


@pytest.mark.parametrize("grown", [{COMMAND: 8, SHORT: 4}, {COMMAND: 4, SHORT: 8}, {COMMAND: 8, SHORT: 8}])
def test_partitions_that_were_added_are_nobodys(grown):
    shares = shared_out(SHARING, {"a": BOTH, "b": BOTH}, grown)
    assert numbers(shares) == numbers(shares, SHORT) == {"a": [0, 1], "b": [2, 3]}


def test_the_first_members_get_one_more():
    assert numbers(shared_out(SHARING, {"c": BOTH, "a": BOTH, "b": BOTH}, {COMMAND: 4, SHORT: 4})) == {
        "a": [0, 1], "b": [2], "c": [3],
    }  # fmt: skip


def test_more_members_than_numbers_leave_some_without():
    shares = shared_out(SHARING, dict.fromkeys("abcde", BOTH), {COMMAND: 4, SHORT: 4})
    assert numbers(shares)["e"] == []
    assert shares["e"] == {}


def test_an_added_topic_goes_to_the_numbers_owner_if_it_reads_it():
    """A roll adds a tier: the member that knows it gets it for its own numbers; the others' wait."""
    shares = shared_out(SHARING, {"old": BOTH, "new": (*BOTH, LONG)}, {COMMAND: 4, SHORT: 4, LONG: 4})
    assert numbers(shares) == {"new": [0, 1], "old": [2, 3]}
    assert numbers(shares, LONG) == {"new": [0, 1], "old": []}


def test_a_topic_with_fewer_partitions_holds_up_no_other_number():
    shares = shared_out(SHARING, {"a": BOTH, "b": BOTH}, {COMMAND: 4, SHORT: 1})
    assert numbers(shares) == {"a": [0, 1], "b": [2, 3]}
    assert numbers(shares, SHORT) == {"a": [0], "b": []}


def test_a_member_that_reads_no_original_input_gets_nothing():
    shares = shared_out(SHARING, {"a": BOTH, "b": (SHORT,)}, {COMMAND: 4, SHORT: 4})
    assert numbers(shares) == {"a": [0, 1, 2, 3], "b": []}
    assert shares["b"] == {}


@pytest.mark.parametrize("counts", [{}, {SHORT: 4}])
def test_without_an_original_input_nobody_owns_a_number(counts):
    assert shared_out(SHARING, {"a": BOTH}, counts) == {"a": {}}


def test_without_a_partition_count_the_original_inputs_decide():
    sharing = Sharing(original=frozenset({COMMAND}))
    assert numbers(shared_out(sharing, {"a": BOTH}, {COMMAND: 3, SHORT: 8}), SHORT) == {"a": [0, 1, 2]}
    assert list(owned(sharing, [(COMMAND, 7)])) == [7]


def test_a_task_opens_where_a_member_has_the_original_inputs():
    """A leader with Kafka's own range assignor gives members different numbers of grown topics."""
    assigned = [(COMMAND, number) for number in (0, 1, 2, 3)] + [(SHORT, number) for number in (0, 1)]
    assert owned(SHARING, assigned) == {
        0: {COMMAND, SHORT}, 1: {COMMAND, SHORT}, 2: {COMMAND}, 3: {COMMAND},
    }  # fmt: skip
    assert owned(SHARING, [(COMMAND, 4), (COMMAND, 7), (SHORT, 2), (SHORT, 3)]) == {}


TOPICS = st.sampled_from([COMMAND, SHORT, LONG])
MEMBERS = st.dictionaries(st.text("abc-0", min_size=1, max_size=6), st.sets(TOPICS), min_size=1, max_size=6)
COUNTS = st.dictionaries(TOPICS, st.integers(0, 12))
SHARINGS = st.builds(
    Sharing,
    original=st.sampled_from([frozenset({COMMAND}), frozenset({COMMAND, SHORT})]),
    partitions=st.none() | st.integers(1, 9),
)


def range_assignment(members: Mapping[str, set[str]], counts: Mapping[str, int]) -> Shares:
    """Kafka's: topic by topic."""
    found: dict[str, dict[str, list[int]]] = {member: {} for member in members}
    for topic, count in counts.items():
        readers = sorted(member for member, topics in members.items() if topic in topics)
        first = 0
        for place, member in enumerate(readers):
            size = count // len(readers) + (place < count % len(readers))
            found[member][topic] = list(range(first, first + size))
            first += size
    return found


def places(share: Mapping[str, Sequence[int]]) -> list[tuple[str, int]]:
    return [(topic, number) for topic, found in share.items() for number in found]


@given(SHARINGS, MEMBERS, COUNTS)
def test_every_number_has_one_owner_with_all_original_inputs(sharing, members, counts):
    shares = shared_out(sharing, members, counts)
    given_out = [place for share in shares.values() for place in places(share)]
    assert len(given_out) == len(set(given_out))  # no partition twice
    opened = [number for share in shares.values() for number in owned(sharing, places(share))]
    able = [member for member, topics in members.items() if sharing.original <= topics]
    assert sorted(opened) == (list(range(sharing.numbers(counts))) if able else [])
    for share in shares.values():  # and nothing beside the tasks that it opens
        assert {number for _, number in places(share)} <= owned(sharing, places(share)).keys()


@given(SHARINGS, MEMBERS, COUNTS)
def test_no_two_members_open_a_number_under_a_range_leader(sharing, members, counts):
    shares = range_assignment(members, counts)
    opened = [number for share in shares.values() for number in owned(sharing, places(share))]
    assert len(opened) == len(set(opened))


@given(st.sets(st.text("abc-0", min_size=1, max_size=6), min_size=1, max_size=6), st.integers(1, 12))
def test_it_is_the_range_assignment_while_topics_are_equal(members, count):
    """So it does not matter who leads a group during a roll."""
    subscriptions = {member: {COMMAND, SHORT} for member in members}
    counts = {COMMAND: count, SHORT: count}
    sharing = Sharing(original=frozenset({COMMAND}), partitions=count)
    mine, kafkas = shared_out(sharing, subscriptions, counts), range_assignment(subscriptions, counts)
    assert {member: sorted(places(share)) for member, share in mine.items()} == {
        member: sorted(places(share)) for member, share in kafkas.items()
    }


@given(SHARINGS, MEMBERS, COUNTS, st.permutations(range(6)))
def test_the_same_members_keep_their_numbers(sharing, members, counts, order):
    """Whatever the order in which the coordinator lists them."""
    items = list(members.items())
    shuffled = dict(items[place] for place in order if place < len(items))
    assert shared_out(sharing, shuffled, counts) == shared_out(sharing, members, counts)


@given(SHARINGS, MEMBERS, COUNTS, TOPICS, st.integers(1, 9))
def test_a_topic_that_grows_moves_no_number(sharing, members, counts, topic, more):
    """Once the prefix's count is there, more partitions change nothing."""
    whole = Sharing(original=sharing.original, partitions=3)
    there = {name: max(3, count) for name, count in counts.items()}
    grown = {**there, topic: there.get(topic, 3) + more} if topic in there else there
    assert shared_out(whole, members, grown) == shared_out(whole, members, there)
