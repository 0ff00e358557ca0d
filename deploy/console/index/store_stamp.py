"""What a store says of itself, and when it is of no use any more: then all is read again. Pure.

A store is of one format, one prefix, one installation, and of the very topics that it was read from. One that has not
followed the run topic for longer than Kafka keeps its tombstones has runs that nobody can tell from deleted ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index.tables import FORMAT

Partition = tuple[str, int]
TOPIC_ID: Final = "topic_id/"
OWN_NAMES: Final = ("format", "prefix", "installation", "created_ms", "progress_ms")
"""The names of `meta` that are of this module, beside those of topics."""
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStamp:
    """topic_ids: of the topics whose id is known. installation: None where the control topic has none yet."""

    prefix: str
    installation: str | None = None
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def rows(self) -> dict[str, str]:
        """As rows of `meta`."""
        named = {"format": str(self.format), "prefix": self.prefix}
        if self.installation is not None:
            named["installation"] = self.installation
        return named | {f"{TOPIC_ID}{topic}": one for topic, one in self.topic_ids.items()}

    def is_of_others(self, kept: Mapping[str, str]) -> bool:
        """Whether a store is of another prefix or installation."""
        theirs = kept.get("installation", self.installation)
        return kept.get("prefix", self.prefix) != self.prefix or (self.installation or theirs) != theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """Where the partitions begin and end now."""

    firsts: Mapping[Partition, int]
    ends: Mapping[Partition, int]


def useless_because(
    kept: Mapping[str, str], stamp: StoreStamp, places: Mapping[Partition, int], now: Reachable, now_ms: int
) -> str | None:
    """Why a store with these rows of `meta` has to be made again, in words; None where it goes on."""
    if "format" not in kept:
        return "it is new"
    if kept.get("format") != str(stamp.format):
        return f"it has format {kept.get('format')}, and this version writes {stamp.format}"
    if stamp.is_of_others(kept):
        return f"it is of the topics {kept.get('prefix')}*, installation {kept.get('installation')}"
    return _too_old(kept, stamp, now_ms) or _of_other_topics(kept, stamp, places, now)


def _too_old(kept: Mapping[str, str], stamp: StoreStamp, now_ms: int) -> str | None:
    age_ms = now_ms - int(kept.get("progress_ms", "0"))
    if age_ms < tombstones_ms(stamp.prefix):
        return None
    return f"it was last written {age_ms // _DAY_MS} days ago, and Kafka keeps no tombstone that long"


def _of_other_topics(
    kept: Mapping[str, str], stamp: StoreStamp, places: Mapping[Partition, int], now: Reachable
) -> str | None:
    for topic, one in sorted(stamp.topic_ids.items()):
        if kept.get(f"{TOPIC_ID}{topic}", one) != one:
            return f"{topic} was deleted and created again"
    for (topic, number), place in sorted(places.items()):
        first, end = now.firsts.get((topic, number), place), now.ends.get((topic, number), place)
        if not first <= place <= end:
            return f"it was read up to offset {place} of {topic}-{number}, which has {first} to {end}"
    return None


def tombstones_ms(prefix: str) -> int:
    """How long Kafka keeps what deletes a run."""
    run = next(one for one in Topics(prefix=prefix).all(1) if one.name == Topics(prefix=prefix).run)
    return int(run.config["delete.retention.ms"])
