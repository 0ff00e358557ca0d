"""The newest report of each process: who lives, who is stale, who has ended."""

from dataclasses import dataclass

from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.worker_report import STALE_AFTER_MS, WorkerReport
from stripeline.deploy.operations.status.workers import workers

NOW_MS = 1_000_000


@dataclass
class Record:
    key: bytes | None
    value: bytes | None
    timestamp: int


def record(name: str, age_ms: int, role: str = "executor") -> Record:
    report = WorkerReport(role=role, version="0.2.0", host="h", started_ms=0, at_ms=0)
    return Record(name.encode(), encode(report), NOW_MS - age_ms)


def test_a_process_is_stale_after_three_missing_reports() -> None:
    found = workers([record("b", STALE_AFTER_MS), record("a", STALE_AFTER_MS - 1), record("i", 0, "ingest")], NOW_MS)
    assert [one.name for one in found.instances] == ["a", "b", "i"]
    assert ([one.name for one in found.live], [one.name for one in found.stale]) == (["a", "i"], ["b"])


def test_a_process_that_ended_cleanly_is_none() -> None:
    assert workers([Record(b"a", None, NOW_MS)], NOW_MS).instances == ()


def test_a_report_of_the_future_is_young() -> None:
    assert workers([record("a", -60_000)], NOW_MS).instances[0].age_ms == 0


def test_a_report_that_cannot_be_read_is_named() -> None:
    found = workers([Record(b"a", b"{", 0), Record(None, b"[]", 0)], NOW_MS)
    assert (found.instances, found.unreadable) == ((), ("", "a"))


def test_a_report_of_a_newer_version_is_read() -> None:
    value = b'{"role":"executor","version":"9","host":"h","started_at":0,"at":0,"what_is_this":[1]}'
    assert workers([Record(b"a", value, NOW_MS)], NOW_MS).instances[0].report.version == "9"
