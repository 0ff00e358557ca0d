"""The schedule of the fault suite: complete, repeatable, one fault of a lane at a time."""

import itertools

import pytest

from tests.faults.schedule import LANES, LONG_S, REST_S, SHORT_S, schedule
from tests.faults.table import FAULTS

NAMES = {kind.name for lane in LANES for kind in lane}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("total_s", [SHORT_S, 300, LONG_S])
def test_every_kind_strikes_and_none_at_the_end(seed: int, total_s: float):
    planned = schedule(seed, total_s)
    assert {one.name for one in planned} == NAMES
    assert all(one.at_s + one.lasts_s <= total_s - REST_S for one in planned)


def test_a_lane_has_one_fault_at_a_time():
    for lane in LANES:
        names = {kind.name for kind in lane}
        mine = [one for one in schedule(1, LONG_S) if one.name in names]
        assert all(one.at_s + one.lasts_s < after.at_s for one, after in itertools.pairwise(mine))


def test_a_seed_is_a_schedule_and_another_seed_is_another():
    assert schedule(7, SHORT_S) == schedule(7, SHORT_S) != schedule(8, SHORT_S)


def test_every_kind_has_its_function():
    assert set(FAULTS) == NAMES
