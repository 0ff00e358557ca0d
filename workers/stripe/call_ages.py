"""How long calls have been under way, for the watchdog: a hung one shows by nothing else while others go on."""

import time
from collections import defaultdict


class CallAges:
    """The calls of one process, by partition number: one that hangs is still seen when its task has been replaced."""

    def __init__(self) -> None:
        self._by_partition: dict[int, PartitionCalls] = defaultdict(PartitionCalls)

    def of(self, partition: int) -> "PartitionCalls":
        return self._by_partition[partition]


class PartitionCalls:
    """`began` when a call has its slot, and `ended` with what that returned, whatever became of the call."""

    __slots__ = ("_began_s",)

    def __init__(self) -> None:
        self._began_s: dict[object, float] = {}  # the oldest one first

    def began(self) -> object:
        call = object()
        self._began_s[call] = time.monotonic()
        return call

    def ended(self, call: object) -> None:
        del self._began_s[call]

    def oldest_s(self) -> float:
        """How long the oldest call has been under way; 0 without a call."""
        began_s = next(iter(self._began_s.values()), None)
        return 0.0 if began_s is None else time.monotonic() - began_s
