"""What `stripeline status` finds: its kind, how much it matters, in words, and the command to run next. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Severity(IntEnum):
    """How much a finding matters; the lower, the worse."""

    STOPS = 0  # work stops, or events are refused
    PERSON = 1  # something waits for a person
    NOTE = 2  # good to know: nothing waits for it

    @property
    def word(self) -> str:
        return self.name.lower()


class FindingKind(StrEnum):
    """The field `kind` of a finding in `status --json`."""

    KAFKA_AWAY = "kafka_away"
    TOPIC = "topic"
    NO_PROCESS = "no_process"
    NO_OWNER = "no_owner"
    NOT_READY = "not_ready"
    LACKS_KEY = "lacks_key"
    PARTITION_COUNT = "partition_count"
    UNREAD = "unread"
    KEY_REFUSED = "key_refused"
    ENDPOINT = "endpoint"
    HORIZON = "horizon"
    DEAD_LETTERS = "dead_letters"
    STOPPED_RUNS = "stopped_runs"
    UNMADE_EVENTS = "unmade_events"
    NO_CONNECTION = "no_connection"
    RETENTION = "retention"
    MISSED_EVENTS = "missed_events"
    SWEEP_LATE = "sweep_late"
    LATE = "late"
    CLOCK = "clock"
    NOT_LOOKED_AT = "not_looked_at"
    WARNING = "warning"
    PAUSED = "paused"
    OPENING = "opening"
    STALE = "stale"
    VERSIONS = "versions"
    UNREADABLE_REPORT = "unreadable_report"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFinding:
    """One thing that was found.

    command: what to run next, as it is pasted; None where there is nothing to run.
    about: which one of its kind: a dead letter's reason, a code, a connection, or `workflow/NAME`; None where the kind
        says it.
    """

    kind: FindingKind
    severity: Severity
    text: str
    command: str | None = None
    about: str | None = None


_ADVISED: Final = re.compile(r"`(stripeline [a-z][^`]*)`")


def advised(words: str) -> str | None:
    """The first `stripeline` command in a text that can be run as it is: one with no place for a name."""
    return next((one for one in _ADVISED.findall(words) if not re.search(r"\b[A-Z]{2,}\b|…", one)), None)


def in_a_row(names: list[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    if len(names) <= most:
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def numbers(found: list[int]) -> str:
    """`1 to 3 and 7` for 1, 2, 3 and 7."""
    spans: list[list[int]] = []
    for one in sorted(found):
        if spans and one == spans[-1][1] + 1:
            spans[-1][1] = one
        else:
            spans.append([one, one])
    return in_a_row([str(a) if a == b else f"{a} and {b}" if b == a + 1 else f"{a} to {b}" for a, b in spans], 6)


def partitions(found: Sequence[int]) -> str:
    """`partition 3`, `partitions 1 to 3 and 7`."""
    return f"{'partition' if len(found) == 1 else 'partitions'} {numbers(list(found))}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 run`, `2,000 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(value_ms: int) -> str:
    """About how long, in one unit: `45 s`, `3 min`, `5 h`, `2 d`."""
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if value_ms >= 2 * size or (unit == "min" and value_ms >= size):
            return f"{value_ms // size} {unit}"
    return f"{max(0, value_ms) // 1000} s"
