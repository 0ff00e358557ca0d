import pytest

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
