"""The pauses that the cluster suite prints."""

from tests.cluster.figures import HEAD, Figures, longest_gap_of_one_s, longest_gap_s, table


def test_the_longest_gap_is_of_times_in_any_order():
    assert longest_gap_s([10.0, 1.0, 4.0]) == 6.0
    assert longest_gap_s([1.0]) == longest_gap_s([]) == 0.0


def test_a_partition_may_pause_while_others_go_on():
    times = [(0, 1.0), (1, 2.0), (0, 9.0), (1, 3.0), (1, 8.0)]
    assert longest_gap_of_one_s(times) == 8.0
    assert longest_gap_s(time_s for _, time_s in times) == 5.0
    assert longest_gap_of_one_s([]) == 0.0


def test_the_table_has_a_row_for_each_fault():
    figures = Figures(
        fault="kill -9", seconds=31.4, events=12, refused_s=8.06, nothing_taken_s=9.9, results=30, task_pause_s=12.3,
        executor_pause_s=1.0,
    )  # fmt: skip
    lines = table([figures, figures])
    assert len(lines) == 3
    assert all(head in lines[0] for head in HEAD)
    assert lines[1].split() == ["kill", "-9", "31", "12", "8.1", "9.9", "30", "12.3", "1.0"]
    assert len({len(line) for line in lines}) == 1
