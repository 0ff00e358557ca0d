"""Where a restore stands: whole only at the log's end, whatever the last stable offset is."""

import pytest

from stripeline.workers.task.restore_progress import EMPTY_AFTER_S, Standing, standing


@pytest.mark.parametrize(
    ("position", "last_stable", "idle_s", "expected"),
    [
        (10, 10, 0, Standing.WHOLE),
        (12, None, 0, Standing.WHOLE),  # the last fetch may go beyond the end
        (0, None, 60, Standing.READING),  # nothing has been fetched yet
        (4, 10, 0, Standing.READING),
        (4, 7, 0, Standing.READING),
        (7, 7, 0, Standing.HELD),
        (4, 7, EMPTY_AFTER_S, Standing.HELD),  # offsets without a batch before the open transaction
        (4, 10, EMPTY_AFTER_S, Standing.EMPTY),
        (4, 15, EMPTY_AFTER_S, Standing.EMPTY),
    ],
)
def test_where_a_restore_up_to_offset_10_stands(position, last_stable, idle_s, expected):
    assert standing(position=position, end=10, last_stable=last_stable, idle_s=idle_s) is expected
