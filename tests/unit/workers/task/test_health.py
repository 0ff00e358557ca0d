"""What is trouble and what is none, with time as a number."""

from dataclasses import replace

import pytest

from stripeline.workers.task.health import GroupFacts, Remedy, Stall, StallLimits, TaskSnapshot, Watch, WorkerSnapshot

LIMITS = StallLimits(
    poll_s=30, join_s=90, assign_s=60, progress_s=180, call_s=240, apart_s=10, tries=2, forgive_s=1_000
)
IDLE = TaskSnapshot(mark=0, holds=False, idle=True, oldest_call_s=0, reads={"topic": 5})
BUSY = TaskSnapshot(mark=0, holds=True, idle=False, oldest_call_s=1, reads={"topic": 5})
WAITS = TaskSnapshot(mark=0, holds=False, idle=False, oldest_call_s=0, reads={"topic": 5})
FACTS = GroupFacts(members=2, ends={"topic": 5})


def member(polls=0, *, joined=True, silent_s=0.0, **working):
    return WorkerSnapshot(
        silent_s=silent_s,
        polls=polls,
        joined=joined,
        tasks=len(working),
        working={int(n[1:]): w for n, w in working.items()},
    )


def looks(watch, snapshot, until_s, *, turning=True, from_s=0):
    """Look every second; the first suspicion, and when it came."""
    for now_s in range(from_s, until_s + 1):
        found = watch.look(now_s, replace(snapshot, polls=now_s if turning else 0))
        if found is not None:
            return found.stall, found.number, now_s
    return None


@pytest.mark.parametrize(
    ("snapshot", "turning", "found"),
    [
        (member(p0=WAITS), False, (Stall.POLL, None, 31)),
        (member(silent_s=LIMITS.silent_s + 1), True, (Stall.SILENT, None, 0)),
        (member(joined=False), True, (Stall.JOIN, None, 91)),
        (member(), True, (Stall.ASSIGNMENT, None, 61)),
        (member(p3=BUSY), True, (Stall.PROGRESS, 3, 181)),
        (member(p3=IDLE), True, (Stall.READING, 3, 181)),
        (member(p1=replace(BUSY, oldest_call_s=241)), True, (Stall.CALL, 1, 0)),
        (member(p0=WAITS, p1=WAITS), True, None),  # a head that is not due, or a state that is full
        (replace(member(), tasks=2), True, None),  # a long restore
    ],
)
def test_what_does_not_move_is_suspected_after_its_time(snapshot, turning, found):
    assert looks(Watch(8, LIMITS), snapshot, 1_000, turning=turning) == found


def test_what_moves_is_not_suspected():
    watch = Watch(8, LIMITS)
    for now_s in range(0, 1_000, 100):
        moving = replace(BUSY, mark=now_s)
        assert watch.look(now_s, member(now_s, p0=moving, p1=replace(IDLE, mark=now_s))) is None


def test_a_suspended_process_raises_no_suspicion():
    watch = Watch(8, LIMITS)
    watch.look(0, member(p0=BUSY))
    assert watch.look(200, member(p0=BUSY), late_s=199) is None
    assert watch.look(229, member(p0=BUSY)) is None
    assert watch.look(231, member(p0=BUSY)).stall is Stall.POLL


def suspected(snapshot, watch=None, turning=True):
    watch = watch or Watch(2, LIMITS)
    at_s = looks(watch, snapshot, 500, turning=turning)[2]
    return watch, at_s, watch.look(at_s, replace(snapshot, polls=at_s if turning else 0))


def test_two_answers_of_kafka_some_time_apart_confirm_it():
    snapshot = member(p0=WAITS)
    watch, at_s, found = suspected(snapshot, turning=False)
    assert watch.judge(at_s, found, snapshot, FACTS) is Remedy.CONFIRM
    assert watch.judge(at_s + 5, found, snapshot, FACTS) is Remedy.CONFIRM
    assert watch.look(at_s + 10, snapshot).stall is Stall.POLL
    assert watch.judge(at_s + 10, found, snapshot, FACTS) is Remedy.REOPEN
    assert "does not read from Kafka any more, for 31 s" in found.words
    assert looks(watch, snapshot, at_s + 30, turning=False, from_s=at_s + 10) is None  # its time runs anew


def test_what_moves_between_two_answers_was_no_trouble():
    snapshot = member(p0=BUSY)
    watch, at_s, found = suspected(snapshot)
    assert watch.judge(at_s, found, snapshot, FACTS) is Remedy.CONFIRM
    assert watch.look(at_s + 1, member(at_s + 1, p0=replace(BUSY, mark=1))) is None
    assert looks(watch, member(p0=replace(BUSY, mark=1)), at_s + 300, from_s=at_s + 2) is not None
    assert watch.judge(at_s + 300, found, snapshot, FACTS) is Remedy.CONFIRM


def test_without_kafka_nothing_is_done():
    snapshot = member(p0=BUSY)
    watch, at_s, found = suspected(snapshot)
    assert watch.judge(at_s, found, snapshot, FACTS) is Remedy.CONFIRM
    assert watch.judge(at_s + 10, found, snapshot, None) is Remedy.NONE
    assert watch.judge(at_s + 20, found, snapshot, FACTS) is Remedy.CONFIRM


@pytest.mark.parametrize(
    ("members", "remedy"),
    [(2, Remedy.CONFIRM), (1, Remedy.CONFIRM), (0, Remedy.CONFIRM), (3, Remedy.NONE), (None, Remedy.NONE)],
)
def test_no_partition_is_a_stall_only_where_each_member_has_one(members, remedy):
    watch, at_s, found = suspected(member())
    assert watch.judge(at_s, found, member(), GroupFacts(members=members, ends={})) is remedy


def test_an_idle_partition_is_a_stall_only_with_records_to_read():
    snapshot = member(p0=IDLE, p1=replace(IDLE, reads={"other": 7}))
    watch, at_s, found = suspected(snapshot)
    assert found.number == 0
    nothing_in_0 = GroupFacts(members=1, ends={"topic": 5, "other": 8})
    assert watch.judge(at_s, found, snapshot, nothing_in_0) is Remedy.NONE
    found = watch.look(at_s + 1, replace(snapshot, polls=at_s + 1))
    assert (found.stall, found.number) == (Stall.READING, 1)
    assert watch.judge(at_s + 1, found, snapshot, nothing_in_0) is Remedy.CONFIRM
    assert watch.judge(at_s + 11, found, snapshot, nothing_in_0) is Remedy.REOPEN


def test_a_partition_that_was_taken_away_meanwhile_is_no_trouble():
    watch, at_s, found = suspected(member(p0=IDLE))
    assert watch.judge(at_s, found, member(), FACTS) is Remedy.NONE


def confirmed(watch, snapshot, at_s):
    found = watch.look(at_s, snapshot)
    watch.judge(at_s, found, snapshot, FACTS)
    return watch.judge(at_s + 10, found, snapshot, FACTS)


def test_it_gives_up_after_some_tries_within_the_forgiving_time():
    watch, hangs = Watch(2, LIMITS), member(p0=replace(BUSY, oldest_call_s=300))
    assert confirmed(watch, hangs, 1_100) is Remedy.REOPEN
    assert confirmed(watch, hangs, 1_200) is Remedy.REOPEN
    assert confirmed(watch, hangs, 2_300) is Remedy.REOPEN
    assert confirmed(watch, hangs, 2_400) is Remedy.REOPEN
    assert confirmed(watch, hangs, 2_500) is Remedy.GIVE_UP
