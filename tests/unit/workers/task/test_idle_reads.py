"""When a member's reads may wait long."""

from stripeline.workers.task.idle_reads import QUIET_S, IdleReads


def test_reads_that_take_all_and_bring_nothing_are_idle():
    reads = IdleReads()
    assert [reads.look(now_s, takes_all=True) for now_s in (1.0, 1.0 + QUIET_S / 2, 1.0 + QUIET_S)] == [
        False, False, True,
    ]  # fmt: skip
    reads.got_records()
    assert not reads.look(100.0, takes_all=True)
    assert reads.look(100.0 + QUIET_S, takes_all=True)


def test_a_partition_without_room_ends_it():
    reads = IdleReads()
    assert not reads.look(0.0, takes_all=True)
    assert not reads.look(50.0, takes_all=False)
    assert not reads.look(51.0, takes_all=True)
    assert not reads.look(51.0 + QUIET_S - 0.1, takes_all=True)
