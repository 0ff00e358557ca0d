"""What became of a command before its newest state, as entries of a time line: its waits, and its results. Pure.

A command whose only result is its newest state has that state in its own entry, and none here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from stripeline.deploy.console.details.timeline_entry import TimelineEntry
from stripeline.deploy.operations.reading.command_views import WAITING


def outcome_entries(outcomes: Sequence[Any], about: str, now_ms: int) -> Iterator[TimelineEntry]:
    """outcomes: rows of one command, in the order of time. about: what an entry begins with, such as `Step pay: `."""
    results = [row for row in outcomes if row.status != WAITING]
    alone = len(results) == 1 and not results[0].revision
    for row in outcomes:
        if row.status == WAITING:
            yield _wait(row, about, now_ms)
        elif not alone:
            words = f"{about}Result, revision {row.revision}"
            yield TimelineEntry(at_ms=row.at_ms, words=words, state=row.status, code=row.code, detail=row.error)


def _wait(row: Any, about: str, now_ms: int) -> TimelineEntry:
    tier = row.topic.rpartition(".")[2]
    after = "" if not row.attempts else f" after attempt {row.attempts}"
    return TimelineEntry(
        at_ms=row.at_ms, until_ms=None if row.due_ms is None else max(row.at_ms, min(row.due_ms, now_ms)),
        words=f"{about}Waited in tier {tier}{after}", state=row.status, code=row.code, detail=row.error,
    )  # fmt: skip
