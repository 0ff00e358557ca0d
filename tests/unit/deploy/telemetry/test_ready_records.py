"""What a task could start now: 0 when idle, nothing that is not due, nothing that more processes could not start."""

from collections import deque
from collections.abc import Mapping, Sequence

from stripeline.deploy.telemetry.metrics.worker import WORKER
from stripeline.deploy.telemetry.ready_records import ReadyRecords, ready_records
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.input_partition import InputPartition, Load
from stripeline.workers.task.watermark import Watermark
from tests.support.records import Record

NOW_MS = 1_000_000
COMMANDS, TIER = "stripe.action-command", "stripe.action-retry.30s"


def source(*ages_s: float, read_to: int = 10, topic: str = COMMANDS) -> InputPartition:
    buffer = deque(Record(topic=topic, timestamp=int(NOW_MS - age_s * 1000)) for age_s in ages_s)
    return InputPartition(grows=True, read_to=read_to, watermark=Watermark(0), buffer=buffer)


def at_once(record: Record) -> int:
    return 0


def after_30_s(record: Record) -> int:
    return record.timestamp + 30_000


def test_an_idle_input_has_none_though_markers_took_offsets():
    assert ready_records(source(read_to=10), 10, NOW_MS, at_once) == ReadyRecords(0, None)


def test_what_was_read_and_what_was_not_is_ready():
    found = ready_records(source(7, 3), 15, NOW_MS, at_once)
    assert found == ReadyRecords(2 + 5, NOW_MS - 7_000)
    assert found.age_s(NOW_MS) == 7


def test_a_tier_whose_head_is_not_due_has_none():
    assert ready_records(source(29, 28), 900, NOW_MS, after_30_s) == ReadyRecords()


def test_a_tier_counts_what_is_due_since_it_is_due():
    found = ready_records(source(45, 31, 20), 900, NOW_MS, after_30_s)
    assert found == ReadyRecords(2, NOW_MS - 15_000)


def test_a_tier_that_is_due_as_far_as_read_counts_on():
    assert ready_records(source(45, 31), 13, NOW_MS, after_30_s).count == 2 + 3


def test_what_can_not_be_read_is_not_ready():
    assert ready_records(source(1), None, NOW_MS, at_once).count == 1


def load(*, held: int = 0, running: int = 0, ready: int = 0) -> Load:
    return Load(
        records_waiting=0, bytes_waiting=0, records_held=held, bytes_held=0, running=running, ready=ready, room=16,
        calls=0, state={}, full=False, head_due_ms=None,
    )  # fmt: skip


def seen(
    loads: Mapping[str, Load], inputs: Sequence[tuple[str, str, InputPartition, int]] = (), **stuck: float
) -> WorkerView:
    return WorkerView(
        role="executor", counts=Counts(), loads=loads, open=dict.fromkeys(loads, True),
        inputs={(topic, partition): (found, end) for topic, partition, found, end in inputs}, tiers={},
        blocked={(COMMANDS, "0"): stuck["blocked"]} if "blocked" in stuck else {},
        held_s={(COMMANDS, "0"): stuck["held"]} if "held" in stuck else {},
        now_ms=NOW_MS, due_ms=lambda record: record.timestamp + 30_000 if record.topic == TIER else 0,
    )  # fmt: skip


def shown(view: WorkerView) -> dict[str, object]:
    names = ("stripeline_task_records_ready", "stripeline_task_oldest_ready_seconds")
    return {row.name: list(row.read(view)) for row in WORKER if row.name in names}


def test_every_task_has_a_value_when_idle():
    idle = load()
    assert shown(seen({"0": idle, "3": idle}, [(COMMANDS, "0", source(), 10)])) == {
        "stripeline_task_records_ready": [(("executor", "0"), 0), (("executor", "3"), 0)],
        "stripeline_task_oldest_ready_seconds": [(("executor", "0"), 0.0), (("executor", "3"), 0.0)],
    }


def test_a_task_counts_its_own_inputs_and_what_waits_for_a_lane():
    tier = source(50, topic=TIER)
    view = seen(
        {"0": load(held=9, running=4, ready=3), "1": load()},
        [(COMMANDS, "0", source(2, 1), 13), (TIER, "0", tier, 10), (COMMANDS, "1", source(4), 10)],
    )
    assert shown(view) == {
        "stripeline_task_records_ready": [(("executor", "0"), 3 + 2 + 3 + 1), (("executor", "1"), 1)],
        "stripeline_task_oldest_ready_seconds": [(("executor", "0"), 20.0), (("executor", "1"), 4.0)],
    }


def test_an_input_that_is_held_or_blocked_asks_for_no_processes():
    for stuck in ({"blocked": 31.0}, {"held": 2.0}):
        assert seen({"0": load()}, [(COMMANDS, "0", source(), 99)], **stuck).ready("0").count == 0
    assert seen({"0": load()}, [(COMMANDS, "0", source(), 99)], held=0.0).ready("0").count == 89
