"""Every topic: its name, partitions and settings. No other module states a fact about a topic.

Every topic but `control` and `worker` has the same partition count: a worker writes everything that follows from a
record to the partition number that the record came from, so it stays in one task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from stripeline.contracts.families import families
from stripeline.contracts.retry_tiers import DAY_MS, DEFAULT_TIERS, RETRY_TOPIC, Tier, duration_of, parse_tiers

RECORD_MAX_BYTES: Final = 1_048_588
"""Kafka's default, the largest record that other teams' clients may send."""
CARRIED_MAX_BYTES: Final = 2_097_152
"""For records that are copied with additional headers: a record that fitted once still fits."""

THIN_EVENT: Final = "thin-event"
HEALTH_EVENT: Final = "health-event"

_SAFE: Final = {
    # A replica that lags behind, once it is elected leader, drops records that were acknowledged.
    "unclean.leader.election.enable": "false",
}
_KEPT_BY_TIME: Final = {
    # A cluster's `log.retention.bytes` would delete records by size, whether or not anybody has read them.
    "retention.bytes": "-1",
    **_SAFE,
}
TOMBSTONES_KEPT_MS: Final = 7 * DAY_MS
"""How long a changelog keeps the tombstone of a key."""
PINNED: Final = frozenset(_KEPT_BY_TIME)
"""Settings that repeat Kafka's own default, since a cluster may have one that loses records. A service may let nobody
set them: then its default must be the same. Not pinned: `compression.type`, since every codec is read, and
`min.insync.replicas`, which must fit the cluster's brokers and is checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """The required state of a topic.

    shares_count: its partition count is the prefix's.
    created_with: settings that only save room. A topic is created with them where that is allowed, and any other value
        will do.
    optional: every process works without it, and uses it once it is there: a release may add one before anybody has
        run `stripeline topics apply`.
    """

    name: str
    partitions: int
    config: Mapping[str, str]
    shares_count: bool = True
    created_with: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False

    @property
    def cleanup(self) -> str:
        return self.config["cleanup.policy"]

    @property
    def retention_ms(self) -> int | None:
        return int(self.config["retention.ms"]) if "retention.ms" in self.config else None


def _deleted(*, days: int, max_bytes: int, append_time: bool) -> Mapping[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY_MS),
        "max.message.bytes": str(max_bytes),
        "message.timestamp.type": "LogAppendTime" if append_time else "CreateTime",
        **_KEPT_BY_TIME,
    }


_COMPACTED: Final = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(CARRIED_MAX_BYTES),
    # A task's clock follows these append times, which are the broker's.
    "message.timestamp.type": "LogAppendTime",
    # A tombstone must outlive the longest restore from an old position.
    "delete.retention.ms": str(TOMBSTONES_KEPT_MS),
    **_SAFE,
}

_REPORTS: Final = {
    # Of a report only the newest of its key counts; what a process that died has left is gone after a day.
    "cleanup.policy": "compact,delete",
    "retention.ms": str(DAY_MS),
    "max.message.bytes": str(CARRIED_MAX_BYTES),
    # How old a report is can only be said by one clock.
    "message.timestamp.type": "LogAppendTime",
    **_SAFE,
}
_SHORT_SEGMENTS: Final = {
    # A report is written every few seconds: compacted soon, the topic stays small.
    "segment.ms": "600000",
    "segment.bytes": "8388608",
    "max.compaction.lag.ms": "600000",
    "min.cleanable.dirty.ratio": "0.1",
}
_HOURLY_SEGMENTS: Final = {
    # With ten thousand connections the sweeps write a million records a day, and every process reads all at its start.
    "segment.ms": "3600000",
    "segment.bytes": "16777216",
    "max.compaction.lag.ms": "3600000",
    "min.cleanable.dirty.ratio": "0.1",
}


@dataclass(frozen=True)
class Topics:
    """The topics of one prefix."""

    prefix: str = "stripe."
    tiers: tuple[Tier, ...] = parse_tiers(DEFAULT_TIERS)

    @cached_property
    def events(self) -> tuple[str, ...]:
        return tuple(self.prefix + family.topic for family in families().values())

    def event(self, topic: str) -> str:
        """The topic of a family, or of what else Stripe delivers, by its name without the prefix."""
        return self.prefix + topic

    @cached_property
    def groups(self) -> tuple[str, str]:
        """The consumer groups of the router and the executor."""
        return f"{self.prefix}router", f"{self.prefix}executor"

    @cached_property
    def command(self) -> str:
        return f"{self.prefix}action-command"

    @cached_property
    def result(self) -> str:
        return f"{self.prefix}action-result"

    @cached_property
    def retries(self) -> Mapping[str, Tier]:
        """The names of the retry topics, with their tiers."""
        return {self.prefix + tier.topic: tier for tier in self.tiers}

    def retry(self, tier: Tier) -> str:
        return self.prefix + tier.topic

    @cached_property
    def _retry_prefix(self) -> str:
        return f"{self.prefix}{RETRY_TOPIC}"

    def is_retry(self, topic: str) -> bool:
        """Whether it is the topic of a tier, or of one that was taken away: what waits in it is still due."""
        return topic.startswith(self._retry_prefix)

    def delay_ms(self, topic: str) -> int:
        """How long the records of a retry topic wait, by its name alone; 0 for a topic that is none."""
        return duration_of(topic.removeprefix(self._retry_prefix)) if self.is_retry(topic) else 0

    @cached_property
    def dead_letter(self) -> str:
        return f"{self.prefix}action-dead-letter"

    @cached_property
    def run(self) -> str:
        return f"{self.prefix}run"

    @cached_property
    def ledger(self) -> str:
        return f"{self.prefix}action-ledger"

    @cached_property
    def control(self) -> str:
        return f"{self.prefix}control"

    @cached_property
    def act(self) -> str:
        return f"{self.prefix}act"

    @cached_property
    def audit(self) -> str:
        return f"{self.prefix}audit"

    @cached_property
    def worker(self) -> str:
        return f"{self.prefix}worker"

    @cached_property
    def thin_event(self) -> str:
        return self.event(THIN_EVENT)

    @cached_property
    def health_event(self) -> str:
        return self.event(HEALTH_EVENT)

    @cached_property
    def event_seen(self) -> str:
        return f"{self.prefix}event-seen"

    def all(self, partitions: int) -> Sequence[Topic]:
        """The required state of every topic, in the order of the data flow."""
        event = _deleted(days=7, max_bytes=RECORD_MAX_BYTES, append_time=False)
        record = _deleted(days=7, max_bytes=RECORD_MAX_BYTES, append_time=True)
        carried = _deleted(days=7, max_bytes=CARRIED_MAX_BYTES, append_time=True)
        dead = _deleted(days=365, max_bytes=CARRIED_MAX_BYTES, append_time=True)
        wanted: Sequence[tuple[str, Mapping[str, str]]] = (
            *((name, event) for name in self.events),
            (self.thin_event, record),
            (self.health_event, _deleted(days=30, max_bytes=RECORD_MAX_BYTES, append_time=True)),
            # Longer than Stripe's Events list reaches back.
            (self.event_seen, _deleted(days=32, max_bytes=RECORD_MAX_BYTES, append_time=True)),
            (self.command, record),
            (self.result, carried),
            *((name, carried) for name in self.retries),
            (self.dead_letter, dead),
            (self.run, _COMPACTED),
            (self.ledger, _COMPACTED),
            (self.act, carried),
            (self.audit, _deleted(days=365, max_bytes=RECORD_MAX_BYTES, append_time=True)),
        )
        worker = Topic(
            name=self.worker, partitions=1, config=_REPORTS, shares_count=False, created_with=_SHORT_SEGMENTS
        )
        control = Topic(
            name=self.control, partitions=1, config=_COMPACTED, shares_count=False, created_with=_HOURLY_SEGMENTS
        )
        optional = (self.thin_event, self.health_event, self.event_seen)
        shared = (
            Topic(name=name, partitions=partitions, config=config, optional=name in optional) for name, config in wanted
        )
        return (*shared, worker, control)
