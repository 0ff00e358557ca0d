"""What the watchdog sees of a task: records that wait on their topic are no stall, and their end is progress."""

from types import SimpleNamespace

from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.watch.watchdog import _working
from stripeline.workers.task.input_partition import InputPartition
from stripeline.workers.task.key_lanes import KeyLanes

TIER = TopicPartition("retry", 0)


def task() -> SimpleNamespace:
    source = InputPartition(grows=False)
    for offset in range(3):
        source.watermark.take(offset)
    return SimpleNamespace(inputs={TIER: source}, intake=SimpleNamespace(lanes=KeyLanes(4)))


def test_what_waits_on_its_topic_is_not_held():
    seen = _working(task(), (), 0.0)
    assert (seen.holds, seen.idle, seen.reads) == (False, True, {TIER: 3})


def test_what_was_taken_is_held_and_its_end_is_progress():
    found = task()
    found.intake.lanes.add(b"k1", 1)
    before = _working(found, (), 0.0)
    assert (before.holds, before.idle) == (True, False)
    found.inputs[TIER].watermark.finish(1)  # the first still waits
    assert _working(found, (), 0.0).mark != before.mark
