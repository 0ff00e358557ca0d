"""Decides whether a file with a task's state may be used, and when one is due. Pure.

A file is used if everything proves that it is the state of this changelog up to an offset: then the records from that
offset on make it whole. With any doubt it is deleted, and the changelog read from its beginning.
"""

from typing import Final, NamedTuple

from msgspec import Struct

from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.contracts.topics import TOMBSTONES_KEPT_MS

FORMAT: Final = 1
"""Of the file, its blocks, and what a state keeps beside its records: raised with any change of these."""

AT_MOST_MS: Final = TOMBSTONES_KEPT_MS - DAY_MS
"""The age of a file, by the broker's clock. An older one would bring ids back whose tombstones are compacted away."""

_AHEAD_MS: Final = 3_600_000
_SKEW_MS: Final = 10_000
"""How much the clocks of brokers that follow each other may differ."""

_AGAIN_MS: Final = 60_000
_FEW: Final = 10_000


class StateFileHeader(Struct, frozen=True, kw_only=True):
    """What a file says of itself.

    topic_id: Kafka's own, by which a topic that is created again is another one.
    upto: the offset of the changelog up to which the state holds, once a commit had confirmed it.
    at_ms: when it was confirmed, by the broker's clock.
    """

    format: int
    topic: str
    topic_id: str
    partition: int
    upto: int
    at_ms: int


class ChangelogNow(NamedTuple):
    """A changelog partition.

    first, end: its bounds.
    last_ms: when the last record before the file's offset was appended; None where it is not there any more.
    now_ms: the broker's time.
    """

    first: int
    end: int
    last_ms: int | None
    now_ms: int


def _is_the_same(last_ms: int | None, file: StateFileHeader) -> bool:
    """Whether the last record before the file's offset is the one that was there when the file was confirmed.

    After an unclean election the log may have ended before it, and been written on: then a later record stands there,
    or none, if that was compacted away. https://kafka.apache.org/documentation/#design_uncleanleader
    """
    return last_ms is not None and last_ms < file.at_ms + _SKEW_MS


def doubt(file: StateFileHeader, *, topic: str, topic_id: str, partition: int, log: ChangelogNow) -> str | None:
    """Why a file is not used, in words; None when it is proved."""
    doubts = {
        f"it has format {file.format} instead of {FORMAT}": file.format != FORMAT,
        "it is of another partition": (file.topic, file.partition) != (topic, partition),
        "the changelog was created again": file.topic_id != topic_id,
        "the changelog begins behind it": file.upto < log.first,
        "the changelog ends before it": file.upto > log.end,
        "the changelog was compacted at its end, or cut and written on": not _is_the_same(log.last_ms, file),
        "tombstones may have been compacted away since": log.now_ms - file.at_ms >= AT_MOST_MS,
        "it is of a later time": file.at_ms - log.now_ms >= _AHEAD_MS,
    }
    return next((words for words, holds in doubts.items() if holds), None)


class LastFile(NamedTuple):
    """The last file of a task: up to which offset it holds, and when it was written, or tried."""

    upto: int
    at_ms: int


def is_due(last: LastFile | None, *, entries: int, upto: int, now_ms: int) -> bool:
    """Whether a new file is worth its writing: a tenth of the state has changed, or it is a day old.

    So what is written is at most ten times what has changed, and a restart reads at most a tenth of the state again.
    """
    if last is None:
        return entries >= _FEW
    changed = upto - last.upto
    return now_ms - last.at_ms >= _AGAIN_MS and (
        changed >= max(_FEW, entries // 10) or (changed > 0 and now_ms - last.at_ms >= DAY_MS)
    )
