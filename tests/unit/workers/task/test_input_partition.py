"""An input partition: bounded by records and by bytes."""

from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.executor import ledger
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.router import run_state
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.input_partition import BUFFER_BYTES, BUFFER_RECORDS, InputPartition
from stripeline.workers.task.watermark import Watermark
from tests.support.records import Record


def record(size: int) -> Record:
    return Record(topic="t", key=b"k", value=b"x" * size)


def test_it_is_read_until_half_of_its_records_are_there():
    source = InputPartition(grows=True)
    assert source.wants
    source.put([record(1)] * (BUFFER_RECORDS // 2), BUFFER_RECORDS // 2)
    assert not source.wants
    source.pop()
    assert source.wants


def test_it_is_read_until_its_bytes_are_there():
    source = InputPartition(grows=True)
    source.put([record(BUFFER_BYTES), Record(topic="t", key=None, value=None)], 2)
    assert not source.wants
    assert source.pop().value is not None
    assert source.wants
    source.pop()
    assert source.bytes == 0


def test_it_begins_behind_what_was_lost():
    source = InputPartition(grows=True)
    source.begin(Watermark(3), 9, 20)
    assert (source.watermark.position, source.read_to, source.end_at_start) == (3, 9, 20)


def test_it_tells_where_it_stands_when_that_is_news():
    source = InputPartition(grows=True)
    source.put([], 0)
    assert source.offset_to_commit() == (0, "")
    assert source.offset_to_commit() is None
    source.watermark.take(0)
    source.watermark.finish(0)
    assert source.offset_to_commit() == (1, "")


def test_nothing_is_committed_of_what_was_not_read():
    source, lost = InputPartition(grows=True), Record(topic="t", key=None, value=b"", offset=5)
    source.begin(Watermark(3), 9, 20)
    assert source.offset_to_commit() is None
    source.begin(Watermark(3), 9, 20, [lost])
    assert source.offset_to_commit() == (3, "")


def test_a_state_is_full_when_it_holds_too_much_of_anything(monkeypatch):
    for module, name, state in (
        (ledger, "MAX_COMMANDS", Ledger()), (ledger, "MAX_QUEUES", Ledger()),
        (run_state, "MAX_RUNNING", Runs()), (run_state, "MAX_FINISHED", Runs()),
    ):  # fmt: skip
        assert not state.full
        with monkeypatch.context() as patch:
            patch.setattr(module, name, 0)
            assert state.full


def test_what_waits_are_records_and_not_the_markers_behind_them():
    source = InputPartition(grows=True)
    source.put([Record(topic="t", key=None, value=b"", offset=5)], 6)
    assert WorkerView.waiting(source, 7) == 2  # what was not read may be a record
    source.put([], 7)
    assert WorkerView.waiting(source, 7) == 1


def test_a_first_read_and_markers_at_the_end_are_committed():
    source, record = InputPartition(grows=True), Record(topic="t", key=None, value=b"", offset=0)
    assert source.read([record], 1)
    assert not source.read([], 2)  # what was read comes first
    source.watermark.take(source.pop().offset)
    assert source.read([], 3)
    assert (source.watermark.next, source.watermark.position) == (3, 0)
    assert not source.read([], 3)
