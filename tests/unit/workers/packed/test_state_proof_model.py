"""A changelog that is compacted, and cut by an unclean election: a file that is proved leads to what the log says."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.contracts.topics import TOMBSTONES_KEPT_MS
from stripeline.workers.packed.state_proof import FORMAT, ChangelogNow, StateFileHeader, doubt

NOW = 1_790_000_000_000
MINUTE_MS = 60_000
STEPS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("abc"), st.sampled_from([1, 2, None])),
    st.tuples(st.just("write"), st.sampled_from("abc"), st.sampled_from([1, 2, None])),
    st.tuples(st.just("wait"), st.sampled_from([MINUTE_MS, DAY_MS, 5 * DAY_MS, 9 * DAY_MS]), st.none()),
    st.tuples(st.just("cut"), st.integers(1, 3), st.none()),
    st.tuples(st.sampled_from(["compact", "keep"]), st.none(), st.none()),
)


class Changelog:
    """Records with their offset, time, key and value; the file is a state with its header.

    cut: a replica that lacks the last records becomes the leader.
    """

    def __init__(self):
        self.records, self.end, self.now_ms, self.file = [], 0, NOW, None
        self.replica = []  # the same, but for its own compaction

    def write(self, key, value):
        self.replica.append((self.end, self.now_ms, key, value))
        self.records.append(self.replica[-1])
        self.end += 1

    def wait(self, ms, _):
        self.now_ms += ms

    def cut(self, count, _):
        self.end = max(0, self.end - count)
        self.replica = [one for one in self.replica if one[0] < self.end]
        self.records = list(self.replica)
        self.now_ms += MINUTE_MS  # an election takes its time

    def compact(self, *_):
        last = {key: offset for offset, _, key, _ in self.records}
        self.records = [
            one
            for one in self.records
            if one[0] == last[one[2]] and (one[3] is not None or self.now_ms - one[1] < TOMBSTONES_KEPT_MS)
        ]

    def keep(self, *_):
        header = StateFileHeader(format=FORMAT, topic="t", topic_id="i", partition=0, upto=self.end, at_ms=self.now_ms)
        self.file = header, self.state({}, 0)

    def state(self, begun, upto):
        for offset, _, key, value in self.records:
            if offset >= upto:
                begun.pop(key, None)
                if value is not None:
                    begun[key] = value
        return begun

    def doubt(self):
        header, _ = self.file
        last_ms = next((at_ms for offset, at_ms, *_ in self.records if offset == header.upto - 1), None)
        now = ChangelogNow(first=0, end=self.end, last_ms=last_ms, now_ms=self.now_ms)
        return doubt(header, topic="t", topic_id="i", partition=0, log=now)


@given(st.lists(STEPS, min_size=4, max_size=25))
@example(
    [("write", "a", 1), ("keep", None, None), ("write", "a", None), ("wait", 9 * DAY_MS, None), ("compact", None, None)]
)
@example(
    [
        ("write", "a", 1),
        ("keep", None, None),
        ("cut", 1, None),
        ("write", "b", 1),
        ("write", "b", 1),
        ("compact", None, None),
    ]
)
@settings(max_examples=200)
def test_a_proved_file_and_the_rest_of_the_log_are_the_log(steps):
    log = Changelog()
    for step, first, second in steps:
        getattr(log, step)(first, second)
        if log.file is not None and log.doubt() is None:
            header, state = log.file
            assert log.state(dict(state), header.upto) == log.state({}, 0)
