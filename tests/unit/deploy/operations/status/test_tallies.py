"""What waits, by connection, and when its 23 hours pass; dead letters by reason, runs by code."""

from typing import Any

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import AuditRecord, OffsetRange
from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.operations.reading.letter_states import NO_ACTS, Audited, states
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.status import tallies
from stripeline.deploy.operations.status.facts import WaitingCommands
from stripeline.deploy.operations.status.tallies import NEW_MS, WaitingTally, is_open, letters_by_reason, runs_by_code
from tests.support.records import Record, command, command_record

NOW_MS = 1_800_000_000_000
RETRY = "stripe.action-retry.1h"


def waiting(command_id: str, first_ms: int, *, attempts: int = 0, connection: str = "acme") -> Record:
    headers = ((h.ATTEMPT, str(attempts).encode()), (h.FIRST_APPENDED_AT, str(first_ms).encode()))
    value = command(command_id, connection=connection)
    return command_record(value, topic=RETRY, timestamp=NOW_MS - 5, headers=headers)


def tallied(*records: Any) -> list[WaitingCommands]:
    tally = WaitingTally(Topics(), NOW_MS)
    tally.add(records)
    return list(tally.found)


def test_the_first_to_pass_23_hours_is_named() -> None:
    (one,) = tallied(
        waiting("new", NOW_MS - 10), waiting("b", NOW_MS - 2_000, attempts=1), waiting("a", NOW_MS - 9_000, attempts=3),
        waiting("c", NOW_MS - 1_000, attempts=1),
    )  # fmt: skip
    assert one == WaitingCommands(
        connection="acme", count=4, first_ms=NOW_MS - 9_000, attempted=3, horizon_ms=NOW_MS - 9_000 + HORIZON_MS,
        passed=0, example="a",
    )  # fmt: skip


def test_commands_past_23_hours_are_counted() -> None:
    (one,) = tallied(waiting("a", NOW_MS - HORIZON_MS, attempts=1), waiting("b", NOW_MS - HORIZON_MS + 1, attempts=1))
    assert (one.passed, one.example) == (1, "a")


def test_what_was_never_attempted_has_no_horizon() -> None:
    (one,) = tallied(waiting("a", NOW_MS - 9 * HORIZON_MS))
    assert (one.count, one.attempted, one.horizon_ms, one.passed, one.example) == (1, 0, None, 0, "a")


def test_a_command_of_a_moment_ago_does_not_wait() -> None:
    fresh = command_record(timestamp=NOW_MS - NEW_MS + 1)
    old = command_record(timestamp=NOW_MS - NEW_MS, headers=((h.ATTEMPT, b"4"),))
    assert [(one.count, one.attempted) for one in tallied(fresh, old)] == [(1, 0)]  # our headers count in tiers only


def test_only_commands_count() -> None:
    settlement = command_record(timestamp=0, headers=((h.SETTLES, b"c1"),))
    assert tallied(settlement, command_record(b"{", timestamp=0)) == []


def test_a_command_that_moves_meanwhile_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    moving = (waiting("a", NOW_MS), waiting("a", NOW_MS), waiting("b", NOW_MS))
    assert [one.count for one in tallied(*moving)] == [2]
    monkeypatch.setattr(tallies, "_MOST_MET", 0)
    assert [one.count for one in tallied(*moving)] == [3]


def test_connections_are_apart() -> None:
    found = tallied(waiting("a", NOW_MS), waiting("b", NOW_MS, connection="beta"))
    assert [one.connection for one in found] == ["acme", "beta"]


def letter(at_ms: int, **headers: bytes) -> Read:
    return Read(topic="d", partition=0, offset=0, at_ms=at_ms, key=None, value=b"", headers=headers)


def test_letters_by_reason() -> None:
    found = letters_by_reason([letter(5, **{h.REASON: b"exhausted"}), letter(3)], more=True)
    assert (found.by, found.oldest_ms, found.more, found.total) == (
        {"exhausted": 1, "without a reason": 1}, 3, True, 2,
    )  # fmt: skip
    assert letters_by_reason([], more=False).oldest_ms is None


def test_a_letter_that_a_person_replayed_is_not_open() -> None:
    act = AuditRecord(
        act=AuditedAct.REPLAYED, by="ada", why="w", at_ms=9,
        records=(OffsetRange(topic="d", partition=0, first=0, last=0),),
    )  # fmt: skip
    replayed = states([Audited(record=act, partition=0, offset=0, at_ms=9)], "d")
    assert (is_open(NO_ACTS, letter(5)), is_open(replayed, letter(5))) == (True, False)


def test_no_runs_are_no_codes() -> None:
    assert runs_by_code([], more=False).total == 0
