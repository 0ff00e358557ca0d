"""Headers: how ours are written, and that another team's can be anything."""

import pytest

from stripeline.contracts import headers as h


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"), (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (253_402_300_799_000, "9999-12-31T23:59:59.000Z"),
    ],
)  # fmt: skip
def test_times_are_rfc_3339_in_utc(at_ms, text):
    assert h.rfc3339(at_ms) == text


def test_cloudevents_in_binary_mode():
    headers = h.cloud_event(id="evt_1", type="charge.succeeded", source="/stripeline/x", at_ms=0)
    assert headers == (
        ("ce_specversion", b"1.0"), ("ce_id", b"evt_1"), ("ce_type", b"charge.succeeded"),
        ("ce_source", b"/stripeline/x"), ("ce_time", b"1970-01-01T00:00:00.000Z"),
        ("content-type", b"application/json"),
    )  # fmt: skip
    traced = h.cloud_event(id="evt_1", type="charge.succeeded", source="/stripeline/x", at_ms=0, trace=b"00-a-b-01")
    assert traced == (*headers, ("traceparent", b"00-a-b-01"))


def test_the_last_header_of_a_name_counts_unless_it_is_null():
    assert h.read([("a", b"1"), ("b", None), ("a", b"2"), ("c", b"3"), ("c", None)]) == {"a": b"2", "c": b"3"}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"0", 0), (b"7", 7), (b"007", 7), (b"9" * 18, 10**18 - 1), (b"9" * 19, None), (b"", None), (b"-1", None),
        (b"1.5", None), (b" 1", None), (b"x", None), ("٣".encode(), None), (b"\xff", None),
    ],
)  # fmt: skip
def test_a_number_or_none(value, number):
    assert h.number({"n": value}, "n") == number


def test_a_missing_header_is_none():
    assert h.number({}, "n") is None
    assert h.text({}, "n") is None


def test_a_text_is_read_whatever_its_bytes():
    assert h.text({"n": "é".encode()}, "n") == "é"
    assert h.text({"n": b"a\xff"}, "n") == "a\ufffd"


def test_without_leaves_the_others_in_their_order():
    headers = (("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"4"))
    assert h.without(headers, frozenset({"a"})) == (("b", b"2"), ("c", b"4"))


def test_our_names():
    ours = {
        "attempt", "due-at", "first-appended-at", "event-created-at", "place", "replay", "settles", "trigger",
        "cancels", "connection", "account", "act", "origin-topic", "origin-partition",
        "origin-offset", "origin-last-offset", "reason", "code", "attempts", "last-error",
        "source", "late-by", "payload", "kind", "turn-at",
    }  # fmt: skip
    written = {value for value in vars(h).values() if isinstance(value, str) and value.startswith("stripeline-")}
    assert written == {f"stripeline-{name}" for name in ours}
    assert written > h.OURS_ON_A_COMMAND
    assert h.REPLAY not in h.OURS_ON_A_COMMAND
