"""After a commit that failed, no more is in hand than Kafka has committed lately."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.task.uncommitted_limit import LATELY_S, UncommittedLimit

STEPS = st.lists(st.one_of(st.just("fails"), st.integers(0, 5_000)), max_size=60)


def test_nothing_is_limited_before_a_commit_fails() -> None:
    limit = UncommittedLimit()
    limit.committed(3, now_s=1.0)
    assert limit.records is None
    assert limit.admits(100_000)


def test_a_failure_limits_to_what_was_committed_lately() -> None:
    limit = UncommittedLimit()
    for now_s, records in ((0.0, 1_000), (15.0, 20), (18.0, 30)):
        limit.committed(records, now_s)
    limit.failed(began_s=20.0)
    assert limit.records == 50
    assert limit.admits(49)
    assert not limit.admits(50)


def test_one_record_at_a_time_when_nothing_was_committed() -> None:
    limit = UncommittedLimit()
    limit.committed(400, now_s=0.0)
    limit.failed(began_s=LATELY_S + 1)
    assert limit.records == 1
    assert limit.admits(0)
    assert not limit.admits(1)


def test_each_commit_of_a_record_doubles_the_limit_until_none() -> None:
    limit = UncommittedLimit()
    limit.failed(began_s=0.0)
    seen = []
    for turn in range(11):
        seen.append(limit.records)
        limit.committed(1, now_s=float(turn))
        limit.committed(0, now_s=float(turn))  # offsets alone prove nothing about records
    assert seen == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, None]


@given(STEPS)
def test_a_limit_is_at_least_one_and_no_failure_raises_it(steps: list[str | int]) -> None:
    limit = UncommittedLimit()
    for turn, step in enumerate(steps):
        before = limit.records
        if isinstance(step, int):
            limit.committed(step, now_s=float(turn))
        else:
            limit.failed(began_s=float(turn))
            assert limit.records is not None
            assert before is None or limit.records <= before
        assert limit.records is None or limit.records >= 1
