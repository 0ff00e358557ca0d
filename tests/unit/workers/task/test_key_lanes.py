"""KeyLanes: one key in order, one at a time; keys side by side, up to the limit."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.task.key_lanes import KeyLanes


def test_items_of_one_lane_run_one_at_a_time_in_order():
    lanes: KeyLanes[str] = KeyLanes(limit=10)
    lanes.add("a", "a1")
    lanes.add("a", "a2")
    assert lanes.start() == ("a", "a1")
    assert lanes.start() is None
    lanes.finish("a")
    assert lanes.start() == ("a", "a2")


def test_lanes_run_side_by_side_up_to_the_limit():
    lanes: KeyLanes[str] = KeyLanes(limit=2)
    for lane in "abc":
        lanes.add(lane, lane)
    assert lanes.start() == ("a", "a")
    assert lanes.start() == ("b", "b")
    assert lanes.start() is None
    lanes.finish("b")
    assert lanes.start() == ("c", "c")


def test_a_finished_lane_is_forgotten():
    lanes: KeyLanes[int] = KeyLanes(limit=1)
    lanes.add("a", 1)
    lanes.start()
    lanes.finish("a")
    assert len(lanes) == 0
    lanes.add("a", 2)
    assert lanes.start() == ("a", 2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=80), st.integers(1, 4))
def test_each_lane_keeps_its_order_and_never_overlaps(steps, limit):
    lanes: KeyLanes[int] = KeyLanes(limit)
    running: dict[object, int] = {}
    started: dict[object, list[int]] = {}

    def start_all():
        while (found := lanes.start()) is not None:
            lane, item = found
            assert lane not in running
            running[lane] = item
            started.setdefault(lane, []).append(item)
        assert len(running) <= limit

    for number, (lane, finish) in enumerate(steps):
        lanes.add(lane, number)
        start_all()
        if finish and running:
            done = next(iter(running))
            del running[done]
            lanes.finish(done)
            start_all()
    while running:
        done = next(iter(running))
        del running[done]
        lanes.finish(done)
        start_all()
    assert len(lanes) == 0
    for lane, items in started.items():
        assert items == [number for number, (of, _) in enumerate(steps) if of == lane]
