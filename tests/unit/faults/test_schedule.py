"""The schedule of the fault suite: complete, repeatable, one fault of a lane at a time."""

import itertools

import pytest

from tests.faults.schedule import LONG_S, REST_S, SHORT_ON_SEVERAL_S, SHORT_S, lanes, schedule
from tests.faults.table import FAULTS

LENGTHS = [(1, SHORT_S), (1, 300), (1, LONG_S), (3, SHORT_ON_SEVERAL_S), (3, LONG_S)]


def names(brokers: int) -> set[str]:
    return {kind.name for lane in lanes(brokers) for kind in lane}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("brokers", "total_s"), LENGTHS)
def test_every_kind_strikes_and_none_at_the_end(seed: int, brokers: int, total_s: float):
    planned = schedule(seed, total_s, brokers)
    assert {one.name for one in planned} == names(brokers)
    assert all(one.at_s + one.lasts_s <= total_s - REST_S for one in planned)


@pytest.mark.parametrize("brokers", [1, 3])
def test_a_lane_has_one_fault_at_a_time(brokers: int):
    for lane in lanes(brokers):
        mine = [one for one in schedule(1, LONG_S, brokers) if one.name in {kind.name for kind in lane}]
        assert all(one.at_s + one.lasts_s < after.at_s for one, after in itertools.pairwise(mine))


def test_a_fault_of_a_broker_strikes_each_of_them():
    struck = {one.target for one in schedule(1, LONG_S, 3) if one.name == "kill-broker"}
    assert struck == {"1", "2", "3"}


def test_a_seed_is_a_schedule_and_another_seed_is_another():
    assert schedule(7, SHORT_S) == schedule(7, SHORT_S) != schedule(8, SHORT_S)


def test_every_kind_has_its_function():
    assert set(FAULTS) == names(3)
