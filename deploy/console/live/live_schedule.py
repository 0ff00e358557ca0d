"""When a live stream looks for news, shows that it is open, and asks again who reads it. Pure.

Invariant: it looks at most once in `look_every_s`, however often the index changes.
"""

from enum import Enum, auto
from typing import Final

HEARTBEAT_S: Final = 15.0
IDENTIFY_S: Final = 60.0
NEWS_EVERY_S: Final = 0.5
PARTS_EVERY_S: Final = 2.0


class LiveStep(Enum):
    """What a stream does next."""

    IDENTIFY = auto()
    LOOK = auto()
    HEARTBEAT = auto()
    WAIT = auto()


class LiveSchedule:
    """Of one stream, which has looked once.

    seen: the version of the index before that. always: look when the time has come, even if the index has not changed.
    """

    def __init__(self, *, now_s: float, seen: int, look_every_s: float, always: bool) -> None:
        self._looked_s = self._sent_s = self._identified_s = now_s
        self._seen, self._look_every_s, self._always = seen, look_every_s, always

    def step(self, now_s: float, version: int) -> LiveStep:
        """What is due. version: the index's."""
        if now_s - self._identified_s >= IDENTIFY_S:
            self._identified_s = now_s
            return LiveStep.IDENTIFY
        if now_s - self._looked_s >= self._look_every_s and (self._always or version != self._seen):
            self._looked_s, self._seen = now_s, version
            return LiveStep.LOOK
        if now_s - self._sent_s >= HEARTBEAT_S:
            self._sent_s = now_s
            return LiveStep.HEARTBEAT
        return LiveStep.WAIT

    def sent(self, now_s: float) -> None:
        """A message went out: the stream is seen to be open."""
        self._sent_s = now_s
