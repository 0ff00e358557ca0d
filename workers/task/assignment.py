"""Which partition numbers a member of a role's group owns: the rules of the group's leader and of each member. Pure.

- A number has at most one owner. The owner has that number of every original input, the ones that every version of a
  role reads; it has the number of another input only beside them.
- A number at or above the prefix's partition count has no owner: a topic that has grown changes nothing for the others.
- While all inputs have the same count and all members read the same inputs, this is the assignment of Kafka's range
  assignor. So a group may be led by a member that uses that one. What such a leader shares out differently, `owned`
  turns down: two members never open the same number.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

Place = tuple[str, int]
"""A topic and a partition number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """What a role shares out: the inputs that a task can't be without, and the prefix's partition count.

    partitions: None where it is as many as the original inputs have.
    """

    original: frozenset[str]
    partitions: int | None = None

    def numbers(self, counts: Mapping[str, int]) -> int:
        """How many numbers there are to own, with so many partitions of each topic; 0 where an original is missing."""
        there = [counts.get(topic, 0) for topic in self.original]
        return min(there if self.partitions is None else [*there, self.partitions])


def shared_out(
    sharing: Sharing, subscriptions: Mapping[str, Collection[str]], counts: Mapping[str, int]
) -> Mapping[str, Mapping[str, Sequence[int]]]:
    """What each member gets, by topic: consecutive numbers, the same of every topic that it reads.

    subscriptions: the topics of each member, by its id.
    counts: the partitions of each topic that exists.
    """
    able = sorted(member for member, topics in subscriptions.items() if sharing.original.issubset(topics))
    blocks = dict(zip(able, _blocks(sharing.numbers(counts), len(able)), strict=True))
    return {
        member: {
            topic: numbers
            for topic in sorted(topics)
            if (numbers := [number for number in blocks.get(member, ()) if number < counts.get(topic, 0)])
        }
        for member, topics in subscriptions.items()
    }


def owned(sharing: Sharing, assigned: Iterable[Place]) -> Mapping[int, frozenset[str]]:
    """The numbers whose tasks a member opens, with the topics that each task reads."""
    topics: dict[int, set[str]] = {}
    for topic, number in assigned:
        topics.setdefault(number, set()).add(topic)
    return {
        number: frozenset(found)
        for number, found in sorted(topics.items())
        if sharing.original <= found and (sharing.partitions is None or number < sharing.partitions)
    }


def _blocks(numbers: int, members: int) -> Sequence[range]:
    """Consecutive numbers for each member; the first ones get one more where it does not divide."""
    sizes = [numbers // members + (place < numbers % members) for place in range(members)]
    return [range(first, end) for first, end in pairwise(accumulate(sizes, initial=0))]
