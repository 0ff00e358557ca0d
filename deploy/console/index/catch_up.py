"""How far the index has read, in words for a person. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

STORE: Final = "the store"
"""The key of `missing` for an index that can't be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """read, unread: records. since_ms: when the reading began.

    missing: topics and partitions that can't be read, each with the reason.
    gaps: offsets that were left out, each with the reason.
    rebuilds: how often a store was of no use any more, and was emptied, since the process began.
    written_ms: when the store was last written; when the process began, before that.
    unreadable: records that are no records of their topics' contract, since the process began.
    """

    read: int = 0
    unread: int = 0
    since_ms: int = 0
    caught_up: bool = False
    unreadable: int = 0
    rebuilds: int = 0
    written_ms: int = 0
    missing: Mapping[str, str] = field(default_factory=dict)
    gaps: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether it has all that its topics have."""
        return self.caught_up and not self.missing and not self.gaps

    @property
    def percent(self) -> int:
        whole = self.read + self.unread
        return 100 if self.caught_up or not whole else min(99, self.read * 100 // whole)
