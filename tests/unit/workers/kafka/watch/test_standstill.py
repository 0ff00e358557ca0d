"""After a standstill nothing is sure, until a commit that began after it has succeeded."""

import asyncio
from types import SimpleNamespace

import pytest

from stripeline.workers.kafka.watch.standstill import LIMIT_S, PartitionProof, Standstill
from tests.support.records import Record

NOW = 1_000_000


class Host:
    def __init__(self) -> None:
        self.now_s = 50.0
        self.still = Standstill(lambda: self.now_s)
        self.proof = PartitionProof(self.still)

    def commits(self) -> None:
        self.proof.commits()()


def test_nothing_is_sure_before_the_first_commit():
    host = Host()
    assert not host.proof.sure
    host.commits()
    assert host.proof.sure


@pytest.mark.parametrize(("gap_s", "sure"), [(LIMIT_S, True), (LIMIT_S + 0.1, False)])
def test_a_gap_between_two_looks_is_a_standstill(gap_s, sure):
    host = Host()
    host.commits()
    host.now_s += gap_s
    assert host.proof.sure is sure
    assert host.proof.sure is sure, "also at the next look"
    host.commits()
    assert host.proof.sure


def test_a_commit_that_began_before_proves_nothing():
    host = Host()
    host.commits()
    proved = host.proof.commits()
    host.now_s += 60
    assert not host.proof.sure
    proved()
    assert not host.proof.sure


def test_each_task_of_the_process_proves_it_for_itself():
    host = Host()
    other = PartitionProof(host.still)
    host.commits()
    assert not other.sure


@pytest.mark.parametrize(
    ("ahead_ms", "kind", "sure"),
    [(3_000, 1, True), (3_001, 1, False), (90_000_000, 0, True)],
    ids=["a clock that lags a little", "a clock that stood still", "a time that is not the broker's"],
)
def test_a_record_from_the_future_is_a_standstill(ahead_ms, kind, sure):
    host = Host()
    host.commits()
    host.proof.saw(SimpleNamespace(timestamp=NOW + ahead_ms, timestamp_type=kind), NOW)  # type: ignore[arg-type]
    assert host.proof.sure is sure
    host.commits()
    host.proof.saw(Record(topic="t", timestamp=NOW), NOW)
    assert host.proof.sure


async def test_looks_go_on_while_there_is_nothing_to_do():
    looks = []
    still = Standstill(lambda: looks.append(0) or 0.0)
    watching = asyncio.create_task(still.watch())
    while len(looks) < 3:
        await asyncio.sleep(0)
        assert not watching.done()
        await asyncio.sleep(0.05)
    watching.cancel()
    assert still.doubts == 0
