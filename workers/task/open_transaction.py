"""An open transaction that holds a partition back: its description for a person, and which input partitions are held.

A consumer reads up to the last stable offset, where the first open transaction begins. Ours end within seconds. One of
a stranger ends at its own timeout; one whose end Kafka lost never does, and then a person has to abort it. Pure.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from msgspec import Struct

P = TypeVar("P", bound=Hashable)
HELD_AFTER_S: Final = 30.0
"""An input partition is reported after this time: three times as long as one of our transactions may take."""

_MINUTE_S, _HOUR_S = 60, 3_600


class OpenTransaction(Struct, frozen=True, kw_only=True):
    """Where it begins, and whose it is. `producer_id` is None where Kafka did not say it."""

    topic: str
    partition: int
    offset: int
    producer_id: int | None = None
    producer_epoch: int | None = None
    began_ms: int | None = None


class Reach(Struct, frozen=True):
    """How far a consumer got in a partition, as of its last fetch: all that is stable, and not all that is there."""

    position: int
    last_stable: int
    end: int

    @property
    def held(self) -> bool:
        return self.last_stable < self.end and self.position >= self.last_stable


def words(found: OpenTransaction, now_ms: int, bootstrap: str) -> str:
    """`bootstrap`: how the command reaches Kafka."""
    whose = "" if found.producer_id is None else f" of producer {found.producer_id} (epoch {found.producer_epoch})"
    since = "" if found.began_ms is None else f" since {_span(max(0, now_ms - found.began_ms) / 1000)}"
    return (
        f"a transaction{whose} is open on {found.topic}-{found.partition} at offset {found.offset}{since}; abort it"
        f" with `kafka-transactions.sh --bootstrap-server {bootstrap} abort --topic {found.topic} --partition"
        f" {found.partition} --start-offset {found.offset}`"
    )


def _span(seconds: float) -> str:
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.0f} h"


@dataclass(slots=True)
class HeldPartitions(Generic[P]):
    """Since when each partition has been held at one offset."""

    _since: dict[P, tuple[int, float]] = field(default_factory=dict)

    def look(self, now_s: float, reaches: Mapping[P, Reach]) -> Mapping[P, int]:
        """The partitions held for `HELD_AFTER_S` and longer, with the offset that they are held at."""
        held = {tp: reach.last_stable for tp, reach in reaches.items() if reach.held}
        self._since = {
            tp: known if (known := self._since.get(tp)) is not None and known[0] == offset else (offset, now_s)
            for tp, offset in held.items()
        }
        return {tp: offset for tp, offset in held.items() if now_s - self._since[tp][1] >= HELD_AFTER_S}

    def held_s(self, tp: P, now_s: float) -> float:
        """How long a partition has been held; 0 where it is not."""
        known = self._since.get(tp)
        return 0.0 if known is None else now_s - known[1]
