"""From where on the events of a workflow at its limit may not have started."""

import pytest

from stripeline.contracts.operator.control_records import Pause
from stripeline.deploy.runtime.workflow_pauser import lowest


@pytest.mark.parametrize(
    ("taken", "declined", "former", "expected"),
    [
        ((10, 20), {}, None, (10, 20)),
        ((10, 20), {0: 7}, None, (7, 20)),  # taken, and not started
        ((10, 20), {0: 12}, None, (10, 20)),
        ((10, 20), {0: 7}, ("stripeline", (9, 15)), (7, 15)),  # another process met the limit before
        ((10, 20), {}, ("ada", (1, 1)), (10, 20)),
        ((10, 20), {}, ("stripeline", None), (10, 20)),
    ],
)
def test_the_lowest_offset_of_each_partition_counts(taken, declined, former, expected):
    held = None if former is None else Pause(by=former[0], why="", at_ms=1, topic="t", offsets=former[1])
    assert lowest(taken, declined, held) == expected
