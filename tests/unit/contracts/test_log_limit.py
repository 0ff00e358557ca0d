from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.log_limit import LogLimit


def test_a_kind_is_admitted_once_in_a_while() -> None:
    limit = LogLimit(10)
    assert [limit.admit("a", now_s) for now_s in (0.0, 0.0, 9.9, 10.0, 10.1, 30.0)] == [0, None, None, 2, None, 1]
    assert limit.admit("b", 10.1) == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 100)), max_size=60))
def test_every_line_is_admitted_or_counted(lines: list[tuple[str, float]]) -> None:
    limit = LogLimit(10)
    now_s, admitted, left_out = 0.0, 0, 0
    for kind, after_s in lines:
        now_s += after_s
        found = limit.admit(kind, now_s)
        admitted += found is not None
        left_out += found or 0
    pending = [limit.admit(kind, now_s + 100) for kind in "ab"]
    assert admitted + left_out + sum(one or 0 for one in pending) == len(lines)
