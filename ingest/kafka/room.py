"""The room for records in flight, and the share that each topic and partition has of it. Pure.

A record finds room while what its partition, its topic and all topics hold, added up, is below the limit. So what a
topic or a partition may hold depends on what is free, and one that takes nothing leaves room for the others:
- a partition alone holds a third of the room at most, a topic half of it;
- each topic that fills up takes half of what is free at most, and a partition of another topic finds a third of the
  rest: with one topic full a sixth of the room, with two a twelfth.
Switches share their buffers in this way: https://doi.org/10.1109/90.664262 (dynamic queue length thresholds).
A partition that has taken nothing for long is `narrowed`: it holds a batch or so, which shows when it is back.

The room outlives a producer. Its sizes are bytes, with `RECORD_OVERHEAD_BYTES` for each record.
"""

from typing import Final

RECORD_OVERHEAD_BYTES: Final = 1_000
"""What a record in flight costs beside its key and value at most: headers, futures, bookkeeping."""
ROOM_BYTES: Final = 64 * 1024 * 1024


class Room:
    """All that is in flight."""

    __slots__ = ("_shares", "_topics", "limit", "used")

    def __init__(self, limit: int = ROOM_BYTES) -> None:
        self.limit, self.used = limit, 0
        self._topics: dict[str, _TopicShare] = {}
        self._shares: dict[tuple[str, int | None], Share] = {}

    def share(self, topic: str, partition: int | None) -> "Share":
        """The share of a partition, the same one every time; None: of records whose partition is not known yet."""
        found = self._shares.get((topic, partition))
        if found is None:
            of_topic = self._topics.setdefault(topic, _TopicShare())
            found = self._shares[topic, partition] = Share(self, of_topic)
        return found


class _TopicShare:
    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0


class Share:
    """What one partition has in flight."""

    __slots__ = ("_room", "_topic", "narrowed_to", "used")

    def __init__(self, room: Room, topic: _TopicShare) -> None:
        self._room, self._topic = room, topic
        self.used = 0
        self.narrowed_to: int | None = None

    def take(self, size: int) -> bool:
        """Whether there is room for so much, which is then taken."""
        room, topic = self._room, self._topic
        if self.used + topic.used + room.used + size > room.limit:
            return False
        if self.narrowed_to is not None and self.used and self.used + size > self.narrowed_to:
            return False
        self.used += size
        topic.used += size
        room.used += size
        return True

    def give_back(self, size: int) -> None:
        self.used -= size
        self._topic.used -= size
        self._room.used -= size
