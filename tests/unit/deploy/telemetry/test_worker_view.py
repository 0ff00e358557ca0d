"""What a scrape sees of a tier: what was read of it, and what waits of it in the waiting room."""

from collections import deque
from collections.abc import Mapping

from stripeline.contracts import headers as h
from stripeline.deploy.runtime.reporting.parts import _heads
from stripeline.deploy.telemetry.metrics.worker import WORKER
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.input_partition import InputPartition, Load
from stripeline.workers.task.waiting.waiting_room import WaitingTopic
from tests.support.records import Record

NOW_MS = 1_000_000
TIER = "stripe.action-retry.5s"
PLACE = (TIER, "0")


def load(waiting: Mapping[str, WaitingTopic]) -> Load:
    return Load(
        records_waiting=0, bytes_waiting=0, records_held=0, bytes_held=0, running=0, ready=2, room=16, calls=0,
        state={}, full=False, head_due_ms=None, waiting=waiting,
    )  # fmt: skip


def view(source: InputPartition, room: WaitingTopic | None = None) -> WorkerView:
    return WorkerView(
        role="executor", counts=Counts(), loads={"0": load({} if room is None else {TIER: room})}, open={},
        inputs={PLACE: (source, 0)}, tiers={TIER: "5s"}, blocked={}, held_s={}, now_ms=NOW_MS,
        due_ms=lambda record: record.timestamp,
    )  # fmt: skip


def read(*ages_s: int) -> InputPartition:
    """Commands that were first appended so long ago, and are due since half of that."""
    records = [
        Record(
            topic=TIER, timestamp=NOW_MS - age_s * 500,
            headers=((h.FIRST_APPENDED_AT, str(NOW_MS - age_s * 1000).encode()),),
        )
        for age_s in ages_s
    ]  # fmt: skip
    return InputPartition(grows=False, buffer=deque(records))


ROOM = WaitingTopic(count=7, first_ms=NOW_MS - 900_000, due_ms=NOW_MS + 4_000, ready=3, ready_ms=NOW_MS - 9_000)


def test_a_tiers_oldest_command_counts_from_its_first_append() -> None:
    for source, waiting, age_s in ((read(1, 700, 5), None, 700), (read(), None, 0), (read(5), ROOM, 900)):
        assert view(source, waiting).first_age_s(PLACE, source) == age_s


def test_a_tier_is_overdue_since_its_first_ready_command_was_due() -> None:
    for source, waiting, for_s in ((read(8), None, 4), (read(), None, 0), (read(), ROOM, 9)):
        assert view(source, waiting).overdue_s(PLACE, source) == for_s


def test_a_tiers_head_is_the_next_that_is_taken() -> None:
    far = WaitingTopic(count=1, first_ms=0, due_ms=NOW_MS + 4_000)
    for source, waiting, at_ms in (
        (read(), None, None), (read(8), None, NOW_MS - 4_000), (read(), far, NOW_MS + 4_000),
        (read(), ROOM, NOW_MS - 9_000),
    ):  # fmt: skip
        seen = view(source, waiting)
        assert seen.head_ms(PLACE, source) == at_ms
        assert _heads(seen, "0", [(TIER, source)]) == ({} if at_ms is None else {TIER: at_ms})


def test_what_waits_in_the_room_is_counted() -> None:
    rows = {row.name: list(row.read(view(read(8), ROOM))) for row in WORKER}
    assert rows["stripeline_tier_records"] == [(("5s", "0"), 1 + 7)]
    assert rows["stripeline_task_records_ready"] == [(("executor", "0"), 2 + 3 + 1)]
    assert rows["stripeline_task_oldest_ready_seconds"] == [(("executor", "0"), 9.0)]
