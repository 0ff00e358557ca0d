"""A file of a task's state is used only if everything proves it, and written when that is worth it."""

import pytest
from msgspec.structs import replace

from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.workers.packed.state_proof import (
    AT_MOST_MS,
    FORMAT,
    ChangelogNow,
    LastFile,
    StateFileHeader,
    doubt,
    is_due,
)

NOW = 1_790_000_000_000
FILE = StateFileHeader(
    format=FORMAT, topic="stripe.action-ledger", topic_id="id-1", partition=2, upto=500, at_ms=NOW - DAY_MS
)
LOG = ChangelogNow(first=0, end=900, last_ms=NOW - 8 * DAY_MS, now_ms=NOW)


def doubt_of(file=FILE, log=LOG):
    return doubt(file, topic="stripe.action-ledger", topic_id="id-1", partition=2, log=log)


@pytest.mark.parametrize(
    ("file", "log"),
    [
        ({}, {}),
        ({}, {"first": 500}),
        ({}, {"end": 500}),
        ({}, {"last_ms": FILE.at_ms + 9_999}),
        ({"at_ms": NOW - AT_MOST_MS + 1}, {}),
        ({"at_ms": NOW + 60_000}, {}),
    ],
)
def test_a_file_that_everything_proves_is_used(file, log):
    assert doubt_of(replace(FILE, **file), LOG._replace(**log)) is None


@pytest.mark.parametrize(
    ("words", "file", "log"),
    [
        ("format 2", {"format": 2}, {}),
        ("another partition", {"partition": 3}, {}),
        ("another partition", {"topic": "stripe.run"}, {}),
        ("created again", {"topic_id": "id-0"}, {}),
        ("begins behind it", {}, {"first": 501}),
        ("ends before it", {}, {"end": 499}),
        ("compacted at its end, or cut", {}, {"last_ms": FILE.at_ms + 10_000}),
        ("compacted at its end, or cut", {}, {"last_ms": None}),
        ("tombstones may have been compacted away", {"at_ms": NOW - AT_MOST_MS}, {}),
        ("of a later time", {"at_ms": NOW + 3_600_000}, {}),
    ],
)
def test_any_doubt_keeps_a_file_from_being_used(words, file, log):
    assert words in doubt_of(replace(FILE, **file), LOG._replace(**log))


@pytest.mark.parametrize(
    ("last", "entries", "upto", "now_ms", "due"),
    [
        (None, 10_000, 10_000, NOW, True),
        (None, 9_999, 10_000, NOW, False),
        (LastFile(0, NOW - 60_000), 50_000, 10_000, NOW, True),
        (LastFile(0, NOW - 60_000), 50_000, 9_999, NOW, False),
        (LastFile(0, NOW - 59_999), 50_000, 10_000, NOW, False),
        (LastFile(0, NOW - 60_000), 1_000_000, 99_999, NOW, False),
        (LastFile(0, NOW - 60_000), 1_000_000, 100_000, NOW, True),
        (LastFile(0, NOW - DAY_MS), 5, 1, NOW, True),
        (LastFile(7, NOW - DAY_MS), 1_000_000, 7, NOW, False),
    ],
)
def test_a_file_is_due_after_a_tenth_or_a_day_of_changes(last, entries, upto, now_ms, due):
    assert is_due(last, entries=entries, upto=upto, now_ms=now_ms) == due
