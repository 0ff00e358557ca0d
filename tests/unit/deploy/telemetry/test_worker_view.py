"""What a scrape sees of a tier: the age of its oldest commands since they were first appended."""

from collections import deque

from stripeline.contracts import headers as h
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.input_partition import InputPartition
from tests.support.records import Record

NOW_MS = 1_000_000


def test_a_tiers_oldest_command_counts_from_its_first_append() -> None:
    seen = WorkerView(
        role="executor", counts=Counts(), loads={}, open={}, inputs={}, tiers={}, blocked={}, held_s={}, now_ms=NOW_MS,
        due_ms=lambda record: record.timestamp,
    )  # fmt: skip
    ages_s = (1, 700, 5)
    waiting = [
        Record(topic="t", timestamp=NOW_MS, headers=((h.FIRST_APPENDED_AT, str(NOW_MS - age_s * 1000).encode()),))
        for age_s in ages_s
    ]
    assert seen.first_age_s(InputPartition(grows=False, buffer=deque(waiting))) == 700
    assert seen.first_age_s(InputPartition(grows=False)) == 0
