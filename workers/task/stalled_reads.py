"""Which partitions a consumer does not get on in, though there is more to read: no error tells it. Pure.

A broker that can't read its own log at an offset answers a fetch with an error that the consumer keeps to itself, or
with nothing.
"""

from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

P = TypeVar("P", bound=Hashable)

STALLED_AFTER_S: Final = 10.0


class StalledReads(Generic[P]):
    """Since when each partition has been at one position before its end."""

    def __init__(self) -> None:
        self._since: dict[P, tuple[int, float]] = {}

    def look(self, now_s: float, reads: Mapping[P, tuple[int, int | None]]) -> list[P]:
        """The stalled ones of these partitions, each with its position and its end, None while no fetch has said it."""
        behind = {one: position for one, (position, end) in reads.items() if end is None or position < end}
        self._since = {
            one: known if (known := self._since.get(one)) is not None and known[0] == position else (position, now_s)
            for one, position in behind.items()
        }
        return [one for one, (_, since_s) in self._since.items() if now_s - since_s >= STALLED_AFTER_S]
