import logging

import pytest

from stripeline.ingest.log_limit import OncePer, Quiet, bound
from stripeline.ingest.traceparent import ENTROPY_BYTES, traceparent

ENTROPY = bytes(range(ENTROPY_BYTES))
FRESH = b"00-000102030405060708090a0b0c0d0e0f-1011121314151617-01"
SENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def test_the_requests_own_trace_goes_on() -> None:
    assert traceparent(SENT, ENTROPY) == SENT.encode()


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "junk",
        SENT.upper(),
        SENT + "-extra",
        SENT + "\n",
        "ff" + SENT[2:],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_anything_else_begins_a_new_one(sent: str | None) -> None:
    assert traceparent(sent, ENTROPY) == FRESH
    assert traceparent(FRESH.decode(), b"") == FRESH


def test_one_line_of_a_kind_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    quiet = Quiet(logging.getLogger("t"), every_s=10, monotonic=lambda: now[0])
    for _ in range(5):
        quiet.error("a", "a %s", 1)
    quiet.error("b", "b")
    now[0] = 10.0
    quiet.error("a", "a %s", 2)
    assert caplog.messages == ["a 1", "b", "a 2 (and 4 like it before)"]


def test_a_librarys_lines_are_bounded_once(caplog: pytest.LogCaptureFixture) -> None:
    bound("t.library")
    bound("t.library")
    noisy = logging.getLogger("t.library")
    assert sum(isinstance(one, OncePer) for one in noisy.filters) == 1
    for number in range(1_000):
        noisy.error("line %d", number)
    assert caplog.messages == ["line 0"]
